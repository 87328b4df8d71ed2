//! The processes that `cluster_signal_workers` may signal: a table that any thread and any signal handler can walk.
//!
//! An entry holds a pidfd's number. The master takes an entry out, and only when nobody walks the table any more does
//! it reap the process and close the pidfd: so neither a pid nor a descriptor ever means something else under a
//! walker's hands (contract 4.2).

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::core::StopSignal;
use crate::sys::signals::Signal;
use crate::sys::{KeepErrno, clock, pidfd};

/// 255 workers, each with a predecessor or a replacement, and room to spare.
const SIZE: usize = 1024;

static TABLE: [Target; SIZE] = [const { Target::vacant() }; SIZE];
/// How long the master waits for others that signal its workers.
const LONGEST_WALK: Duration = Duration::from_millis(100);

/// No entry from here on has ever been used.
static HIGH_WATER: AtomicUsize = AtomicUsize::new(0);
/// So many threads and handlers walk the table now.
static WALKERS: AtomicUsize = AtomicUsize::new(0);

struct Target {
    /// -1: no process here.
    pidfd: AtomicI32,
    ready: AtomicBool,
    /// Signals that wait for the process to become ready, one bit each.
    waiting: AtomicU64,
    /// Signals that the kernel did not let us send: the process has another user now, and is told over its channel.
    refused: AtomicU64,
    /// Whether it has been sent a stop signal.
    told: AtomicBool,
}

/// Names an entry of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TargetId(usize);

impl Target {
    const fn vacant() -> Self {
        Self {
            pidfd: AtomicI32::new(-1),
            ready: AtomicBool::new(false),
            waiting: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            told: AtomicBool::new(false),
        }
    }

    /// Sends now; what the kernel refuses (the worker has another user, or a sandbox does not know the call) is left for
    /// the channel. Gives whether that is so.
    fn send(&self, signal: Signal) -> bool {
        match pidfd::send(self.pidfd.load(Ordering::SeqCst), signal.number()) {
            Err(libc::EPERM | libc::ENOSYS) => {
                self.refused.fetch_or(signal.bit(), Ordering::SeqCst);
                true
            }
            Ok(()) | Err(_) => false,
        }
    }
}

/// Adds a process. `None` if the table is full. The master alone calls this, as all that takes a [`TargetId`].
pub(crate) fn add(pidfd: RawFd) -> Option<TargetId> {
    // A walker that is here may still have its eyes on an entry that has become vacant.
    let unseen = if is_quiet() { 0 } else { HIGH_WATER.load(Ordering::SeqCst) };
    let vacant = |target: &Target| target.pidfd.load(Ordering::SeqCst) < 0;
    let index = TABLE.iter().skip(unseen).position(vacant)? + unseen;
    let target = TABLE.get(index)?;
    target.ready.store(false, Ordering::SeqCst);
    target.waiting.store(0, Ordering::SeqCst);
    target.refused.store(0, Ordering::SeqCst);
    target.told.store(false, Ordering::SeqCst);
    target.pidfd.store(pidfd, Ordering::SeqCst);
    HIGH_WATER.fetch_max(index + 1, Ordering::SeqCst);
    Some(TargetId(index))
}

/// As long as this lives, no process in the table is reaped, and no descriptor that handlers use is closed.
/// Signal-safe.
pub(crate) struct Walk(());

impl Walk {
    pub(crate) fn begin() -> Self {
        WALKERS.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        WALKERS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Nobody who comes later finds the process any more.
pub(crate) fn remove(id: Option<TargetId>) {
    if let Some(target) = entry(id) {
        target.pidfd.store(-1, Ordering::SeqCst);
    }
}

fn entry(id: Option<TargetId>) -> Option<&'static Target> {
    TABLE.get(id?.0)
}

/// Waits for walks to end, which takes a system call a process; but not for ever, for a walker may be stopped in a
/// debugger.
pub(crate) fn wait_until_quiet() {
    let deadline = clock::monotonic() + LONGEST_WALK;
    while !is_quiet() && clock::monotonic() < deadline {
        std::thread::yield_now();
    }
}

/// Whether nobody walks the table: then nobody has a removed entry's process in hand either.
pub(crate) fn is_quiet() -> bool {
    WALKERS.load(Ordering::SeqCst) == 0
}

/// The process is ready: what waited for that is sent. Gives whether something was refused.
pub(crate) fn ready(id: Option<TargetId>) -> bool {
    let Some(target) = entry(id) else { return false };
    target.ready.store(true, Ordering::SeqCst);
    deliver_waiting(target)
}

/// Tells a process to stop, if nobody has yet. Gives whether that was refused.
pub(crate) fn stop(id: Option<TargetId>, signal: StopSignal) -> bool {
    entry(id).is_some_and(|target| !target.told.swap(true, Ordering::SeqCst) && target.send(number(signal)))
}

/// Kills a process. Gives whether that was refused.
pub(crate) fn kill(id: Option<TargetId>) -> bool {
    entry(id).is_some_and(|target| target.send(Signal::KILL))
}

/// Takes the signals that were refused.
pub(crate) fn take_refused(id: Option<TargetId>) -> u64 {
    entry(id).map_or(0, |target| target.refused.swap(0, Ordering::SeqCst))
}

/// Sends a signal to every process, from wherever the program likes. Gives whether one was refused. Signal-safe.
pub(crate) fn signal_all(signal: Signal) -> bool {
    let _errno = KeepErrno::new();
    let _walk = Walk::begin();
    let stop = [Signal::TERM, Signal::INT, Signal::KILL].contains(&signal);
    let mut refused = false;
    for target in TABLE.iter().take(HIGH_WATER.load(Ordering::SeqCst)) {
        if target.pidfd.load(Ordering::SeqCst) < 0 {
            continue;
        }
        if stop {
            target.told.store(true, Ordering::SeqCst);
            refused |= target.send(signal);
        } else if target.ready.load(Ordering::SeqCst) {
            refused |= target.send(signal);
        } else {
            target.waiting.fetch_or(signal.bit(), Ordering::SeqCst);
            // It may have become ready in between, and its waiting signals been looked at before this one was there.
            if target.ready.load(Ordering::SeqCst) {
                refused |= deliver_waiting(target);
            }
        }
    }
    refused
}

fn deliver_waiting(target: &Target) -> bool {
    let waiting = target.waiting.swap(0, Ordering::SeqCst);
    Signal::from_bits(waiting).fold(false, |refused, signal| target.send(signal) | refused)
}

fn number(signal: StopSignal) -> Signal {
    match signal {
        StopSignal::Term => Signal::TERM,
        StopSignal::Int => Signal::INT,
        StopSignal::Kill => Signal::KILL,
    }
}
