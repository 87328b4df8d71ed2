//! The throughput of two servers that differ in one thing. What the machine does meanwhile changes it by more than that one
//! thing, and from one second to the next: so both run at once, and the clients go from one to the other and back. And where a
//! process happens to lie in memory is worth a percent for as long as it lives: so both are started anew again and again.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::measure;
use super::process::Process;
use super::results::{Values, summary};
use super::running::Running;

/// So often both are started, for so many turns each. Which one begins alternates, too.
const STARTS: usize = 8;
const TURNS: usize = 4;
const TURN: Duration = Duration::from_millis(300);
const CLIENTS: usize = 32;

/// The medians of both over their turns. In those of the first is besides, for each thing that is compared, the median of
/// what it was in a turn divided by what it was in the other one's turn beside it.
pub fn throughput<'a>(mut start: impl FnMut() -> Result<[Running<'a>; 2]>) -> Result<[Values; 2]> {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let [mut one, mut other] = start()?;
        for number in 0..TURNS {
            if number % 2 == 0 {
                ones.push(turn(&mut one)?);
                others.push(turn(&mut other)?);
            } else {
                others.push(turn(&mut other)?);
                ones.push(turn(&mut one)?);
            }
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
    let mut cpu = Vec::new();
    let (mut found, answers) = measure::served(running.port, CLIENTS, TURN, || {
        cpu.push(processes.iter().map(Process::processor_time).sum::<Option<Duration>>());
    })?;
    ensure!(answers > 0, "no answer in {TURN:?}");
    let took = match cpu[..] {
        [Some(before), Some(after)] => Some(after.saturating_sub(before)),
        _ => None,
    };
    found.insert("cpu_us".to_owned(), took.map(|took| took.as_secs_f64() * 1e6 / answers as f64));
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
    use super::super::measure::values;
    use super::*;

    #[test]
    fn the_middle_turn_stands_for_all() {
        let turns = [3.0, 1.0, 2.0].map(|value| values([("a", Some(value)), ("b", None)]));
        assert_eq!(medians(&turns), values([("a", Some(2.0)), ("b", None)]));
    }
}
