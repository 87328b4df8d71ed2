//! Servers in Rust for the scenarios of `load/`: the same cases, over the Rust interface (contract 8). One program for
//! each way to serve: `rs-threads` (the standard library alone), `rs-tokio`, `rs-axum`.
//!
//! This is what they share: the cluster's side, which speaks to the runner as the C servers of `c-tests/zero-loss` do,
//! and the form of the answers.

mod answer;
mod http;
mod options;

pub use answer::{Answered, body_of};
pub use http::{Request, RequestReader};
pub use options::Options;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use ecewo_cluster::{Cluster, Handle, Master, Role, Worker};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};

/// One line to stdout, in one write, so that lines of several processes do not mix.
pub fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(format!("{line}\n").as_bytes());
    let _ = stdout.flush();
}

/// The whole program but for how a worker serves.
pub fn main(serve: impl FnOnce(Worker, &Options) -> Result<()>) -> ExitCode {
    match run(serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(4)
        }
    }
}

fn run(serve: impl FnOnce(Worker, &Options) -> Result<()>) -> Result<()> {
    let mut options = Options::read()?;
    if std::env::var_os("ECEWO_WORKER_ID").is_none() {
        // Nothing outlives the test. Workers end with their master by themselves.
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    }
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(hard.min(8192)), hard)?;
    // Waited for by a thread; every thread has it blocked from here on.
    let usr1 = SigSet::from(Signal::SIGUSR1);
    usr1.thread_block()?;
    match start(&options)? {
        Role::Master(master) => supervise(master, usr1),
        Role::Worker(worker) => {
            options.misbehave_as_told();
            serve(worker, &options)
        }
    }
}

fn start(options: &Options) -> Result<Role> {
    // `on_start` runs inside `start()`, before there is a `Master`; a worker's pid is known all the same.
    let cluster = Cluster::builder()
        .port(options.port)
        .workers(options.workers)
        .shutdown_timeout(options.shutdown)
        .crash_protection(std::num::NonZeroU8::MAX, Duration::from_secs(5))
        .on_start(|id| {
            let pid = Handle::current().and_then(|handle| handle.worker(id)?.pid).unwrap_or(0);
            say(&format!("start {id} {pid}"));
        })
        .on_exit(|id, status, crash| say(&format!("exit {id} {status} {}", u8::from(crash))));
    cluster.start().context("the cluster does not start")
}

fn supervise(master: Master, usr1: SigSet) -> Result<()> {
    let handle = master.handle();
    std::thread::spawn(move || {
        while usr1.wait().is_ok() {
            if let Some(stats) = handle.stats() {
                let pids: String = handle.workers().map(|worker| format!(" {}", worker.pid.unwrap_or(0))).collect();
                let (restart, shutdown) = (u8::from(stats.restart_requested), u8::from(stats.shutdown_requested));
                say(&format!("stats {} {restart} {shutdown} {}{pids}", stats.active_workers, stats.total_restarts));
            }
        }
    });
    say("ready");
    master.wait();
    say("end");
    Ok(())
}
