//! One accepted connection: what has been said on it, and how it is let go.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::children;
use super::http1::{self, Exchange};
use super::table::{self, Entry, Kind};
use crate::sys::epoll_sets::Registration;
use crate::sys::{clock, tcp};
use crate::worker::{Standing, standing};

/// In the flags: the library has ended the receiving side, so that the program sees the end of the input.
const LET_GO: u32 = 1;
/// In the flags: `Connection: close` was put into an answer by the library.
const ANNOUNCED: u32 = 2;
/// In the flags: the end of the input was kept from the program until its answer is written.
const OWES_END: u32 = 4;
/// In the flags: something was said that could not be counted.
const CONFUSED: u32 = 8;

/// How long a connection is watched before it is let go.
const QUIET: Duration = Duration::from_millis(8);
/// How long before that nothing may have come or gone: a client that has just had an answer may be about to ask again, and is
/// told in that answer. One that asks all the time may have to wait for a processor for longer than the [`QUIET`] time.
const RECENT: Duration = Duration::from_millis(100);
/// A drain of little time has little patience.
const RECENT_PART_OF_TIMEOUT: u32 = 10;
/// The same for one on which nothing has been asked yet: its client has just come, and would take an end for a failure.
const FRESH: Duration = Duration::from_secs(1);
/// When something that cannot be decided now is looked at again.
const SOON: Duration = Duration::from_millis(2);

/// What is known of a connection. All zeros: nothing has been said.
#[repr(C)]
pub(crate) struct Connection {
    /// Whether somebody is at the exchange: a thread, or what a signal handler has interrupted. Never waited for long.
    busy: AtomicBool,
    /// Bytes that the program has read.
    received: AtomicU64,
    /// Bytes that it has written.
    sent: AtomicU64,
    /// Written by `begin`, before anybody can find the connection.
    exchange: UnsafeCell<MaybeUninit<Said>>,
    flags: AtomicU32,
    /// The epoll set that it is registered in, plus one; 0 while that is not known. How it is registered there.
    home: AtomicI32,
    home_events: AtomicU32,
    /// A part of an edit that the kernel has not taken yet, see `edit`.
    pub(super) pending: AtomicU32,
    home_data: AtomicU64,
    /// In a drain: how much had been said when something was said last, and when that was, in nanoseconds.
    seen: AtomicU64,
    seen_at: AtomicU64,
}

// SAFETY: the exchange is reached only by whoever has set `busy`.
unsafe impl Sync for Connection {}

/// What has been said.
#[repr(C)]
struct Said {
    http: Exchange,
    /// Something was said that the library has not seen.
    is_unknown: bool,
}

/// What a look at a connection in a drain comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The program has closed it.
    Gone,
    /// It was let go just now: the program is about to close it.
    LetGo,
    /// It is to be looked at again, so much later.
    Again(Duration),
    /// It is none of the library's business: the program or its client ends it.
    Leave,
}

impl Connection {
    /// The program has accepted it.
    fn begin(&self) {
        // A thread that still counts what was said on the number's last connection is waited for.
        self.with_place(|place| {
            place.write(Said::new());
        });
        for word in [&self.received, &self.sent, &self.seen, &self.seen_at] {
            word.store(0, Ordering::Relaxed);
        }
        self.flags.store(0, Ordering::Relaxed);
        self.pending.store(0, Ordering::Relaxed);
        self.home.store(0, Ordering::Relaxed);
    }

    /// The program has read this.
    #[inline]
    pub(super) fn received(&self, bytes: &[u8]) {
        self.with(|said| said.http.received(bytes));
        add(&self.received, bytes.len());
    }

    /// The kernel has taken this from the program.
    #[inline(never)]
    pub(super) fn sent(&self, bytes: &[u8]) {
        self.with(|said| said.http.answers.take(bytes, &said.http.requests));
        add(&self.sent, bytes.len());
    }

    /// The kernel has taken a whole write of the program's, which begins with `first`. False: it has to be looked at
    /// piece by piece.
    #[inline]
    pub(super) fn sent_whole(&self, first: &[u8], total: usize) -> bool {
        let is_done = self.with(|said| said.http.sent_whole(first, total)).unwrap_or(false);
        if is_done {
            add(&self.sent, total);
        }
        is_done
    }

    /// The kernel has taken so many bytes that the library has not seen (sendfile).
    pub(super) fn sent_unseen(&self, count: usize) {
        self.with(|said| said.http.answers.pass_unseen(count));
        add(&self.sent, count);
    }

