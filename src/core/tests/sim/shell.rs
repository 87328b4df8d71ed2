//! The master's loop as `src/master` has it: requests first, then the news in their order, then the deadline. The master
//! may sleep (a stopped process, a busy machine); then much has happened when it wakes.

use std::collections::VecDeque;

use super::choices::What;
use super::kernel::{Cause, Said, Stage};
use super::sockets::listener_id;
use super::*;

#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    Stop(StopSignal),
    Restart,
}

impl World {
    pub(super) fn is_known(&self, process: &kernel::Process) -> bool {
        process.stage != Stage::NeverMade && !process.end_known
    }

    /// One round after the other, until nothing is left to be done now.
    pub(super) fn master_runs(&mut self) {
        for round in 0.. {
            assert!(round < 50, "invariant 5, the master spins: {:#?}", self.driver.core);
            self.take_requests();
            for (kind, index) in std::mem::take(&mut self.news) {
                match kind {
                    EXEC_REPORT => self.take_exec_report(index),
                    CHANNEL => self.listen_to(index),
                    _ => self.take_end(index),
                }
            }
            if self.asked.is_empty() && self.is_due() {
                self.happened(Event::Tick);
            }
            if self.asked.is_empty() && self.news.is_empty() && !self.is_due() {
                return;
            }
        }
    }

