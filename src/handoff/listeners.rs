//! A worker's listeners: those that it inherits from the slot's earlier workers, and what the program does with each.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

#[cfg(feature = "assist")]
use super::owned;
use super::port_set::PortSet;
#[cfg(not(feature = "assist"))]
use super::unassisted;
use super::{cluster_port, is_handed_over, tell, tell_with};
use crate::sys::epoll_sets::{self, Registration};
use crate::sys::fd::{self, FileIdentity};
use crate::sys::tcp;
use crate::wire::{FromWorker, ListenerId};

/// A listener of an earlier worker of the slot.
#[derive(Debug)]
struct Inherited {
    address: SocketAddr,
    id: ListenerId,
    /// This process's own copy, until the program listens on it; then -1.
    copy: AtomicI32,
    /// The number under which the program has it, or -1.
    lent_to: AtomicI32,
}

static INHERITED: OnceLock<Vec<Inherited>> = OnceLock::new();

/// Takes over what came with the welcome. Before `main`.
pub(crate) fn inherit(listeners: Vec<(SocketAddr, OwnedFd)>) {
    INHERITED.get_or_init(|| {
        listeners
            .into_iter()
            .filter_map(|(address, socket)| {
                let id = ListenerId(FileIdentity::of(socket.as_raw_fd())?.inode());
                let copy = AtomicI32::new(socket.into_raw_fd());
                Some(Inherited { address, id, copy, lent_to: AtomicI32::new(-1) })
            })
            .collect()
    });
}

/// Before a `bind`. True if the socket has become an earlier worker's listener: then it is bound. Signal-safe.
pub(super) fn before_bind(socket: RawFd, address: SocketAddr) -> bool {
    if adopt(socket, address) {
        return true;
    }
    // On the cluster's port every worker has a socket of its own.
    if cluster_port() == Some(address.port()) && tcp::is_tcp(socket) {
        tcp::share_port(socket);
    }
    false
}

/// After a `bind` that failed with this errno: only the cluster's port is of interest. Signal-safe.
pub(super) fn bind_failed(socket: RawFd, address: SocketAddr, errno: i32) {
    let matters = errno == libc::EADDRINUSE && cluster_port() == Some(address.port()) && tcp::is_tcp(socket);
    // A program that tries again and again tells the master nothing new.
    if matters && FAILURES_TOLD.fetch_add(1, Ordering::Relaxed) < MOST_FAILURES_TOLD {
        tell(FromWorker::BindFailed(address, errno));
    }
}

/// After a `bind` that succeeded. Signal-safe.
pub(super) fn bound(socket: RawFd, asked: SocketAddr) {
    if let Some(port) = tcp::local_address(socket).map(|address| address.port()) {
        EPHEMERAL.note(port, asked.port() == 0);
    }
}

/// Before a `listen`: on a socket that is not bound the system chooses the port. Signal-safe.
#[cfg(feature = "assist")]
pub(super) fn is_unbound(socket: RawFd) -> bool {
    tcp::local_address(socket).is_some_and(|address| address.port() == 0)
}

/// After a `listen` on a socket that was not bound. Signal-safe.
#[cfg(feature = "assist")]
pub(super) fn bound_by_listen(socket: RawFd) {
    if let Some(address) = tcp::local_address(socket) {
        EPHEMERAL.note(address.port(), true);
    }
}

/// After a `listen` that succeeded. Signal-safe.
pub(super) fn listening(socket: RawFd) {
    if !tcp::is_tcp(socket) {
        return;
    }
    let Some(address) = tcp::local_address(socket) else { return };
    if is_handed_over() {
        #[cfg(feature = "assist")]
        owned::note(socket);
        #[cfg(not(feature = "assist"))]
        unassisted::note(socket);
    }
    // A port that the system chose is another one in every worker: no successor can be asked to listen there.
    if EPHEMERAL.contains(address.port()) {
        return;
    }
    // A server that opens and closes listeners all the time (FTP does) must not talk its channel to death.
    if TOLD.fetch_add(1, Ordering::Relaxed) < MOST_TOLD {
        tell_with(FromWorker::Listening(address), is_handed_over().then_some(socket));
        #[cfg(feature = "assist")]
        owned::was_told(socket);
    }
    give_up_copy(socket);
}

