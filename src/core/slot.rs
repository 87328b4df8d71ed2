//! One worker's place: its process, and what follows when that ends.

use std::net::SocketAddr;
use std::time::Duration;

use super::crash_window::CrashWindow;
use super::process::{PATIENCE, Process, ReadyWhen};
use super::{ProcessKey, Time};

/// As `worker_status_t` has it (contract 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Starting,
    Active,
    Stopping,
    Crashed,
    Respawning,
    Disabled,
}

/// What the slot's worker is.
#[derive(Clone, Debug)]
pub(crate) enum Occupancy {
    /// Not started yet.
    Vacant,
    Process(Process),
    /// Crashed; the next process is made then. So many attempts have failed.
    Waiting {
        until: Time,
        failed_attempts: u32,
    },
    /// Crashed while a graceful restart has yet to come to this slot, which will fill it.
    AwaitingRestart,
    /// Ended gracefully: nothing follows.
    Ended,
    /// Crashed, with respawn off.
    Crashed,
    /// Crashed too often.
    Disabled,
}

impl Occupancy {
    fn process(&self) -> Option<&Process> {
        match self {
            Self::Process(process) => Some(process),
            Self::Vacant
            | Self::Waiting { .. }
            | Self::AwaitingRestart
            | Self::Ended
            | Self::Crashed
            | Self::Disabled => None,
        }
    }

    pub(crate) fn process_mut(&mut self) -> Option<&mut Process> {
        match self {
            Self::Process(process) => Some(process),
            Self::Vacant
            | Self::Waiting { .. }
            | Self::AwaitingRestart
            | Self::Ended
            | Self::Crashed
            | Self::Disabled => None,
        }
    }

    /// When the next process is made, and how many attempts have failed.
    pub(crate) fn waiting(&self) -> Option<(Time, u32)> {
        match self {
            Self::Waiting { until, failed_attempts } => Some((*until, *failed_attempts)),
            Self::Vacant | Self::Process(_) | Self::AwaitingRestart | Self::Ended | Self::Crashed | Self::Disabled => {
                None
            }
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) id: u8,
    pub(crate) occupancy: Occupancy,
    /// In a graceful restart: the replacement that is not ready yet.
    pub(crate) candidate: Option<Process>,
    /// In a graceful restart: the old worker, told to stop.
    pub(crate) retiring: Option<Process>,
    pub(crate) crashes: CrashWindow,
    pub(crate) exit_status: i32,
    /// Where the last worker that listened did, for its successor to match.
    inherited: Option<Vec<SocketAddr>>,
    /// How long the last worker took to become ready.
    pub(crate) took: Option<Duration>,
    /// Whether a process has ever been this slot's worker: the next one is a replacement then.
    pub(crate) has_run: bool,
    /// Whether listening sockets of it are kept.
    pub(crate) has_listeners: bool,
    /// Since when nobody serves in it.
    pub(crate) vacant_since: Option<Time>,
    /// During the start: whether `cluster_init` need not wait for it any more.
    pub(crate) settled: bool,
}

/// What the statistics tell of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkerView {
    pub(crate) id: u8,
    pub(crate) status: Status,
    /// The process that the statistics describe, and when it was made.
    pub(crate) process: Option<(ProcessKey, Time)>,
    pub(crate) exit_status: i32,
    pub(crate) crash_count: u8,
}

impl Slot {
    pub(crate) fn new(id: u8, crashes: CrashWindow) -> Self {
        Self {
            id,
            occupancy: Occupancy::Vacant,
            candidate: None,
            retiring: None,
            crashes,
            exit_status: 0,
            inherited: None,
            took: None,
            has_run: false,
            has_listeners: false,
            vacant_since: None,
            settled: false,
        }
    }

    pub(crate) fn worker(&self) -> Option<&Process> {
        self.occupancy.process()
    }

    pub(crate) fn is_worker(&self, key: ProcessKey) -> bool {
        self.worker().is_some_and(|worker| worker.key == key)
    }

    pub(crate) fn is_candidate(&self, key: ProcessKey) -> bool {
        self.candidate.as_ref().is_some_and(|candidate| candidate.key == key)
    }

    pub(crate) fn is_retiring(&self, key: ProcessKey) -> bool {
        self.retiring.as_ref().is_some_and(|retiring| retiring.key == key)
    }

    pub(crate) fn processes(&self) -> impl Iterator<Item = &Process> {
        self.worker().into_iter().chain(&self.candidate).chain(&self.retiring)
    }

