//! What the state machine wants done.

use std::time::Duration;

use super::{End, ProcessKey, SpawnError};
use crate::wire::ListenerId;

/// Which program file a new process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Image {
    /// The one that the slot's worker runs or ran, whatever has become of its file.
    Held,
    /// The one that is on disk now.
    Deployed,
}

/// The signals that mean "stop".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopSignal {
    Term,
    Int,
    Kill,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Make a process for the key's slot. If that fails, an [`super::Event::SpawnFailed`] must follow.
    Spawn(ProcessKey, Image),
    /// Tell a process to stop, unless the program's own `cluster_signal_workers` has done so.
    Stop(ProcessKey, StopSignal),
    /// Tell a process to take no more connections and to finish those that it has. An [`super::Event::Drained`] must
    /// follow, at once if it cannot be told.
    Drain(ProcessKey),
    /// Kill a process.
    Kill(ProcessKey),
    /// The process has become ready: signals that waited for this may reach it.
    Ready(ProcessKey),
    /// The process has become the worker of its slot: its image is now the slot's.
    Promoted(ProcessKey),
    /// Let go of kept listening sockets.
    Release(Released),
    /// Call the program's `on_start`.
    CallOnStart(u8),
    /// Call the program's `on_exit`.
    CallOnExit { worker: u8, end: End, crash: bool },
    /// Tell the operator.
    Report(Notice),
}

/// Which listening sockets are not kept any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Released {
    /// All of them.
    Everything,
    /// A slot's: nobody will serve there, or not soon.
    Slot(u8),
    /// One that its worker has closed.
    One(u8, ListenerId),
    /// Those of its slot that this process has not adopted.
    NotAdoptedBy(ProcessKey),
    /// Those that came from this process, which never became its slot's worker.
    BroughtBy(ProcessKey),
}

impl Released {
    /// Whether what waits in the queue of a released socket of this slot may be served by this process instead: another
    /// slot's; or the slot's own, if it was made before that socket was known, and has one of its own there.
    pub(crate) fn passes_to(self, slot: u8, heir: ProcessKey) -> bool {
        match self {
            Self::NotAdoptedBy(new) => heir.slot() != slot || heir == new,
            Self::Everything | Self::Slot(_) | Self::One(..) | Self::BroughtBy(_) => heir.slot() != slot,
        }
    }
}

/// What an operator reads on stderr.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    Crashed {
        worker: u8,
        after: Duration,
        end: End,
    },
    /// A worker's end whose status somebody else has taken.
    StatusLost {
        worker: u8,
    },
    CrashingTooFast {
        worker: u8,
        crashes: u8,
        within: Duration,
    },
    SpawnRetried {
        worker: u8,
        error: SpawnError,
        delay: Duration,
    },
    RestartAbandoned {
        worker: u8,
        failure: DeployFailure,
    },
    /// Nothing runs any more, and nothing will, because all of it crashed.
    AllDown {
        crashed: usize,
        disabled: usize,
    },
}

/// Why a replacement did not become its slot's worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeployFailure {
    NotStarted(SpawnError),
    Ended(End),
    NotReady { waited: Duration },
    ChannelBroken,
}
