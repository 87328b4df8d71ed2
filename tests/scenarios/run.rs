//! One run of a driver: what it is told, what it is heard to say, and that nothing of it is left.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{self, Visitor};
use crate::setup::Setup;
use crate::stage::{Heard, MANUAL, Stage, What};
use crate::{DEADLINE, process};

/// A driver that runs.
pub(crate) struct Run<'a> {
    stage: &'a Stage<'a>,
    child: Child,
    status: Option<ExitStatus>,
    stdin: Option<ChildStdin>,
    folder: PathBuf,
    /// Its processes' entry in the environment.
    marker: String,
    heard: Receiver<Heard>,
    log: Vec<Heard>,
    /// How far the log has been read: what the master did, what it answered, and who was born in each slot.
    events_read: usize,
    answers_read: usize,
    births_read: BTreeMap<u8, usize>,
    /// How many there are, as the workers know it.
    pub(crate) workers: u8,
    /// Whether the workers listen by themselves.
    serves: bool,
    pub(crate) port: u16,
}

/// A process that is a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Worker {
    pub(crate) id: u8,
    pub(crate) pid: u32,
}

/// What the master told of an event, with the statistics that the callback saw.
#[derive(Debug)]
pub(crate) struct Event {
    worker: Option<WorkerStats>,
    cluster: Option<String>,
}

/// A worker's statistics.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WorkerStats {
    pub(crate) pid: u32,
    pub(crate) status: String,
    pub(crate) exit_status: i32,
    pub(crate) crash_count: u8,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        stage: &'a Stage<'a>,
        mut child: Child,
        heard: Receiver<Heard>,
        folder: PathBuf,
        marker: &str,
        setup: &Setup,
    ) -> Self {
        Self {
            stage,
            stdin: child.stdin.take(),
            child,
            status: None,
            folder,
            marker: marker.to_owned(),
            heard,
            log: Vec::new(),
            events_read: 0,
            answers_read: 0,
            births_read: BTreeMap::new(),
            workers: setup.value("workers").and_then(|count| count.parse().ok()).unwrap_or(0),
            serves: setup.value("mode").is_none() && !setup.is_manual,
            port: setup.port,
        }
    }
}

