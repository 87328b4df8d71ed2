//! The Rust interface: what a program tells a cluster, and what part it gets.

use std::ffi::{CString, OsString};
use std::num::{NonZeroU8, NonZeroU16};
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use crate::config::{
    DEFAULT_RESPAWN_DELAY, DEFAULT_RESPAWN_MAX_CRASHES, DEFAULT_RESPAWN_WINDOW, DEFAULT_SHUTDOWN_TIMEOUT, Settings,
    StartupDelay,
};
use crate::control::{self, Handle};
use crate::error::Error;
use crate::handoff;
use crate::master::{self, Callbacks};
use crate::role;
use crate::serving::Worker;
use crate::sys::cpu;
use crate::worker::{self as worker_side, Standing};

/// A cluster to be started. In C: `Cluster`. There is an example at [`Cluster::builder`].
pub struct Cluster {
    settings: Settings,
    callbacks: Callbacks,
    arguments: Vec<CString>,
    /// The number and the port of `--cluster-worker`, for tools written for the C plugin.
    lone_worker: Option<(u8, u16)>,
}

/// What a cluster is told to do; every part has a default but the port. In C: the fields of `Cluster`.
///
/// ```no_run
/// use std::{num::NonZeroU8, time::Duration};
///
/// use ecewo_cluster::Cluster;
///
/// let role = Cluster::builder()
///     .port(3000)
///     .workers(NonZeroU8::new(4).ok_or("at least one worker")?)
///     .shutdown_timeout(Duration::from_secs(30))
///     .respawn_delay(Duration::from_millis(500))
///     .crash_protection(NonZeroU8::MIN.saturating_add(4), Duration::from_secs(60))
///     .on_start(|id| eprintln!("worker {id} runs"))
///     .on_exit(|id, status, crash| eprintln!("worker {id} ended with {status}, a crash: {crash}"))
///     .start()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// Its methods have no examples of their own: all of them are here, but for `respawn(false)`, `startup_delay`, which is
/// used as the other delays are, and [`arguments`](Self::arguments).
#[must_use]
pub struct Builder {
    workers: Option<NonZeroU8>,
    port: u16,
    respawn: bool,
    shutdown_timeout: Duration,
    startup_delay: StartupDelay,
    respawn_delay: Duration,
    respawn_window: Duration,
    respawn_max_crashes: NonZeroU8,
    callbacks: Callbacks,
    /// `None`: there was one that no program can have.
    arguments: Option<Vec<CString>>,
}

/// The part that this process has in the cluster. In C: what `cluster_init` returns, and `cluster_is_worker`. There is an
/// example at [`Cluster::builder`].
#[derive(Debug)]
pub enum Role {
    /// It supervises the workers: call [`Master::wait`].
    Master(Master),
    /// It is one of the workers: be the server.
    Worker(Worker),
}

/// The master's part.
///
/// ```no_run
/// # fn example(master: ecewo_cluster::Master) {
/// let handle = master.handle();
/// std::thread::spawn(move || {
///     // When there is something new to run:
///     handle.restart();
/// });
/// master.wait();
/// # }
/// ```
/// SIGTERM and SIGINT stop the cluster, SIGUSR2 restarts it gracefully. Dropped without [`wait`](Self::wait), it stops the
/// cluster.
pub struct Master(Box<master::Master>);

impl Cluster {
    /// A cluster that has no port yet, and the default of everything else: a worker for each CPU, respawn on, 15 seconds
    /// for a worker to end, at most 100 ms between starts, 100 ms before a respawn, and an end to that with the third crash within 5 seconds.
    ///
    /// ```no_run
    /// use ecewo_cluster::{Cluster, Role};
    ///
    /// match Cluster::builder().port(3000).start()? {
    ///     Role::Master(master) => master.wait(),
    ///     Role::Worker(worker) => {
    ///         for connection in worker.listener(("0.0.0.0", worker.port()))?.incoming() {
    ///             println!("worker {} has {:?}", worker.id(), connection?);
    ///         }
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> Builder {
        Builder {
            workers: None,
            port: 0,
            respawn: true,
            shutdown_timeout: DEFAULT_SHUTDOWN_TIMEOUT,
            startup_delay: StartupDelay::Default,
            respawn_delay: DEFAULT_RESPAWN_DELAY,
            respawn_window: DEFAULT_RESPAWN_WINDOW,
            respawn_max_crashes: DEFAULT_RESPAWN_MAX_CRASHES,
            callbacks: Callbacks::default(),
            arguments: std::env::args_os().map(|text| CString::new(text.into_vec()).ok()).collect(),
        }
    }

