//! The interface of the plugin's v0.2: every name begins with `ecewo_`, and what programs hold is opaque.
//!
//! What a program holds is memory of `calloc`, all zeros at first, as it was with the plugin: no memory gives NULL and ends
//! nobody, and programs that hand it to `free` get away with it.

mod cluster_stats;
mod config;
mod convert;
mod functions;
mod init;
mod memory;
mod types;
mod worker_stats;

pub use cluster_stats::{
    ecewo_cluster_get_stats, ecewo_cluster_stats_active_workers, ecewo_cluster_stats_crashed_workers,
    ecewo_cluster_stats_disabled_workers, ecewo_cluster_stats_free, ecewo_cluster_stats_new,
    ecewo_cluster_stats_restart_requested, ecewo_cluster_stats_shutdown_requested, ecewo_cluster_stats_total_restarts,
    ecewo_cluster_stats_total_workers,
};
pub use config::{
    ecewo_cluster_config_free, ecewo_cluster_config_new, ecewo_cluster_config_set_cpus,
    ecewo_cluster_config_set_on_exit, ecewo_cluster_config_set_on_start, ecewo_cluster_config_set_port,
    ecewo_cluster_config_set_respawn, ecewo_cluster_config_set_respawn_max_crashes,
    ecewo_cluster_config_set_respawn_window, ecewo_cluster_config_set_shutdown_timeout,
    ecewo_cluster_config_set_worker_respawn_delay, ecewo_cluster_config_set_worker_startup_delay,
};
pub use functions::{
    ecewo_cluster_cpus, ecewo_cluster_cpus_physical, ecewo_cluster_graceful_restart, ecewo_cluster_is_master,
    ecewo_cluster_is_worker, ecewo_cluster_port, ecewo_cluster_signal_workers, ecewo_cluster_wait,
    ecewo_cluster_worker_count, ecewo_cluster_worker_id,
};
pub use init::ecewo_cluster_init;
pub use types::{
    ecewo_cluster_config_t, ecewo_cluster_on_exit_t, ecewo_cluster_on_start_t, ecewo_cluster_role_t,
    ecewo_cluster_stats_t, ecewo_worker_stats_t, ecewo_worker_status_t,
};
pub use worker_stats::{
    ecewo_cluster_get_all_workers, ecewo_cluster_get_worker_stats, ecewo_worker_stats_crash_count,
    ecewo_worker_stats_exit_status, ecewo_worker_stats_free, ecewo_worker_stats_id, ecewo_worker_stats_new,
    ecewo_worker_stats_pid, ecewo_worker_stats_port, ecewo_worker_stats_respawn_disabled,
    ecewo_worker_stats_start_time, ecewo_worker_stats_status, ecewo_worker_stats_uptime_seconds,
};
