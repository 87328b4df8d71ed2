//! The shell around the core: it waits for the kernel, turns what happened into events, performs the effects, and runs
//! the program's callbacks with nothing borrowed or locked.

mod bequests;
mod births;
mod event_loop;
mod keeper;
mod launcher;
mod notices;
pub(crate) mod published;
pub(crate) mod requests;
mod setup;
mod snapshot;
pub(crate) mod targets;
mod worker;

use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;

use crate::core::{Event, Supervisor};
use crate::sys::epoll::Epoll;
use crate::sys::signals::SignalSet;
use bequests::Bequest;
use keeper::Keeper;
use launcher::Launcher;
use setup::Borrowed;
use worker::Worker;

pub(crate) use setup::start;

/// Called with a worker's id.
type OnStart = Box<dyn FnMut(u8) + Send>;
/// Called with a worker's id, its exit status, and whether that was a crash.
type OnExit = Box<dyn FnMut(u8, i32, bool) + Send>;

/// The program's functions.
#[derive(Default)]
pub(crate) struct Callbacks {
    pub(crate) on_start: Option<OnStart>,
    pub(crate) on_exit: Option<OnExit>,
}

/// A running cluster, seen from its master.
pub(crate) struct Master {
    core: Supervisor,
    queue: VecDeque<Event>,
    workers: HashMap<u64, Worker>,
    /// Ended, and reaped as soon as nobody may be signalling it.
    ended: Vec<Worker>,
    launcher: Launcher,
    keeper: Keeper,
    bequests: Vec<Bequest>,
    callbacks: Callbacks,
    epoll: Epoll,
    wake: OwnedFd,
    /// The signals that the library handles: they get through to the waiting thread whatever its mask is.
    handled: SignalSet,
    interrupts: u32,
    /// Whether waiting has failed.
    is_blind: bool,
    /// How often in a row a wait has told of something that could not be taken.
    in_vain: u32,
    /// When each slot's latest process was started, in seconds since 1970.
    start_times: HashMap<u8, i64>,
    port: u16,
    /// The process that is the master.
    pid: i32,
    /// What of the process's own the master has changed, and gives back at its end.
    borrowed: Borrowed,
}
