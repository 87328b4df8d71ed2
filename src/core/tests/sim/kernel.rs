//! The fake kernel: processes, what is on its way, and signals.

use std::collections::VecDeque;

use super::choices::What;
use super::program::{Build, Home};
use super::*;

/// How far a process has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The call failed: there is no such process.
    NeverMade,
    Forked,
    Executed,
    Joined,
    Listening,
    /// Its gate is closed; it finishes what it has.
    Draining,
    Zombie(End),
    Reaped,
}

/// Something that the kernel or a program does at a later time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Exec(usize),
    ExecFails(usize, SpawnError),
    Join(usize),
    Listen(usize, Home),
    Hang(usize),
    Die(usize, End, Cause),
    Babble(usize),
    CloseChannel(usize),
    SayDrained(usize),
    Answer(usize, u32),
}

/// Who is to blame for an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The program itself, or somebody outside the cluster.
    World,
    /// The master's signal.
    Master,
}

/// What a worker says over its channel.
#[derive(Clone, Copy, Debug)]
pub(super) enum Said {
    Born,
    Joined,
    /// With a duplicate of the socket.
    Listening(Home, usize),
    Closed(Home, usize),
    Drained,
    BindFailed,
    Unguarded,
    Nonsense,
}

#[derive(Debug)]
pub(super) struct Process {
    pub(super) key: ProcessKey,
    /// Names its decisions: slot and how-manieth process of it.
    pub(super) place: u32,
    pub(super) build: Build,
    pub(super) stage: Stage,
    /// It does nothing any more, and no signal but SIGKILL has an effect.
    pub(super) hung: bool,
    /// A SIGTERM has come before the program ran: it takes effect when its signal mask is emptied, at exec, and nothing in
    /// the program can do anything about it.
    pub(super) is_doomed: bool,
    /// The requests that it is handling.
    pub(super) hands: Vec<u32>,
    /// The sockets that it listens on, and those that it was given and has not taken.
    pub(super) holds: Vec<usize>,
    pub(super) given: Vec<usize>,
    pub(super) has_channel: bool,
    /// What the master has not taken yet.
    pub(super) exec_report: Option<Option<SpawnError>>,
    pub(super) said: VecDeque<Said>,
    pub(super) start_error: Option<SpawnError>,
    /// Whether a request that dies with it may be lost by the master's doing.
    pub(super) may_lose: bool,
    /// Whether its end has been told to the core.
    pub(super) end_known: bool,
}

impl Process {
    pub(super) fn is_alive(&self) -> bool {
        !matches!(self.stage, Stage::NeverMade | Stage::Zombie(_) | Stage::Reaped)
    }

    /// Whether it takes connections.
    pub(super) fn accepts(&self) -> bool {
        self.stage == Stage::Listening && !self.hung
    }
}

impl World {
    pub(super) fn later(&mut self, delay_ms: u64, act: Act) {
        self.sequence += 1;
        self.agenda.insert((self.driver.now + ms(delay_ms), self.sequence), act);
    }

    /// fork. Gives whether there is a process.
    pub(super) fn fork(&mut self, key: ProcessKey, build: Build) -> Result<(), SpawnError> {
        let slot = usize::from(key.slot());
        self.born[slot] += 1;
        let place = u32::from(key.slot()) << 16 | self.born[slot];
        let index = usize::try_from(key.serial()).unwrap();
        assert_eq!(index, self.processes.len(), "serial numbers are given in order");
        let given = if self.handoff() { self.kept_of(key.slot()) } else { Vec::new() };
        self.processes.push(Process {
            key,
            place,
            build,
            stage: Stage::NeverMade,
            hung: false,
            is_doomed: false,
            hands: Vec::new(),
            holds: Vec::new(),
            given: Vec::new(),
            has_channel: true,
            exec_report: None,
            said: VecDeque::new(),
            start_error: None,
            may_lose: false,
            end_known: false,
        });
        let fault = self.choices.ask(What::Spawn, place, &[30, 1, 1]);
        if build == Build::Missing || fault == 2 {
            return Err(ENOENT);
        }
        if fault == 1 || self.scarce_until > self.driver.now {
            return Err(EAGAIN);
        }
        self.processes[index].stage = Stage::Forked;
        self.processes[index].given = given;
        self.begin_program(index);
        Ok(())
    }

