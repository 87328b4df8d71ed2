//! One run of the program under test.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::faults::verdict::Ran;
use crate::faults::{Passed, Trouble};
use crate::processes;

/// All processes of a run have this in their environment.
const MARKER: &str = "FAULT_RUN";
/// Longer than any run takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
/// How long a step may take, in milliseconds: where all must be well in the end, and where a fault stays.
const STEP_MS: u64 = 20_000;
const STEP_OF_LASTING_MS: u64 = 600;
/// Between two signals of a storm.
const STORM_PAUSE: Duration = Duration::from_micros(300);

/// The size of a record, of its name and of its numbers, as c-tests/faults/seam.h has them.
const RECORD: usize = 64;
const NAME: usize = 40;

/// Runs it once. `folder` is for its files; `passed_init` says how often the point of the fault is passed in `cluster_init`.
pub fn run(program: &Path, folder: &Path, trouble: &Trouble, passed: &Passed) -> Result<(Ran, Passed)> {
    let marker = format!("{}-{:016x}", std::process::id(), fastrand::u64(..));
    let port = FreePort::take()?;
    let stem = folder.join(&marker);
    let file = |kind: &str| stem.with_extension(kind);
    let step_ms = if trouble.is_passing() { STEP_MS } else { STEP_OF_LASTING_MS };
    let child = Command::new(program)
        .args([port.0.to_string(), step_ms.to_string()])
        .env(MARKER, &marker)
        .env("FAULT_PLAN", trouble.plan())
        .env("FAULT_RECORD", file("record"))
        .stdin(Stdio::null())
        .stdout(File::create(file("out"))?)
        .stderr(File::create(file("err"))?)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let mut run = Run { child, marker, files: ["record", "out", "err"].map(file).to_vec() };
    let (code, timed_out) = run.wait(trouble)?;
    let left = run.left();
    let text = |kind: &str| std::fs::read_to_string(file(kind)).unwrap_or_default();
    let records = read_records(&std::fs::read(file("record")).unwrap_or_default());
    let injected = records.iter().filter(|record| record.name == trouble.name()).map(|record| record.injected).sum();
    let ran = Ran {
        code,
        timed_out,
        out: text("out"),
        err: text("err"),
        left,
        injected,
        in_init: is_in_init(trouble, passed),
    };
    Ok((ran, records.into_iter().map(|record| (record.name, (record.passed, record.passed_init))).collect()))
}

/// Whether the fault may hit `cluster_init`. How often a point is passed there differs a little from run to run.
fn is_in_init(trouble: &Trouble, passed: &Passed) -> bool {
    match trouble {
        Trouble::Fails { behind: Some(_), .. } => true,
        Trouble::Fails { point, nth, .. } => {
            let in_init = passed.get(*point).map_or(u64::MAX, |(_, init)| *init);
            *nth <= in_init + 2 + in_init / 4
        }
        Trouble::None | Trouble::Stopped { .. } | Trouble::Storm => false,
    }
}

struct Run {
    child: Child,
    marker: String,
    files: Vec<PathBuf>,
}

impl Run {
    /// Waits for the end, and makes the trouble that comes from outside meanwhile. Gives the exit code, and whether it had to be killed.
    fn wait(&mut self, trouble: &Trouble) -> Result<(Option<i32>, bool)> {
        let begin = Instant::now();
        let pid = Pid::from_raw(self.child.id() as i32);
        let mut is_stopped = None;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok((status.code(), false));
            }
            if begin.elapsed() > LIMIT {
                return Ok((None, true));
            }
            match trouble {
                Trouble::Storm if begin.elapsed() > Duration::from_millis(20) => {
                    kill(pid, Signal::SIGURG)?;
                    std::thread::sleep(STORM_PAUSE);
                }
                Trouble::Stopped { after_ms, for_ms } => {
                    let (from, until) = (Duration::from_millis(*after_ms), Duration::from_millis(after_ms + for_ms));
                    match is_stopped {
                        None if begin.elapsed() >= from => {
                            kill(pid, Signal::SIGSTOP)?;
                            is_stopped = Some(true);
                        }
                        Some(true) if begin.elapsed() >= until => {
                            kill(pid, Signal::SIGCONT)?;
                            is_stopped = Some(false);
                        }
                        Some(_) | None => {}
                    }
                    std::thread::sleep(Duration::from_millis(2));
                }
                Trouble::Storm | Trouble::None | Trouble::Fails { .. } => std::thread::sleep(Duration::from_millis(4)),
            }
        }
    }

    /// Its processes that live. Those that were killed with the master's last breath need a moment.
    fn left(&self) -> Vec<u32> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let left = self.ours();
            if left.is_empty() || Instant::now() > deadline {
                return left;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn ours(&self) -> Vec<u32> {
        processes::marked(MARKER, &self.marker)
    }
}

impl Drop for Run {
    /// After a failure: ends what still runs. Never anything without this run's marker.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in self.ours() {
            let _ = kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
        }
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
    }
}

struct Record {
    name: String,
    passed: u64,
    passed_init: u64,
    injected: u64,
}

fn read_records(bytes: &[u8]) -> Vec<Record> {
    let understand = |record: &[u8]| {
        let (name, numbers) = record.split_at_checked(NAME)?;
        let name: Vec<u8> = name.iter().copied().take_while(|byte| *byte != 0).collect();
        let number = |index: usize| Some(u64::from_ne_bytes(numbers.get(index * 8..index * 8 + 8)?.try_into().ok()?));
        let record = Record {
            name: String::from_utf8(name).ok()?,
            passed: number(0)?,
            passed_init: number(1)?,
            injected: number(2)?,
        };
        Some(record).filter(|record| !record.name.is_empty())
    };
    bytes.chunks(RECORD).filter_map(understand).collect()
}

/// A port that no other run here has, outside of those that the system chooses for connections.
struct FreePort(u16);

static TAKEN: LazyLock<Mutex<BTreeSet<u16>>> = LazyLock::new(Mutex::default);

impl FreePort {
    fn take() -> Result<Self> {
        for _ in 0..500 {
            let port = fastrand::u16(20_000..32_000);
            let is_free = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok();
            if is_free && TAKEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
                return Ok(Self(port));
            }
        }
        bail!("no free port")
    }
}

impl Drop for FreePort {
    fn drop(&mut self) {
        TAKEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_the_seam() {
        let mut bytes = vec![0; 2 * RECORD];
        bytes[..5].copy_from_slice(b"clone");
        for (index, number) in [7u64, 3, 1].into_iter().enumerate() {
            bytes[NAME + index * 8..NAME + index * 8 + 8].copy_from_slice(&number.to_ne_bytes());
        }
        let records = read_records(&bytes);
        assert_eq!(records.len(), 1);
        assert_eq!((records[0].name.as_str(), records[0].passed, records[0].passed_init), ("clone", 7, 3));
        assert_eq!(records[0].injected, 1);
    }
}
