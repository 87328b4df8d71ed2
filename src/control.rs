//! What any thread, and any signal handler, may ask of a running cluster (contract 4.2): no lock, no allocation.

use std::time::Duration;

use crate::core::{Status, StopSignal};
use crate::master::targets::{self, Walk};
use crate::master::{published, requests};
use crate::role::{self, Role};
use crate::sys::clock;
use crate::sys::signals::Signal;

/// Speaks to the master of this process. Copies of it are the same; after [`crate::Master::wait`] it does nothing.
///
/// ```no_run
/// # fn example(master: &ecewo_cluster::Master) {
/// let handle = master.handle();
/// for worker in handle.workers() {
///     println!("{}: {:?}, process {:?}, up for {:?}", worker.id, worker.status, worker.pid, worker.uptime);
/// }
/// if let Some(stats) = handle.stats() {
///     println!("{} of {} workers run", stats.active_workers, stats.total_workers);
/// }
/// handle.restart(); // one worker after the other
/// handle.signal(1); // SIGHUP to each worker
/// handle.stop();
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Handle(());

/// The cluster as a whole. In C: `cluster_stats_t`. There is an example at [`Handle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterStats {
    /// Workers that the cluster was told to run.
    pub total_workers: u8,
    /// Those that are [`WorkerStatus::Active`].
    pub active_workers: u8,
    /// Those that are [`WorkerStatus::Crashed`].
    pub crashed_workers: u8,
    /// Those that are [`WorkerStatus::Disabled`].
    pub disabled_workers: u8,
    /// Whether the cluster was told to stop.
    pub shutdown_requested: bool,
    /// Whether a graceful restart was asked for and its last old process is not gone yet.
    pub restart_requested: bool,
    /// Replacements that became their slot's worker.
    pub total_restarts: u64,
}

/// What a worker is doing. In C: `worker_status_t`, which has the same states. There is an example at [`Handle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerStatus {
    /// Its process is being made, or it has not been started yet.
    Starting,
    /// Its process runs the program.
    Active,
    /// It was told to stop, or has ended gracefully.
    Stopping,
    /// It crashed and is not started again, because respawn is off.
    Crashed,
    /// It crashed, and its replacement is about to be started.
    Respawning,
    /// It crashed too often: it is not started again before the next graceful restart.
    Disabled,
}

/// One worker. In C: `worker_stats_t`. There is an example at [`Handle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// Its id.
    pub id: u8,
    /// Its process; `None` while none runs.
    pub pid: Option<u32>,
    /// The cluster's port.
    pub port: u16,
    /// What it is doing.
    pub status: WorkerStatus,
    /// When its latest process was started, in seconds since 1970; 0 before the first one.
    pub start_time: i64,
    /// How long its process has been running; zero while none runs.
    pub uptime: Duration,
    /// How its last process that ended did: the exit code, or 128 plus the signal's number; 255 where that was lost because the program
    /// itself waited for it.
    pub exit_status: i32,
    /// Crashes within the window that ended with the latest one.
    pub crash_count: u8,
}

impl WorkerStats {
    /// Whether crash protection stopped its respawning: the same as [`WorkerStatus::Disabled`].
    pub fn is_respawn_disabled(&self) -> bool {
        self.status == WorkerStatus::Disabled
    }
}

pub(crate) fn handle() -> Handle {
    Handle(())
}

impl Handle {
    /// Speaks to this process's master; `None` if it has none, or not yet, or not any more. For callbacks, which may run before
    /// [`start`](crate::Builder::start) has returned.
    ///
    /// ```no_run
    /// # use ecewo_cluster::{Cluster, Handle};
    /// let cluster = Cluster::builder().port(3000).on_start(|id| {
    ///     let pid = Handle::current().and_then(|handle| handle.worker(id)?.pid);
    ///     eprintln!("worker {id} is process {pid:?}");
    /// });
    /// ```
    pub fn current() -> Option<Self> {
        (role::current() == Role::Master).then_some(Self(()))
    }

