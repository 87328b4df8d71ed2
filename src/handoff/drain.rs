//! The drain: an old worker lets its connections go, each between its requests (contract 6.3).
//!
//! Two work on it. The program's own threads do, in the assisted calls: a write announces the end in an answer that is
//! the last one due, and a loop, before it waits, lets go of what lies quiet in its set. There, nobody can be in the middle
//! of closing a connection. The worker's helper looks after the rest (programs without epoll), and after the end.

use std::net::SocketAddr;
use std::os::fd::{IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use super::connection::{self, Look};
use super::legacy::Legacies;
use super::table::{self, Entry, Kind};
use super::{children, gate, helper, notice, owned, state, tell};
use crate::sys::{clock, epoll_sets, fd};
use crate::wire::{FromWorker, ListenerId};
use crate::worker::{Standing, standing};

/// What the library's own event carries in the program's epoll sets. No pointer and no descriptor looks like this.
const MARK: u64 = 0xECE0_0C1D_5EA7_BE11;
/// How often the helper looks.
const PERIOD: Duration = Duration::from_millis(5);
/// A loop that waits all the time does not look each time.
const LEAST_BETWEEN_LOOKS: Duration = Duration::from_millis(1);
/// How soon after the start of the drain the helper looks at connections that no epoll set is known to have.
const TIME_TO_REGISTER: Duration = Duration::from_millis(4);
/// So many connections the helper lets go at each look. More threads that wake up at once would be in each other's way, and the
/// time between the end of the input and the closing is when a client's next request is missed.
const MOST_AT_A_TIME: u32 = 32;
/// So many a loop lets go before it deals with them: a request that comes meanwhile is served, but an idle client's next
/// connection is the replacement's.
const MOST_OF_A_LOOP: u32 = 64;
/// How long a loop may take to hear of the drain; after that it is none of those that the drain waits for: nobody may wait for its set
/// any more.
const TIME_TO_HEAR: Duration = Duration::from_millis(50);
/// In the flags of an epoll set's entry: its loop has heard of the drain.
const HEARD: u32 = 1;
/// The longest between two looks for closed listeners.
const LONGEST_SUSPICION: Duration = Duration::from_secs(1);

/// Wakes the program's loops.
static WAKER: AtomicI32 = AtomicI32::new(-1);
/// Wakes the helper.
static NUDGE: AtomicI32 = AtomicI32::new(-1);
/// Before this time, in nanoseconds, no loop looks again.
static NOT_BEFORE: AtomicU64 = AtomicU64::new(0);

/// Makes what a drain needs, while there is one thread: descriptors made later would cost the program more. Before
/// `main`. `high`: the lowest number for descriptors of the library's own.
pub(crate) fn prepare(high: RawFd) {
    let event = || {
        let event = fd::eventfd().ok()?;
        let moved = fd::duplicate_from(std::os::fd::AsRawFd::as_raw_fd(&event), high);
        Some(moved.unwrap_or(event).into_raw_fd())
    };
    state::set(state::HANDED_OVER);
    children::prepare();
    helper::prepare(high);
    WAKER.store(event().unwrap_or(-1), Ordering::Release);
    NUDGE.store(event().unwrap_or(-1), Ordering::Release);
    gate::open(event().unwrap_or(-1), event().unwrap_or(-1));
}

/// Whether this worker is draining.
#[inline]
pub(super) fn is_under_way() -> bool {
    state::is_any(state::DRAINING)
}

/// Wakes the program's loops in a drain, and threads that wait in an accept.
pub(super) fn waker() -> RawFd {
    WAKER.load(Ordering::Acquire)
}

/// What the helper waits for beside its guard's word.
pub(crate) fn nudge_descriptor() -> RawFd {
    NUDGE.load(Ordering::Acquire)
}

/// The program has closed it. There is nothing to wait for any more, and its number may come to mean something else.
pub(crate) fn nudge_descriptor_is_gone() {
    NUDGE.store(-1, Ordering::Release);
}

/// There is something for the helper to look at. Signal-safe.
pub(super) fn nudge() {
    // A child's own thread looks often enough; the worker's is not concerned.
    if children::is_child() {
        return;
    }
    fd::notify(NUDGE.load(Ordering::Acquire));
    helper::call();
}

/// From now on the loop that waits for this set can be called.
pub(super) fn mark(set: RawFd) {
    if children::is_child() {
        return;
    }
    if let Some(bell) = helper::bell() {
        // Told once each time that it rings (EPOLLET).
        epoll_sets::add(set, bell, (libc::EPOLLIN | libc::EPOLLET) as u32, MARK);
        helper::look_again();
    }
}

/// Whether there is a loop of the program's that can be called: every listener is in a set that has the mark, and in no other.
pub(super) fn loops_can_be_called() -> bool {
    let Some(bell) = helper::bell() else { return false };
    let mut listeners = table::each(Kind::Listener).peekable();
    listeners.peek().is_some()
        && listeners.all(|(_, entry)| {
            let Some((_, ListenerId(inode))) = entry.listener() else { return false };
            let (mut places, mut marked) = (0, 0);
            epoll_sets::each_place_of(inode, |place| {
                places += 1;
                marked += u32::from(is_marked(place.set, bell));
            });
            places > 0 && places == marked
        })
}

fn is_marked(set: RawFd, bell: RawFd) -> bool {
    let mut is_marked = false;
    epoll_sets::each_registration(set, |place| is_marked |= place.target == bell && place.data == MARK);
    is_marked && table::entry_of(set, Kind::EpollSet).is_some()
}

/// The helper's part in the hand-over.
#[derive(Debug, Default)]
pub(crate) struct Duties {
    drains_since: Option<Duration>,
    has_told: bool,
    /// How long until closed listeners are looked for again.
    suspicion: Option<Duration>,
    legacies: Legacies,
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
        if self.drains_since.is_some() {
            return;
        }
        self.drains_since = Some(clock::monotonic());
        state::set(state::DRAINING);
        gate::close();
        for (set, entry) in table::each(Kind::EpollSet) {
            find_homes(set);
            // Once for each set (EPOLLET): its loop looks at its connections then, and knows when to look again.
            if !epoll_sets::add(set, WAKER.load(Ordering::Acquire), (libc::EPOLLIN | libc::EPOLLET) as u32, MARK) {
                // It is closed, or has another number, too.
                entry.flags.store(HEARD, Ordering::Release);
            }
        }
        fd::notify(WAKER.load(Ordering::Acquire));
    }

    /// Another slot's queue is to be served, too.
    pub(crate) fn inherit(&mut self, address: SocketAddr, socket: OwnedFd) {
        self.legacies.accept(address, socket);
    }

    /// Looks at what there is to look at. Gives how long until it wants to look again, if at all.
    pub(crate) fn look(&mut self, nudged: bool) -> Option<Duration> {
        if nudged {
            fd::acknowledge(nudge_descriptor());
        }
        let legacies = self.legacies.look();
        let others = match self.drains_since {
            Some(since) => self.look_at_drain(since),
            None => self.look_for_closed(nudged),
        };
        legacies.into_iter().chain(others).min()
    }

    fn look_at_drain(&mut self, since: Duration) -> Option<Duration> {
        let now = clock::monotonic();
        if !children::is_child() && now.saturating_sub(since) >= time_to_finish() {
            state::set(state::OVER);
            notice::give();
        }
        let mut some_left = gate::is_accepting() || (!children::is_child() && children::some_are_busy());
        // See `hears_too_late`.
        some_left |= now.saturating_sub(since) < TIME_TO_HEAR && !loops_have_heard();
        let is_registered_by_now = now.saturating_sub(since) >= TIME_TO_REGISTER;
        let mut let_go = 0;
        for (socket, entry) in connection::each() {
            if entry.connection.home().is_none() && is_registered_by_now && let_go < MOST_AT_A_TIME {
                let cookie = entry.cookie.load(Ordering::Acquire);
                match entry.connection.look(socket, cookie, now) {
                    Look::Gone => {
                        forget(entry, cookie);
                        continue;
                    }
                    Look::LetGo => let_go += 1,
                    Look::Again(_) | Look::Leave => {}
                }
            }
            some_left = true;
        }
        let is_news = !some_left && !std::mem::replace(&mut self.has_told, true);
        if is_news {
            state::set(state::OVER);
            if !children::is_child() {
                // A server that stops on the notice closes connections unread: it gets it when none is left.
                notice::give();
                tell(FromWorker::Drained);
            }
        }
        (!self.has_told).then_some(PERIOD)
    }

    fn look_for_closed(&mut self, nudged: bool) -> Option<Duration> {
        let is_due = nudged || self.suspicion.is_some();
        let next = self.suspicion.filter(|_| !nudged).map_or(PERIOD, |time| (time * 2).min(LONGEST_SUSPICION));
        self.suspicion = (is_due && owned::find_closed()).then_some(next);
        self.suspicion
    }
}

