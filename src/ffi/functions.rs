//! The C functions in the order of the header. Their comments become the header's: no Rust words in them.

use std::os::raw::{c_char, c_int};

use super::convert::{answer, prepare};
use super::guard::Guard;
use super::kept::{keep, take_kept};
use super::types::{Cluster, cluster_stats_t, worker_stats_t};
use crate::cluster::{Builder, Role, cpus, cpus_physical};
use crate::control::handle;
use crate::sys::signals::Signal;
use crate::{log, role};

/// Starts the cluster, or takes a worker's part in it. Call it once, early in main(), with main's own arguments.
///
/// Returns true in the master: every worker listens or has exited, or 500 ms have passed since the last one was
/// started. Returns false in a worker, at once. Returns false after an error, with one [ERROR] line on stderr, with
/// nothing left running, and with both cluster_is_master() and cluster_is_worker() false. Errors are: options or argv
/// NULL, argc below 1, port 0, a port that this user may not use (below 1024, mostly), a port in use, workers that
/// cannot be started (a program file that does not start, too few descriptors or processes allowed), and a second
/// call, which leaves a running cluster and its answers as they are.
///
/// A worker runs the same program file with argv as its arguments, in the directory that the program was started in,
/// with the environment as it is at this call, plus ECEWO_WORKER_ID (its id) and without ECEWO_WORKER. A worker that
/// finds its master gone, or that was put into the background before this call, prints an [ERROR] line and ends with
/// exit code 78. In a worker stdin is /dev/null, it leads a session of its own, its signal mask is empty, and no signal
/// is ignored but SIGPIPE if the master ignores that.
///
/// In the master, SIGTERM, SIGINT and SIGUSR2 are handled by the library from here until cluster_wait_workers()
/// returns: the first two stop the cluster (a second SIGINT kills it), SIGUSR2 restarts it gracefully.
///
/// Thread: any, one at a time. Signal handler: no.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cluster_init(options: *const Cluster, argc: c_int, argv: *mut *mut c_char) -> bool {
    let _guard = Guard::new("cluster_init");
    // SAFETY: the caller's promise is this function's own.
    match unsafe { prepare(options, argc, argv) }.and_then(Builder::start) {
        Ok(Role::Master(master)) => {
            keep(master);
            true
        }
        Ok(Role::Worker(_)) => false,
        Err(error) => {
            log::error!("{error}");
            false
        }
    }
}

/// Supervises the workers; returns when no worker runs or will run.
///
/// It handles crashes, graceful restarts and shutdown, calls on_start and on_exit, and sleeps while nothing happens.
/// When it returns, every resource is released, signal dispositions are as they were, all answers are as before
/// cluster_init(), and cluster_init() may be called again. If it ends because every worker crashed or was disabled,
/// it says so in an [ERROR] line.
///
/// Outside the master, and before cluster_init(), it returns at once.
///
/// Thread: any, one at a time. Signal handler: no.
#[unsafe(no_mangle)]
pub extern "C" fn cluster_wait_workers() {
    let _guard = Guard::new("cluster_wait_workers");
    if role::current() != role::Role::Master {
        return;
    }
    match role::is_acting_master().then(take_kept).flatten() {
        Some(master) => master.wait(),
        None => log::error!(
            "cluster_wait_workers was called from a callback, from a second thread or in a child of the master: call it once, in the master"
        ),
    }
}

/// Sends a signal to every running worker. In the master only; elsewhere it prints one [ERROR] line and does nothing.
///
/// SIGTERM, SIGINT and SIGKILL mean "stop": the whole cluster is shut down, no worker is started any more, a graceful
/// restart ends, and a worker that is still there after shutdown_timeout_ms is killed. Any other signal reaches a
/// worker that is not ready yet (that does not listen yet) as soon as it is. A number outside 1 to 64, and 32 and 33,
/// which the C library keeps for itself, is an [ERROR] line and nothing else.
///
/// Thread: any. Signal handler: yes.
#[unsafe(no_mangle)]
pub extern "C" fn cluster_signal_workers(signal: c_int) {
    let _guard = Guard::new("cluster_signal_workers");
    if Signal::new(signal).is_none() {
        log::error!("{signal} is no signal that workers can be sent: use 1 to 64, but not 32 and 33");
    } else if !handle().signal(signal) {
        log::error!(
            "cluster_signal_workers({signal}) works in the master only, after cluster_init and before the end of cluster_wait_workers"
        );
    }
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
/// Ready means that the replacement listens where its predecessor listened on the cluster's port. If it ends before
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
    if !handle().restart() {
        log::error!(
            "cluster_graceful_restart works in the master only, after cluster_init and before the end of cluster_wait_workers"
        );
    }
}

/// The port to listen on: the configured one, in the master and in a worker. 0 if there is no cluster.
///
/// Thread: any. Signal handler: yes.
#[unsafe(no_mangle)]
pub extern "C" fn cluster_get_port() -> u16 {
    role::port()
}

/// Whether this process is the master: from cluster_init() on until cluster_wait_workers() returns.
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

/// Writes the cluster's state to *stats. Returns 1 on success; 0 if stats is NULL or this process is not the master,
/// and *stats is zeroed then. (See ECEWO_CLUSTER_ZERO_ON_SUCCESS below.)
///
/// Thread: any. Signal handler: yes.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cluster_get_stats(stats: *mut cluster_stats_t) -> c_int {
    let _guard = Guard::new("cluster_get_stats");
    let found = handle().stats();
    // SAFETY: the caller gives NULL or a valid place.
    unsafe { answer(stats, found.map(cluster_stats_t::from)) }
}

/// Writes one worker's state to *stats. Returns 1 on success; 0 if stats is NULL, worker_id is not below
/// cluster_worker_count(), or this process is not the master, and *stats is zeroed then. (See
/// ECEWO_CLUSTER_ZERO_ON_SUCCESS below.)
///
/// Thread: any. Signal handler: yes.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cluster_get_worker_stats(worker_id: u8, stats: *mut worker_stats_t) -> c_int {
    let _guard = Guard::new("cluster_get_worker_stats");
    let found = handle().worker(worker_id);
    // SAFETY: the caller gives NULL or a valid place.
    unsafe { answer(stats, found.map(worker_stats_t::from)) }
}

/// Writes the states of all workers, in the order of their ids, to the array, at most array_size of them. Returns how
/// many were written: 0 if stats_array is NULL, array_size is below 1, or this process is not the master (and then
/// all of the array is zeroed).
///
/// Thread: any. Signal handler: yes.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cluster_get_all_workers(stats_array: *mut worker_stats_t, array_size: c_int) -> c_int {
    let _guard = Guard::new("cluster_get_all_workers");
    let size = usize::try_from(array_size).unwrap_or(0);
    if stats_array.is_null() {
        return 0;
    }
    if handle().stats().is_none() {
        // SAFETY: the caller gives an array of `array_size` places, and all zeros are valid.
        unsafe { stats_array.write_bytes(0, size) };
        return 0;
    }
    let mut count = 0;
    for (index, worker) in handle().workers().take(size).enumerate() {
        // SAFETY: the caller gives an array of `array_size` places, and `index` is below that.
        unsafe { stats_array.add(index).write(worker_stats_t::from(worker)) };
        count += 1;
    }
    count
}
