//! What signal handlers and other threads want of the master: flags, and an eventfd that wakes it (contract 4.2).
//!
//! A request is stored before the master is woken, and the master looks at the flags after every wait: a request
//! is never lost, whether it comes before `cluster_wait_workers`, during it, or between a look and the next wait.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, Ordering};

use super::targets::Walk;
use crate::core::StopSignal;
use crate::role;
use crate::sys::{KeepErrno, dispositions, fd};

/// Counts what was asked for, and how much of that has been dealt with.
struct Counter {
    asked: AtomicU32,
    done: AtomicU32,
}

impl Counter {
    const fn new() -> Self {
        Self { asked: AtomicU32::new(0), done: AtomicU32::new(0) }
    }

    fn ask(&self) {
        self.asked.fetch_add(1, Ordering::SeqCst);
    }

    fn open(&self) -> u32 {
        self.asked.load(Ordering::SeqCst).wrapping_sub(self.done.load(Ordering::SeqCst))
    }

    fn deal_with(&self, count: u32) {
        self.done.fetch_add(count, Ordering::SeqCst);
    }
}

static TERMINATE: Counter = Counter::new();
static INTERRUPT: Counter = Counter::new();
static RESTART: Counter = Counter::new();
static CHILD_ENDED: Counter = Counter::new();
/// The stop signals that the program has sent with `cluster_signal_workers`, one bit each.
static SENT: AtomicU8 = AtomicU8::new(0);
/// The eventfd; -1 without a master.
static WAKE: AtomicI32 = AtomicI32::new(-1);

/// Everything that was asked for and has not been dealt with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    /// So many SIGTERMs came to the master.
    pub(crate) terminate: u32,
    /// So many SIGINTs came to the master.
    pub(crate) interrupts: u32,
    pub(crate) restart: u32,
    /// So many children of this process ended (counted only where the master is a container's first process).
    pub(crate) child_ended: u32,
    /// Stop signals that have been sent to the workers already: the most urgent first.
    pub(crate) sent: [Option<StopSignal>; 3],
}

/// From here on requests wake this eventfd.
pub(crate) fn open(wake: RawFd) {
    deal_with(&pending());
    WAKE.store(wake, Ordering::SeqCst);
}

/// The eventfd is about to be closed.
pub(crate) fn close() {
    WAKE.store(-1, Ordering::SeqCst);
}

/// What is asked for. It goes on being so until [`deal_with`]: the statistics show a request at every moment
/// between its making and its end.
pub(crate) fn pending() -> Requests {
    let sent = SENT.load(Ordering::SeqCst);
    let signal = |signal: StopSignal| (sent & bit(signal) != 0).then_some(signal);
    Requests {
        terminate: TERMINATE.open(),
        interrupts: INTERRUPT.open(),
        restart: RESTART.open(),
        child_ended: CHILD_ENDED.open(),
        sent: [signal(StopSignal::Kill), signal(StopSignal::Term), signal(StopSignal::Int)],
    }
}

/// The core knows of all this now, and so do the statistics. What was asked for in the meantime stays.
pub(crate) fn deal_with(requests: &Requests) {
    TERMINATE.deal_with(requests.terminate);
    INTERRUPT.deal_with(requests.interrupts);
    RESTART.deal_with(requests.restart);
    CHILD_ENDED.deal_with(requests.child_ended);
    let sent = requests.sent.into_iter().flatten().fold(0, |bits, signal| bits | bit(signal));
    SENT.fetch_and(!sent, Ordering::SeqCst);
}

/// Whether a shutdown is asked for that the statistics do not show yet. Signal-safe.
pub(crate) fn is_stop_pending() -> bool {
    TERMINATE.open() != 0 || INTERRUPT.open() != 0 || SENT.load(Ordering::SeqCst) != 0
}

/// Whether a restart is asked for that the statistics do not show yet. Signal-safe.
pub(crate) fn is_restart_pending() -> bool {
    RESTART.open() != 0
}

/// Wakes the master. Signal-safe.
pub(crate) fn wake() {
    let _errno = KeepErrno::new();
    let _walk = Walk::begin();
    let wake = WAKE.load(Ordering::SeqCst);
    if wake >= 0 {
        fd::notify(wake);
    }
}

/// Asks for a graceful restart. Signal-safe.
pub(crate) fn restart() {
    RESTART.ask();
    wake();
}

/// Says that the workers are about to be sent a stop signal, so that no end of theirs is a crash. The master is to be
/// woken when that is done. Signal-safe.
pub(crate) fn stop_is_sent(signal: StopSignal) {
    SENT.fetch_or(bit(signal), Ordering::SeqCst);
}

/// The master's handler of every signal that it takes. A child that the program forked without exec has inherited
/// it, and is treated as if the library were not there.
pub(crate) extern "C" fn on_signal(number: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let _errno = KeepErrno::new();
    if !role::is_owner() {
        return dispositions::as_before(number);
    }
    match number {
        libc::SIGTERM => TERMINATE.ask(),
        libc::SIGINT => INTERRUPT.ask(),
        libc::SIGUSR2 => RESTART.ask(),
        // Taken only where the master is a container's first process; it goes on to the program, whose signal it is.
        libc::SIGCHLD => {
            CHILD_ENDED.ask();
            dispositions::call_earlier(number, info, context);
        }
        _ => {}
    }
    wake();
}

fn bit(signal: StopSignal) -> u8 {
    match signal {
        StopSignal::Term => 1,
        StopSignal::Int => 2,
        StopSignal::Kill => 4,
    }
}
