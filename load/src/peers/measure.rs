//! The measurements. Each is of one server that was started for it, or for it and those before it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::description::{Peer, Places};
use super::probe;
use super::process::Process;
use super::results::Values;
use super::running::{Running, spawn};
use crate::connection::Targets;
use crate::engine::Load;
use crate::outcome::Loss;
use crate::plan::Kind;
use crate::tally::Tally;

/// So many clients at a time.
const CLIENTS: usize = 16;
/// The load before and after what is done under it.
const BEFORE: Duration = Duration::from_millis(500);
const AFTER: Duration = Duration::from_millis(500);
const RESTART_LIMIT: Duration = Duration::from_secs(20);
const RECOVERY_LIMIT: Duration = Duration::from_secs(5);
const STOP_LIMIT: Duration = Duration::from_secs(4);
const ORPHAN_LIMIT: Duration = Duration::from_secs(2);
/// What a master still has to do after its start is over by then.
const SETTLED: Duration = Duration::from_secs(2);
const IDLE: Duration = Duration::from_secs(3);

/// What can be measured.
pub const ALL: [&str; 9] =
    ["start", "idle", "restart-new", "restart-kept", "kill", "stuck", "master-killed", "spread", "throughput"];

/// Does it to a server that runs.
type Measure = fn(&mut Running<'_>) -> Result<Values>;

/// Where the measurements of one server in one round go, and which of them are wanted.
pub struct Round<'a> {
    /// The server.
    pub peer: &'a Peer,
    /// Where things are.
    pub places: &'a Places,
    /// Only these.
    pub wanted: &'a [String],
    /// Takes what came out, or why nothing did.
    pub take: &'a mut dyn FnMut(&str, Result<Values>),
}

impl Round<'_> {
    fn wants(&self, measure: &str) -> bool {
        self.wanted.iter().any(|wanted| wanted == measure)
    }

    /// All of it. Measurements that harm the server get one of their own.
    pub fn run(&mut self) {
        self.group(
            2,
            &[("start", start), ("idle", idle), ("restart-new", restart_new), ("restart-kept", restart_kept)],
        );
        self.group(2, &[("kill", kill_one)]);
        self.group(2, &[("stuck", stuck)]);
        self.group(2, &[("master-killed", master_killed)]);
        // Of several processes only; threads share one.
        if self.peer.processes.is_none() {
            self.group(8, &[("spread", spread)]);
        }
    }

    fn group(&mut self, workers: usize, measures: &[(&str, Measure)]) {
        let wanted: Vec<_> = measures.iter().filter(|(name, _)| self.wants(name) && self.can(name)).collect();
        let Some((first, _)) = wanted.first() else { return };
        let mut running = match Running::start(self.peer, self.places, workers) {
            Ok(running) => running,
            Err(error) => return (self.take)(first, Err(error)),
        };
        for (name, measure) in wanted {
            let values = measure(&mut running).with_context(|| format!("it said:\n{}", running.log()));
            (self.take)(name, values);
        }
    }

    fn can(&self, measure: &str) -> bool {
        self.peer.restart.is_some() || !measure.starts_with("restart-")
    }
}

