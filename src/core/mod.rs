//! The supervision as a state machine: no I/O, no clock, no system call.
//!
//! The shell (`master`) turns what happened into an [`Event`], gives it to [`Supervisor::handle`] with the time, and
//! performs the [`Effect`]s that come back, in order. Nothing here can wait or fail: whatever takes time is an effect
//! now and an event later, and a time-out is an event like any other ([`Event::Tick`], due at
//! [`Supervisor::next_deadline`]).

#![forbid(unsafe_code)]

mod crash_window;
mod effect;
mod endings;
mod event;
mod listeners;
mod process;
mod restart;
mod shutdown;
mod slot;
mod startup;
mod supervisor;
#[cfg(test)]
mod tests;

pub(crate) use effect::{DeployFailure, Effect, Image, Notice, Released, StopSignal};
pub(crate) use event::{BindError, End, Event, Listener, SpawnError};
pub(crate) use process::ProcessKey;
pub(crate) use slot::{Status, WorkerView};
pub(crate) use startup::StartupFailure;
pub(crate) use supervisor::Supervisor;

/// A point in time: what a clock shows that only goes forward.
pub(crate) type Time = std::time::Duration;