    /// Something was read or written in a way that is not followed.
    pub(super) fn lose_track(&self) {
        self.with(|said| said.is_unknown = true);
    }

    /// Where in `bytes`, which the program is about to write, the end of the connection is to be announced.
    pub(super) fn announcement(&self, bytes: &[u8]) -> Option<http1::Edit> {
        let is_confused = self.flags.load(Ordering::Acquire) & CONFUSED != 0;
        self.with(|said| match said.is_unknown || is_confused {
            true => None,
            false => said.http.answers.close_announcement(bytes, &said.http.requests),
        })
        .flatten()
    }

    /// The end has been announced by the library.
    pub(super) fn announced(&self) {
        self.with(|said| said.http.answers.announced());
        self.flags.fetch_or(ANNOUNCED, Ordering::AcqRel);
    }

    /// The program has met the end of the input. True if that is the library's doing, and a request came just before
    /// it whose answer is due: then the program must not see it yet, for many give up what they do.
    pub(super) fn keeps_end_back(&self) -> bool {
        let is_due =
            self.flags.load(Ordering::Acquire) & LET_GO != 0 && self.with(|said| !said.is_complete()).unwrap_or(false);
        if is_due {
            self.flags.fetch_or(OWES_END, Ordering::AcqRel);
        }
        is_due
    }

    /// Whether the end that was kept back can be shown now.
    pub(super) fn may_show_end(&self) -> bool {
        self.flags.load(Ordering::Acquire) & OWES_END != 0
            && self.with(|said| said.is_complete()).unwrap_or(false)
            && self.flags.fetch_and(!OWES_END, Ordering::AcqRel) & OWES_END != 0
    }

    /// The epoll set that it is registered in.
    pub(super) fn home(&self) -> Option<RawFd> {
        self.home.load(Ordering::Acquire).checked_sub(1).filter(|set| *set >= 0)
    }

    pub(super) fn set_home(&self, place: Registration) {
        self.home_events.store(place.events, Ordering::Release);
        self.home_data.store(place.data, Ordering::Release);
        self.home.store(place.set + 1, Ordering::Release);
    }

    /// Whether the library has ended its input, and it is the one that this set tells of in this way.
    pub(super) fn was_let_go_at(&self, set: RawFd, data: u64) -> bool {
        self.flags.load(Ordering::Acquire) & LET_GO != 0
            && self.home() == Some(set)
            && self.home_data.load(Ordering::Acquire) == data
    }

    /// Where it is registered, if that set tells of each change once only.
    pub(super) fn edge_home(&self, socket: RawFd) -> Option<Registration> {
        let set = self.home()?;
        let (events, data) = (self.home_events.load(Ordering::Acquire), self.home_data.load(Ordering::Acquire));
        let is_edge = events & libc::EPOLLET as u32 != 0;
        is_edge.then_some(Registration { set, target: socket, events, data, inode: 0 })
    }

    /// Lets the connection go if it is between requests and has been for a while.
    pub(super) fn look(&self, socket: RawFd, cookie: u64, now: Duration) -> Look {
        // Whoever has just said something is still there.
        let is_quiet = self.quiet_for(now) > Duration::ZERO;
        if is_quiet && tcp::cookie(socket) != Some(cookie) {
            return Look::Gone;
        }
        let flags = self.flags.load(Ordering::Acquire);
        if flags & LET_GO != 0 {
            return Look::Again(SOON);
        }
        if flags & CONFUSED != 0 {
            return Look::Leave;
        }
        let Some(state) = self.with(|said| said.state()) else { return Look::Again(SOON) };
        let quiet_for = self.quiet_for(now);
        match state {
            State::Unknown => Look::Leave,
            // It will close the connection itself, unless the library has spoken for it.
            State::Ending if flags & ANNOUNCED == 0 => Look::Again(SOON),
            State::Ending if !is_quiet => Look::Again(SOON),
            State::Ending => self.let_go(socket),
            State::Busy => Look::Again(SOON),
            State::Between | State::Fresh => {
                let patience = if state == State::Fresh { FRESH } else { QUIET };
                match patience.checked_sub(quiet_for).filter(|left| !left.is_zero()) {
                    Some(left) => Look::Again(left),
                    // The number may have come to mean something else just now.
                    None if !is_quiet => Look::Again(SOON),
                    None => match until_old(tcp::traffic(socket).map(|traffic| traffic.last), longest_recent()) {
                        Some(left) => Look::Again(left),
                        None => self.let_go(socket),
                    },
                }
            }
        }
    }

