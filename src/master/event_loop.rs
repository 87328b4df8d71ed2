//! The loop: wait, collect what happened, let the core decide, do what it says.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use super::keeper::NotKept;
use super::targets::TargetId;
use super::worker::{Heard, Worker};
use super::{Master, notices, requests, targets};
use crate::core::{BindError, Effect, End, Event, Listener, ProcessKey, Released, SpawnError, StopSignal};
use crate::log;
use crate::sys::pidfd::Peek;
use crate::sys::process::{Pid, WaitStatus, own_pid};
use crate::sys::signals::Signal;
use crate::sys::{clock, dispositions, epoll, fd, spawn, zombies};
use crate::wire::{FromMaster, FromWorker};

/// What a token of the epoll set stands for. The order is that in which the news of one wait are taken: what a
/// process said before what became of it.
const WAKE: u64 = 0;
pub(super) const EXEC_REPORT: u64 = 1;
pub(super) const CHANNEL: u64 = 2;
pub(super) const PIDFD: u64 = 3;
const KIND_SHIFT: u32 = 60;

/// Most messages taken from one worker at a time: the others have a right to be heard, too.
const MESSAGES_AT_A_TIME: usize = 32;
/// Most messages taken from a worker that has ended.
const LAST_MESSAGES: usize = 512;
/// How often a master that cannot wait looks after its workers.
const BLIND_PERIOD: Duration = Duration::from_millis(100);
/// How often a master looks for orphans that nothing tells it of.
const ORPHAN_PERIOD: Duration = Duration::from_secs(1);
/// How long a master waits at most that was woken for nothing: it cannot get what it was told of, for want of memory perhaps.
const LONGEST_REST: Duration = Duration::from_millis(100);
/// How soon an ended worker is looked at again that could not be reaped because somebody was signalling.
const REAP_RETRY: Duration = Duration::from_millis(1);

pub(super) fn token(kind: u64, key: ProcessKey) -> u64 {
    kind << KIND_SHIFT | key.serial()
}

pub(super) const WAKE_TOKEN: u64 = WAKE << KIND_SHIFT;

impl Master {
    /// Runs the loop until `done`.
    pub(super) fn run_until(&mut self, done: impl Fn(&Master) -> bool) {
        loop {
            self.take_requests();
            self.work_off();
            self.reap_ended();
            if done(self) {
                return;
            }
            // A deadline may pass while this process is stopped, or in a callback, and what it is about happen meanwhile: the news come
            // first. So a deadline has passed only if it had before the kernel was asked for news the last time. A stop that a callback
            // has asked for comes before it, too: then nothing is started any more.
            let asked_at = clock::monotonic();
            let is_all_news = self.wait_for_news(asked_at);
            if is_all_news && !requests::is_stop_pending() {
                self.tick_if_due(asked_at);
            }
            self.end_bequests(asked_at);
        }
    }

    /// The core has an event to take in; what follows from it is done before this returns.
    pub(super) fn happened(&mut self, event: Event) {
        self.queue.push_back(event);
        self.work_off();
    }

    fn work_off(&mut self) {
        while let Some(event) = self.queue.pop_front() {
            self.apply(clock::monotonic(), event);
        }
    }

