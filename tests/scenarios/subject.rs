//! The Rust driver of the scenarios: a cluster by [`Cluster::builder`] that does what its arguments and commands say, and tells
//! what happens to it. README.md in this folder has the words; subject.c is the same over the C interface.

use std::fmt::Display;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::num::NonZeroU8;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use ecewo_cluster::{Builder, Cluster, Handle, Role, Worker};

/// Environment: this worker has run its own program anew.
const AGAIN: &str = "SCENARIO_AGAIN";

/// What it is told at its start. Zeros mean what they mean in C: the default.
#[derive(Clone, Default)]
struct Arguments {
    port: u16,
    workers: u8,
    respawn: bool,
    shutdown_ms: u64,
    startup_ms: u64,
    respawn_ms: u64,
    window_s: u64,
    max_crashes: u8,
    rounds: u8,
    /// The exit code after an order to stop; `None`: the signal's default action.
    term: Option<i32>,
    early: String,
    asks_in_callback: bool,
    folder: String,
    mode: String,
    pause: String,
}

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::read();
    let is_started_as_worker = std::env::var_os("ECEWO_WORKER_ID").is_some();
    if is_started_as_worker && arguments.early == "exit" {
        return ExitCode::SUCCESS;
    }
    if is_started_as_worker && arguments.early == "exec" && std::env::var_os(AGAIN).is_none() {
        let again = std::env::args_os().skip(1);
        panic!("{}", Command::new("/proc/self/exe").args(again).env(AGAIN, "yes").exec());
    }
    let (go, may_go) = mpsc::channel();
    if !is_started_as_worker {
        let arguments = arguments.clone();
        thread::spawn(move || obey(&arguments, &go));
    }
    let pause_before = |place| {
        if arguments.pause == place && !is_started_as_worker {
            let _ = may_go.recv();
        }
    };
    for _ in 0..arguments.rounds {
        if !is_started_as_worker || part() != "idle" {
            say(format_args!("m before: {}", part()));
        }
        pause_before("init");
        match arguments.builder().start() {
            Ok(Role::Master(master)) => {
                let handle = master.handle();
                say(format_args!("m up: {}", part()));
                pause_before("wait");
                master.wait();
                let is_deaf = handle.stats().is_none() && handle.worker(0).is_none() && handle.workers().count() == 0;
                say(format_args!("m end: {}", if is_deaf { part() } else { "WRONG: answers of nobody" }));
                pause_before("end");
            }
            Ok(Role::Worker(worker)) => Serving::new(worker, &arguments).work(),
            Err(error) => {
                complain(error);
                say(format_args!("m failed: {}", part()));
                return ExitCode::from(3);
            }
        }
    }
    ExitCode::SUCCESS
}

impl Arguments {
    fn read() -> Self {
        let mut arguments = Self { rounds: 1, term: Some(0), mode: "serve".to_owned(), ..Self::default() };
        for argument in std::env::args().skip(1) {
            let Some((name, value)) = argument.split_once('=') else { continue };
            match name {
                "port" => arguments.port = number(value),
                "workers" => arguments.workers = number(value),
                "respawn" => arguments.respawn = value == "yes",
                "shutdown-ms" => arguments.shutdown_ms = number(value),
                "startup-ms" => arguments.startup_ms = number(value),
                "respawn-ms" => arguments.respawn_ms = number(value),
                "window-s" => arguments.window_s = number(value),
                "max-crashes" => arguments.max_crashes = number(value),
                "rounds" => arguments.rounds = number(value),
                "term" => arguments.term = (value != "none").then(|| number(value)),
                "early" => value.clone_into(&mut arguments.early),
                "callback" => arguments.asks_in_callback = value == "asks",
                "folder" => value.clone_into(&mut arguments.folder),
                "mode" => value.clone_into(&mut arguments.mode),
                "pause" => value.clone_into(&mut arguments.pause),
                _ => panic!("unknown argument {argument:?}"),
            }
        }
        arguments
    }