/// Whether a loop waits for each set of this process with its signals held back.
fn loops_have_heard() -> bool {
    let generation = children::generation();
    table::each(Kind::EpollSet)
        .filter(|(_, entry)| entry.generation.load(Ordering::Acquire) == generation)
        .all(|(_, entry)| entry.flags.load(Ordering::Acquire) & HEARD != 0)
}

/// A loop of the program's, which holds signals back from here to its wait, has found the library's event in a set. True if it is the
/// first time, and the order to stop may have come already: the kernel has given the event, the signal's handler has run, and nothing
/// tells that it did. So the wait is over, as if the signal had interrupted it.
pub(super) fn hears_too_late(set: RawFd) -> bool {
    // In this order: whoever ends the drain after this finds the signals held back.
    let heard = table::entry_of(set, Kind::EpollSet).map_or(HEARD, |entry| entry.flags.swap(HEARD, Ordering::SeqCst));
    heard & HEARD == 0 && state::is_any(state::OVER)
}

/// How long an old worker may take to become empty; then the master tells it to stop.
fn time_to_finish() -> Duration {
    match standing() {
        Standing::Worker(identity) => identity.shutdown_timeout / 2,
        Standing::Stray | Standing::Stranger => Duration::ZERO,
    }
}

/// A loop of the program's is about to wait for this set. Gives when it wants to look again, if at all.
pub(super) fn look_at_set(set: RawFd) -> Option<Duration> {
    let now = clock::monotonic();
    let not_before = Duration::from_nanos(NOT_BEFORE.load(Ordering::Acquire));
    if now < not_before {
        return Some(not_before.saturating_sub(now).max(LEAST_BETWEEN_LOOKS));
    }
    let found = look_at_connections(set, now);
    if found.some_homeless {
        find_homes(set);
    }
    if !found.some_left || found.next.is_none() {
        nudge();
    }
    // With thousands of connections a look takes milliseconds: the server's own work comes first.
    let finished = clock::monotonic();
    let pause = LEAST_BETWEEN_LOOKS.max(finished.saturating_sub(now).saturating_mul(3));
    NOT_BEFORE.store(u64::try_from((finished + pause).as_nanos()).unwrap_or(u64::MAX), Ordering::Release);
    found.next
}

