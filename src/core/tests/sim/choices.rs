//! Where chance comes in: every decision of a history is asked for here, by name. A run with a seed draws and notes
//! them; a replay gives the noted ones again, and for whatever was left out the dull one. So a history can be
//! shortened by leaving decisions out.

use std::collections::BTreeMap;

use super::super::random::Random;

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    Workers,
    HandoffOff,
    RespawnOff,
    MostCrashes,
    Timeout,
    RespawnDelay,
    StartupDelay,
    FirstBuild,
    /// What the world does at a turn, to whom, and how long it waits then.
    Act,
    ActTo,
    Wait,
    Clients,
    /// Of a new process, by its place.
    Spawn,
    Exec,
    Join,
    Listen,
    Life,
    LifeTime,
    OnTerm,
    OnDrain,
    OnKill,
    Status,
    /// How long a request takes.
    Serve,
    /// What the program's callback asks for.
    Callback,
}

/// A decision that was not the dull one. The place says who asked: a turn, a process, a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) what: What,
    pub(super) place: u32,
    pub(super) choice: usize,
}

enum Source {
    Seed(Random),
    Replay(BTreeMap<(What, u32), usize>),
}

pub(super) struct Choices {
    source: Source,
    /// How much likelier the dull choice is than the odds say: some histories are stormy, most are not.
    dullness: u64,
    /// From now on everything is dull.
    pub(super) is_calm: bool,
    pub(super) taken: Vec<Decision>,
}

impl Choices {
    pub(super) fn seeded(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let dullness = random.pick(&[1, 3, 8]).unwrap();
        Self { source: Source::Seed(random), dullness, is_calm: false, taken: Vec::new() }
    }

    pub(super) fn replay(decisions: &[Decision]) -> Self {
        let source = decisions.iter().map(|decision| ((decision.what, decision.place), decision.choice)).collect();
        Self { source: Source::Replay(source), dullness: 1, is_calm: false, taken: Vec::new() }
    }

    /// One of so many possibilities, the first of which is the dull one.
    pub(super) fn ask(&mut self, what: What, place: u32, odds: &[u64]) -> usize {
        if self.is_calm {
            return 0;
        }
        let choice = match &mut self.source {
            Source::Seed(random) => {
                let dull = odds[0] * self.dullness;
                let total = dull + odds[1..].iter().sum::<u64>();
                let mut drawn = random.below(total);
                if drawn < dull {
                    return 0;
                }
                drawn -= dull;
                let mut choice = 1;
                while drawn >= odds[choice] {
                    drawn -= odds[choice];
                    choice += 1;
                }
                choice
            }
            Source::Replay(noted) => noted.get(&(what, place)).copied().unwrap_or(0).min(odds.len() - 1),
        };
        if choice > 0 {
            self.taken.push(Decision { what, place, choice });
        }
        choice
    }
}
