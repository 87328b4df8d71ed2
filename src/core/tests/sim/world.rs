//! A history: turns at which something is done to the cluster, then calm, in which everything has to come right, and the
//! end.

use super::choices::What;
use super::kernel::{Cause, Stage};
use super::program::Build;
use super::shell::Asked;
use super::sockets::Request;
use super::*;

const TURNS: u32 = 16;

impl World {
    pub(super) fn new(mut choices: Choices) -> Self {
        let settings = some_settings(&mut choices);
        let workers = settings.workers.get();
        let build = [Build::Good, Build::Both, Build::Slow, Build::Silent, Build::Elsewhere, Build::Crashes];
        let build = build[choices.ask(What::FirstBuild, 0, &[16, 3, 1, 1, 1, 1])];
        Self {
            choices,
            driver: Driver::new(settings),
            truth: Truth::new(workers),
            agenda: Agenda::new(),
            sequence: 0,
            processes: Vec::new(),
            sockets: Vec::new(),
            requests: Vec::new(),
            news: News::new(),
            hears: Vec::new(),
            queue: shell::Queue::new(),
            asked: VecDeque::new(),
            calls: 0,
            born: [0; MOST_WORKERS],
            held: [build; MOST_WORKERS],
            deployed: build,
            curse: None,
            scarce_until: Time::ZERO,
            deadline: None,
            asleep_until: Time::ZERO,
            slept: Time::ZERO,
            slept_since_stop: Time::ZERO,
            reached: Reached::default(),
            trace: None,
        }
    }

    pub(super) fn history(&mut self) {
        self.happened(Event::Begin);
        for turn in 0..TURNS {
            self.turn(turn);
            if self.driver.core.is_over() {
                return self.check_end();
            }
        }
        self.calm();
        self.check_end();
    }

    fn turn(&mut self, turn: u32) {
        let odds = [16, 3, 4, 3, 1, 2, 1, 2, 1, 1, 2, 2, 1, 1];
        let act = self.choices.ask(What::Act, turn, &odds);
        if act > 0 {
            self.perform_turn(turn, act);
        }
        for _ in 0..[1, 0, 4][self.choices.ask(What::Clients, turn, &[6, 1, 2])] {
            self.connect();
        }
        let waits = [50, 0, 1, 100, 500, 1000, 5000, 12_000];
        let wait = waits[self.choices.ask(What::Wait, turn, &[8, 1, 2, 4, 4, 4, 3, 2])];
        self.run_for(ms(wait));
    }

    fn perform_turn(&mut self, turn: u32, act: usize) {
        let chosen = self.choices.ask(What::ActTo, turn, &[1; 8]);
        let living: Vec<usize> = (0..self.processes.len()).filter(|index| self.processes[*index].is_alive()).collect();
        let one = living.get(chosen % living.len().max(1)).copied();
        self.note(|world| {
            let whom = one.map(|index| world.name(index)).unwrap_or_default();
            format!("the world: {} ({chosen}; {whom})", DEEDS[act])
        });
        match (act, one) {
            (1, _) => self.asked.push_back(Asked::Restart),
            (2, _) => {
                self.deployed = Build::DEPLOYS[chosen];
                self.asked.push_back(Asked::Restart);
            }
            (3, Some(index)) => self.kill(index, Cause::World),
            (4, Some(index)) => self.terminate(index, Cause::World),
            (5, Some(index)) => self.processes[index].hung = true,
            (6, _) => self.scarce_until = self.driver.now + ms([50, 1000, 7000, 12_000][chosen / 2]),
            (7, _) => self.sleep(ms([5, 500, 3000, 15_000][chosen / 2])),
            (8, Some(index)) if self.processes[index].stage != Stage::Forked => self.say(index, kernel::Said::Nonsense),
            (9, Some(index)) => self.close_own(index),
            (10, _) => {
                let slot = u8::try_from(chosen % usize::from(self.workers())).unwrap();
                self.curse = Some((slot, self.driver.now + secs(3)));
                if let Some(index) = self.processes.iter().position(|p| p.is_alive() && p.key.slot() == slot) {
                    self.kill(index, Cause::World);
                }
            }
            (11, _) => self.asked.extend([Asked::Restart, Asked::Restart]),
            (12, _) if chosen < 3 => self.asked.push_back(Asked::Stop(StopSignal::Term)),
            (12, _) if chosen < 5 => self.asked.push_back(Asked::Stop(StopSignal::Kill)),
            (13, _) if chosen < 4 => {
                self.asked.extend([Asked::Stop(StopSignal::Int), Asked::Restart, Asked::Stop(StopSignal::Kill)]);
            }
            _ => {}
        }
    }

