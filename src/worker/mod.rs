//! The worker's side: who it is, its channel to the master, and the guard that never lets it outlive its master.
//!
//! [`constructor`] runs before `main`; [`join`] is what `cluster_init` does in a worker.

mod constructor;
mod entry;
mod guard;
mod identity;

#[cfg(feature = "capi")]
pub(crate) use constructor::original_arguments;
pub(crate) use constructor::{birthplace, keep_constructor};
pub(crate) use identity::{CHANNEL_VARIABLE, ID_VARIABLE, Identity, Standing, standing};

use crate::log;
use crate::role;
use crate::sys::process;
use crate::wire::FromWorker;

/// The variable by which ecewo's core knows a worker of the C plugin. It switches the server's own SIGTERM handling
/// off, so workers of this library never have it (contract 2.4).
pub(crate) const PLUGIN_VARIABLE: &str = "ECEWO_WORKER";

/// "Something in the configuration is wrong" (sysexits.h, EX_CONFIG).
const EXIT_CONFIGURATION: i32 = 78;

/// Takes the worker's part in the cluster, or ends the process: a worker never becomes a master (contract 2.2).
pub(crate) fn join(identity: &Identity) {
    if identity.pid != process::own_pid() {
        refuse(format_args!(
            "worker {} was put into the background before cluster_init, so its master has lost it: do not call daemon() or fork in a worker \
             (ECEWO_WORKER_ID is set in one), or call it after cluster_init in the master",
            identity.id
        ));
    }
    if !identity.is_channel_live() {
        refuse(format_args!(
            "worker {} has lost its channel to the master: the program must not close descriptors that it did not open \
             before cluster_init; if the master has ended, start the program again",
            identity.id
        ));
    }
    role::become_worker(identity.port, identity.count, identity.id);
    // A channel that breaks in this moment is the guard's to notice.
    let _ = identity.send(FromWorker::Joined);
}

/// Ends a worker that has an identity but cannot be one.
pub(crate) fn refuse(reason: std::fmt::Arguments<'_>) -> ! {
    log::error!("{reason}");
    process::exit_now(EXIT_CONFIGURATION)
}
