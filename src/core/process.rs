//! One process, from `clone` to its end, as far as the master knows it.

use std::net::SocketAddr;
use std::time::Duration;

use super::Time;
use crate::wire::ListenerId;

/// Names a process for ever: unlike a pid it is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ProcessKey {
    slot: u8,
    serial: u64,
}

impl ProcessKey {
    pub(crate) fn new(slot: u8, serial: u64) -> Self {
        Self { slot, serial }
    }

    /// The worker id that the process has or is to have.
    pub(crate) fn slot(self) -> u8 {
        self.slot
    }

    pub(crate) fn serial(self) -> u64 {
        self.serial
    }
}

/// A process that never listens is ready once it has lived so long (contract 5.2).
pub(crate) const LIVED: Duration = Duration::from_millis(500);

/// The least time that a process has to become ready (contract 5.2).
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Most listeners that are noted for one process: more is no server but a fault.
const MAX_LISTENERS: usize = 1024;

/// When a process counts as ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReadyWhen {
    /// It listens on every one of these: where its predecessor did.
    ListensOn(Vec<SocketAddr>),
    /// It has no predecessor: it listens on the cluster's port, or has lived for [`LIVED`] in a cluster in which
    /// nobody does. Where another worker listens, this one will, too, for it is the same program.
    FirstOfItsSlot,
    /// It has lived for [`LIVED`]: its predecessor listened nowhere.
    Lived,
}

#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) key: ProcessKey,
    /// When it was made.
    pub(crate) made_at: Time,
    /// When the program began to run in it.
    running_since: Option<Time>,
    /// Whether the program has called `cluster_init`.
    pub(crate) joined: bool,
    listening: Vec<SocketAddr>,
    /// Whether it ever listened: then what it has closed since is not expected of its successor.
    pub(crate) has_listened: bool,
    /// What it closed before it became its slot's worker: its predecessor may have gone on listening there.
    pub(crate) closed: Vec<ListenerId>,
    pub(crate) ready_when: ReadyWhen,
    patience: Duration,
    ready: bool,
    /// Whether it had to be killed because the program did not begin to run in it.
    pub(crate) stuck: bool,
    /// Whether the master has told it to stop: then no end is a crash.
    pub(crate) told_to_stop: bool,
    /// Whether it broke the rules of the channel: then every end is a crash.
    pub(crate) condemned: bool,
    /// It drains until then at the longest; then it gets SIGTERM.
    pub(crate) drains_until: Option<Time>,
    /// When it is killed, if it is still there.
    pub(crate) kill_at: Option<Time>,
    /// When the listeners are let go that it was given and has not taken.
    pub(crate) adopts_until: Option<Time>,
    /// Whether `on_start` was called for it: then `on_exit` will be.
    pub(crate) announced: bool,
    /// Whether it takes over from one that crashed.
    pub(crate) is_respawn: bool,
    /// How many attempts to make it have failed before.
    pub(crate) failed_attempts: u32,
}

impl Process {
    pub(crate) fn new(key: ProcessKey, now: Time, ready_when: ReadyWhen, patience: Duration) -> Self {
        Self {
            key,
            made_at: now,
            running_since: None,
            joined: false,
            listening: Vec::new(),
            has_listened: false,
            closed: Vec::new(),
            ready_when,
            patience,
            ready: false,
            stuck: false,
            told_to_stop: false,
            condemned: false,
            drains_until: None,
            kill_at: None,
            adopts_until: None,
            announced: false,
            is_respawn: false,
            failed_attempts: 0,
        }
    }

    /// Notes that the program runs. False if that was known.
    pub(crate) fn executed(&mut self, now: Time) -> bool {
        let news = self.running_since.is_none();
        self.running_since.get_or_insert(now);
        news
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running_since.is_some()
    }

    pub(crate) fn listens_on(&mut self, address: SocketAddr) {
        self.has_listened = true;
        if self.listening.len() < MAX_LISTENERS {
            self.listening.push(address);
        }
    }

    /// One listener on this address fewer. False if it did not listen there: it may have bound a socket to see whether
    /// it can.
    pub(crate) fn closes(&mut self, address: SocketAddr) -> bool {
        let index = self.listening.iter().position(|known| *known == address);
        if let Some(index) = index {
            self.listening.swap_remove(index);
        }
        index.is_some()
    }

    /// Whether it does what a worker is for. One that nobody waits for any more may still listen nowhere.
    pub(crate) fn serves(&self) -> bool {
        self.ready && self.listens() && !self.has_to_go() && !self.condemned
    }

    pub(crate) fn listens(&self) -> bool {
        !self.listening.is_empty()
    }

    pub(crate) fn listens_on_port(&self, port: u16) -> bool {
        self.listening.iter().any(|address| address.port() == port)
    }

    /// Where a successor must listen to be as good: on the cluster's port, or else wherever this one does.
    pub(crate) fn addresses_to_inherit(&self, port: u16) -> Vec<SocketAddr> {
        let on_port: Vec<_> = self.listening.iter().filter(|address| address.port() == port).copied().collect();
        if on_port.is_empty() { self.listening.clone() } else { on_port }
    }

    /// Notes readiness. True if it has just come.
    pub(crate) fn becomes_ready(&mut self, now: Time, port: u16, others_listen: bool) -> bool {
        if self.ready || self.has_to_go() || !self.is_running() {
            return false;
        }
        let lived = self.running_since.is_some_and(|since| now >= since.saturating_add(LIVED));
        self.ready = match &self.ready_when {
            ReadyWhen::ListensOn(addresses) => addresses.iter().all(|address| self.listening.contains(address)),
            ReadyWhen::FirstOfItsSlot => self.listens_on_port(port) || (lived && !others_listen),
            ReadyWhen::Lived => lived,
        };
        self.ready
    }

    /// When time alone makes it ready.
    pub(crate) fn ready_at(&self, others_listen: bool) -> Option<Time> {
        let by_time = match self.ready_when {
            ReadyWhen::ListensOn(_) => false,
            ReadyWhen::FirstOfItsSlot => !others_listen,
            ReadyWhen::Lived => true,
        };
        self.running_since
            .filter(|_| by_time && !self.ready && !self.has_to_go())
            .map(|since| since.saturating_add(LIVED))
    }

    /// When it has had time enough to become ready.
    pub(crate) fn patience_ends(&self) -> Option<Time> {
        (!self.ready && !self.has_to_go()).then(|| self.made_at.saturating_add(self.patience))
    }

    /// Gives it more time to become ready, never less.
    pub(crate) fn allow(&mut self, patience: Duration) {
        self.patience = self.patience.max(patience);
    }

    /// Nobody waits for it any more.
    pub(crate) fn has_to_go(&self) -> bool {
        self.told_to_stop || self.stuck
    }

    /// It counts as ready although it never listened: signals that waited for it are due.
    pub(crate) fn stop_waiting(&mut self) {
        self.ready = true;
    }

    pub(crate) fn waited(&self, now: Time) -> Duration {
        now.saturating_sub(self.made_at)
    }
}
