//! Runs histories by the thousand. Of one that fails it finds a short form that fails in the same way, and prints it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};

use super::choices::Decision;
use super::*;

/// Most replays while a history is shortened.
const MOST_REPLAYS: u32 = 3000;

thread_local! {
    /// Whether a panic of this thread is a finding, to be told later.
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
    static FINDING: RefCell<Option<Finding>> = const { RefCell::new(None) };
}

/// What a history broke, and where that was noticed.
#[derive(Clone, Debug)]
struct Finding {
    place: String,
    message: String,
}

struct Outcome {
    finding: Option<Finding>,
    taken: Vec<Decision>,
    reached: Reached,
    trace: Vec<String>,
}

/// What has happened in the histories: a simulator in which nothing happens finds nothing.
#[derive(Default)]
pub(super) struct Reached(pub(super) BTreeMap<&'static str, u64>);

impl Reached {
    pub(super) fn count(&mut self, what: &'static str, count: u64) {
        *self.0.entry(what).or_default() += count;
    }

    pub(super) fn take_in(&mut self, event: Event, effects: &[Effect]) {
        if !effects.is_empty() || matches!(event, Event::Ended(..)) {
            self.count(event_name(event), 1);
        }
        for effect in effects {
            self.count(effect_name(effect), 1);
        }
    }
}

/// Runs these seeds on all processors. Panics with a report if one fails.
pub(super) fn simulate(first: u64, count: u64, tells_progress: bool) -> Reached {
    let (next, failed, all) = (AtomicU64::new(first), AtomicU64::new(u64::MAX), Mutex::new(Reached::default()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut reached = Reached::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count || failed.load(Ordering::Relaxed) < seed {
                        break;
                    }
                    let outcome = run(Choices::seeded(seed), false);
                    if outcome.finding.is_some() {
                        failed.fetch_min(seed, Ordering::Relaxed);
                    }
                    outcome.reached.0.iter().for_each(|(what, times)| reached.count(what, *times));
                    let done = seed + 1 - first;
                    if tells_progress && done % (count / 20).max(1) == 0 {
                        eprintln!("{done} of {count} histories");
                    }
                }
                let mut all = all.lock().unwrap();
                reached.0.into_iter().for_each(|(what, times)| all.count(what, times));
            });
        }
    });
    let failed = failed.into_inner();
    assert!(failed == u64::MAX, "{}", report(failed));
    all.into_inner().unwrap()
}

/// One history in all its length, for a closer look.
pub(super) fn history_of(seed: u64) -> String {
    let outcome = run(Choices::seeded(seed), true);
    outcome.trace.join("\n")
}

fn run(choices: Choices, traces: bool) -> Outcome {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !IS_QUIET.get() {
                return usual(panic);
            }
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let payload = panic.payload();
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let message = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned();
            FINDING.set(Some(Finding { place, message }));
        }));
    });
    let mut world = World::new(choices);
    world.trace = traces.then(Vec::new);
    IS_QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(|| world.history()));
    IS_QUIET.set(false);
    let finding = result.err().and_then(|_| FINDING.take());
    for request in &world.requests {
        world.reached.count(request_name(*request), 1);
    }
    let World { choices, reached, trace, .. } = world;
    Outcome { finding, taken: choices.taken, reached, trace: trace.unwrap_or_default() }
}

fn report(seed: u64) -> String {
    let outcome = run(Choices::seeded(seed), false);
    let finding = outcome.finding.expect("the same seed gives the same history");
    let long = outcome.taken.len();
    let short = shorten(outcome.taken, |decisions| {
        let again = run(Choices::replay(decisions), false);
        again.finding.filter(|other| other.place == finding.place).map(|_| again.taken)
    });
    let again = run(Choices::replay(&short), true);
    let mut text = String::new();
    let _ = writeln!(text, "the history of seed {seed} broke a rule at {}:", finding.place);
    let _ = writeln!(text, "{}\n", again.finding.unwrap_or(finding).message);
    let _ = writeln!(text, "Shortened from {long} decisions to {}:", short.len());
    for Decision { what, place, choice } in &short {
        let _ = writeln!(text, "    {what:?} at {place:#x}: {choice}");
    }
    let _ = writeln!(text, "Its history:");
    for line in &again.trace {
        let _ = writeln!(text, "{line}");
    }
    let _ = writeln!(text, "\nThe long one: make simulate SEED={seed}");
    text
}

/// Leaves decisions out, in ever smaller pieces, as long as it fails in the same way. `fails` gives the decisions that
/// were made in a history that did.
fn shorten(decisions: Vec<Decision>, fails: impl Fn(&[Decision]) -> Option<Vec<Decision>>) -> Vec<Decision> {
    let mut best = decisions;
    let mut replays = 0;
    let mut size = best.len().div_ceil(2);
    while size > 0 {
        let mut start = 0;
        let mut is_better = false;
        while start < best.len() && replays < MOST_REPLAYS {
            let end = (start + size).min(best.len());
            let without: Vec<Decision> = [&best[..start], &best[end..]].concat();
            replays += 1;
            match fails(&without).filter(|taken| taken.len() < best.len()) {
                Some(taken) => (best, is_better) = (taken, true),
                None => start = end,
            }
        }
        size = if is_better && size == 1 { 1 } else { size / 2 };
    }
    best
}

