//! What follows when a process ends, or never begins (contract 3.1 to 3.3, 7.2, 7.3).

use std::time::Duration;

use super::crash_window::Verdict;
use super::process::Process;
use super::slot::Occupancy;
use super::supervisor::{Phase, Supervisor};
use super::{DeployFailure, Effect, End, Notice, ProcessKey, SpawnError, StartupFailure};

/// What follows the first failed attempt to make a process; each further one waits twice as long.
const FIRST_RETRY: Duration = Duration::from_millis(100);
/// The longest that an attempt waits.
const LAST_RETRY: Duration = Duration::from_secs(5);

/// A process in which the program did not begin to run: ETIMEDOUT.
const STUCK: SpawnError = SpawnError { step: "running the program file", errno: 110, transient: false };

/// How a process ends that cannot be a worker (sysexits.h, EX_CONFIG).
const EXIT_UNABLE: i32 = 78;

/// An end by these is graceful whoever sent them.
const GRACEFUL_SIGNALS: [i32; 2] = [2, 15];

impl Supervisor {
    pub(super) fn ended(&mut self, key: ProcessKey, end: End) {
        let Some(process) = self.slots.get(&key.slot()).and_then(|slot| slot.process(key)) else { return };
        let announced = process.announced;
        if process.stuck && !process.is_running() {
            return self.spawn_failed(key, STUCK);
        }
        // The kernel may tell of an end before the report that the program ran is read: `on_start` comes first.
        self.executed_before_end(key);
        let Some(slot) = self.slots.get_mut(&key.slot()) else { return };
        if end == End::Lost && slot.processes().any(|process| process.key == key) {
            self.effects.push(Effect::Report(Notice::StatusLost { worker: key.slot() }));
        }
        if slot.is_candidate(key) {
            slot.candidate = None;
            self.release_brought_by(key);
            self.candidate_failed(key.slot(), DeployFailure::Ended(end));
        } else if slot.is_retiring(key) {
            slot.retiring = None;
            if announced {
                slot.exit_status = end.exit_status();
                self.effects.push(Effect::CallOnExit { worker: key.slot(), end, crash: false });
            }
            self.retired(key.slot());
        } else if slot.is_worker(key) {
            self.worker_ended(key, end);
        }
    }

    pub(super) fn spawn_failed(&mut self, key: ProcessKey, error: SpawnError) {
        let (is_stopping, is_being_replaced) = (self.is_stopping(), self.is_being_replaced(key.slot()));
        let Some(slot) = self.slots.get_mut(&key.slot()) else { return };
        if slot.is_candidate(key) {
            let attempts = slot.candidate.take().map_or(0, |candidate| candidate.failed_attempts);
            self.release_brought_by(key);
            return self.candidate_not_made(key.slot(), error, attempts);
        }
        let Some(process) = slot.process(key) else { return };
        let attempts = process.failed_attempts;
        if process.announced {
            // It was the worker for a moment: its program ran, but the library in it could not.
            let end = End::Exited(EXIT_UNABLE);
            let crash = !is_stopping && is_crash(process, end);
            slot.exit_status = end.exit_status();
            self.effects.push(Effect::CallOnExit { worker: key.slot(), end, crash });
        }
        if slot.is_retiring(key) {
            slot.retiring = None;
            return self.retired(key.slot());
        }
        match self.phase {
            Phase::Stopping(_) => slot.occupancy = Occupancy::Ended,
            Phase::Starting(_) => {
                slot.occupancy = Occupancy::Ended;
                self.fail_startup(StartupFailure::NotSpawned { worker: key.slot(), error });
            }
            Phase::Supervising => {
                let delay = retry_delay(attempts);
                let until = self.now.saturating_add(delay);
                slot.occupancy = if is_being_replaced {
                    // Its replacement is the next attempt.
                    Occupancy::AwaitingRestart
                } else {
                    Occupancy::Waiting { until, failed_attempts: attempts.saturating_add(1) }
                };
                self.effects.push(Effect::Report(Notice::SpawnRetried { worker: key.slot(), error, delay }));
            }
        }
    }

