//! A whole comparison: every server, round and round, in alternating order.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::description::{Peer, Places, fill};
use super::measure::{self, Round};
use super::results::{LeftOut, Record, Results, Taken, Values};
use super::running::{Running, shell_for_a_while};
use super::turns;

/// These two are compared for their throughput.
const COMPARED: [&str; 2] = ["ecewo-cluster", "plain"];

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Where things are.
    pub places: Places,
    /// So many rounds.
    pub rounds: usize,
    /// Only these servers; empty: all.
    pub peers: Vec<String>,
    /// Only these measurements; empty: all.
    pub measures: Vec<String>,
    /// Where the results are written after each round.
    pub results: PathBuf,
    /// No round begins that would, as long as the longest before it, end after so long.
    pub limit: Duration,
}

/// Measures everything.
pub fn compare(wanted: &Wanted) -> Result<Results> {
    let since = Instant::now();
    let mut results = Results { machine: machine(), ..Results::default() };
    let peers = take_part(wanted, &mut results)?;
    let mut longest = Duration::ZERO;
    for round in 1..=wanted.rounds {
        let began = since.elapsed();
        if began + longest > wanted.limit {
            println!("Time is over: {} rounds instead of {}", round - 1, wanted.rounds);
            break;
        }
        println!("Round {round} of {}, {:.0} s", wanted.rounds, since.elapsed().as_secs_f64());
        // Whoever was last is first now: what the machine does meanwhile shall not always meet the same.
        let order: Vec<&Peer> = if round % 2 == 1 { peers.iter().collect() } else { peers.iter().rev().collect() };
        for peer in &order {
            one(wanted, &mut results, peer, round);
        }
        if measures(wanted).iter().any(|name| name == "throughput") {
            throughput(wanted, &mut results, &peers, round);
        }
        if let Some(plain) =
            peers.iter().find(|peer| peer.name == "plain" && measures(wanted).iter().any(|name| name == "check"))
        {
            let values = check(plain, &wanted.places);
            take(&mut results, &plain.name, round, "check", values);
        }
        longest = longest.max(since.elapsed() - began);
        results.rounds = round;
        results.write(&wanted.results)?;
    }
    Ok(results)
}

fn measures(wanted: &Wanted) -> Vec<String> {
    if wanted.measures.is_empty() {
        return measure::ALL.into_iter().chain(["check"]).map(str::to_owned).collect();
    }
    wanted.measures.clone()
}

fn one(wanted: &Wanted, results: &mut Results, peer: &Peer, round: usize) {
    let measures = measures(wanted);
    let mut take = |measure: &str, values: Result<Values>| take(results, &peer.name, round, measure, values);
    Round { peer, places: &wanted.places, wanted: &measures, take: &mut take }.run();
}

/// This library beside the same server without it.
fn throughput(wanted: &Wanted, results: &mut Results, peers: &[Peer], round: usize) {
    let both = COMPARED.map(|name| peers.iter().find(|peer| peer.name == name));
    let [Some(one), Some(other)] = both else { return };
    for workers in [1, 2] {
        let measure = format!("throughput-{workers}");
        let start = |peer| Running::start(peer, &wanted.places, workers);
        match turns::throughput(|| Ok([start(one)?, start(other)?])) {
            Ok(values) => {
                for (peer, values) in COMPARED.into_iter().zip(values) {
                    take(results, peer, round, &measure, Ok(values));
                }
            }
            Err(error) => take(results, COMPARED[0], round, &measure, Err(error)),
        }
    }
}

fn take(results: &mut Results, peer: &str, round: usize, measure: &str, values: Result<Values>) {
    match values {
        Ok(values) => {
            let mut line = format!("  {peer:16} {measure:14}");
            for (name, value) in &values {
                let _ = match value {
                    Some(value) => write!(line, " {name} {value:.1}"),
                    None => write!(line, " {name} never"),
                };
            }
            println!("{line}");
            results.records.push(Record { peer: peer.to_owned(), round, measure: measure.to_owned(), values });
        }
        Err(error) => {
            println!("  {peer:16} {measure:14} FAILED {error:#}");
            // Not the log, which names this run's folders: the reason alone.
            let why = format!("round {round}: {}", error.root_cause());
            results.left_out.push(LeftOut { what: format!("{peer}, {measure}"), why });
        }
    }
}

/// Reads the descriptions, and leaves out what is not there.
fn take_part(wanted: &Wanted, results: &mut Results) -> Result<Vec<Peer>> {
    let here = &wanted.places.here;
    let entries = fs::read_dir(here).with_context(|| format!("cannot read {}", here.display()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "peer"));
    // This library first, then by name.
    paths.sort_by_key(|path| (path.file_stem().is_none_or(|name| name != COMPARED[0]), path.clone()));
    let mut peers = Vec::new();
    for path in paths {
        let peer = Peer::read(&path)?;
        if !wanted.peers.is_empty() && !wanted.peers.contains(&peer.name) {
            continue;
        }
        if let Some(program) = peer.missing(&wanted.places) {
            let program = Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
            println!("SKIPPED {}: {program} is not here", peer.name);
            results.left_out.push(LeftOut { what: peer.name, why: format!("{program} was not there") });
            continue;
        }
        results.peers.push(Taken {
            name: peer.name.clone(),
            about: peer.about.clone(),
            version: version(&peer, &wanted.places),
            configuration: configuration(&peer, &wanted.places)?,
        });
        peers.push(peer);
    }
    ensure!(!peers.is_empty(), "no server to measure");
    Ok(peers)
}

fn version(peer: &Peer, places: &Places) -> String {
    let output = shell_for_a_while(&format!("{} 2>&1", fill(&peer.version, &places.words()))).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().find(|line| !line.is_empty()).unwrap_or("unknown").to_owned()
}

/// As committed: with the words in braces.
fn configuration(peer: &Peer, places: &Places) -> Result<String> {
    let mut text = format!("start    {}\n", peer.start);
    if let Some(restart) = &peer.restart {
        let _ = writeln!(text, "restart  {restart}");
    }
    let _ = writeln!(text, "stop     {}", peer.stop);
    for config in &peer.configs {
        let _ = write!(text, "\n{config}:\n{}", fs::read_to_string(places.here.join(config))?);
    }
    Ok(text)
}

fn machine() -> BTreeMap<String, String> {
    let first = |path: &str| fs::read_to_string(path).unwrap_or_default().lines().next().unwrap_or_default().to_owned();
    // Without what its builder has added.
    let kernel = first("/proc/sys/kernel/osrelease").split('.').take(2).collect::<Vec<_>>().join(".");
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let count = std::thread::available_parallelism().map_or(0, usize::from);
    [
        ("kernel", kernel),
        ("processors", format!("{count} of {}", model.unwrap_or("an unknown kind"))),
        ("load average before", first("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// The load generator's own figure beside that of wrk, on one server.
fn check(plain: &Peer, places: &Places) -> Result<Values> {
    let running = Running::start(plain, places, 2)?;
    let time = Duration::from_secs(2);
    let own = measure::per_second(running.port, 32, time)?.remove("per_second").flatten();
    let url = format!("http://127.0.0.1:{}/hello?id=1", running.port);
    let output = Command::new("wrk").args(["-t1", "-c32", "-d2s", &url]).output().context("wrk cannot be started")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let wrk = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:")?.trim().parse().ok());
    ensure!(wrk.is_some(), "wrk said nothing of requests per second");
    Ok([("own".to_owned(), own), ("wrk".to_owned(), wrk)].into())
}
