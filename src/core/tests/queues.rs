//! What must always hold of the listening sockets that are kept (contract 6.1, 6.5): a part of [`super::rules`].

use std::collections::{BTreeMap, BTreeSet};

use super::super::*;
use super::rules::Seen;
use super::secs;
use crate::wire::ListenerId;

/// A book of the kept sockets, from the events and the effects alone.
#[derive(Default)]
pub(super) struct Queues {
    /// The slots of which some are kept.
    kept: BTreeSet<u8>,
    /// Since when nobody is ready in a slot and listens.
    vacant_since: BTreeMap<u8, Time>,
    /// Since when nobody is ready in a slot, be it for its age alone.
    unready_since: BTreeMap<u8, Time>,
    /// Since when there is a queue that only one brought who had been replaced: the worker that was ready by then, and
    /// listens nowhere, was not given it.
    brought_late: BTreeMap<u8, Time>,
    ready_at: BTreeMap<ProcessKey, Time>,
    failed: BTreeSet<ProcessKey>,
    closed: BTreeSet<(ProcessKey, ListenerId)>,
    is_stopping: bool,
}

type Live = BTreeMap<ProcessKey, Seen>;

impl Queues {
    /// Before the book of the processes takes it in.
    pub(super) fn take_in(&mut self, now: Time, event: Event, live: &Live) {
        match event {
            Event::Listening(key, _) if live.contains_key(&key) => {
                self.kept.insert(key.slot());
                // One that has to go itself leaves the queue when it ends.
                let has_successor = live.iter().any(|(other, seen)| may_serve(*other, seen, key.slot()));
                let is_replaced = live.get(&key).is_some_and(|seen| seen.is_replaced);
                if is_replaced && has_successor && !self.serving(live).contains(&key.slot()) {
                    self.vacant_since.entry(key.slot()).or_insert(now);
                    self.brought_late.entry(key.slot()).or_insert(now);
                }
            }
            Event::Closed(key, listener) => {
                let seen = live.get(&key).filter(|seen| seen.told_at.is_none());
                if seen.is_some_and(|seen| seen.listening.contains(&listener.address)) {
                    self.closed.insert((key, listener.id));
                }
            }
            Event::Ended(key, _) | Event::SpawnFailed(key, _) => match live.get(&key) {
                Some(seen) if seen.is_candidate => {
                    self.failed.insert(key);
                }
                Some(seen) => {
                    let was_ready = self.ready_at.remove(&key).is_some();
                    // One that could not be made has served nobody.
                    let is_stuck = seen.killed && seen.executed_at.is_none();
                    let has_ended = matches!(event, Event::Ended(..)) && !is_stuck;
                    let was_worker = !seen.is_replaced && (seen.told_at.is_none() || seen.condemned);
                    if has_ended && was_worker {
                        self.vacant_since.entry(key.slot()).or_insert(now);
                        if was_ready || !self.unready_since.contains_key(&key.slot()) {
                            self.unready_since.insert(key.slot(), now);
                        }
                    }
                }
                None => {}
            },
            Event::Begin
            | Event::Tick
            | Event::Executed(_)
            | Event::Joined(_)
            | Event::Listening(..)
            | Event::BindFailed(..)
            | Event::Drained(_)
            | Event::ChannelBroken(_)
            | Event::StopRequested(_)
            | Event::RestartRequested => {}
        }
    }

    pub(super) fn ready(&mut self, now: Time, key: ProcessKey) {
        self.ready_at.insert(key, now);
        self.unready_since.remove(&key.slot());
        // What it has not adopted in a second is let go.
        self.brought_late.remove(&key.slot());
    }

