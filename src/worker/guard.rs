//! The worker's watch over its master: a thread that sleeps until the master ends or has something to say (contract
//! 4.1, 4.4).
//!
//! It is there from before `main` on, blocks every signal, and needs nothing of the program's threads: it works in a
//! worker that hangs.

use std::os::fd::{IntoRawFd, OwnedFd, RawFd};
use std::time::Duration;

use super::identity::{Identity, Standing, standing};
use crate::handoff;
use crate::log;
use crate::sys::process::{self, Pid};
use crate::sys::signals::Signal;
use crate::sys::{pidfd, socket, thread};
use crate::wire::{Decoded, FromMaster, MAX_LENGTH};

/// Without a pidfd of the master (the program has closed it, or a sandbox permits none) the parent's number has to be
/// looked at now and then: the channel alone may be held open by a child that the master has forked.
const FALLBACK_PERIOD_MS: i32 = 500;

/// Starts the thread. The error is an errno.
pub(super) fn start() -> Result<(), i32> {
    thread::start(watch)
}

extern "C" fn watch(_: *mut libc::c_void) -> *mut libc::c_void {
    if let Standing::Worker(identity) = standing() {
        Watch::new(identity).run();
        stop_self(identity.shutdown_timeout);
    }
    std::ptr::null_mut()
}

/// What is left to be watched.
struct Watch {
    identity: &'static Identity,
    channel: Option<RawFd>,
    master: Option<RawFd>,
    handoff: handoff::Guard,
    /// How long until the hand-over is to be looked at again.
    look_again: Option<Duration>,
}

impl Watch {
    fn new(identity: &'static Identity) -> Self {
        let master = Some(identity.master()).filter(|fd| *fd >= 0);
        let handoff = handoff::Guard::new();
        Self { identity, channel: Some(identity.channel()), master, handoff, look_again: None }
    }

    /// Returns when the master is gone, or has nothing to do with this worker any more.
    fn run(&mut self) {
        loop {
            let blind = self.master.is_none();
            if blind && process::parent_pid() != self.identity.master_pid {
                return;
            }
            let timeout = match self.look_again {
                Some(time) => i32::try_from(time.as_millis()).unwrap_or(FALLBACK_PERIOD_MS).max(1),
                None if blind => FALLBACK_PERIOD_MS,
                None => -1,
            };
            let watched = [self.channel.unwrap_or(-1), self.master.unwrap_or(-1), handoff::nudge_descriptor()];
            let [channel, master, nudge] = socket::poll(watched, timeout);
            if master != 0 && self.master_says() == Verdict::MasterGone {
                return;
            }
            if channel != 0 && self.channel_says() == Verdict::MasterGone {
                return;
            }
            if nudge & libc::POLLNVAL != 0 {
                handoff::nudge_descriptor_is_gone();
            }
            self.look_again = self.handoff.look(nudge & libc::POLLIN != 0);
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
            socket::Received::Message { length, mut descriptors, .. } => {
                self.obey(FromMaster::decode(buffer.get(..length).unwrap_or_default()), descriptors.pop());
                Verdict::GoOn
            }
            socket::Received::Nothing => Verdict::GoOn,
            socket::Received::End => Verdict::MasterGone,
        }
    }

    fn obey(&mut self, message: Decoded<FromMaster>, descriptor: Option<OwnedFd>) {
        match message {
            Decoded::Message(FromMaster::Signal(number)) => {
                if let Some(signal) = Signal::new(number.into()) {
                    process::signal_self(signal.number());
                }
            }
            Decoded::Message(FromMaster::Drain) => self.handoff.begin(),
            Decoded::Message(FromMaster::Forget) => handoff::forget_inherited(),
            Decoded::Message(FromMaster::Inherit(address)) => {
                if let Some(socket) = descriptor {
                    self.handoff.inherit(address, socket);
                }
            }
            // A second welcome, or what only a newer master says, changes nothing.
            Decoded::Message(FromMaster::Welcome(_) | FromMaster::Adopt(_)) | Decoded::Unknown => {}
            Decoded::Malformed => log::warning!("a message from the master made no sense and was passed over"),
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