    /// In C: `cluster_graceful_restart`. Asks for a graceful restart. During a restart it is remembered, once. Gives whether there is a master to ask.
    /// Signal-safe.
    pub fn restart(&self) -> bool {
        let acting = role::is_acting_master();
        if acting {
            requests::restart();
        }
        acting
    }

    /// Stops the cluster: every worker gets SIGTERM. Gives whether there is a master to ask. Signal-safe.
    pub fn stop(&self) -> bool {
        self.signal(libc::SIGTERM)
    }

    /// In C: `cluster_signal_workers`. Sends a signal to every worker. SIGTERM, SIGINT and SIGKILL stop the cluster. Gives false, and does nothing,
    /// for a number that is no signal (or is 32 or 33; with musl also 34), and without a master. Signal-safe.
    pub fn signal(&self, number: i32) -> bool {
        let Some(signal) = Signal::new(number) else { return false };
        if !role::is_acting_master() {
            return false;
        }
        let stop = match number {
            libc::SIGTERM => Some(StopSignal::Term),
            libc::SIGINT => Some(StopSignal::Int),
            libc::SIGKILL => Some(StopSignal::Kill),
            _ => None,
        };
        let walk = Walk::begin();
        // Said before the first worker can end of it: an end that was asked for is no crash. The master acts on it
        // when the walk is over, and then tells only those that were not told here.
        if let Some(stop) = stop {
            requests::stop_is_sent(stop);
        }
        let refused = targets::signal_all(signal);
        drop(walk);
        if refused || stop.is_some() {
            requests::wake();
        }
        true
    }

    /// In C: `cluster_get_stats`. The cluster as it is; `None` without a master. Signal-safe.
    pub fn stats(&self) -> Option<ClusterStats> {
        if role::current() != Role::Master {
            return None;
        }
        let snapshot = published::cluster();
        Some(ClusterStats {
            total_workers: snapshot.total,
            active_workers: snapshot.active,
            crashed_workers: snapshot.crashed,
            disabled_workers: snapshot.disabled,
            shutdown_requested: snapshot.shutdown_requested || requests::is_stop_pending(),
            restart_requested: snapshot.restart_requested || requests::is_restart_pending(),
            total_restarts: snapshot.total_restarts,
        })
    }

    /// In C: `cluster_get_worker_stats`. One worker as it is; `None` without a master, or without such a worker. Signal-safe.
    pub fn worker(&self, id: u8) -> Option<WorkerStats> {
        if role::current() != Role::Master {
            return None;
        }
        let snapshot = published::worker(id)?;
        let running = snapshot.pid != 0;
        Some(WorkerStats {
            id,
            pid: u32::try_from(snapshot.pid).ok().filter(|pid| *pid != 0),
            port: role::port(),
            status: status(snapshot.status),
            start_time: snapshot.start_time,
            uptime: if running { clock::monotonic().saturating_sub(snapshot.running_since) } else { Duration::ZERO },
            exit_status: snapshot.exit_status,
            crash_count: snapshot.crash_count,
        })
    }

    /// In C: `cluster_get_all_workers`. All workers, in the order of their ids. The iterator allocates nothing. Signal-safe.
    pub fn workers(&self) -> impl Iterator<Item = WorkerStats> {
        let handle = *self;
        (0..role::worker_count()).map_while(move |id| handle.worker(id))
    }
}

fn status(status: Status) -> WorkerStatus {
    match status {
        Status::Starting => WorkerStatus::Starting,
        Status::Active => WorkerStatus::Active,
        Status::Stopping => WorkerStatus::Stopping,
        Status::Crashed => WorkerStatus::Crashed,
        Status::Respawning => WorkerStatus::Respawning,
        Status::Disabled => WorkerStatus::Disabled,
    }
}
