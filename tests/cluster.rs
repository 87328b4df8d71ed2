//! The Rust interface from outside: a program that is a cluster, started, killed, restarted and stopped (contract 8).
//!
//! This file is two programs. Without [`PORT`] in its environment it is the tests. They start it again with it: then it is a
//! clustered server that takes commands on stdin and tells on stdout what happens. It has its own `main`, since a worker
//! runs the same program with the same arguments as its master.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // Tests report by panicking.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU8;
use std::panic::{UnwindSafe, catch_unwind};
use std::process::{Child, ChildStdin, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use ecewo_cluster::{Builder, Cluster, Error, Handle, Role, Worker, WorkerStatus, cpus, cpus_physical};

/// Environment: the port of the server, and how often it is to be a cluster.
const PORT: &str = "CLUSTER_TEST_PORT";
const ROUNDS: &str = "CLUSTER_TEST_ROUNDS";
/// Environment: a second port, on which worker 0 listens until somebody comes.
const SECOND_PORT: &str = "CLUSTER_TEST_SECOND_PORT";
/// Environment: if it is there, the workers take the drain notice.
const NOTICE: &str = "CLUSTER_TEST_NOTICE";
const WORKERS: u8 = 2;
/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    if let Ok(port) = std::env::var(PORT) {
        return server::main(port.parse().expect("a port"));
    }
    let tests: [(&str, fn()); 10] = [
        ("it_starts_serves_and_stops_contract_8_1", it_starts_serves_and_stops),
        ("a_killed_worker_is_replaced_contract_3_2", a_killed_worker_is_replaced),
        ("a_restart_replaces_every_worker_contract_5_1", a_restart_replaces_every_worker),
        ("sigterm_to_the_master_stops_it_contract_4_1", sigterm_to_the_master_stops_it),
        ("a_process_can_be_a_cluster_again_contract_3_8", a_process_can_be_a_cluster_again),
        ("no_worker_outlives_its_master_contract_4_4", no_worker_outlives_its_master),
        ("a_closed_listener_keeps_nobody_waiting_contract_6_1", a_closed_listener_keeps_nobody_waiting),
        ("sigterm_gives_the_drain_notice_contract_8_3", sigterm_gives_the_drain_notice),
        ("errors_leave_nothing_contract_8_4", errors_leave_nothing),
        ("what_needs_no_cluster_contract_1_4", what_needs_no_cluster),
    ];
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in tests.into_iter().filter(|(name, _)| name.contains(&wanted)) {
        let ok = is_passed(test);
        println!("test {name} ... {}", if ok { "ok" } else { "FAILED" });
        *if ok { &mut passed } else { &mut failed } += 1;
    }
    println!("{passed} passed, {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}

fn is_passed(test: impl FnOnce() + UnwindSafe) -> bool {
    catch_unwind(test).is_ok()
}

fn it_starts_serves_and_stops() {
    let mut program = Program::start(1);
    assert_eq!(program.lines_until("up"), ["start 0", "start 1", "up"]);
    let workers = program.workers();
    assert!(workers.iter().all(|worker| worker.status == "Active"), "{workers:?}");
    let answers: BTreeSet<String> = wait_for("an answer of each worker", || {
        let answers: BTreeSet<String> = (0..40).filter_map(|_| ask(program.port)).collect();
        (answers.len() >= workers.len()).then_some(answers)
    });
    let expected: BTreeSet<String> =
        workers.iter().map(|worker| format!("{} of {WORKERS}, pid {}", worker.id, worker.pid)).collect();
    assert_eq!(answers, expected);
    assert_eq!(program.ask("signal 0"), "sent false", "no signal");
    assert_eq!(program.ask("signal 32"), "sent false", "the C library's own");
    assert_eq!(program.ask("start"), "second start: AlreadyInitialized");
    assert_eq!(program.cluster(), "total 2 active 2 crashed 0 disabled 0 shutdown false restart false restarts 0");
    program.send("stop");
    let mut lines = program.lines_until("over");
    lines.sort_unstable();
    assert_eq!(lines, ["exit 0 143 false", "exit 1 143 false", "over", "without a master: None, false"]);
    assert_eq!(program.end().code(), Some(0));
    assert!(workers.iter().all(|worker| !is_alive(worker.pid)));
    assert!(ask(program.port).is_none(), "nobody listens any more");
}

fn a_killed_worker_is_replaced() {
    let mut program = Program::start(1);
    program.lines_until("up");
    let before = program.workers();
    kill(before[1].pid, libc::SIGKILL);
    assert_eq!(program.lines_until("start 1"), ["exit 1 137 true", "start 1"]);
    let after = program.workers();
    assert_eq!(after[0], before[0], "the other one goes on");
    assert_ne!(after[1].pid, before[1].pid);
    assert_eq!((after[1].status.as_str(), after[1].exit_status, after[1].crash_count), ("Active", 137, 1));
    assert!(program.cluster().ends_with("restarts 1"));
    wait_for("an answer of the replacement", || ask(program.port)?.ends_with(&after[1].pid.to_string()).then_some(()));
    program.stop();
}

fn a_restart_replaces_every_worker() {
    let mut program = Program::start(1);
    program.lines_until("up");
    let before = program.workers();
    program.send("restart");
    let lines = program.lines_until("exit 1 143 false");
    assert_eq!(lines, ["start 0", "exit 0 143 false", "start 1", "exit 1 143 false"]);
    assert_eq!(program.cluster(), "total 2 active 2 crashed 0 disabled 0 shutdown false restart false restarts 2");
    let after = program.workers();
    let pids = |workers: &[Seen]| workers.iter().map(|worker| worker.pid).collect::<BTreeSet<_>>();
    assert!(pids(&before).is_disjoint(&pids(&after)), "{before:?}, {after:?}");
    assert!(after.iter().all(|worker| worker.status == "Active" && worker.crash_count == 0), "{after:?}");
    wait_for("an answer of a new worker", || ask(program.port));
    program.stop();
}

fn sigterm_to_the_master_stops_it() {
    let mut program = Program::start(1);
    program.lines_until("up");
    kill(program.pid(), libc::SIGTERM);
    program.lines_until("over");
    assert_eq!(program.end().code(), Some(0));
}

fn a_process_can_be_a_cluster_again() {
    let mut program = Program::start(2);
    program.lines_until("up");
    program.send("stop");
    program.lines_until("over");
    assert_eq!(program.lines_until("up"), ["start 0", "start 1", "up"]);
    assert!(program.cluster().ends_with("restarts 0"), "a new cluster");
    wait_for("an answer", || ask(program.port));
    program.stop();
}

fn no_worker_outlives_its_master() {
    let mut program = Program::start(1);
    program.lines_until("up");
    let workers = program.workers();
    program.child.kill().expect("the master is there");
    program.end();
    wait_for("the workers' ends", || workers.iter().all(|worker| !is_alive(worker.pid)).then_some(()));
}

fn a_closed_listener_keeps_nobody_waiting() {
    let second = (Ipv4Addr::LOCALHOST, free_port());
    let program = Program::start_with(1, &[(SECOND_PORT, second.1)]);
    program.lines_until("up");
    let visitor = wait_for("the second listener", || TcpStream::connect(second).ok());
    // The master keeps the queue of every listener: it has to know of the end of this one.
    wait_for("a refusal", || TcpStream::connect(second).is_err().then_some(()));
    drop(visitor);
    assert!(wait_for("an answer", || ask(program.port)).contains(" of 2, pid "), "the others go on");
    program.stop();
}

/// With the notice taken, SIGTERM ends nothing by itself: the program has the time to say what it has to say.
fn sigterm_gives_the_drain_notice() {
    let mut program = Program::start_with(1, &[(NOTICE, 1)]);
    program.lines_until("up");
    program.send("stop");
    let mut lines = program.lines_until("over");
    lines.sort_unstable();
    let expected =
        ["0 is told", "1 is told", "exit 0 0 false", "exit 1 0 false", "over", "without a master: None, false"];
    assert_eq!(lines, expected);
    assert_eq!(program.end().code(), Some(0));
}

fn errors_leave_nothing() {
    assert!(matches!(Cluster::builder().start(), Err(Error::PortMissing)));
    let taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
    let port = taken.local_addr().expect("it has one").port();
    let error = Cluster::builder().port(port).start().expect_err("the port is taken");
    assert!(matches!(error, Error::PortInUse { port: found } if found == port), "{error:?}");
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    // Neither attempt has taken the process: it may try again.
    assert!(matches!(Cluster::builder().port(port).start(), Err(Error::PortInUse { .. })));
}

fn what_needs_no_cluster() {
    assert!(cpus() >= 1 && (1..=cpus()).contains(&cpus_physical()));
    // Compiled is passed: contract 8.2.
    fn is_shareable<T: Clone + Send + Sync + 'static>() {}
    is_shareable::<Handle>();
    fn is_error<T: std::error::Error + Send + Sync + 'static>() {}
    is_error::<Error>();
}

/// The server's side.
mod server {
    use super::*;

    pub(super) fn main(port: u16) -> ExitCode {
        let rounds = std::env::var(ROUNDS).ok().and_then(|text| text.parse().ok()).unwrap_or(1);
        for _ in 0..rounds {
            match builder(port).start() {
                Ok(Role::Master(master)) => {
                    let handle = master.handle();
                    println!("up");
                    thread::spawn(move || obey(handle, port));
                    master.wait();
                    println!("without a master: {:?}, {}", handle.stats(), handle.restart());
                    println!("over");
                }
                Ok(Role::Worker(worker)) => serve(worker),
                Err(error) => {
                    println!("error {error}");
                    return ExitCode::from(3);
                }
            }
        }
        ExitCode::SUCCESS
    }

    fn builder(port: u16) -> Builder {
        Cluster::builder()
            .port(port)
            .workers(NonZeroU8::new(WORKERS).expect("not 0"))
            .respawn_delay(Duration::from_millis(20))
            .on_start(|id| println!("start {id}"))
            .on_exit(|id, status, crash| println!("exit {id} {status} {crash}"))
    }

    /// Until stdin ends: then whoever tests this is gone. After a stop the next cluster's thread reads on.
    fn obey(handle: Handle, port: u16) {
        let mut line = String::new();
        while std::io::stdin().read_line(&mut line).is_ok_and(|length| length > 0) {
            match line.trim().split_once(' ').unwrap_or((line.trim(), "")) {
                ("restart", _) => expect(handle.restart()),
                ("signal", number) => println!("sent {}", handle.signal(number.parse().expect("a number"))),
                ("start", _) => println!("second start: {:?}", builder(port).start().expect_err("there is one")),
                ("cluster", _) => tell_cluster(handle),
                ("workers", _) => tell_workers(handle),
                ("stop", _) => return expect(handle.stop()),
                (other, _) => panic!("unknown command {other:?}"),
            }
            line.clear();
        }
        handle.stop();
    }

    /// Says something only if it is not so: what follows is told by another thread, in any order.
    fn expect(asked: bool) {
        if !asked {
            println!("there was no master to ask");
        }
    }

    fn tell_cluster(handle: Handle) {
        let stats = handle.stats().expect("this is the master");
        println!(
            "total {} active {} crashed {} disabled {} shutdown {} restart {} restarts {}",
            stats.total_workers,
            stats.active_workers,
            stats.crashed_workers,
            stats.disabled_workers,
            stats.shutdown_requested,
            stats.restart_requested,
            stats.total_restarts
        );
    }

    /// One line: the fields of each worker, and `;` after it.
    fn tell_workers(handle: Handle) {
        let text = handle.workers().map(|worker| {
            assert_eq!(worker.is_respawn_disabled(), worker.status == WorkerStatus::Disabled);
            let pid = worker.pid.unwrap_or(0);
            format!("{} {pid} {:?} {} {};", worker.id, worker.status, worker.exit_status, worker.crash_count)
        });
        println!("{}", text.collect::<String>());
    }

    fn serve(worker: Worker) -> ! {
        if std::env::var_os(NOTICE).is_some() {
            let notice = worker.drain_notice().expect("descriptors enough");
            thread::spawn(move || {
                notice.wait();
                println!("{} is told", worker.id());
                std::process::exit(0);
            });
        }
        if let Some(port) = std::env::var(SECOND_PORT).ok().filter(|_| worker.id() == 0) {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().expect("a port")));
            let second = worker.listener(address).expect("nobody else listens there");
            thread::spawn(move || {
                second.accept().expect("a visitor");
                worker.close(second);
            });
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, worker.port()));
        for connection in listener(worker, address).incoming() {
            let answer = format!("{} of {}, pid {}", worker.id(), worker.count(), std::process::id());
            // A client that is gone already has no use for it.
            let _ = connection.and_then(|mut client| client.write_all(answer.as_bytes()));
        }
        unreachable!("incoming() has no end");
    }

    /// A program's own way to listen, which the assisted calls see to…
    #[cfg(feature = "assist")]
    fn listener(_: Worker, address: SocketAddr) -> TcpListener {
        TcpListener::bind(address).expect("each worker may listen on the port")
    }

    /// …and the library's, where there are none.
    #[cfg(not(feature = "assist"))]
    fn listener(worker: Worker, address: SocketAddr) -> TcpListener {
        worker.listener(address).expect("each worker may listen on the port")
    }
}

