//! The C types of v0.1, field for field: other names than the documentation's, and another order in `Cluster`. Their comments
//! become the header's.

#![allow(non_camel_case_types)]
#![cfg_attr(target_env = "musl", allow(deprecated))] // libc says of time_t that it changes with musl; that is so on 32 bits only.

use std::os::raw::c_int;

use libc::time_t;

/// What cluster_init() is to do. Set every field that you do not need to 0 (a designated initializer does).
///
/// In every numeric field but port, 0 means the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Cluster {
    /// Number of workers, 1 to 255. Default: the number that cluster_cpus() gives.
    pub cpus: u8,
    /// TCP port that the workers listen on, 1 to 65535. No default: 0 is an error.
    pub port: u16,
    /// Whether a worker that crashed is started again. A worker that ended gracefully never is.
    pub respawn: bool,
    /// Milliseconds that a worker has to end after it was told to stop; then it is killed with SIGKILL. In a graceful
    /// restart an old worker has the first half of it to finish the requests that it has; SIGTERM follows, at once if
    /// there are none. Default: 15000.
    pub shutdown_timeout_ms: u32,
    /// Crash protection: length of the window in seconds. Default: 5.
    pub respawn_window_sec: u32,
    /// Crash protection: so many crashes of one worker within the window disable it: it is not started again
    /// until the next graceful restart. Default: 3.
    pub respawn_max_crashes: u8,
    /// Milliseconds between the start of one worker and the start of the next. Default: at most 100, less where the
    /// worker just started listens earlier. A value that you set is always kept.
    pub worker_startup_delay_ms: u32,
    /// Milliseconds between a worker's crash and the start of its replacement. Default: 100.
    pub worker_respawn_delay_ms: u32,
    /// Called in the master when a process has become the worker with this id: at the start (before cluster_init()
    /// returns), at a respawn, and in a graceful restart as soon as the replacement is ready. NULL: no call.
    ///
    /// Both callbacks run on the thread that is inside cluster_init() or cluster_wait_workers(). The statistics already
    /// show the event, no lock is held, and every function of this header may be called from them.
    pub on_start: Option<extern "C" fn(worker_id: u8)>,
    /// Called in the master when a process that was the worker with this id has ended. NULL: no call.
    ///
    /// exit_status is the exit code, or 128 plus the signal's number, or 255 where the status was lost because the
    /// program itself took it. is_crash is false for an exit with 0, a death by SIGTERM or SIGINT, and any end
    /// after the master told the worker to stop. In a graceful restart on_start of the replacement comes first.
    pub on_exit: Option<extern "C" fn(worker_id: u8, exit_status: c_int, is_crash: bool)>,
}

/// What a worker is doing.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerStatus {
    /// Its process is being made, or it has not been started yet.
    WORKER_STARTING,
    /// Its process runs the program.
    WORKER_ACTIVE,
    /// It was told to stop, or has ended gracefully.
    WORKER_STOPPING,
    /// It crashed and is not started again, because respawn is false.
    WORKER_CRASHED,
    /// It crashed, and its replacement is about to be started.
    WORKER_RESPAWNING,
    /// It crashed too often within the window: it is not started again before the next graceful restart.
    WORKER_DISABLED,
}

/// One worker. During a graceful restart it describes the old process until the replacement is ready.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct WorkerStats {
    /// 0 to cluster_worker_count() - 1.
    pub worker_id: u8,
    /// Process id; 0 while no process runs.
    pub pid: c_int,
    /// The cluster's port.
    pub port: u16,
    /// What it is doing.
    pub status: WorkerStatus,
    /// When its latest process was started, in seconds since 1970; 0 before the first one.
    pub start_time: time_t,
    /// Seconds since then, by a clock that nobody can set; 0 while no process runs.
    pub uptime_seconds: time_t,
    /// How its last process that ended did: the exit code, or 128 plus the signal's number; 255 where that was lost because the
    /// program itself waited for it. 0 before the first end.
    pub exit_status: c_int,
    /// Crashes within the window that ended with the latest crash; 0 after a graceful restart.
    pub crash_count: u8,
    /// Whether crash protection stopped its respawning.
    pub respawn_disabled: bool,
}

/// The whole cluster.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ClusterStats {
    /// Number of workers that cluster_init() was told to run.
    pub total_workers: u8,
    /// How many of them are WORKER_ACTIVE.
    pub active_workers: u8,
    /// How many of them are WORKER_CRASHED.
    pub crashed_workers: u8,
    /// How many of them are WORKER_DISABLED.
    pub disabled_workers: u8,
    /// Whether the cluster was told to stop.
    pub shutdown_requested: bool,
    /// Whether a graceful restart was asked for and the last old process is not gone yet.
    pub restart_requested: bool,
    /// Replacements that became their slot's worker, after a crash or in a graceful restart, since cluster_init().
    pub total_restarts: u64,
}
