//! From C's values to Rust's, and back.

use std::ffi::{CStr, CString, OsString};
use std::num::{NonZeroU8, NonZeroU32};
use std::os::raw::{c_char, c_int};
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use super::types::{Cluster, cluster_stats_t, worker_stats_t, worker_status_t};
use super::v0_1;
use crate::cluster::{Builder, Cluster as RustCluster};
use crate::config::{DEFAULT_RESPAWN_MAX_CRASHES, DEFAULT_RESPAWN_WINDOW};
use crate::control::{ClusterStats, WorkerStats, WorkerStatus, handle};
use crate::worker::original_arguments;

/// What every generation's configuration says. All zeros mean the default of everything, and no port.
#[derive(Clone, Copy)]
pub(super) struct Options {
    pub(super) cpus: u8,
    pub(super) port: u16,
    pub(super) respawn: bool,
    pub(super) shutdown_timeout_ms: u32,
    pub(super) worker_startup_delay_ms: u32,
    pub(super) worker_respawn_delay_ms: u32,
    pub(super) respawn_window_sec: u32,
    pub(super) respawn_max_crashes: u8,
    pub(super) on_start: Option<extern "C" fn(u8)>,
    pub(super) on_exit: Option<extern "C" fn(u8, c_int, bool)>,
}

/// Reads a structure of C field by field, and the truth value as a byte: C programs may have put any number there, which as a
/// Rust `bool` would be undefined behaviour.
macro_rules! read_fields {
    ($options:expr) => {
        Options {
            cpus: (*$options).cpus,
            port: (*$options).port,
            respawn: (&raw const (*$options).respawn).cast::<u8>().read() != 0,
            shutdown_timeout_ms: (*$options).shutdown_timeout_ms,
            worker_startup_delay_ms: (*$options).worker_startup_delay_ms,
            worker_respawn_delay_ms: (*$options).worker_respawn_delay_ms,
            respawn_window_sec: (*$options).respawn_window_sec,
            respawn_max_crashes: (*$options).respawn_max_crashes,
            on_start: (*$options).on_start,
            on_exit: (*$options).on_exit,
        }
    };
}

impl Options {
    /// # Safety
    /// `options` must be NULL or valid for reads.
    pub(super) unsafe fn documented(options: *const Cluster) -> Option<Self> {
        // SAFETY: not NULL, so valid by the caller's promise; the callbacks are NULL or functions of these types.
        (!options.is_null()).then(|| unsafe { read_fields!(options) })
    }

    /// # Safety
    /// `options` must be NULL or valid for reads.
    pub(super) unsafe fn v0_1(options: *const v0_1::Cluster) -> Option<Self> {
        // SAFETY: not NULL, so valid by the caller's promise; the callbacks are NULL or functions of these types.
        (!options.is_null()).then(|| unsafe { read_fields!(options) })
    }

    /// Zeros become defaults (contract 1.2).
    pub(super) fn builder(self) -> Builder {
        let milliseconds = |value: u32| NonZeroU32::new(value).map(|ms| Duration::from_millis(ms.get().into()));
        let window = NonZeroU32::new(self.respawn_window_sec).map(|seconds| Duration::from_secs(seconds.get().into()));
        let mut builder = RustCluster::builder().port(self.port).respawn(self.respawn).crash_protection(
            NonZeroU8::new(self.respawn_max_crashes).unwrap_or(DEFAULT_RESPAWN_MAX_CRASHES),
            window.unwrap_or(DEFAULT_RESPAWN_WINDOW),
        );
        if let Some(workers) = NonZeroU8::new(self.cpus) {
            builder = builder.workers(workers);
        }
        if let Some(timeout) = milliseconds(self.shutdown_timeout_ms) {
            builder = builder.shutdown_timeout(timeout);
        }
        if let Some(delay) = milliseconds(self.worker_startup_delay_ms) {
            builder = builder.startup_delay(delay);
        }
        if let Some(delay) = milliseconds(self.worker_respawn_delay_ms) {
            builder = builder.respawn_delay(delay);
        }
        if let Some(on_start) = self.on_start {
            builder = builder.on_start(move |worker| on_start(worker));
        }
        if let Some(on_exit) = self.on_exit {
            builder = builder.on_exit(move |worker, status, crash| on_exit(worker, status, crash));
        }
        builder
    }
}

