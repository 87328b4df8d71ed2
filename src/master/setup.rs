//! The beginning and the end of a master: what it takes of the process, and gives back (contract 2.1, 2.5, 3.7, 3.8).

use std::collections::{HashMap, VecDeque};
use std::ffi::CString;
use std::io;
use std::os::fd::AsRawFd;

use super::event_loop::WAKE_TOKEN;
use super::keeper::Keeper;
use super::launcher::{LaunchError, Launcher};
use super::{Callbacks, Master, published, requests, targets};
use crate::config::Settings;
use crate::core::{Event, StartupFailure, Supervisor};
use crate::error::Error;
use crate::log;
use crate::role;
use crate::sys::dispositions::Installed;
use crate::sys::epoll::Epoll;
use crate::sys::limits::DescriptorLimit;
use crate::sys::port::{self, PortState};
use crate::sys::signals::SignalSet;
use crate::sys::{fd, process};
use crate::wire::Welcome;
use crate::worker;

/// As `ps` shows it.
const NAME: &str = "ecewo:master";
/// A worker's pidfd, channel, and kept listener.
const DESCRIPTORS_PER_WORKER: u64 = 3;
/// The loop's own descriptors, and those of a worker being made.
const DESCRIPTORS_BESIDE: u64 = 12;
/// What is good to have beside: for workers that are replaced or reaped, for more listeners, and for the program.
const ROOM: u64 = 64;
/// Open descriptors of a program, where they cannot be counted.
const ASSUMED_OPEN: u64 = 32;

/// Things of the process that are as they were again once this is dropped.
#[derive(Default)]
pub(super) struct Borrowed {
    dispositions: Vec<Installed>,
    /// As it was, and as the library has set it.
    descriptor_limit: Option<(DescriptorLimit, DescriptorLimit)>,
    name: Option<String>,
}

/// Starts a cluster with this process as its master. The caller has claimed the role, and releases it if this fails.
pub(crate) fn start(settings: Settings, arguments: Vec<CString>, callbacks: Callbacks) -> Result<Master, Error> {
    check_port(settings.port.get())?;
    warn_without_proc();
    let mut borrowed = Borrowed::default();
    let limit = borrowed.raise_descriptor_limit(settings.workers.get())?;
    let mut master = Master::new(settings, arguments, callbacks, borrowed, limit)?;
    requests::open(master.wake.as_raw_fd());
    master.borrowed.install_handlers(&taken_signals()).map_err(Error::system("installing signal handlers"))?;
    master.borrowed.name = process::rename(NAME);
    // Before the role: a handler that finds a master finds its statistics, too.
    master.publish();
    role::become_master(master.port, master.count());
    master.bring_up()?;
    Ok(master)
}

impl Master {
    fn new(
        settings: Settings,
        arguments: Vec<CString>,
        callbacks: Callbacks,
        borrowed: Borrowed,
        descriptor_limit: DescriptorLimit,
    ) -> Result<Self, Error> {
        let welcome = Welcome {
            id: 0,
            count: settings.workers.get(),
            port: settings.port.get(),
            shutdown_timeout_ms: u32::try_from(settings.shutdown_timeout.as_millis()).unwrap_or(u32::MAX),
            handoff: settings.handoff,
            listeners: 0,
        };
        let system = |(what, source): LaunchError| Error::System { what, source };
        let launcher = Launcher::new(arguments, worker::birthplace(), descriptor_limit, welcome).map_err(system)?;
        let wake = fd::eventfd().map_err(Error::system("making an eventfd"))?;
        let epoll = Epoll::new().map_err(Error::system("making an epoll set"))?;
        epoll.add(&wake, WAKE_TOKEN).map_err(Error::system("filling an epoll set"))?;
        Ok(Self {
            port: settings.port.get(),
            core: Supervisor::new(settings),
            queue: VecDeque::new(),
            workers: HashMap::new(),
            ended: Vec::new(),
            launcher,
            keeper: Keeper::default(),
            bequests: Vec::new(),
            callbacks,
            epoll,
            wake,
            handled: SignalSet::of(&taken_signals()),
            interrupts: 0,
            is_blind: false,
            in_vain: 0,
            start_times: HashMap::new(),
            pid: process::own_pid(),
            borrowed,
        })
    }

    fn count(&self) -> u8 {
        u8::try_from(self.core.workers().count()).unwrap_or(u8::MAX)
    }

