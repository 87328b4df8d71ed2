//! The statistics of one worker, of v0.2. Comments become the header's: no Rust words in them.

use std::os::raw::c_int;

use super::memory;
use super::types::{ecewo_worker_stats_t, ecewo_worker_status_t};
use crate::control::handle;
use crate::ffi::convert::answer;
use crate::ffi::guard::Guard;
use crate::role;

/// Makes room for one worker's statistics; everything in it is 0. NULL if there is no memory.
///
/// Thread: any. Signal handler: no.
#[unsafe(no_mangle)]
pub extern "C" fn ecewo_worker_stats_new() -> *mut ecewo_worker_stats_t {
    // SAFETY: numbers, truth values and a status that begins at 0: all zeros are valid, and nothing is to drop.
    unsafe { memory::new_zeroed() }
}

/// Gives it back. NULL is allowed.
///
/// Thread: any. Signal handler: no.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_worker_stats_free(stats: *mut ecewo_worker_stats_t) {
    // SAFETY: the caller gives NULL or what `ecewo_worker_stats_new` gave.
    unsafe { memory::free(stats) }
}

/// Fills stats with one worker's state. Returns 0 on success; -1 if stats is NULL, worker_id is not below
/// ecewo_cluster_worker_count(), or this process is not the master, and everything in stats is 0 then.
///
/// Thread: any. Signal handler: yes.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_get_worker_stats(worker_id: u8, stats: *mut ecewo_worker_stats_t) -> c_int {
    let _guard = Guard::new("ecewo_cluster_get_worker_stats");
    let found = handle().worker(worker_id);
    // SAFETY: the caller gives NULL or statistics.
    c_int::from(unsafe { answer(stats, found.map(ecewo_worker_stats_t::from)) }) - 1
}

/// Fills the entries of the array with the states of all workers, in the order of their ids: entry N is worker N, and
/// an entry that is NULL is left out. Entries from ecewo_cluster_worker_count() on are not touched. Returns how many
/// were filled: 0 if stats_array is NULL, array_size is below 1, or this process is not the master (and then
/// everything in the entries is 0).
///
/// Thread: any. Signal handler: yes.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_get_all_workers(
    stats_array: *mut *mut ecewo_worker_stats_t,
    array_size: c_int,
) -> c_int {
    let _guard = Guard::new("ecewo_cluster_get_all_workers");
    if stats_array.is_null() {
        return 0;
    }
    let size = usize::try_from(array_size).unwrap_or(0);
    let mut filled = 0;
    for (index, worker) in (0..role::worker_count()).enumerate().take(size) {
        // SAFETY: the caller gives an array of `array_size` entries, and `index` is below that; each is NULL or statistics.
        let is_filled =
            unsafe { answer(*stats_array.add(index), handle().worker(worker).map(ecewo_worker_stats_t::from)) };
        filled += c_int::from(is_filled);
    }
    filled
}

/// The worker's id, 0 to ecewo_cluster_worker_count() - 1.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_worker_stats_id(stats: *const ecewo_worker_stats_t) -> u8 {
    // SAFETY: the caller gives NULL or statistics.
    unsafe { stats.as_ref() }.map_or(0, |stats| stats.worker_id)
}

/// Process id; 0 while no process runs.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_worker_stats_pid(stats: *const ecewo_worker_stats_t) -> c_int {
    // SAFETY: the caller gives NULL or statistics.
    unsafe { stats.as_ref() }.map_or(0, |stats| stats.pid)
}

/// The cluster's port.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_worker_stats_port(stats: *const ecewo_worker_stats_t) -> u16 {
    // SAFETY: the caller gives NULL or statistics.
    unsafe { stats.as_ref() }.map_or(0, |stats| stats.port)
}

/// What it is doing. ECEWO_WORKER_DISABLED if stats is NULL.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_worker_stats_status(stats: *const ecewo_worker_stats_t) -> ecewo_worker_status_t {
    // SAFETY: the caller gives NULL or statistics.
    unsafe { stats.as_ref() }.map_or(ecewo_worker_status_t::ECEWO_WORKER_DISABLED, |stats| stats.status)
}

/// When its latest process was started, in seconds since 1970; 0 before the first one.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_worker_stats_start_time(stats: *const ecewo_worker_stats_t) -> i64 {
    // SAFETY: the caller gives NULL or statistics.
    unsafe { stats.as_ref() }.map_or(0, |stats| stats.start_time)
}

/// Seconds since then, by a clock that nobody can set; 0 while no process runs.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_worker_stats_uptime_seconds(stats: *const ecewo_worker_stats_t) -> i64 {
    // SAFETY: the caller gives NULL or statistics.
    unsafe { stats.as_ref() }.map_or(0, |stats| stats.uptime_seconds)
}

/// How its last process that ended did: the exit code, or 128 plus the signal's number; 255 where that was lost because the
/// program itself waited for it. 0 before the first end.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_worker_stats_exit_status(stats: *const ecewo_worker_stats_t) -> c_int {
    // SAFETY: the caller gives NULL or statistics.
    unsafe { stats.as_ref() }.map_or(0, |stats| stats.exit_status)
}

/// Crashes within the window that ended with the latest crash; 0 after a graceful restart.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_worker_stats_crash_count(stats: *const ecewo_worker_stats_t) -> u8 {
    // SAFETY: the caller gives NULL or statistics.
    unsafe { stats.as_ref() }.map_or(0, |stats| stats.crash_count)
}

/// Whether crash protection stopped its respawning.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_worker_stats_respawn_disabled(stats: *const ecewo_worker_stats_t) -> bool {
    // SAFETY: the caller gives NULL or statistics.
    unsafe { stats.as_ref() }.is_some_and(|stats| stats.respawn_disabled)
}
