//! Random histories: whatever happens in whatever order, [`super::rules`] hold after every step, restarts come to an
//! end, and so does a shutdown.

use super::*;

// Miri takes seconds for one history.
const SEEDS: u64 = if cfg!(miri) { 3 } else { 1000 };
const STEPS: u32 = 150;

/// xorshift64*: the same seed gives the same history.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        let index = usize::try_from(self.below((items.len() as u64).max(1))).unwrap();
        items.get(index).copied()
    }
}

#[test]
fn random_histories_keep_the_rules_contract_3_to_7() {
    for seed in 0..SEEDS {
        let result = std::panic::catch_unwind(|| history(seed));
        assert!(result.is_ok(), "the history of seed {seed} broke a rule: see the panic above");
    }
}

fn history(seed: u64) {
    let mut random = Random::new(seed);
    let mut it = Driver::new(some_settings(&mut random));
    it.happens(Event::Begin);
    for _ in 0..STEPS {
        step(&mut it, &mut random);
        if it.core.is_over() {
            return;
        }
    }
    if !it.core.is_stopping() {
        restarts_end(&mut it);
        it.stop();
    }
    shutdown_ends(&mut it);
}

fn some_settings(random: &mut Random) -> Settings {
    let startup_delay = if random.one_in(2) { StartupDelay::Default } else { StartupDelay::Explicit(ms(300)) };
    Settings {
        respawn: !random.one_in(4),
        handoff: random.one_in(2),
        startup_delay,
        respawn_delay: ms(1 + random.below(400)),
        shutdown_timeout: ms(1 + random.below(3000)),
        respawn_max_crashes: 1 + u8::try_from(random.below(4)).unwrap(),
        ..settings(1 + u8::try_from(random.below(4)).unwrap())
    }
}

fn step(it: &mut Driver, random: &mut Random) {
    if random.one_in(3) {
        let times = [0, 1, 50, 100, 500, 1000, 5000, 12_000];
        it.pass(ms(random.pick(&times).unwrap()));
        return;
    }
    if random.one_in(25) {
        it.restart();
        return;
    }
    if random.one_in(400) {
        let signals = [StopSignal::Term, StopSignal::Int, StopSignal::Kill];
        it.happens(Event::StopRequested(random.pick(&signals).unwrap()));
        return;
    }
    if random.one_in(30) {
        // News of a process that ended long ago.
        if let Some((key, _)) = random.pick(&it.spawned).filter(|(key, _)| !it.rules.live().contains(key)) {
            let late = [
                Event::Executed(key),
                Event::Ended(key, SEGV),
                Event::ChannelBroken(key),
                Event::Drained(key),
                closed(random, key),
            ];
            assert_eq!(it.happens(random.pick(&late).unwrap()), [], "an ended process");
        }
        return;
    }
    if let Some(key) = random.pick(&it.rules.live()) {
        news_of(it, random, key);
    }
}

/// In the order that the shell keeps: whatever a process says comes after its exec report.
fn news_of(it: &mut Driver, random: &mut Random, key: ProcessKey) {
    if it.rules.is_told(key) && random.one_in(3) {
        it.happens(Event::Drained(key));
        return;
    }
    if it.rules.is_told(key) && !random.one_in(3) {
        it.end(key, End::Killed(15));
        return;
    }
    if !it.rules.is_executed(key) {
        match random.below(12) {
            0 => it.happens(Event::SpawnFailed(key, if random.one_in(2) { EAGAIN } else { ENOENT })),
            1 => it.end(key, SEGV),
            _ => it.happens(Event::Executed(key)),
        };
        return;
    }
    let ends = [End::Exited(0), End::Exited(1), End::Killed(15), SEGV, SEGV, End::Killed(9), End::Lost];
    match random.below(26) {
        0..=1 => it.end(key, random.pick(&ends).unwrap()),
        2 => it.happens(Event::ChannelBroken(key)),
        3 => it.happens(Event::Listening(key, elsewhere())),
        4 => it.happens(Event::Listening(key, home_v6())),
        5 => it.happens(Event::BindFailed(key, BindError { address: elsewhere(), in_use: true })),
        6 => it.happens(Event::Drained(key)),
        7 => {
            let closed = closed(random, key);
            it.happens(closed)
        }
        8..=10 => it.happens(Event::Joined(key)),
        _ => it.happens(Event::Listening(key, home())),
    };
}

fn closed(random: &mut Random, key: ProcessKey) -> Event {
    let address = random.pick(&[home(), home_v6(), elsewhere()]).unwrap();
    Event::Closed(key, Listener { address, id: ListenerId(random.below(4)) })
}

/// From now on everybody does what he should: a restart under way, and a remembered one, come to their end.
fn restarts_end(it: &mut Driver) {
    for _ in 0..100 {
        if !it.core.is_restarting() && !it.core.is_starting() {
            return;
        }
        for key in it.rules.live() {
            if it.rules.is_told(key) || it.rules.was_killed(key) {
                it.end(key, End::Killed(15));
            } else {
                it.serve(key);
                it.happens(Event::Listening(key, home_v6()));
                it.happens(Event::Listening(key, elsewhere()));
            }
        }
        it.pass(secs(1));
        if it.core.is_over() {
            return;
        }
    }
    panic!("a restart that does not end (contract 5.1): {:#?}", it.core);
}

/// Nobody obeys, and still it ends in the time that contract 4.1 gives.
fn shutdown_ends(it: &mut Driver) {
    it.pass(it.core.settings.shutdown_timeout);
    for key in it.rules.live() {
        assert!(it.rules.was_killed(key), "left alone: {key:?}");
        it.end(key, End::Killed(9));
    }
    assert!(it.core.is_over());
    assert_eq!(it.pass(secs(3600)), []);
}
