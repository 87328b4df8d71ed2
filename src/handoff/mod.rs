//! A worker's listeners: what the program does with them, told to the master.
//!
//! `assist` holds the functions that stand in for the C library's `bind` and `listen`. What they decide is here.

#[cfg(feature = "assist")]
mod assist;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, RawFd};

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
fn before_bind(socket: RawFd, address: SocketAddr) {
    if cluster_port() == Some(address.port()) && tcp::is_tcp(socket) {
        tcp::share_port(socket);
    }
}

/// After a `bind` that failed with this errno. Signal-safe.
fn bind_failed(socket: RawFd, address: SocketAddr, errno: i32) {
    if tcp::is_tcp(socket) {
        tell(FromWorker::BindFailed(address, errno));
    }
}

/// After a `listen` that succeeded. Signal-safe.
fn listening(socket: RawFd) {
    if !tcp::is_tcp(socket) {
        return;
    }
    if let Some(address) = tcp::local_address(socket) {
        tell(FromWorker::Listening(address));
    }
}

/// Whether this process has listeners to care for. Signal-safe.
#[cfg(feature = "assist")]
fn is_worker() -> bool {
    cluster_port().is_some()
}

/// A listener for a Rust program: what the assisted calls do for others, done by name.
pub(crate) fn open_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = tcp::open(address)?;
    tcp::set_flag(socket.as_raw_fd(), libc::SO_REUSEADDR)?;
    before_bind(socket.as_raw_fd(), address);
    // With the assisted calls, these two are them, and tell the master themselves.
    let assisted = cfg!(feature = "assist");
    if let Err(error) = tcp::bind(&socket, address) {
        if !assisted {
            bind_failed(socket.as_raw_fd(), address, error.raw_os_error().unwrap_or(0));
        }
        return Err(error);
    }
    tcp::listen(&socket)?;
    if !assisted {
        listening(socket.as_raw_fd());
    }
    Ok(TcpListener::from(socket))
}

fn tell(message: FromWorker) {
    if let Standing::Worker(identity) = standing() {
        // A channel that is gone or full loses the message: the program's call has succeeded all the same.
        let _ = identity.send(message);
    }
}
