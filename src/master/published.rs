//! The statistics, readable from any thread and from a handler that interrupts their writer (contract 4.2).
//!
//! A latch: two copies and a count. The writer makes the count odd, so that readers use the second copy, rewrites the
//! first, makes it even again, so that they use the first, and rewrites the second. A handler that interrupts the
//! writer finds a whole copy at once; another thread has to look again only if the writer got ahead of it meanwhile.

use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::Duration;

use crate::core::{Status, WorkerView};

const WORKERS: usize = 255;
const WORDS_PER_WORKER: usize = 4;
const HEAD: usize = 2;
const WORDS: usize = HEAD + WORKERS * WORDS_PER_WORKER;

static COUNT: AtomicU64 = AtomicU64::new(0);
static COPIES: [[AtomicU64; WORDS]; 2] = [const { [const { AtomicU64::new(0) }; WORDS] }; 2];

/// The cluster as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClusterSnapshot {
    pub(crate) total: u8,
    pub(crate) active: u8,
    pub(crate) crashed: u8,
    pub(crate) disabled: u8,
    pub(crate) shutdown_requested: bool,
    pub(crate) restart_requested: bool,
    pub(crate) total_restarts: u64,
}

/// One worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkerSnapshot {
    pub(crate) status: Status,
    /// 0 while no process runs.
    pub(crate) pid: i32,
    pub(crate) exit_status: i32,
    pub(crate) crash_count: u8,
    /// Seconds since 1970.
    pub(crate) start_time: i64,
    /// By the monotonic clock; zero while no process runs.
    pub(crate) running_since: Duration,
}

impl WorkerSnapshot {
    pub(crate) fn new(view: &WorkerView, pid: i32, start_time: i64) -> Self {
        Self {
            status: view.status,
            pid,
            exit_status: view.exit_status,
            crash_count: view.crash_count,
            start_time,
            running_since: view.process.map_or(Duration::ZERO, |(_, made_at)| made_at),
        }
    }

    fn words(self) -> [u64; WORDS_PER_WORKER] {
        let pid = u64::from(self.pid as u32);
        let small = u64::from(status_code(self.status)) | u64::from(self.crash_count) << 8;
        [
            pid | small << 32,
            u64::from(self.exit_status as u32),
            self.start_time as u64,
            u64::try_from(self.running_since.as_nanos()).unwrap_or(u64::MAX),
        ]
    }

    fn from_words([small, exit_status, start_time, running_since]: [u64; WORDS_PER_WORKER]) -> Self {
        Self {
            status: status_of((small >> 32) as u8),
            pid: small as i32,
            exit_status: exit_status as i32,
            crash_count: (small >> 40) as u8,
            start_time: start_time as i64,
            running_since: Duration::from_nanos(running_since),
        }
    }
}

/// Makes a new state visible. One thread at a time, the master's.
pub(crate) fn publish(cluster: ClusterSnapshot, workers: impl Iterator<Item = WorkerSnapshot> + Clone) {
    for copy in &COPIES {
        // Everything before is visible before the count, and the count before what follows (as in Linux's latch).
        fence(Ordering::SeqCst);
        COUNT.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let words = cluster_words(cluster).into_iter().chain(workers.clone().flat_map(WorkerSnapshot::words));
        for (place, word) in copy.iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
    }
}

/// The cluster as it is. Signal-safe.
pub(crate) fn cluster() -> ClusterSnapshot {
    let [small, total_restarts] = read(0);
    let [total, active, crashed, disabled, shutdown, restart, _, _] = small.to_le_bytes();
    ClusterSnapshot {
        total,
        active,
        crashed,
        disabled,
        shutdown_requested: shutdown != 0,
        restart_requested: restart != 0,
        total_restarts,
    }
}

/// A worker as it is; `None` if there is none of that id. Signal-safe.
pub(crate) fn worker(id: u8) -> Option<WorkerSnapshot> {
    let known = id < cluster().total;
    known.then(|| WorkerSnapshot::from_words(read(HEAD + usize::from(id) * WORDS_PER_WORKER)))
}

fn cluster_words(cluster: ClusterSnapshot) -> [u64; HEAD] {
    let small = [
        cluster.total,
        cluster.active,
        cluster.crashed,
        cluster.disabled,
        cluster.shutdown_requested.into(),
        cluster.restart_requested.into(),
        0,
        0,
    ];
    [u64::from_le_bytes(small), cluster.total_restarts]
}

/// Reads words that belong together.
fn read<const N: usize>(from: usize) -> [u64; N] {
    loop {
        let before = COUNT.load(Ordering::Acquire);
        // An odd count: the first copy is being written.
        let words: [u64; N] = match COPIES.get((before & 1) as usize).and_then(|copy| copy.get(from..from + N)) {
            Some(places) => {
                let mut words = [0; N];
                for (word, place) in words.iter_mut().zip(places) {
                    *word = place.load(Ordering::Relaxed);
                }
                words
            }
            None => [0; N],
        };
        fence(Ordering::Acquire);
        if COUNT.load(Ordering::Relaxed) == before {
            return words;
        }
    }
}

fn status_code(status: Status) -> u8 {
    match status {
        Status::Starting => 0,
        Status::Active => 1,
        Status::Stopping => 2,
        Status::Crashed => 3,
        Status::Respawning => 4,
        Status::Disabled => 5,
    }
}

fn status_of(code: u8) -> Status {
    match code {
        0 => Status::Starting,
        1 => Status::Active,
        2 => Status::Stopping,
        3 => Status::Crashed,
        4 => Status::Respawning,
        _ => Status::Disabled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seed: u8) -> (ClusterSnapshot, WorkerSnapshot) {
        let cluster = ClusterSnapshot {
            total: 2,
            active: seed,
            crashed: seed,
            disabled: seed,
            shutdown_requested: seed % 2 == 1,
            restart_requested: seed % 2 == 0,
            total_restarts: u64::from(seed) << 40,
        };
        let worker = WorkerSnapshot {
            status: status_of(seed % 6),
            pid: i32::from(seed) + 70_000,
            exit_status: -i32::from(seed),
            crash_count: seed,
            start_time: i64::from(seed) << 33,
            running_since: Duration::from_nanos(u64::from(seed) << 50),
        };
        (cluster, worker)
    }

    /// One test, for the published state is one for the whole process.
    #[test]
    fn readers_never_see_halves_contract_4_2() {
        for seed in 0..=255 {
            let (cluster_in, worker_in) = sample(seed);
            publish(cluster_in, [worker_in; 2].into_iter());
            assert_eq!(cluster(), cluster_in);
            assert_eq!((worker(0), worker(1), worker(2)), (Some(worker_in), Some(worker_in), None));
        }
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut seen = 0;
                    while !stop.load(Ordering::Relaxed) || seen == 0 {
                        let found = worker(1).unwrap();
                        assert_eq!(found, sample(found.crash_count).1);
                        seen += 1;
                    }
                });
            }
            for round in 0..200_000u32 {
                let (cluster, worker) = sample((round % 256) as u8);
                publish(cluster, [worker; 2].into_iter());
            }
            stop.store(true, Ordering::Relaxed);
        });
        publish(ClusterSnapshot::default(), std::iter::empty());
    }
}
