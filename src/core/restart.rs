//! A graceful restart: slot by slot, the replacement first (contract 5).

use std::collections::BTreeSet;

use super::endings::retry_delay;
use super::slot::Occupancy;
use super::supervisor::Supervisor;
use super::{DeployFailure, Effect, Image, Notice, SpawnError, Time};

/// A restart under way.
#[derive(Debug)]
pub(super) struct Restart {
    /// The slots that have yet to get their turn.
    remaining: BTreeSet<u8>,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The slot's replacement has been made and is not ready yet.
    Replacing(u8),
    /// The slot's replacement could not be made for the moment.
    Retrying { slot: u8, until: Time, failed_attempts: u32 },
    /// The slot's worker ended gracefully while its replacement started: that was killed, and the next slot follows.
    Dismissing(u8),
    /// The replacement serves; the slot's old worker is on its way out.
    Retiring(u8),
    /// The restart has been given up, and the slot's failed replacement was killed.
    Abandoning(u8),
}

impl Restart {
    /// When a replacement that could not be made is tried again.
    pub(super) fn deadline(&self) -> Option<Time> {
        match self.step {
            Step::Retrying { until, .. } => Some(until),
            Step::Replacing(_) | Step::Retiring(_) | Step::Dismissing(_) | Step::Abandoning(_) => None,
        }
    }
}

impl Supervisor {
    /// Starts a restart, or remembers it (once) if it cannot start now.
    pub(super) fn request_restart(&mut self) {
        if self.is_stopping() {
            return;
        }
        if self.is_starting() || self.restart.is_some() {
            self.restart_pending = true;
            return;
        }
        let remaining =
            self.slots.values().filter(|slot| !matches!(slot.occupancy, Occupancy::Ended)).map(|slot| slot.id);
        let remaining: BTreeSet<u8> = remaining.collect();
        for slot in self.slots.values_mut() {
            // These wait for their turn: what they would start now would be replaced at once.
            if matches!(slot.occupancy, Occupancy::Waiting { .. }) {
                slot.occupancy = Occupancy::AwaitingRestart;
            }
        }
        self.replace_next(remaining);
    }

    /// Whether a slot that crashes now will be filled by the restart under way.
    pub(super) fn restart_will_come_to(&self, id: u8) -> bool {
        self.restart.as_ref().is_some_and(|restart| match restart.step {
            Step::Replacing(slot) | Step::Retrying { slot, .. } => slot == id || restart.remaining.contains(&id),
            Step::Retiring(_) | Step::Dismissing(_) => restart.remaining.contains(&id),
            Step::Abandoning(_) => false,
        })
    }

    /// Whether a slot's replacement has been made, or is made as soon as that is possible.
    pub(super) fn is_being_replaced(&self, id: u8) -> bool {
        self.restart.as_ref().is_some_and(|restart| match restart.step {
            Step::Replacing(slot) | Step::Retrying { slot, .. } => slot == id,
            Step::Retiring(_) | Step::Dismissing(_) | Step::Abandoning(_) => false,
        })
    }

