//! The listeners that this process has, and what the program does with them.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use super::table::{self, Entry, Kind};
use super::{children, drain, gate, helper, is_handed_over, tell};
use crate::sys::fd::{self, FileIdentity};
use crate::sys::process::own_pid;
use crate::sys::{KeepErrno, epoll_sets, open_files, tcp};
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

/// Notes a socket that listens.
pub(super) fn note(socket: RawFd) {
    // One that was adopted is known already, and so is what the program believes of it.
    if table::entry_of(socket, Kind::Listener).is_none_or(|entry| !is_the_listener(socket, entry)) {
        note_as(socket, fd::is_non_blocking(socket));
    }
    let Some(entry) = table::entry_of(socket, Kind::Listener) else { return };
    if let (Some(address), Some(identity)) = (tcp::local_address(socket), FileIdentity::of(socket)) {
        entry.note_listener(address, ListenerId(identity.inode()));
    }
    fd::set_non_blocking(socket, true);
    helper::look_again();
}

/// Notes a listener, and whether the program believes it to be non-blocking.
pub(super) fn note_as(socket: RawFd, is_non_blocking: bool) {
    let (Some(cookie), Some(entry)) = (tcp::cookie(socket), table::make_entry(socket)) else { return };
    entry.flags.store(if is_non_blocking { NON_BLOCKING } else { 0 }, Ordering::Release);
    SOME_BLOCKING.fetch_or(!is_non_blocking, Ordering::AcqRel);
    entry.cookie.store(cookie, Ordering::Release);
    entry.set_kind(Kind::Listener);
}

/// The master knows of it now.
pub(super) fn was_told(socket: RawFd) {
    if let Some(entry) = table::entry_of(socket, Kind::Listener) {
        set_flag(entry, KNOWN, true);
    }
}

/// Before the program closes a descriptor. Signal-safe.
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
    let id = ListenerId(identity.inode());
    if !gate::is_closed() && !is_served_elsewhere(socket, id) {
        if let Some(address) = tcp::local_address(socket) {
            tell_closed(entry, address, id);
        }
    }
}

/// Whether the program has the listener under another number, too, or children that accept from it.
fn is_served_elsewhere(except: RawFd, id: ListenerId) -> bool {
    children::some_are_busy() || open_files::has_socket(id.0, except)
}

/// A listener has left an epoll set: libuv closes its sockets by a bare system call, and this is what can be seen of
/// it. Signal-safe.
pub(super) fn left_a_set() {
    SUSPICION.store(true, Ordering::Release);
    drain::nudge();
}

static SUSPICION: AtomicBool = AtomicBool::new(false);

