//! A worker's listeners: what the program does with them, told to the master.
//!
//! `assist` holds the functions that stand in for the C library's `bind` and `listen`. What they decide is here.

#[cfg(feature = "assist")]
mod assist;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

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

/// After a `bind` that failed with this errno: only the cluster's port is of interest. Signal-safe.
fn bind_failed(socket: RawFd, address: SocketAddr, errno: i32) {
    if errno == libc::EADDRINUSE && cluster_port() == Some(address.port()) && tcp::is_tcp(socket) {
        tell(FromWorker::BindFailed(address, errno));
    }
}

/// After a `bind` that succeeded. Signal-safe.
fn bound(socket: RawFd, asked: SocketAddr) {
    if let Some(port) = tcp::local_address(socket).map(|address| address.port()) {
        EPHEMERAL.note(port, asked.port() == 0);
    }
}

/// After a `listen` that succeeded. Signal-safe.
fn listening(socket: RawFd) {
    if !tcp::is_tcp(socket) {
        return;
    }
    let Some(address) = tcp::local_address(socket) else { return };
    // A port that the system chose is another one in every worker: no successor can be asked to listen there.
    if EPHEMERAL.contains(address.port()) {
        return;
    }
    // A server that opens and closes listeners all the time (FTP does) must not talk its channel to death.
    if TOLD.fetch_add(1, Ordering::Relaxed) < MOST_TOLD {
        tell(FromWorker::Listening(address));
    }
}

/// The master notes no more for one process.
const MOST_TOLD: u32 = 1024;
static TOLD: AtomicU32 = AtomicU32::new(0);

/// Ports that the system chose for this process, for it did not ask for one in particular.
static EPHEMERAL: PortSet = PortSet::new();

/// A set of ports that a signal handler may use.
struct PortSet([AtomicU64; 1024]);

impl PortSet {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; 1024])
    }

    fn note(&self, port: u16, is_member: bool) {
        let bit = 1u64 << (port % 64);
        if let Some(word) = self.0.get(usize::from(port / 64)) {
            if is_member {
                word.fetch_or(bit, Ordering::Relaxed)
            } else {
                word.fetch_and(!bit, Ordering::Relaxed)
            };
        }
    }

    fn contains(&self, port: u16) -> bool {
        self.0.get(usize::from(port / 64)).is_some_and(|word| word.load(Ordering::Relaxed) >> (port % 64) & 1 == 1)
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
    if !assisted {
        bound(socket.as_raw_fd(), address);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_in_a_set() {
        let set = PortSet::new();
        for port in [0, 63, 64, 65535] {
            set.note(port, true);
            assert!(set.contains(port));
            assert!(!set.contains(port ^ 1), "its neighbour");
            set.note(port, false);
            assert!(!set.contains(port));
        }
    }
}
