//! Runs all clients on one thread, until it is told to stop.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use mio::{Events, Poll, Token};

use crate::client::{Client, World};
use crate::connection::Targets;
use crate::opaque::OpaqueClient;
use crate::plan::Kind;
use crate::tally::Tally;

/// How long a request may take.
pub const LIMIT: Duration = Duration::from_secs(10);
const LOOK_AT_DEADLINES: Duration = Duration::from_millis(100);
const ROOM: usize = 256 * 1024;

enum Slot {
    Http(Client),
    Opaque(OpaqueClient),
}

impl Slot {
    fn drive(&mut self, world: &mut World<'_>) {
        match self {
            Self::Http(client) => client.drive(world),
            Self::Opaque(client) => client.drive(world),
        }
    }

    fn check_deadline(&mut self, world: &mut World<'_>) {
        match self {
            Self::Http(client) => client.check_deadline(world),
            Self::Opaque(client) => client.check_deadline(world),
        }
    }

    fn wake(&self) -> Option<Instant> {
        match self {
            Self::Http(client) => client.wake(),
            Self::Opaque(client) => client.wake(),
        }
    }

    fn is_at_rest(&self) -> bool {
        match self {
            Self::Http(client) => client.is_at_rest(),
            Self::Opaque(client) => client.is_at_rest(),
        }
    }
}

/// What can be seen of a running load.
#[derive(Debug, Default)]
struct Progress {
    stop: AtomicBool,
    answers: AtomicU64,
    lost: AtomicU64,
    newest_pid: AtomicU32,
}

/// Clients at work.
#[derive(Debug)]
pub struct Load {
    progress: Arc<Progress>,
    thread: JoinHandle<Result<Tally>>,
}

impl Load {
    /// Starts so many clients of each kind.
    pub fn start(kinds: &[(Kind, usize)], targets: Targets) -> Result<Self> {
        let progress = Arc::new(Progress::default());
        let mut engine = Engine::new(kinds, targets, Arc::clone(&progress))?;
        let thread = std::thread::Builder::new().name("clients".to_owned()).spawn(move || engine.run())?;
        Ok(Self { progress, thread })
    }

    /// Right answers so far.
    pub fn answers(&self) -> u64 {
        self.progress.answers.load(Ordering::Relaxed)
    }

    /// Lost requests so far.
    pub fn lost(&self) -> u64 {
        self.progress.lost.load(Ordering::Relaxed)
    }

    /// The process that gave its first answer last; 0: none yet.
    pub fn newest_pid(&self) -> u32 {
        self.progress.newest_pid.load(Ordering::Relaxed)
    }

    /// No new requests; those under way are waited for.
    pub fn stop(self) -> Result<Tally> {
        self.progress.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the clients' thread panicked"))?
    }
}

struct Engine {
    poll: Poll,
    slots: Vec<Slot>,
    /// When each slot wants to be driven, and what of that is in the heap.
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
    in_heap: Vec<Option<Instant>>,
    targets: Targets,
    progress: Arc<Progress>,
    tally: Tally,
    next_id: u64,
    room: Vec<u8>,
    looked: Instant,
}

impl Engine {
    fn new(kinds: &[(Kind, usize)], targets: Targets, progress: Arc<Progress>) -> Result<Self> {
        let now = Instant::now();
        let mut slots = Vec::new();
        for (kind, count) in kinds {
            // Not all at once: that would be a test of the queue's length.
            let spread = if *kind == Kind::Idle { 375_000 } else { 30_000 };
            for _ in 0..*count {
                let first = now + Duration::from_micros(fastrand::u64(0..spread));
                let (token, seed) = (Token(slots.len()), fastrand::u64(..));
                slots.push(match kind.is_opaque() {
                    true => Slot::Opaque(OpaqueClient::new(*kind, token, first, seed)),
                    false => Slot::Http(Client::new(*kind, token, first, seed)),
                });
            }
        }
        let in_heap = vec![None; slots.len()];
        let (poll, tally, heap) = (Poll::new()?, Tally::default(), BinaryHeap::new());
        let room = vec![0; ROOM];
        let mut engine = Self { poll, slots, heap, in_heap, targets, progress, tally, next_id: 1, room, looked: now };
        (0..engine.slots.len()).for_each(|index| engine.plan_wake(index, now));
        Ok(engine)
    }

    fn run(&mut self) -> Result<Tally> {
        let mut events = Events::with_capacity(1024);
        let mut look = Instant::now();
        let mut give_up = None;
        loop {
            let stopping = self.progress.stop.load(Ordering::Relaxed);
            if stopping {
                let give_up = *give_up.get_or_insert_with(|| Instant::now() + LIMIT + LIMIT);
                if self.slots.iter().all(Slot::is_at_rest) || Instant::now() >= give_up {
                    return Ok(std::mem::take(&mut self.tally));
                }
            }
            let first = self.heap.peek().map_or(look, |Reverse((when, _))| look.min(*when));
            let wait = first.saturating_duration_since(Instant::now());
            // poll() rounds down to milliseconds: a whole one saves spinning through the rest.
            let wait = if wait.is_zero() { wait } else { wait.max(Duration::from_millis(1)) };
            self.looked = Instant::now();
            match self.poll.poll(&mut events, Some(wait.min(Duration::from_millis(50)))) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            let now = Instant::now();
            for event in &events {
                self.at(event.token().0, now, stopping, Slot::drive);
            }
            self.drive_due(now, stopping);
            if now >= look {
                look = now + LOOK_AT_DEADLINES;
                (0..self.slots.len()).for_each(|index| self.at(index, now, stopping, Slot::check_deadline));
            }
            self.progress.answers.store(self.tally.answers() as u64, Ordering::Relaxed);
            self.progress.lost.store(self.tally.all_lost(), Ordering::Relaxed);
            self.progress.newest_pid.store(self.tally.newest_pid, Ordering::Relaxed);
        }
    }

    fn drive_due(&mut self, now: Instant, stopping: bool) {
        while let Some(Reverse((when, index))) = self.heap.peek().copied().filter(|Reverse((when, _))| *when <= now) {
            self.heap.pop();
            let planned = self.in_heap.get_mut(index);
            if let Some(planned) = planned.filter(|planned| **planned == Some(when)) {
                *planned = None;
                self.at(index, now, stopping, Slot::drive);
            }
        }
    }

    fn at(&mut self, index: usize, now: Instant, stopping: bool, act: fn(&mut Slot, &mut World<'_>)) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let mut world = World {
            registry: self.poll.registry(),
            targets: &self.targets,
            tally: &mut self.tally,
            next_id: &mut self.next_id,
            room: &mut self.room,
            limit: LIMIT,
            now,
            looked: self.looked,
            stopping,
        };
        act(slot, &mut world);
        // A client that stops wants nothing more, except to go on with what is under way.
        if !(stopping && slot.is_at_rest()) {
            self.plan_wake(index, now + Duration::from_millis(1));
        }
    }

    /// `earliest`: a client that waits for room to write has a wake in the past, and shall not spin.
    fn plan_wake(&mut self, index: usize, earliest: Instant) {
        let wake = self.slots.get(index).and_then(Slot::wake).map(|wake| wake.max(earliest));
        let (Some(wake), Some(planned)) = (wake, self.in_heap.get_mut(index)) else { return };
        if planned.is_none_or(|planned| wake != planned) {
            *planned = Some(wake);
            self.heap.push(Reverse((wake, index)));
        }
    }
}
