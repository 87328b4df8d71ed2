//! The gate: whether this worker takes connections (contract 6.3).
//!
//! Once it is closed, what waits in the queue is the replacement's. The listener leaves every epoll set, a non-blocking
//! accept gives EAGAIN, a blocking one goes on blocking (in an event loop, where that would stop the server, it gives
//! ECONNABORTED). A listener's open file is shared by the workers of a slot, and
//! no thread may be caught in the kernel's `accept` when the gate closes: so it is non-blocking in truth, and
//! a program that believes otherwise waits here.

use std::os::fd::RawFd;
use std::os::raw::c_int;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::time::Duration;

use super::table::{self, Entry, Kind};
use super::{children, connection, helper, legacy, owned};
use crate::sys::fd;
use crate::sys::signals::Blocked;
use crate::sys::{KeepErrno, clock, dispositions, epoll_sets, errno, raw, set_errno, tcp};
use crate::wire::ListenerId;

static CLOSED: AtomicBool = AtomicBool::new(false);
/// So many threads are between the kernel's `accept` and the noting of what it gave.
static ACCEPTING: AtomicU32 = AtomicU32::new(0);
/// Eventfds that become readable, for good, when the gate closes and when the program shuts a listener down.
static CLOSING: AtomicI32 = AtomicI32::new(-1);
static SHUTTING: AtomicI32 = AtomicI32::new(-1);

/// Makes the gate ready for use. Before `main`.
pub(super) fn open(closing: RawFd, shutting: RawFd) {
    CLOSING.store(closing, Ordering::Release);
    SHUTTING.store(shutting, Ordering::Release);
}

pub(super) fn is_closed() -> bool {
    if CLOSED.load(Ordering::Acquire) {
        return true;
    }
    // A child of the worker's is not told in any other way.
    if children::is_child() && children::is_readable(closing_descriptor()) {
        CLOSED.store(true, Ordering::Release);
        return true;
    }
    false
}

/// Readable once the gate is closed.
pub(super) fn closing_descriptor() -> RawFd {
    CLOSING.load(Ordering::Acquire)
}

/// The program has shut a listener down: whoever waits for a connection looks whether it still should. Signal-safe.
pub(super) fn listener_was_shut() {
    fd::notify(SHUTTING.load(Ordering::Acquire));
}

/// No connection is taken any more when this returns.
pub(super) fn close() {
    CLOSED.store(true, Ordering::SeqCst);
    fd::notify(CLOSING.load(Ordering::Acquire));
    for (_, entry) in table::each(Kind::Listener) {
        let Some((_, ListenerId(inode))) = entry.listener() else { continue };
        // Under whatever number: the program may have duplicated it.
        epoll_sets::each_place_of(inode, |place| {
            owned::waits_in_a_loop(entry);
            epoll_sets::remove(place.set, place.target);
        });
    }
    wait_for_accepting();
}

/// Returns when no thread is in the middle of an accept that began before.
pub(super) fn wait_for_accepting() {
    let patience = clock::monotonic().saturating_add(LONGEST_ACCEPT);
    while is_accepting() && clock::monotonic() < patience {
        std::thread::yield_now();
    }
}

/// A non-blocking accept takes microseconds; a thread of a stopped or starved process may take longer.
const LONGEST_ACCEPT: Duration = Duration::from_millis(100);

/// accept4(2) on a listener of this worker's.
pub(super) fn accept(
    socket: RawFd,
    entry: &Entry,
    address: *mut libc::sockaddr,
    length: *mut libc::socklen_t,
    flags: c_int,
) -> c_int {
    children::attend();
    // A blocking accept(2) is one system call: a signal comes before it or interrupts it. Here it is several, and one that came
    // in between would be slept over.
    let held_back = (!owned::is_non_blocking(entry)).then(Blocked::all_but_faults).and_then(Result::ok);
    let mut limit = None;
    loop {
        if owned::is_shut(entry) {
            return fail(libc::EINVAL);
        }
        if let Some(result) = try_accept(socket, address, length, flags) {
            return result;
        }
        if owned::is_non_blocking(entry) {
            return fail(libc::EAGAIN);
        }
        if owned::is_in_a_loop(socket, entry) {
            // The loop was told of a connection that another worker of the slot was faster to take, or is to take. It is
            // prepared for one that has been aborted meanwhile (accept(2)), and must not be caught here.
            return fail(libc::ECONNABORTED);
        }
        helper::stay();
        let limit = *limit.get_or_insert_with(|| tcp::receive_timeout(socket).map(|time| clock::monotonic() + time));
        match wait(socket, limit, held_back.as_ref()) {
            Waited::LookAgain => {}
            Waited::TimedOut => return fail(libc::EAGAIN),
            Waited::Interrupted => return fail(libc::EINTR),
        }
    }
}