/// What a look at a set's connections finds.
#[derive(Default)]
struct Found {
    /// When to look again.
    next: Option<Duration>,
    some_left: bool,
    /// There are connections of which no set is known.
    some_homeless: bool,
}

fn look_at_connections(set: RawFd, now: Duration) -> Found {
    let mut found = Found::default();
    let mut let_go = 0;
    for (socket, entry) in connection::each() {
        let home = entry.connection.home();
        found.some_homeless |= home.is_none();
        let cookie = entry.cookie.load(Ordering::Acquire);
        let look = match home == Some(set) && let_go < MOST_OF_A_LOOP {
            true => entry.connection.look(socket, cookie, now),
            false => {
                found.some_left = true;
                continue;
            }
        };
        let again = match look {
            Look::Gone => {
                forget(entry, cookie);
                continue;
            }
            Look::LetGo => {
                let_go += 1;
                LEAST_BETWEEN_LOOKS
            }
            Look::Again(time) => time,
            Look::Leave => PERIOD,
        };
        found.some_left = true;
        found.next = Some(found.next.map_or(again, |next| next.min(again)));
    }
    if found.some_homeless {
        found.next = Some(found.next.map_or(PERIOD, |next| next.min(PERIOD)));
    }
    found
}

/// A connection is gone. Its number may be another's by now: of one that was accepted just before the gate closed, by a thread
/// that has had to wait for a processor since.
fn forget(entry: &Entry, cookie: u64) {
    // In this order: once nobody is accepting, a new connection's cookie is there.
    if !gate::is_accepting() && entry.cookie.load(Ordering::Acquire) == cookie {
        entry.set_kind(Kind::Other);
    }
}

/// Which connections this set has.
fn find_homes(set: RawFd) {
    epoll_sets::each_registration(set, |place| {
        if let Some(entry) = table::entry_of(place.target, Kind::Connection) {
            entry.connection.set_home(place);
        }
    });
}

/// Where the library has ended a connection's input, the program is told of input, and meets the end when it reads. Some
/// loops (tokio's) take the news of an end for a state that lasts, and read again and again while it is kept from them.
pub(super) fn tell_ends_as_input(set: RawFd, events: &mut [libc::epoll_event]) {
    const INPUT: u32 = libc::EPOLLIN as u32;
    const END: u32 = libc::EPOLLRDHUP as u32;
    for event in events {
        let (what, data) = (event.events, event.u64);
        let is_both = what & INPUT != 0 && what & END != 0;
        if is_both && connection::each().any(|(_, entry)| entry.connection.was_let_go_at(set, data)) {
            event.events = what & !END;
        }
    }
}

/// Takes the library's own events out of what a wait has brought; gives how many are left.
pub(super) fn without_marks(events: &mut [libc::epoll_event]) -> usize {
    let mut left = events.len();
    while let Some(mark) = events.get(..left).unwrap_or_default().iter().position(|event| event.u64 == MARK) {
        events.copy_within(mark + 1..left, mark);
        left -= 1;
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_never_reaches_the_program_contract_6_2() {
        let event = |u64| libc::epoll_event { events: 1, u64 };
        // The bell's and the waker's may come together.
        for (one, other) in (0..4usize).flat_map(|one| (0..4usize).map(move |other| (one, other))) {
            let mut events: Vec<libc::epoll_event> = (0..4).map(event).collect();
            events[one].u64 = MARK;
            events[other].u64 = MARK;
            let left = without_marks(&mut events);
            let data: Vec<u64> = events[..left].iter().map(|event| event.u64).collect();
            let expected: Vec<u64> = (0..4).filter(|number| ![one as u64, other as u64].contains(number)).collect();
            assert_eq!(data, expected);
        }
        assert_eq!(without_marks(&mut [event(MARK)]), 0);
        assert_eq!(without_marks(&mut [event(1), event(2)]), 2);
        assert_eq!(without_marks(&mut []), 0);
    }
}
