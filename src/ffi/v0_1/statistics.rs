//! The statistics of v0.1: 0 on success and -1 on error. Their comments become the header's: no Rust words in them.

use std::os::raw::c_int;

use super::types::{ClusterStats, WorkerStats};
use crate::control::handle;
use crate::ffi::convert::{answer, answer_all};
use crate::ffi::guard::Guard;

/// Writes the cluster's state to *stats. Returns 0 on success; -1 if stats is NULL or this process is not the master,
/// and *stats is zeroed then.
///
/// Thread: any. Signal handler: yes.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_v0_1_get_stats(stats: *mut ClusterStats) -> c_int {
    let _guard = Guard::new("cluster_get_stats");
    let found = handle().stats();
    // SAFETY: the caller gives NULL or a valid place.
    c_int::from(unsafe { answer(stats, found.map(ClusterStats::from)) }) - 1
}

/// Writes one worker's state to *stats. Returns 0 on success; -1 if stats is NULL, worker_id is not below
/// cluster_worker_count(), or this process is not the master, and *stats is zeroed then.
///
/// Thread: any. Signal handler: yes.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_v0_1_get_worker_stats(worker_id: u8, stats: *mut WorkerStats) -> c_int {
    let _guard = Guard::new("cluster_get_worker_stats");
    let found = handle().worker(worker_id);
    // SAFETY: the caller gives NULL or a valid place.
    c_int::from(unsafe { answer(stats, found.map(WorkerStats::from)) }) - 1
}

/// Writes the states of all workers, in the order of their ids, to the array, at most array_size of them. Returns how
/// many were written: 0 if stats_array is NULL, array_size is below 1, or this process is not the master (and then
/// all of the array is zeroed).
///
/// Thread: any. Signal handler: yes.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_v0_1_get_all_workers(stats_array: *mut WorkerStats, array_size: c_int) -> c_int {
    let _guard = Guard::new("cluster_get_all_workers");
    // SAFETY: the caller gives NULL or an array of `array_size` places.
    unsafe { answer_all(stats_array, array_size) }
}
