//! The beginning and the end of a master: what it takes of the process, and gives back (contract 2.1, 2.5, 3.7, 3.8).

use std::collections::{HashMap, VecDeque};
use std::ffi::CString;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::event_loop::WAKE_TOKEN;
use super::launcher::{LaunchError, Launcher};
use super::{Callbacks, Master, published, requests, targets};
use crate::config::Settings;
use crate::core::{Event, StartupFailure, Supervisor};
use crate::error::Error;
use crate::log;
use crate::role;
use crate::sys::epoll::Epoll;
use crate::sys::limits::DescriptorLimit;
use crate::sys::port::{self, PortState};
use crate::sys::signals::{Installed, SignalSet};
use crate::sys::{fd, process, signals};
use crate::wire::Welcome;
use crate::worker;

/// As `ps` shows it.
const NAME: &str = "ecewo:master";
/// A worker's pidfd and channel, and a listener that is kept for it.
const DESCRIPTORS_PER_WORKER: u64 = 3;
/// The loop's own descriptors, and those of workers being made, replaced and reaped.
const DESCRIPTORS_BESIDE: u64 = 48;

/// Things of the process that are as they were again once this is dropped.
#[derive(Default)]
pub(super) struct Borrowed {
    dispositions: Vec<Installed>,
    descriptor_limit: Option<DescriptorLimit>,
    name: Option<String>,
}

/// Starts a cluster with this process as its master. The caller has claimed the role, and releases it if this fails.
pub(crate) fn start(settings: Settings, arguments: Vec<CString>, callbacks: Callbacks) -> Result<Master, Error> {
    check_port(settings.port.get())?;
    let mut borrowed = Borrowed::default();
    let limit = borrowed.raise_descriptor_limit(settings.workers.get())?;
    let mut master = Master::new(settings, arguments, callbacks, borrowed, limit)?;
    requests::open(master.wake.as_raw_fd());
    master.borrowed.install_handlers().map_err(Error::system("installing signal handlers"))?;
    master.borrowed.name = process::rename(NAME);
    role::become_master(master.port, master.count());
    master.publish();
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
            callbacks,
            epoll,
            wake,
            handled: SignalSet::of(&[libc::SIGTERM, libc::SIGINT, libc::SIGUSR2]),
            interrupts: 0,
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
        self.reap_ended();
    }
}

impl Borrowed {
    /// Makes room for the master's descriptors; gives the limit that workers are to have.
    fn raise_descriptor_limit(&mut self, workers: u8) -> Result<DescriptorLimit, Error> {
        let limit = DescriptorLimit::current().map_err(Error::system("reading the descriptor limit"))?;
        let open = fd::open_count().map_or(64, |count| count as u64);
        let needed = open + u64::from(workers) * DESCRIPTORS_PER_WORKER + DESCRIPTORS_BESIDE;
        if needed > limit.hard {
            return Err(Error::TooFewDescriptors { workers, needed, allowed: limit.hard });
        }
        if needed > limit.soft {
            let raised = DescriptorLimit { soft: needed, hard: limit.hard };
            raised.apply().map_err(Error::system("raising the descriptor limit"))?;
            self.descriptor_limit = Some(limit);
        }
        Ok(limit)
    }

    fn install_handlers(&mut self) -> io::Result<()> {
        self.dispositions.extend(Installed::keep_children_waitable()?);
        if process::own_pid() == 1 {
            let installed = Installed::handler(libc::SIGCHLD, on_child_ended)?;
            EARLIER_HANDLER.store(installed.earlier_handler().unwrap_or(0), Ordering::SeqCst);
            self.dispositions.push(installed);
        }
        self.dispositions.push(Installed::handler(libc::SIGTERM, requests::on_terminate)?);
        self.dispositions.push(Installed::handler(libc::SIGINT, requests::on_interrupt)?);
        self.dispositions.push(Installed::handler(libc::SIGUSR2, requests::on_restart)?);
        Ok(())
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        // The last one installed is the first to go.
        while self.dispositions.pop().is_some() {}
        if let Some(limit) = self.descriptor_limit.take() {
            // Lowering a soft limit is always permitted.
            let _ = limit.apply();
        }
        if let Some(name) = self.name.take() {
            let _ = process::rename(&name);
        }
    }
}

/// The program's own handler of SIGCHLD, which goes on being called; 0 if there was none.
static EARLIER_HANDLER: AtomicUsize = AtomicUsize::new(0);

/// For the first process of a container only.
extern "C" fn on_child_ended(number: libc::c_int) {
    requests::child_ended();
    signals::call(EARLIER_HANDLER.load(Ordering::SeqCst), number);
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
