//! `cluster_init` as the documentation has it. Its comment becomes the header's: no Rust words in it.

use std::os::raw::{c_char, c_int};

use super::convert::Options;
use super::guard::Guard;
use super::start::{Part, WORDS, start};
use super::types::Cluster;

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
/// returns: the first two stop the cluster (a second SIGINT kills it), SIGUSR2 restarts it gracefully. If one of the first two
/// comes during this call, cluster_wait_workers() does the shutdown. A SIGCHLD that is ignored gets its default action for that
/// time. The soft limit of descriptors may be raised for the master, and the process is named ecewo:master.
///
/// If the master ends by any cause, each worker sends itself SIGTERM at once, and SIGKILL after shutdown_timeout_ms.
///
/// A program that is started with --cluster-worker ID PORT among its arguments is a worker without a master: this returns as in a
/// worker, and the functions below answer with that id and port.
///
/// For the hand-over in a restart the library has bind, accept, read, write, epoll_wait and others of its own, which differ from
/// the C library's only in a worker, for its listeners and the connections accepted from them.
///
/// Thread: any, one at a time. Signal handler: no.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cluster_init(options: *const Cluster, argc: c_int, argv: *mut *mut c_char) -> bool {
    let _guard = Guard::new("cluster_init");
    // SAFETY: the caller's promise is this function's own.
    match unsafe { start(Options::documented(options), argc, argv, &WORDS) } {
        Part::Master => true,
        Part::Worker | Part::None => false,
    }
}
