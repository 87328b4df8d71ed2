//! The worker's watch over its master: a thread that sleeps until the master ends or has something to say (contract
//! 4.1, 4.4).
//!
//! It is there from before `main` on, blocks every signal, and needs nothing of the program's threads: it works in a
//! worker that hangs. It has descriptors of its own, where the kernel gives it some: the program cannot close them, and its
//! system calls are those of a process with one thread (see [`crate::handoff::helper`], to whom it hands on what is to be done
//! among the program's descriptors).

use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::time::Duration;

use super::identity::{Identity, Standing, standing};
use crate::handoff::{has_inherited, helper};
use crate::sys::process::{self, Pid};
use crate::sys::signals::Signal;
use crate::sys::{fd, pidfd, socket, thread};
use crate::wire::{Decoded, FromMaster, FromWorker, MAX_LENGTH};

/// Without a pidfd of the master (the program has closed it, or a sandbox permits none) the parent's number has to be
/// looked at now and then: the channel alone may be held open by a child that the master has forked.
const FALLBACK_PERIOD_MS: i32 = 500;

/// Starts the thread. The error is an errno.
pub(super) fn start() -> Result<(), i32> {
    thread::start(watch)
}

extern "C" fn watch(_: *mut libc::c_void) -> *mut libc::c_void {
    if let Standing::Worker(identity) = standing() {
        if identity.handoff {
            helper::guard_is_apart(has_own_descriptors(identity));
        } else {
            has_own_descriptors(identity);
        }
        Watch::new(identity).run();
        stop_self(identity.shutdown_timeout);
    }
    std::ptr::null_mut()
}

/// Leaves the program's descriptors to it. False where the kernel cannot do that (before Linux 5.9) or may not.
fn has_own_descriptors(identity: &Identity) -> bool {
    let [line, bell] = helper::descriptors_of_guard();
    thread::keep_descriptors([identity.channel(), identity.master(), line, bell])
}

/// What is left to be watched.
struct Watch {
    identity: &'static Identity,
    channel: Option<RawFd>,
    master: Option<RawFd>,
}

impl Watch {
    fn new(identity: &'static Identity) -> Self {
        let master = Some(identity.master()).filter(|fd| *fd >= 0);
        Self { identity, channel: Some(identity.channel()), master }
    }

    /// Returns when the master is gone, or has nothing to do with this worker any more.
    fn run(&mut self) {
        loop {
            let blind = self.master.is_none();
            if blind && process::parent_pid() != self.identity.master_pid {
                return;
            }
            let timeout = if blind { FALLBACK_PERIOD_MS } else { -1 };
            let [channel, master] = socket::poll([self.channel.unwrap_or(-1), self.master.unwrap_or(-1)], timeout);
            if master != 0 && self.master_says() == Verdict::MasterGone {
                return;
            }
            if channel != 0 && self.channel_says() == Verdict::MasterGone {
                return;
            }
        }
    }

    /// The pidfd has news: the master has ended, or the program has closed the descriptor. An ended master may
    /// be a zombie still, to which signals can be sent; what is no pidfd at all gives EBADF.
    fn master_says(&mut self) -> Verdict {
        let Some(master) = self.master else { return Verdict::GoOn };
        match pidfd::send(master, 0) {
            Ok(()) | Err(libc::ESRCH | libc::EPERM) => Verdict::MasterGone,
            Err(_) => {
                self.master = self.reopen();
                Verdict::GoOn
            }
        }
    }

    /// A new pidfd of the parent, if that is still the master.
    fn reopen(&mut self) -> Option<RawFd> {
        let opened = pidfd::PidFd::open(Pid::new(self.identity.master_pid)?).ok()?;
        // Looked at only now: as long as the parent is the same, its number cannot have come to mean another process.
        if process::parent_pid() != self.identity.master_pid {
            return None;
        }
        Some(opened.into_owned().into_raw_fd())
    }

    fn channel_says(&mut self) -> Verdict {
        if !self.identity.owns_channel() {
            // The program has closed it. It cannot be had again; the pidfd must do.
            self.channel = None;
            if self.master.is_none() {
                self.master = self.reopen();
            }
            return Verdict::GoOn;
        }
        let mut buffer = [0; MAX_LENGTH];
        match socket::receive(self.identity.channel(), &mut buffer) {
            socket::Received::Message { length, descriptors, .. } => {
                self.obey(buffer.get(..length).unwrap_or_default(), descriptors.last().map(AsRawFd::as_raw_fd));
                // Not by the assisted call: that knows the program's numbers, and these are the guard's.
                descriptors.into_iter().for_each(|one| fd::close_own(one.into_raw_fd()));
                Verdict::GoOn
            }
            socket::Received::Nothing => Verdict::GoOn,
            socket::Received::End => Verdict::MasterGone,
        }
    }

    fn obey(&self, bytes: &[u8], descriptor: Option<RawFd>) {
        let message = FromMaster::decode(bytes);
        match message {
            Decoded::Message(FromMaster::Signal(number)) => {
                if let Some(signal) = Signal::new(number.into()) {
                    process::signal_self(signal.number());
                }
            }
            // Most programs have adopted everything by now, and nobody has to be called.
            Decoded::Message(FromMaster::Forget) if !has_inherited() => {}
            Decoded::Message(_) | Decoded::Unknown | Decoded::Malformed => {
                let is_told = self.identity.handoff && helper::forward(bytes, descriptor);
                if !is_told && message == Decoded::Message(FromMaster::Drain) {
                    // Nobody is there to do it: the master is not to wait for that.
                    let _ = self.identity.send(FromWorker::Drained);
                }
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    GoOn,
    MasterGone,
}

/// Ends this process as its master would have: SIGTERM, and SIGKILL when the time is over.
fn stop_self(timeout: Duration) {
    process::signal_self(libc::SIGTERM);
    std::thread::sleep(timeout);
    process::signal_self(libc::SIGKILL);
    // The first process of a pid namespace does not get that from itself.
    process::exit_now(128 + libc::SIGKILL);
}