fn event_name(event: Event) -> &'static str {
    match event {
        Event::Begin => "event: the start",
        Event::Tick => "event: a deadline",
        Event::SpawnFailed(..) => "event: a process could not be made",
        Event::Executed(_) => "event: the program runs",
        Event::Joined(_) => "event: the program has joined",
        Event::Listening(..) => "event: it listens",
        Event::BindFailed(..) => "event: a port in use",
        Event::Closed(..) => "event: a listener closed",
        Event::Drained(_) => "event: drained",
        Event::ChannelBroken(_) => "event: nonsense on a channel",
        Event::Ended(_, End::Lost) => "event: an end whose status is lost",
        Event::Ended(..) => "event: an end",
        Event::StopRequested(_) => "event: a stop",
        Event::RestartRequested => "event: a restart begins",
    }
}

fn effect_name(effect: &Effect) -> &'static str {
    match effect {
        Effect::Spawn(_, Image::Held) => "effect: make a worker",
        Effect::Spawn(_, Image::Deployed) => "effect: make a replacement",
        Effect::Stop(..) => "effect: tell it to stop",
        Effect::Drain(_) => "effect: tell it to drain",
        Effect::Kill(_) => "effect: kill it",
        Effect::Ready(_) => "effect: it is ready",
        Effect::Promoted(_) => "effect: it is promoted",
        Effect::Release(Released::Everything) => "effect: let go of all sockets",
        Effect::Release(Released::Slot(_)) => "effect: let go of a slot's sockets",
        Effect::Release(Released::One(..)) => "effect: let go of a socket",
        Effect::Release(Released::NotAdoptedBy(_)) => "effect: let go of what was not adopted",
        Effect::Release(Released::BroughtBy(_)) => "effect: let go of what a failed one brought",
        Effect::CallOnStart(_) => "effect: on_start",
        Effect::CallOnExit { .. } => "effect: on_exit",
        Effect::Report(notice) => match notice {
            Notice::Crashed { .. } => "line: crashed",
            Notice::StatusLost { .. } => "line: a status is lost",
            Notice::CrashingTooFast { .. } => "line: crashing too fast",
            Notice::SpawnRetried { .. } => "line: tried again later",
            Notice::RestartAbandoned { failure, .. } => match failure {
                DeployFailure::NotStarted(_) => "line: a failed deploy, not started",
                DeployFailure::Ended(_) => "line: a failed deploy, ended",
                DeployFailure::NotReady { .. } => "line: a failed deploy, not ready",
                DeployFailure::ChannelBroken => "line: a failed deploy, nonsense",
            },
            Notice::AllDown { .. } => "line: all are down",
        },
    }
}

fn request_name(request: Request) -> &'static str {
    match request {
        Request::Waits => "request: waits at the end",
        Request::InHand => "request: in hand at the end",
        Request::Answered => "request: answered",
        Request::Refused => "request: refused, nobody listens",
        Request::Gone => "request: gone with a process that the world ended, or at the end",
    }
}

/// What the histories of a run of the tests have to show.
pub(super) const TO_REACH: [&str; 33] = [
    "event: the start",
    "event: a deadline",
    "event: a process could not be made",
    "event: the program runs",
    "event: it listens",
    "event: a port in use",
    "event: a listener closed",
    "event: drained",
    "event: nonsense on a channel",
    "event: an end whose status is lost",
    "event: an end",
    "event: a stop",
    "event: a restart begins",
    "effect: make a worker",
    "effect: make a replacement",
    "effect: tell it to stop",
    "effect: tell it to drain",
    "effect: kill it",
    "effect: it is promoted",
    "effect: let go of all sockets",
    "effect: let go of a slot's sockets",
    "effect: let go of a socket",
    "effect: let go of what was not adopted",
    "effect: let go of what a failed one brought",
    "line: crashing too fast",
    "line: tried again later",
    "line: a failed deploy, not started",
    "line: a failed deploy, ended",
    "line: a failed deploy, not ready",
    "line: a failed deploy, nonsense",
    "line: all are down",
    "request: answered",
    "request: gone with a process that the world ended, or at the end",
];

#[test]
fn a_history_is_shortened_to_what_it_takes() {
    let decision = |place| Decision { what: choices::What::Act, place, choice: 1 };
    let long: Vec<Decision> = (0..100).map(decision).collect();
    let needed = [decision(17), decision(60), decision(61)];
    let fails = |tried: &[Decision]| needed.iter().all(|one| tried.contains(one)).then(|| tried.to_vec());
    assert_eq!(shorten(long, fails), needed);
}

#[test]
fn a_replay_of_all_decisions_is_the_same_history() {
    for seed in 0..20 {
        let first = run(Choices::seeded(seed), true);
        assert_eq!(first.trace, run(Choices::seeded(seed), true).trace, "the same seed");
        assert_eq!(first.trace, run(Choices::replay(&first.taken), true).trace, "what seed {seed} decided");
        assert!(!first.trace.is_empty());
    }
}
