//! The programs that run in the fake kernel: how they start, live, and misbehave.

use super::choices::What;
use super::kernel::{Act, Cause, Said, Stage};
use super::*;

/// Which program file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Build {
    Good,
    /// Listens on both address families.
    Both,
    /// Takes 3 s before it listens.
    Slow,
    /// Listens nowhere.
    Silent,
    /// Listens on another port only.
    Elsewhere,
    /// Listens on all of these.
    Everywhere,
    /// Ends before it listens.
    Crashes,
    /// Does nothing any more before it listens.
    Hangs,
    /// There is no such file.
    Missing,
}

/// Where a program listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    V4,
    V6,
    Elsewhere,
}

impl Home {
    pub(super) fn address(self) -> SocketAddr {
        match self {
            Self::V4 => home(),
            Self::V6 => home_v6(),
            Self::Elsewhere => elsewhere(),
        }
    }
}

impl Build {
    pub(super) const DEPLOYS: [Self; 8] =
        [Self::Good, Self::Both, Self::Slow, Self::Silent, Self::Elsewhere, Self::Crashes, Self::Hangs, Self::Missing];

    fn homes(self) -> &'static [Home] {
        match self {
            Self::Good | Self::Slow => &[Home::V4],
            Self::Both => &[Home::V4, Home::V6],
            Self::Elsewhere => &[Home::Elsewhere],
            Self::Everywhere => &[Home::V4, Home::V6, Home::Elsewhere],
            Self::Silent | Self::Crashes | Self::Hangs | Self::Missing => &[],
        }
    }
}

impl World {
    /// It is forked. What becomes of it?
    pub(super) fn begin_program(&mut self, index: usize) {
        let place = self.processes[index].place;
        match self.choices.ask(What::Exec, place, &[30, 2, 1, 1, 1, 1, 1]) {
            0 => self.later(1, Act::Exec(index)),
            1 => self.later(50, Act::Exec(index)),
            2 => self.later(3000, Act::Exec(index)),
            3 => {}
            4 => self.later(2, Act::ExecFails(index, ENOENT)),
            5 => self.later(2, Act::ExecFails(index, EAGAIN)),
            _ => self.later(1, Act::Die(index, SEGV, Cause::World)),
        }
    }

    pub(super) fn exec(&mut self, index: usize) {
        let process = &mut self.processes[index];
        process.stage = Stage::Executed;
        process.exec_report = Some(None);
        let place = process.place;
        self.news.insert((EXEC_REPORT, index));
        self.say(index, Said::Born);
        match self.choices.ask(What::Join, place, &[30, 2, 1, 1, 1, 1]) {
            0 => self.later(2, Act::Join(index)),
            1 => self.later(400, Act::Join(index)),
            2 => self.later(5, Act::Die(index, End::Exited(1), Cause::World)),
            3 => self.later(5, Act::Die(index, End::Exited(0), Cause::World)),
            4 => self.processes[index].hung = true,
            _ => {
                self.say(index, Said::Unguarded);
                self.later(100, Act::Die(index, End::Exited(78), Cause::World));
            }
        }
    }

    pub(super) fn join(&mut self, index: usize) {
        let (place, build) = (self.processes[index].place, self.processes[index].build);
        self.processes[index].stage = Stage::Joined;
        self.say(index, Said::Joined);
        let delay = match self.choices.ask(What::Listen, place, &[30, 2, 1, 1, 1, 1, 1]) {
            0 => 3,
            1 => 300,
            2 => 4000,
            3 => 12_000,
            4 => return,
            5 => return self.say(index, Said::BindFailed),
            _ => return self.later(3, Act::Die(index, End::Exited(1), Cause::World)),
        };
        match build {
            Build::Crashes => self.later(3, Act::Die(index, End::Exited(1), Cause::World)),
            Build::Hangs => self.processes[index].hung = true,
            Build::Slow => self.later(3000 + delay, Act::Listen(index, Home::V4)),
            Build::Good | Build::Both | Build::Elsewhere | Build::Everywhere | Build::Silent | Build::Missing => {
                for (nth, home) in (0..).zip(build.homes()) {
                    self.later(delay + nth, Act::Listen(index, *home));
                }
            }
        }
        self.live(index, delay);
    }

    /// How long it does what it should.
    fn live(&mut self, index: usize, delay: u64) {
        let place = self.processes[index].place;
        let life = self.choices.ask(What::Life, place, &[24, 3, 2, 1, 1, 2, 1, 1]);
        let is_cursed = self.curse.is_some_and(|(slot, until)| {
            slot == self.processes[index].key.slot() && until > self.driver.now && !self.choices.is_calm
        });
        let times = [20, 0, 1, 150, 1000, 4000];
        let time = delay + times[self.choices.ask(What::LifeTime, place, &[2, 1, 1, 1, 1, 1])];
        match life {
            _ if is_cursed => self.later(delay + 5, Act::Die(index, End::Exited(1), Cause::World)),
            0 => {}
            1 => self.later(time, Act::Die(index, End::Exited(1), Cause::World)),
            2 => self.later(time, Act::Die(index, SEGV, Cause::World)),
            3 => self.later(time, Act::Die(index, End::Killed(9), Cause::World)),
            4 => self.later(time, Act::Die(index, End::Exited(0), Cause::World)),
            5 => self.later(time, Act::Hang(index)),
            6 => self.later(time, Act::Babble(index)),
            _ => self.later(time, Act::CloseChannel(index)),
        }
    }
}