    /// What the worker sent is not to be trusted: it has to go, and whatever its end is, it is a crash.
    pub(super) fn channel_broken(&mut self, key: ProcessKey) {
        let Some(slot) = self.slots.get_mut(&key.slot()) else { return };
        if slot.is_candidate(key) {
            self.abandon_restart(key.slot(), DeployFailure::ChannelBroken);
            return;
        }
        let Some(process) = slot.process_mut(key) else { return };
        if process.told_to_stop {
            // If it drains, it cannot say any more when it is done.
            return self.drained(key);
        }
        process.condemned = true;
        self.dismiss(key);
    }

    pub(super) fn report_if_all_down(&mut self) {
        let over = !self.is_stopping() && self.is_over();
        let count = |wanted: fn(&Occupancy) -> bool| self.slots.values().filter(|slot| wanted(&slot.occupancy)).count();
        let crashed = count(|occupancy| matches!(occupancy, Occupancy::Crashed));
        let disabled = count(|occupancy| matches!(occupancy, Occupancy::Disabled));
        if over && crashed + disabled == self.slots.len() {
            self.effects.push(Effect::Report(Notice::AllDown { crashed, disabled }));
        }
    }

    fn executed_before_end(&mut self, key: ProcessKey) {
        let slot = self.slots.get(&key.slot());
        if slot.and_then(|slot| slot.process(key)).is_some_and(|process| !process.is_running()) {
            self.executed(key);
        }
    }

    fn worker_ended(&mut self, key: ProcessKey, end: End) {
        let (now, port) = (self.now, self.settings.port.get());
        let Some(slot) = self.slots.get_mut(&key.slot()) else { return };
        let Occupancy::Process(process) = std::mem::replace(&mut slot.occupancy, Occupancy::Ended) else { return };
        slot.remember_addresses(&process, port);
        slot.vacant_since.get_or_insert(now);
        slot.exit_status = end.exit_status();
        let crash = !self.is_stopping() && is_crash(&process, end);
        if crash {
            self.worker_crashed(&process, end);
        }
        self.effects.push(Effect::CallOnExit { worker: key.slot(), end, crash });
        self.settle(key.slot());
        if !crash {
            self.slot_ended_gracefully(key.slot());
        }
        self.report_if_all_down();
    }

    fn worker_crashed(&mut self, process: &Process, end: End) {
        let worker = process.key.slot();
        let after = process.waited(self.now);
        self.effects.push(Effect::Report(Notice::Crashed { worker, after, end }));
        let restart_will_come = self.restart_will_come_to(worker);
        let (now, settings) = (self.now, &self.settings);
        let Some(slot) = self.slots.get_mut(&worker) else { return };
        let verdict = slot.crashes.record(now);
        slot.occupancy = match verdict {
            Verdict::TooFast { .. } | Verdict::Tolerable if !settings.respawn => Occupancy::Crashed,
            Verdict::TooFast { crashes, within } => {
                self.effects.push(Effect::Report(Notice::CrashingTooFast { worker, crashes, within }));
                Occupancy::Disabled
            }
            Verdict::Tolerable if restart_will_come => Occupancy::AwaitingRestart,
            Verdict::Tolerable => {
                Occupancy::Waiting { until: now.saturating_add(settings.respawn_delay), failed_attempts: 0 }
            }
        };
    }
}

/// How long after so many failed attempts the next one follows.
pub(super) fn retry_delay(failed_attempts: u32) -> Duration {
    FIRST_RETRY.saturating_mul(1 << failed_attempts.min(16)).min(LAST_RETRY)
}

fn is_crash(process: &Process, end: End) -> bool {
    if process.condemned {
        return true;
    }
    if process.told_to_stop {
        return false;
    }
    match end {
        // A server that ends before it has become a worker has not done what it was started for.
        End::Exited(0) => !process.joined,
        End::Exited(_) | End::Lost => true,
        End::Killed(signal) => !GRACEFUL_SIGNALS.contains(&signal),
    }
}