    pub(super) fn check_release(&mut self, now: Time, what: Released, live: &Live, core: &Supervisor) {
        let is_allowed = matches!(what, Released::Everything | Released::BroughtBy(_)) || !self.is_stopping;
        assert!(is_allowed, "contract 6.5: nothing is kept any more: {what:?}");
        match what {
            Released::Everything => self.kept.clear(),
            Released::Slot(slot) => {
                assert!(self.kept.remove(&slot), "contract 6.1: nothing of slot {slot} is kept");
                let is_used = live.iter().any(|(key, seen)| may_serve(*key, seen, slot) && !seen.listening.is_empty());
                assert!(!is_used, "contract 6.1: slot {slot} is served, and loses its listeners");
                let others_serve = self.serving(live).iter().any(|other| *other != slot);
                let is_awaited = newcomer_since(slot, live).is_some_and(|since| now < since + secs(5));
                let is_overdue = others_serve && !is_awaited && is_over(now, self.vacant_since.get(&slot));
                assert!(is_down(slot, live, core) || is_overdue, "contract 6.1: slot {slot} may be served yet");
            }
            Released::One(slot, id) => {
                let of_slot = live.iter().filter(|(key, seen)| key.slot() == slot && seen.told_at.is_none());
                let is_closed = of_slot.map(|(key, _)| key).any(|key| self.closed.contains(&(*key, id)));
                assert!(is_closed, "contract 6.1: nobody has closed {id:?} in slot {slot}");
            }
            Released::NotAdoptedBy(key) => {
                let seen = live.get(&key).expect("an ended process adopts nothing");
                assert!(may_serve(key, seen, key.slot()), "contract 6.3: it is its successor's: {key:?}");
                let had_its_time = self.ready_at.get(&key).is_some_and(|since| *since + secs(1) <= now);
                assert!(had_its_time, "contract 6.1: released too early: {key:?}");
            }
            Released::BroughtBy(key) => {
                assert!(self.failed.contains(&key), "contract 6.1: no failed replacement: {key:?}");
            }
        }
    }

    /// After every event.
    pub(super) fn check(&mut self, now: Time, live: &Live, core: &Supervisor) {
        self.is_stopping = core.is_stopping();
        if self.is_stopping {
            assert_eq!(self.kept, BTreeSet::new(), "contract 6.5: kept after the stop");
        }
        let serving = self.serving(live);
        self.vacant_since.retain(|slot, _| !serving.contains(slot));
        self.unready_since.retain(|slot, _| !serving.contains(slot));
        self.brought_late.retain(|slot, _| self.kept.contains(slot) && !serving.contains(slot));
        for slot in &self.kept {
            let is_down = is_down(*slot, live, core);
            assert!(!is_down, "contract 6.1: slot {slot} has ended for good and keeps its queues");
            let mut of_slot = live.iter().filter(|(key, seen)| may_serve(**key, seen, *slot));
            let brought_late = self.brought_late.get(slot);
            let is_used = of_slot
                .any(|(key, seen)| !seen.listening.is_empty() || (brought_late.is_none() && self.is_ready(*key)));
            let others_serve = serving.iter().any(|other| other != slot);
            let is_awaited = newcomer_since(*slot, live).is_some_and(|since| now < since + secs(5));
            let is_late =
                others_serve && !is_used && !is_awaited && is_over(now, brought_late.or(self.unready_since.get(slot)));
            assert!(!is_late, "contract 6.1: nobody serves in slot {slot}, and it keeps its queues");
        }
    }

    fn is_ready(&self, key: ProcessKey) -> bool {
        self.ready_at.contains_key(&key)
    }

    /// The slots whose workers are ready and listen.
    fn serving(&self, live: &Live) -> BTreeSet<u8> {
        let workers = live.iter().filter(|(key, seen)| may_serve(**key, seen, key.slot()) && !seen.is_candidate);
        let serving = workers.filter(|(key, seen)| self.is_ready(**key) && !seen.listening.is_empty());
        serving.map(|(key, _)| key.slot()).collect()
    }
}

/// Whether nothing will run in a slot any more.
fn is_down(slot: u8, live: &Live, core: &Supervisor) -> bool {
    let view = core.workers().find(|view| view.id == slot).unwrap();
    let is_down = matches!(view.status, Status::Stopping | Status::Crashed | Status::Disabled);
    let has_candidate = live.iter().any(|(key, seen)| key.slot() == slot && seen.is_candidate);
    is_down && view.process.is_none() && !has_candidate
}

/// Whether it is, or may become, the one that serves in this slot.
fn may_serve(key: ProcessKey, seen: &Seen, slot: u8) -> bool {
    key.slot() == slot && seen.told_at.is_none() && !seen.killed
}

/// Since when there has been a process that may come to serve in this slot.
fn newcomer_since(slot: u8, live: &Live) -> Option<Time> {
    let newcomers = live.iter().filter(|(key, seen)| may_serve(**key, seen, slot));
    newcomers.map(|(_, seen)| seen.made_at).max()
}

/// Whether a queue has been kept long enough.
fn is_over(now: Time, since: Option<&Time>) -> bool {
    since.is_some_and(|since| *since + secs(5) <= now)
}
