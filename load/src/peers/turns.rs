//! The throughput of two servers that differ in one thing. What the machine does meanwhile changes it by far more than that one
//! thing, from one second to the next. So both run at once, each with clients that stay connected, and work in turns that are short and
//! many. Whether two workers share a processor while the clients have another, or one worker shares with the clients, makes as
//! much as a factor of two: so each worker has a processor that it stays on. And where a process happens to lie in memory is worth a
//! percent for as long as it lives: so both are started anew again and again.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

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
/// Clients that have not connected for so long have all found their place: they begin within 30 ms.
const CONNECTED: Duration = Duration::from_millis(50);
const CONNECTED_LIMIT: Duration = Duration::from_secs(5);
const CLIENTS: usize = 32;

/// The medians of both over their turns, and of the latencies over their starts. In those of the first is besides, for each
/// thing that is compared, the median of what it was in a turn divided by what it was in the other one's turn beside it.
pub fn throughput<'a>(mut start: impl FnMut() -> Result<[Running<'a>; 2]>) -> Result<[Values; 2]> {
    let (mut turns, mut clients) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..STARTS {
        let [one, other] = start()?;
        let mut both = [Side::begin(one)?, Side::begin(other)?];
        for number in 0..TURNS {
            for which in [number % 2, 1 - number % 2] {
                if let (Some(side), Some(turns)) = (both.get_mut(which), turns.get_mut(which)) {
                    turns.push(side.turn()?);
                }
            }
        }
        for (side, found) in both.into_iter().zip(&mut clients) {
            found.push(side.end()?);
        }
    }
    let [ones, others] = &turns;
    let mut compared = Vec::new();
    for (name, what) in [("ratio", "per_second"), ("cpu_ratio", "cpu_us")] {
        let pairs = ones.iter().zip(others);
        let ratios: Vec<_> = pairs.filter_map(|(one, other)| Some(Some(of(one, what)? / of(other, what)?))).collect();
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
    connections: u64,
}

impl<'a> Side<'a> {
    fn begin(running: Running<'a>) -> Result<Self> {
        keep_apart(&running.workers())?;
        let targets = Targets::everywhere(running.port);
        let load = Load::start_evenly(Kind::HelloBusy, CLIENTS, targets, running.processes)?;
        let until = Instant::now() + CONNECTED_LIMIT;
        let mut connections = 0;
        while connections < CLIENTS as u64 || connections != load.connections() {
            ensure!(Instant::now() < until, "{connections} connections, and no end");
            connections = load.connections();
            std::thread::sleep(CONNECTED);
        }
        load.pause()?;
        Ok(Self { running, load, connections })
    }

    fn turn(&mut self) -> Result<Values> {
        // While nothing runs: the kernel counts a running thread's time in steps of milliseconds.
        let (before, cpu_before) = (self.load.answers(), self.processor_time());
        self.load.go_on()?;
        std::thread::sleep(WARM_UP);
        let (since, first) = (Instant::now(), self.load.answers());
        std::thread::sleep(TURN);
        let (until, last) = (Instant::now(), self.load.answers());
        self.load.pause()?;
        let answers = (self.load.answers() - before) as f64;
        let took = cpu_before.zip(self.processor_time()).map(|(before, after)| after.saturating_sub(before));
        // One that the machine gave nothing to tells nothing.
        Ok(values([
            ("per_second", (last > first).then(|| (last - first) as f64 / (until - since).as_secs_f64())),
            ("cpu_us", took.map(|took| took.as_secs_f64() * 1e6 / answers)),
        ]))
    }

    fn processor_time(&mut self) -> Option<Duration> {
        self.running.look().iter().map(Process::processor_time).sum()
    }

    fn end(self) -> Result<Values> {
        let mut tally = self.load.stop()?;
        ensure!(tally.all_lost() == 0, "{} requests were lost", tally.all_lost());
        ensure!(tally.connections == self.connections, "clients had to connect anew");
        Ok(of_tally(&mut tally))
    }
}

/// Gives each worker a processor to stay on, in turn; the clients go where there is room.
fn keep_apart(workers: &[Process]) -> Result<()> {
    let allowed = sched_getaffinity(Pid::this())?;
    let processors: Vec<usize> = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)).collect();
    for (worker, processor) in workers.iter().zip(processors.iter().rev().cycle()) {
        let mut one = CpuSet::new();
        one.set(*processor)?;
        for task in fs::read_dir(format!("/proc/{}/task", worker.pid))? {
            let number = task?.file_name().to_string_lossy().parse()?;
            sched_setaffinity(Pid::from_raw(number), &one)?;
        }
    }
    Ok(())
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
