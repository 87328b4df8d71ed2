//! Tests of the state machine. The [`Driver`] plays the shell and the kernel on a virtual clock: a test says what happens
//! and when, and looks at the effects and the statistics. After every step the driver checks what must always hold
//! ([`rules`]), so that each scenario tests all of that, too.

mod channel;
mod crashes;
mod deploys;
mod handoff;
mod latecomers;
mod listeners;
mod patience;
mod queues;
mod random;
mod restart;
mod rules;
mod shutdown;
mod sim;
mod spawning;
mod start;
mod transitions;
mod turns;

use std::net::SocketAddr;
use std::num::{NonZeroU8, NonZeroU16};
use std::time::Duration;

use super::*;
use crate::config::{Settings, StartupDelay};
use crate::wire::ListenerId;
use rules::Rules;

const PORT: u16 = 3000;
const SEGV: End = End::Killed(11);
/// Too many processes for the moment.
const EAGAIN: SpawnError = SpawnError { step: "making its process", errno: 11, transient: true };
/// No such file.
const ENOENT: SpawnError = SpawnError { step: "opening the program file", errno: 2, transient: false };

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Where a server of these tests listens.
fn home() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], PORT))
}

/// The same port on the other address family.
fn home_v6() -> SocketAddr {
    SocketAddr::from(([0u16; 8], PORT))
}

/// Another port, such as a server's for its metrics.
fn elsewhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], PORT + 1))
}

/// The defaults of the C interface, with respawn.
fn settings(workers: u8) -> Settings {
    Settings {
        workers: NonZeroU8::new(workers).unwrap(),
        port: NonZeroU16::new(PORT).unwrap(),
        respawn: true,
        shutdown_timeout: secs(15),
        startup_delay: StartupDelay::Default,
        respawn_delay: ms(100),
        respawn_window: secs(5),
        respawn_max_crashes: 3,
        handoff: false,
    }
}

/// Owns a state machine and the time, and remembers what it was told to make.
struct Driver {
    core: Supervisor,
    now: Time,
    rules: Rules,
    spawned: Vec<(ProcessKey, Image)>,
}

impl Driver {
    fn new(settings: Settings) -> Self {
        Self { rules: Rules::new(&settings), core: Supervisor::new(settings), now: secs(1000), spawned: Vec::new() }
    }

    /// A cluster whose workers all listen, a while after its start.
    fn started(settings: Settings) -> Self {
        let workers = settings.workers.get();
        let mut driver = Self::new(settings);
        driver.happens(Event::Begin);
        for slot in 0..workers {
            driver.wait_for_spawn(slot);
            driver.serve(driver.latest(slot));
        }
        assert!(!driver.core.is_starting());
        driver.pass(secs(60));
        driver
    }

    /// Something happens now; due deadlines are dealt with as well, as the shell does.
    fn happens(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = self.handle(event);
        effects.extend(self.run_due());
        effects
    }

