//! One client that speaks HTTP: sends requests, reads the answers, and says what became of each.

use std::io;
use std::time::{Duration, Instant};

use mio::{Registry, Token};

use crate::answer::Answer;
use crate::connection::{Connection, Got, Shares, Targets};
use crate::outcome::{Loss, LostRequest, Moment, Verdict, judge};
use crate::plan::{Kind, Plan};
use crate::tally::{Retried, Tally};

/// What all clients share.
pub(crate) struct World<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) targets: &'a Targets,
    pub(crate) tally: &'a mut Tally,
    pub(crate) next_id: &'a mut u64,
    pub(crate) shares: &'a mut Shares,
    pub(crate) room: &'a mut [u8],
    pub(crate) limit: Duration,
    pub(crate) now: Instant,
    /// When the thread began to wait for what happened until now.
    pub(crate) looked: Instant,
    /// No new requests.
    pub(crate) stopping: bool,
}

/// Pause after a loss: a client whose server is gone does not spin.
const AFTER_LOSS: Duration = Duration::from_millis(5);

/// Requests that are under way.
struct Job {
    plan: Plan,
    first_sent: Instant,
    deadline: Instant,
    piece: usize,
    written: usize,
    /// When the next piece may be sent.
    due: Instant,
    continued: bool,
    answered: usize,
    served_before: u32,
    is_retry: bool,
}

pub(crate) struct Client {
    kind: Kind,
    token: Token,
    random: fastrand::Rng,
    turn: usize,
    connection: Option<Connection>,
    job: Option<Job>,
    rest_until: Instant,
    last_answer: Option<Instant>,
}

impl Client {
    pub(crate) fn new(kind: Kind, token: Token, first: Instant, seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        // Far apart, so that the clients' turns at the addresses do not fall together.
        Self {
            kind,
            token,
            random,
            turn: token.0 * 97,
            connection: None,
            job: None,
            rest_until: first,
            last_answer: None,
        }
    }

    pub(crate) fn is_at_rest(&self) -> bool {
        self.job.is_none()
    }

