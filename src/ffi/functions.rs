//! The C functions that the documentation and v0.1 share, in the order of their headers. Their comments become the headers':
//! no Rust words in them.

use std::os::raw::c_int;

use super::calls::{graceful_restart, signal_workers, wait};
use super::guard::Guard;
use crate::cluster::{cpus, cpus_physical};
use crate::role;

/// Supervises the workers; returns when no worker runs or will run.
///
/// It handles crashes, graceful restarts and shutdown, calls on_start and on_exit, and sleeps while nothing happens.
/// When it returns, every resource is released, signal dispositions are as they were, all answers are as before
/// cluster_init(), and cluster_init() may be called again. If it ends because every worker crashed or was disabled,
/// it says so in an [ERROR] line.
///
/// Outside the master, and before cluster_init(), it returns at once. From a callback, from a second thread while one is
/// inside, and in a child that the master has forked, it prints an [ERROR] line and returns.
///
/// Thread: any, one at a time. Signal handler: no.
#[unsafe(no_mangle)]
pub extern "C" fn cluster_wait_workers() {
    let _guard = Guard::new("cluster_wait_workers");
    wait("cluster_wait_workers");
}

/// Sends a signal to every running worker. In the master only; elsewhere it prints one [ERROR] line and does nothing.
///
/// SIGTERM, SIGINT and SIGKILL mean "stop": the whole cluster is shut down, no worker is started any more, a graceful
/// restart ends, and a worker that is still there after shutdown_timeout_ms is killed. Any other signal reaches a
/// worker that is not ready yet (see cluster_graceful_restart) as soon as it is. A number outside 1 to 64, and 32 and 33
/// (with musl 34, too), which the C library keeps for itself, is an [ERROR] line and nothing else.
///
/// Thread: any. Signal handler: yes.
#[unsafe(no_mangle)]
pub extern "C" fn cluster_signal_workers(signal: c_int) {
    let _guard = Guard::new("cluster_signal_workers");
    signal_workers(signal, "cluster_signal_workers", "cluster_init", "cluster_wait_workers");
}

/// Replaces every worker, one at a time, by the program file as it is on disk now: the replacement starts, becomes
/// ready, and only then the old process is told to stop. In the master only; elsewhere it prints one [ERROR] line and
/// does nothing.
///
/// The listening sockets go over to the replacement with the connections that wait in them. The old process takes no more
/// connections, finishes the HTTP/1 requests that it has, says "Connection: close" in the last answer of each connection, and
/// gets SIGTERM when none is left, at the latest after half of shutdown_timeout_ms. With ECEWO_CLUSTER_HANDOFF=off in the
/// environment it gets SIGTERM at once.
///
/// Ready means that the replacement listens wherever its predecessor listened on the cluster's port; if that listened on other
/// ports only, there; if nowhere, that the replacement has lived for 500 ms. If it ends before
/// that, or needs longer than 10 seconds (or three times what its predecessor needed), it is killed, an [ERROR]
/// line says so, the restart is given up, and the workers not replaced go on. Crashed and disabled
/// workers are replaced, too, with a clean crash count; workers that ended gracefully stay down.
///
/// It returns at once; cluster_get_stats() tells in restart_requested whether it still runs. A call during a restart
/// is remembered, once, and runs after it. kill -USR2 to the master does the same.
///
/// Thread: any. Signal handler: yes.
#[unsafe(no_mangle)]
pub extern "C" fn cluster_graceful_restart() {
    let _guard = Guard::new("cluster_graceful_restart");
    graceful_restart("cluster_graceful_restart", "cluster_init", "cluster_wait_workers");
}

/// The port to listen on: the configured one, in the master and in a worker. 0 if there is no cluster.
///
/// Thread: any. Signal handler: yes.
#[unsafe(no_mangle)]
pub extern "C" fn cluster_get_port() -> u16 {
    role::port()
}

/// Whether this process is the master: from cluster_init() on until cluster_wait_workers() returns.
/// In a child that the master has forked without exec, this and the statistics go on giving the answers of the moment of the fork.
///
/// Thread: any. Signal handler: yes.
#[unsafe(no_mangle)]
pub extern "C" fn cluster_is_master() -> bool {
    role::current() == role::Role::Master
}

/// Whether this process is a worker: from cluster_init() on. The environment variable ECEWO_WORKER_ID tells it earlier.
///
/// Thread: any. Signal handler: yes.
#[unsafe(no_mangle)]
pub extern "C" fn cluster_is_worker() -> bool {
    role::current() == role::Role::Worker
}

/// This worker's id, 0 to cluster_worker_count() - 1. 0 in the master, and if there is no cluster.
///
/// Thread: any. Signal handler: yes.
#[unsafe(no_mangle)]
pub extern "C" fn cluster_worker_id() -> u8 {
    role::worker_id()
}

/// The number of workers that the cluster was told to run, in the master and in a worker. 0 if there is no cluster.
///
/// Thread: any. Signal handler: yes.
#[unsafe(no_mangle)]
pub extern "C" fn cluster_worker_count() -> u8 {
    role::worker_count()
}

/// Logical CPUs that this process may use, 1 to 255: at most those of its affinity mask, and at most the CPU quota of
/// its control group and that group's parents, rounded up.
///
/// Thread: any. Signal handler: no (it reads files).
#[unsafe(no_mangle)]
pub extern "C" fn cluster_cpus() -> u8 {
    let _guard = Guard::new("cluster_cpus");
    cpus()
}

/// Physical cores that this process may use: at least 1, and at most cluster_cpus().
///
/// Thread: any. Signal handler: no (it reads files).
#[unsafe(no_mangle)]
pub extern "C" fn cluster_cpus_physical() -> u8 {
    let _guard = Guard::new("cluster_cpus_physical");
    cpus_physical()
}