/// The master notes no more for one process.
const MOST_TOLD: u32 = 1024;
static TOLD: AtomicU32 = AtomicU32::new(0);

/// The first failure ends a start, and after the start none matters.
const MOST_FAILURES_TOLD: u32 = 64;
static FAILURES_TOLD: AtomicU32 = AtomicU32::new(0);

/// Ports that the system chose for this process, for it did not ask for one in particular.
static EPHEMERAL: PortSet = PortSet::new();

/// Lets the program's socket be a listener of an earlier worker: the n-th of equal ones is the n-th.
fn adopt(socket: RawFd, address: SocketAddr) -> bool {
    let Some(inherited) = INHERITED.get().filter(|all| !all.is_empty()) else { return false };
    if !tcp::is_tcp(socket) {
        return false;
    }
    inherited.iter().filter(|one| one.address == address).any(|one| one.lend_to(socket))
}

impl Inherited {
    fn lend_to(&self, socket: RawFd) -> bool {
        let lent_to = self.lent_to.load(Ordering::Acquire);
        if lent_to >= 0 && is_file(lent_to, self.id) {
            return false;
        }
        // Taken for the time being, so that no other thread closes it or gets the same one.
        let copy = self.copy.swap(-1, Ordering::AcqRel);
        if copy < 0 {
            return false;
        }
        let lent = tcp::are_alike(copy, socket, self.address) && replace(socket, copy);
        if lent {
            self.lent_to.store(socket, Ordering::Release);
        }
        // Kept until the program listens: one that binds and closes, to see whether the port is free, gets it again.
        self.copy.store(copy, Ordering::Release);
        lent
    }

    fn give_up(&self) {
        let copy = self.copy.swap(-1, Ordering::AcqRel);
        if copy >= 0 {
            fd::close_own(copy);
        }
    }
}

/// Whether there is something that the program has not asked for yet.
pub(crate) fn has_inherited() -> bool {
    INHERITED.get().into_iter().flatten().any(|one| one.copy.load(Ordering::Acquire) >= 0)
}

/// What the program has not asked for by now, it will not: nobody is to queue there.
pub(crate) fn forget_inherited() {
    INHERITED.get().into_iter().flatten().for_each(Inherited::give_up);
}

/// Puts a listener in the place of the program's socket, which keeps its number, its flags, the usual options, and its
/// places in epoll sets: some programs register a socket before they bind it.
fn replace(socket: RawFd, listener: RawFd) -> bool {
    const MOST: usize = 16;
    let mut places: [Option<Registration>; MOST] = [None; MOST];
    let mut free = places.iter_mut();
    if let Some(identity) = FileIdentity::of(socket) {
        epoll_sets::each_place(socket, identity.inode(), |place| {
            if let Some(room) = free.next() {
                *room = Some(place);
            }
        });
    }
    let is_non_blocking = fd::is_non_blocking(socket);
    tcp::copy_options(socket, listener);
    if !fd::replace(socket, listener) {
        return false;
    }
    #[cfg(feature = "assist")]
    owned::note_as(socket, is_non_blocking);
    // A worker with the assisted calls has made it non-blocking for good.
    #[cfg(not(feature = "assist"))]
    fd::set_non_blocking(socket, is_non_blocking);
    for place in places.into_iter().flatten() {
        place.repeat(socket);
    }
    true
}

/// The master keeps the listener: this process's own copy has done its duty.
fn give_up_copy(socket: RawFd) {
    let Some(identity) = FileIdentity::of(socket) else { return };
    let id = ListenerId(identity.inode());
    INHERITED.get().into_iter().flatten().filter(|one| one.id == id).for_each(Inherited::give_up);
}

fn is_file(fd: RawFd, id: ListenerId) -> bool {
    FileIdentity::of(fd).is_some_and(|identity| ListenerId(identity.inode()) == id)
}