    /// Starts the workers. If that fails, everything that was started is stopped before this returns.
    fn bring_up(&mut self) -> Result<(), Error> {
        self.happened(Event::Begin);
        self.run_until(|master| !master.core.is_starting());
        let Some(failure) = self.core.startup_failure() else { return Ok(()) };
        self.run_until(|master| master.core.is_over());
        Err(match failure {
            StartupFailure::PortInUse => Error::PortInUse { port: self.port },
            StartupFailure::NotSpawned { worker, error } => Error::WorkerNotStarted {
                worker,
                workers: self.count(),
                program: self.launcher.program().to_owned(),
                step: error.step,
                source: io::Error::from_raw_os_error(error.errno),
            },
        })
    }

    /// Supervises until no worker runs or will run.
    pub(crate) fn wait(mut self) {
        self.run_until(|master| master.core.is_over());
    }
}

impl Drop for Master {
    /// In whatever way it ends, nothing of the cluster is left.
    fn drop(&mut self) {
        if self.pid != process::own_pid() {
            // A child that the program forked without exec has a copy of this, and no say in it.
            return;
        }
        if !self.core.is_over() {
            self.happened(Event::StopRequested(crate::core::StopSignal::Term));
            self.run_until(|master| master.core.is_over());
        }
        requests::close();
        role::release();
        published::publish(published::ClusterSnapshot::default(), std::iter::empty());
        // A thread may be in the middle of signalling, with a pidfd or the eventfd in hand: those are closed after it.
        while !targets::is_quiet() {
            std::thread::yield_now();
        }
        // One that has just been killed, since it could not be watched, may need a moment.
        self.ended.drain(..).for_each(|worker| worker.pidfd.wait_for_end());
    }
}

impl Borrowed {
    /// Makes room for the master's descriptors; gives the limit that workers are to have.
    fn raise_descriptor_limit(&mut self, workers: u8) -> Result<DescriptorLimit, Error> {
        let limit = DescriptorLimit::current().map_err(Error::system("reading the descriptor limit"))?;
        let open = fd::open_count().map_or(ASSUMED_OPEN, |count| count as u64);
        let needed = open + u64::from(workers) * DESCRIPTORS_PER_WORKER + DESCRIPTORS_BESIDE;
        if needed > limit.hard {
            return Err(Error::TooFewDescriptors { workers, needed, allowed: limit.hard });
        }
        let wanted = (needed + u64::from(workers) + ROOM).min(limit.hard);
        if wanted > limit.soft {
            let raised = DescriptorLimit { soft: wanted, hard: limit.hard };
            raised.apply().map_err(Error::system("raising the descriptor limit"))?;
            self.descriptor_limit = Some((limit, raised));
        }
        Ok(limit)
    }

    fn install_handlers(&mut self, signals: &[i32]) -> io::Result<()> {
        self.dispositions.extend(Installed::keep_children_waitable()?);
        for number in signals {
            self.dispositions.push(Installed::handler(*number, requests::on_signal)?);
        }
        Ok(())
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        // The last one installed is the first to go.
        while self.dispositions.pop().is_some() {}
        if let Some((before, raised)) = self.descriptor_limit.take() {
            // What the program has set itself in the meantime stays. Lowering a soft limit is always permitted.
            if DescriptorLimit::current().is_ok_and(|now| now == raised) {
                let _ = before.apply();
            }
        }
        if let Some(name) = self.name.take() {
            let _ = process::rename(&name);
        }
    }
}

/// The signals that a master takes. The first process of a container also has to know of orphans that end (contract
/// 3.7).
fn taken_signals() -> Vec<i32> {
    let mut signals = vec![libc::SIGTERM, libc::SIGINT, libc::SIGUSR2];
    if process::own_pid() == 1 {
        signals.push(libc::SIGCHLD);
    }
    signals
}

fn warn_without_proc() {
    if !process::has_proc() {
        log::warning!(
            "/proc is not mounted: the CPU quota is not seen, a master that is PID 1 reaps no orphans, and workers that drain \
             may spin for a moment: mount it (mount -t proc proc /proc)"
        );
    }
}

fn check_port(port: u16) -> Result<(), Error> {
    match port::probe(port) {
        PortState::Free | PortState::Unknown => Ok(()),
        PortState::NotPermitted => Err(Error::PortNotPermitted { port }),
        PortState::InUse => Err(Error::PortInUse { port }),
        PortState::Shared => {
            log::warning!(
                "port {port} is shared with another process: traffic will be split between it and this cluster"
            );
            Ok(())
        }
        PortState::TakenOnOneAddress => {
            log::warning!(
                "port {port} is taken on one address of this machine: traffic will be split between its owner and this cluster"
            );
            Ok(())
        }
    }
}