    fn builder(&self) -> Builder {
        let set = |value: u64, unit: fn(u64) -> Duration| Some(value).filter(|value| *value != 0).map(unit);
        let again = self.clone();
        let mut builder = Cluster::builder()
            .port(self.port)
            .respawn(self.respawn)
            .on_start(|id| say_event(&format!("start {id}"), id))
            .on_exit(move |id, status, is_crash| {
                let how = if is_crash { "crash" } else { "graceful" };
                say_event(&format!("exit {id} {status} {how}"), id);
                if again.asks_in_callback && is_crash {
                    say(format_args!("m {}", again.init_once_more()));
                    let handle = Handle::current().expect("a callback runs in the master");
                    // Nothing comes of the signal.
                    if !handle.signal(libc::SIGCONT) || !handle.restart() {
                        say(format_args!("m WRONG: there is no master to ask"));
                    }
                }
            });
        if let Some(workers) = NonZeroU8::new(self.workers) {
            builder = builder.workers(workers);
        }
        if let Some(timeout) = set(self.shutdown_ms, Duration::from_millis) {
            builder = builder.shutdown_timeout(timeout);
        }
        if let Some(delay) = set(self.startup_ms, Duration::from_millis) {
            builder = builder.startup_delay(delay);
        }
        if let Some(delay) = set(self.respawn_ms, Duration::from_millis) {
            builder = builder.respawn_delay(delay);
        }
        // Each of the two is given alone in C.
        match (NonZeroU8::new(self.max_crashes), set(self.window_s, Duration::from_secs)) {
            (Some(crashes), Some(window)) => builder.crash_protection(crashes, window),
            (None, None) => builder,
            (Some(_), None) | (None, Some(_)) => panic!("give both: crashes and window"),
        }
    }

    fn init_once_more(&self) -> String {
        match self.builder().start() {
            Ok(role) => format!("begun: {role:?}"),
            Err(error) => {
                complain(error);
                format!("failed: {}", part())
            }
        }
    }
}

/// A limit of this process, for descriptors to come.
fn set_descriptor_limit(most: u64) -> bool {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is there to be written and read.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = most;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit) == 0
    }
}

fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a number")
}

/// Each line is one write.
fn say(text: std::fmt::Arguments<'_>) {
    if std::io::stdout().write_all(format!("{text}\n").as_bytes()).is_err() {
        process::exit(8);
    }
}

/// As the C interface does by itself.
fn complain(what: impl Display) {
    let _ = std::io::stderr().write_all(format!("[ERROR] {what}\n").as_bytes());
}

/// What this process is, outside of a worker, if all answers go together.
fn part() -> &'static str {
    let Some(handle) = Handle::current() else { return "idle" };
    let Some(cluster) = handle.stats() else { return "WRONG: a master without statistics" };
    let count = cluster.total_workers;
    let is_right = count > 0
        && handle.workers().map(|worker| worker.id).eq(0..count)
        && handle.worker(count - 1).is_some()
        && handle.worker(count).is_none();
    if is_right { "master" } else { "WRONG: answers of a master" }
}

fn yes_or_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

fn cluster_text() -> String {
    let Some(now) = Handle::current().and_then(|handle| handle.stats()) else { return "none".to_owned() };
    format!(
        "total {} active {} crashed {} disabled {} shutdown {} restart {} restarts {}",
        now.total_workers,
        now.active_workers,
        now.crashed_workers,
        now.disabled_workers,
        yes_or_no(now.shutdown_requested),
        yes_or_no(now.restart_requested),
        now.total_restarts
    )
}

fn worker_text(id: u8) -> String {
    let Some(now) = Handle::current().and_then(|handle| handle.worker(id)) else { return "none".to_owned() };
    format!(
        "{} {} {} {} {} {} {} {} {}",
        now.id,
        now.pid.unwrap_or(0),
        now.port,
        format!("{:?}", now.status).to_lowercase(),
        now.start_time,
        now.uptime.as_secs(),
        now.exit_status,
        now.crash_count,
        yes_or_no(now.is_respawn_disabled())
    )
}

