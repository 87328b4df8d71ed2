//! The hand-over: a worker's listeners pass from one process of its slot to the next, and an old worker lets its
//! connections go (contract 6).
//!
//! ```text
//! assist ─┬─ listeners ─ owned   bind, listen, close: inherited, adopted, given to the master
//!         ├─ gate ────── legacy  accept: whether this worker takes connections
//!         └─ drain ─┬─ connection ── http1   when it is between requests
//!                   └─ edit ─────────┘       Connection: close on its way out
//! ```
//! `assist` holds the functions that stand in for the C library's; `table` knows what a descriptor's number stands for, `state`
//! what matters to all of them; `helper` is the thread that does what the program's own do not come to do.

#[cfg(feature = "assist")]
mod assist;
#[cfg(feature = "assist")]
mod block;
#[cfg(feature = "assist")]
mod children;
#[cfg(feature = "assist")]
mod connection;
#[cfg(feature = "assist")]
mod drain;
#[cfg(feature = "assist")]
mod edit;
#[cfg(feature = "assist")]
mod gate;
pub(crate) mod helper;
#[cfg(feature = "assist")]
mod http1;
#[cfg(feature = "assist")]
mod legacy;
mod listeners;
pub(crate) mod notice;
#[cfg(feature = "assist")]
mod owned;
mod port_set;
mod state;
#[cfg(feature = "assist")]
mod table;
#[cfg(not(feature = "assist"))]
mod unassisted;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, RawFd};

use crate::role::{self, Role};
use crate::sys::limits::DescriptorLimit;
use crate::sys::{fd, tcp};
use crate::wire::FromWorker;
use crate::worker::{Standing, standing};

#[cfg(feature = "assist")]
pub(crate) use drain::prepare;
#[cfg(feature = "assist")]
use drain::{Duties, loops_can_be_called, nudge_descriptor, nudge_descriptor_is_gone};
#[cfg(feature = "assist")]
pub(crate) use gate::beside;
use listeners::forget_inherited;
pub(crate) use listeners::{has_inherited, inherit};
#[cfg(not(feature = "assist"))]
use unassisted::{Duties, loops_can_be_called, nudge_descriptor, nudge_descriptor_is_gone};
#[cfg(not(feature = "assist"))]
pub(crate) use unassisted::{closing, closing_descriptor, is_gate_closed, prepare};

/// `off` in it turns the hand-over off (contract 6.6).
const VARIABLE: &str = "ECEWO_CLUSTER_HANDOFF";

/// Whether the master of a cluster started now is to hand listeners over.
pub(crate) fn is_wanted() -> bool {
    std::env::var_os(VARIABLE).is_none_or(|value| value != "off")
}

/// The lowest number for descriptors of the library's own: near the top of those that `select` can handle, or of those that
/// this process may have, so that programs which count on low numbers get them.
pub(crate) fn out_of_the_way() -> RawFd {
    let soft = DescriptorLimit::current().map_or(256, |limit| limit.soft);
    i32::try_from(soft.min(1024)).unwrap_or(1024).saturating_sub(24).max(3)
}

/// Whether this process is a worker whose listeners are handed over. Signal-safe.
#[inline]
fn is_handed_over() -> bool {
    state::is_any(state::HANDED_OVER)
}

/// The port that this process is a worker for, if it is one. Signal-safe.
fn cluster_port() -> Option<u16> {
    match standing() {
        Standing::Worker(identity) => Some(identity.port),
        // A lone worker, started by `--cluster-worker`.
        Standing::Stray | Standing::Stranger => (role::current() == Role::Worker).then(role::port),
    }
}

/// Whether this process has listeners to care for. Signal-safe.
#[cfg(feature = "assist")]
fn is_worker() -> bool {
    cluster_port().is_some()
}

/// A listener for a Rust program: what the assisted calls do for others, done by name.
///
/// Its open file is shared with the slot's other workers. So without the assisted calls a non-blocking one must not be
/// blocking even for a moment: its predecessor may be just about to accept.
pub(crate) fn open_listener(address: SocketAddr, is_non_blocking: bool) -> io::Result<TcpListener> {
    let socket = tcp::open(address)?;
    if is_non_blocking && !cfg!(feature = "assist") {
        fd::set_non_blocking(socket.as_raw_fd(), true);
    }
    tcp::set_flag(socket.as_raw_fd(), libc::SO_REUSEADDR)?;
    // With the assisted calls, `bind` and `listen` are them, and do the rest themselves.
    let assisted = cfg!(feature = "assist");
    let adopted = !assisted && listeners::before_bind(socket.as_raw_fd(), address);
    if !adopted {
        if let Err(error) = tcp::bind(&socket, address) {
            if !assisted {
                listeners::bind_failed(socket.as_raw_fd(), address, error.raw_os_error().unwrap_or(0));
            }
            return Err(error);
        }
        if !assisted {
            listeners::bound(socket.as_raw_fd(), address);
        }
    }
    tcp::listen(&socket)?;
    if !assisted {
        listeners::listening(socket.as_raw_fd());
    }
    let listener = TcpListener::from(socket);
    if is_non_blocking && assisted {
        listener.set_nonblocking(true)?;
    }
    Ok(listener)
}

fn tell(message: FromWorker) {
    tell_with(message, None);
}

/// With a duplicate of a descriptor.
fn tell_with(message: FromWorker, descriptor: Option<RawFd>) {
    if let Standing::Worker(identity) = standing() {
        // A channel that is gone or full loses the message: the program's call has succeeded all the same.
        let _ = identity.send_with(message, descriptor);
    }
}
