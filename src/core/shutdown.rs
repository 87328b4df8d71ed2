//! The end of the whole cluster (contract 4.1).

use super::supervisor::{Phase, Supervisor};
use super::{Effect, StartupFailure, StopSignal, Time};

#[derive(Debug)]
pub(super) struct Shutdown {
    /// When whatever is left is killed; `None` once it has been.
    kill_at: Option<Time>,
    /// Whether the start failed; otherwise the cluster was asked to stop.
    pub(super) because: Option<StartupFailure>,
}

impl Shutdown {
    pub(super) fn new(kill_at: Time, because: Option<StartupFailure>) -> Self {
        Self { kill_at: Some(kill_at), because }
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.kill_at
    }
}

impl Supervisor {
    /// Stops the cluster; during a shutdown, SIGKILL makes short work of it and anything else changes nothing.
    pub(super) fn stop(&mut self, signal: StopSignal) {
        if !self.is_stopping() {
            let kill_at = self.now.saturating_add(self.settings.shutdown_timeout);
            self.phase = Phase::Stopping(Shutdown::new(kill_at, None));
            self.end_everything(signal);
        }
        if signal == StopSignal::Kill {
            self.kill_everything();
        }
    }

    pub(super) fn shutdown_tick(&mut self) {
        let now = self.now;
        if let Phase::Stopping(shutdown) = &self.phase {
            if shutdown.kill_at.is_some_and(|time| time <= now) {
                self.kill_everything();
            }
        }
    }

    fn kill_everything(&mut self) {
        if let Phase::Stopping(shutdown) = &mut self.phase {
            shutdown.kill_at = None;
        }
        let processes = self.slots.values_mut().flat_map(|slot| slot.processes_mut());
        for process in processes {
            process.kill_at = None;
            self.effects.push(Effect::Kill(process.key));
        }
    }
}
