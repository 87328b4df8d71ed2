//! What the core should know, worked out anew from the contract and from what the kernel and the loop have seen.

use super::kernel::Stage;
use super::*;

/// A process as the master should see it.
#[derive(Default)]
struct Facts {
    slot: u8,
    is_candidate: bool,
    is_respawn: bool,
    executed: bool,
    joined: bool,
    /// Whether `on_start` was called for it.
    announced: bool,
    told_at: Option<Time>,
    drains_since: Option<Time>,
    drained: bool,
    condemned: bool,
    stuck: bool,
    homes: Vec<SocketAddr>,
}

/// A slot as the statistics should show it.
struct Book {
    worker: Option<usize>,
    candidate: Option<usize>,
    has_run: bool,
    /// What it is without a worker.
    rest: Status,
    exit_status: i32,
    crashes: Vec<Time>,
    /// Nothing is made here before.
    not_before: Time,
}

pub(super) struct Truth {
    facts: Vec<Facts>,
    books: Vec<Book>,
    restarts: u64,
    /// What `on_exit` is to be told of: the worker, its exit status, and whether that was a crash.
    exits: Vec<(u8, i32, bool)>,
    /// A restart was asked for when so many processes had been made: what is older is to be replaced.
    asked: Option<usize>,
    newest_candidate: usize,
    /// When the last process has to be told to end at the latest.
    pub(super) kill_at: Option<Time>,
}

impl Truth {
    pub(super) fn new(workers: u8) -> Self {
        let book = |_| Book {
            worker: None,
            candidate: None,
            has_run: false,
            rest: Status::Starting,
            exit_status: 0,
            crashes: Vec::new(),
            not_before: Time::ZERO,
        };
        Self {
            facts: Vec::new(),
            books: (0..workers).map(book).collect(),
            restarts: 0,
            exits: Vec::new(),
            asked: None,
            newest_candidate: 0,
            kill_at: None,
        }
    }

    /// Whether nothing will run in a slot any more.
    pub(super) fn is_down(&self, slot: u8) -> bool {
        let book = &self.books[usize::from(slot)];
        let is_final = matches!(book.rest, Status::Stopping | Status::Crashed | Status::Disabled);
        book.worker.is_none() && book.candidate.is_none() && is_final
    }

    pub(super) fn has_ended_gracefully(&self, slot: u8) -> bool {
        self.is_down(slot) && self.books[usize::from(slot)].rest == Status::Stopping
    }

    pub(super) fn listens(&self, index: usize) -> bool {
        self.facts.get(index).is_some_and(|facts| !facts.homes.is_empty())
    }

    pub(super) fn runs(&self, index: usize) -> bool {
        self.facts[index].executed
    }

    /// The cluster stops: nothing follows any more.
    pub(super) fn stopped(&mut self) {
        for book in self.books.iter_mut().filter(|book| matches!(book.rest, Status::Starting | Status::Respawning)) {
            book.rest = Status::Stopping;
        }
    }

    pub(super) fn take_in(&mut self, now: Time, event: Event, stopping: bool, settings: &Settings) {
        let of = |key: ProcessKey| usize::try_from(key.serial()).unwrap();
        match event {
            Event::Executed(key) => self.executed(of(key)),
            Event::Joined(key) => self.facts[of(key)].joined = true,
            Event::Listening(key, address) => self.facts[of(key)].homes.push(address),
            Event::Closed(key, listener) => {
                let homes = &mut self.facts[of(key)].homes;
                if let Some(index) = homes.iter().position(|home| *home == listener.address) {
                    homes.swap_remove(index);
                }
            }
            Event::Drained(key) => self.facts[of(key)].drained = true,
            Event::ChannelBroken(key) => {
                let facts = &mut self.facts[of(key)];
                facts.condemned = facts.told_at.is_none() && !facts.is_candidate;
                facts.drained = true;
            }
            Event::SpawnFailed(key, _) => self.not_made(now, of(key), stopping),
            Event::Ended(key, end) => self.ended(now, of(key), end, stopping, settings),
            Event::StopRequested(signal) => {
                let by = now + if signal == StopSignal::Kill { Time::ZERO } else { settings.shutdown_timeout };
                self.kill_at = Some(self.kill_at.map_or(by, |earlier| earlier.min(by)));
            }
            Event::RestartRequested => self.asked = Some(self.facts.len()),
            Event::Begin | Event::Tick | Event::BindFailed(..) => {}
        }
    }

    fn executed(&mut self, index: usize) {
        let facts = &mut self.facts[index];
        if std::mem::replace(&mut facts.executed, true) {
            return;
        }
        let book = &mut self.books[usize::from(facts.slot)];
        if book.worker == Some(index) {
            facts.announced = true;
            book.has_run = true;
            self.restarts += u64::from(facts.is_respawn);
        }
    }