    pub(crate) fn processes_mut(&mut self) -> impl Iterator<Item = &mut Process> {
        self.occupancy.process_mut().into_iter().chain(&mut self.candidate).chain(&mut self.retiring)
    }

    pub(crate) fn process(&self, key: ProcessKey) -> Option<&Process> {
        self.processes().find(|process| process.key == key)
    }

    pub(crate) fn process_mut(&mut self, key: ProcessKey) -> Option<&mut Process> {
        self.processes_mut().find(|process| process.key == key)
    }

    /// Whether nothing will run here any more without a graceful restart.
    pub(crate) fn is_final(&self) -> bool {
        self.is_down() && self.candidate.is_none() && self.retiring.is_none()
    }

    /// Whether its worker does what a worker is for.
    pub(crate) fn serves(&self) -> bool {
        self.worker().is_some_and(Process::serves)
    }

    /// Whether one that is its worker, or may become it, listens.
    pub(crate) fn is_listened_to(&self) -> bool {
        let mut processes = self.worker().into_iter().chain(&self.candidate);
        processes.any(|process| process.listens() && !process.has_to_go())
    }

    /// When the last process was made that is, or may become, its worker.
    pub(crate) fn newcomer_made_at(&self) -> Option<Time> {
        let processes = self.worker().into_iter().chain(&self.candidate);
        processes.filter(|process| !process.has_to_go()).map(|process| process.made_at).max()
    }

    /// Whether nothing will run here any more, unless a replacement is on its way.
    pub(crate) fn is_down(&self) -> bool {
        match self.occupancy {
            Occupancy::Ended | Occupancy::Crashed | Occupancy::Disabled => true,
            Occupancy::Vacant | Occupancy::Process(_) | Occupancy::Waiting { .. } | Occupancy::AwaitingRestart => false,
        }
    }

    pub(crate) fn status(&self) -> Status {
        match &self.occupancy {
            Occupancy::Vacant => Status::Starting,
            Occupancy::Process(process) if process.told_to_stop => Status::Stopping,
            Occupancy::Process(process) if process.is_running() => Status::Active,
            Occupancy::Process(_) => Status::Starting,
            Occupancy::Waiting { .. } | Occupancy::AwaitingRestart => Status::Respawning,
            Occupancy::Ended => Status::Stopping,
            Occupancy::Crashed => Status::Crashed,
            Occupancy::Disabled => Status::Disabled,
        }
    }

    pub(crate) fn view(&self) -> WorkerView {
        WorkerView {
            id: self.id,
            status: self.status(),
            process: self.worker().map(|process| (process.key, process.made_at)),
            exit_status: self.exit_status,
            crash_count: self.crashes.count(),
        }
    }

    /// Remembers for a successor where a worker that has ended listened.
    pub(crate) fn remember_addresses(&mut self, ended: &Process, port: u16) {
        let addresses = ended.addresses_to_inherit(port);
        // One that died before it listened says nothing about where its successor should.
        if ended.has_listened || self.inherited.is_none() {
            self.inherited = Some(addresses);
        }
    }

    /// The worker may have begun to listen only now: the bar for its replacement rises with it, and so may the time that
    /// the replacement has.
    pub(crate) fn refresh_candidate(&mut self, port: u16) -> Option<ProcessKey> {
        let (ready_when, patience) = (self.ready_when(port), self.patience());
        let candidate = self.candidate.as_mut()?;
        candidate.ready_when = ready_when;
        candidate.allow(patience);
        Some(candidate.key)
    }

    /// What a successor of the present or last worker must do to be ready.
    pub(crate) fn ready_when(&self, port: u16) -> ReadyWhen {
        let worker = self.worker().filter(|worker| worker.has_listened);
        let now = worker.map(|worker| worker.addresses_to_inherit(port));
        match now.or_else(|| self.inherited.clone()) {
            Some(addresses) if !addresses.is_empty() => ReadyWhen::ListensOn(addresses),
            Some(_) => ReadyWhen::Lived,
            None if self.worker().is_some() => ReadyWhen::Lived,
            None => ReadyWhen::FirstOfItsSlot,
        }
    }

    /// How long a successor has to become ready: 10 seconds, or three times what its predecessor took.
    pub(crate) fn patience(&self) -> Duration {
        self.took.map_or(PATIENCE, |took| took.saturating_mul(3).max(PATIENCE))
    }
}
