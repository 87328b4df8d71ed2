//! The interface of the plugin's v0.1: `int` instead of `bool` from `cluster_init`, 0 and -1 from the statistics, another
//! order of fields in `Cluster`.
//!
//! Its functions have the documentation's names, and one library has both (contract 10.3). Where they differ, v0.1's has
//! a symbol of its own, which its header binds to the old name with an assembler label (`build.rs` writes it). A label, and
//! no macro: a macro would rename whatever else of that name the program has.

mod convert;
mod init;
mod statistics;
mod types;

pub use init::ecewo_cluster_v0_1_init;
pub use statistics::{
    ecewo_cluster_v0_1_get_all_workers, ecewo_cluster_v0_1_get_stats, ecewo_cluster_v0_1_get_worker_stats,
};
pub use types::{Cluster, ClusterStats, WorkerStats, WorkerStatus};
