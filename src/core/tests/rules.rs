//! What must hold after every event, whatever the scenario.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::super::*;
use super::{ms, secs};
use crate::config::Settings;

/// A second, independent book of the processes, kept from the events and the effects alone.
pub(super) struct Rules {
    port: u16,
    shutdown_timeout: Duration,
    live: BTreeMap<ProcessKey, Seen>,
    ever: BTreeSet<ProcessKey>,
    /// Where each slot's last worker that listened did.
    last_addresses: BTreeMap<u8, BTreeSet<SocketAddr>>,
    callbacks: BTreeMap<u8, Callbacks>,
    /// Contract 3.4: processes that took a slot over, after a crash or in a restart.
    replacements: u64,
    /// The replacement that was made last.
    candidate: Option<ProcessKey>,
    /// The replacement whose failure has been told.
    given_up: Option<ProcessKey>,
    kill_at: Option<Time>,
    views: Vec<WorkerView>,
}

#[derive(Default)]
struct Callbacks {
    starts: u64,
    exits: u64,
    /// A replacement has been promoted, and its `on_start` is to come.
    is_promotion: bool,
}

struct Seen {
    made_at: Time,
    is_candidate: bool,
    is_replaced: bool,
    executed_at: Option<Time>,
    listening: BTreeSet<SocketAddr>,
    told_at: Option<Time>,
    condemned: bool,
    killed: bool,
    ready: bool,
}

