//! From Rust's statistics to those of v0.2.

use super::types::{ecewo_cluster_stats_t, ecewo_worker_stats_t, ecewo_worker_status_t};
use crate::control::{ClusterStats, WorkerStats, WorkerStatus};
use crate::ffi::convert::{pid_of, uptime_of};

impl From<ClusterStats> for ecewo_cluster_stats_t {
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

impl From<WorkerStats> for ecewo_worker_stats_t {
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

impl From<WorkerStatus> for ecewo_worker_status_t {
    fn from(status: WorkerStatus) -> Self {
        match status {
            WorkerStatus::Starting => Self::ECEWO_WORKER_STARTING,
            WorkerStatus::Active => Self::ECEWO_WORKER_ACTIVE,
            WorkerStatus::Stopping => Self::ECEWO_WORKER_STOPPING,
            WorkerStatus::Crashed => Self::ECEWO_WORKER_CRASHED,
            WorkerStatus::Respawning => Self::ECEWO_WORKER_RESPAWNING,
            WorkerStatus::Disabled => Self::ECEWO_WORKER_DISABLED,
        }
    }
}