fn say_event(what: &str, id: u8) {
    say(format_args!("m {what} | {} | {}", worker_text(id), cluster_text()));
}

/// The master's commands. Until stdin ends: then whoever tests this is gone.
fn obey(arguments: &Arguments, go: &Sender<()>) {
    // What C says in a line of its own is a value here.
    let asked = |is_done: bool| {
        if !is_done {
            complain("there is no master to ask, or nothing that can be asked for");
        }
        "asked".to_owned()
    };
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let (command, value) = line.split_once(' ').unwrap_or((&line, ""));
        let handle = Handle::current();
        let answer = match command {
            "worker" => worker_text(number(value)),
            "signal" => asked(handle.is_some_and(|handle| handle.signal(number(value)))),
            "cluster" => cluster_text(),
            "restart" => asked(handle.is_some_and(|handle| handle.restart())),
            "stop" => asked(handle.is_some_and(|handle| handle.stop())),
            "init" => arguments.init_once_more(),
            "descriptors" => asked(set_descriptor_limit(number(value))),
            "child" => {
                let status = Command::new("/bin/sh").args(["-c", "exit 5"]).status();
                status.ok().and_then(|status| status.code()).unwrap_or(-1).to_string()
            }
            "go" => {
                // Said before this process may end of it.
                say(format_args!("a gone"));
                let _ = go.send(());
                continue;
            }
            _ => panic!("unknown command {line:?}"),
        };
        say(format_args!("a {answer}"));
    }
    if !Handle::current().is_some_and(|handle| handle.stop()) {
        process::exit(9);
    }
}

/// A worker at work.
struct Serving {
    worker: Worker,
    arguments: Arguments,
    orders: Receiver<Order>,
    /// It does not end although it is told to.
    stubborn: Arc<AtomicBool>,
}

enum Order {
    Listen,
    Accept,
    Stop,
}

impl Serving {
    fn new(worker: Worker, arguments: &Arguments) -> Self {
        let (sender, orders) = mpsc::channel();
        let stubborn = Arc::new(AtomicBool::new(false));
        sigusr1::tell(worker);
        if arguments.term.is_some() {
            let (notice, sender) = (worker.drain_notice().expect("descriptors enough"), sender.clone());
            thread::spawn(move || {
                notice.wait();
                let _ = sender.send(Order::Stop);
            });
        }
        let commands = UnixDatagram::bind(format!("{}/{}", arguments.folder, process::id())).expect("a folder");
        let (again, is_stubborn) = (arguments.clone(), Arc::clone(&stubborn));
        thread::spawn(move || {
            let mut line = [0; 100];
            while let Ok(size) = commands.recv(&mut line) {
                let line = String::from_utf8_lossy(&line[..size]).into_owned();
                obey_in_worker(worker, &line, &sender, &is_stubborn, &again);
            }
        });
        Self { worker, arguments: arguments.clone(), orders, stubborn }
    }

    fn work(self) -> ! {
        let is_one = part() == "idle" && self.worker.id() < self.worker.count();
        let part = if is_one { "worker" } else { "WRONG: answers of a worker" };
        worker_says(self.worker, &format!("born: {part}, port {} of {}", self.worker.port(), self.worker.count()));
        if self.arguments.mode != "jobs" {
            self.serve();
        }
        while !matches!(self.orders.recv(), Ok(Order::Stop)) {}
        self.finish()
    }

