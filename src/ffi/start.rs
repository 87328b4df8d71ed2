//! What `cluster_init` of every generation does.

use std::os::raw::{c_char, c_int};

use super::convert::{Options, read_arguments};
use super::kept::keep;
use crate::cluster::Role;
use crate::error::Error;
use crate::{log, role};

/// The part that this process has after `cluster_init`.
pub(super) enum Part {
    Master,
    Worker,
    /// There was an error, and its line is written.
    None,
}

/// A generation's own words for errors of its caller.
pub(super) struct Words {
    pub(super) no_options: &'static str,
    pub(super) no_argv: &'static str,
    pub(super) no_argc: &'static str,
    pub(super) again: &'static str,
}

/// Of the documentation and of v0.1.
pub(super) const WORDS: Words = Words {
    no_options: "cluster_init got NULL for options: give it a Cluster with at least the port set",
    no_argv: "cluster_init got NULL for argv: give it main's own argc and argv",
    no_argc: "cluster_init got an argc below 1: give it main's own argc and argv",
    again: "the cluster is initialized already: call cluster_init once, and again only after cluster_wait_workers",
};

/// # Safety
/// `argv` must be NULL or an array of at least `argc` strings or up to a NULL.
pub(super) unsafe fn start(options: Option<Options>, argc: c_int, argv: *mut *mut c_char, words: &Words) -> Part {
    // SAFETY: the caller's promise is this function's own.
    match unsafe { try_start(options, argc, argv, words) } {
        Ok(Role::Master(master)) => {
            keep(master);
            Part::Master
        }
        Ok(Role::Worker(_)) => Part::Worker,
        Err(error) => {
            log::error!("{error}");
            Part::None
        }
    }
}

/// # Safety
/// As that of [`start`].
unsafe fn try_start(
    options: Option<Options>,
    argc: c_int,
    argv: *mut *mut c_char,
    words: &Words,
) -> Result<Role, Error> {
    if role::current() != role::Role::None {
        return Err(Error::InvalidArgument { what: words.again });
    }
    let Some(options) = options else {
        return Err(Error::InvalidArgument { what: words.no_options });
    };
    if argv.is_null() {
        return Err(Error::InvalidArgument { what: words.no_argv });
    }
    if argc < 1 {
        return Err(Error::InvalidArgument { what: words.no_argc });
    }
    // SAFETY: not NULL, so such an array by the caller's promise.
    let arguments = unsafe { read_arguments(argc, argv) };
    options.builder().arguments(arguments).start()
}
