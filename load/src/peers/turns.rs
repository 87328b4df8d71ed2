//! The throughput of two servers that differ in one thing. What the machine does meanwhile changes it by far more than that one
//! thing: from one second to the next, and with the place that the scheduler gives a process for as long as it is busy. And where a
//! process happens to lie in memory is worth a percent for as long as it lives. So both run at once, each with clients that
//! stay connected, and work in turns that are short and many; and both are started anew again and again.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::measure::{of_tally, values};
use super::process::Process;
use super::results::{Values, summary};
use super::running::Running;
use crate::connection::Targets;
use crate::engine::Load;
use crate::plan::Kind;

/// So often both are started, for so many turns each. Which one begins alternates, too.
const STARTS: usize = 8;
const TURNS: usize = 32;
const TURN: Duration = Duration::from_millis(30);
/// Of each turn before what counts.
const WARM_UP: Duration = Duration::from_millis(3);
/// The clients connect within 30 ms.
const CONNECTED: Duration = Duration::from_millis(60);
const CLIENTS: usize = 32;

/// The medians of both over their turns, and of the latencies over their starts. In those of the first is besides, for each
/// thing that is compared, the median of what it was in a turn divided by what it was in the other one's turn beside it.
pub fn throughput<'a>(mut start: impl FnMut() -> Result<[Running<'a>; 2]>) -> Result<[Values; 2]> {
    let (mut turns, mut clients) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..STARTS {
        let mut both = start()?.map(Side::begin);
        for number in 0..TURNS {
            for which in [number % 2, 1 - number % 2] {
                if let (Some(Ok(side)), Some(turns)) = (both.get_mut(which), turns.get_mut(which)) {
                    turns.push(side.turn()?);
                }
            }
        }
        for (side, found) in both.into_iter().zip(&mut clients) {
            found.push(of_tally(&mut side?.load.stop()?));
        }
    }
    let [ones, others] = &turns;
    let mut compared = Vec::new();
    for (name, what) in [("ratio", "per_second"), ("cpu_ratio", "cpu_us")] {
        let pairs = ones.iter().zip(others);
        let ratios: Vec<_> = pairs.map(|(one, other)| Some(of(one, what)? / of(other, what)?)).collect();
        compared.push((name.to_owned(), summary(&ratios).and_then(|summary| summary.median)));
    }
    let [of_one, of_other] = [0, 1].map(|which| {
        let lists = [&turns, &clients].into_iter().filter_map(|lists| lists.get(which));
        lists.flat_map(|list| medians(list)).collect::<Values>()
    });
    Ok([of_one.into_iter().chain(compared).collect(), of_other])
}

/// A server and its clients.
struct Side<'a> {
    running: Running<'a>,
    load: Load,
}

impl<'a> Side<'a> {
    fn begin(running: Running<'a>) -> Result<Self> {
        let targets = Targets::everywhere(running.port);
        let load = Load::start_evenly(Kind::HelloBusy, CLIENTS, targets, running.processes)?;
        std::thread::sleep(CONNECTED);
        load.pause()?;
        Ok(Self { running, load })
    }

    fn turn(&mut self) -> Result<Values> {
        let processes = self.running.look();
        let look = || {
            let cpu: Option<Duration> = processes.iter().map(Process::processor_time).sum();
            (Instant::now(), self.load.answers(), cpu)
        };
        self.load.go_on()?;
        std::thread::sleep(WARM_UP);
        let (since, before, cpu_before) = look();
        std::thread::sleep(TURN);
        let (until, after, cpu_after) = look();
        self.load.pause()?;
        ensure!(after > before, "no answer in {TURN:?}");
        let answers = (after - before) as f64;
        let took = cpu_before.zip(cpu_after).map(|(before, after)| after.saturating_sub(before));
        Ok(values([
            ("per_second", Some(answers / (until - since).as_secs_f64())),
            ("cpu_us", took.map(|took| took.as_secs_f64() * 1e6 / answers)),
        ]))
    }
}

fn of(values: &Values, name: &str) -> Option<f64> {
    values.get(name).copied().flatten()
}

fn medians(turns: &[Values]) -> Values {
    let names = turns.first().into_iter().flat_map(Values::keys);
    let median = |name: &String| {
        let all: Vec<_> = turns.iter().map(|turn| of(turn, name)).collect();
        summary(&all).and_then(|summary| summary.median)
    };
    names.map(|name| (name.clone(), median(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::measure::values;
    use super::*;

    #[test]
    fn the_middle_turn_stands_for_all() {
        let turns = [3.0, 1.0, 2.0].map(|value| values([("a", Some(value)), ("b", None)]));
        assert_eq!(medians(&turns), values([("a", Some(2.0)), ("b", None)]));
    }
}
