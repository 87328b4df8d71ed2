//! `ecewo_cluster_init`. Its comment becomes the header's: no Rust words in it.

use std::os::raw::{c_char, c_int};

use super::types::{ecewo_cluster_config_t, ecewo_cluster_role_t};
use crate::ffi::guard::Guard;
use crate::ffi::start::{Part, Words, start};

const WORDS: Words = Words {
    no_options: "ecewo_cluster_init got NULL for config: make one with ecewo_cluster_config_new and set at least the port",
    no_argv: "ecewo_cluster_init got NULL for argv: give it main's own argc and argv",
    no_argc: "ecewo_cluster_init got an argc below 1: give it main's own argc and argv",
    again: "the cluster is initialized already: call ecewo_cluster_init once, and again only after ecewo_cluster_wait",
};

/// Starts the cluster, or takes a worker's part in it. Call it once, early in main(), with main's own arguments.
///
/// Returns ECEWO_CLUSTER_ROLE_MASTER in the master: every worker listens or has exited, or 500 ms have passed since the
/// last one was started. Returns ECEWO_CLUSTER_ROLE_WORKER in a worker, at once. Returns ECEWO_CLUSTER_ROLE_ERROR after
/// an error, with one [ERROR] line on stderr and with nothing left running. Errors are: config or argv NULL, argc below
/// 1, no port, a port that this user may not use (below 1024, mostly), a port in use, workers that cannot be started (a
/// program file that does not start, too few descriptors or processes allowed), and a second call, which leaves a running
/// cluster and its answers as they are.
///
/// A worker runs the same program file with argv as its arguments, in the directory that the program was started in,
/// with the environment as it is at this call, plus ECEWO_WORKER_ID (its id) and without ECEWO_WORKER. A worker that
/// finds its master gone, or that was put into the background before this call, prints an [ERROR] line and ends with
/// exit code 78. In a worker stdin is /dev/null, it leads a session of its own, its signal mask is empty, and no signal
/// is ignored but SIGPIPE if the master ignores that.
///
/// In the master, SIGTERM, SIGINT and SIGUSR2 are handled by the library from here until ecewo_cluster_wait()
/// returns: the first two stop the cluster (a second SIGINT kills it), SIGUSR2 restarts it gracefully. If one of the first two
/// comes during this call, ecewo_cluster_wait() does the shutdown. A SIGCHLD that is ignored gets its default action for that
/// time. The soft limit of descriptors may be raised for the master, and the process is named ecewo:master.
///
/// If the master ends by any cause, each worker sends itself SIGTERM at once, and SIGKILL after the shutdown timeout.
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
pub unsafe extern "C" fn ecewo_cluster_init(
    config: *const ecewo_cluster_config_t,
    argc: c_int,
    argv: *mut *mut c_char,
) -> ecewo_cluster_role_t {
    let _guard = Guard::new("ecewo_cluster_init");
    // SAFETY: the caller gives NULL or a configuration.
    let options = unsafe { config.as_ref() }.map(|config| config.0);
    // SAFETY: the caller's promise is this function's own.
    match unsafe { start(options, argc, argv, &WORDS) } {
        Part::Master => ecewo_cluster_role_t::ECEWO_CLUSTER_ROLE_MASTER,
        Part::Worker => ecewo_cluster_role_t::ECEWO_CLUSTER_ROLE_WORKER,
        Part::None => ecewo_cluster_role_t::ECEWO_CLUSTER_ROLE_ERROR,
    }
}