    fn let_go(&self, socket: RawFd) -> Look {
        let has_all = tcp::unread(socket) == 0
            && tcp::traffic(socket).is_some_and(|it| it.bytes_received <= self.received.load(Ordering::Acquire));
        if !has_all {
            // A request has come; or its last bytes are in the program's hands, and not counted yet.
            return Look::Again(SOON);
        }
        self.flags.fetch_or(LET_GO, Ordering::AcqRel);
        tcp::end_input(socket);
        Look::LetGo
    }

    /// For how long nothing was said, as far as this has been watched.
    fn quiet_for(&self, now: Duration) -> Duration {
        let said =
            self.received.load(Ordering::Acquire).wrapping_add(self.sent.load(Ordering::Acquire)).wrapping_add(1);
        if self.seen.swap(said, Ordering::AcqRel) != said {
            self.seen_at.store(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX), Ordering::Release);
        }
        now.saturating_sub(Duration::from_nanos(self.seen_at.load(Ordering::Acquire)))
    }

    /// Runs `act` on the exchange. If somebody else is at it for longer than some milliseconds (a signal handler has
    /// interrupted the very thread that is), nothing can be known of the connection any more.
    #[inline]
    fn with<R>(&self, act: impl FnOnce(&mut Said) -> R) -> Option<R> {
        // SAFETY: connections are found only after `begin`.
        self.with_place(|place| act(unsafe { place.assume_init_mut() }))
    }

    #[inline(always)]
    fn with_place<R>(&self, act: impl FnOnce(&mut MaybeUninit<Said>) -> R) -> Option<R> {
        if self.busy.swap(true, Ordering::Acquire) && !self.wait_for_place() {
            return None;
        }
        // SAFETY: `busy` was not set, and is now: nobody else has a reference.
        let result = act(unsafe { &mut *self.exchange.get() });
        self.busy.store(false, Ordering::Release);
        Some(result)
    }

    /// Waits until the other one has let go, and takes its place. Whoever is at it needs less than a microsecond, but a busy
    /// machine may have put its thread aside in the middle: so this sleeps as well.
    #[cold]
    fn wait_for_place(&self) -> bool {
        const SPINS: u32 = 1000;
        const RESTS: u32 = 100;
        for attempt in 0..SPINS + RESTS {
            if attempt < SPINS {
                std::hint::spin_loop();
            } else {
                clock::rest(Duration::from_micros(100));
            }
            if !self.busy.swap(true, Ordering::Acquire) {
                return true;
            }
        }
        self.flags.fetch_or(CONFUSED, Ordering::AcqRel);
        false
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was asked yet.
    Fresh,
    /// All that was asked is answered.
    Between,
    /// A request or its answer is under way.
    Busy,
    /// An answer has announced the end, and is whole.
    Ending,
    /// No HTTP/1, or not followed.
    Unknown,
}

impl Said {
    fn new() -> Self {
        Self { http: Exchange::new(), is_unknown: false }
    }

    fn state(&self) -> State {
        if self.is_unknown || self.http.requests.is_opaque() || self.http.answers.is_opaque() {
            State::Unknown
        } else if !self.is_complete() {
            State::Busy
        } else if self.http.answers.has_announced_close() {
            State::Ending
        } else if self.http.requests.whole() == 0 {
            State::Fresh
        } else {
            State::Between
        }
    }

    /// Whether no request and no answer is under way.
    fn is_complete(&self) -> bool {
        self.http.requests.is_at_boundary()
            && self.http.answers.is_at_boundary()
            && self.http.requests.whole() == self.http.answers.whole()
    }
}

/// How long until the last thing that was said on a connection is no longer recent; `None`: it is not.
fn until_old(last_said: Option<Duration>, recent: Duration) -> Option<Duration> {
    let left = recent.saturating_sub(last_said.unwrap_or(Duration::MAX));
    (!left.is_zero()).then(|| left.max(SOON))
}

fn longest_recent() -> Duration {
    match standing() {
        Standing::Worker(identity) => RECENT.min(identity.shutdown_timeout / RECENT_PART_OF_TIMEOUT),
        Standing::Stray | Standing::Stranger => RECENT,
    }
}

/// Notes a connection that the program has just accepted. Signal-safe.
pub(super) fn note(socket: RawFd) {
    let (Some(cookie), Some(entry)) = (tcp::cookie(socket), table::make_entry(socket)) else { return };
    entry.connection.begin();
    entry.generation.store(children::generation(), Ordering::Release);
    entry.cookie.store(cookie, Ordering::Release);
    entry.set_kind(Kind::Connection);
}

