//! The fault matrix (contract 7.2): every system call of a master fails with every plausible error at every place, one run for each.
//!
//! A first run without a fault records which points the scenario passes, and how often. From that and from the table of
//! [`points`] follow the cases: no call can be left out by mistake, for a point that the table does not know is a failure.

pub mod points;
pub mod run;
pub mod verdict;

use std::collections::BTreeMap;
use std::fmt;

use fastrand::Rng;

use crate::faults::points::{Error, POINTS, Point};

/// How often each point was passed: in all, and when `cluster_init` returned.
pub type Passed = BTreeMap<String, (u64, u64)>;

/// What happens in one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// A call fails.
    Fails {
        /// The point.
        point: &'static str,
        /// The errno, or for the clock the milliseconds of its jump.
        number: i64,
        /// From this passing on.
        nth: u64,
        /// So often; 0: for ever.
        times: u64,
        /// What else fails, so that this is reached at all.
        behind: Option<&'static str>,
    },
    /// The master is stopped (SIGSTOP) after so many milliseconds, for so many.
    Stopped {
        /// After.
        after_ms: u64,
        /// For.
        for_ms: u64,
    },
    /// Signals interrupt every call, all the time.
    Storm,
}

impl Trouble {
    /// The plan for the seam.
    pub fn plan(&self) -> String {
        match self {
            Self::Fails { point, number, nth, times, behind } => {
                let own = format!("{point}:{number}:{nth}:{times}");
                behind.map_or(own.clone(), |others| format!("{others},{own}"))
            }
            Self::None | Self::Stopped { .. } | Self::Storm => String::new(),
        }
    }

    /// The point, for the table.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fails { point, .. } => point,
            Self::None => "(nothing)",
            Self::Stopped { .. } => "(stopped)",
            Self::Storm => "(signals)",
        }
    }

    /// It ends by itself: then everything must be as if it had not been.
    pub fn is_passing(&self) -> bool {
        !matches!(self, Self::Fails { times: 0, .. })
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fails { .. } => write!(f, "FAULT_PLAN={}", self.plan()),
            Self::Stopped { after_ms, for_ms } => write!(f, "stopped after {after_ms} ms for {for_ms} ms"),
            Self::None | Self::Storm => f.write_str(self.name()),
        }
    }
}

/// How much is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Each call and errno at one place.
    Short,
    /// At every place.
    Full,
}

/// At so many places of one call at most; where it is passed more often, they are spread evenly.
const MOST_PLACES: u64 = 40;

/// The cases that follow from a recorded run; and the points that nobody knows how to let fail.
pub fn cases(form: Form, passed: &Passed, random: &mut Rng) -> (Vec<Trouble>, Vec<String>) {
    let mut cases = vec![Trouble::None, Trouble::Storm];
    let known = |name: &str| POINTS.iter().any(|point| point.name == name);
    let unknown = passed.keys().filter(|name| !known(name)).cloned().collect();
    for point in POINTS {
        // What is reached only behind another failure was not recorded.
        let behind_another = point.behind.map(|(_, passed)| (passed, 0));
        let Some((all, init)) = passed.get(point.name).copied().or(behind_another) else { continue };
        for error in point.errors {
            cases.extend(of_error(form, point, error, (all, init), random));
        }
    }
    let stops = if form == Form::Short { 2 } else { 30 };
    cases.extend((0..stops).map(|_| Trouble::Stopped { after_ms: random.u64(0..400), for_ms: random.u64(50..1500) }));
    (cases, unknown)
}

fn of_error(form: Form, point: &Point, error: &Error, passed: (u64, u64), random: &mut Rng) -> Vec<Trouble> {
    let (all, init) = passed;
    let case = |nth, times| Trouble::Fails {
        point: point.name,
        number: error.number,
        nth,
        times,
        behind: point.behind.map(|(plan, _)| plan),
    };
    let random_place = random.u64(1..=all.max(1));
    // A storm of failures that ends, of those that can only come singly in truth; others for ever.
    let long = if error.comes_singly { 1000 } else { 0 };
    match form {
        Form::Short if error.once_only => vec![case(random_place, 1)],
        Form::Short => vec![case(random_place, 1), case(if random.bool() { init + 1 } else { random_place }, long)],
        Form::Full => {
            let step = all.div_ceil(MOST_PLACES).max(1);
            let mut cases: Vec<_> = (1..=all).step_by(step as usize).map(|nth| case(nth, 1)).collect();
            if !error.once_only {
                let random_later = random.u64(init + 1..=all.max(init + 1));
                cases.extend([1, init + 1, random_later].map(|nth| case(nth, long)));
                cases.extend([init + 1, random_later].map(|nth| case(nth, 4)));
            }
            cases
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(name: &str, counts: (u64, u64)) -> Passed {
        Passed::from([(name.to_owned(), counts)])
    }

    #[test]
    fn every_place_and_every_error_is_tried_contract_7_2() {
        let (cases, unknown) = cases(Form::Full, &passed("socketpair", (4, 2)), &mut Rng::with_seed(1));
        assert!(unknown.is_empty());
        let point = POINTS.iter().find(|point| point.name == "socketpair").unwrap();
        for error in point.errors {
            for place in 1..=4 {
                let wanted =
                    Trouble::Fails { point: point.name, number: error.number, nth: place, times: 1, behind: None };
                assert!(cases.contains(&wanted), "{wanted}");
            }
            let forever = Trouble::Fails { point: point.name, number: error.number, nth: 3, times: 0, behind: None };
            assert!(cases.contains(&forever), "{forever}");
        }
    }

    #[test]
    fn a_call_that_nobody_knows_is_told() {
        let (_, unknown) = cases(Form::Short, &passed("frobnicate", (1, 0)), &mut Rng::with_seed(1));
        assert_eq!(unknown, ["frobnicate"]);
    }

    #[test]
    fn plans_in_the_seams_words() {
        let case = Trouble::Fails { point: "fork", number: 11, nth: 2, times: 1, behind: Some("clone:38:1:0") };
        assert_eq!(case.plan(), "clone:38:1:0,fork:11:2:1");
        assert!(case.is_passing());
    }
}