    /// A slot's replacement is ready: it becomes the worker, and only then its predecessor is told to stop.
    pub(super) fn promote(&mut self, id: u8) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let Some(mut candidate) = slot.candidate.take() else { return };
        candidate.announced = true;
        let key = candidate.key;
        slot.crashes.clear();
        slot.has_run = true;
        let old = std::mem::replace(&mut slot.occupancy, Occupancy::Process(candidate));
        if let Occupancy::Process(old) = old {
            slot.retiring = Some(old);
        }
        let retiring = slot.retiring.as_ref().map(|old| old.key);
        self.total_restarts += 1;
        self.effects.push(Effect::Promoted(key));
        self.effects.push(Effect::CallOnStart(id));
        let Some(restart) = &mut self.restart else { return };
        restart.step = Step::Retiring(id);
        match retiring {
            Some(old) => self.retire(old),
            None => self.retired(id),
        }
    }

    /// The last process of a slot's old worker is gone: on to the next slot.
    pub(super) fn retired(&mut self, id: u8) {
        if let Some(restart) = &mut self.restart {
            if restart.step == Step::Retiring(id) {
                let remaining = std::mem::take(&mut restart.remaining);
                self.replace_next(remaining);
            }
        }
    }

    /// There is no replacement any more: it ended before it was ready, or because it had to.
    pub(super) fn candidate_failed(&mut self, id: u8, failure: DeployFailure) {
        match self.restart.as_mut().map(|restart| (restart.step, &mut restart.remaining)) {
            Some((Step::Replacing(slot), _)) if slot == id => {
                self.abandon_restart(id, failure);
                self.restart_over();
            }
            Some((Step::Abandoning(slot), _)) if slot == id => self.restart_over(),
            Some((Step::Dismissing(slot), remaining)) if slot == id => {
                let remaining = std::mem::take(remaining);
                self.replace_next(remaining);
            }
            // The cluster is stopping.
            Some(_) | None => {}
        }
    }

    /// A replacement could not be made. Where the system has too little of something for the moment, that is no fault
    /// of the deploy's, and it is tried again (contract 7.2).
    pub(super) fn candidate_not_made(&mut self, id: u8, error: SpawnError, failed_attempts: u32) {
        match &mut self.restart {
            Some(restart) if error.transient && restart.step == Step::Replacing(id) => {
                let delay = retry_delay(failed_attempts);
                let failed_attempts = failed_attempts.saturating_add(1);
                restart.step = Step::Retrying { slot: id, until: self.now.saturating_add(delay), failed_attempts };
                self.effects.push(Effect::Report(Notice::SpawnRetried { worker: id, error, delay }));
            }
            Some(_) | None => self.candidate_failed(id, DeployFailure::NotStarted(error)),
        }
    }

    pub(super) fn restart_tick(&mut self) {
        let now = self.now;
        if let Some(Step::Retrying { slot, until, failed_attempts }) = self.restart.as_ref().map(|restart| restart.step)
        {
            if until <= now {
                self.replace(slot, failed_attempts);
            }
        }
    }

    /// A slot whose worker ended gracefully stays down, even if its replacement is on its way.
    pub(super) fn slot_ended_gracefully(&mut self, id: u8) {
        let Some(restart) = &mut self.restart else { return };
        match restart.step {
            Step::Replacing(slot) if slot == id => {
                restart.step = Step::Dismissing(id);
                self.dismiss_candidate(id);
            }
            Step::Retrying { slot, .. } if slot == id => {
                let remaining = std::mem::take(&mut restart.remaining);
                self.replace_next(remaining);
            }
            Step::Replacing(_)
            | Step::Retrying { .. }
            | Step::Retiring(_)
            | Step::Dismissing(_)
            | Step::Abandoning(_) => {}
        }
    }

    /// A failed deploy: the replacement goes, every worker not yet replaced stays, and so does what it runs.
    pub(super) fn abandon_restart(&mut self, id: u8, failure: DeployFailure) {
        let Some(restart) = self.restart.as_mut().filter(|restart| restart.step == Step::Replacing(id)) else { return };
        restart.step = Step::Abandoning(id);
        restart.remaining.clear();
        self.effects.push(Effect::Report(Notice::RestartAbandoned { worker: id, failure }));
        let until = self.now.saturating_add(self.settings.respawn_delay);
        for slot in self.slots.values_mut() {
            if matches!(slot.occupancy, Occupancy::AwaitingRestart) {
                slot.occupancy = Occupancy::Waiting { until, failed_attempts: 0 };
            }
        }
        self.dismiss_candidate(id);
    }

    fn dismiss_candidate(&mut self, id: u8) {
        if let Some(candidate) = self.slots.get_mut(&id).and_then(|slot| slot.candidate.as_mut()) {
            candidate.told_to_stop = true;
            self.effects.push(Effect::Kill(candidate.key));
        }
    }

    fn replace_next(&mut self, mut remaining: BTreeSet<u8>) {
        while let Some(id) = remaining.pop_first() {
            // It may have ended gracefully since the restart began.
            if self.slots.get(&id).is_some_and(|slot| !matches!(slot.occupancy, Occupancy::Ended)) {
                self.restart = Some(Restart { remaining, step: Step::Replacing(id) });
                return self.replace(id, 0);
            }
        }
        self.restart_over();
    }

    /// Makes a slot's replacement.
    fn replace(&mut self, id: u8, failed_attempts: u32) {
        let port = self.settings.port.get();
        let Some(slot) = self.slots.get(&id) else { return };
        let (ready_when, patience) = (slot.ready_when(port), slot.patience());
        let mut candidate = self.make(id, Image::Deployed, ready_when, patience);
        candidate.failed_attempts = failed_attempts;
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.candidate = Some(candidate);
            if matches!(slot.occupancy, Occupancy::Waiting { .. }) {
                // Its worker could not be made for the moment, and now this is the next attempt.
                slot.occupancy = Occupancy::AwaitingRestart;
            }
        }
        if let Some(restart) = &mut self.restart {
            restart.step = Step::Replacing(id);
        }
    }

    fn restart_over(&mut self) {
        self.restart = None;
        if std::mem::take(&mut self.restart_pending) {
            self.request_restart();
        } else {
            self.report_if_all_down();
        }
    }
}
