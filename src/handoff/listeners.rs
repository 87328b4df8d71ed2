//! A worker's listeners: those that it inherits from the slot's earlier workers, and what the program does with each.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

use super::port_set::PortSet;
use super::table::{self, Entry, Kind};
use super::{cluster_port, is_handed_over, tell, tell_with};
use crate::sys::epoll_sets::{self, Registration};
use crate::sys::fd::{self, FileIdentity};
use crate::sys::process::own_pid;
use crate::sys::tcp;
use crate::wire::{FromWorker, ListenerId};
use crate::worker::{Standing, standing};

/// In an entry's flags: the program believes the listener to be non-blocking.
const NON_BLOCKING: u32 = 1;
/// In an entry's flags: the program has shut the listener down.
const SHUT: u32 = 2;
/// In an entry's flags: an event loop of the program waits for it.
const IN_A_LOOP: u32 = 4;
/// In an entry's flags: whether an epoll set has it was looked for.
const LOOKED_FOR: u32 = 8;
/// In an entry's flags: the master was told of it.
const KNOWN: u32 = 16;

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
        note(socket);
    }
    // A port that the system chose is another one in every worker: no successor can be asked to listen there.
    if EPHEMERAL.contains(address.port()) {
        return;
    }
    // A server that opens and closes listeners all the time (FTP does) must not talk its channel to death.
    if TOLD.fetch_add(1, Ordering::Relaxed) < MOST_TOLD {
        tell_with(FromWorker::Listening(address), is_handed_over().then_some(socket));
        if let Some(entry) = table::entry_of(socket, Kind::Listener) {
            set_flag(entry, KNOWN, true);
        }
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

/// Before the program closes a descriptor. Signal-safe.
#[cfg(feature = "assist")]
pub(super) fn closing(socket: RawFd, entry: &Entry) {
    let is_it = is_the_listener(socket, entry);
    entry.set_kind(Kind::Other);
    // A child of the worker's shares its epoll sets, and its closing of what it does not need means nothing.
    if !is_it || !is_the_worker() {
        return;
    }
    let Some(identity) = FileIdentity::of(socket) else { return };
    // Others hold the same open file: closing it does not take it out of the sets, which would go on reporting it.
    epoll_sets::each_place(socket, identity.inode(), |place| {
        epoll_sets::remove(place.set, socket);
    });
    if !super::gate::is_closed() {
        if let Some(address) = tcp::local_address(socket) {
            tell_closed(entry, address, ListenerId(identity.inode()));
        }
    }
}

/// A listener has left an epoll set: libuv closes its sockets by a bare system call, and this is what can be seen of
/// it. Signal-safe.
#[cfg(feature = "assist")]
pub(super) fn left_a_set() {
    SUSPICION.store(true, Ordering::Release);
    super::drain::nudge();
}

static SUSPICION: AtomicBool = AtomicBool::new(false);

/// Looks for listeners that the program has closed unnoticed; gives whether it makes sense to look again.
pub(super) fn find_closed() -> bool {
    if !SUSPICION.load(Ordering::Acquire) || super::gate::is_closed() {
        return false;
    }
    for (socket, entry) in table::each(Kind::Listener) {
        if !is_the_listener(socket, entry) {
            entry.set_kind(Kind::Other);
            if let Some((address, id)) = entry.listener() {
                tell_closed(entry, address, id);
            }
        }
    }
    let someone_listens = table::each(Kind::Listener).next().is_some();
    SUSPICION.store(someone_listens, Ordering::Release);
    someone_listens
}

/// Whether the number still means the socket that was noted.
pub(super) fn is_the_listener(socket: RawFd, entry: &Entry) -> bool {
    tcp::cookie(socket) == Some(entry.cookie.load(Ordering::Acquire))
}

/// The entry of a listener, also of one that the program has duplicated. Signal-safe.
#[cfg(feature = "assist")]
pub(super) fn find(socket: RawFd) -> Option<&'static Entry> {
    if let Some(entry) = table::entry_of(socket, Kind::Listener) {
        if is_the_listener(socket, entry) {
            return Some(entry);
        }
        entry.set_kind(Kind::Other);
    }
    let cookie = tcp::cookie(socket)?;
    let original = table::each(Kind::Listener).find(|(_, entry)| entry.cookie.load(Ordering::Acquire) == cookie)?.1;
    let entry = table::make_entry(socket)?;
    entry.flags.store(original.flags.load(Ordering::Acquire), Ordering::Release);
    entry.cookie.store(cookie, Ordering::Release);
    entry.set_kind(Kind::Listener);
    Some(entry)
}

/// Whether the program believes its listener to be non-blocking. In truth every one is: its open file is shared with
/// other workers, and none may be caught in an `accept` when its gate closes.
#[cfg(feature = "assist")]
pub(super) fn is_non_blocking(entry: &Entry) -> bool {
    entry.flags.load(Ordering::Acquire) & NON_BLOCKING != 0
}

