//! What must hold after every event, whatever the scenario.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::super::*;
use super::queues::Queues;
use super::{ms, secs};
use crate::config::Settings;

/// A second, independent book of the processes, kept from the events and the effects alone.
pub(super) struct Rules {
    port: u16,
    shutdown_timeout: Duration,
    handoff: bool,
    queues: Queues,
    live: BTreeMap<ProcessKey, Seen>,
    ever: BTreeSet<ProcessKey>,
    /// Where each slot's last worker that listened did, at its end.
    last_addresses: BTreeMap<u8, Vec<SocketAddr>>,
    callbacks: BTreeMap<u8, Callbacks>,
    /// Contract 3.4: processes that took a slot over, after a crash or in a restart.
    replacements: u64,
    /// The replacement that was made last.
    candidate: Option<ProcessKey>,
    /// The replacement whose failure has been told.
    given_up: Option<ProcessKey>,
    kill_at: Option<Time>,
    views: Vec<WorkerView>,
    was_stopping: bool,
}

#[derive(Default)]
struct Callbacks {
    starts: u64,
    exits: u64,
    /// A replacement has been promoted, and its `on_start` is to come.
    is_promotion: bool,
}

pub(super) struct Seen {
    pub(super) made_at: Time,
    pub(super) is_candidate: bool,
    pub(super) is_replaced: bool,
    pub(super) executed_at: Option<Time>,
    pub(super) listening: Vec<SocketAddr>,
    has_listened: bool,
    /// Of a replacement: where its predecessor listened when it was made, or when that last began to listen anew.
    wanted: Option<Vec<SocketAddr>>,
    /// When it was told to drain or to stop.
    pub(super) told_at: Option<Time>,
    drains: bool,
    /// While it drains: nothing is left to finish, or it cannot say so any more.
    is_drained: bool,
    pub(super) condemned: bool,
    pub(super) killed: bool,
    ready: bool,
}