    /// When it wants to be driven even if nothing happens.
    pub(crate) fn wake(&self) -> Option<Instant> {
        let Some(job) = &self.job else { return Some(self.rest_until) };
        let connection = self.connection.as_ref()?;
        let piece = job.plan.pieces.get(job.piece).filter(|piece| !piece.after_continue && !connection.connecting);
        [piece.map(|_| job.due).filter(|due| *due > job.first_sent), connection.paused_until]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what can be done now.
    pub(crate) fn drive(&mut self, world: &mut World<'_>) {
        if self.job.is_none() {
            self.read(world);
            if world.now >= self.rest_until && !world.stopping {
                self.begin(world);
            }
        }
        if self.job.is_none() || !self.made(world) {
            return;
        }
        let write_error = self.write(world).err();
        self.read(world);
        // An answer that came before the error has been read by now; the requests without one have none to hope for.
        if let (Some(error), Some(_), Some(_)) = (write_error, &self.connection, &self.job) {
            self.ended(world, Some(error));
        } else if self.job.is_none() && world.now >= self.rest_until && !world.stopping {
            self.begin(world);
            if self.connection.as_ref().is_some_and(|connection| !connection.connecting) {
                // An error shows again at the event that comes with it.
                let _ = self.write(world);
            }
        }
    }

    /// Gives up requests that have waited too long.
    pub(crate) fn check_deadline(&mut self, world: &mut World<'_>) {
        if self.job.as_ref().is_some_and(|job| world.now >= job.deadline) {
            self.lose(world, Loss::TimedOut, "");
        }
    }

    fn begin(&mut self, world: &mut World<'_>) {
        let plan = Plan::new(self.kind, *world.next_id, &mut self.random);
        *world.next_id += plan.expected.len() as u64;
        world.tally.requests += plan.expected.len() as u64;
        if self.kind.wants_new_connections() {
            self.connection = None;
        }
        // Read now: a look at the clock for each request is what a latency costs.
        let now = Instant::now();
        self.job = Some(Job {
            plan,
            first_sent: now,
            deadline: now + world.limit,
            piece: 0,
            written: 0,
            due: now,
            continued: false,
            answered: 0,
            served_before: self.connection.as_ref().map_or(0, |connection| connection.served),
            is_retry: false,
        });
        if self.connection.is_none() {
            self.connect(world);
        }
    }

    fn connect(&mut self, world: &mut World<'_>) {
        world.tally.connections += 1;
        self.turn += 1;
        let slow = self.kind.reading_pace().is_some();
        match Connection::open(world.registry, self.token, world.targets, self.turn, slow) {
            Ok(connection) => self.connection = Some(connection),
            Err((target, error)) => {
                let verdict = judge(self.moment(true), Some(error.kind()));
                let loss = if let Verdict::Lost(loss) = verdict { loss } else { Loss::NoConnection };
                self.lose(world, loss, &format!("connect to {target}: {error}"));
            }
        }
    }

    fn made(&mut self, world: &mut World<'_>) -> bool {
        match self.connection.as_mut().map(Connection::is_made) {
            Some(Ok(made)) => made,
            Some(Err(error)) => {
                self.ended(world, Some(error));
                false
            }
            None => false,
        }
    }

    fn write(&mut self, world: &World<'_>) -> io::Result<()> {
        let (Some(connection), Some(job)) = (&mut self.connection, &mut self.job) else { return Ok(()) };
        while let Some(piece) = job.plan.pieces.get(job.piece) {
            if world.now < job.due && job.due > job.first_sent || (piece.after_continue && !job.continued) {
                break;
            }
            let left = piece.bytes.get(job.written..).unwrap_or_default();
            let count = connection.write(left)?;
            job.written += count;
            if count < left.len() {
                break;
            }
            job.piece += 1;
            job.written = 0;
            if let Some(next) = job.plan.pieces.get(job.piece).filter(|next| !next.pause.is_zero()) {
                job.due = Instant::now() + next.pause;
            }
        }
        Ok(())
    }

    fn read(&mut self, world: &mut World<'_>) {
        while let Some(connection) = &mut self.connection {
            if connection.connecting || connection.paused_until.is_some_and(|until| world.now < until) {
                return;
            }
            connection.paused_until = None;
            match connection.read(world.room) {
                Got::Bytes(count) => {
                    if let Some((bytes, pause)) = self.kind.reading_pace() {
                        connection.read_since_pause += count;
                        if connection.read_since_pause >= bytes {
                            connection.read_since_pause = 0;
                            connection.paused_until = Some(world.now + pause);
                        }
                    }
                    self.take(world, count);
                }
                Got::NothingYet => return,
                Got::EndOfFile => self.ended(world, None),
                Got::Error(error) => self.ended(world, Some(error)),
            }
        }
    }

    /// Takes `count` bytes from the room.
    fn take(&mut self, world: &mut World<'_>, count: usize) {
        let mut taken = 0;
        while taken < count {
            let (Some(connection), Some(job)) = (&mut self.connection, &mut self.job) else {
                if self.connection.take().is_some() {
                    self.lose_foreign(world, "bytes that nobody asked for");
                }
                return;
            };
            let to_head = job.plan.expected.get(job.answered).is_some_and(|expected| expected.to_head);
            let data = world.room.get(taken..count).unwrap_or_default();
            match connection.reader.feed(data, to_head) {
                Ok((used, answer)) => {
                    taken += used;
                    if let Some(answer) = answer {
                        self.one_answer(world, &answer);
                    }
                }
                Err(error) => return self.lose(world, Loss::Wrong, &format!("{error:#}")),
            }
        }
    }

    fn one_answer(&mut self, world: &mut World<'_>, answer: &Answer) {
        let (Some(connection), Some(job)) = (&mut self.connection, &mut self.job) else { return };
        if answer.status < 200 {
            job.continued = true;
            if let Err(error) = self.write(world) {
                self.ended(world, Some(error));
            }
            return;
        }
        let checked = job.plan.expected.get(job.answered).map_or(Ok(()), |expected| expected.check(answer));
        if let Err(error) = checked {
            return self.lose(world, Loss::Wrong, &format!("{error:#}"));
        }
        job.answered += 1;
        connection.served += 1;
        connection.last_pid = answer.pid;
        world.tally.answered(answer.pid, job.first_sent.elapsed());
        if job.answered < job.plan.expected.len() {
            if answer.close {
                self.lose(world, Loss::PipelineCut, "Connection: close in an answer that was not the last");
            }
            return;
        }
        if job.piece < job.plan.pieces.len() {
            return self.lose(world, Loss::Wrong, "an answer before the whole request was sent");
        }
        let is_too_many = connection.served == 1 && !world.shares.take(answer.pid);
        if answer.close || job.plan.then_close || is_too_many {
            world.tally.announced += u64::from(answer.close && !job.plan.then_close);
            self.connection = None;
        }
        self.job = None;
        self.last_answer = Some(Instant::now());
        self.rest_until = world.now + self.kind.think(&mut self.random);
    }

    fn moment(&self, connecting: bool) -> Moment {
        let job = self.job.as_ref();
        Moment {
            connecting,
            served_before: job.map_or(0, |job| job.served_before),
            answered: job.map_or(0, |job| job.answered),
            in_the_middle: self.connection.as_ref().is_some_and(|connection| connection.reader.in_the_middle()),
            is_retry: job.is_some_and(|job| job.is_retry),
        }
    }

    /// The connection ended, by an error or by end-of-file.
    fn ended(&mut self, world: &mut World<'_>, error: Option<io::Error>) {
        let Some(connection) = &mut self.connection else { return };
        if self.job.is_none() {
            self.connection = None;
            world.tally.closed_idle += 1;
            return;
        }
        if error.is_none() {
            match connection.reader.end_of_file() {
                Ok(Some(answer)) => return self.one_answer(world, &answer),
                Ok(None) => {}
                Err(error) => return self.lose(world, Loss::Broken, &format!("{error:#}")),
            }
        }
        let moment = self.moment(self.connection.as_ref().is_some_and(|connection| connection.connecting));
        match judge(moment, error.as_ref().map(io::Error::kind)) {
            Verdict::Lost(loss) => {
                let reason = error.map_or_else(|| "end-of-file".to_owned(), |error| error.to_string());
                self.lose(world, loss, &reason);
            }
            Verdict::Retry => self.retry(world),
        }
    }

    fn retry(&mut self, world: &mut World<'_>) {
        if let Some(job) = &mut self.job {
            let retried = Retried {
                client: self.kind.name(),
                sent: job.first_sent,
                thought: self.last_answer.map_or(Duration::ZERO, |at| job.first_sent.saturating_duration_since(at)),
                waited: job.first_sent.elapsed(),
                pid: self.connection.as_ref().map_or(0, |connection| connection.last_pid),
            };
            world.tally.retry(retried, job.plan.expected.len() as u64);
            job.is_retry = true;
            job.served_before = 0;
            job.piece = 0;
            job.written = 0;
            job.continued = false;
            job.due = job.first_sent;
            job.deadline = world.now + world.limit;
        }
        self.connection = None;
        self.connect(world);
    }

    fn lose(&mut self, world: &mut World<'_>, loss: Loss, reason: &str) {
        let connection = self.connection.take();
        let Some(job) = self.job.take() else { return };
        let detail = format!(
            "{reason}{}, {} answer(s) on it before, {} of {} answered, {} of {} pieces sent{}",
            connection.as_ref().map_or(String::new(), |connection| format!(" ({})", connection.target)),
            job.served_before,
            job.answered,
            job.plan.expected.len(),
            job.piece,
            job.plan.pieces.len(),
            if job.is_retry { ", second attempt" } else { "" },
        );
        let lost = LostRequest {
            at: Instant::now(),
            looked: world.looked,
            sent: job.first_sent,
            loss,
            client: self.kind.name(),
            pid: connection.map_or(0, |connection| connection.last_pid),
            detail,
        };
        world.tally.lose(lost, (job.plan.expected.len() - job.answered).max(1) as u64);
        self.rest_until = world.now + AFTER_LOSS;
    }

    fn lose_foreign(&mut self, world: &mut World<'_>, reason: &str) {
        let (at, detail) = (Instant::now(), reason.to_owned());
        let (looked, client) = (world.looked, self.kind.name());
        let lost = LostRequest { at, looked, sent: at, loss: Loss::Wrong, client, pid: 0, detail };
        world.tally.lose(lost, 1);
    }
}
