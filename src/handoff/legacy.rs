//! What a slot that has ended leaves behind: the connections that still wait in its queue. Another worker, one that
//! listens on the same address, accepts them beside its own.
//!
//! The master has made the socket refuse newcomers (their next attempt, a second later, meets another socket), so its
//! queue only gets shorter; after a moment it is closed.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use super::table::{self, Kind};
use super::{drain, gate, out_of_the_way};
use crate::sys::fd::{self, FileIdentity};
use crate::sys::{clock, epoll_sets};

/// How long a queue is served beside the worker's own: long enough for handshakes under way to come to an end.
const SERVED_FOR: Duration = Duration::from_millis(500);
/// Most queues at a time.
const MOST: usize = 16;

/// A listener of another slot.
struct Legacy {
    socket: AtomicI32,
    /// The program's own listener, with whose connections these are given out; its number plus one.
    beside: AtomicI32,
}

static LEGACIES: [Legacy; MOST] = [const { Legacy { socket: AtomicI32::new(-1), beside: AtomicI32::new(0) } }; MOST];

/// The guard's record of what it has taken over: which, and until when.
#[derive(Debug, Default)]
pub(super) struct Legacies(Vec<(usize, Duration)>);

/// The listeners whose connections are to be given out with those of this one.
pub(super) fn beside(socket: RawFd) -> impl Iterator<Item = RawFd> {
    LEGACIES
        .iter()
        .filter(move |legacy| legacy.beside.load(Ordering::Acquire) == socket + 1)
        .map(|legacy| legacy.socket.load(Ordering::Acquire))
        .filter(|socket| *socket >= 0)
}

/// Readable while there are queues to be served for slots that have ended, if this process has none for the listener in
/// question yet: threads that wait in a blocking accept look again.
pub(super) fn bell() -> RawFd {
    if LEGACIES.iter().any(|legacy| legacy.beside.load(Ordering::Acquire) != 0) { -1 } else { drain::waker() }
}

impl Legacies {
    /// Takes over a listener. If this worker has none on the address, its queue ends here.
    pub(super) fn accept(&mut self, address: SocketAddr, socket: OwnedFd) {
        let own =
            table::each(Kind::Listener).find(|(_, entry)| entry.listener().is_some_and(|(own, _)| own == address));
        let free = LEGACIES.iter().enumerate().find(|(_, legacy)| legacy.socket.load(Ordering::Acquire) < 0);
        let (Some((own, _)), Some((index, legacy))) = (own.filter(|_| !gate::is_closed()), free) else { return };
        let socket = fd::duplicate_from(socket.as_raw_fd(), out_of_the_way()).unwrap_or(socket).into_raw_fd();
        legacy.socket.store(socket, Ordering::Release);
        legacy.beside.store(own + 1, Ordering::Release);
        self.0.push((index, clock::monotonic().saturating_add(SERVED_FOR)));
        fd::notify(drain::waker());
        if let Some(identity) = FileIdentity::of(own) {
            // The program's loops are told of it as if it were their own.
            epoll_sets::each_place(own, identity.inode(), |place| {
                place.repeat(socket);
            });
        }
    }

    /// Closes what has been served long enough. Gives how long until there is more to close.
    pub(super) fn look(&mut self) -> Option<Duration> {
        let now = clock::monotonic();
        let (over, left): (Vec<_>, Vec<_>) = self.0.drain(..).partition(|(_, until)| *until <= now);
        let is_last = left.is_empty() && !over.is_empty();
        self.0 = left;
        for (index, _) in over {
            if let Some(legacy) = LEGACIES.get(index) {
                legacy.close();
            }
        }
        if is_last && !drain::is_under_way() {
            fd::acknowledge(drain::waker());
        }
        self.0.iter().map(|(_, until)| until.saturating_sub(now)).min()
    }
}

impl Legacy {
    fn close(&self) {
        let socket = self.socket.load(Ordering::Acquire);
        if let Some(identity) = FileIdentity::of(socket) {
            epoll_sets::each_place(socket, identity.inode(), |place| {
                epoll_sets::remove(place.set, socket);
            });
        }
        self.beside.store(0, Ordering::Release);
        // A thread may be about to accept from it.
        gate::wait_for_accepting();
        fd::close_own(socket);
        self.socket.store(-1, Ordering::Release);
    }
}