impl Rules {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            port: settings.port.get(),
            shutdown_timeout: settings.shutdown_timeout,
            handoff: settings.handoff,
            queues: Queues::default(),
            live: BTreeMap::new(),
            ever: BTreeSet::new(),
            last_addresses: BTreeMap::new(),
            callbacks: BTreeMap::new(),
            replacements: 0,
            candidate: None,
            given_up: None,
            kill_at: None,
            views: Vec::new(),
            was_stopping: false,
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
        self.was_stopping = core.is_stopping();
    }

    pub(super) fn after(&mut self, now: Time, event: Event, effects: &[Effect], core: &Supervisor) {
        self.take_in(now, event, core);
        for effect in effects {
            self.check_effect(now, event, effect, core);
        }
        self.check_release_at_stop(effects, core);
        self.check_processes(core);
        self.queues.check(now, &self.live, core);
        self.check_statistics(core);
        if event == Event::Tick {
            self.check_deadline(now, core);
        }
    }

    fn take_in(&mut self, now: Time, event: Event, core: &Supervisor) {
        if self.handoff {
            self.queues.take_in(now, event, &self.live);
        }
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
                    seen.listening.push(address);
                    seen.has_listened = true;
                    self.raise_the_bar(key);
                }
            }
            Event::Closed(key, listener) => {
                if let Some(seen) = self.live.get_mut(&key).filter(|seen| seen.told_at.is_none()) {
                    if let Some(index) = seen.listening.iter().position(|known| *known == listener.address) {
                        seen.listening.swap_remove(index);
                    }
                }
            }
            Event::Drained(key) => {
                if let Some(seen) = self.live.get_mut(&key) {
                    seen.is_drained = seen.told_at.is_some();
                }
            }
            Event::ChannelBroken(key) => {
                if let Some(seen) = self.live.get_mut(&key) {
                    seen.condemned = true;
                    seen.is_drained = true;
                }
            }
            Event::Ended(key, _) | Event::SpawnFailed(key, _) => {
                if let Some(gone) = self.live.remove(&key) {
                    if !gone.is_candidate && !gone.is_replaced && gone.has_listened {
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
            | Event::RestartRequested => {}
        }
    }

    fn check_effect(&mut self, now: Time, event: Event, effect: &Effect, core: &Supervisor) {
        match effect {
            Effect::Spawn(key, image) => self.check_spawn(now, *key, *image, core),
            Effect::Stop(key, _) => self.check_stop(now, *key, core),
            Effect::Drain(key) => self.check_drain(now, *key, core),
            Effect::Release(what) => {
                assert!(self.handoff, "contract 6.6: nothing is kept");
                self.queues.check_release(now, *what, &self.live, core);
            }
            Effect::Kill(key) => self.check_kill(now, *key, core),
            Effect::Ready(key) => {
                let seen = self.live.get_mut(key).expect("only a living process becomes ready");
                assert!(!std::mem::replace(&mut seen.ready, true), "ready twice: {key:?}");
                self.queues.ready(now, *key);
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
        self.raise_the_bar(key);
    }

    fn check_stop(&mut self, now: Time, key: ProcessKey, core: &Supervisor) {
        let seen = self.live.get(&key).expect("contract 4.2: an ended process is not signalled");
        if !core.is_stopping() && !seen.condemned && seen.told_at.is_none() {
            assert!(!self.handoff || seen.executed_at.is_none(), "contract 6.3: not drained: {key:?}");
            self.check_successor(now, key);
        }
        if let Some(since) = seen.told_at.filter(|_| seen.drains && !core.is_stopping()) {
            let half = since.saturating_add(self.shutdown_timeout / 2);
            assert!(seen.is_drained || half <= now, "contract 6.3: SIGTERM while it drains: {key:?}");
        }
        if let Some(seen) = self.live.get_mut(&key) {
            seen.told_at.get_or_insert(now);
            seen.drains = false;
        }
    }

    fn check_drain(&mut self, now: Time, key: ProcessKey, core: &Supervisor) {
        assert!(self.handoff, "contract 6.6: a drain");
        assert!(!core.is_stopping(), "contract 5.4: a drain after the stop: {key:?}");
        self.check_successor(now, key);
        let seen = self.live.get_mut(&key).expect("contract 4.2: an ended process is not told");
        assert!(seen.executed_at.is_some() && seen.told_at.is_none(), "cannot drain, or was told before: {key:?}");
        seen.told_at = Some(now);
        seen.drains = true;
    }

    /// In a restart: there must be somebody who serves in its place.
    fn check_successor(&self, now: Time, key: ProcessKey) {
        let successor = self.live.iter().find(|(other, seen)| {
            other.slot() == key.slot() && **other != key && !seen.is_candidate && seen.told_at.is_none()
        });
        let (successor, _) = successor.expect("contract 5.1: no replacement");
        assert!(self.can_replace(now, *successor), "contract 5.1: fewer serve: {key:?}");
    }

    /// Contract 6.5: before anybody is told to stop.
    fn check_release_at_stop(&self, effects: &[Effect], core: &Supervisor) {
        let Some(first_stop) = effects.iter().position(|e| matches!(e, Effect::Stop(..))) else { return };
        if core.is_stopping() && self.handoff {
            let release = effects.iter().position(|effect| *effect == Effect::Release(Released::Everything));
            let in_time = release.is_some_and(|position| position < first_stop);
            assert!(in_time || self.was_stopping, "contract 6.5: stopped before the release: {effects:?}");
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
        assert!(self.can_replace(now, key), "contract 5.2: not ready: {key:?}");
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

    /// A replacement has been made, or its predecessor has begun to listen: what is expected of it. What that closes
    /// itself meanwhile stays expected, for it may be about to end.
    fn raise_the_bar(&mut self, key: ProcessKey) {
        let of_slot = |seen: &&Seen| !seen.is_candidate && !seen.is_replaced;
        let mut workers = self.live.iter().filter(|(other, _)| other.slot() == key.slot()).map(|(_, seen)| seen);
        let worker = workers.find(of_slot);
        let listening = worker.filter(|seen| seen.has_listened).map(|seen| seen.listening.clone());
        let wanted = listening.or_else(|| self.last_addresses.get(&key.slot()).cloned());
        let is_first = wanted.is_none() && worker.is_none();
        let is_its_own = self.live.get(&key).is_some_and(|seen| seen.is_candidate && seen.has_listened);
        for (_, seen) in self.live.iter_mut().filter(|(other, seen)| other.slot() == key.slot() && seen.is_candidate) {
            if !is_its_own {
                seen.wanted = (!is_first).then(|| wanted.clone().unwrap_or_default());
            }
        }
    }

    /// Contract 5.2: whether a replacement is as good as its predecessor.
    fn can_replace(&self, now: Time, key: ProcessKey) -> bool {
        let Some(seen) = self.live.get(&key) else { return false };
        let lived = seen.executed_at.is_some_and(|since| since + ms(500) <= now);
        let Some(wanted) = &seen.wanted else {
            return lived || seen.listening.iter().any(|address| address.port() == self.port);
        };
        let on_port: Vec<SocketAddr> = wanted.iter().filter(|a| a.port() == self.port).copied().collect();
        let wanted = if on_port.is_empty() { wanted } else { &on_port };
        let all = wanted.iter().all(|address| seen.listening.contains(address));
        seen.executed_at.is_some() && if wanted.is_empty() { lived } else { all }
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
        for (key, seen) in self.live.iter().filter(|(_, seen)| seen.drains) {
            let half = seen.told_at.map(|since| since.saturating_add(self.shutdown_timeout / 2));
            assert!(half.is_some_and(|half| half > now) && !seen.is_drained, "contract 6.3: still drains: {key:?}");
        }
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
            listening: Vec::new(),
            has_listened: false,
            wanted: None,
            told_at: None,
            drains: false,
            is_drained: false,
            condemned: false,
            killed: false,
            ready: false,
        }
    }
}
