//! Master/worker process clustering for servers on Linux.
//!
//! A program that uses one core becomes a cluster that uses all: one worker process for each, all on one port,
//! supervised by a master process. A worker that crashes is started again; a graceful restart replaces the workers
//! one by one by what is on disk now, and each replacement serves before its predecessor stops.
//!
//! ```text
//! C program ── ffi ──┐
//! Rust program ──────┴─ cluster ─┬─ master (shell) ── core (pure)
//!                                │        └──────────── sys (kernel)
//!                                └─ worker ─ handoff ── sys
//! ```
//!
//! Rust programs start with [`Cluster::builder`]; C programs with `include/ecewo-cluster.h`.

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    any(target_env = "gnu", target_env = "musl")
)))]
compile_error!("ecewo-cluster supports 64-bit Linux on x86_64 and aarch64, with glibc or musl, and nothing else");

mod cluster;
mod config;
mod control;
mod core;
mod error;
#[cfg(feature = "capi")]
pub mod ffi;
mod handoff;
mod log;
mod master;
mod role;
mod serving;
mod sys;
mod wire;
mod worker;

pub use cluster::{Builder, Cluster, Master, Role, cpus, cpus_physical};
pub use config::{
    DEFAULT_RESPAWN_DELAY, DEFAULT_RESPAWN_MAX_CRASHES, DEFAULT_RESPAWN_WINDOW, DEFAULT_SHUTDOWN_TIMEOUT,
    DEFAULT_STARTUP_DELAY,
};
pub use control::{ClusterStats, Handle, WorkerStats, WorkerStatus};
pub use error::Error;
pub use serving::{DrainNotice, Incoming, Worker};
