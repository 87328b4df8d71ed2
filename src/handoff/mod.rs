//! A worker's listeners: what the program does with them, told to the master.
//!
//! `assist` holds the functions that stand in for the C library's `bind` and `listen`. What they decide is here.

#[cfg(feature = "assist")]
mod assist;

use std::net::SocketAddr;
use std::os::fd::RawFd;

use crate::role::{self, Role};
use crate::sys::tcp;
use crate::wire::FromWorker;
use crate::worker::{Standing, standing};

/// The port that this process is a worker for, if it is one. Signal-safe.
fn cluster_port() -> Option<u16> {
    match standing() {
        Standing::Worker(identity) => Some(identity.port),
        // A lone worker, started by `--cluster-worker`.
        Standing::Stray | Standing::Stranger => (role::current() == Role::Worker).then(role::port),
    }
}

/// Before a `bind`: on the cluster's port every worker has a socket of its own. Signal-safe.
pub(crate) fn before_bind(socket: RawFd, address: SocketAddr) {
    if cluster_port() == Some(address.port()) && tcp::is_tcp(socket) {
        tcp::share_port(socket);
    }
}

/// After a `bind` that failed with this errno. Signal-safe.
pub(crate) fn bind_failed(socket: RawFd, address: SocketAddr, errno: i32) {
    if tcp::is_tcp(socket) {
        tell(FromWorker::BindFailed(address, errno));
    }
}

/// After a `listen` that succeeded. Signal-safe.
pub(crate) fn listening(socket: RawFd) {
    if !tcp::is_tcp(socket) {
        return;
    }
    if let Some(address) = tcp::local_address(socket) {
        tell(FromWorker::Listening(address));
    }
}

/// Whether this process has a master to tell. Signal-safe.
pub(crate) fn is_worker() -> bool {
    cluster_port().is_some()
}

fn tell(message: FromWorker) {
    if let Standing::Worker(identity) = standing() {
        // A channel that is gone or full loses the message: the program's call has succeeded all the same.
        let _ = identity.send(message);
    }
}
