//! A peer that runs: started, restarted, stopped, and nothing of it left behind.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

use super::description::{Peer, Places, Restart, fill, search_path};
use super::probe::{FirstAnswers, first_answers};
use super::process::{self, Process};

const START_LIMIT: Duration = Duration::from_secs(15);

/// Masters that were started and not yet taken away: each leads a group of processes.
static STARTED: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// The server, its master's process and its folder.
#[derive(Debug)]
pub struct Running<'a> {
    /// What it is.
    pub peer: &'a Peer,
    /// Where it listens.
    pub port: u16,
    /// So many worker processes it should have.
    pub processes: usize,
    /// How long its start took.
    pub first: FirstAnswers,
    child: Child,
    words: Vec<(String, String)>,
    work: PathBuf,
    /// All that were ever seen of it, while they live.
    seen: Vec<Process>,
}

impl<'a> Running<'a> {
    /// Starts it and waits until all workers have answered, or for some seconds.
    pub fn start(peer: &'a Peer, places: &Places, workers: usize) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?.local_addr()?.port();
        let work = std::env::temp_dir().join(format!("peer-{}-{}-{port}", std::process::id(), peer.name));
        fs::create_dir(&work).with_context(|| format!("cannot create {}", work.display()))?;
        let mut words = places.words();
        words.extend(peer.words.iter().cloned());
        words.extend([("port", port.to_string()), ("workers", workers.to_string())].map(|(a, b)| (a.to_owned(), b)));
        words.push(("work".to_owned(), work.display().to_string()));
        for config in &peer.configs {
            let from = places.here.join(config);
            let text = fs::read_to_string(&from).with_context(|| format!("cannot read {}", from.display()))?;
            fs::write(work.join(from.file_name().context("no file name")?), fill(&text, &words))?;
        }
        let log = File::create(work.join("log"))?;
        let since = Instant::now();
        let mut command = shell(&format!("exec {}", fill(&peer.start, &words)));
        command.stdout(log.try_clone()?).stderr(log).process_group(0);
        let child = spawn(&mut command)?;
        started(|masters| masters.push(child.id()));
        let processes = peer.processes.unwrap_or(workers);
        let first = FirstAnswers::default();
        let mut running = Self { peer, port, processes, first, child, words, work, seen: Vec::new() };
        running.first = first_answers(port, since, processes, START_LIMIT);
        running.look();
        ensure!(running.first.first.is_some(), "no answer within {START_LIMIT:?}; it said:\n{}", running.log());
        Ok(running)
    }

    /// The master's pid.
    pub fn master(&self) -> u32 {
        self.child.id()
    }

    /// Sends the master a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(self.master() as i32), signal).with_context(|| format!("cannot send {signal} to the master"))
    }

    /// The workers that live.
    pub fn workers(&self) -> Vec<Process> {
        let all = process::children(self.master());
        all.into_iter().filter(|each| each.has_word(&self.peer.worker_word)).collect()
    }

    /// Notes what belongs to it now: after the master's death nothing tells that it did. Returns what lives.
    pub fn look(&mut self) -> Vec<Process> {
        for each in process::family(self.master()) {
            if !self.seen.iter().any(|known| known.is(&each)) {
                self.seen.push(each);
            }
        }
        self.seen.retain(Process::lives);
        self.seen.clone()
    }

    /// Asks for a graceful restart.
    pub fn restart(&self) -> Result<()> {
        match &self.peer.restart {
            Some(Restart::Signal(signal)) => self.signal(*signal),
            Some(Restart::Command(command)) => {
                let log = File::options().append(true).open(self.work.join("log"))?;
                let status =
                    shell_for_a_while(&fill(command, &self.words)).stdout(log.try_clone()?).stderr(log).status()?;
                ensure!(status.success(), "{command}: {status}; it said:\n{}", self.log());
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Waits until something is true of it, asked every 2 ms; how long that took.
    pub fn wait_until(&mut self, limit: Duration, mut is_true: impl FnMut(&mut Self) -> bool) -> Option<Duration> {
        let since = Instant::now();
        while since.elapsed() < limit {
            // Otherwise a master that has ended stays as a zombie.
            let _ = self.child.try_wait();
            if is_true(self) {
                return Some(since.elapsed());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        None
    }

    /// Asks it to stop, and waits until nothing of it lives.
    pub fn stop(&mut self, limit: Duration) -> Result<Option<Duration>> {
        self.look();
        self.signal(self.peer.stop)?;
        Ok(self.wait_until(limit, |running| running.look().is_empty()))
    }

    /// The end of what it has written.
    pub fn log(&self) -> String {
        let text = fs::read_to_string(self.work.join("log")).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // The master first, so that it starts no more.
        self.look();
        let _ = self.child.kill();
        end(&self.look());
        let _ = self.child.wait();
        started(|masters| masters.retain(|master| *master != self.child.id()));
        if let Some(command) = &self.peer.cleanup {
            let _ = shell_for_a_while(&fill(command, &self.words)).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
        let _ = fs::remove_dir_all(&self.work);
    }
}

fn started(act: impl FnOnce(&mut Vec<u32>)) {
    act(&mut STARTED.lock().unwrap_or_else(PoisonError::into_inner));
}

fn end(processes: &[Process]) {
    for each in processes.iter().filter(|each| each.lives()) {
        let _ = kill(Pid::from_raw(each.pid as i32), Signal::SIGKILL);
    }
}

/// Ends whatever still runs, for a program that is told to end in the middle.
pub fn end_all() {
    started(|masters| {
        for master in masters.iter() {
            // Twice: the master may have started another one meanwhile.
            end(&process::family(*master));
            end(&process::family(*master));
        }
    });
}

/// A command for the shell, without input.
fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).env("PATH", search_path()).stdin(Stdio::null());
    shell
}

/// Starts it with no signal blocked. The driver's threads block those that end it, and a child would inherit that.
pub fn spawn(command: &mut Command) -> Result<Child> {
    let before = SigSet::thread_get_mask()?;
    SigSet::empty().thread_set_mask()?;
    let child = command.spawn();
    before.thread_set_mask()?;
    Ok(child?)
}

/// A command for the shell, for 20 s at most: writing to a fifo that nobody reads would not end.
pub fn shell_for_a_while(command: &str) -> Command {
    let mut shell = Command::new("timeout");
    shell.args(["--kill-after=1", "20", "sh", "-c", command]).env("PATH", search_path()).stdin(Stdio::null());
    shell
}
