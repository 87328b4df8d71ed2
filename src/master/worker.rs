//! The master's view of one worker process: its descriptors, and what comes over its channel.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::Duration;

use super::launcher::Release;
use super::targets::TargetId;
use crate::core::{ProcessKey, SpawnError};
use crate::sys::pidfd::PidFd;
use crate::sys::process::Pid;
use crate::sys::socket::{self, Received};
use crate::wire::{Decoded, FromMaster, FromWorker, MAX_LENGTH};

/// A process made for a slot, until it is reaped.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) key: ProcessKey,
    pub(crate) pid: Pid,
    pub(crate) pidfd: PidFd,
    /// `None` if the table was full: such a process does not live.
    pub(crate) target: Option<TargetId>,
    pub(crate) channel: Option<OwnedFd>,
    pub(crate) exec_report: Option<OwnedFd>,
    /// What kept it from becoming a worker.
    pub(crate) start_error: Option<SpawnError>,
    pub(crate) release: Rc<Release>,
    /// Seconds since 1970.
    pub(crate) start_time: i64,
    pub(crate) allowance: Allowance,
    /// Whether it was said that a socket of its cannot be kept.
    pub(crate) is_unkept_told: bool,
}

/// What a look at a channel brings.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A message, and the descriptor that came with it.
    Message(FromWorker, Option<OwnedFd>),
    /// Nothing to act upon, but there may be more.
    Noise,
    Nothing,
    /// The worker has closed its end, or ended.
    Closed,
    /// No library would send that.
    Broken(&'static str),
}

impl Worker {
    /// Takes one message from the channel.
    pub(crate) fn hear(&mut self, now: Duration) -> Heard {
        let Some(channel) = &self.channel else { return Heard::Nothing };
        let mut buffer = [0; MAX_LENGTH];
        match socket::receive(channel.as_raw_fd(), &mut buffer) {
            Received::Nothing => Heard::Nothing,
            Received::End => Heard::Closed,
            Received::Message { truncated: true, .. } => Heard::Broken("a message that is too long"),
            Received::Message { length, mut descriptors, .. } => {
                if !self.allowance.take(now) {
                    return Heard::Broken("too many messages");
                }
                match FromWorker::decode(buffer.get(..length).unwrap_or_default()) {
                    Decoded::Message(message) => Heard::Message(message, descriptors.pop()),
                    Decoded::Unknown => Heard::Noise,
                    Decoded::Malformed => Heard::Broken("a message that makes no sense"),
                }
            }
        }
    }

    /// Whether the worker could be told.
    pub(crate) fn tell(&self, message: FromMaster) -> bool {
        self.tell_with(message, None)
    }

    /// The same with a duplicate of a descriptor.
    pub(crate) fn tell_with(&self, message: FromMaster, descriptor: Option<RawFd>) -> bool {
        let send = |channel: &OwnedFd| socket::send(channel.as_raw_fd(), message.encode().bytes(), descriptor);
        self.channel.as_ref().is_some_and(|channel| send(channel).is_ok())
    }

    /// Tells the worker to send itself signals that the master may not send.
    pub(crate) fn relay(&self, signals: impl Iterator<Item = u8>) {
        for number in signals {
            // If the channel is full of signals that were not obeyed, one more makes no difference.
            let _ = self.tell(FromMaster::Signal(number));
        }
    }
}

/// How much a worker may say: a burst, and so much a second (contract 7.3). The library in a worker says far less.
#[derive(Debug)]
pub(crate) struct Allowance {
    left: u32,
    since: Duration,
}

impl Allowance {
    const BURST: u32 = 4096;
    const PER_SECOND: u32 = 512;

    pub(crate) fn new(now: Duration) -> Self {
        Self { left: Self::BURST, since: now }
    }

    fn take(&mut self, now: Duration) -> bool {
        let earned = now.saturating_sub(self.since).as_millis() * u128::from(Self::PER_SECOND) / 1000;
        if earned > 0 {
            self.left = self.left.saturating_add(u32::try_from(earned).unwrap_or(u32::MAX)).min(Self::BURST);
            self.since = now;
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floods_are_noticed_and_servers_are_not_contract_7_3() {
        let second = Duration::from_secs(1);
        let mut flood = Allowance::new(second);
        assert_eq!((0..10_000).filter(|_| flood.take(second)).count(), Allowance::BURST as usize);
        assert!(flood.take(second * 2), "it may speak again later");
        let mut server = Allowance::new(second);
        assert!((0..100_000u32).all(|count| server.take(second + Duration::from_millis(5) * count)));
    }
}
