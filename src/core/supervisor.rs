//! The state machine itself: it owns the slots, hands events to the part that they concern, and knows the next
//! deadline.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::crash_window::CrashWindow;
use super::process::{Process, ReadyWhen};
use super::restart::Restart;
use super::shutdown::Shutdown;
use super::slot::{Occupancy, Slot, WorkerView};
use super::startup::Startup;
use super::{DeployFailure, Effect, Event, Image, ProcessKey, StartupFailure, StopSignal, Time};
use crate::config::Settings;

/// What the cluster as a whole is doing.
#[derive(Debug)]
pub(super) enum Phase {
    Starting(Startup),
    Supervising,
    Stopping(Shutdown),
}

/// The whole cluster.
#[derive(Debug)]
pub(crate) struct Supervisor {
    pub(super) settings: Settings,
    pub(super) slots: BTreeMap<u8, Slot>,
    pub(super) phase: Phase,
    pub(super) restart: Option<Restart>,
    /// A restart asked for that cannot run yet: during the start, or during another restart.
    pub(super) restart_pending: bool,
    pub(super) total_restarts: u64,
    /// Whether a worker has ever listened on the cluster's port: then every worker is expected to.
    pub(super) anyone_listens: bool,
    pub(super) now: Time,
    pub(super) effects: Vec<Effect>,
    next_serial: u64,
}

impl Supervisor {
    pub(crate) fn new(settings: Settings) -> Self {
        let window = CrashWindow::new(settings.respawn_window, settings.respawn_max_crashes);
        let slots = (0..settings.workers.get()).map(|id| (id, Slot::new(id, window.clone()))).collect();
        Self {
            settings,
            slots,
            phase: Phase::Starting(Startup::default()),
            restart: None,
            restart_pending: false,
            total_restarts: 0,
            anyone_listens: false,
            now: Time::ZERO,
            effects: Vec::new(),
            next_serial: 0,
        }
    }

    /// Takes an event in and gives what is to be done now, in order. An event about a process that is not known any
    /// more changes nothing.
    pub(crate) fn handle(&mut self, now: Time, event: Event) -> Vec<Effect> {
        self.now = now;
        match event {
            Event::Begin => self.begin(),
            Event::Tick => self.tick(),
            Event::SpawnFailed(key, error) => self.spawn_failed(key, error),
            Event::Executed(key) => self.executed(key),
            Event::Joined(key) => self.with(key, |process| process.joined = true),
            Event::Listening(key, address) => {
                self.listening(key, address);
            }
            Event::BindFailed(key, error) => self.bind_failed(key, error),
            Event::Closed(key, listener) => self.closed(key, listener),
            Event::Drained(key) => self.drained(key),
            Event::ChannelBroken(key) => self.channel_broken(key),
            Event::Ended(key, end) => self.ended(key, end),
            Event::StopRequested(signal) => self.stop(signal),
            Event::RestartRequested => self.request_restart(),
        }
        self.finish_startup();
        self.release_abandoned();
        std::mem::take(&mut self.effects)
    }

