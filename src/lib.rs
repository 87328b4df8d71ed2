//! Master/worker process clustering for servers on Linux.
//!
//! A program that uses one core becomes a cluster that uses all: one worker process for each, all on one port,
//! supervised by a master process. A worker that crashes is started again; a graceful restart replaces the workers
//! one by one by what is on disk now, each replacement serves before its predecessor stops, and no client notices.
//!
//! ```text
//!                    ┌─ worker 0 ── its own listener ─┐
//!  master ── starts ─┼─ worker 1 ── its own listener ─┼── one port, one program
//!  (supervises)      └─ worker 2 ── its own listener ─┘
//!
//!  a restart, slot by slot:
//!  old worker   serves ──────────────┤ gate closes, finishes what it has ├ ends
//!  new worker         starts, listens ┤ serves, and the queue is its own ───────
//! ```
//!
//! A worker is the same program, run afresh: all that stands before [`Builder::start`] happens in it, too.
//!
//! ```no_run
//! use std::io::Write;
//!
//! use ecewo_cluster::{Cluster, Role};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     match Cluster::builder().port(3000).start()? {
//!         Role::Master(master) => master.wait(),
//!         Role::Worker(worker) => {
//!             for connection in worker.incoming(("0.0.0.0", worker.port()))? {
//!                 writeln!(connection?, "hello from worker {}", worker.id())?;
//!             }
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # A server that stops gracefully
//!
//! axum, with the graceful shutdown that it has anyway. In a restart it loses no request: the library has closed the
//! gate by then, and waited until each client that came just before is heard.
//!
//! ```no_run
//! # async fn serve(worker: ecewo_cluster::Worker, app: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
//! let listener = worker.nonblocking_listener(("0.0.0.0", worker.port()))?;
//! let listener = tokio::net::TcpListener::from_std(listener)?;
//! let notice = tokio::net::UnixStream::from_std(worker.drain_notice()?.into())?;
//! let stop = async move { notice.readable().await.unwrap_or_default() };
//! axum::serve(listener, app).with_graceful_shutdown(stop).await?;
//! # Ok(()) }
//! ```
//!
//! # Features
//!
//! - `assist` (on by default, with `capi`): the library defines some functions of the C library itself (`accept`, `read`,
//!   `write`, `epoll_wait` and others). In a worker, std, tokio and what is built on them then call these, and the library
//!   drains a server that knows nothing of it: whatever it does, no client notices a restart. Elsewhere they only
//!   make the system call.
//! - Without it the library owns the listeners alone, and the server has to stop by itself: see [`Worker::drain_notice`].
//! - `capi`: the C functions of `ecewo-cluster.h`. Where they say the same, the documentation here names them.
//!
//! Linux 5.4 or newer on x86_64 or aarch64, nothing else.

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
