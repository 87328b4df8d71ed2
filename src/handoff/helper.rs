//! The helper: a worker's thread for what the hand-over needs done among the program's descriptors, whatever the program's own
//! threads are at (contract 6.3).
//!
//! A second thread that shares the descriptors of a program with one has a price: the kernel takes a reference of the open
//! file in each of its system calls, some 30 ns (docs/benchmarks.md, `benches/run descriptors`). So the worker's guard, which is there all
//! the time, has descriptors of its own, and the helper goes when its presence is not needed: when every listener is in an
//! epoll set whose loop can be called. Then the master's word comes like this:
//!
//! ```text
//! master ── channel ──► guard ── line ──► (helper's end: it stays there until somebody reads)
//!                         └──── bell ──► epoll set ──► the program's loop starts the helper
//! ```
//! A program that waits in any other way (in an accept, with poll or select, past the assisted calls) has the helper for good.

use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering, fence};
use std::time::Duration;

use super::{Duties, forget_inherited, loops_can_be_called, nudge_descriptor, nudge_descriptor_is_gone, state};
use crate::log;
#[cfg(feature = "assist")]
use crate::sys::KeepErrno;
use crate::sys::cpu::Affinity;
use crate::sys::fd::{self, FileIdentity};
use crate::sys::{sandbox, socket, thread};
use crate::wire::{Decoded, FromMaster, MAX_LENGTH};

/// How long after it was not yet so it is looked again whether the helper may go, at first; then twice as long each time.
const SHORTEST_DOUBT: Duration = Duration::from_millis(5);
/// A program that has not come to wait for its listeners by then will hardly do so.
const LONGEST_DOUBT: Duration = Duration::from_secs(1);

/// The line from the guard: the helper's end, and the guard's, which the other threads do not have.
static INBOX: AtomicI32 = AtomicI32::new(-1);
static OUTBOX: AtomicI32 = AtomicI32::new(-1);
static FILES: OnceLock<Files> = OnceLock::new();
/// An eventfd that the program's loops wait for beside their own descriptors.
static BELL: AtomicI32 = AtomicI32::new(-1);
/// Whether there is a helper, or is about to be one.
static IS_PRESENT: AtomicBool = AtomicBool::new(false);
/// Whether it is not to go any more.
static STAYS: AtomicBool = AtomicBool::new(false);

/// By what the library's own numbers are recognized: the program may have closed them and opened something else. All eventfds look
/// alike; but whoever closes what he does not know closes the inbox with the bell.
struct Files {
    inbox: FileIdentity,
    bell: FileIdentity,
}

/// On which processors the process may run, and how many seccomp filters it has, both as it was started.
static AFFINITY: OnceLock<Affinity> = OnceLock::new();
static FILTERS: AtomicU32 = AtomicU32::new(0);

/// Makes the line and the bell. Before `main`. `high`: the lowest number for descriptors of the library's own.
pub(super) fn prepare(high: RawFd) {
    let moved = |fd: OwnedFd| fd::duplicate_from(fd.as_raw_fd(), high).unwrap_or(fd);
    let (Ok((inbox, outbox)), Ok(bell)) = (socket::datagram_pair(), fd::eventfd()) else { return };
    let (inbox, outbox, bell) = (moved(inbox), moved(outbox), moved(bell));
    let identity = |fd: &OwnedFd| FileIdentity::of(fd.as_raw_fd());
    let (Some(inbox_file), Some(bell_file)) = (identity(&inbox), identity(&bell)) else { return };
    if let Some(affinity) = Affinity::current() {
        AFFINITY.get_or_init(|| affinity);
    }
    FILTERS.store(sandbox::filters(), Ordering::Release);
    FILES.get_or_init(|| Files { inbox: inbox_file, bell: bell_file });
    INBOX.store(inbox.into_raw_fd(), Ordering::Release);
    OUTBOX.store(outbox.into_raw_fd(), Ordering::Release);
    BELL.store(bell.into_raw_fd(), Ordering::Release);
}

/// Starts it for the first time, after the guard. Before `main`. The error is an errno.
pub(crate) fn start() -> Result<(), i32> {
    if has_guard_apart() {
        // It has its own copy.
        fd::close_own(OUTBOX.load(Ordering::Acquire));
    } else {
        // All share the descriptors, and nothing is gained by going.
        STAYS.store(true, Ordering::SeqCst);
    }
    IS_PRESENT.store(true, Ordering::SeqCst);
    thread::start(help)
}