    /// Starts the workers and gives the master's part; or, in a worker, gives that. In C: `cluster_init`. There is an example
    /// at [`Cluster::builder`], whose [`start`](Builder::start) does the same.
    ///
    /// # Errors
    /// Every [`Error`]; nothing is left running then. A worker that cannot be one (it has lost its master, or was put into the
    /// background) prints an `[ERROR]` line and ends with exit code 78 instead.
    pub fn start(self) -> Result<Role, Error> {
        worker_side::keep_constructor();
        if !role::claim() {
            return Err(Error::AlreadyInitialized);
        }
        match worker_side::standing() {
            Standing::Worker(identity) => worker_side::join(identity),
            Standing::Stray => worker_side::refuse(format_args!(
                "this process was started as a worker, but its channel to the master is gone: before cluster_init, a \
                 worker's program must not close descriptors that it did not open, and not run itself anew with exec \
                 (ECEWO_WORKER_ID is set in a worker)"
            )),
            Standing::Stranger => match self.lone_worker {
                Some((id, port)) => {
                    role::become_worker(port, id.saturating_add(1).max(self.settings.workers.get()), id)
                }
                None => {
                    return master::start(self.settings, self.arguments, self.callbacks)
                        .inspect_err(|_| role::release())
                        .map(|master| Role::Master(Master(Box::new(master))));
                }
            },
        }
        Ok(Role::Worker(Worker::new()))
    }
}

impl Builder {
    /// The TCP port that the workers listen on. There is no default: without it, or with 0, the start fails.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The number of workers. Default: [`cpus`].
    pub fn workers(mut self, count: NonZeroU8) -> Self {
        self.workers = Some(count);
        self
    }

    /// Whether a crashed worker is started again. Default: yes.
    pub fn respawn(mut self, respawn: bool) -> Self {
        self.respawn = respawn;
        self
    }

    /// How long a worker has to end after it was told to stop; then it is killed. Default: 15 seconds.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// The time between the starts of two workers. Default: 100 ms, or less if the worker just started listens earlier.
    pub fn startup_delay(mut self, delay: Duration) -> Self {
        self.startup_delay = StartupDelay::Explicit(delay);
        self
    }

    /// The time between a crash and the start of the replacement. Default: 100 ms.
    pub fn respawn_delay(mut self, delay: Duration) -> Self {
        self.respawn_delay = delay;
        self
    }

    /// Crash protection: so many crashes of one worker within the window disable it. Default: 3 in 5 seconds.
    pub fn crash_protection(mut self, max_crashes: NonZeroU8, window: Duration) -> Self {
        self.respawn_max_crashes = max_crashes;
        self.respawn_window = window;
        self
    }

    /// Called in the master when a process has become the worker with this id. It runs on the thread inside
    /// [`start`](Self::start) or [`Master::wait`], with no lock held.
    pub fn on_start(mut self, function: impl FnMut(u8) + Send + 'static) -> Self {
        self.callbacks.on_start = Some(Box::new(function));
        self
    }

    /// Called in the master when a process that was the worker with this id has ended: with its exit code, or 128
    /// plus the signal's number (255 where that was lost because the program itself waited for it), and whether it was a crash.
    pub fn on_exit(mut self, function: impl FnMut(u8, i32, bool) + Send + 'static) -> Self {
        self.callbacks.on_exit = Some(Box::new(function));
        self
    }

    /// The command line of the workers, the program's name first. Default: this process's own.
    ///
    /// ```no_run
    /// # use ecewo_cluster::Cluster;
    /// let own = std::env::args_os();
    /// let cluster = Cluster::builder().port(3000).arguments(own.chain(["--worker".into()]));
    /// ```
    pub fn arguments(mut self, arguments: impl IntoIterator<Item = OsString>) -> Self {
        // One with a zero byte in it cannot be one; the start says so.
        self.arguments = arguments.into_iter().map(|text| CString::new(text.into_vec()).ok()).collect();
        self
    }

    /// Starts the cluster: see [`Cluster::start`].
    ///
    /// # Errors
    /// Every [`Error`].
    pub fn start(self) -> Result<Role, Error> {
        self.build()?.start()
    }

