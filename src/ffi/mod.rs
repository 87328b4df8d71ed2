//! The C interface: a few lines a function over the Rust one. Peculiarities of C live here and nowhere else.
//!
//! There are three generations of it (contract 10), each with a header of its own: `types`, `init`, `functions` and
//! `statistics` are the documentation's; v0.1 shares `functions`, and has its own symbols for the rest in [`v0_1`];
//! [`v0_2`] shares no name with them. `start`, `calls` and `convert` are what all three do.

#![allow(rustdoc::broken_intra_doc_links)] // The comments become the C header, where `[ERROR]` is no link.

mod calls;
mod convert;
mod functions;
mod guard;
mod init;
mod kept;
mod start;
mod statistics;
mod types;
pub mod v0_1;
pub mod v0_2;

pub use functions::{
    cluster_cpus, cluster_cpus_physical, cluster_get_port, cluster_graceful_restart, cluster_is_master,
    cluster_is_worker, cluster_signal_workers, cluster_wait_workers, cluster_worker_count, cluster_worker_id,
};
pub use init::cluster_init;
pub use statistics::{cluster_get_all_workers, cluster_get_stats, cluster_get_worker_stats};
pub use types::{Cluster, cluster_stats_t, worker_stats_t, worker_status_t};
