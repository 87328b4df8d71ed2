//! The statistics as the documentation has them: 1 on success and 0 on error (contract 1.1). Their comments become the
//! header's: no Rust words in them.

use std::os::raw::c_int;

use super::convert::{answer, answer_all};
use super::guard::Guard;
use super::types::{cluster_stats_t, worker_stats_t};
use crate::control::handle;

/// Writes the cluster's state to *stats. Returns 1 on success; 0 if stats is NULL or this process is not the master,
/// and *stats is zeroed then. (See ECEWO_CLUSTER_ZERO_ON_SUCCESS below.)
///
/// Thread: any. Signal handler: yes.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cluster_get_stats(stats: *mut cluster_stats_t) -> c_int {
    let _guard = Guard::new("cluster_get_stats");
    let found = handle().stats();
    // SAFETY: the caller gives NULL or a valid place.
    unsafe { answer(stats, found.map(cluster_stats_t::from)) }.into()
}

/// Writes one worker's state to *stats. Returns 1 on success; 0 if stats is NULL, worker_id is not below
/// cluster_worker_count(), or this process is not the master, and *stats is zeroed then. (See
/// ECEWO_CLUSTER_ZERO_ON_SUCCESS below.)
///
/// Thread: any. Signal handler: yes.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cluster_get_worker_stats(worker_id: u8, stats: *mut worker_stats_t) -> c_int {
    let _guard = Guard::new("cluster_get_worker_stats");
    let found = handle().worker(worker_id);
    // SAFETY: the caller gives NULL or a valid place.
    unsafe { answer(stats, found.map(worker_stats_t::from)) }.into()
}

/// Writes the states of all workers, in the order of their ids, to the array, at most array_size of them. Returns how
/// many were written: 0 if stats_array is NULL, array_size is below 1, or this process is not the master (and then
/// all of the array is zeroed).
///
/// Thread: any. Signal handler: yes.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cluster_get_all_workers(stats_array: *mut worker_stats_t, array_size: c_int) -> c_int {
    let _guard = Guard::new("cluster_get_all_workers");
    // SAFETY: the caller gives NULL or an array of `array_size` places.
    unsafe { answer_all(stats_array, array_size) }
}