/// What the master does and says.
impl Run<'_> {
    /// The next thing that the master tells is this.
    #[track_caller]
    pub(crate) fn expect(&mut self, wanted: &str) -> Event {
        let text = self.next_event(wanted);
        let mut parts = text.split(" | ");
        assert_eq!(parts.next(), Some(wanted), "what the master tells next");
        let worker = parts.next().map(|text| WorkerStats::parse(text, self.port).expect("a worker's statistics"));
        Event { worker, cluster: parts.next().map(str::to_owned) }
    }

    /// The next things are these, in any order.
    #[track_caller]
    pub(crate) fn expect_all(&mut self, wanted: &[&str]) {
        let mut found: Vec<String> = Vec::new();
        for _ in wanted {
            let text = self.next_event(&format!("{wanted:?} in any order"));
            found.push(text.split(" | ").next().unwrap_or_default().to_owned());
        }
        let mut wanted = wanted.to_vec();
        wanted.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, wanted, "what the master tells next, sorted");
    }

    /// Everything that it tells, without statistics, up to a last line.
    #[track_caller]
    pub(crate) fn events_until(&mut self, last: &str) -> Vec<String> {
        let mut events = Vec::new();
        while events.last().is_none_or(|event| event != last) {
            let text = self.next_event(last);
            events.push(text.split(" | ").next().unwrap_or_default().to_owned());
        }
        events
    }

    #[track_caller]
    fn next_event(&mut self, wanted: &str) -> String {
        let (at, text) =
            self.wait_for(&format!("the master to tell {wanted:?}"), |run| run.line_after(run.events_read, "m "));
        self.events_read = at + 1;
        text
    }

    /// The cluster is started, and its workers serve, if that is what they do by themselves.
    #[track_caller]
    pub(crate) fn up<const COUNT: usize>(&mut self) -> [Worker; COUNT] {
        self.expect("before: idle");
        let ids: [u8; COUNT] = std::array::from_fn(|id| u8::try_from(id).expect("few workers"));
        for id in ids {
            self.expect(&format!("start {id}"));
        }
        self.expect("up: master");
        let workers = ids.map(|id| self.born(id));
        if self.serves {
            workers.iter().for_each(|worker| self.says(*worker, "listening"));
        }
        workers
    }

    /// The answer to a command.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.stage.note(&format!("> {command}"));
        let stdin = self.stdin.as_mut().expect("it is open until the end");
        stdin.write_all(format!("{command}\n").as_bytes()).expect("the master reads commands");
        let (at, text) =
            self.wait_for(&format!("an answer to {command:?}"), |run| run.line_after(run.answers_read, "a "));
        self.answers_read = at + 1;
        text
    }

    /// Asks for something that has no answer but what follows from it.
    #[track_caller]
    pub(crate) fn order(&mut self, command: &str) {
        let answer = self.ask(command);
        assert!(answer == "asked" || answer == "gone", "{command:?} was answered with {answer:?}");
    }

    #[track_caller]
    pub(crate) fn cluster_becomes(&mut self, wanted: &str) {
        let started = Instant::now();
        loop {
            let found = self.ask("cluster");
            if found == wanted {
                return;
            }
            assert!(started.elapsed() < DEADLINE, "the cluster is {found:?}, and not {wanted:?}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[track_caller]
    pub(crate) fn stats(&mut self, id: u8) -> WorkerStats {
        let text = self.ask(&format!("worker {id}"));
        WorkerStats::parse(&text, self.port).unwrap_or_else(|| panic!("no statistics: {text:?}"))
    }

    /// There is a line on stderr with all these words in it, or one comes.
    #[track_caller]
    pub(crate) fn complains(&mut self, words: &[&str]) {
        self.wait_for(&format!("a complaint with {words:?}"), |run| {
            run.complaints().iter().any(|line| words.iter().all(|word| line.contains(word))).then_some(())
        });
    }

    fn complaints(&self) -> Vec<String> {
        let complaints = self.log.iter().filter_map(|heard| match &heard.what {
            What::Complaint(line) => Some(line.clone()),
            What::Line(_) | What::End => None,
        });
        complaints.collect()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    #[track_caller]
    pub(crate) fn signal(&mut self, signal: i32) {
        self.stage.note(&format!("> signal {signal} to the master"));
        process::signal(self.child.id(), signal, &self.marker);
    }
}

/// What the workers do and say.
impl Run<'_> {
    /// The next process of a slot. It knows where it belongs, and listens where it is meant to.
    #[track_caller]
    pub(crate) fn born(&mut self, id: u8) -> Worker {
        let from = self.births_read.get(&id).copied().unwrap_or(0);
        let (at, text) = self.wait_for(&format!("a new worker {id}"), |run| {
            run.lines_after(from, &format!("w {id} ")).find(|(_, text)| text.contains(" born: "))
        });
        self.births_read.insert(id, at + 1);
        let (pid, text) = text.split_once(' ').expect("a pid and words");
        assert_eq!(text, format!("born: worker, port {} of {}", self.port, self.workers), "what worker {id} is");
        Worker { id, pid: pid.parse().expect("a pid") }
    }

    /// A worker says this, or has said it.
    #[track_caller]
    pub(crate) fn says(&mut self, worker: Worker, text: &str) {
        let prefix = format!("w {} {} {text}", worker.id, worker.pid);
        self.wait_for(&format!("{prefix:?}"), |run| run.line_after(0, &prefix).filter(|(_, rest)| rest.is_empty()));
    }

    /// All that it has said so far.
    pub(crate) fn said(&self, worker: Worker) -> Vec<String> {
        let prefix = format!("w {} {} ", worker.id, worker.pid);
        self.lines_after(0, &prefix).map(|(_, text)| text).collect()
    }

    #[track_caller]
    pub(crate) fn tell(&mut self, worker: Worker, command: &str) {
        self.stage.note(&format!("> {command} to worker {} ({})", worker.id, worker.pid));
        let socket = UnixDatagram::unbound().expect("a socket");
        let sent = socket.send_to(command.as_bytes(), self.folder.join(worker.pid.to_string()));
        assert!(sent.is_ok(), "worker {} hears no commands: {sent:?}", worker.id);
    }

    /// Tells it to listen. Gives whether it does before the master tells of anything.
    #[track_caller]
    pub(crate) fn listens_before_anything_happens(&mut self, worker: Worker) -> bool {
        self.stage.note(&format!("> listen to worker {} ({})", worker.id, worker.pid));
        let socket = UnixDatagram::unbound().expect("a socket");
        // It may have ended already.
        let _ = socket.send_to(b"listen", self.folder.join(worker.pid.to_string()));
        self.wait_for("worker to listen, or an event", |run| {
            let listens = run.said(worker).iter().any(|text| text == "listening");
            if listens { Some(true) } else { run.line_after(run.events_read, "m ").map(|_| false) }
        })
    }

    #[track_caller]
    pub(crate) fn kill(&mut self, worker: Worker, signal: i32) {
        self.stage.note(&format!("> signal {signal} to worker {} ({})", worker.id, worker.pid));
        process::signal(worker.pid, signal, &self.marker);
    }

    /// Workers that start from now on listen and accept when they are told to.
    pub(crate) fn set_manual(&self) {
        fs::write(self.folder.join(MANUAL), "").expect("a file for the workers");
    }

    /// In a run whose workers wait for that: this one may serve, and does.
    #[track_caller]
    pub(crate) fn serve(&mut self, worker: Worker) {
        self.tell(worker, "listen");
        self.says(worker, "listening");
        self.tell(worker, "accept");
    }

    /// Who answers a request on a new connection.
    #[track_caller]
    pub(crate) fn get(&self) -> Worker {
        client::ask(self.port).unwrap_or_else(|error| panic!("a request failed: {error}"))
    }

    /// Each of these answers sooner or later, and nobody else does.
    #[track_caller]
    pub(crate) fn are_served_by(&self, workers: &[Worker]) {
        let started = Instant::now();
        let mut unheard = workers.to_vec();
        while !unheard.is_empty() {
            let found = self.get();
            assert!(workers.contains(&found), "{found:?} answers, and not one of {workers:?}");
            unheard.retain(|worker| *worker != found);
            assert!(started.elapsed() < DEADLINE, "no answer of {unheard:?}");
        }
    }

    pub(crate) fn visit(&self) -> Visitor {
        Visitor::come(self.port).expect("somebody listens")
    }

    /// The program file that a worker runs.
    pub(crate) fn program_of(&self, worker: Worker) -> PathBuf {
        fs::read_link(format!("/proc/{}/exe", worker.pid)).expect("it runs")
    }

    /// What `current` stands for: nothing, or another program.
    pub(crate) fn deploy(&self, program: Option<&Path>) {
        self.stage.note(&format!("> deploy {program:?}"));
        let current = self.folder.join("current");
        match program {
            None => fs::remove_file(current).expect("it is there"),
            Some(program) => {
                let new = self.folder.join("new");
                symlink(program, &new).and_then(|()| fs::rename(new, current)).expect("a new link");
            }
        }
    }
}

/// The end.
impl Run<'_> {
    /// The cluster is told to stop, and does: gracefully, with nothing left. In all of the run so many lines were on stderr.
    #[track_caller]
    pub(crate) fn stop(mut self, complaints: usize) {
        self.tell_to_stop();
        self.ends(0, complaints);
    }

    /// The same, where the number of lines depends on the machine.
    #[track_caller]
    pub(crate) fn stop_noisily(mut self) {
        self.tell_to_stop();
        let status = self.end();
        assert!(status.success(), "how the master ended: {status}");
    }

    #[track_caller]
    fn tell_to_stop(&mut self) {
        self.signal(libc::SIGTERM);
        let events = self.events_until("end: idle");
        assert!(events.iter().all(|event| !event.ends_with("crash")), "an end that was asked for: {events:?}");
    }

    /// The master ends with this exit code, all processes are gone, and nobody listens any more.
    #[track_caller]
    pub(crate) fn ends(mut self, code: i32, complaints: usize) {
        let status = self.end();
        assert_eq!(status.code(), Some(code), "how the master ended: {status}");
        assert_eq!(self.complaints().len(), complaints, "lines on stderr: {:#?}", self.complaints());
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err(), "somebody listens still");
    }

    /// Waits until nothing of the run is left, and gives how the master ended.
    #[track_caller]
    pub(crate) fn end(&mut self) -> ExitStatus {
        // stdout and stderr.
        let is_over = |run: &Self| run.log.iter().filter(|heard| heard.what == What::End).count() == 2;
        self.wait_for("the end of every process", |run| is_over(run).then_some(()));
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is a child") {
                self.status = Some(status);
                return status;
            }
            assert!(started.elapsed() < DEADLINE, "the master does not end");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Kills the master, and gives its workers time to notice.
    #[track_caller]
    pub(crate) fn kill_master(&mut self, orphans: &[Worker]) {
        self.signal(libc::SIGKILL);
        self.end();
        orphans.iter().for_each(|worker| process::bury(worker.pid));
    }
}

