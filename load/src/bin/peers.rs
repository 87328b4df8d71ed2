//! Measures this library beside other servers, and writes the tables and charts; see `--help`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ecewo_cluster_load::peers::compare::{Wanted, compare};
use ecewo_cluster_load::peers::description::Places;
use ecewo_cluster_load::peers::report;
use ecewo_cluster_load::peers::results::Results;
use ecewo_cluster_load::peers::running::end_all;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};

const HELP: &str = "\
peers measure --here FOLDER --tools FOLDER --servers FOLDER --results FILE [--rounds N] [--peers A,B] [--only A,B] [--limit S]
peers report  --results FILE --document FILE --charts FOLDER

measure: starts every server that benches/peers/*.peer describes and that is installed, round and round, and writes what was
measured as JSON. report: writes the tables between the marks of the document, and the charts.
  --here      the folder of the descriptions        --tools    where benches/peers/install has put things
  --servers   the C servers                         --rounds   so many (5)
  --peers     these servers alone                   --only     these measurements alone: start, idle, restart-new,
  --limit     so many seconds are enough (1500): no            restart-kept, kill, stuck, master-killed, spread, throughput,
              round begins that would end later                check (this load generator beside wrk)
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let action = arguments.next().unwrap_or_default();
    let (mut document, mut charts) = (PathBuf::new(), PathBuf::new());
    let mut wanted = Wanted {
        places: Places { here: PathBuf::new(), tools: PathBuf::new(), servers: PathBuf::new() },
        rounds: 5,
        peers: Vec::new(),
        measures: Vec::new(),
        results: PathBuf::new(),
        limit: Duration::from_secs(1500),
    };
    while let Some(argument) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{argument} needs a value"))?;
        let list = || value.split(',').map(str::to_owned).collect();
        match argument.as_str() {
            "--here" => wanted.places.here = absolute(&value)?,
            "--tools" => wanted.places.tools = absolute(&value)?,
            "--servers" => wanted.places.servers = absolute(&value)?,
            "--results" => wanted.results = value.into(),
            "--rounds" => wanted.rounds = value.parse()?,
            "--peers" => wanted.peers = list(),
            "--only" => wanted.measures = list(),
            "--limit" => wanted.limit = Duration::from_secs(value.parse()?),
            "--document" => document = value.into(),
            "--charts" => charts = value.into(),
            _ => bail!("unknown argument {argument}\n{HELP}"),
        }
    }
    match action.as_str() {
        "measure" => {
            let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
            setrlimit(Resource::RLIMIT_NOFILE, soft.max(hard.min(8192)), hard)?;
            end_servers_when_told_to()?;
            let results = compare(&wanted)?;
            results.write(&wanted.results)
        }
        "report" => report::write(&Results::read(&wanted.results)?, &document, &charts),
        "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        _ => bail!("measure or report?\n{HELP}"),
    }
}

/// The servers are in process groups of their own: a terminal's SIGINT does not reach them.
fn end_servers_when_told_to() -> Result<()> {
    let mut signals = SigSet::empty();
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().for_each(|signal| signals.add(signal));
    // For all threads that begin later, too; servers are started with an empty mask.
    signals.thread_block()?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let signal = signals.wait();
        end_all();
        std::process::exit(signal.map_or(1, |signal| 128 + signal as i32));
    })?;
    Ok(())
}

/// The servers do not start in this folder.
fn absolute(path: &str) -> Result<PathBuf> {
    std::fs::canonicalize(Path::new(path)).with_context(|| path.to_owned())
}
