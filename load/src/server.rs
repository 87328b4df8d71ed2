//! The server program under test: starts it, understands what it says, and leaves nothing of it behind.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::processes;

/// All processes of a run have this in their environment.
const MARKER: &str = "ZERO_LOSS_RUN";
/// A file named so tells workers that start to misbehave.
const MODE_FILE: &str = "ZERO_LOSS_MODE_FILE";

/// What the master said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A process became this worker.
    Start {
        /// Which.
        worker: u8,
        /// The process.
        pid: u32,
    },
    /// A process that was this worker has ended.
    Exit {
        /// Which.
        worker: u8,
        /// Exit code, or 128 and the signal's number.
        status: i32,
        /// Not graceful.
        crash: bool,
    },
    /// `cluster_init` has returned.
    Ready,
    /// `cluster_wait_workers` has returned.
    End,
    /// The answer to SIGUSR1.
    Stats(Stats),
}

impl Said {
    /// A worker was killed with SIGKILL.
    pub fn is_death_by_sigkill(&self) -> bool {
        matches!(self, Self::Exit { status: 137, .. })
    }
}

/// The cluster's own view of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Workers that run.
    pub active: u8,
    /// A restart is not over.
    pub restarting: bool,
    /// Replacements so far.
    pub total_restarts: u64,
    /// Of each worker; 0 where none runs.
    pub pids: Vec<u32>,
}

/// Something said, and when.
#[derive(Debug, Clone)]
pub struct Event {
    /// When its line was read.
    pub at: Instant,
    /// What.
    pub said: Said,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    marker: String,
    folder: PathBuf,
    program: PathBuf,
    lines: Receiver<Event>,
    /// Everything said so far.
    pub events: Vec<Event>,
    /// The cluster's port.
    pub port: u16,
    ended: Option<ExitStatus>,
}

/// How to start it.
#[derive(Debug, Clone)]
pub struct Start<'a> {
    /// The program.
    pub program: &'a Path,
    /// Its arguments, besides port, workers and shutdown.
    pub arguments: &'a [String],
    /// So many workers.
    pub workers: u8,
    /// So many ports after the cluster's must be free, too.
    pub ports_after: u16,
    /// Its time-out for stopping, in milliseconds.
    pub shutdown_ms: u32,
    /// `ECEWO_CLUSTER_HANDOFF=off`.
    pub handoff_off: bool,
}