impl Rules {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            port: settings.port.get(),
            shutdown_timeout: settings.shutdown_timeout,
            live: BTreeMap::new(),
            ever: BTreeSet::new(),
            last_addresses: BTreeMap::new(),
            callbacks: BTreeMap::new(),
            replacements: 0,
            candidate: None,
            given_up: None,
            kill_at: None,
            views: Vec::new(),
        }
    }

    pub(super) fn live(&self) -> Vec<ProcessKey> {
        self.live.keys().copied().collect()
    }

    pub(super) fn is_executed(&self, key: ProcessKey) -> bool {
        self.live.get(&key).is_some_and(|seen| seen.executed_at.is_some())
    }

    pub(super) fn is_told(&self, key: ProcessKey) -> bool {
        self.live.get(&key).is_some_and(|seen| seen.told_at.is_some())
    }

    pub(super) fn was_killed(&self, key: ProcessKey) -> bool {
        self.live.get(&key).is_some_and(|seen| seen.killed)
    }

    pub(super) fn before(&mut self, core: &Supervisor) {
        self.views = core.workers().collect();
    }

    pub(super) fn after(&mut self, now: Time, event: Event, effects: &[Effect], core: &Supervisor) {
        self.take_in(now, event, core);
        for effect in effects {
            self.check_effect(now, event, effect, core);
        }
        self.check_processes(core);
        self.check_statistics(core);
        if event == Event::Tick {
            self.check_deadline(now, core);
        }
    }

    fn take_in(&mut self, now: Time, event: Event, core: &Supervisor) {
        if core.is_stopping() && self.kill_at.is_none() {
            self.kill_at = Some(now.saturating_add(self.shutdown_timeout));
        }
        match event {
            Event::Executed(key) => {
                if let Some(seen) = self.live.get_mut(&key) {
                    seen.executed_at.get_or_insert(now);
                }
            }
            Event::Listening(key, address) => {
                if let Some(seen) = self.live.get_mut(&key) {
                    seen.listening.insert(address);
                }
            }
            Event::ChannelBroken(key) => {
                if let Some(seen) = self.live.get_mut(&key) {
                    seen.condemned = true;
                }
            }
            Event::Ended(key, _) | Event::SpawnFailed(key, _) => {
                if let Some(gone) = self.live.remove(&key) {
                    if !gone.is_candidate && !gone.is_replaced && !gone.listening.is_empty() {
                        self.last_addresses.insert(key.slot(), gone.listening);
                    }
                }
            }
            Event::StopRequested(StopSignal::Kill) => self.kill_at = Some(now),
            Event::StopRequested(StopSignal::Term | StopSignal::Int)
            | Event::Begin
            | Event::Tick
            | Event::Joined(_)
            | Event::BindFailed(..)
            | Event::Closed(..)
            | Event::Drained(_)
            | Event::RestartRequested => {}
        }
    }

    fn check_effect(&mut self, now: Time, event: Event, effect: &Effect, core: &Supervisor) {
        match effect {
            Effect::Spawn(key, image) => self.check_spawn(now, *key, *image, core),
            Effect::Stop(key, _) | Effect::Drain(key) => self.check_stop(now, *key, core),
            Effect::Release(_) => {}
            Effect::Kill(key) => self.check_kill(now, *key, core),
            Effect::Ready(key) => {
                let seen = self.live.get_mut(key).expect("only a living process becomes ready");
                assert!(!std::mem::replace(&mut seen.ready, true), "ready twice: {key:?}");
            }
            Effect::Promoted(key) => self.check_promotion(now, *key, core),
            Effect::CallOnStart(slot) => self.count_start(*slot),
            Effect::CallOnExit { worker, .. } => self.callbacks.entry(*worker).or_default().exits += 1,
            Effect::Report(Notice::RestartAbandoned { worker, .. }) => {
                assert_eq!(self.candidate.map(ProcessKey::slot), Some(*worker), "not the one that is being replaced");
                assert_ne!(self.given_up, self.candidate, "told twice (contract 5.2 promises one line) at {event:?}");
                self.given_up = self.candidate;
            }
            Effect::Report(_) => {}
        }
    }

    fn check_spawn(&mut self, now: Time, key: ProcessKey, image: Image, core: &Supervisor) {
        assert!(self.ever.insert(key), "a key used twice: {key:?}");
        assert!(!core.is_stopping(), "contract 4.3: spawned after the stop: {key:?}");
        let before = self.views.iter().find(|view| view.id == key.slot()).unwrap();
        let of_slot: Vec<&Seen> = self.live.iter().filter(|(k, _)| k.slot() == key.slot()).map(|(_, s)| s).collect();
        let gone_for_good = before.status == Status::Stopping && before.process.is_none();
        assert!(!gone_for_good, "contract 3.2: a graceful end is final: {key:?}");
        match image {
            Image::Held => {
                let out = matches!(before.status, Status::Disabled | Status::Crashed);
                assert!(!out, "contract 3.3, 3.2: spawned into a {:?} slot", before.status);
                let serving = of_slot.iter().any(|seen| !seen.is_candidate && seen.told_at.is_none());
                assert!(!serving, "two workers in one slot: {key:?}");
                assert!(core.is_restarting() || of_slot.is_empty(), "two processes in one slot: {key:?}");
            }
            Image::Deployed => {
                assert!(core.is_restarting(), "contract 3.5: only a restart moves to the new file");
                assert!(!self.live.values().any(|seen| seen.is_candidate), "contract 5.1: one at a time");
                let retiring = self.live.values().any(|seen| seen.told_at.is_some() && !seen.condemned);
                assert!(!retiring, "contract 5.1: the old worker is still there");
            }
        }
        let is_candidate = image == Image::Deployed;
        if is_candidate {
            self.candidate = Some(key);
        }
        self.live.insert(key, Seen::new(now, is_candidate));
    }

    fn check_stop(&mut self, now: Time, key: ProcessKey, core: &Supervisor) {
        let seen = self.live.get(&key).expect("contract 4.2: an ended process is not signalled");
        if !core.is_stopping() && !seen.condemned && seen.told_at.is_none() {
            // A restart: there must be somebody who serves in its place.
            let successor = self.live.iter().find(|(other, other_seen)| {
                other.slot() == key.slot() && **other != key && !other_seen.is_candidate && other_seen.told_at.is_none()
            });
            let (successor, _) = successor.expect("contract 5.1: no replacement");
            assert!(self.can_replace(now, *successor, Some(&seen.listening)), "contract 5.1: fewer serve: {key:?}");
        }
        if let Some(seen) = self.live.get_mut(&key) {
            seen.told_at.get_or_insert(now);
        }
    }

    fn check_kill(&mut self, now: Time, key: ProcessKey, core: &Supervisor) {
        let seen = self.live.get_mut(&key).expect("contract 4.2: an ended process is not signalled");
        let shutdown = self.kill_at.is_some_and(|time| time <= now);
        let had_its_time = seen.told_at.is_some_and(|told| told.saturating_add(self.shutdown_timeout) <= now);
        let never_ran = seen.executed_at.is_none() && seen.made_at + secs(10) <= now;
        let failed = self.given_up == Some(key);
        let of_slot = core.workers().find(|view| view.id == key.slot()).unwrap();
        let slot_is_gone = seen.is_candidate && of_slot.status == Status::Stopping && of_slot.process.is_none();
        assert!(shutdown || had_its_time || never_ran || failed || slot_is_gone, "killed too early: {key:?}");
        seen.killed = true;
    }

    fn check_promotion(&mut self, now: Time, key: ProcessKey, core: &Supervisor) {
        assert!(!core.is_stopping(), "contract 5.4: a shutdown ends the restart at once: {key:?}");
        assert_ne!(self.given_up, Some(key), "contract 5.2: a failed deploy became a worker");
        let old = self.live.iter().find(|(other, seen)| other.slot() == key.slot() && !seen.is_candidate);
        let addresses = old.map(|(_, seen)| seen.listening.clone());
        assert!(self.can_replace(now, key, addresses.as_ref()), "contract 5.2: not ready: {key:?}");
        for (_, old) in self.live.iter_mut().filter(|(other, seen)| other.slot() == key.slot() && !seen.is_candidate) {
            old.is_replaced = true;
        }
        let seen = self.live.get_mut(&key).expect("only a living process is promoted");
        assert!(std::mem::replace(&mut seen.is_candidate, false), "promoted twice: {key:?}");
        let callbacks = self.callbacks.entry(key.slot()).or_default();
        assert!(!std::mem::replace(&mut callbacks.is_promotion, true), "contract 3.6: on_start is missing");
    }

    /// Every start but a slot's first is that of a replacement; and a restart's is in any case.
    fn count_start(&mut self, slot: u8) {
        let callbacks = self.callbacks.entry(slot).or_default();
        if std::mem::take(&mut callbacks.is_promotion) || callbacks.starts > 0 {
            self.replacements += 1;
        }
        callbacks.starts += 1;
    }

    /// Contract 5.2: whether a process is as good as a predecessor that listens (or listened) there.
    fn can_replace(&self, now: Time, key: ProcessKey, old: Option<&BTreeSet<SocketAddr>>) -> bool {
        let Some(seen) = self.live.get(&key) else { return false };
        let wanted = old.filter(|old| !old.is_empty()).or_else(|| self.last_addresses.get(&key.slot()));
        let Some(wanted) = wanted else {
            let lived = seen.executed_at.is_some_and(|since| since + ms(500) <= now);
            return lived || seen.listening.iter().any(|address| address.port() == self.port);
        };
        let on_port: BTreeSet<SocketAddr> = wanted.iter().filter(|a| a.port() == self.port).copied().collect();
        let wanted = if on_port.is_empty() { wanted } else { &on_port };
        seen.executed_at.is_some() && wanted.is_subset(&seen.listening)
    }

    fn check_processes(&self, core: &Supervisor) {
        let known: BTreeSet<ProcessKey> =
            core.slots.values().flat_map(|slot| slot.processes().map(|process| process.key)).collect();
        assert_eq!(known, self.live.keys().copied().collect(), "the living processes");
        if !core.is_restarting() && !core.is_stopping() {
            for slot in core.slots.values() {
                assert!(slot.processes().count() <= 1, "two processes outside a restart: {slot:?}");
            }
        }
        if core.is_over() {
            assert!(self.live.is_empty(), "over, and processes are left");
        } else {
            assert!(!core.is_stopping() || !self.live.is_empty(), "contract 3.8: a shutdown that does not end");
        }
    }

    fn check_statistics(&self, core: &Supervisor) {
        for view in core.workers() {
            let seen =
                view.process.map(|(key, _)| self.live.get(&key).expect("contract 3.4: no pid of an ended process"));
            if let (Some(seen), Some((_, made_at))) = (seen, view.process) {
                assert_eq!(seen.made_at, made_at);
                assert!(!seen.is_candidate, "contract 3.4: a replacement that is not ready is not shown");
            }
            let expected = match seen {
                Some(seen) if seen.told_at.is_some() => vec![Status::Stopping],
                Some(seen) if seen.executed_at.is_some() => vec![Status::Active],
                Some(_) => vec![Status::Starting],
                None if core.is_starting() && !self.callbacks.contains_key(&view.id) => vec![Status::Starting],
                None => vec![Status::Stopping, Status::Crashed, Status::Respawning, Status::Disabled],
            };
            assert!(expected.contains(&view.status), "contract 3.4: {view:?}, expected {expected:?}");
        }
        for (slot, callbacks) in &self.callbacks {
            assert!(callbacks.exits <= callbacks.starts, "contract 3.6: more ends than starts of worker {slot}");
        }
        assert_eq!(core.total_restarts(), self.replacements, "contract 3.4: total_restarts");
        if core.is_over() {
            assert!(self.callbacks.values().all(|c| c.starts == c.exits), "contract 3.6: an end without a callback");
        }
    }

    /// Contract 4.5: what is due is done, so that the next time to wake is in the future.
    fn check_deadline(&self, now: Time, core: &Supervisor) {
        if let Some(deadline) = core.next_deadline() {
            let at_once = core.settings.respawn_delay.is_zero() || core.settings.shutdown_timeout.is_zero();
            assert!(deadline > now || at_once, "the deadline {deadline:?} is left over at {now:?}: {core:#?}");
        }
    }
}

impl Seen {
    fn new(now: Time, is_candidate: bool) -> Self {
        Self {
            made_at: now,
            is_candidate,
            is_replaced: false,
            executed_at: None,
            listening: BTreeSet::new(),
            told_at: None,
            condemned: false,
            killed: false,
            ready: false,
        }
    }
}
