//! What a slot that has ended leaves behind: the connections that still wait in its queue. Another worker, one that
//! listens on the same address, accepts them beside its own.
//!
//! The master has made the socket refuse newcomers (their next attempt, a second later, meets another socket), so its
//! queue only gets shorter; after a moment, when nobody waits in it any more, it is closed.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use super::table::{self, Kind};
use super::{drain, gate, out_of_the_way};
use crate::sys::fd::{self, FileIdentity};
use crate::sys::{clock, epoll_sets, socket};
use crate::wire;

/// How often the helper looks meanwhile: a worker that has only just begun to listen may not wait for its listener yet.
const PERIOD: Duration = Duration::from_millis(10);
/// Most queues at a time.
const MOST: usize = 16;

/// A listener of another slot.
#[derive(Debug)]
struct Legacy {
    socket: AtomicI32,
    /// The program's own listener, with whose connections these are given out; its number plus one.
    beside: AtomicI32,
}

static LEGACIES: [Legacy; MOST] = [const { Legacy { socket: AtomicI32::new(-1), beside: AtomicI32::new(0) } }; MOST];

/// The helper's record of what it has taken over.
#[derive(Debug, Default)]
pub(super) struct Legacies(Vec<Taken>);

#[derive(Debug)]
struct Taken {
    legacy: &'static Legacy,
    since: Duration,
}

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
        let free = LEGACIES.iter().find(|legacy| legacy.socket.load(Ordering::Acquire) < 0);
        let (Some((own, _)), Some(legacy)) = (own.filter(|_| !gate::is_closed()), free) else { return };
        let socket = fd::duplicate_from(socket.as_raw_fd(), out_of_the_way()).unwrap_or(socket).into_raw_fd();
        legacy.socket.store(socket, Ordering::Release);
        legacy.beside.store(own + 1, Ordering::Release);
        self.0.push(Taken { legacy, since: clock::monotonic() });
        fd::notify(drain::waker());
        legacy.show();
    }

    /// Closes what has been served long enough. Gives how long until it wants to look again.
    pub(super) fn look(&mut self) -> Option<Duration> {
        let now = clock::monotonic();
        let count = self.0.len();
        self.0.retain(|taken| {
            let is_over = taken.is_over(now);
            if is_over {
                taken.legacy.close();
            } else {
                taken.legacy.show();
            }
            !is_over
        });
        if self.0.is_empty() && count > 0 && !drain::is_under_way() {
            fd::acknowledge(drain::waker());
        }
        (!self.0.is_empty()).then_some(PERIOD)
    }
}

impl Taken {
    fn is_over(&self, now: Duration) -> bool {
        let served_for = now.saturating_sub(self.since);
        let some_wait = || {
            let [news] = socket::poll([self.legacy.socket.load(Ordering::Acquire)], 0);
            news & libc::POLLIN != 0
        };
        served_for >= wire::QUEUE_SERVED_FOR_AT_MOST || (served_for >= wire::QUEUE_SERVED_FOR && !some_wait())
    }
}

impl Legacy {
    /// The program's loops are told of it as if it were their own listener, wherever that is.
    fn show(&self) {
        let own = self.beside.load(Ordering::Acquire) - 1;
        let socket = self.socket.load(Ordering::Acquire);
        if let Some(identity) = FileIdentity::of(own) {
            epoll_sets::each_place(own, identity.inode(), |place| {
                place.repeat(socket);
            });
        }
    }

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