/// `None`: there is no connection, or none for this worker.
fn try_accept(
    socket: RawFd,
    address: *mut libc::sockaddr,
    length: *mut libc::socklen_t,
    flags: c_int,
) -> Option<c_int> {
    ACCEPTING.fetch_add(1, Ordering::SeqCst);
    let result = match is_closed() {
        true => fail(libc::EAGAIN),
        false => accept_any(socket, address, length, flags),
    };
    if result >= 0 {
        let _errno = KeepErrno::new();
        connection::note(result);
    }
    ACCEPTING.fetch_sub(1, Ordering::SeqCst);
    (result >= 0 || errno() != libc::EAGAIN).then_some(result)
}

/// The listener's own connections first, then those of slots that have ended.
fn accept_any(socket: RawFd, address: *mut libc::sockaddr, length: *mut libc::socklen_t, flags: c_int) -> c_int {
    let own = raw::accept(socket, address, length, flags);
    if own >= 0 || errno() != libc::EAGAIN {
        return own;
    }
    let legacy = legacy::beside(socket).map(|other| raw::accept(other, address, length, flags));
    legacy.into_iter().find(|result| *result >= 0).unwrap_or_else(|| fail(libc::EAGAIN))
}

/// Whether a thread is between the kernel's `accept` and the noting of what it gave.
pub(super) fn is_accepting() -> bool {
    ACCEPTING.load(Ordering::SeqCst) > 0
}

/// How often a wait looks where it cannot wait for all that matters: another listener was shut down, and that stays news; or
/// another slot's queue is served, whose closed socket would live on, deaf to newcomers, while a thread waits for it.
const PERIOD: Duration = Duration::from_millis(50);

/// What a wait for a connection has to watch beside the listener itself, and for how long at most: another slot's queue, which is
/// to be served, too, or what tells that there is one.
pub(crate) fn beside(listener: RawFd) -> (RawFd, Option<Duration>) {
    match legacy::beside(listener).next() {
        // Nobody comes any more.
        _ if is_closed() => (-1, None),
        Some(queue) => (queue, Some(PERIOD)),
        None => (legacy::bell(), None),
    }
}

enum Waited {
    LookAgain,
    TimedOut,
    Interrupted,
}

/// Waits until there may be a connection for a program that believes its listener to be blocking. Signals that were held
/// back come during the wait, and only then.
fn wait(socket: RawFd, limit: Option<Duration>, held_back: Option<&Blocked>) -> Waited {
    let left = limit.map(|limit| limit.saturating_sub(clock::monotonic()));
    if left.is_some_and(|left| left.is_zero()) {
        return Waited::TimedOut;
    }
    let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let (other, patience) = beside(socket);
    let shutting = SHUTTING.load(Ordering::Acquire);
    let (shutting, patience) = if children::is_readable(shutting) { (-1, Some(PERIOD)) } else { (shutting, patience) };
    // Behind a closed gate it goes on blocking, as a listener does to which nobody comes.
    let (socket, closing) = if is_closed() { (-1, -1) } else { (socket, CLOSING.load(Ordering::Acquire)) };
    let left = left.into_iter().chain(patience).min();
    let result = poll(&mut [entry(socket), entry(closing), entry(shutting), entry(other)], left, held_back);
    // accept(2) goes on after a handler with SA_RESTART; poll(2) never does, and does not tell which it was.
    if result < 0 && errno() == libc::EINTR && !dispositions::all_handlers_restart() {
        return Waited::Interrupted;
    }
    Waited::LookAgain
}

fn poll(entries: &mut [libc::pollfd], timeout: Option<Duration>, held_back: Option<&Blocked>) -> c_int {
    let mut time = timeout.map(clock::timespec);
    let pointer = time.as_mut().map_or(std::ptr::null_mut(), |time| &raw mut *time);
    let mask = held_back.map_or(std::ptr::null(), |held_back| held_back.before().as_ptr());
    raw::ppoll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, pointer, mask)
}

fn fail(errno: i32) -> c_int {
    set_errno(errno);
    -1
}
