//! What a cluster is told to do: each default named once (contract 1.2).

use std::num::{NonZeroU8, NonZeroU16};
use std::time::Duration;

/// How long a worker has to end after it was told to stop, unless configured.
pub const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(15_000);
/// The most that lies between the starts of two workers, unless configured.
pub const DEFAULT_STARTUP_DELAY: Duration = Duration::from_millis(100);
/// What lies between a crash and the respawn, unless configured.
pub const DEFAULT_RESPAWN_DELAY: Duration = Duration::from_millis(100);
/// The window of the crash protection, unless configured.
pub const DEFAULT_RESPAWN_WINDOW: Duration = Duration::from_secs(5);
/// The crashes within the window that disable a worker, unless configured.
pub const DEFAULT_RESPAWN_MAX_CRASHES: NonZeroU8 = NonZeroU8::MIN.saturating_add(2);

/// The time between the starts of two workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartupDelay {
    /// [`DEFAULT_STARTUP_DELAY`], cut short once the worker just started listens.
    Default,
    /// Kept in any case.
    Explicit(Duration),
}

impl StartupDelay {
    pub(crate) fn length(self) -> Duration {
        match self {
            Self::Default => DEFAULT_STARTUP_DELAY,
            Self::Explicit(delay) => delay,
        }
    }

    pub(crate) fn at_most(self, limit: Duration) -> Self {
        match self {
            Self::Default => Self::Default,
            Self::Explicit(delay) => Self::Explicit(delay.min(limit)),
        }
    }

    pub(crate) fn is_explicit(self) -> bool {
        match self {
            Self::Default => false,
            Self::Explicit(_) => true,
        }
    }
}

/// Checked settings: no magic zeros any more.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) workers: NonZeroU8,
    pub(crate) port: NonZeroU16,
    pub(crate) respawn: bool,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) startup_delay: StartupDelay,
    pub(crate) respawn_delay: Duration,
    pub(crate) respawn_window: Duration,
    pub(crate) respawn_max_crashes: u8,
    /// Whether listeners are handed over and old workers drained (contract 6.6).
    pub(crate) handoff: bool,
}