impl Server {
    /// Starts it and waits until it serves.
    pub fn start(how: &Start<'_>) -> Result<Self> {
        let port = free_ports(how.ports_after)?;
        let marker = format!("{}-{:016x}", std::process::id(), fastrand::u64(..));
        let folder = std::env::temp_dir().join(format!("zero-loss-{marker}"));
        std::fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        // A copy, so that a scenario can deploy a broken one in its place.
        let program = folder.join("server");
        std::fs::copy(how.program, &program).with_context(|| format!("cannot copy {}", how.program.display()))?;
        let mut command = Command::new(&program);
        command
            .arg(format!("port={port}"))
            .arg(format!("workers={}", how.workers))
            .arg(format!("shutdown={}", how.shutdown_ms))
            .args(how.arguments)
            .env(MARKER, &marker)
            .env(MODE_FILE, folder.join("mode"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.join("stderr"))?);
        if how.handoff_off {
            command.env("ECEWO_CLUSTER_HANDOFF", "off");
        }
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let output = child.stdout.take().context("no pipe to the server")?;
        let (sender, lines) = channel();
        std::thread::Builder::new().name("server's output".to_owned()).spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let event = understand(&line).map(|said| Event { at: Instant::now(), said });
                if event.is_some_and(|event| sender.send(event).is_err()) {
                    return;
                }
            }
        })?;
        let mut server = Self { child, marker, folder, program, lines, events: Vec::new(), port, ended: None };
        let limit = Duration::from_secs(10) + Duration::from_millis(200) * u32::from(how.workers);
        server.wait_for(limit, "it to be ready", |events| events.iter().any(|event| event.said == Said::Ready))?;
        Ok(server)
    }

    /// Waits until what was said so far fulfils a condition.
    pub fn wait_for(&mut self, limit: Duration, what: &str, fulfilled: impl Fn(&[Event]) -> bool) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !fulfilled(&self.events) {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) => self.events.push(event),
                Err(RecvTimeoutError::Timeout) => {
                    bail!("waited {limit:?} for {what}; the last it said: {:?}", self.last_said());
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("the server ended while we waited for {what}; the last it said: {:?}", self.last_said());
                }
            }
        }
        Ok(())
    }

    fn last_said(&self) -> Vec<&Said> {
        let mut last: Vec<_> = self.events.iter().rev().take(6).map(|event| &event.said).collect();
        last.reverse();
        last
    }

    /// How many processes became workers, and how many ended, so far.
    pub fn counts(&mut self) -> (usize, usize) {
        self.events.extend(self.lines.try_iter());
        counts(&self.events)
    }

    /// Asks the master how the cluster is.
    pub fn stats(&mut self) -> Result<Stats> {
        self.events.extend(self.lines.try_iter());
        let before = self.events.len();
        self.signal(Signal::SIGUSR1)?;
        let found = |events: &[Event]| {
            events.iter().skip(before).find_map(|event| match &event.said {
                Said::Stats(stats) => Some(stats.clone()),
                Said::Start { .. } | Said::Exit { .. } | Said::Ready | Said::End => None,
            })
        };
        self.wait_for(Duration::from_secs(5), "its statistics", |events| found(events).is_some())?;
        found(&self.events).context("no statistics")
    }

    /// Waits until no restart is under way and so many workers run.
    pub fn wait_until_settled(&mut self, active: u8, limit: Duration) -> Result<Stats> {
        let deadline = Instant::now() + limit;
        loop {
            let stats = self.stats()?;
            if !stats.restarting && stats.active == active {
                return Ok(stats);
            }
            if Instant::now() > deadline {
                bail!("after {limit:?} the cluster is not settled: {stats:?}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The master's process.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// Signals the master.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.pid(), signal).with_context(|| format!("cannot send {signal} to the master"))
    }

    /// Signals a process of this server, and no other.
    pub fn signal_worker(&self, pid: u32, signal: Signal) -> Result<()> {
        if !processes::is_marked(pid, MARKER, &self.marker) {
            bail!("process {pid} is not of this server, or has ended");
        }
        kill(Pid::from_raw(pid as i32), signal).with_context(|| format!("cannot send {signal} to worker {pid}"))
    }

    /// Kills a process of this server, and gives when that was asked for and when it was gone: on a busy machine the one
    /// may follow long after the other.
    pub fn kill_worker(&self, pid: u32) -> Result<(Instant, Instant)> {
        let at = Instant::now();
        self.signal_worker(pid, Signal::SIGKILL)?;
        let deadline = at + Duration::from_secs(10);
        loop {
            // A zombie has closed its connections, but only with its last thread.
            if states_of_threads(pid).iter().all(|state| matches!(state, 'Z' | 'X')) {
                return Ok((at, Instant::now()));
            }
            if Instant::now() > deadline {
                bail!("process {pid} does not end");
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Stops a process of this server: when this returns, it does nothing any more.
    pub fn stop_worker(&self, pid: u32) -> Result<()> {
        self.signal_worker(pid, Signal::SIGSTOP)?;
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let states = states_of_threads(pid);
            ensure!(!states.is_empty(), "process {pid} is gone");
            if states.iter().all(|state| *state == 'T') {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("process {pid} does not stop");
            }
        }
    }

    /// Tells workers that start from now on to misbehave; `None`: no longer.
    pub fn set_mode(&self, mode: Option<&str>) -> Result<()> {
        let path = self.folder.join("mode");
        match mode {
            Some(mode) => {
                let new = self.folder.join("mode.new");
                std::fs::write(&new, mode)?;
                std::fs::rename(new, path)?;
            }
            None => std::fs::remove_file(path)?,
        }
        Ok(())
    }

    /// The copy of the program that runs.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// What it has written to stderr.
    pub fn complaints(&self) -> String {
        let mut text = String::new();
        if let Ok(mut file) = File::open(self.folder.join("stderr")) {
            let length = file.metadata().map_or(0, |metadata| metadata.len());
            let _ = file.seek(SeekFrom::Start(length.saturating_sub(20_000)));
            let _ = file.read_to_string(&mut text);
        }
        text
    }

    /// Waits for the master's end: with 0, nothing left, within the time.
    pub fn wait_for_end(&mut self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                bail!("the master has not ended {limit:?} after it was told to");
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        self.ended = Some(status);
        // What was killed with the master's last breath needs a moment.
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.ours().is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        match (status.code(), status.signal(), self.ours()) {
            (Some(0), _, left) if left.is_empty() => Ok(()),
            (code, signal, left) => Err(anyhow!("the master ended with {code:?}, signal {signal:?}, left: {left:?}")),
        }
    }

    /// Every process of this server that lives, the master among them.
    pub fn ours(&self) -> Vec<u32> {
        processes::marked(MARKER, &self.marker)
    }
}

impl Drop for Server {
    /// After a failure: ends what still runs. Never anything without this run's marker.
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        for pid in self.ours() {
            let _ = kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// How many processes became workers, and how many ended.
pub fn counts(events: &[Event]) -> (usize, usize) {
    let starts = events.iter().filter(|event| matches!(event.said, Said::Start { .. })).count();
    let exits = events.iter().filter(|event| matches!(event.said, Said::Exit { .. })).count();
    (starts, exits)
}

/// The state of each thread of a process, as /proc tells it; empty: the process is gone.
fn states_of_threads(pid: u32) -> Vec<char> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let stats = threads.flatten().filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
    stats.filter_map(|stat| stat.rsplit(')').next()?.trim_start().chars().next()).collect()
}

fn understand(line: &str) -> Option<Said> {
    let mut words = line.split(' ');
    let what = words.next()?;
    let mut number = || words.next()?.parse::<u64>().ok();
    Some(match what {
        "start" => Said::Start { worker: number()? as u8, pid: number()? as u32 },
        "exit" => Said::Exit { worker: number()? as u8, status: number()? as i32, crash: number()? != 0 },
        "ready" => Said::Ready,
        "end" => Said::End,
        "stats" => {
            let (active, restarting, _, total_restarts) = (number()? as u8, number()? != 0, number()?, number()?);
            let pids = std::iter::from_fn(|| number().map(|pid| pid as u32)).collect();
            Said::Stats(Stats { active, restarting, total_restarts, pids })
        }
        _ => return None,
    })
}

/// A port that is free, and so many after it.
fn free_ports(after: u16) -> Result<u16> {
    for _ in 0..200 {
        let first = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let port = first.local_addr()?.port();
        let last = port.checked_add(after);
        let is_free = |port| TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).is_ok();
        if last.is_some_and(|last| (port + 1..=last).all(is_free)) {
            return Ok(port);
        }
    }
    bail!("no free ports")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_ended_when_all_its_threads_have() {
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::spawn(move || stopped.recv());
        let states = states_of_threads(std::process::id());
        assert!(states.len() >= 2 && states.iter().all(|state| !matches!(state, 'Z' | 'X')), "{states:?}");
        drop(stop);
        assert!(thread.join().is_ok_and(|received| received.is_err()));
        assert!(states_of_threads(u32::MAX).is_empty());
    }

    #[test]
    fn lines_of_the_server() {
        assert_eq!(understand("start 3 4711"), Some(Said::Start { worker: 3, pid: 4711 }));
        assert_eq!(understand("exit 3 137 1"), Some(Said::Exit { worker: 3, status: 137, crash: true }));
        assert_eq!(understand("ready"), Some(Said::Ready));
        let stats = Stats { active: 2, restarting: true, total_restarts: 5, pids: vec![10, 0] };
        assert_eq!(understand("stats 2 1 0 5 10 0"), Some(Said::Stats(stats)));
        assert_eq!(understand("hello"), None);
        assert_eq!(understand("start x"), None);
    }

    #[test]
    fn a_run_of_free_ports() {
        let port = free_ports(8).unwrap();
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, port + 3)).is_ok());
    }
}