/// Waits for the guard's first word.
fn has_guard_apart() -> bool {
    let inbox = INBOX.load(Ordering::Acquire);
    if inbox < 0 {
        return false;
    }
    let mut word = [0];
    socket::poll([inbox], LONGEST_WAIT_FOR_GUARD_MS);
    matches!(socket::receive(inbox, &mut word), socket::Received::Message { .. }) && word == [APART]
}

/// It is a thread that has only to be started; on a machine that is not for so long, the program goes on.
const LONGEST_WAIT_FOR_GUARD_MS: i32 = 1000;

/// What the guard says first: it has descriptors of its own, or it has not.
const APART: u8 = 1;
const NOT_APART: u8 = 0;

/// What the guard needs to reach the helper.
pub(crate) fn descriptors_of_guard() -> [RawFd; 2] {
    [OUTBOX.load(Ordering::Acquire), BELL.load(Ordering::Acquire)]
}

/// From the guard: whether it has descriptors of its own by now.
pub(crate) fn guard_is_apart(is_apart: bool) {
    let word = if is_apart { APART } else { NOT_APART };
    let _ = socket::send(OUTBOX.load(Ordering::Acquire), &[word], None);
}

/// From the guard: what the master has said. False if the helper cannot be reached any more: the program has closed its end.
pub(crate) fn forward(message: &[u8], descriptor: Option<RawFd>) -> bool {
    let is_sent = socket::send(OUTBOX.load(Ordering::Acquire), message, descriptor).is_ok();
    // It is away only from a guard that has its own descriptors: the number means the bell.
    ring_if_away(|| BELL.load(Ordering::Acquire));
    is_sent
}

/// The helper is wanted: if it has gone, a loop of the program's starts it. Signal-safe.
#[cfg(feature = "assist")]
pub(super) fn call() {
    ring_if_away(|| bell().unwrap_or(-1));
}

fn ring_if_away(bell: impl Fn() -> RawFd) {
    // What was put on the line is there for the helper's last look, or its going is seen here.
    fence(Ordering::SeqCst);
    if is_away() {
        // First: a loop that finds the bell among its events must know that it may.
        state::set(state::CALLED | state::RUNG);
        fd::notify(bell());
    }
}

/// Whether there is no helper. Signal-safe.
#[inline]
pub(super) fn is_away() -> bool {
    !IS_PRESENT.load(Ordering::SeqCst)
}

/// The program waits in a way in which it cannot be called: the helper comes, and stays. Called before a wait that may be long, or
/// after a fork: the C library's functions may be used in signal handlers there, this one starts a thread. It does so
/// once at most in a process, and only in a program that waited for its listeners in an event loop before.
#[cfg(feature = "assist")]
#[inline]
pub(super) fn stay() {
    if !STAYS.load(Ordering::Acquire) && !super::children::is_child() {
        STAYS.store(true, Ordering::SeqCst);
        come();
    }
}

/// Whether a loop that waits has nothing of the library's to look at: nothing to start, and no bell to be taken out of what the
/// wait brings.
#[cfg(feature = "assist")]
#[inline]
pub(super) fn is_quiet() -> bool {
    !state::is_any(state::DRAINING | state::CALLED | state::RUNG)
}

/// Whether the helper was called, and is to be started by a loop of the program's.
#[cfg(feature = "assist")]
#[inline]
pub(super) fn is_called() -> bool {
    state::is_any(state::CALLED) && !IS_PRESENT.load(Ordering::Acquire)
}

/// Starts the helper, unless somebody else does.
#[cfg(feature = "assist")]
#[cold]
pub(super) fn come() {
    if IS_PRESENT.swap(true, Ordering::SeqCst) {
        return;
    }
    let _errno = KeepErrno::new();
    if thread::start(help).is_err() {
        // The next wait tries again.
        IS_PRESENT.store(false, Ordering::SeqCst);
        state::set(state::CALLED);
    }
}

/// The bell, if its number still means it. Signal-safe.
pub(super) fn bell() -> Option<RawFd> {
    let files = FILES.get()?;
    let bell = BELL.load(Ordering::Acquire);
    let is_there = FileIdentity::of(INBOX.load(Ordering::Acquire)) == Some(files.inbox);
    (is_there && FileIdentity::of(bell) == Some(files.bell)).then_some(bell)
}

/// Something has changed that the helper's going depends on.
#[cfg(feature = "assist")]
pub(super) fn look_again() {
    if IS_PRESENT.load(Ordering::SeqCst) {
        super::drain::nudge();
    }
}