    /// The time goes on, and stops at each deadline.
    fn pass(&mut self, time: Duration) -> Vec<Effect> {
        let end = self.now + time;
        let mut effects = Vec::new();
        while let Some(deadline) = self.core.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            effects.extend(self.run_due());
        }
        self.now = end;
        effects
    }

    fn run_due(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut ticks = 0;
        while self.core.next_deadline().is_some_and(|deadline| deadline <= self.now) {
            effects.extend(self.handle(Event::Tick));
            ticks += 1;
            assert!(ticks <= 3, "the master would spin (contract 4.5): {:#?}", self.core);
        }
        effects
    }

    fn handle(&mut self, event: Event) -> Vec<Effect> {
        self.rules.before(&self.core);
        let effects = self.core.handle(self.now, event);
        let made = |effect: &Effect| if let Effect::Spawn(key, image) = effect { Some((*key, *image)) } else { None };
        self.spawned.extend(effects.iter().filter_map(made));
        self.rules.after(self.now, event, &effects, &self.core);
        effects
    }

    /// Lets the start go on until this slot's process is made.
    fn wait_for_spawn(&mut self, slot: u8) {
        while !self.spawned.iter().any(|(key, _)| key.slot() == slot) {
            let deadline = self.core.next_deadline().expect("the start goes on");
            self.pass(deadline.saturating_sub(self.now));
        }
    }

    /// The process that was made last for a slot.
    fn latest(&self, slot: u8) -> ProcessKey {
        self.spawned.iter().rev().find(|(key, _)| key.slot() == slot).expect("one has been made").0
    }

    /// The process that a slot's statistics describe.
    fn worker(&self, slot: u8) -> ProcessKey {
        self.view(slot).process.expect("a process runs").0
    }

    fn view(&self, slot: u8) -> WorkerView {
        self.core.workers().find(|view| view.id == slot).unwrap()
    }

    fn status(&self, slot: u8) -> Status {
        self.view(slot).status
    }

    fn statuses(&self) -> Vec<Status> {
        self.core.workers().map(|view| view.status).collect()
    }

    /// The program runs in it and has called `cluster_init`.
    fn join(&mut self, key: ProcessKey) -> Vec<Effect> {
        let mut effects = self.happens(Event::Executed(key));
        effects.extend(self.happens(Event::Joined(key)));
        effects
    }

    /// The program runs in it, and listens where all of them do.
    fn serve(&mut self, key: ProcessKey) -> Vec<Effect> {
        let mut effects = self.join(key);
        effects.extend(self.happens(Event::Listening(key, home())));
        effects
    }

    fn end(&mut self, key: ProcessKey, end: End) -> Vec<Effect> {
        self.happens(Event::Ended(key, end))
    }

    fn crash(&mut self, slot: u8) -> Vec<Effect> {
        self.end(self.worker(slot), End::Exited(1))
    }

    /// A slot's worker crashes until it is disabled.
    fn disable(&mut self, slot: u8) {
        for _ in 0..2 {
            self.crash(slot);
            self.pass(ms(100));
            self.serve(self.latest(slot));
        }
        self.crash(slot);
        assert_eq!(self.status(slot), Status::Disabled);
    }

    fn restart(&mut self) -> Vec<Effect> {
        self.happens(Event::RestartRequested)
    }

    fn stop(&mut self) -> Vec<Effect> {
        self.happens(Event::StopRequested(StopSignal::Term))
    }

    /// A slot's turn in a restart, from the replacement's making to its predecessor's end.
    fn replace(&mut self, slot: u8) {
        let old = self.view(slot).process;
        self.serve(self.latest(slot));
        if let Some((old, _)) = old {
            self.end(old, End::Killed(15));
        }
    }

    /// Every process ends as it was told; nothing else may follow.
    fn end_all(&mut self) {
        for key in self.rules.live() {
            self.end(key, End::Killed(15));
        }
        assert!(self.core.is_over());
        assert_eq!(self.pass(secs(3600)), [], "after the end");
    }
}

/// What was made: for which slots, of which image.
fn spawns(effects: &[Effect]) -> Vec<(u8, Image)> {
    some(effects, |effect| if let Effect::Spawn(key, image) = effect { Some((key.slot(), *image)) } else { None })
}

fn stops(effects: &[Effect]) -> Vec<(ProcessKey, StopSignal)> {
    some(effects, |effect| if let Effect::Stop(key, signal) = effect { Some((*key, *signal)) } else { None })
}

fn kills(effects: &[Effect]) -> Vec<ProcessKey> {
    some(effects, |effect| if let Effect::Kill(key) = effect { Some(*key) } else { None })
}

fn drains(effects: &[Effect]) -> Vec<ProcessKey> {
    some(effects, |effect| if let Effect::Drain(key) = effect { Some(*key) } else { None })
}

fn releases(effects: &[Effect]) -> Vec<Released> {
    some(effects, |effect| if let Effect::Release(what) = effect { Some(*what) } else { None })
}

fn notices(effects: &[Effect]) -> Vec<Notice> {
    some(effects, |effect| if let Effect::Report(notice) = effect { Some(notice.clone()) } else { None })
}

fn some<T>(effects: &[Effect], choose: impl Fn(&Effect) -> Option<T>) -> Vec<T> {
    effects.iter().filter_map(choose).collect()
}

/// The program's callbacks, in order.
fn calls(effects: &[Effect]) -> Vec<Effect> {
    let is_call = |effect: &&Effect| matches!(effect, Effect::CallOnStart(_) | Effect::CallOnExit { .. });
    effects.iter().filter(is_call).cloned().collect()
}

fn on_exit(worker: u8, end: End, crash: bool) -> Effect {
    Effect::CallOnExit { worker, end, crash }
}

fn crashed(worker: u8, after: Duration, end: End) -> Notice {
    Notice::Crashed { worker, after, end }
}

fn abandoned(worker: u8, failure: DeployFailure) -> Notice {
    Notice::RestartAbandoned { worker, failure }
}

/// A key that no process has.
fn unknown(slot: u8) -> ProcessKey {
    ProcessKey::new(slot, 1 << 40)
}