/// Looks for listeners that the program has closed unnoticed; gives whether it makes sense to look again.
pub(super) fn find_closed() -> bool {
    if !SUSPICION.load(Ordering::Acquire) || gate::is_closed() {
        return false;
    }
    for (socket, entry) in table::each(Kind::Listener) {
        if !is_the_listener(socket, entry) {
            entry.set_kind(Kind::Other);
            if let Some((address, id)) = entry.listener().filter(|(_, id)| !is_served_elsewhere(-1, *id)) {
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

/// The entry of a number that is known to be a listener, and still is one. Signal-safe.
#[inline]
pub(super) fn surely(socket: RawFd) -> Option<&'static Entry> {
    let entry = table::entry_of(socket, Kind::Listener)?;
    let _errno = KeepErrno::new();
    is_the_listener(socket, entry).then_some(entry)
}

/// The entry of a listener, also of one that the program has duplicated. Signal-safe.
pub(super) fn find(socket: RawFd) -> Option<&'static Entry> {
    let _errno = KeepErrno::new();
    if let Some(entry) = table::entry_of(socket, Kind::Listener) {
        if is_the_listener(socket, entry) {
            return Some(entry);
        }
        entry.set_kind(Kind::Other);
    }
    if !is_handed_over() || tcp::option(socket, libc::SOL_SOCKET, libc::SO_ACCEPTCONN) != Some(1) {
        return None;
    }
    let cookie = tcp::cookie(socket)?;
    let original = table::each(Kind::Listener).find(|(_, entry)| entry.cookie.load(Ordering::Acquire) == cookie)?.1;
    let entry = table::make_entry(socket)?;
    entry.flags.store(original.flags.load(Ordering::Acquire), Ordering::Release);
    entry.cookie.store(cookie, Ordering::Release);
    if let Some((address, id)) = original.listener() {
        entry.note_listener(address, id);
    }
    entry.set_kind(Kind::Listener);
    Some(entry)
}

/// Whether the program believes its listener to be non-blocking. In truth every one is: its open file is shared with
/// other workers, and none may be caught in an `accept` when its gate closes.
pub(super) fn is_non_blocking(entry: &Entry) -> bool {
    entry.flags.load(Ordering::Acquire) & NON_BLOCKING != 0
}

pub(super) fn set_non_blocking(entry: &Entry, wanted: bool) {
    set_flag(entry, NON_BLOCKING, wanted);
}

/// Whether an event loop tells the program when to accept.
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
pub(super) fn may_be_polled() -> bool {
    SOME_BLOCKING.load(Ordering::Acquire) || gate::is_closed()
}

static SOME_BLOCKING: AtomicBool = AtomicBool::new(false);

/// The program waits for it with poll or select.
pub(super) fn waits_in_a_loop(entry: &Entry) {
    set_flag(entry, IN_A_LOOP, true);
}

pub(super) fn is_shut(entry: &Entry) -> bool {
    entry.flags.load(Ordering::Acquire) & SHUT != 0
}

/// The program has shut its listener down. The socket is others' too, so it is this worker's use of it that ends. False if
/// that cannot be done.
pub(super) fn shut(socket: RawFd, entry: &Entry) -> bool {
    let is_open = is_the_worker() && !gate::is_closed();
    if is_open {
        // From here on the number means a socket that was never bound: what the program does with it fails as it would
        // with one that was shut down. If this process held the listener any longer, newcomers would wait for nobody.
        let (Some(address), Some(identity)) = (tcp::local_address(socket), FileIdentity::of(socket)) else {
            return false;
        };
        let Ok(unbound) = tcp::open(address) else { return false };
        epoll_sets::each_place(socket, identity.inode(), |place| {
            epoll_sets::remove(place.set, socket);
        });
        set_flag(entry, SHUT, true);
        // Duplicates are shut down with it.
        open_files::each_number_of(identity.inode(), |number| {
            fd::replace(number, unbound.as_raw_fd());
        });
        let id = ListenerId(identity.inode());
        if !is_served_elsewhere(-1, id) {
            tell_closed(entry, address, id);
        }
    }
    set_flag(entry, SHUT, true);
    gate::listener_was_shut();
    true
}

/// The worker does not listen there any more: that is news to a master that was told that it does.
fn tell_closed(entry: &Entry, address: SocketAddr, id: ListenerId) {
    if entry.flags.load(Ordering::Acquire) & KNOWN != 0 {
        tell(FromWorker::Closed(address, id));
    }
}

/// Duplicates are one listener.
fn set_flag(entry: &Entry, flag: u32, wanted: bool) {
    let cookie = entry.cookie.load(Ordering::Acquire);
    for (_, same) in table::each(Kind::Listener).filter(|(_, other)| other.cookie.load(Ordering::Acquire) == cookie) {
        if wanted {
            same.flags.fetch_or(flag, Ordering::AcqRel);
        } else {
            same.flags.fetch_and(!flag, Ordering::AcqRel);
        }
    }
}

/// Whether this is the process that the master started, and not a child of it.
pub(super) fn is_the_worker() -> bool {
    match standing() {
        Standing::Worker(identity) => identity.pid == own_pid(),
        Standing::Stray | Standing::Stranger => false,
    }
}
