//! From Rust's statistics to those of v0.1.

use super::types::{ClusterStats, WorkerStats, WorkerStatus};
use crate::control;
use crate::ffi::convert::{pid_of, uptime_of};

impl From<control::ClusterStats> for ClusterStats {
    fn from(stats: control::ClusterStats) -> Self {
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

impl From<control::WorkerStats> for WorkerStats {
    fn from(stats: control::WorkerStats) -> Self {
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

impl From<control::WorkerStatus> for WorkerStatus {
    fn from(status: control::WorkerStatus) -> Self {
        match status {
            control::WorkerStatus::Starting => Self::WORKER_STARTING,
            control::WorkerStatus::Active => Self::WORKER_ACTIVE,
            control::WorkerStatus::Stopping => Self::WORKER_STOPPING,
            control::WorkerStatus::Crashed => Self::WORKER_CRASHED,
            control::WorkerStatus::Respawning => Self::WORKER_RESPAWNING,
            control::WorkerStatus::Disabled => Self::WORKER_DISABLED,
        }
    }
}
