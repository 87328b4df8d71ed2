//! From C's values to Rust's, and back.

use std::ffi::{CStr, CString, OsString};
use std::num::{NonZeroU8, NonZeroU32};
use std::os::raw::{c_char, c_int};
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use super::types::{Cluster, cluster_stats_t, worker_stats_t, worker_status_t};
use crate::cluster::{Builder, Cluster as RustCluster};
use crate::config::{DEFAULT_RESPAWN_MAX_CRASHES, DEFAULT_RESPAWN_WINDOW};
use crate::control::{ClusterStats, WorkerStats, WorkerStatus};
use crate::error::Error;
use crate::role;
use crate::worker::original_arguments;

/// Reads the arguments of `cluster_init`. Zeros become defaults (contract 1.2).
///
/// # Safety
/// `options` must be NULL or valid for reads, and `argv` NULL or an array of at least `argc` strings or up to a NULL.
pub(super) unsafe fn prepare(options: *const Cluster, argc: c_int, argv: *mut *mut c_char) -> Result<Builder, Error> {
    if role::current() != role::Role::None {
        return Err(Error::AlreadyInitialized);
    }
    if options.is_null() {
        return Err(invalid("cluster_init got NULL for options: give it a Cluster with at least the port set"));
    }
    if argv.is_null() {
        return Err(invalid("cluster_init got NULL for argv: give it main's own argc and argv"));
    }
    if argc < 1 {
        return Err(invalid("cluster_init got an argc below 1: give it main's own argc and argv"));
    }
    // SAFETY: not NULL, so valid by the caller's promise.
    Ok(unsafe { with_options(options).arguments(read_arguments(argc, argv)) })
}

/// Writes a result to where C wants it, or zeros (contract 1.3). 1 on success, 0 on error.
///
/// # Safety
/// `place` must be NULL or valid for writes, and all-zero bytes a valid `T`.
pub(super) unsafe fn answer<T>(place: *mut T, found: Option<T>) -> c_int {
    if place.is_null() {
        return 0;
    }
    // SAFETY: not NULL, so valid by the caller's promise.
    unsafe {
        match found {
            Some(value) => {
                place.write(value);
                1
            }
            None => {
                place.write_bytes(0, 1);
                0
            }
        }
    }
}

fn invalid(what: &'static str) -> Error {
    Error::InvalidArgument { what }
}

/// # Safety
/// `options` must be valid for reads. The fields are read one by one, and the truth value as a byte: C programs may have put
/// any number there, which as a Rust `bool` would be undefined behaviour.
unsafe fn with_options(options: *const Cluster) -> Builder {
    let milliseconds = |value: u32| NonZeroU32::new(value).map(|ms| Duration::from_millis(ms.get().into()));
    // SAFETY: the caller's promise.
    let (port, respawn, cpus) =
        unsafe { ((*options).port, (&raw const (*options).respawn).cast::<u8>().read(), (*options).cpus) };
    // SAFETY: the caller's promise.
    let (timeout, startup, respawn_delay) = unsafe {
        ((*options).shutdown_timeout_ms, (*options).worker_startup_delay_ms, (*options).worker_respawn_delay_ms)
    };
    // SAFETY: the caller's promise.
    let (window, max_crashes) = unsafe { ((*options).respawn_window_sec, (*options).respawn_max_crashes) };
    // SAFETY: the caller's promise: NULL or functions of these types.
    let (on_start, on_exit) = unsafe { ((*options).on_start, (*options).on_exit) };

    let window = NonZeroU32::new(window).map(|seconds| Duration::from_secs(seconds.get().into()));
    let mut builder = RustCluster::builder().port(port).respawn(respawn != 0).crash_protection(
        NonZeroU8::new(max_crashes).unwrap_or(DEFAULT_RESPAWN_MAX_CRASHES),
        window.unwrap_or(DEFAULT_RESPAWN_WINDOW),
    );
    if let Some(workers) = NonZeroU8::new(cpus) {
        builder = builder.workers(workers);
    }
    if let Some(timeout) = milliseconds(timeout) {
        builder = builder.shutdown_timeout(timeout);
    }
    if let Some(delay) = milliseconds(startup) {
        builder = builder.startup_delay(delay);
    }
    if let Some(delay) = milliseconds(respawn_delay) {
        builder = builder.respawn_delay(delay);
    }
    if let Some(on_start) = on_start {
        builder = builder.on_start(move |worker| on_start(worker));
    }
    if let Some(on_exit) = on_exit {
        builder = builder.on_exit(move |worker, status, crash| on_exit(worker, status, crash));
    }
    builder
}

/// The command line for the workers: as it was before `main`, if the program has only moved its parts, else as given.
///
/// # Safety
/// `argv` must be an array of at least `argc` strings or up to a NULL.
unsafe fn read_arguments(argc: c_int, argv: *mut *mut c_char) -> Vec<OsString> {
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
            pid: stats.pid.and_then(|pid| c_int::try_from(pid).ok()).unwrap_or(0),
            port: stats.port,
            status: stats.status.into(),
            start_time: stats.start_time,
            uptime_seconds: libc::time_t::try_from(stats.uptime.as_secs()).unwrap_or(libc::time_t::MAX),
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