    /// Checks the settings, and starts nothing yet.
    ///
    /// ```
    /// use ecewo_cluster::{Cluster, Error};
    ///
    /// assert!(Cluster::builder().port(3000).build().is_ok());
    /// assert!(matches!(Cluster::builder().build(), Err(Error::PortMissing)));
    /// ```
    ///
    /// # Errors
    /// [`Error::PortMissing`] for port 0, [`Error::InvalidArgument`] for an argument that no program can have.
    pub fn build(self) -> Result<Cluster, Error> {
        let port = NonZeroU16::new(self.port).ok_or(Error::PortMissing)?;
        let arguments = self.arguments.ok_or(Error::InvalidArgument {
            what: "an argument for the workers has a zero byte in it: give arguments without",
        })?;
        let settings = Settings {
            workers: self.workers.unwrap_or_else(default_workers),
            port,
            respawn: self.respawn,
            shutdown_timeout: self.shutdown_timeout.min(LONGEST),
            startup_delay: self.startup_delay.at_most(LONGEST),
            respawn_delay: self.respawn_delay.min(LONGEST),
            respawn_window: self.respawn_window.min(LONGEST),
            respawn_max_crashes: self.respawn_max_crashes.get(),
            handoff: handoff::is_wanted(),
        };
        let lone_worker = lone_worker(&arguments);
        Ok(Cluster { settings, callbacks: self.callbacks, arguments, lone_worker })
    }
}

impl Master {
    /// Supervises the workers until none runs or will run, and gives everything back. In C: `cluster_wait_workers`.
    /// There is an example at [`Master`].
    pub fn wait(self) {
        self.0.wait();
    }

    /// For other threads, and for signal handlers. There is an example at [`Master`].
    pub fn handle(&self) -> Handle {
        control::handle()
    }
}

impl std::fmt::Debug for Master {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("Master").field(&self.handle().stats()).finish()
    }
}

/// Logical CPUs that this process may use: the affinity mask, and the CPU quota of its control group and that group's
/// parents, rounded up; 1 to 255. In C: `cluster_cpus`.
///
/// ```
/// assert!(ecewo_cluster::cpus() >= 1);
/// ```
pub fn cpus() -> u8 {
    cpu::logical()
}

/// Physical cores among them: 1 to [`cpus`]. In C: `cluster_cpus_physical`.
///
/// ```
/// use ecewo_cluster::{cpus, cpus_physical};
///
/// assert!((1..=cpus()).contains(&cpus_physical()));
/// ```
pub fn cpus_physical() -> u8 {
    cpu::physical()
}

/// The C interface can say no more; and times to come must not overflow.
const LONGEST: Duration = Duration::from_millis(u32::MAX as u64 * 1000);

/// A worker is told how many there are: it need not find out.
fn default_workers() -> NonZeroU8 {
    let master = matches!(worker_side::standing(), Standing::Stranger);
    NonZeroU8::new(if master { cpu::logical() } else { 1 }).unwrap_or(NonZeroU8::MIN)
}

/// `--cluster-worker <id> <port>`, anywhere in the arguments.
fn lone_worker(arguments: &[CString]) -> Option<(u8, u16)> {
    let mut rest = arguments.iter().map(|text| text.to_str().unwrap_or_default());
    rest.find(|text| *text == "--cluster-worker")?;
    let id = rest.next()?.parse().ok().filter(|id| *id < u8::MAX)?;
    let port = rest.next()?.parse::<NonZeroU16>().ok()?;
    Some((id, port.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<CString> {
        line.split(' ').map(|text| CString::new(text).unwrap()).collect()
    }

    #[test]
    fn lone_workers_contract_2_2() {
        assert_eq!(lone_worker(&arguments("prog --cluster-worker 2 3000")), Some((2, 3000)));
        assert_eq!(lone_worker(&arguments("prog -v --cluster-worker 254 1 more")), Some((254, 1)));
        for bad in [
            "prog",
            "prog --cluster-worker",
            "prog --cluster-worker 2",
            "prog --cluster-worker 255 1",
            "prog --cluster-worker 1 0",
            "prog --cluster-worker x 1",
        ] {
            assert_eq!(lone_worker(&arguments(bad)), None, "{bad}");
        }
    }

    #[test]
    fn port_0_is_an_error_contract_2_1() {
        assert!(matches!(Cluster::builder().build(), Err(Error::PortMissing)));
    }

    #[test]
    fn arguments_with_zero_bytes_are_an_error_contract_8_4() {
        let with = |text: &str| Cluster::builder().port(1).arguments(["prog".into(), OsString::from(text)]).build();
        assert!(matches!(with("a\0b"), Err(Error::InvalidArgument { .. })));
        assert!(with("ab").is_ok());
    }
}
