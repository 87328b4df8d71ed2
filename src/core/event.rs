//! What can happen to a cluster.

use std::net::SocketAddr;

use super::{ProcessKey, StopSignal};
use crate::wire::ListenerId;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Exited(i32),
    Killed(i32),
    /// It ended, but somebody else has taken its status.
    Lost,
}

impl End {
    /// As shells and the C interface tell it: the exit code, or 128 plus the signal's number, or 255 for "unknown".
    pub(crate) fn exit_status(self) -> i32 {
        match self {
            Self::Exited(code) => code,
            Self::Killed(signal) => 128 + signal,
            Self::Lost => 255,
        }
    }
}

/// Why a process could not be made or did not come to run the program: an errno, or 0 where there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpawnError {
    pub(crate) step: &'static str,
    pub(crate) errno: i32,
    /// Whether the system had too little of something (processes, descriptors, memory): then trying again may help.
    pub(crate) transient: bool,
}

/// A worker's `bind` that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BindError {
    pub(crate) address: SocketAddr,
    pub(crate) in_use: bool,
}

/// A listening socket: where, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    pub(crate) id: ListenerId,
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The cluster is to start.
    Begin,
    /// The deadline has come.
    Tick,
    /// The process could not be made, or never came to run the program and is gone.
    SpawnFailed(ProcessKey, SpawnError),
    /// The process runs the program.
    Executed(ProcessKey),
    /// The program has called `cluster_init`.
    Joined(ProcessKey),
    Listening(ProcessKey, SocketAddr),
    BindFailed(ProcessKey, BindError),
    /// The program has closed a listener of its own accord.
    Closed(ProcessKey, Listener),
    /// After [`super::Effect::Drain`]: nothing is left to finish, or the process cannot be told.
    Drained(ProcessKey),
    /// What the worker sent cannot come from the library; its channel is closed.
    ChannelBroken(ProcessKey),
    Ended(ProcessKey, End),
    /// The cluster is to stop: from a signal to the master, or by the program.
    StopRequested(StopSignal),
    RestartRequested,
}