impl Run<'_> {
    /// Listens until this is found.
    #[track_caller]
    fn wait_for<T>(&mut self, what: &str, find: impl Fn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(found) = find(self) {
                return found;
            }
            let heard = match self.heard.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(heard) => heard,
                Err(RecvTimeoutError::Timeout) => panic!("waited {DEADLINE:?} for {what}"),
                Err(RecvTimeoutError::Disconnected) => panic!("all processes have ended without {what}"),
            };
            let text = match &heard.what {
                What::Line(line) => line.clone(),
                What::Complaint(line) => format!("stderr: {line}"),
                What::End => "a pipe has no writer any more".to_owned(),
            };
            self.stage.note_at(heard.at, &text);
            assert!(!text.contains("WRONG"), "{text}");
            self.log.push(heard);
        }
    }

    fn line_after(&self, from: usize, prefix: &str) -> Option<(usize, String)> {
        self.lines_after(from, prefix).next()
    }

    /// The lines from a place in the log on that begin so, without that.
    fn lines_after(&self, from: usize, prefix: &str) -> impl Iterator<Item = (usize, String)> {
        self.log.iter().enumerate().skip(from).filter_map(move |(at, heard)| match &heard.what {
            What::Line(line) => Some((at, line.strip_prefix(prefix)?.to_owned())),
            What::Complaint(_) | What::End => None,
        })
    }
}

