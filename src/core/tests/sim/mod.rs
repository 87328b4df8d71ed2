//! The simulator: the core runs against a fake kernel with a virtual clock, in which programs crash, hang, are late, say
//! nonsense and ignore signals, processes cannot be made, statuses are taken by others, and the master sleeps. A seed gives a
//! history. After every event the rules of [`super::rules`] hold, and the invariants that compare the core with the
//! kernel's truth:
//!
//! 1. No slot has two live workers outside a restart.
//! 2. Nothing is spawned where nothing may run: a disabled worker never.
//! 3. Capacity never falls in a restart.
//! 4. The counts add up: the statistics are what the kernel has seen.
//! 5. A shutdown ends in bounded time, and a restart as well.
//! 6. Nothing is signalled after it was reaped.
//! 7. A request is never lost: unless its process crashed, hung or was killed by the world, or had its time.

mod choices;
mod kernel;
mod program;
mod report;
mod shell;
mod sockets;
mod truth;
mod world;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;
use choices::Choices;
use kernel::{Act, Process};
use program::Build;
use report::Reached;
use sockets::{Request, Socket};
use truth::Truth;

/// So many histories in each run of the tests.
const SEEDS: u64 = 10_000;
const MOST_WORKERS: usize = 4;
/// The longest that the kernel takes to end a process that it has killed.
const SLOW_DEATH: u64 = 1000;

/// Kinds of news, in the order in which the master takes those of one wait.
const EXEC_REPORT: u8 = 1;
const CHANNEL: u8 = 2;
const PIDFD: u8 = 3;

type Agenda = BTreeMap<(Time, u64), Act>;
type News = BTreeSet<(u8, usize)>;

/// The whole of it: the core in its driver, the loop around it, the kernel, the clients.
struct World {
    choices: Choices,
    driver: Driver,
    truth: Truth,
    agenda: Agenda,
    sequence: u64,
    /// By their serial numbers.
    processes: Vec<Process>,
    sockets: Vec<Socket>,
    requests: Vec<Request>,
    news: News,
    /// Whether the master has the process's channel open.
    hears: Vec<bool>,
    queue: shell::Queue,
    asked: VecDeque<shell::Asked>,
    calls: u32,
    born: [u32; MOST_WORKERS],
    /// The build that each slot runs, and the one on disk.
    held: [Build; MOST_WORKERS],
    deployed: Build,
    /// A slot whose processes crash until then.
    curse: Option<(u8, Time)>,
    /// No process can be made until then.
    scarce_until: Time,
    /// What the core has last said.
    deadline: Option<Time>,
    asleep_until: Time,
    slept: Duration,
    slept_since_stop: Duration,
    reached: Reached,
    trace: Option<Vec<String>>,
}

impl World {
    fn handoff(&self) -> bool {
        self.driver.core.settings.handoff
    }

    fn workers(&self) -> u8 {
        self.driver.core.settings.workers.get()
    }

    fn is_stopping(&self) -> bool {
        self.driver.core.is_stopping()
    }

    fn name(&self, index: usize) -> String {
        let key = self.processes[index].key;
        format!("#{}@{}", key.serial(), key.slot())
    }

    /// For the history that is printed.
    fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = format!("{:10.3} s  {}", self.driver.now.as_secs_f64() - 1000.0, line(self));
            self.trace.iter_mut().for_each(|trace| trace.push(line.clone()));
        }
    }
}

/// `make simulate` asks for more histories, or for a look at one.
fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok().filter(|value| !value.is_empty())?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is to be a number, and is {value:?}")))
}

#[test]
fn simulated_histories_keep_the_invariants_contract_3_to_7() {
    if let Some(seed) = number("ECEWO_SIMULATE_SEED") {
        eprintln!("{}", report::history_of(seed));
        report::simulate(seed, 1, false);
        return;
    }
    let asked = number("ECEWO_SIMULATE_SEEDS");
    let reached = report::simulate(0, asked.unwrap_or(SEEDS), asked.is_some());
    if asked.is_some() {
        reached.0.iter().for_each(|(what, times)| eprintln!("{times:12}  {what}"));
    }
    for what in report::TO_REACH {
        assert!(reached.0.contains_key(what) || asked.is_some_and(|seeds| seeds < SEEDS), "never reached: {what}");
    }
}
