//! The hand-over without the assisted calls. The library knows a worker's listeners, for it has opened them itself
//! ([`super::open_listener`]), and nothing of its connections. So an old worker is drained in two steps:
//!
//! 1. The gate closes: the listeners leave every epoll set, and [`crate::Incoming`] gives no more. What waits in the queue
//!    is the replacement's.
//! 2. A connection that was accepted just before has a request on its way, and servers that stop gracefully close such
//!    connections unread. So the notice waits until something was read from each of them.
//!
//! Then the program stops by itself; one that has not asked for the notice is told to stop by its master.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{helper, notice, state, tell};
use crate::sys::fd::{self, FileIdentity};
use crate::sys::{clock, epoll_sets, open_files, tcp};
use crate::wire::{FromWorker, ListenerId};

/// How often the helper looks.
const PERIOD: Duration = Duration::from_millis(5);
/// So long no connection may be fresh: one that an accept is just about to give is not seen at once.
const SETTLED: Duration = Duration::from_millis(10);
/// A client that connects and says nothing is not waited for any longer.
const LONGEST: Duration = Duration::from_millis(500);

/// A listener of this worker's.
struct Listener {
    address: SocketAddr,
    id: ListenerId,
}

static LISTENERS: Mutex<Vec<Listener>> = Mutex::new(Vec::new());
static CLOSED: AtomicBool = AtomicBool::new(false);
/// An eventfd that becomes readable, for good, when the gate closes.
static CLOSING: AtomicI32 = AtomicI32::new(-1);

/// Before `main`. `high`: the lowest number for descriptors of the library's own.
pub(crate) fn prepare(high: RawFd) {
    use std::os::fd::IntoRawFd;
    state::set(state::HANDED_OVER);
    if let Ok(event) = fd::eventfd() {
        let moved = fd::duplicate_from(event.as_raw_fd(), high).unwrap_or(event);
        CLOSING.store(moved.into_raw_fd(), Ordering::Release);
    }
    helper::prepare(high);
}

/// The program's own waits are not known: the helper stays.
pub(super) fn loops_can_be_called() -> bool {
    false
}

pub(crate) fn nudge_descriptor() -> RawFd {
    -1
}

pub(crate) fn nudge_descriptor_is_gone() {}

/// Whether this worker takes no more connections.
pub(crate) fn is_gate_closed() -> bool {
    CLOSED.load(Ordering::SeqCst)
}

/// Readable once the gate is closed.
pub(crate) fn closing_descriptor() -> RawFd {
    CLOSING.load(Ordering::Acquire)
}

/// Notes a socket that listens.
pub(super) fn note(socket: RawFd) {
    let identity = FileIdentity::of(socket).map(|identity| ListenerId(identity.inode()));
    if let Some((address, id)) = tcp::local_address(socket).zip(identity) {
        listeners(|all| all.push(Listener { address, id }));
    }
}

/// The program closes a listener: nobody is to queue there (contract 6.1).
pub(crate) fn closing(listener: BorrowedFd<'_>) {
    let Some(identity) = FileIdentity::of(listener.as_raw_fd()) else { return };
    let id = ListenerId(identity.inode());
    let known = listeners(|all| {
        let index = all.iter().position(|known| known.id == id)?;
        Some(all.swap_remove(index))
    });
    if let Some(known) = known.filter(|_| !is_gate_closed()) {
        tell(FromWorker::Closed(known.address, id));
    }
}

fn listeners<T>(look: impl FnOnce(&mut Vec<Listener>) -> T) -> T {
    look(&mut LISTENERS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The helper's part in the hand-over.
#[derive(Debug, Default)]
pub(crate) struct Duties {
    drains_since: Option<Duration>,
    settled_since: Option<Duration>,
    is_over: bool,
}

impl Duties {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Whether they are not over when a look has nothing more to look at.
    pub(crate) fn are_under_way(&self) -> bool {
        self.drains_since.is_some()
    }

    /// The master wants this worker to drain.
    pub(crate) fn begin(&mut self) {
        if self.drains_since.is_none() {
            self.drains_since = Some(clock::monotonic());
            close_gate();
        }
    }

    /// Another slot's queue: a program that accepts by itself cannot be made to serve it.
    pub(crate) fn inherit(&mut self, _address: SocketAddr, _socket: OwnedFd) {}

    /// Gives how long until it wants to look again, if at all.
    pub(crate) fn look(&mut self, _nudged: bool) -> Option<Duration> {
        let since = self.drains_since.filter(|_| !self.is_over)?;
        let now = clock::monotonic();
        self.settled_since = if some_are_fresh() { None } else { self.settled_since.or(Some(now)) };
        let is_settled = self.settled_since.is_some_and(|since| now.saturating_sub(since) >= SETTLED);
        if !is_settled && now.saturating_sub(since) < LONGEST {
            return Some(PERIOD);
        }
        self.is_over = true;
        notice::give();
        if !notice::is_taken() {
            tell(FromWorker::Drained);
        }
        None
    }
}

fn close_gate() {
    CLOSED.store(true, Ordering::SeqCst);
    fd::notify(closing_descriptor());
    let ids: Vec<ListenerId> = listeners(|all| all.iter().map(|known| known.id).collect());
    for ListenerId(inode) in ids {
        epoll_sets::each_place_of(inode, |place| {
            epoll_sets::remove(place.set, place.target);
        });
    }
}

/// Whether there are connections from which the program has not read anything yet.
fn some_are_fresh() -> bool {
    let ports: Vec<u16> = listeners(|all| all.iter().map(|known| known.address.port()).collect());
    let mut found = false;
    open_files::each_socket(|socket| {
        found = found || tcp::is_fresh_connection(socket, &ports);
    });
    found
}