    fn not_made(&mut self, now: Time, index: usize, stopping: bool) {
        let facts = &self.facts[index];
        let book = &mut self.books[usize::from(facts.slot)];
        if book.candidate == Some(index) {
            book.candidate = None;
            return;
        }
        if book.worker == Some(index) {
            book.worker = None;
            book.rest = if stopping { Status::Stopping } else { Status::Respawning };
            book.not_before = now + ms(100);
        }
        if facts.announced {
            book.exit_status = 78;
            self.exits.push((facts.slot, 78, !stopping && facts.has_crashed(End::Exited(78))));
        }
    }

    fn ended(&mut self, now: Time, index: usize, end: End, stopping: bool, settings: &Settings) {
        if self.facts[index].stuck && !self.facts[index].executed {
            return self.not_made(now, index, stopping);
        }
        let was_announced = self.facts[index].announced;
        self.executed(index);
        let facts = &self.facts[index];
        let book = &mut self.books[usize::from(facts.slot)];
        if book.candidate == Some(index) {
            book.candidate = None;
        } else if book.worker != Some(index) {
            if was_announced {
                book.exit_status = end.exit_status();
                self.exits.push((facts.slot, book.exit_status, false));
            }
        } else {
            book.worker = None;
            book.exit_status = end.exit_status();
            book.rest = Status::Stopping;
            let has_crashed = !stopping && facts.has_crashed(end);
            self.exits.push((facts.slot, book.exit_status, has_crashed));
            if has_crashed {
                book.crashes.push(now);
                book.crashes.retain(|time| now - *time < settings.respawn_window);
                let is_too_fast = book.crashes.len() >= usize::from(settings.respawn_max_crashes);
                book.not_before = now + settings.respawn_delay;
                book.rest = match (settings.respawn, is_too_fast) {
                    (false, _) => Status::Crashed,
                    (true, true) => Status::Disabled,
                    (true, false) => Status::Respawning,
                };
            }
        }
    }

    pub(super) fn take_effect(&mut self, now: Time, effect: &Effect, core: &Supervisor) {
        let of = |key: &ProcessKey| usize::try_from(key.serial()).unwrap();
        match effect {
            Effect::Spawn(key, image) => self.spawned(now, *key, *image, core),
            Effect::Stop(key, _) => {
                self.facts[of(key)].told_at.get_or_insert(now);
                self.facts[of(key)].drains_since = None;
            }
            Effect::Drain(key) => {
                let facts = &mut self.facts[of(key)];
                facts.told_at.get_or_insert(now);
                facts.drains_since = Some(now);
                facts.drained = false;
            }
            Effect::Kill(key) => {
                let facts = &mut self.facts[of(key)];
                facts.stuck |= facts.told_at.is_none() && !facts.executed;
            }
            Effect::Promoted(key) => {
                let facts = &mut self.facts[of(key)];
                (facts.is_candidate, facts.announced) = (false, true);
                let book = &mut self.books[usize::from(key.slot())];
                (book.worker, book.candidate, book.has_run) = (Some(of(key)), None, true);
                book.crashes.clear();
                self.restarts += 1;
            }
            Effect::CallOnExit { worker, end, crash } => {
                let told = (*worker, end.exit_status(), *crash);
                assert_eq!(Some(told), self.exits.pop(), "invariant 4, the counts do not add up: on_exit");
            }
            // A failed deploy, which has been told.
            Effect::Report(Notice::RestartAbandoned { .. }) => {
                self.asked = self.asked.filter(|asked| self.newest_candidate < *asked);
                for book in &mut self.books {
                    book.not_before = book.not_before.min(now + core.settings.respawn_delay);
                }
            }
            Effect::Ready(_) | Effect::Release(_) | Effect::CallOnStart(_) | Effect::Report(_) => {}
        }
    }

    fn spawned(&mut self, now: Time, key: ProcessKey, image: Image, core: &Supervisor) {
        let book = &mut self.books[usize::from(key.slot())];
        let (is_candidate, index) = (image == Image::Deployed, self.facts.len());
        assert!(!core.is_stopping(), "invariant 5, a shutdown that does not end: spawned into slot {}", key.slot());
        if is_candidate {
            let is_open = core.is_restarting() && (book.worker.is_some() || book.rest != Status::Stopping);
            assert!(is_open, "invariant 2, spawned where nothing may run: into slot {}, {:?}", key.slot(), book.rest);
            book.candidate = Some(index);
            self.newest_candidate = index;
        } else {
            assert!(book.worker.is_none(), "invariant 1, a second worker: in slot {}", key.slot());
            let is_open = matches!(book.rest, Status::Starting | Status::Respawning);
            assert!(is_open, "invariant 2, spawned where nothing may run: into slot {}, {:?}", key.slot(), book.rest);
            assert!(now >= book.not_before, "invariant 2, spawned too early: into slot {}", key.slot());
            book.worker = Some(index);
        }
        let is_respawn = !is_candidate && book.has_run;
        self.facts.push(Facts { slot: key.slot(), is_candidate, is_respawn, ..Facts::default() });
    }