/// The connection of a descriptor, if it is one. The number may mean something else by now.
#[inline]
pub(super) fn of(fd: RawFd) -> Option<&'static Connection> {
    let entry = table::entry_of(fd, Kind::Connection)?;
    if children::is_child() {
        is_used(entry);
    }
    Some(&entry.connection)
}

/// A child of the worker's uses what it has inherited.
#[cold]
fn is_used(entry: &Entry) {
    entry.generation.store(children::generation(), Ordering::Release);
    children::attend();
}

/// The connections that this process has used.
pub(super) fn each() -> impl Iterator<Item = (RawFd, &'static Entry)> {
    let generation = children::generation();
    table::each(Kind::Connection).filter(move |(_, entry)| entry.generation.load(Ordering::Acquire) == generation)
}

/// The same, and the number still means it.
pub(super) fn surely_of(fd: RawFd) -> Option<&'static Connection> {
    let entry = table::entry_of(fd, Kind::Connection)?;
    is_same(fd, entry).then_some(&entry.connection)
}

fn is_same(fd: RawFd, entry: &Entry) -> bool {
    tcp::cookie(fd) == Some(entry.cookie.load(Ordering::Acquire))
}

fn add(counter: &AtomicU64, count: usize) {
    // One direction has one thread at a time: no need for a locked instruction.
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(count as u64), Ordering::Release);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> Box<Connection> {
        // SAFETY: all zeros mean that nothing has been said.
        let connection = Box::new(unsafe { MaybeUninit::<Connection>::zeroed().assume_init() });
        connection.begin();
        connection
    }

    #[test]
    fn a_request_touches_two_cache_lines_of_its_entry() {
        let entry = table::make_entry(400_000).unwrap();
        entry.connection.begin();
        let line_of = |address: usize| (address - std::ptr::from_ref(entry).addr()) / 64;
        let connection = &entry.connection;
        let places = connection.with(|said| said.http.places_of_shortcuts()).unwrap();
        assert_eq!(places.map(line_of), [0, 0, 0, 2, 2, 2]);
        let others = [&raw const connection.busy as usize, &raw const connection.sent as usize];
        assert_eq!(others.map(line_of), [0, 0]);
        assert_eq!(size_of::<Entry>(), 5 * 64);
    }

    #[test]
    fn a_thread_that_was_put_aside_while_it_counts_is_waited_for_contract_6_3() {
        // A machine that puts a thread aside for 2 ms may do so for 20: not five times in a row.
        let is_waited_for = (0..5).any(|_| {
            let connection = fresh();
            connection.received(b"GET / HTTP/1.1\r\n\r\n");
            connection.busy.store(true, Ordering::Release);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(Duration::from_millis(2));
                    connection.busy.store(false, Ordering::Release);
                });
                connection.sent(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            });
            let is_sure = connection.flags.load(Ordering::Acquire) & CONFUSED == 0;
            is_sure && connection.with(|said| said.state()) == Some(State::Between)
        });
        assert!(is_waited_for);
    }

    #[test]
    fn an_answer_is_left_alone_where_the_count_may_be_wrong_contract_6_3() {
        let connection = fresh();
        let answer = b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n";
        connection.received(b"GET / HTTP/1.1\r\n\r\n");
        assert!(connection.announcement(answer).is_some());
        connection.busy.store(true, Ordering::Release); // by a thread that a signal handler has interrupted: it never lets go
        connection.received(b"GET / HTTP/1.1\r\n\r\n");
        connection.busy.store(false, Ordering::Release);
        assert!(connection.announcement(answer).is_none());
    }

    #[test]
    fn a_client_that_has_just_had_an_answer_is_waited_for_contract_6_4() {
        let ms = Duration::from_millis;
        assert_eq!(until_old(Some(ms(0)), RECENT), Some(RECENT), "it may be about to ask again");
        assert_eq!(until_old(Some(ms(30)), RECENT), Some(ms(70)), "and may have to wait for a processor");
        assert_eq!(until_old(Some(ms(99)), RECENT), Some(SOON), "a look at once would come again and again");
        assert_eq!(until_old(Some(ms(100)), RECENT), None);
        assert_eq!(until_old(Some(ms(5)), ms(4)), None, "in a drain of little time");
        assert_eq!(until_old(None, RECENT), None, "where the kernel does not tell");
    }
}