pub(super) fn values<const N: usize>(values: [(&str, Option<f64>); N]) -> Values {
    values.map(|(name, value)| (name.to_owned(), value)).into()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn start(running: &mut Running<'_>) -> Result<Values> {
    Ok(values([("first_ms", running.first.first.map(ms)), ("all_ms", running.first.all.map(ms))]))
}

fn idle(running: &mut Running<'_>) -> Result<Values> {
    let master = Process::read(running.master()).context("the master has ended")?;
    std::thread::sleep(SETTLED);
    let before = master.waits().unwrap_or(0.0);
    std::thread::sleep(IDLE);
    let waits = master.waits().map(|after| (after - before) / IDLE.as_secs_f64());
    let calls = calls_of(running.master(), IDLE)?;
    let total = running.look().iter().filter_map(Process::pss_kib).sum();
    let master_pss = master.pss_kib();
    let mut found = values([("wakeups_per_s", waits), ("master_pss_kib", master_pss), ("all_pss_kib", Some(total))]);
    if let Some(calls) = calls {
        found.insert("calls_per_s".to_owned(), Some(calls as f64 / IDLE.as_secs_f64()));
    }
    Ok(found)
}

/// System calls that a process finishes in some time; `None` where strace is missing or not allowed.
fn calls_of(pid: u32, time: Duration) -> Result<Option<usize>> {
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "-e", "signal=none", "-p", &pid.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let spawned = spawn(&mut command);
    let Ok(mut strace) = spawned else { return Ok(None) };
    let output = strace.stderr.take().context("no pipe to strace")?;
    let reader = std::thread::spawn(move || {
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        lines.map(|line| (Instant::now(), line)).collect::<Vec<_>>()
    });
    // To be attached to interrupts the call that waits, and is answered by some more.
    std::thread::sleep(Duration::from_millis(500));
    let begin = Instant::now();
    std::thread::sleep(time);
    let end = Instant::now();
    let allowed = strace.try_wait()?.is_none();
    let _ = kill(Pid::from_raw(strace.id() as i32), Signal::SIGINT);
    strace.wait()?;
    let lines = reader.join().unwrap_or_default();
    // A call that was under way at the end has no result.
    Ok(allowed.then(|| lines.iter().filter(|(at, line)| *at > begin && *at < end && line.contains(" = ")).count()))
}

fn load(running: &Running<'_>, kind: Kind, clients: usize) -> Result<Load> {
    Load::start(&[(kind, clients)], Targets::everywhere(running.port))
}

pub(super) fn of_tally(tally: &mut Tally) -> Values {
    let mut found = values([
        ("requests", Some(tally.requests as f64)),
        ("lost", Some(tally.all_lost() as f64)),
        ("refused", Some(tally.lost_by(Loss::Refused) as f64)),
        ("retried", Some(tally.retried as f64)),
    ]);
    for (name, latency) in ["p50_ms", "p99_ms", "max_ms"].into_iter().zip(tally.latencies(&[0.5, 0.99, 1.0])) {
        found.insert(name.to_owned(), Some(ms(latency)));
    }
    found
}

fn restart_new(running: &mut Running<'_>) -> Result<Values> {
    restart(running, Kind::HelloNew)
}

fn restart_kept(running: &mut Running<'_>) -> Result<Values> {
    restart(running, Kind::HelloBusy)
}

/// Over when the last old worker is gone, and as many new ones are there.
fn restart(running: &mut Running<'_>, kind: Kind) -> Result<Values> {
    let old = running.workers();
    let clients = load(running, kind, CLIENTS)?;
    std::thread::sleep(BEFORE);
    let since = Instant::now();
    let asked = running.restart();
    let over = running.wait_until(RESTART_LIMIT, |running| {
        !old.iter().any(Process::lives) && running.workers().len() >= running.processes
    });
    let took = over.map(|_| ms(since.elapsed()));
    std::thread::sleep(AFTER);
    let mut tally = clients.stop()?;
    asked?;
    let mut found = of_tally(&mut tally);
    found.insert("restart_ms".to_owned(), took);
    Ok(found)
}

fn kill_one(running: &mut Running<'_>) -> Result<Values> {
    let old = running.workers();
    let victim = *old.last().context("no worker")?;
    let clients = load(running, Kind::HelloNew, CLIENTS)?;
    std::thread::sleep(BEFORE);
    let since = Instant::now();
    kill(Pid::from_raw(victim.pid as i32), Signal::SIGKILL)?;
    running.wait_until(RECOVERY_LIMIT, |_| {
        let newest = clients.newest_pid();
        newest != 0 && !old.iter().any(|each| each.pid == newest)
    });
    std::thread::sleep(AFTER);
    let mut tally = clients.stop()?;
    let firsts =
        tally.first_by_pid.iter().filter(|(pid, at)| **at > since && !old.iter().any(|each| each.pid == **pid));
    let recovered = firsts.map(|(_, at)| ms(at.duration_since(since))).min_by(f64::total_cmp);
    let mut found = of_tally(&mut tally);
    found.insert("recovered_ms".to_owned(), recovered);
    Ok(found)
}

/// A worker that hangs, seen by the master as one that does nothing.
fn stuck(running: &mut Running<'_>) -> Result<Values> {
    let worker = *running.workers().last().context("no worker")?;
    kill(Pid::from_raw(worker.pid as i32), Signal::SIGSTOP)?;
    let took = running.stop(STOP_LIMIT)?;
    Ok(values([("stopped_ms", took.map(ms)), ("left", Some(running.look().len() as f64))]))
}

fn master_killed(running: &mut Running<'_>) -> Result<Values> {
    running.look();
    running.signal(Signal::SIGKILL)?;
    let gone = running.wait_until(ORPHAN_LIMIT, |running| running.look().is_empty());
    let answers = probe::answers(running.port);
    let orphans = running.look().len();
    Ok(values([
        ("gone_ms", gone.map(ms)),
        ("orphans", Some(orphans as f64)),
        ("answers", Some(f64::from(u8::from(answers)))),
    ]))
}

/// Who gets the connections: the largest share beside the mean.
fn spread(running: &mut Running<'_>) -> Result<Values> {
    let clients = load(running, Kind::HelloNew, 64)?;
    std::thread::sleep(Duration::from_secs(1));
    let tally = clients.stop()?;
    let (largest, sum) = (tally.by_pid.values().max().copied().unwrap_or(0), tally.by_pid.values().sum::<u64>());
    let mean = sum as f64 / running.processes as f64;
    Ok(values([
        ("connections", Some(sum as f64)),
        ("processes", Some(tally.by_pid.len() as f64)),
        ("largest_to_mean", (sum > 0).then(|| largest as f64 / mean)),
    ]))
}

/// Kept-alive clients that ask again at once, after a quarter of the time to warm up.
pub fn per_second(port: u16, clients: usize, time: Duration) -> Result<Values> {
    let start = || Load::start(&[(Kind::HelloBusy, clients)], Targets::everywhere(port));
    let warm = start()?;
    std::thread::sleep(time / 4);
    warm.stop()?;
    let load = start()?;
    // The clients begin within 30 ms.
    std::thread::sleep(Duration::from_millis(50));
    let (since, before) = (Instant::now(), load.answers());
    std::thread::sleep(time);
    let (took, answers) = (since.elapsed(), load.answers() - before);
    let mut found = of_tally(&mut load.stop()?);
    found.insert("per_second".to_owned(), Some(answers as f64 / took.as_secs_f64()));
    Ok(found)
}
