//! Why a cluster could not be started.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// What went wrong, in words that name the value and the remedy. In C: one `[ERROR]` line.
///
/// ```no_run
/// # use ecewo_cluster::{Cluster, Error};
/// match Cluster::builder().port(3000).start() {
///     Err(Error::PortInUse { port }) => eprintln!("port {port} is taken"),
///     Err(error) => eprintln!("{error}"),
///     Ok(role) => println!("{role:?}"),
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The port is 0.
    PortMissing,
    /// Another process listens on the port.
    PortInUse {
        /// The port.
        port: u16,
    },
    /// This user may not listen on the port.
    PortNotPermitted {
        /// The port.
        port: u16,
    },
    /// There is a cluster in this process already, or this process is a worker that has joined one.
    AlreadyInitialized,
    /// The C interface was given NULL or a number that makes no sense; or an argument for the workers has a zero byte in it.
    InvalidArgument {
        /// What was given.
        what: &'static str,
    },
    /// So many workers need more descriptors than this process may open.
    TooFewDescriptors {
        /// The number of workers asked for.
        workers: u8,
        /// Descriptors needed.
        needed: u64,
        /// Descriptors allowed (the hard limit).
        allowed: u64,
    },
    /// A worker's process could not be made, or could not run the program.
    WorkerNotStarted {
        /// The worker's id.
        worker: u8,
        /// The number of workers asked for.
        workers: u8,
        /// The program file.
        program: PathBuf,
        /// What was being done.
        step: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The system refused something that the master needs.
    System {
        /// What was being done.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PortMissing => {
                out.write_str("port 0 cannot be listened on: set the port of the cluster to 1 to 65535")
            }
            Self::PortInUse { port } => {
                write!(out, "port {port} is in use: stop what listens there (ss -ltnp shows it) or choose another port")
            }
            Self::PortNotPermitted { port } => write!(
                out,
                "port {port} is not permitted for this user: choose a port above 1023, or give the program CAP_NET_BIND_SERVICE"
            ),
            Self::AlreadyInitialized => out.write_str(
                "the cluster is initialized already: start it once, and again only after the master's wait has returned",
            ),
            Self::InvalidArgument { what } => write!(out, "{what}"),
            Self::TooFewDescriptors { workers, needed, allowed } => write!(
                out,
                "{workers} workers need {needed} descriptors, but only {allowed} are allowed: raise the hard limit (ulimit -Hn) or set fewer workers"
            ),
            Self::WorkerNotStarted { worker, workers, program, step, source } => write!(
                out,
                "worker {worker} of {workers} could not be started ({step}; {}): {source}: {}",
                program.display(),
                remedy(source)
            ),
            Self::System { what, source } => write!(out, "{what} failed: {source}: {}", remedy(source)),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::WorkerNotStarted { source, .. } | Self::System { source, .. } => Some(source),
            Self::PortMissing
            | Self::PortInUse { .. }
            | Self::PortNotPermitted { .. }
            | Self::AlreadyInitialized
            | Self::InvalidArgument { .. }
            | Self::TooFewDescriptors { .. } => None,
        }
    }
}

/// What an operator can do about an errno.
pub(crate) fn remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EAGAIN) => {
            "raise the limit on processes (ulimit -u, or pids.max of the control group) or set fewer workers"
        }
        Some(libc::EMFILE | libc::ENFILE) => "raise the limit on descriptors (ulimit -n) or set fewer workers",
        Some(libc::ENOMEM) => "free memory or set fewer workers",
        Some(libc::ENOENT) => "check that the program file is there, and the interpreter that it names, too",
        Some(libc::EACCES | libc::EPERM) => "check that the program file is executable for this user",
        Some(libc::ENOEXEC) => "check that the program file is a program for this machine",
        Some(libc::ETXTBSY) => "wait until the program file is written completely",
        None if error.kind() == io::ErrorKind::Unsupported => "mount /proc, or start the program by its path",
        _ => "check the system's limits and its log",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_value_and_the_remedy_contract_2_1() {
        let text = Error::PortInUse { port: 3000 }.to_string();
        assert!(text.contains("3000") && text.contains("choose another port"), "{text}");
        let text = Error::TooFewDescriptors { workers: 255, needed: 800, allowed: 256 }.to_string();
        assert!(["255", "800", "256", "ulimit"].iter().all(|part| text.contains(part)), "{text}");
        let source = io::Error::from_raw_os_error(libc::EAGAIN);
        let text =
            Error::WorkerNotStarted { worker: 17, workers: 255, program: "/srv/app".into(), step: "clone", source }
                .to_string();
        assert!(["17", "255", "/srv/app", "clone", "ulimit -u"].iter().all(|part| text.contains(part)), "{text}");
    }
}