    pub(super) fn perform_act(&mut self, act: Act) {
        let (Act::Exec(index)
        | Act::ExecFails(index, _)
        | Act::Join(index)
        | Act::Listen(index, _)
        | Act::Hang(index)
        | Act::Die(index, ..)
        | Act::Babble(index)
        | Act::CloseChannel(index)
        | Act::SayDrained(index)
        | Act::Answer(index, _)) = act;
        let process = &self.processes[index];
        let is_end = matches!(act, Act::Die(..) | Act::ExecFails(..));
        if !process.is_alive() || (process.hung && !is_end) {
            return;
        }
        match act {
            Act::Exec(_) if process.is_doomed => self.die(index, End::Killed(15), Cause::Master),
            Act::Exec(_) => self.exec(index),
            Act::ExecFails(_, error) => {
                self.processes[index].exec_report = Some(Some(error));
                self.die(index, End::Exited(127), Cause::World);
            }
            Act::Join(_) => self.join(index),
            Act::Listen(_, home) => self.listen(index, home),
            Act::Hang(_) => self.processes[index].hung = true,
            Act::Die(_, end, cause) => self.die(index, end, cause),
            Act::Babble(_) => self.say(index, Said::Nonsense),
            Act::CloseChannel(_) => self.close_channel(index),
            Act::SayDrained(_) => self.say(index, Said::Drained),
            Act::Answer(_, request) => self.answer(index, request),
        }
    }

    /// A process ends: its sockets are closed, its requests are gone, its parent is told.
    fn die(&mut self, index: usize, end: End, cause: Cause) {
        let process = &mut self.processes[index];
        let place = process.place;
        process.stage = Stage::Zombie(end);
        let (hands, may_lose) = (std::mem::take(&mut process.hands), process.may_lose);
        self.note(|world| format!("{} ends: {end:?} ({cause:?})", world.name(index)));
        for request in hands {
            self.requests[request as usize] = Request::Gone;
            let lawful = cause == Cause::World || may_lose || !self.handoff();
            assert!(
                lawful,
                "invariant 7, a request is lost: the master ended {} while it handled one",
                self.name(index)
            );
        }
        if self.choices.ask(What::Status, place, &[60, 1]) == 1 {
            // Somebody else takes its status.
            self.processes[index].stage = Stage::Zombie(End::Lost);
        }
        self.news.insert((PIDFD, index));
        self.let_go_of_all(index);
    }

    pub(super) fn say(&mut self, index: usize, what: Said) {
        if self.processes[index].has_channel {
            self.processes[index].said.push_back(what);
            self.news.insert((CHANNEL, index));
        }
    }

    /// From the worker's side: what it has said is heard yet.
    fn close_channel(&mut self, index: usize) {
        self.processes[index].has_channel = false;
        self.news.insert((CHANNEL, index));
    }

    /// The master's SIGTERM (or SIGINT).
    pub(super) fn terminate(&mut self, index: usize, cause: Cause) {
        let process = &mut self.processes[index];
        if process.stage == Stage::Forked {
            process.is_doomed = true;
            return;
        }
        if !process.is_alive() || process.hung {
            return;
        }
        match self.choices.ask(What::OnTerm, process.place, &[12, 4, 2, 2, 1]) {
            0 => self.later(1, Act::Die(index, End::Killed(15), cause)),
            1 => self.later(40, Act::Die(index, End::Exited(0), cause)),
            2 => self.later(2000, Act::Die(index, End::Exited(0), cause)),
            3 => {}
            _ => self.later(10, Act::Die(index, End::Exited(3), cause)),
        }
    }

    pub(super) fn kill(&mut self, index: usize, cause: Cause) {
        let delay = [1, 20, SLOW_DEATH][self.choices.ask(What::OnKill, self.processes[index].place, &[12, 1, 1])];
        self.later(delay, Act::Die(index, End::Killed(9), cause));
    }

    pub(super) fn drain(&mut self, index: usize) {
        let process = &mut self.processes[index];
        if !process.is_alive() || process.hung {
            return;
        }
        if process.stage != Stage::Listening {
            return self.say(index, Said::Drained);
        }
        process.stage = Stage::Draining;
        let place = process.place;
        match self.choices.ask(What::OnDrain, place, &[12, 2, 2, 1, 1]) {
            0 if self.processes[index].hands.is_empty() => self.later(5, Act::SayDrained(index)),
            // Once it has answered.
            0 => {}
            1 => self.later(700, Act::SayDrained(index)),
            2 => self.processes[index].has_channel = false,
            3 => self.later(30, Act::Die(index, SEGV, Cause::World)),
            _ => self.processes[index].hung = true,
        }
    }
}