    /// When [`Event::Tick`] is due, if it ever is.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        let of_slots = self.slots.values().flat_map(|slot| {
            let waiting = slot.occupancy.waiting().map(|(until, _)| until);
            slot.processes()
                .flat_map(|process| {
                    let waits = [process.ready_at(self.anyone_listens), process.patience_ends()];
                    waits.into_iter().chain([process.drains_until, process.kill_at, process.adopts_until])
                })
                .chain([waiting])
                .flatten()
        });
        let of_phase = match &self.phase {
            Phase::Starting(startup) => startup.deadline(),
            Phase::Supervising => None,
            Phase::Stopping(shutdown) => shutdown.deadline(),
        };
        let of_restart = self.restart.as_ref().and_then(Restart::deadline);
        of_slots.chain(of_phase).chain(of_restart).chain(self.release_deadline()).min()
    }

    /// Whether no process runs and none will.
    pub(crate) fn is_over(&self) -> bool {
        let no_process = self.slots.values().all(|slot| slot.processes().next().is_none());
        match self.phase {
            Phase::Starting(_) => false,
            Phase::Stopping(_) => no_process,
            Phase::Supervising => {
                self.restart.is_none() && !self.restart_pending && self.slots.values().all(Slot::is_final)
            }
        }
    }

    /// Why the start failed, if it did; the cluster is over once [`Self::is_over`] says so.
    pub(crate) fn startup_failure(&self) -> Option<StartupFailure> {
        match &self.phase {
            Phase::Stopping(shutdown) => shutdown.because,
            Phase::Starting(_) | Phase::Supervising => None,
        }
    }

    pub(crate) fn is_starting(&self) -> bool {
        matches!(self.phase, Phase::Starting(_))
    }

    pub(crate) fn is_stopping(&self) -> bool {
        matches!(self.phase, Phase::Stopping(_))
    }

    pub(crate) fn is_restarting(&self) -> bool {
        self.restart.is_some() || self.restart_pending
    }

    pub(crate) fn total_restarts(&self) -> u64 {
        self.total_restarts
    }

    pub(crate) fn workers(&self) -> impl Iterator<Item = WorkerView> {
        self.slots.values().map(Slot::view)
    }

    /// Whether this process is its slot's worker and does what a worker is for.
    pub(crate) fn serves(&self, key: ProcessKey) -> bool {
        self.slots.get(&key.slot()).is_some_and(|slot| slot.is_worker(key) && slot.serves())
    }

    /// Makes a process for a slot; the caller puts it in its place.
    pub(super) fn make(&mut self, slot: u8, image: Image, ready_when: ReadyWhen, patience: Duration) -> Process {
        let key = ProcessKey::new(slot, self.next_serial);
        self.next_serial += 1;
        self.effects.push(Effect::Spawn(key, image));
        Process::new(key, self.now, ready_when, patience)
    }

    pub(super) fn slot_mut(&mut self, key: ProcessKey) -> Option<&mut Slot> {
        self.slots.get_mut(&key.slot())
    }

    /// Tells a process to stop; it is killed in the end.
    pub(super) fn dismiss(&mut self, key: ProcessKey) {
        let kill_at = self.now.saturating_add(self.settings.shutdown_timeout);
        self.with(key, |process| {
            process.told_to_stop = true;
            process.kill_at = Some(kill_at);
            // What it was given and has not taken is its successor's now.
            process.adopts_until = None;
        });
        self.effects.push(Effect::Stop(key, StopSignal::Term));
    }

    /// Tells an old worker to finish what it has; then, or when half of its time is over, to stop.
    pub(super) fn retire(&mut self, key: ProcessKey) {
        let Some(process) = self.slot_mut(key).and_then(|slot| slot.process_mut(key)) else { return };
        let (is_told, is_running) = (process.told_to_stop, process.is_running());
        if is_told {
            // It broke its channel, and its time is running.
            return;
        }
        if !self.settings.handoff || !is_running {
            return self.dismiss(key);
        }
        let timeout = self.settings.shutdown_timeout;
        let (half, whole) = (self.now.saturating_add(timeout / 2), self.now.saturating_add(timeout));
        self.with(key, |process| {
            process.told_to_stop = true;
            process.drains_until = Some(half);
            process.kill_at = Some(whole);
            // What it was given and has not taken is its successor's now.
            process.adopts_until = None;
        });
        self.effects.push(Effect::Drain(key));
    }

    /// A process that drains has nothing left to do.
    pub(super) fn drained(&mut self, key: ProcessKey) {
        let drains = self.slot_mut(key).and_then(|slot| slot.process_mut(key));
        if drains.and_then(|process| process.drains_until.take()).is_some() {
            self.effects.push(Effect::Stop(key, StopSignal::Term));
        }
    }

    /// Makes a process for a crashed worker's slot.
    fn respawn(&mut self, id: u8, failed_attempts: u32) {
        let port = self.settings.port.get();
        let Some(slot) = self.slots.get(&id) else { return };
        let (ready_when, patience, has_run) = (slot.ready_when(port), slot.patience(), slot.has_run);
        let mut process = self.make(id, Image::Held, ready_when, patience);
        process.is_respawn = has_run;
        process.failed_attempts = failed_attempts;
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.occupancy = Occupancy::Process(process);
        }
    }

    fn listening(&mut self, key: ProcessKey, address: SocketAddr) {
        let (now, port, handoff) = (self.now, self.settings.port.get(), self.settings.handoff);
        let stopping = self.is_stopping();
        let Some(slot) = self.slot_mut(key) else { return };
        let is_worker = slot.is_worker(key);
        let Some(process) = slot.process_mut(key) else { return };
        if stopping {
            return self.release_everything();
        }
        let first = !process.listens_on_port(port) && address.port() == port;
        process.listens_on(address);
        slot.has_listeners |= handoff;
        let Some(process) = slot.process_mut(key) else { return };
        let took = process.waited(now);
        if is_worker && first {
            // Until now it may have counted as ready for its age alone.
            slot.took = Some(took);
            self.anyone_listens = true;
            self.settle(key.slot());
        }
        self.check_ready(key);
        self.serves_at_last(key);
        self.listens_too_late(key);
        if let Some(slot) = self.slot_mut(key).filter(|_| is_worker) {
            if let Some(candidate) = slot.refresh_candidate(port) {
                self.check_ready(candidate);
            }
        }
    }

    fn with(&mut self, key: ProcessKey, change: impl FnOnce(&mut Process)) {
        if let Some(process) = self.slot_mut(key).and_then(|slot| slot.process_mut(key)) {
            change(process);
        }
    }

    fn tick(&mut self) {
        self.startup_tick();
        let ids: Vec<u8> = self.slots.keys().copied().collect();
        for id in ids {
            self.tick_slot(id);
        }
        self.restart_tick();
        self.shutdown_tick();
    }

    fn tick_slot(&mut self, id: u8) {
        let now = self.now;
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let keys: Vec<ProcessKey> = slot.processes().map(|process| process.key).collect();
        for process in slot.processes_mut().filter(|process| process.drains_until.is_some_and(|time| time <= now)) {
            process.drains_until = None;
            self.effects.push(Effect::Stop(process.key, StopSignal::Term));
        }
        for process in slot.processes_mut().filter(|process| process.kill_at.is_some_and(|time| time <= now)) {
            process.kill_at = None;
            self.effects.push(Effect::Kill(process.key));
        }
        for key in keys {
            self.check_ready(key);
            self.check_patience(key);
        }
        self.adoption_tick(id);
        // Looked at only now: a replacement that has just become ready fills the slot.
        let waiting = self.slots.get(&id).and_then(|slot| slot.occupancy.waiting());
        if let Some((_, failed_attempts)) = waiting.filter(|(until, _)| *until <= now) {
            self.respawn(id, failed_attempts);
        }
    }

    pub(super) fn executed(&mut self, key: ProcessKey) {
        let now = self.now;
        let Some(slot) = self.slots.get_mut(&key.slot()) else { return };
        let Some(process) = slot.process_mut(key) else { return };
        if !process.executed(now) {
            return;
        }
        if let Some(worker) = slot.occupancy.process_mut().filter(|worker| worker.key == key) {
            worker.announced = true;
            if worker.is_respawn {
                self.total_restarts += 1;
            }
            slot.has_run = true;
            self.effects.push(Effect::CallOnStart(key.slot()));
            self.schedule_next_start(key.slot());
        }
        self.check_ready(key);
    }

    fn check_ready(&mut self, key: ProcessKey) {
        let (now, port, others_listen) = (self.now, self.settings.port.get(), self.anyone_listens);
        let Some(slot) = self.slots.get_mut(&key.slot()) else { return };
        let is_candidate = slot.is_candidate(key);
        let Some(process) = slot.process_mut(key) else { return };
        if !process.becomes_ready(now, port, others_listen) {
            return;
        }
        let took = process.waited(now);
        if is_candidate || slot.is_worker(key) {
            slot.took = Some(took);
        }
        if is_candidate {
            self.promote(key.slot());
        }
        self.serves_now(key);
        self.effects.push(Effect::Ready(key));
    }

    fn check_patience(&mut self, key: ProcessKey) {
        let now = self.now;
        let Some(slot) = self.slots.get_mut(&key.slot()) else { return };
        let is_candidate = slot.is_candidate(key);
        let Some(process) = slot.process_mut(key) else { return };
        if process.patience_ends().is_none_or(|time| time > now) {
            return;
        }
        process.stop_waiting();
        let waited = process.waited(now);
        if !process.is_running() {
            process.stuck = true;
            self.effects.push(Effect::Kill(key));
        } else if is_candidate {
            self.abandon_restart(key.slot(), DeployFailure::NotReady { waited });
        } else {
            self.serves_at_last(key);
            self.effects.push(Effect::Ready(key));
        }
    }
}