#[cfg(feature = "assist")]
pub(super) fn set_non_blocking(entry: &Entry, wanted: bool) {
    set_flag(entry, NON_BLOCKING, wanted);
}

/// Whether an event loop tells the program when to accept.
#[cfg(feature = "assist")]
pub(super) fn is_in_a_loop(socket: RawFd, entry: &Entry) -> bool {
    if entry.flags.load(Ordering::Acquire) & (IN_A_LOOP | LOOKED_FOR) == 0 {
        set_flag(entry, LOOKED_FOR, true);
        if let Some(identity) = FileIdentity::of(socket) {
            epoll_sets::each_place(socket, identity.inode(), |_| set_flag(entry, IN_A_LOOP, true));
        }
    }
    entry.flags.load(Ordering::Acquire) & IN_A_LOOP != 0
}

/// Whether a program that waits with poll or select may have a listener among what it waits for that matters: its gate
/// is closed, or it is blocking.
#[cfg(feature = "assist")]
pub(super) fn may_be_polled() -> bool {
    SOME_BLOCKING.load(Ordering::Acquire) || super::gate::is_closed()
}

static SOME_BLOCKING: AtomicBool = AtomicBool::new(false);

/// The program waits for it with poll or select.
#[cfg(feature = "assist")]
pub(super) fn waits_in_a_loop(entry: &Entry) {
    set_flag(entry, IN_A_LOOP, true);
}

#[cfg(feature = "assist")]
pub(super) fn is_shut(entry: &Entry) -> bool {
    entry.flags.load(Ordering::Acquire) & SHUT != 0
}

/// The program has shut its listener down. The socket is others' too, so it is this worker's use of it that ends.
#[cfg(feature = "assist")]
pub(super) fn shut(socket: RawFd, entry: &Entry) {
    set_flag(entry, SHUT, true);
    if is_the_worker() && !super::gate::is_closed() {
        if let (Some(address), Some(identity)) = (tcp::local_address(socket), FileIdentity::of(socket)) {
            tell_closed(entry, address, ListenerId(identity.inode()));
        }
    }
    super::gate::listener_was_shut();
}

/// The worker does not listen there any more: that is news to a master that was told that it does.
fn tell_closed(entry: &Entry, address: SocketAddr, id: ListenerId) {
    if entry.flags.load(Ordering::Acquire) & KNOWN != 0 {
        tell(FromWorker::Closed(address, id));
    }
}

fn set_flag(entry: &Entry, flag: u32, wanted: bool) {
    if wanted {
        entry.flags.fetch_or(flag, Ordering::AcqRel);
    } else {
        entry.flags.fetch_and(!flag, Ordering::AcqRel);
    }
}

/// Whether this is the process that the master started, and not a child of it.
pub(super) fn is_the_worker() -> bool {
    match standing() {
        Standing::Worker(identity) => identity.pid == own_pid(),
        Standing::Stray | Standing::Stranger => false,
    }
}

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
        let lent = tcp::are_alike(copy, socket) && replace(socket, copy);
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
    let non_blocking = fd::is_non_blocking(socket);
    tcp::copy_options(socket, listener);
    if !fd::replace(socket, listener) {
        return false;
    }
    if let Some(entry) = table::make_entry(socket) {
        entry.flags.store(if non_blocking { NON_BLOCKING } else { 0 }, Ordering::Release);
        SOME_BLOCKING.fetch_or(!non_blocking, Ordering::AcqRel);
        entry.cookie.store(tcp::cookie(socket).unwrap_or(0), Ordering::Release);
        entry.set_kind(Kind::Listener);
    }
    for place in places.into_iter().flatten() {
        place.repeat(socket);
    }
    true
}

/// Notes a socket that listens.
fn note(socket: RawFd) {
    let (Some(cookie), Some(entry)) = (tcp::cookie(socket), table::make_entry(socket)) else { return };
    let known = entry.kind() == Kind::Listener && entry.cookie.load(Ordering::Acquire) == cookie;
    if !known {
        let is_non_blocking = fd::is_non_blocking(socket);
        entry.flags.store(if is_non_blocking { NON_BLOCKING } else { 0 }, Ordering::Release);
        SOME_BLOCKING.fetch_or(!is_non_blocking, Ordering::AcqRel);
        entry.cookie.store(cookie, Ordering::Release);
        entry.set_kind(Kind::Listener);
    }
    if let (Some(address), Some(identity)) = (tcp::local_address(socket), FileIdentity::of(socket)) {
        entry.note_listener(address, ListenerId(identity.inode()));
    }
    fd::set_non_blocking(socket, true);
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
