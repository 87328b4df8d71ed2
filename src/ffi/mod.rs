//! The C interface: a few lines a function over the Rust one. Peculiarities of C live here and nowhere else.

#![allow(rustdoc::broken_intra_doc_links)] // The comments become the C header, where `[ERROR]` is no link.

mod convert;
mod functions;
mod guard;
mod kept;
mod types;

pub use functions::{
    cluster_cpus, cluster_cpus_physical, cluster_get_all_workers, cluster_get_port, cluster_get_stats,
    cluster_get_worker_stats, cluster_graceful_restart, cluster_init, cluster_is_master, cluster_is_worker,
    cluster_signal_workers, cluster_wait_workers, cluster_worker_count, cluster_worker_id,
};
pub use types::{Cluster, cluster_stats_t, worker_stats_t, worker_status_t};