impl Drop for Run<'_> {
    /// After a failure: ends what still runs. Never anything without this run's marker.
    fn drop(&mut self) {
        if self.status.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
            process::end_all_with(&self.marker);
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Event {
    /// The worker's statistics, as its callback saw them.
    #[track_caller]
    pub(crate) fn worker(&self) -> &WorkerStats {
        self.worker.as_ref().expect("an event of a worker")
    }

    /// The cluster's.
    #[track_caller]
    pub(crate) fn cluster(&self) -> &str {
        self.cluster.as_deref().expect("an event of a worker")
    }
}

impl WorkerStats {
    /// contract 3.4: what holds in every state is looked at here.
    fn parse(text: &str, cluster_port: u16) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let [_, pid, port, status, start_time, uptime, exit_status, crash_count, is_disabled] = words[..] else {
            return None;
        };
        assert_eq!(port.parse(), Ok(cluster_port), "{text}");
        assert_ne!(start_time, "0", "it was started once: {text}");
        assert!(pid != "0" || uptime == "0", "nothing runs, and is up: {text}");
        assert_eq!(is_disabled == "yes", status == "disabled", "{text}");
        Some(Self {
            pid: pid.parse().ok()?,
            status: status.to_owned(),
            exit_status: exit_status.parse().ok()?,
            crash_count: crash_count.parse().ok()?,
        })
    }
}