/// Writes a result to where C wants it, or zeros (contract 1.3). Gives whether there was a result and a place for it.
///
/// # Safety
/// `place` must be NULL or valid for writes, and all-zero bytes a valid `T`.
pub(super) unsafe fn answer<T>(place: *mut T, found: Option<T>) -> bool {
    if place.is_null() {
        return false;
    }
    let has_result = found.is_some();
    // SAFETY: not NULL, so valid by the caller's promise.
    unsafe {
        match found {
            Some(value) => place.write(value),
            None => place.write_bytes(0, 1),
        }
    }
    has_result
}

/// Writes the states of all workers, at most `size` of them, and gives how many; or all zeros.
///
/// # Safety
/// `places` must be NULL or an array of `size` places, and all-zero bytes a valid `T`.
pub(super) unsafe fn answer_all<T: From<WorkerStats>>(places: *mut T, size: c_int) -> c_int {
    let size = usize::try_from(size).unwrap_or(0);
    if places.is_null() {
        return 0;
    }
    if handle().stats().is_none() {
        // SAFETY: the caller gives an array of `size` places, and all zeros are valid.
        unsafe { places.write_bytes(0, size) };
        return 0;
    }
    let mut count = 0;
    for (index, worker) in handle().workers().take(size).enumerate() {
        // SAFETY: the caller gives an array of `size` places, and `index` is below that.
        unsafe { places.add(index).write(T::from(worker)) };
        count += 1;
    }
    count
}

/// The command line for the workers: as it was before `main`, if the program has only moved its parts, else as given.
///
/// # Safety
/// `argv` must be an array of at least `argc` strings or up to a NULL.
pub(super) unsafe fn read_arguments(argc: c_int, argv: *mut *mut c_char) -> Vec<OsString> {
    let count = usize::try_from(argc).unwrap_or(0);
    // SAFETY: the caller's promise; nothing behind the first NULL is read.
    let pointers: Vec<*const c_char> = (0..count)
        .map(|index| unsafe { *argv.add(index) }.cast_const())
        .take_while(|pointer| !pointer.is_null())
        .collect();
    let strings = original_arguments(&pointers).unwrap_or_else(|| {
        // SAFETY: each is a terminated string by the caller's promise.
        pointers.iter().map(|pointer| unsafe { CStr::from_ptr(*pointer) }.to_owned()).collect()
    });
    strings.into_iter().map(CString::into_bytes).map(OsString::from_vec).collect()
}

/// C's pid of a worker: 0 while no process runs.
pub(super) fn pid_of(stats: &WorkerStats) -> c_int {
    stats.pid.and_then(|pid| c_int::try_from(pid).ok()).unwrap_or(0)
}

pub(super) fn uptime_of(stats: &WorkerStats) -> i64 {
    i64::try_from(stats.uptime.as_secs()).unwrap_or(i64::MAX)
}

impl From<ClusterStats> for cluster_stats_t {
    fn from(stats: ClusterStats) -> Self {
        Self {
            total_workers: stats.total_workers,
            active_workers: stats.active_workers,
            crashed_workers: stats.crashed_workers,
            disabled_workers: stats.disabled_workers,
            shutdown_requested: stats.shutdown_requested,
            restart_requested: stats.restart_requested,
            total_restarts: stats.total_restarts,
        }
    }
}

impl From<WorkerStats> for worker_stats_t {
    fn from(stats: WorkerStats) -> Self {
        Self {
            worker_id: stats.id,
            pid: pid_of(&stats),
            port: stats.port,
            status: stats.status.into(),
            start_time: stats.start_time,
            uptime_seconds: uptime_of(&stats),
            exit_status: stats.exit_status,
            crash_count: stats.crash_count,
            respawn_disabled: stats.is_respawn_disabled(),
        }
    }
}

impl From<WorkerStatus> for worker_status_t {
    fn from(status: WorkerStatus) -> Self {
        match status {
            WorkerStatus::Starting => Self::WORKER_STARTING,
            WorkerStatus::Active => Self::WORKER_ACTIVE,
            WorkerStatus::Stopping => Self::WORKER_STOPPING,
            WorkerStatus::Crashed => Self::WORKER_CRASHED,
            WorkerStatus::Respawning => Self::WORKER_RESPAWNING,
            WorkerStatus::Disabled => Self::WORKER_DISABLED,
        }
    }
}
