//! The C types of v0.2. Their comments become the header's.

#![allow(non_camel_case_types)]

use std::os::raw::c_int;

use crate::ffi::convert::Options;

/// What ecewo_cluster_init() is to do: made by ecewo_cluster_config_new(), filled by the ecewo_cluster_config_set_...()
/// functions, handed to ecewo_cluster_init(), which copies it, and given back with ecewo_cluster_config_free().
pub struct ecewo_cluster_config_t(pub(super) Options);

/// One worker as it was when ecewo_cluster_get_worker_stats() or ecewo_cluster_get_all_workers() looked. During a
/// graceful restart that is the old process until the replacement is ready.
pub struct ecewo_worker_stats_t {
    pub(super) worker_id: u8,
    pub(super) pid: c_int,
    pub(super) port: u16,
    pub(super) status: ecewo_worker_status_t,
    pub(super) start_time: i64,
    pub(super) uptime_seconds: i64,
    pub(super) exit_status: c_int,
    pub(super) crash_count: u8,
    pub(super) respawn_disabled: bool,
}

/// The whole cluster as it was when ecewo_cluster_get_stats() looked.
pub struct ecewo_cluster_stats_t {
    pub(super) total_workers: u8,
    pub(super) active_workers: u8,
    pub(super) crashed_workers: u8,
    pub(super) disabled_workers: u8,
    pub(super) shutdown_requested: bool,
    pub(super) restart_requested: bool,
    pub(super) total_restarts: u64,
}

/// Called in the master when a process has become the worker with this id: at the start (before ecewo_cluster_init()
/// returns), at a respawn, and in a graceful restart as soon as the replacement is ready.
///
/// Both callbacks run on the thread that is inside ecewo_cluster_init() or ecewo_cluster_wait(). The statistics already
/// show the event, no lock is held, and every function of this header may be called from them.
pub type ecewo_cluster_on_start_t = Option<extern "C" fn(worker_id: u8)>;

/// Called in the master when a process that was the worker with this id has ended.
///
/// exit_status is the exit code, or 128 plus the signal's number, or 255 where the status was lost because the
/// program itself took it. is_crash is false for an exit with 0, a death by SIGTERM or SIGINT, and any end
/// after the master told the worker to stop. In a graceful restart on_start of the replacement comes first.
pub type ecewo_cluster_on_exit_t = Option<extern "C" fn(worker_id: u8, exit_status: c_int, is_crash: bool)>;

/// The part that this process has after ecewo_cluster_init().
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ecewo_cluster_role_t {
    /// There was an error; its [ERROR] line is on stderr.
    ECEWO_CLUSTER_ROLE_ERROR = -1,
    /// It supervises the workers: call ecewo_cluster_wait().
    ECEWO_CLUSTER_ROLE_MASTER = 0,
    /// It is one of the workers: be the server, on ecewo_cluster_port().
    ECEWO_CLUSTER_ROLE_WORKER = 1,
}

/// What a worker is doing.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ecewo_worker_status_t {
    /// Its process is being made, or it has not been started yet.
    ECEWO_WORKER_STARTING,
    /// Its process runs the program.
    ECEWO_WORKER_ACTIVE,
    /// It was told to stop, or has ended gracefully.
    ECEWO_WORKER_STOPPING,
    /// It crashed and is not started again, because respawn is off.
    ECEWO_WORKER_CRASHED,
    /// It crashed, and its replacement is about to be started.
    ECEWO_WORKER_RESPAWNING,
    /// It crashed too often within the window: it is not started again before the next graceful restart.
    ECEWO_WORKER_DISABLED,
}
