//! The examples do what they say: each is started, asked, restarted and stopped. Clients that count show that the axum one
//! loses nothing in a restart (contract 6.4, 8.3); without the assisted calls, too.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // Tests report by panicking.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
const RESTARTS: usize = 20;

#[test]
fn hello_is_asked_restarted_and_stopped_contract_8_3() {
    let mut example = Example::start("hello");
    let workers = example.wait_until_started();
    let before = example.pids(workers);
    example.restart(workers);
    let after = example.pids(workers);
    assert!(before.is_disjoint(&after), "{before:?}, {after:?}");
    example.stop();
}

#[test]
fn job_workers_finish_their_jobs_contract_8_3() {
    let mut example = Example::start("job_worker");
    let has_done =
        |id: usize| move |line: &str| line.starts_with(&format!("worker {id} ")) && line.contains(" did job ");
    for id in 0..3 {
        example.wait_for_line("a job of each", has_done(id));
    }
    example.signal(libc::SIGUSR2);
    for _ in 0..3 {
        example.wait_for_line("the end of an old worker", |line| line.ends_with(" has finished"));
    }
    example.wait_for_line("a job of a new one", |line| line.contains(" did job "));
    example.signal(libc::SIGTERM);
    for _ in 0..3 {
        example.wait_for_line("the end of a worker", |line| line.ends_with(" has finished"));
    }
    assert_eq!(example.end(), Some(0));
}

#[test]
fn axum_restarts_20_times_and_loses_no_request_contract_6_4() {
    let mut example = Example::start("axum");
    let workers = example.wait_until_started();
    let before = example.pids(workers);
    let (is_over, requests, port) = (AtomicBool::new(false), AtomicU64::new(0), example.port);
    let failures: Vec<String> = thread::scope(|scope| {
        let clients: Vec<_> = (0..6)
            .map(|number| {
                let (is_over, requests) = (&is_over, &requests);
                scope.spawn(move || {
                    let mut client = Client { port, keeps_alive: number % 3 == 0, connection: None };
                    while !is_over.load(Ordering::Relaxed) {
                        client.ask()?;
                        requests.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok::<(), String>(())
                })
            })
            .collect();
        for _ in 0..RESTARTS {
            let asked = requests.load(Ordering::Relaxed);
            example.restart(workers);
            // Between two restarts there is always work under way.
            let has_progress =
                || requests.load(Ordering::Relaxed) > asked || clients.iter().all(|client| client.is_finished());
            wait_for("an answer", || has_progress().then_some(()));
        }
        is_over.store(true, Ordering::Relaxed);
        clients.into_iter().filter_map(|client| client.join().expect("no panic").err()).collect()
    });
    assert_eq!(failures, [""; 0], "of {} requests", requests.load(Ordering::Relaxed));
    assert!(before.is_disjoint(&example.pids(workers)));
    println!("{RESTARTS} restarts, {} requests, none lost", requests.load(Ordering::Relaxed));
    example.stop();
}

/// A client that retries once where RFC 9110, section 9.2.2 allows it: on a connection that was used before, and ended
/// before the answer began.
struct Client {
    port: u16,
    keeps_alive: bool,
    connection: Option<TcpStream>,
}

impl Client {
    fn ask(&mut self) -> Result<(), String> {
        if let Some(connection) = self.connection.take() {
            match self.ask_on(connection) {
                Ok(()) => return Ok(()),
                Err((true, error)) => return Err(format!("on a kept connection: {error}")),
                Err((false, _)) => {}
            }
        }
        let connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).map_err(|error| error.to_string())?;
        self.ask_on(connection).map_err(|(_, error)| format!("on a new connection: {error}"))
    }

    /// An error tells whether the answer had begun.
    fn ask_on(&mut self, mut connection: TcpStream) -> Result<(), (bool, std::io::Error)> {
        let before = |error| (false, error);
        connection.set_read_timeout(Some(DEADLINE)).map_err(before)?;
        connection.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").map_err(before)?;
        let mut answer = Vec::new();
        let mut room = [0; 1024];
        loop {
            let count = connection.read(&mut room).map_err(|error| (!answer.is_empty(), error))?;
            if count == 0 {
                return Err((!answer.is_empty(), ErrorKind::UnexpectedEof.into()));
            }
            answer.extend_from_slice(&room[..count]);
            if let Some(close) = whole_answer(&String::from_utf8_lossy(&answer)) {
                self.connection = Some(connection).filter(|_| self.keeps_alive && !close);
                return Ok(());
            }
        }
    }
}

/// Whether a whole answer announces the end; `None` if it is not whole.
fn whole_answer(text: &str) -> Option<bool> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200 "), "{text}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    (length.parse() == Ok(body.len())).then(|| head.lines().any(|line| line == "connection: close"))
}

/// A running example.
struct Example {
    child: Child,
    lines: Receiver<String>,
    port: u16,
}

impl Example {
    fn start(name: &str) -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let port = free.expect("a free port").port();
        let test = std::env::current_exe().expect("a path");
        let folder = test.parent().and_then(|deps| deps.parent()).expect("target/debug/deps");
        let mut child = Command::new(folder.join("examples").join(name))
            .env("PORT", port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("`cargo test` has built it");
        let (sender, lines) = mpsc::channel();
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("a pipe")), Box::new(child.stderr.take().expect("a pipe"))];
        for output in outputs {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    eprintln!("| {line}");
                    let _ = sender.send(line);
                }
            });
        }
        Self { child, lines, port }
    }

    fn wait_for_line(&mut self, what: &str, is_it: impl Fn(&str) -> bool) -> usize {
        let end = Instant::now() + DEADLINE;
        for passed in 0.. {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if is_it(&line) => return passed,
                Ok(_) => {}
                Err(error) => panic!("{what} did not come: {error}"),
            }
        }
        unreachable!()
    }

    /// Gives the number of workers: each has its line before the master's.
    fn wait_until_started(&mut self) -> usize {
        let master = self.child.id();
        self.wait_for_line("the master's line", |line| line.ends_with(&format!("master {master}")))
    }

    fn restart(&mut self, workers: usize) {
        self.signal(libc::SIGUSR2);
        for _ in 0..workers {
            self.wait_for_line("the end of an old worker", |line| line.ends_with(" ended with 0"));
        }
    }

    /// Which processes answer, asked until that many have.
    fn pids(&self, workers: usize) -> BTreeSet<String> {
        let mut pids = BTreeSet::new();
        wait_for("an answer of each worker", || {
            let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
            connection.set_read_timeout(Some(DEADLINE)).ok()?;
            connection.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
            let mut answer = String::new();
            connection.read_to_string(&mut answer).ok()?;
            pids.insert(answer.split_once("(pid ")?.1.split_once(')')?.0.to_owned());
            (pids.len() == workers).then_some(())
        });
        pids
    }

    fn signal(&self, number: i32) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        // SAFETY: kill(2) takes no memory of this process; the child has not been waited for.
        assert_eq!(unsafe { libc::kill(pid, number) }, 0, "{}", std::io::Error::last_os_error());
    }

    fn stop(mut self) {
        self.signal(libc::SIGTERM);
        assert_eq!(self.end(), Some(0));
    }

    fn end(&mut self) -> Option<i32> {
        wait_for("the master's end", || self.child.try_wait().expect("it is a child")).code()
    }
}

impl Drop for Example {
    /// After a failure: its workers end with it.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