    /// The master does nothing for a while.
    fn sleep(&mut self, time: Duration) {
        self.asleep_until = self.driver.now + time;
        self.slept += time;
        self.slept_since_stop += time;
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.driver.now + time;
        while !self.driver.core.is_over() {
            let now = self.driver.now;
            if now >= self.asleep_until {
                self.master_runs();
                self.check_waiting();
                self.check_shutdown();
            }
            let act = self.agenda.first_key_value().map(|((time, _), _)| *time);
            let asleep = (self.asleep_until > now).then_some(self.asleep_until);
            let deadline = asleep.or(self.deadline);
            let next = act.into_iter().chain(deadline).min().filter(|next| *next <= end);
            let Some(next) = next else { break };
            self.driver.now = next.max(now);
            while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= self.driver.now) {
                let act = entry.remove();
                self.perform_act(act);
            }
        }
        self.driver.now = end;
    }

    /// Nothing goes wrong any more: a restart under way comes to its end, a further one succeeds in every slot, every
    /// request is answered, and a shutdown ends.
    fn calm(&mut self) {
        self.note(|_| "calm".to_owned());
        self.choices.is_calm = true;
        self.deployed = Build::Everywhere;
        self.asleep_until = Time::ZERO;
        self.scarce_until = Time::ZERO;
        self.restarts_end();
        if !self.is_stopping() && !self.driver.core.is_over() {
            self.asked.push_back(Asked::Restart);
            self.run_for(secs(1));
            self.restarts_end();
        }
        if !self.is_stopping() && !self.driver.core.is_over() {
            self.all_is_well();
            self.asked.push_back(Asked::Stop(StopSignal::Term));
        }
        self.run_for(self.driver.core.settings.shutdown_timeout + secs(20));
        assert!(self.driver.core.is_over(), "invariant 5, a shutdown that does not end: {:#?}", self.driver.core);
    }

    fn restarts_end(&mut self) {
        for _ in 0..100 {
            let core = &self.driver.core;
            if core.is_over() || core.is_stopping() || (!core.is_restarting() && !core.is_starting()) {
                return;
            }
            self.run_for(secs(5));
        }
        panic!("invariant 5, a restart that does not end: {:#?}", self.driver.core);
    }

    fn all_is_well(&mut self) {
        self.run_for(secs(70));
        let before = self.requests.len();
        for _ in 0..2 * self.workers() {
            self.connect();
        }
        self.run_for(secs(1));
        for view in self.driver.core.workers() {
            let is_well = view.status == Status::Active || self.truth.has_ended_gracefully(view.id);
            assert!(is_well, "invariant 3, capacity falls: worker {} is {:?} after it all", view.id, view.status);
            if let Some((key, _)) = view.process {
                let build = self.processes[usize::try_from(key.serial()).unwrap()].build;
                assert_eq!(build, Build::Everywhere, "invariant 3, a slot is left behind: worker {}", view.id);
            }
        }
        for (number, request) in self.requests.iter().enumerate() {
            let is_old = number < before;
            let is_fine = match request {
                Request::Answered => true,
                Request::Gone | Request::Refused => is_old,
                Request::Waits | Request::InHand => is_old && !self.handoff(),
            };
            assert!(is_fine, "invariant 7, a request is lost: {request:?} after it all");
        }
    }
}

/// What the acts are called.
const DEEDS: [&str; 14] = [
    "nothing",
    "a restart is asked for",
    "a deploy",
    "kills one",
    "ends one by SIGTERM",
    "stops one for good",
    "has no processes for a while",
    "lets the master sleep",
    "sends nonsense to the master",
    "closes a listener",
    "lets one slot crash for a while",
    "asks for two restarts",
    "stops the cluster",
    "stops the cluster, and kills it",
];

fn some_settings(choices: &mut Choices) -> Settings {
    let delay = choices.ask(What::RespawnDelay, 0, &[4, 1, 1]);
    let timeout = choices.ask(What::Timeout, 0, &[4, 2, 1]);
    let startup = choices.ask(What::StartupDelay, 0, &[3, 1]);
    Settings {
        respawn: choices.ask(What::RespawnOff, 0, &[6, 1]) == 0,
        handoff: choices.ask(What::HandoffOff, 0, &[6, 1]) == 0,
        startup_delay: if startup == 0 { StartupDelay::Default } else { StartupDelay::Explicit(ms(300)) },
        respawn_delay: ms([100, 1, 1500][delay]),
        shutdown_timeout: ms([3000, 15_000, 10][timeout]),
        respawn_max_crashes: [3, 1, 2, 5][choices.ask(What::MostCrashes, 0, &[4, 1, 1, 1])],
        ..settings([2, 1, 3, 4][choices.ask(What::Workers, 0, &[4, 4, 2, 1])])
    }
}