    fn is_due(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= self.driver.now)
    }

    fn take_requests(&mut self) {
        while let Some(asked) = self.asked.pop_front() {
            match asked {
                Asked::Stop(signal) => self.happened(Event::StopRequested(signal)),
                Asked::Restart => self.happened(Event::RestartRequested),
            }
        }
    }

    fn take_exec_report(&mut self, index: usize) {
        let process = &mut self.processes[index];
        match process.exec_report.take() {
            Some(None) => {
                let key = process.key;
                self.happened(Event::Executed(key));
            }
            // Its end follows, and is told as a failure to start.
            Some(Some(error)) => process.start_error = Some(error),
            None => {}
        }
    }

    fn listen_to(&mut self, index: usize) {
        let key = self.processes[index].key;
        if self.processes[index].end_known || !self.hears[index] {
            return;
        }
        while let Some(said) = self.processes[index].said.pop_front() {
            if matches!(said, Said::Nonsense) {
                self.stop_listening(index);
                return self.happened(Event::ChannelBroken(key));
            }
            // Whatever it says, the program runs.
            if !self.truth.runs(index) {
                self.happened(Event::Executed(key));
            }
            match said {
                Said::Born | Said::Nonsense => {}
                Said::Joined => self.happened(Event::Joined(key)),
                Said::Listening(home, socket) => {
                    self.keep(key, socket);
                    self.happened(Event::Listening(key, home.address()));
                }
                Said::Closed(home, socket) => {
                    let listener = Listener { address: home.address(), id: listener_id(socket) };
                    self.happened(Event::Closed(key, listener));
                }
                Said::Drained => self.happened(Event::Drained(key)),
                Said::BindFailed => {
                    self.happened(Event::BindFailed(key, BindError { address: home(), in_use: true }));
                }
                Said::Unguarded => {
                    let step = "starting the threads of the library in it";
                    self.processes[index].start_error = Some(SpawnError { step, errno: 11, transient: true });
                }
            }
        }
        if !self.processes[index].has_channel || !self.processes[index].is_alive() {
            self.stop_listening(index);
            self.happened(Event::Drained(key));
        }
    }

    fn stop_listening(&mut self, index: usize) {
        self.hears[index] = false;
        self.processes[index].has_channel = false;
        // What was on its way is lost, and so are the sockets that came with it.
        for said in std::mem::take(&mut self.processes[index].said) {
            if let Said::Listening(_, socket) = said {
                self.close_if_unheld(socket);
            }
        }
    }

    fn take_end(&mut self, index: usize) {
        self.take_exec_report(index);
        self.listen_to(index);
        let process = &mut self.processes[index];
        let Stage::Zombie(end) = process.stage else { return };
        process.end_known = true;
        let (key, error) = (process.key, process.start_error);
        self.happened(match error {
            Some(error) => Event::SpawnFailed(key, error),
            None => Event::Ended(key, end),
        });
        self.processes[index].stage = Stage::Reaped;
    }

    /// The core has an event to take in; what follows from it is done before this returns.
    pub(super) fn happened(&mut self, event: Event) {
        self.queue.push_back(event);
        while let Some(event) = self.queue.pop_front() {
            if self.driver.core.is_over() {
                // The master has left its loop.
                return;
            }
            self.apply(event);
        }
    }

    fn apply(&mut self, event: Event) {
        let was_stopping = self.is_stopping();
        if let Event::SpawnFailed(key, _) = event {
            self.processes[usize::try_from(key.serial()).unwrap()].end_known = true;
        }
        let effects = self.driver.handle(event);
        let core = &self.driver.core;
        self.deadline = if core.is_over() { None } else { core.next_deadline() };
        if !effects.is_empty() || !matches!(event, Event::Executed(_) | Event::Drained(_)) {
            self.note(|_| shown(event, &effects));
        }
        self.truth.take_in(self.driver.now, event, was_stopping, &self.driver.core.settings);
        if self.is_stopping() && !was_stopping {
            self.truth.stopped();
            self.slept_since_stop = Time::ZERO;
        }
        for effect in &effects {
            self.perform(effect);
            self.truth.take_effect(self.driver.now, effect, &self.driver.core);
        }
        self.reached.take_in(event, &effects);
        self.check_truth();
        for effect in &effects {
            if matches!(effect, Effect::CallOnStart(_) | Effect::CallOnExit { .. }) {
                self.call();
            }
        }
    }

    /// The program's callback runs, and may ask for something.
    fn call(&mut self) {
        self.calls += 1;
        match self.choices.ask(What::Callback, self.calls, &[200, 4, 1, 1]) {
            0 => {}
            1 => self.asked.push_back(Asked::Restart),
            2 => self.asked.push_back(Asked::Stop(StopSignal::Term)),
            _ => self.asked.push_back(Asked::Stop(StopSignal::Kill)),
        }
    }

    fn perform(&mut self, effect: &Effect) {
        match *effect {
            Effect::Spawn(key, image) => {
                let build = match image {
                    Image::Held => self.held[usize::from(key.slot())],
                    Image::Deployed => self.deployed,
                };
                self.hears.push(true);
                if let Err(error) = self.fork(key, build) {
                    self.queue.push_back(Event::SpawnFailed(key, error));
                }
            }
            Effect::Promoted(key) => self.held[usize::from(key.slot())] = self.processes[self.target(key)].build,
            Effect::Stop(key, signal) => {
                self.check_farewell(key, effect);
                let index = self.target(key);
                match signal {
                    StopSignal::Term | StopSignal::Int => self.terminate(index, Cause::Master),
                    StopSignal::Kill => self.kill(index, Cause::Master),
                }
            }
            Effect::Kill(key) => {
                self.check_farewell(key, effect);
                self.kill(self.target(key), Cause::Master);
            }
            Effect::Drain(key) => {
                self.check_farewell(key, effect);
                let index = self.target(key);
                if self.hears[index] && self.processes[index].has_channel && self.processes[index].is_alive() {
                    self.drain(index);
                } else {
                    // It cannot be told.
                    self.queue.push_back(Event::Drained(key));
                }
            }
            Effect::Release(what) => self.release(what),
            Effect::Ready(_) | Effect::CallOnStart(_) | Effect::CallOnExit { .. } | Effect::Report(_) => {}
        }
    }

    /// The process that an effect is about. Its number may be another's once it has been reaped.
    fn target(&self, key: ProcessKey) -> usize {
        let index = usize::try_from(key.serial()).unwrap();
        let process = &self.processes[index];
        // One that could not be made has no number, and the core is about to hear of it.
        let is_there = process.stage != Stage::Reaped && !process.end_known;
        assert!(is_there, "invariant 6, signalled after it was reaped: {}", self.name(index));
        index
    }
}

/// Of a process, its serial number and its slot.
fn shown(event: Event, effects: &[Effect]) -> String {
    let text = if effects.is_empty() { format!("  {event:?}") } else { format!("  {event:?} → {effects:?}") };
    let mut parts = text.split("ProcessKey { slot: ");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (slot, rest) = part.split_once(", serial: ").unwrap();
        let (serial, rest) = rest.split_once(" }").unwrap();
        shown.push_str(&format!("#{serial}@{slot}{rest}"));
    }
    shown
}

pub(super) type Queue = VecDeque<Event>;
