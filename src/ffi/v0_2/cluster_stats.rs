//! The statistics of the cluster, of v0.2. Comments become the header's: no Rust words in them.

use std::os::raw::c_int;

use super::memory;
use super::types::ecewo_cluster_stats_t;
use crate::control::handle;
use crate::ffi::convert::answer;
use crate::ffi::guard::Guard;

/// Makes room for the cluster's statistics; everything in it is 0. NULL if there is no memory.
///
/// Thread: any. Signal handler: no.
#[unsafe(no_mangle)]
pub extern "C" fn ecewo_cluster_stats_new() -> *mut ecewo_cluster_stats_t {
    // SAFETY: numbers and truth values: all zeros are valid, and nothing is to drop.
    unsafe { memory::new_zeroed() }
}

/// Gives it back. NULL is allowed.
///
/// Thread: any. Signal handler: no.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_stats_free(stats: *mut ecewo_cluster_stats_t) {
    // SAFETY: the caller gives NULL or what `ecewo_cluster_stats_new` gave.
    unsafe { memory::free(stats) }
}

/// Fills stats with the cluster's state. Returns 0 on success; -1 if stats is NULL or this process is not the master,
/// and everything in stats is 0 then.
///
/// Thread: any. Signal handler: yes.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_get_stats(stats: *mut ecewo_cluster_stats_t) -> c_int {
    let _guard = Guard::new("ecewo_cluster_get_stats");
    let found = handle().stats();
    // SAFETY: the caller gives NULL or statistics.
    c_int::from(unsafe { answer(stats, found.map(ecewo_cluster_stats_t::from)) }) - 1
}

/// Number of workers that ecewo_cluster_init() was told to run.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_stats_total_workers(stats: *const ecewo_cluster_stats_t) -> u8 {
    // SAFETY: the caller gives NULL or statistics.
    unsafe { stats.as_ref() }.map_or(0, |stats| stats.total_workers)
}

/// How many of them are ECEWO_WORKER_ACTIVE.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_stats_active_workers(stats: *const ecewo_cluster_stats_t) -> u8 {
    // SAFETY: the caller gives NULL or statistics.
    unsafe { stats.as_ref() }.map_or(0, |stats| stats.active_workers)
}

/// How many of them are ECEWO_WORKER_CRASHED.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_stats_crashed_workers(stats: *const ecewo_cluster_stats_t) -> u8 {
    // SAFETY: the caller gives NULL or statistics.
    unsafe { stats.as_ref() }.map_or(0, |stats| stats.crashed_workers)
}

/// How many of them are ECEWO_WORKER_DISABLED.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_stats_disabled_workers(stats: *const ecewo_cluster_stats_t) -> u8 {
    // SAFETY: the caller gives NULL or statistics.
    unsafe { stats.as_ref() }.map_or(0, |stats| stats.disabled_workers)
}

/// Whether the cluster was told to stop.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_stats_shutdown_requested(stats: *const ecewo_cluster_stats_t) -> bool {
    // SAFETY: the caller gives NULL or statistics.
    unsafe { stats.as_ref() }.is_some_and(|stats| stats.shutdown_requested)
}

/// Whether a graceful restart was asked for and the last old process is not gone yet.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_stats_restart_requested(stats: *const ecewo_cluster_stats_t) -> bool {
    // SAFETY: the caller gives NULL or statistics.
    unsafe { stats.as_ref() }.is_some_and(|stats| stats.restart_requested)
}

/// Replacements that became their slot's worker, after a crash or in a graceful restart, since ecewo_cluster_init().
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_stats_total_restarts(stats: *const ecewo_cluster_stats_t) -> u64 {
    // SAFETY: the caller gives NULL or statistics.
    unsafe { stats.as_ref() }.map_or(0, |stats| stats.total_restarts)
}