    fn tick_if_due(&mut self, now: Duration) {
        if self.core.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.apply(now, Event::Tick);
            self.work_off();
        }
    }

    /// Callbacks see the statistics after the event, so those are published before the first one runs.
    fn apply(&mut self, now: Duration, event: Event) {
        let effects = self.core.handle(now, event);
        let (calls, others): (Vec<Effect>, Vec<Effect>) = effects.into_iter().partition(is_call);
        for effect in others {
            self.perform(effect);
        }
        // Whatever has happened: an heir may serve no longer, or somebody else may now.
        self.pass_on_bequests();
        self.publish();
        for call in calls {
            self.call(call);
        }
    }

    /// Waits, and takes what has happened. Gives whether that was all.
    fn wait_for_news(&mut self, now: Duration) -> bool {
        let deadlines = self.core.next_deadline().into_iter().chain(self.bequests_deadline());
        let deadline = deadlines.min().map(|deadline| deadline.saturating_sub(now));
        let timeout = if self.ended.is_empty() {
            deadline
        } else {
            Some(deadline.map_or(REAP_RETRY, |time| time.min(REAP_RETRY)))
        };
        let is_deaf = is_deaf_to_orphans();
        let timeout =
            if is_deaf { Some(timeout.map_or(ORPHAN_PERIOD, |time| time.min(ORPHAN_PERIOD))) } else { timeout };
        let epoll::News { mut tokens, is_interrupted } = match self.epoll.wait(timeout, &self.handled) {
            Ok(news) => news,
            Err(error) => epoll::News { tokens: self.blinded(&error), is_interrupted: false },
        };
        // What was asked for comes first: an end that was asked for is no crash.
        self.take_requests();
        tokens.sort_unstable();
        let is_all = tokens.len() < epoll::BATCH;
        let is_woken = !tokens.is_empty();
        let is_fruitful = tokens.into_iter().fold(false, |fruit, token| self.take_news(token) | fruit);
        self.rest(is_woken && !is_fruitful);
        if is_deaf || (is_interrupted && own_pid() == 1) {
            // It may have been by SIGCHLD, whose handler is the program's own by now; or that came to another thread.
            self.reap_strangers();
        }
        is_all
    }

    /// It cannot fail for a valid set: the program has closed it, and more of the library's descriptors probably.
    /// Workers that cannot be watched any more count as lost (their own ends of the channels tell them the same).
    fn blinded(&mut self, error: &std::io::Error) -> Vec<u64> {
        if !std::mem::replace(&mut self.is_blind, true) {
            log::error!(
                "waiting for the workers failed: {error}: the program must not close descriptors that it did not open"
            );
        }
        std::thread::sleep(BLIND_PERIOD);
        self.workers.values().map(|worker| token(PIDFD, worker.key)).collect()
    }

    /// What could not be taken is announced again at once: without a rest, the master would spin (contract 7.2).
    fn rest(&mut self, is_in_vain: bool) {
        if !is_in_vain {
            self.in_vain = 0;
            return;
        }
        // It happens now and then that there is nothing after all.
        if self.in_vain > 1 {
            std::thread::sleep(LONGEST_REST.min(Duration::from_millis(1 << self.in_vain.min(7))));
        }
        self.in_vain = self.in_vain.saturating_add(1);
    }

    /// Gives whether there was something.
    fn take_news(&mut self, token: u64) -> bool {
        let (kind, serial) = (token >> KIND_SHIFT, token & ((1 << KIND_SHIFT) - 1));
        match kind {
            WAKE => fd::acknowledge(self.wake.as_raw_fd()),
            EXEC_REPORT => self.take_exec_report(serial),
            CHANNEL => self.listen_to(serial, MESSAGES_AT_A_TIME),
            PIDFD => self.take_end(serial),
            _ => false,
        }
    }

    fn take_requests(&mut self) {
        if requests::is_stop_pending() {
            targets::wait_until_quiet();
        }
        let asked = requests::pending();
        for signal in asked.sent.into_iter().flatten() {
            self.happened(Event::StopRequested(signal));
        }
        if asked.terminate > 0 {
            self.happened(Event::StopRequested(StopSignal::Term));
        }
        for _ in 0..asked.interrupts {
            self.interrupts = self.interrupts.saturating_add(1);
            // The second one is from somebody who does not want to wait.
            let signal = if self.interrupts > 1 { StopSignal::Kill } else { StopSignal::Term };
            self.happened(Event::StopRequested(signal));
        }
        if asked.restart > 0 {
            self.hear_workers();
            self.happened(Event::RestartRequested);
        }
        if asked.child_ended > 0 {
            self.reap_strangers();
        }
        requests::deal_with(&asked);
        self.relay_refused();
    }

    /// Takes what the workers have said already. A restart is asked for in the belief that it is known: where they listen, and how
    /// long they took for it.
    fn hear_workers(&mut self) {
        // Whatever keeps it from that will be told by the next real wait.
        let Ok(epoll::News { mut tokens, .. }) = self.epoll.wait(Some(Duration::ZERO), &self.handled) else { return };
        tokens.retain(|token| matches!(token >> KIND_SHIFT, EXEC_REPORT | CHANNEL));
        tokens.sort_unstable();
        for token in tokens {
            self.take_news(token);
        }
    }

    /// Gives whether there was one.
    fn take_exec_report(&mut self, serial: u64) -> bool {
        let Some(worker) = self.workers.get_mut(&serial) else { return false };
        let Some(report) = worker.exec_report.take() else { return false };
        self.epoll.remove(&report);
        let step = "running the program file";
        worker.start_error = spawn::read_exec_report(&report).map(|errno| spawn_error(step, errno));
        if worker.start_error.is_none() {
            let key = worker.key;
            self.happened(Event::Executed(key));
        }
        // Otherwise its end follows, and is told as a failure to start.
        true
    }

    /// Gives whether there was something to hear.
    fn listen_to(&mut self, serial: u64, at_most: usize) -> bool {
        for count in 0..at_most {
            let now = clock::monotonic();
            let Some(worker) = self.workers.get_mut(&serial) else { return count > 0 };
            let key = worker.key;
            match worker.hear(now) {
                Heard::Message(FromWorker::Listening(address), socket) => self.worker_listens(key, address, socket),
                Heard::Message(message, _) => self.worker_says(key, message),
                Heard::Noise => {}
                Heard::Nothing => return count > 0,
                Heard::Closed => {
                    self.close_channel(serial);
                    // It cannot say so any more.
                    self.happened(Event::Drained(key));
                    return true;
                }
                Heard::Broken(what) => {
                    self.channel_broken(key, what);
                    return true;
                }
            }
        }
        true
    }

    fn channel_broken(&mut self, key: ProcessKey, what: &str) {
        log::error!(
            "Worker {} sent the master {what}: its channel is closed, and it is stopped as if it had crashed",
            key.slot()
        );
        self.close_channel(key.serial());
        self.happened(Event::ChannelBroken(key));
    }

    fn worker_listens(&mut self, key: ProcessKey, address: SocketAddr, socket: Option<OwnedFd>) {
        let kept = match socket {
            Some(socket) => self.keeper.keep(key, address, socket),
            // The kernel gives away a message without its descriptor where this process has no room for one more.
            None if self.launcher.hands_over() => Err(NotKept::Refused(libc::EMFILE)),
            None => Ok(()),
        };
        match kept {
            Ok(()) => {}
            Err(NotKept::NotAListener) => {
                return self.channel_broken(key, "a descriptor that is no listening socket");
            }
            Err(NotKept::Refused(errno)) => {
                self.cannot_keep(key, address, format_args!("{}", std::io::Error::from_raw_os_error(errno)));
            }
            Err(NotKept::TooMany) => self.cannot_keep(key, address, format_args!("it has too many of them")),
        }
        self.worker_says(key, FromWorker::Listening(address));
    }

    /// It serves all the same; but what waits in that socket's queue when it ends is lost. Said once for each process.
    fn cannot_keep(&mut self, key: ProcessKey, address: SocketAddr, why: std::fmt::Arguments<'_>) {
        let Some(worker) = self.workers.get_mut(&key.serial()) else { return };
        if !std::mem::replace(&mut worker.is_unkept_told, true) {
            log::warning!(
                "Worker {} listens on {address}, and the master cannot keep that socket: {why}. Connections that wait there when the worker ends are lost",
                key.slot()
            );
        }
    }

    fn worker_says(&mut self, key: ProcessKey, message: FromWorker) {
        // Whatever it says, the program runs: a descriptor that another thread's child has inherited can keep the
        // exec report open.
        self.happened(Event::Executed(key));
        match message {
            FromWorker::Born => {}
            FromWorker::Joined => self.happened(Event::Joined(key)),
            FromWorker::Listening(address) => self.happened(Event::Listening(key, address)),
            FromWorker::Closed(address, id) => self.happened(Event::Closed(key, Listener { address, id })),
            FromWorker::Drained => self.happened(Event::Drained(key)),
            FromWorker::BindFailed(address, errno) => {
                let error = BindError { address, in_use: errno == libc::EADDRINUSE };
                self.happened(Event::BindFailed(key, error));
            }
            FromWorker::Unguarded(errno) => {
                if let Some(worker) = self.workers.get_mut(&key.serial()) {
                    worker.start_error = Some(spawn_error("starting the threads of the library in it", errno));
                }
            }
        }
    }

    fn close_channel(&mut self, serial: u64) {
        if let Some(channel) = self.workers.get_mut(&serial).and_then(|worker| worker.channel.take()) {
            self.epoll.remove(&channel);
        }
    }

    /// Gives whether it has ended.
    fn take_end(&mut self, serial: u64) -> bool {
        let Some(worker) = self.workers.get(&serial) else { return false };
        let end = match worker.pidfd.peek() {
            Ok(Peek::Running) => return false,
            Ok(Peek::Ended(WaitStatus::Exited(code))) => End::Exited(code),
            Ok(Peek::Ended(WaitStatus::Killed(signal))) => End::Killed(signal),
            Ok(Peek::Lost) | Err(_) => End::Lost,
        };
        // Its last words, which may have come with its end.
        self.take_exec_report(serial);
        self.listen_to(serial, LAST_MESSAGES);
        self.close_channel(serial);
        let Some(worker) = self.workers.remove(&serial) else { return true };
        self.epoll.remove(&worker.pidfd);
        targets::remove(worker.target);
        self.keeper.forget_user(worker.key);
        let (key, start_error) = (worker.key, worker.start_error);
        // It stays a zombie until its pid is published as 0 and nobody can be signalling it.
        self.ended.push(worker);
        self.happened(match start_error {
            Some(error) => Event::SpawnFailed(key, error),
            None => Event::Ended(key, end),
        });
        if own_pid() == 1 {
            self.reap_strangers();
        }
        true
    }

    pub(super) fn reap_ended(&mut self) {
        if targets::is_quiet() {
            // One that has just been killed may need a moment.
            self.ended.retain(|worker| matches!(worker.pidfd.reap(), Ok(Peek::Running)));
        }
    }

    /// As a container's first process: what workers left behind. The workers themselves are not touched.
    fn reap_strangers(&self) {
        let ours = |pid: Pid| self.workers.values().chain(&self.ended).any(|worker| worker.pid == pid);
        zombies::reap_foreign(ours);
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Spawn(key, image) => self.spawn(key, image),
            Effect::Stop(key, signal) => self.with_target(key, |target| targets::stop(target, signal)),
            Effect::Drain(key) => self.drain(key),
            Effect::Kill(key) => self.with_target(key, targets::kill),
            Effect::Release(what) => self.release(what),
            Effect::Ready(key) => self.with_target(key, targets::ready),
            Effect::Promoted(key) => {
                if let Some(worker) = self.workers.get(&key.serial()) {
                    self.launcher.promote(key.slot(), &worker.release);
                }
            }
            Effect::Report(notice) => notices::report(&notice, self.launcher.program()),
            Effect::CallOnStart(_) | Effect::CallOnExit { .. } => {}
        }
    }

    fn drain(&mut self, key: ProcessKey) {
        let told = self.workers.get(&key.serial()).is_some_and(|worker| worker.tell(FromMaster::Drain));
        if !told {
            self.queue.push_back(Event::Drained(key));
        }
    }

    /// Workers may hold a copy of what they were given and have not taken.
    fn release(&mut self, what: Released) {
        let released = self.keeper.release(what);
        if what == Released::Everything {
            self.bequests.clear();
        }
        let slot = match what {
            Released::Slot(slot) | Released::One(slot, _) => Some(slot),
            Released::NotAdoptedBy(key) | Released::BroughtBy(key) => Some(key.slot()),
            // Nobody is to serve any more.
            Released::Everything => None,
        };
        // A process that has been given a socket and does not listen yet would be deaf to newcomers for good.
        let is_free = |_: &u8| !self.workers.values().any(|worker| self.core.may_yet_use(what, worker.key));
        if let Some(slot) = slot.filter(is_free) {
            released.into_iter().for_each(|kept| self.bequeath(what, slot, kept));
        }
        let is_concerned = |worker: &Worker| match what {
            Released::Everything => true,
            Released::Slot(slot) => worker.key.slot() == slot,
            Released::NotAdoptedBy(key) => worker.key == key,
            Released::One(..) | Released::BroughtBy(_) => false,
        };
        for worker in self.workers.values().filter(|worker| is_concerned(worker)) {
            // One that cannot be told has lost its channel, and will not live long.
            let _ = worker.tell(FromMaster::Forget);
        }
    }

    fn with_target(&mut self, key: ProcessKey, act: impl FnOnce(Option<TargetId>) -> bool) {
        let refused = self.workers.get(&key.serial()).is_some_and(|worker| act(worker.target));
        if refused {
            self.relay_refused();
        }
    }

    /// A worker that has another user now cannot be signalled; it signals itself when it is told to over its channel. One that is to
    /// be killed may be stopped, or deaf, and where only a sandbox is in the way its number will do.
    fn relay_refused(&self) {
        for worker in self.workers.values() {
            let refused = targets::take_refused(worker.target);
            if refused & Signal::KILL.bit() != 0 {
                worker.pidfd.kill_by_number(worker.pid);
            }
            if refused != 0 {
                worker.relay(Signal::from_bits(refused).filter_map(|signal| u8::try_from(signal.number()).ok()));
            }
        }
    }

    fn call(&mut self, effect: Effect) {
        match effect {
            Effect::CallOnStart(worker) => {
                if let Some(on_start) = &mut self.callbacks.on_start {
                    on_start(worker);
                }
            }
            Effect::CallOnExit { worker, end, crash } => {
                if let Some(on_exit) = &mut self.callbacks.on_exit {
                    on_exit(worker, end.exit_status(), crash);
                }
            }
            Effect::Spawn(..)
            | Effect::Stop(..)
            | Effect::Drain(_)
            | Effect::Kill(_)
            | Effect::Release(_)
            | Effect::Ready(_)
            | Effect::Promoted(_)
            | Effect::Report(_) => {}
        }
    }
}

/// Whether this is the first process of a container and nothing tells it of orphans that end: the program has taken SIGCHLD
/// for itself.
fn is_deaf_to_orphans() -> bool {
    own_pid() == 1 && !dispositions::is_installed(libc::SIGCHLD, requests::on_signal)
}

pub(super) fn spawn_error(step: &'static str, errno: i32) -> SpawnError {
    let transient = [libc::EAGAIN, libc::ENOMEM, libc::EMFILE, libc::ENFILE].contains(&errno);
    SpawnError { step, errno, transient }
}

fn is_call(effect: &Effect) -> bool {
    matches!(effect, Effect::CallOnStart(_) | Effect::CallOnExit { .. })
}
