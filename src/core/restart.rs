//! A graceful restart: slot by slot, the replacement first (contract 5).

use std::collections::BTreeSet;

use super::slot::Occupancy;
use super::supervisor::Supervisor;
use super::{DeployFailure, Effect, End, Image, Notice};

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
    /// The replacement serves; the slot's old worker is on its way out.
    Retiring(u8),
    /// The restart has been given up, and the slot's failed replacement was killed.
    Abandoning(u8),
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
            Step::Replacing(slot) => slot == id || restart.remaining.contains(&id),
            Step::Retiring(_) => restart.remaining.contains(&id),
            Step::Abandoning(_) => false,
        })
    }

    /// A slot's replacement is ready: it becomes the worker, and only then its predecessor is told to stop.
    pub(super) fn promote(&mut self, id: u8) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let Some(candidate) = slot.candidate.take() else { return };
        let key = candidate.key;
        slot.crashes.clear();
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

    /// A replacement ended: before it was ready, or because it was killed when the restart was given up.
    pub(super) fn candidate_ended(&mut self, id: u8, end: End) {
        self.candidate_failed(id, DeployFailure::Ended(end));
    }

    /// There is no replacement any more.
    pub(super) fn candidate_failed(&mut self, id: u8, failure: DeployFailure) {
        match self.restart.as_ref().map(|restart| restart.step) {
            Some(Step::Replacing(slot)) if slot == id => {
                self.abandon_restart(id, failure);
                self.restart_over();
            }
            Some(Step::Abandoning(slot)) if slot == id => self.restart_over(),
            // The cluster is stopping.
            Some(_) | None => {}
        }
    }

    /// A failed deploy: the replacement goes, every worker not yet replaced stays, and so does what it runs.
    pub(super) fn abandon_restart(&mut self, id: u8, failure: DeployFailure) {
        let Some(restart) = &mut self.restart else { return };
        restart.step = Step::Abandoning(id);
        restart.remaining.clear();
        self.effects.push(Effect::Report(Notice::RestartAbandoned { worker: id, failure }));
        let until = self.now + self.settings.respawn_delay;
        for slot in self.slots.values_mut() {
            if matches!(slot.occupancy, Occupancy::AwaitingRestart) {
                slot.occupancy = Occupancy::Waiting { until, failed_attempts: 0 };
            }
        }
        if let Some(candidate) = self.slots.get_mut(&id).and_then(|slot| slot.candidate.as_mut()) {
            candidate.told_to_stop = true;
            self.effects.push(Effect::Kill(candidate.key));
        }
    }

    fn replace_next(&mut self, mut remaining: BTreeSet<u8>) {
        let port = self.settings.port.get();
        while let Some(id) = remaining.pop_first() {
            let Some(slot) = self.slots.get(&id) else { continue };
            // It may have ended gracefully since the restart began.
            if matches!(slot.occupancy, Occupancy::Ended) {
                continue;
            }
            let (ready_when, patience) = (slot.ready_when(port), slot.patience());
            let candidate = self.make(id, Image::Deployed, ready_when, patience);
            if let Some(slot) = self.slots.get_mut(&id) {
                slot.candidate = Some(candidate);
            }
            self.restart = Some(Restart { remaining, step: Step::Replacing(id) });
            return;
        }
        self.restart_over();
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