    fn serve(&self) {
        let is_manual = Path::new(&self.arguments.folder).join("manual").exists();
        let address = (Ipv4Addr::LOCALHOST, self.worker.port());
        if is_manual {
            self.wait_for_order();
        }
        worker_says(self.worker, "about to listen");
        let connections: Box<dyn Iterator<Item = std::io::Result<TcpStream>>> = if self.arguments.term.is_some() {
            Box::new(self.worker.incoming(address).unwrap_or_else(|_| process::exit(4)))
        } else {
            // The way of a program that leaves SIGTERM alone.
            let listener = self.worker.listener(address).unwrap_or_else(|_| process::exit(4));
            Box::new(std::iter::from_fn(move || Some(listener.accept().map(|(connection, _)| connection))))
        };
        worker_says(self.worker, "listening");
        if is_manual {
            self.wait_for_order();
        }
        connections.flatten().for_each(|connection| answer(self.worker, connection));
    }

    fn wait_for_order(&self) {
        if matches!(self.orders.recv(), Ok(Order::Stop)) {
            self.finish();
        }
    }

    fn finish(&self) -> ! {
        while self.stubborn.load(Ordering::SeqCst) {
            thread::park();
        }
        process::exit(self.arguments.term.unwrap_or(0))
    }
}

fn worker_says(worker: Worker, what: &str) {
    say(format_args!("w {} {} {what}", worker.id(), process::id()));
}

fn obey_in_worker(worker: Worker, line: &str, orders: &Sender<Order>, stubborn: &AtomicBool, again: &Arguments) {
    match line.split_once(' ').unwrap_or((line, "")) {
        ("exit", code) => process::exit(number(code)),
        ("listen", _) => drop(orders.send(Order::Listen)),
        ("accept", _) => drop(orders.send(Order::Accept)),
        ("stubborn", _) => {
            stubborn.store(true, Ordering::SeqCst);
            worker_says(worker, "stubborn");
        }
        // SAFETY: it is not: this is how it crashes. Nothing is mapped there.
        ("fault", _) => unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(1) },
        ("nonsense", _) => talk_nonsense(),
        ("init", _) => match again.builder().start() {
            Ok(role) => worker_says(worker, &format!("begun: {role:?}")),
            Err(error) => {
                complain(error);
                let is_one = part() == "idle" && worker.id() < worker.count();
                worker_says(worker, if is_one { "failed: worker" } else { "failed: WRONG: answers of a worker" });
            }
        },
        _ => panic!("unknown command {line:?}"),
    }
}

/// The channel is the only Unix SOCK_SEQPACKET socket of a worker.
fn talk_nonsense() {
    for fd in 3..1024 {
        let (mut kind, mut size) = (0i32, 4);
        // SAFETY: both places are of the sizes that are named; another's descriptor is only asked.
        let asked = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_TYPE, (&raw mut kind).cast(), &mut size) };
        if asked == 0 && kind == libc::SOCK_SEQPACKET {
            // SAFETY: eight bytes are there to be read.
            unsafe { libc::send(fd, b"nonsense".as_ptr().cast(), 8, libc::MSG_NOSIGNAL) };
        }
    }
}

fn answer(worker: Worker, mut connection: TcpStream) {
    let mut request = Vec::new();
    let mut room = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") {
        match connection.read(&mut room) {
            Ok(count) if count > 0 => request.extend_from_slice(&room[..count]),
            Ok(_) | Err(_) => return,
        }
    }
    let body = format!("{} {}", worker.id(), process::id());
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    if connection.write_all(format!("{head}{body}").as_bytes()).is_err() {
        worker_says(worker, "lost a client");
    }
}

/// A worker's handler for SIGUSR1, which tells that it came.
mod sigusr1 {
    use super::*;

    static LINE: OnceLock<String> = OnceLock::new();

    pub(super) fn tell(worker: Worker) {
        LINE.get_or_init(|| format!("w {} {} got 10\n", worker.id(), process::id()));
        // SAFETY: the handler only writes, and its line is there before it can run.
        unsafe { libc::signal(libc::SIGUSR1, on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t) };
    }

    extern "C" fn on_signal(_: libc::c_int) {
        if let Some(line) = LINE.get() {
            // SAFETY: so many bytes are there to be read. A line that is lost is missed by the test.
            unsafe { libc::write(1, line.as_ptr().cast(), line.len()) };
        }
    }
}