extern "C" fn help(_: *mut libc::c_void) -> *mut libc::c_void {
    // Whoever has started it may have bound itself to a processor that it never leaves to others.
    if let Some(affinity) = AFFINITY.get() {
        affinity.apply();
    }
    Helper { duties: Duties::new(), look_again: None, doubt: Some(SHORTEST_DOUBT) }.run();
    std::ptr::null_mut()
}

/// The thread's own state. There is nothing in it when it goes.
#[derive(Debug)]
struct Helper {
    duties: Duties,
    /// How long until the duties are to be looked at again.
    look_again: Option<Duration>,
    /// How long until it is looked again whether it may go.
    doubt: Option<Duration>,
}

impl Helper {
    fn run(&mut self) {
        has_come();
        loop {
            let timeout = self.look_again.into_iter().chain(self.doubt).min();
            let timeout = timeout.map_or(-1, |time| i32::try_from(time.as_millis()).unwrap_or(i32::MAX).max(1));
            let [inbox, nudge] = socket::poll([INBOX.load(Ordering::Acquire), nudge_descriptor()], timeout);
            if inbox != 0 {
                self.hear();
            }
            if nudge & libc::POLLNVAL != 0 {
                nudge_descriptor_is_gone();
            }
            let nudged = nudge & libc::POLLIN != 0;
            self.look_again = self.duties.look(nudged);
            let is_news = nudged || inbox != 0;
            self.doubt = match self.doubt {
                _ if is_news => Some(SHORTEST_DOUBT),
                Some(time) if time < LONGEST_DOUBT => Some(time * 2),
                _ => None,
            };
            if self.may_go() && go() {
                return;
            }
        }
    }

    fn hear(&mut self) {
        let inbox = INBOX.load(Ordering::Acquire);
        let is_ours = FILES.get().is_some_and(|files| FileIdentity::of(inbox) == Some(files.inbox));
        let mut buffer = [0; MAX_LENGTH];
        let received = if is_ours { socket::receive(inbox, &mut buffer) } else { socket::Received::End };
        match received {
            // The guard's first word, to which nobody listens any more.
            socket::Received::Message { length: 1, .. } => {}
            socket::Received::Message { length, mut descriptors, .. } => {
                self.obey(FromMaster::decode(buffer.get(..length).unwrap_or_default()), descriptors.pop());
            }
            socket::Received::Nothing => {}
            // The program has closed it.
            socket::Received::End => INBOX.store(-1, Ordering::Release),
        }
    }

    fn obey(&mut self, message: Decoded<FromMaster>, descriptor: Option<OwnedFd>) {
        match message {
            Decoded::Message(FromMaster::Drain) => self.duties.begin(),
            Decoded::Message(FromMaster::Forget) => forget_inherited(),
            Decoded::Message(FromMaster::Inherit(address)) => {
                if let Some(socket) = descriptor {
                    self.duties.inherit(address, socket);
                }
            }
            // The guard has obeyed a signal. A second welcome, or what only a newer master says, changes nothing.
            Decoded::Message(FromMaster::Signal(_) | FromMaster::Welcome(_) | FromMaster::Adopt(_))
            | Decoded::Unknown => {}
            Decoded::Malformed => log::warning!("a message from the master made no sense and was passed over"),
        }
    }

    fn may_go(&self) -> bool {
        self.doubt.is_some()
            && self.look_again.is_none()
            && !STAYS.load(Ordering::SeqCst)
            && !self.duties.are_under_way()
            // A program that has locked itself up may not be able to start a thread any more, or be killed for it.
            && FILTERS.load(Ordering::Acquire) == sandbox::filters()
            && loops_can_be_called()
    }
}

/// The call was heard. What it was about is looked for only after this.
fn has_come() {
    state::clear(state::CALLED);
    if let Some(bell) = bell() {
        fd::acknowledge(bell);
    }
}

/// False if there is something to do after all: what came between the last look and the going, or whoever has called has found
/// somebody here and relies on it.
fn go() -> bool {
    IS_PRESENT.store(false, Ordering::SeqCst);
    fence(Ordering::SeqCst);
    let [inbox, nudge] = socket::poll([INBOX.load(Ordering::Acquire), nudge_descriptor()], 0);
    let is_wanted = inbox != 0 || nudge != 0 || STAYS.load(Ordering::SeqCst);
    // Else another one was started meanwhile, and does it.
    let goes_on = is_wanted && !IS_PRESENT.swap(true, Ordering::SeqCst);
    if goes_on {
        has_come();
    }
    !goes_on
}
