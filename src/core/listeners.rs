//! How long listening sockets are kept (contract 6.1): a slot's queue of connections outlives its worker, for the next
//! one to serve, but not for longer than a client can be asked to wait.

use std::time::Duration;

use super::slot::Slot;
use super::supervisor::Supervisor;
use super::{Effect, Listener, ProcessKey, Released, Time};
use crate::wire::ListenerId;

/// How long a slot in which nobody serves keeps its queue, if others serve. A process that has been made for it by then has as
/// long again to listen: it may have bound the socket, so that nobody else can be given its queue.
const KEPT_WHILE_VACANT: Duration = Duration::from_secs(5);
/// How long a worker that has become ready has to take the listeners that it was given.
const TIME_TO_ADOPT: Duration = Duration::from_secs(1);

impl Supervisor {
    /// A worker has closed a listener. A worker on its way out does that as a matter of course; the socket is its successor's.
    pub(super) fn closed(&mut self, key: ProcessKey, listener: Listener) {
        let Some(slot) = self.slot_mut(key) else { return };
        let is_worker = slot.is_worker(key);
        let Some(process) = slot.process_mut(key).filter(|process| !process.told_to_stop) else { return };
        if !process.closes(listener.address) {
            return;
        }
        if is_worker {
            self.release_one(key.slot(), listener.id);
        } else {
            process.closed.push(listener.id);
        }
    }

    fn release_one(&mut self, id: u8, listener: ListenerId) {
        if self.settings.handoff {
            self.effects.push(Effect::Release(Released::One(id, listener)));
        }
    }

    /// A process has become ready, and its slot's worker: it has had the time to adopt its predecessor's listeners.
    pub(super) fn serves_now(&mut self, key: ProcessKey) {
        let until = self.now.saturating_add(TIME_TO_ADOPT);
        let Some(slot) = self.slot_mut(key).filter(|slot| slot.is_worker(key)) else { return };
        slot.vacant_since = None;
        let inherits = slot.has_listeners;
        let Some(process) = slot.process_mut(key) else { return };
        process.adopts_until = inherits.then_some(until);
        for listener in std::mem::take(&mut process.closed) {
            self.release_one(key.slot(), listener);
        }
    }

    /// A worker for which nobody waits any more serves once it listens.
    pub(super) fn serves_at_last(&mut self, key: ProcessKey) {
        if self.serves(key) && self.slot_mut(key).is_some_and(|slot| slot.vacant_since.is_some()) {
            self.serves_now(key);
        }
    }

    /// One that was told to stop listens only now: the slot's worker was not given that socket. If it serves, the queue
    /// passes to it or to another; if it listens nowhere yet, the queue waits for it as for any newcomer.
    pub(super) fn listens_too_late(&mut self, key: ProcessKey) {
        let now = self.now;
        let Some(slot) = self.slot_mut(key).filter(|slot| slot.is_retiring(key) && slot.has_listeners) else { return };
        let serves = slot.serves();
        let Some(worker) = slot.occupancy.process_mut().filter(|worker| !worker.has_to_go()) else { return };
        if serves {
            worker.adopts_until.get_or_insert(now.saturating_add(TIME_TO_ADOPT));
        } else if !worker.listens() {
            slot.vacant_since.get_or_insert(now);
        }
    }

    /// Nobody is to queue for a server that will not come (contract 6.5).
    pub(super) fn release_everything(&mut self) {
        for slot in self.slots.values_mut() {
            slot.has_listeners = false;
            for process in slot.processes_mut() {
                process.adopts_until = None;
            }
        }
        if self.settings.handoff {
            self.effects.push(Effect::Release(Released::Everything));
        }
    }

    /// A replacement has failed: what it listened on is not its slot's.
    pub(super) fn release_brought_by(&mut self, key: ProcessKey) {
        if self.settings.handoff {
            self.effects.push(Effect::Release(Released::BroughtBy(key)));
        }
    }

    /// Whether this process may have been given what is released now, before it came to be, and listen on it yet: then
    /// nothing may be done to the socket.
    pub(crate) fn may_yet_use(&self, what: Released, process: ProcessKey) -> bool {
        let worker = |id| self.slots.get(&id).and_then(Slot::worker).map(|worker| worker.key);
        match what {
            Released::Everything => false,
            Released::Slot(id) => process.slot() == id,
            Released::One(id, _) => process.slot() == id && worker(id).is_none_or(|worker| process > worker),
            Released::NotAdoptedBy(key) | Released::BroughtBy(key) => process.slot() == key.slot() && process > key,
        }
    }

    pub(super) fn adoption_tick(&mut self, id: u8) {
        let now = self.now;
        let Some(worker) = self.slots.get_mut(&id).and_then(|slot| slot.occupancy.process_mut()) else { return };
        if worker.adopts_until.is_some_and(|time| time <= now) {
            worker.adopts_until = None;
            self.effects.push(Effect::Release(Released::NotAdoptedBy(worker.key)));
        }
    }

    /// After every event: lets go of the queues that nobody will come for.
    pub(super) fn release_abandoned(&mut self) {
        let due: Vec<u8> = self
            .slots
            .values()
            .filter(|slot| slot.has_listeners)
            .filter(|slot| {
                (slot.is_down() && slot.candidate.is_none()) || self.queue_ends(slot).is_some_and(|end| end <= self.now)
            })
            .map(|slot| slot.id)
            .collect();
        for id in due {
            if let Some(slot) = self.slots.get_mut(&id) {
                slot.has_listeners = false;
                self.effects.push(Effect::Release(Released::Slot(id)));
            }
        }
    }

    /// When the next queue has been kept long enough.
    pub(super) fn release_deadline(&self) -> Option<Time> {
        let kept = self.slots.values().filter(|slot| slot.has_listeners);
        kept.filter_map(|slot| self.queue_ends(slot)).min()
    }

    /// A queue of the only slot that serves is kept: nobody else is there to be asked. And so are those of a slot in
    /// which somebody listens again, who is not ready yet: what he does not adopt is let go once he is.
    fn queue_ends(&self, vacant: &Slot) -> Option<Time> {
        let others_serve = self.slots.values().any(|slot| slot.id != vacant.id && slot.serves());
        let since = vacant.vacant_since.filter(|_| others_serve && !vacant.is_listened_to())?;
        let since = vacant.newcomer_made_at().map_or(since, |made_at| since.max(made_at));
        Some(since.saturating_add(KEPT_WHILE_VACANT))
    }
}
