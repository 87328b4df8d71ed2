//! Runs one case against one server program, and prints one line; see `--help`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use ecewo_cluster_load::acts::perform;
use ecewo_cluster_load::case::{self, Act, Case};
use ecewo_cluster_load::report;
use ecewo_cluster_load::scene::{AT_LEAST, Scene, Setting};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

const HELP: &str = "\
zero-loss --server PATH --case NAME [--workers N] [--restarts N] [--seconds S] [--allow-retries] [--server-args 'A=B ...']

Starts the clustered program PATH, lets clients work, causes restarts and crashes, and fails if a client notices.
  --workers N       workers of the cluster (2)
  --restarts N      at most so many restarts (10); 0: none, for comparison
  --seconds S       and at most for so long, but at least 3 restarts (60)
  --seed N          of the cases that are random
  --allow-retries   retries are only counted
  --list            lists the cases
";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("zero-loss: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool> {
    let mut setting = Setting {
        program: PathBuf::new(),
        arguments: Vec::new(),
        workers: 2,
        restarts: 10,
        seconds: 60.0,
        allow_retries: false,
    };
    let mut name = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--server" => setting.program = value()?.into(),
            "--server-args" => setting.arguments = value()?.split_whitespace().map(str::to_owned).collect(),
            "--case" => name = Some(value()?),
            "--workers" => setting.workers = value()?.parse()?,
            "--restarts" => setting.restarts = value()?.parse()?,
            "--seconds" => setting.seconds = value()?.parse()?,
            "--seed" => fastrand::seed(value()?.parse()?),
            "--allow-retries" => setting.allow_retries = true,
            "--list" => {
                case::all().iter().for_each(|case| println!("{:20} {}", case.name, case.about));
                return Ok(true);
            }
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(true);
            }
            _ => bail!("unknown argument {argument}\n{HELP}"),
        }
    }
    let name = name.context("--case is missing; --list lists them")?;
    let case = case::all().into_iter().find(|case| case.name == name);
    let case = case.with_context(|| format!("no case {name}; --list lists them"))?;
    many_descriptors()?;
    if case.multi && std::net::TcpListener::bind((std::net::Ipv6Addr::LOCALHOST, 0)).is_err() {
        println!("NOT CHECKED {name}: no IPv6 on this machine");
        return Ok(true);
    }
    run_case(&case, &setting)
}

/// A server that goes down in its case is needed once more for each round; so there the rounds are what is counted.
fn run_case(case: &Case, setting: &Setting) -> Result<bool> {
    let started = Instant::now();
    let most = if case.act == Act::ShutdownInRestart { setting.restarts } else { 1 };
    for round in 0..most {
        if round >= AT_LEAST && started.elapsed().as_secs_f64() >= setting.seconds {
            break;
        }
        if !run_once(case, setting)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn run_once(case: &Case, setting: &Setting) -> Result<bool> {
    let mut scene = Scene::start(case.clone(), setting.clone())
        .with_context(|| format!("FAIL {} with {}", case.name, setting.program.display()))?;
    let performed = perform(&mut scene);
    // After a failure the clients have still something to tell.
    let stopped = scene.stop_clients();
    let judged = scene.judge();
    let faults: Vec<_> = [performed, stopped, judged].into_iter().filter_map(Result::err).collect();
    println!("{}", report::line(&mut scene, faults.is_empty()));
    if !faults.is_empty() {
        faults.iter().for_each(|fault| println!("  {fault:#}"));
        print!("{}", report::details(&scene));
    }
    Ok(faults.is_empty())
}

/// A thousand clients need more than the usual limit.
fn many_descriptors() -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(hard.min(8192)), hard)?;
    Ok(())
}
