//! What the operator reads. The wording of the crash lines is promised (contract 3.1, 3.3).

use std::fmt;
use std::io;
use std::path::Path;

use crate::core::{DeployFailure, End, Notice, SpawnError};
use crate::error::remedy;
use crate::log;

/// `program` is the file that new workers run.
pub(crate) fn report(notice: &Notice, program: &Path) {
    match notice {
        Notice::Crashed { worker, after, end } => {
            log::error!("Worker {worker} crashed after {} s ({})", after.as_secs(), Ended(*end));
        }
        Notice::StatusLost { worker } => log::warning!(
            "Worker {worker} ended, but its exit status was taken by another wait in this program, or SIGCHLD is ignored: counted as exit 255. \
             Wait for your own children only, by their pids"
        ),
        Notice::CrashingTooFast { worker, crashes, within } => log::error!(
            "Worker {worker} crashing too fast ({crashes} times in {}s), disabling respawn",
            within.as_secs()
        ),
        Notice::SpawnRetried { worker, error, delay } => {
            let source = io::Error::from_raw_os_error(error.errno);
            log::error!(
                "Worker {worker} could not be started ({}; {}): {source}: {}. Next attempt in {} ms",
                error.step,
                program.display(),
                remedy(&source),
                delay.as_millis()
            );
        }
        Notice::RestartAbandoned { worker, failure } => log::error!(
            "Graceful restart given up at worker {worker}: its replacement by {} {}. Every worker not yet replaced goes on with the program it runs; \
             mend the deploy and restart again",
            program.display(),
            Failed(*failure)
        ),
        Notice::AllDown { crashed, disabled } => log::error!(
            "No worker is left: {crashed} crashed, {disabled} disabled because they crashed too fast. See the lines above for the first crash, mend its cause and start the program again"
        ),
    }
}

struct Ended(End);

impl fmt::Display for Ended {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            End::Exited(code) => write!(out, "exit {code}"),
            End::Killed(signal) => write!(out, "signal {signal}"),
            End::Lost => out.write_str("exit 255"),
        }
    }
}

struct Failed(DeployFailure);

impl fmt::Display for Failed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            DeployFailure::NotStarted(SpawnError { step, errno, transient: _ }) => {
                let source = io::Error::from_raw_os_error(errno);
                write!(out, "could not be started ({step}: {source}; {})", remedy(&source))
            }
            DeployFailure::Ended(end) => write!(out, "ended before it was ready ({})", Ended(end)),
            DeployFailure::NotReady { waited } => {
                write!(out, "did not listen where its predecessor does within {} s and was killed", waited.as_secs())
            }
            DeployFailure::ChannelBroken => out.write_str("sent the master nonsense and was killed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_in_words_contract_3_1() {
        assert_eq!(Ended(End::Exited(3)).to_string(), "exit 3");
        assert_eq!(Ended(End::Killed(11)).to_string(), "signal 11");
        assert_eq!(Ended(End::Lost).to_string(), "exit 255");
    }

    #[test]
    fn failed_deploys_say_what_happened_contract_5_2() {
        let text =
            Failed(DeployFailure::NotStarted(SpawnError { step: "open", errno: libc::ENOENT, transient: false }))
                .to_string();
        assert!(text.contains("open") && text.contains("check that the program file is there"), "{text}");
        let text = Failed(DeployFailure::Ended(End::Exited(1))).to_string();
        assert!(text.contains("exit 1"), "{text}");
    }
}
