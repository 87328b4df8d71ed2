//! The start: one worker after the other, until each listens or has had its chance (contract 2.5).

use std::time::Duration;

use super::process::{PATIENCE, ReadyWhen};
use super::shutdown::Shutdown;
use super::slot::Occupancy;
use super::supervisor::{Phase, Supervisor};
use super::{BindError, Effect, Image, ProcessKey, SpawnError, StopSignal, Time};

/// How long after the last worker began to run `cluster_init` waits for listeners at most. Not after it was made: on a machine that
/// lets the new process wait, `on_start` would not have been called, and an exec that fails would be no error of the start.
const LAST_WORKER_GRACE: Duration = Duration::from_millis(500);

/// Why the cluster could not be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartupFailure {
    /// A worker's own `bind` found the cluster's port taken.
    PortInUse,
    NotSpawned {
        worker: u8,
        error: SpawnError,
    },
}

/// How far the start has come.
#[derive(Debug, Default)]
pub(super) struct Startup {
    /// So many workers have been made.
    made: u8,
    /// When the next one is, once the last one runs.
    next_at: Option<Time>,
    /// When waiting for the last ones ends.
    limit: Option<Time>,
}

impl Startup {
    pub(super) fn deadline(&self) -> Option<Time> {
        self.next_at.or(self.limit)
    }
}

impl Supervisor {
    pub(super) fn begin(&mut self) {
        self.make_next();
    }

    pub(super) fn startup_tick(&mut self) {
        if let Phase::Starting(startup) = &mut self.phase {
            if startup.next_at.is_some_and(|time| time <= self.now) {
                startup.next_at = None;
                self.make_next();
            }
        }
    }

    /// A worker runs; the next follows after the startup delay, counted from here. After the last one, so does the time that is left
    /// for listening.
    pub(super) fn schedule_next_start(&mut self, id: u8) {
        let delay = self.settings.startup_delay.length();
        let (now, workers) = (self.now, self.settings.workers.get());
        if let Phase::Starting(startup) = &mut self.phase {
            // Only the worker made last is followed by another: this may be the respawn of an earlier one.
            if startup.made == id + 1 {
                if startup.made == workers {
                    startup.limit.get_or_insert(now.saturating_add(LAST_WORKER_GRACE));
                } else {
                    startup.next_at.get_or_insert(now.saturating_add(delay));
                }
            }
        }
        self.cut_short(id);
    }

    /// `cluster_init` need not wait for this worker any more.
    pub(super) fn settle(&mut self, id: u8) {
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.settled = true;
        }
        self.cut_short(id);
    }

    pub(super) fn bind_failed(&mut self, key: ProcessKey, error: BindError) {
        let ours = error.in_use && error.address.port() == self.settings.port.get();
        if ours && self.is_starting() && self.slots.get(&key.slot()).is_some_and(|slot| slot.is_worker(key)) {
            self.fail_startup(StartupFailure::PortInUse);
        }
    }

    pub(super) fn fail_startup(&mut self, because: StartupFailure) {
        self.phase =
            Phase::Stopping(Shutdown::new(self.now.saturating_add(self.settings.shutdown_timeout), Some(because)));
        self.end_everything(StopSignal::Term);
    }

    /// After every event: is the start over?
    pub(super) fn finish_startup(&mut self) {
        let Phase::Starting(startup) = &self.phase else { return };
        let all_made = startup.made == self.settings.workers.get();
        let waited = startup.limit.is_some_and(|limit| limit <= self.now);
        if all_made && (waited || self.slots.values().all(|slot| slot.settled)) {
            self.phase = Phase::Supervising;
            self.report_if_all_down();
            if std::mem::take(&mut self.restart_pending) {
                self.request_restart();
            }
        }
    }

    /// The default startup delay ends as soon as there is nothing to wait for; an explicit one is kept.
    fn cut_short(&mut self, id: u8) {
        let settled = self.slots.get(&id).is_some_and(|slot| slot.settled);
        if let Phase::Starting(startup) = &mut self.phase {
            if settled
                && !self.settings.startup_delay.is_explicit()
                && startup.made == id + 1
                && startup.next_at.is_some()
            {
                startup.next_at = Some(self.now);
            }
        }
    }

    fn make_next(&mut self) {
        let Phase::Starting(startup) = &mut self.phase else { return };
        let id = startup.made;
        startup.made += 1;
        let process = self.make(id, Image::Held, ReadyWhen::FirstOfItsSlot, PATIENCE);
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.occupancy = Occupancy::Process(process);
        }
    }

    /// Tells every process to stop and cancels whatever was to follow.
    pub(super) fn end_everything(&mut self, signal: StopSignal) {
        self.restart = None;
        self.restart_pending = false;
        self.release_everything();
        for slot in self.slots.values_mut() {
            match slot.occupancy {
                Occupancy::Vacant | Occupancy::Waiting { .. } | Occupancy::AwaitingRestart => {
                    slot.occupancy = Occupancy::Ended;
                }
                Occupancy::Process(_) | Occupancy::Ended | Occupancy::Crashed | Occupancy::Disabled => {}
            }
            for process in slot.processes_mut() {
                let drains = process.drains_until.take().is_some();
                if !process.told_to_stop || drains || signal == StopSignal::Kill {
                    process.told_to_stop = true;
                    self.effects.push(Effect::Stop(process.key, signal));
                }
            }
        }
    }
}