/// A server under test.
struct Program {
    child: Child,
    commands: Option<ChildStdin>,
    lines: Receiver<String>,
    port: u16,
}

/// A worker, as the server told of it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    id: u8,
    pid: u32,
    status: String,
    exit_status: i32,
    crash_count: u8,
}

impl Program {
    fn start(rounds: u8) -> Self {
        Self::start_with(rounds, &[])
    }

    fn start_with(rounds: u8, variables: &[(&str, u16)]) -> Self {
        let port = free_port();
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .envs(variables.iter().map(|(name, value)| (name, value.to_string())))
            .env(PORT, port.to_string())
            .env(ROUNDS, rounds.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this file can be run");
        let commands = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, commands, lines, port }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn send(&mut self, command: &str) {
        let commands = self.commands.as_mut().expect("it is open until the end");
        writeln!(commands, "{command}").expect("the server reads");
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(DEADLINE).expect("the server says something")
    }

    fn lines_until(&self, last: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line| line != last) {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(line) => lines.push(line),
                Err(error) => panic!("no line {last:?} ({error}); there were {lines:?}"),
            }
        }
        lines
    }

    fn ask(&mut self, command: &str) -> String {
        self.send(command);
        self.line()
    }

    fn cluster(&mut self) -> String {
        self.ask("cluster")
    }

    fn workers(&mut self) -> Vec<Seen> {
        let text = self.ask("workers");
        let workers: Option<Vec<Seen>> = text.split_terminator(';').map(Seen::parse).collect();
        workers.filter(|workers| workers.len() == usize::from(WORKERS)).unwrap_or_else(|| panic!("{text:?}"))
    }

    fn stop(mut self) {
        self.send("stop");
        self.lines_until("over");
        assert_eq!(self.end().code(), Some(0));
    }

    fn end(&mut self) -> ExitStatus {
        self.commands = None;
        wait_for("the master's end", || self.child.try_wait().expect("it is a child"))
    }
}

impl Drop for Program {
    /// A test that failed leaves nothing: the server stops when its stdin ends, and its workers end with it.
    fn drop(&mut self) {
        self.commands = None;
        let started = Instant::now();
        while self.child.try_wait().is_ok_and(|status| status.is_none()) {
            if started.elapsed() > DEADLINE {
                let _ = self.child.kill();
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Seen {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        Some(Self {
            id: words.next()?.parse().ok()?,
            pid: words.next()?.parse().ok()?,
            status: words.next()?.to_owned(),
            exit_status: words.next()?.parse().ok()?,
            crash_count: words.next()?.parse().ok()?,
        })
    }
}

fn free_port() -> u16 {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    free.expect("a free port").port()
}

/// What a worker answers; `None` if nobody does.
fn ask(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer).filter(|answer| !answer.is_empty())
}

fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(result) = attempt() {
            return result;
        }
        assert!(started.elapsed() < DEADLINE, "{what} did not come");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Of processes that a server under test has told of, or is.
fn kill(pid: u32, signal: i32) {
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 0).expect("a process");
    // SAFETY: kill(2) takes no memory of this process.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0, "{}", std::io::Error::last_os_error());
}

/// Whether it runs; what is left of an orphan until somebody reaps it does not.
fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}
