//! The throughput of two servers that differ in one thing. What the machine does meanwhile changes it by more than that one
//! thing, and from one second to the next: so both run at once, and the clients go from one to the other and back.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::measure::{of_tally, values};
use super::process::Process;
use super::results::{Values, summary};
use super::running::Running;
use crate::connection::Targets;
use crate::engine::Load;
use crate::plan::Kind;

/// So many turns each. Which one begins alternates, too.
const TURNS: usize = 12;
const TURN: Duration = Duration::from_millis(300);
const CLIENTS: usize = 32;
/// Their connections are made, and the server's caches are warm.
const SETTLED: Duration = Duration::from_millis(50);

/// The medians of both over their turns. In those of the first is besides, for each thing that is compared, the median of
/// what it was in a turn divided by what it was in the other one's turn beside it.
pub fn throughput([one, other]: [&mut Running<'_>; 2]) -> Result<[Values; 2]> {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for number in 0..TURNS {
        if number % 2 == 0 {
            ones.push(turn(one)?);
            others.push(turn(other)?);
        } else {
            others.push(turn(other)?);
            ones.push(turn(one)?);
        }
    }
    let mut of_one = medians(&ones);
    for (name, compared) in [("ratio", "per_second"), ("cpu_ratio", "cpu_us")] {
        let pairs = ones.iter().zip(&others);
        let ratios: Vec<_> = pairs.map(|(one, other)| Some(of(one, compared)? / of(other, compared)?)).collect();
        of_one.insert(name.to_owned(), summary(&ratios).and_then(|summary| summary.median));
    }
    Ok([of_one, medians(&others)])
}

fn turn(running: &mut Running<'_>) -> Result<Values> {
    let processes = running.look();
    let cpu = || processes.iter().map(Process::processor_time).sum::<Option<Duration>>();
    let load = Load::start(&[(Kind::HelloBusy, CLIENTS)], Targets::everywhere(running.port))?;
    std::thread::sleep(SETTLED);
    let (since, answers_before, cpu_before) = (Instant::now(), load.answers(), cpu());
    std::thread::sleep(TURN);
    let (took, answers, cpu_after) = (since.elapsed(), load.answers() - answers_before, cpu());
    let cpu = cpu_after.zip(cpu_before).map(|(after, before)| after.saturating_sub(before));
    let mut found = of_tally(&mut load.stop()?);
    ensure!(answers > 0, "no answer in {TURN:?}");
    found.extend(values([
        ("per_second", Some(answers as f64 / took.as_secs_f64())),
        ("cpu_us", cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / answers as f64)),
    ]));
    Ok(found)
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
    use super::*;

    #[test]
    fn the_middle_turn_stands_for_all() {
        let turns = [3.0, 1.0, 2.0].map(|value| values([("a", Some(value)), ("b", None)]));
        assert_eq!(medians(&turns), values([("a", Some(2.0)), ("b", None)]));
    }
}
