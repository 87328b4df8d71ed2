//! Runs all clients on one thread, until it is told to stop.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use mio::{Events, Poll, Token, Waker};

use crate::client::{Client, World};
use crate::connection::{Shares, Targets};
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
    /// How often the clients were told to pause or to go on: an odd number is a pause.
    orders: AtomicU32,
    /// The last pause in which no request was under way any more.
    rested: AtomicU32,
    answers: AtomicU64,
    lost: AtomicU64,
    newest_pid: AtomicU32,
    connections: AtomicU64,
}

/// Clients at work.
#[derive(Debug)]
pub struct Load {
    progress: Arc<Progress>,
    waker: Waker,
    thread: JoinHandle<Result<Tally>>,
}

impl Load {
    /// Starts so many clients of each kind.
    pub fn start(kinds: &[(Kind, usize)], targets: Targets) -> Result<Self> {
        Self::start_with(kinds, targets, Shares::new(usize::MAX))
    }

    /// Starts so many clients of a kind that keeps its connections. Each of so many processes gets as many of them: a client
    /// whose server's process has enough connects anew after its first answer.
    pub fn start_evenly(kind: Kind, clients: usize, targets: Targets, processes: usize) -> Result<Self> {
        Self::start_with(&[(kind, clients)], targets, Shares::new(clients.div_ceil(processes.max(1))))
    }

    fn start_with(kinds: &[(Kind, usize)], targets: Targets, shares: Shares) -> Result<Self> {
        let progress = Arc::new(Progress::default());
        let mut engine = Engine::new(kinds, targets, shares, Arc::clone(&progress))?;
        let waker = Waker::new(engine.poll.registry(), Token(usize::MAX))?;
        let thread = std::thread::Builder::new().name("clients".to_owned()).spawn(move || engine.run())?;
        Ok(Self { progress, waker, thread })
    }

    /// Right answers so far.
    pub fn answers(&self) -> u64 {
        self.progress.answers.load(Ordering::Relaxed)
    }

    /// Connections that were begun so far.
    pub fn connections(&self) -> u64 {
        self.progress.connections.load(Ordering::Relaxed)
    }

    /// Lost requests so far.
    pub fn lost(&self) -> u64 {
        self.progress.lost.load(Ordering::Relaxed)
    }

    /// The process that gave its first answer last; 0: none yet.
    pub fn newest_pid(&self) -> u32 {
        self.progress.newest_pid.load(Ordering::Relaxed)
    }

    /// No new requests until the pause is over. Returns when those under way are answered.
    pub fn pause(&self) -> Result<()> {
        let order = self.order(|last| last % 2 == 0)?;
        let until = Instant::now() + LIMIT + LIMIT;
        while self.progress.rested.load(Ordering::SeqCst) != order {
            ensure!(Instant::now() < until && !self.thread.is_finished(), "the clients do not come to rest");
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    /// Ends a pause: all clients ask at once.
    pub fn go_on(&self) -> Result<()> {
        self.order(|last| last % 2 == 1).map(drop)
    }

    /// The number of the order, which is a new one only if the last one was another.
    fn order(&self, is_another: impl Fn(u32) -> bool) -> Result<u32> {
        let last = self.progress.orders.load(Ordering::SeqCst);
        let order = last + u32::from(is_another(last));
        self.progress.orders.store(order, Ordering::SeqCst);
        self.waker.wake()?;
        Ok(order)
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
    shares: Shares,
    progress: Arc<Progress>,
    tally: Tally,
    next_id: u64,
    room: Vec<u8>,
    looked: Instant,
}

impl Engine {
    fn new(kinds: &[(Kind, usize)], targets: Targets, shares: Shares, progress: Arc<Progress>) -> Result<Self> {
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
        let mut engine =
            Self { poll, slots, heap, in_heap, targets, shares, progress, tally, next_id: 1, room, looked: now };
        (0..engine.slots.len()).for_each(|index| engine.plan_wake(index, now));
        Ok(engine)
    }

    fn run(&mut self) -> Result<Tally> {
        let mut events = Events::with_capacity(1024);
        let mut look = Instant::now();
        let (mut give_up, mut order) = (None, 0);
        loop {
            let new_order = self.progress.orders.load(Ordering::SeqCst);
            let pausing = new_order % 2 == 1;
            if pausing && self.slots.iter().all(Slot::is_at_rest) {
                self.progress.rested.store(new_order, Ordering::SeqCst);
            }
            if new_order != order && !pausing {
                let now = Instant::now();
                (0..self.slots.len()).for_each(|index| self.plan_wake(index, now));
            }
            order = new_order;
            let is_over = self.progress.stop.load(Ordering::Relaxed);
            let stopping = is_over || pausing;
            if is_over {
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
            self.progress.connections.store(self.tally.connections, Ordering::Relaxed);
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
            shares: &mut self.shares,
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;

    /// Answers /hello until the client goes.
    fn serve(mut client: TcpStream, pid: u32) {
        let (mut text, mut room) = (String::new(), [0; 4096]);
        while let Ok(count @ 1..) = client.read(&mut room) {
            text.push_str(std::str::from_utf8(&room[..count]).unwrap());
            while let Some((request, rest)) = text.split_once("\r\n\r\n") {
                let id = request.split_once("id=").and_then(|(_, rest)| rest.split(' ').next()).unwrap().to_owned();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nX-Id: {id}\r\nX-Pid: {pid}\r\nContent-Length: 14\r\n\r\nHello, world!\n"
                );
                text = rest.to_owned();
                if client.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        }
    }

    /// A server of two processes, of which the first gets three connections of four.
    fn lopsided() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for (client, pid) in listener.incoming().zip([1, 1, 1, 2].into_iter().cycle()) {
                std::thread::spawn(move || serve(client.unwrap(), pid));
            }
        });
        port
    }

    fn wait_for(mut is_true: impl FnMut() -> bool) {
        let until = Instant::now() + LIMIT;
        while !is_true() {
            assert!(Instant::now() < until, "it does not become true");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn each_process_gets_its_share_of_the_connections() {
        let load = Load::start_evenly(Kind::HelloBusy, 8, Targets::everywhere(lopsided()), 2).unwrap();
        // Every fourth is the second process's, and it is to have four.
        wait_for(|| load.connections() == 16);
        let answers = load.answers();
        wait_for(|| load.answers() > answers + 1000);
        let tally = load.stop().unwrap();
        assert_eq!((tally.all_lost(), tally.connections), (0, 16));
    }

    #[test]
    fn nothing_is_asked_in_a_pause() {
        let load = Load::start(&[(Kind::HelloBusy, 8)], Targets::everywhere(lopsided())).unwrap();
        wait_for(|| load.connections() == 8);
        for _ in 0..3 {
            let before = load.answers();
            wait_for(|| load.answers() > before + 500);
            load.pause().unwrap();
            let then = load.answers();
            // They would ask at once.
            std::thread::sleep(Duration::from_millis(20));
            assert_eq!(load.answers(), then);
            load.go_on().unwrap();
        }
        // Also if the clients have not seen the end of the last pause yet.
        for _ in 0..1000 {
            load.pause().unwrap();
            load.go_on().unwrap();
        }
        let tally = load.stop().unwrap();
        assert_eq!((tally.all_lost(), tally.connections), (0, 8));
    }
}