    fn check_view(&self, view: WorkerView) {
        let book = &self.books[usize::from(view.id)];
        let status = match book.worker.map(|index| &self.facts[index]) {
            Some(worker) if worker.told_at.is_some() => Status::Stopping,
            Some(worker) if worker.executed || worker.announced => Status::Active,
            Some(_) => Status::Starting,
            None => book.rest,
        };
        let process = view.process.map(|(key, _)| usize::try_from(key.serial()).unwrap());
        let shown = (view.status, process, view.exit_status, usize::from(view.crash_count));
        let true_one = (status, book.worker, book.exit_status, book.crashes.len());
        assert_eq!(shown, true_one, "invariant 4, the counts do not add up: of worker {}", view.id);
    }

    /// Whether the slot's worker is as good as one that is told to go.
    fn is_covered(&self, index: usize) -> bool {
        let old = &self.facts[index];
        let worker = self.books[usize::from(old.slot)].worker.filter(|worker| *worker != index);
        let on_port: Vec<&SocketAddr> = old.homes.iter().filter(|home| home.port() == PORT).collect();
        let wanted = if on_port.is_empty() { old.homes.iter().collect() } else { on_port };
        worker.is_some_and(|worker| wanted.iter().all(|home| self.facts[worker].homes.contains(home)))
    }
}

impl Facts {
    /// Contract 3.1, 7.3 and 2.2.
    fn has_crashed(&self, end: End) -> bool {
        let is_graceful = match end {
            End::Exited(code) => code == 0 && self.joined,
            End::Killed(signal) => signal == 15 || signal == 2,
            End::Lost => false,
        };
        self.condemned || (self.told_at.is_none() && !is_graceful)
    }
}

impl World {
    /// After every event.
    pub(super) fn check_truth(&mut self) {
        let is_open = self.driver.core.is_restarting() || self.is_stopping();
        if let Some(asked) = self.truth.asked.take_if(|_| !is_open) {
            let is_old = self.truth.books.iter().any(|book| book.worker.is_some_and(|worker| worker < asked));
            assert!(!is_old, "invariant 5, a restart that was asked for does not come: {:#?}", self.driver.core);
        }
        let core = &self.driver.core;
        assert_eq!(self.truth.exits, [], "invariant 4, the counts do not add up: an end without on_exit");
        for view in core.workers() {
            self.truth.check_view(view);
        }
        assert_eq!(core.total_restarts(), self.truth.restarts, "invariant 4, the counts do not add up: the restarts");
        let most = if core.is_restarting() || core.is_stopping() { 2 } else { 1 };
        let mut living = [0; MOST_WORKERS];
        for process in self.processes.iter().filter(|process| process.is_alive()) {
            let slot = usize::from(process.key.slot());
            living[slot] += 1;
            assert!(living[slot] <= most, "invariant 1, a second worker: {} processes in slot {slot}", living[slot]);
        }
    }

    /// Somebody is told to go: may that be, and may the requests in his hands be lost by it?
    pub(super) fn check_farewell(&mut self, key: ProcessKey, effect: &Effect) {
        let index = usize::try_from(key.serial()).unwrap();
        let (now, timeout) = (self.driver.now, self.driver.core.settings.shutdown_timeout);
        let facts = &self.truth.facts[index];
        let is_free = self.is_stopping() || facts.condemned || facts.is_candidate;
        if !is_free && facts.told_at.is_none() && self.processes[index].accepts() {
            let is_covered = self.truth.is_covered(index);
            assert!(is_covered, "invariant 3, capacity falls: {} is told to go: {effect:?}", self.name(index));
        }
        let may_lose = match effect {
            Effect::Kill(_) => facts.told_at.is_some_and(|told| told + timeout <= now),
            Effect::Stop(..) => {
                let is_over = |since: Time| since + timeout / 2 <= now;
                facts.drained || facts.drains_since.is_some_and(is_over)
            }
            Effect::Drain(_)
            | Effect::Spawn(..)
            | Effect::Ready(_)
            | Effect::Promoted(_)
            | Effect::Release(_)
            | Effect::CallOnStart(_)
            | Effect::CallOnExit { .. }
            | Effect::Report(_) => false,
        };
        self.processes[index].may_lose |= is_free || may_lose;
    }

    /// After every turn of the loop: a shutdown ends in time (contract 4.1), whatever the processes do.
    pub(super) fn check_shutdown(&self) {
        let core = &self.driver.core;
        if !core.is_stopping() || core.is_over() {
            return;
        }
        let slack = ms(SLOW_DEATH + 10) + self.slept_since_stop;
        let limit = self.truth.kill_at.unwrap_or(self.driver.now) + slack;
        assert!(self.driver.now <= limit, "invariant 5, a shutdown that does not end: {core:#?}");
    }

    /// At the end nothing of it is left.
    pub(super) fn check_end(&self) {
        for (index, process) in self.processes.iter().enumerate() {
            let is_gone = matches!(process.stage, Stage::NeverMade | Stage::Reaped);
            assert!(is_gone, "invariant 5, over, and {} is left", self.name(index));
        }
    }
}
