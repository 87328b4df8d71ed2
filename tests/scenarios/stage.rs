//! What a scenario plays on, and where it is heard.

use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use crate::drivers::Driver;
use crate::run::Run;
use crate::setup::{Setup, not_beside_a_start};
use crate::{SUBJECT, process};

/// All processes of a run have this in their environment.
const MARKER: &str = "SCENARIO_RUN";
/// While this file is there, workers that start listen and accept when they are told to.
pub(crate) const MANUAL: &str = "manual";

/// What a scenario plays on: a driver, of which it does not know which one it is.
pub(crate) struct Stage<'a> {
    driver: &'a Driver,
    started: Instant,
    transcript: Mutex<Vec<String>>,
    runs: Cell<u32>,
}

/// What came from the processes of a run, and when.
pub(crate) struct Heard {
    pub(crate) at: Instant,
    pub(crate) what: What,
}

#[derive(PartialEq, Eq)]
pub(crate) enum What {
    /// A line on stdout.
    Line(String),
    /// A line on stderr.
    Complaint(String),
    /// Nobody has one of the two open any more: all processes are gone.
    End,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(driver: &'a Driver) -> Self {
        Self { driver, started: Instant::now(), transcript: Mutex::default(), runs: Cell::new(0) }
    }

    /// Everything that was said and done so far.
    pub(crate) fn transcript(&self) -> String {
        self.transcript.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    pub(crate) fn note(&self, what: &str) {
        self.note_at(Instant::now(), what);
    }

    pub(crate) fn note_at(&self, at: Instant, what: &str) {
        let line = format!("  {:7.3} s  {what}", at.saturating_duration_since(self.started).as_secs_f64());
        self.transcript.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    pub(crate) fn program(&self) -> &Path {
        &self.driver.program
    }

    pub(crate) fn next_release(&self) -> &Path {
        &self.driver.next_release
    }

    /// Starts the driver, as a link `current` to its program.
    pub(crate) fn start(&'a self, setup: Setup) -> Run<'a> {
        self.runs.set(self.runs.get() + 1);
        // The address of the stage is this thread's own.
        let marker = format!("{}-{:x}-{}", std::process::id(), std::ptr::from_ref(self).addr(), self.runs.get());
        let folder = std::env::temp_dir().join(format!("scenario-{marker}"));
        fs::create_dir(&folder).expect("a folder for one run");
        symlink(&self.driver.program, folder.join("current")).expect("a link");
        if setup.is_manual {
            fs::write(folder.join(MANUAL), "").expect("a file for the workers");
        }
        let setup = setup.with("folder", folder.display());
        let mut command = Command::new(folder.join("current"));
        command
            .arg(SUBJECT)
            .args(setup.words())
            .envs(setup.variables.iter().copied())
            .env(MARKER, &marker)
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        process::limit(&mut command, &setup);
        self.note(&format!("> {command:?}"));
        let alone = not_beside_a_start();
        let mut child = command.spawn().expect("the driver can be started");
        drop(alone);
        let (sender, heard) = mpsc::channel();
        listen(child.stdout.take().expect("a pipe"), sender.clone(), What::Line);
        listen(child.stderr.take().expect("a pipe"), sender, What::Complaint);
        Run::new(self, child, heard, folder, &format!("{MARKER}={marker}"), &setup)
    }
}

fn listen(pipe: impl Read + Send + 'static, sender: Sender<Heard>, what: fn(String) -> What) {
    thread::spawn(move || {
        let lines = BufReader::new(pipe).lines().map_while(Result::ok).map(what);
        for what in lines.chain([What::End]) {
            if sender.send(Heard { at: Instant::now(), what }).is_err() {
                return;
            }
        }
    });
}
