//! The behaviour of sections 2 to 7 of the contract, over both interfaces: one list of scenarios, and a driver for each interface.
//! README.md in this folder says how it works and how a scenario is added.
//!
//! This file is two programs: with [`SUBJECT`] as its first argument it is the Rust driver, otherwise the tests. It has its own
//! `main`, since a worker runs the same program with the same arguments as its master.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // Tests report by panicking.

mod client;
mod drivers;
mod failure;
mod handoff;
mod list;
mod process;
mod restart;
mod roles;
mod run;
mod setup;
mod signals;
mod stage;
mod subject;
mod supervision;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use drivers::Driver;
use list::{SCENARIOS, Scenario};
use stage::Stage;

/// The first argument of a driver.
const SUBJECT: &str = "subject";
/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);
/// Scenarios at once. They mostly wait.
const THREADS: usize = 8;

thread_local! {
    /// What the last panic of this thread said, and where.
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
}

struct Ran {
    scenario: &'static Scenario,
    driver: &'static str,
    failure: Option<String>,
}

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|argument| argument == SUBJECT) {
        return subject::main();
    }
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let chosen: Vec<&'static Scenario> = SCENARIOS.iter().filter(|scenario| scenario.name.contains(&wanted)).collect();
    if chosen.is_empty() {
        println!("0 passed, 0 failed");
        return ExitCode::SUCCESS;
    }
    let names: BTreeSet<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), SCENARIOS.len(), "two scenarios have one name");
    process::adopt_orphans();
    let drivers = drivers::make();
    std::panic::set_hook(Box::new(|panic| SAID.set(panic.to_string())));

    let started = Instant::now();
    let results = play_all(&chosen, &drivers.list);
    let failed = results.iter().filter(|ran| ran.failure.is_some()).count();
    let unheard = missing(&chosen, &drivers.list, &results);
    for (scenario, driver) in &unheard {
        println!("test {scenario} over {driver} ... DID NOT RUN");
    }
    println!("{} scenarios over {} in {:.1?}", chosen.len(), drivers.names(), started.elapsed());
    println!("{} passed, {} failed", results.len() - failed, failed + unheard.len());
    ExitCode::from(u8::from(failed + unheard.len() > 0))
}

fn play_all(chosen: &[&'static Scenario], drivers: &[Driver]) -> Vec<Ran> {
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((scenario, driver)) = pair(chosen, drivers, next.fetch_add(1, Ordering::Relaxed)) {
                    let ran = play(scenario, driver);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push(ran);
                }
            });
        }
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Each scenario with each driver.
fn pair<'a>(
    chosen: &[&'static Scenario],
    drivers: &'a [Driver],
    number: usize,
) -> Option<(&'static Scenario, &'a Driver)> {
    let scenario = chosen.get(number / drivers.len())?;
    Some((scenario, drivers.get(number % drivers.len())?))
}

fn play(scenario: &'static Scenario, driver: &Driver) -> Ran {
    let stage = Stage::new(driver);
    let is_passed = catch_unwind(AssertUnwindSafe(|| (scenario.play)(&stage))).is_ok();
    let failure = (!is_passed).then(|| format!("{}\n{}", SAID.take(), stage.transcript()));
    let title = format!("test {} (contract {}) over {}", scenario.name, scenario.contract, driver.name);
    match &failure {
        None => println!("{title} ... ok"),
        Some(failure) => println!("{title} ... FAILED\n{failure}"),
    }
    Ran { scenario, driver: driver.name, failure }
}

/// What has not run, whatever the reason: no scenario is for one interface alone.
fn missing(chosen: &[&'static Scenario], drivers: &[Driver], results: &[Ran]) -> Vec<(&'static str, &'static str)> {
    let has_run = |scenario: &Scenario, driver: &str| {
        results.iter().any(|ran| ran.scenario.name == scenario.name && ran.driver == driver)
    };
    chosen
        .iter()
        .flat_map(|scenario| drivers.iter().map(move |driver| (scenario.name, driver.name, *scenario)))
        .filter(|(_, driver, scenario)| !has_run(scenario, driver))
        .map(|(scenario, driver, _)| (scenario, driver))
        .collect()
}
