//! A process by descriptor: it never means another process, however often pids are reused.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::process::{Pid, WaitStatus};
use super::{check, fd};

/// A pidfd. Readable once its process has ended.
#[derive(Debug)]
pub(crate) struct PidFd(OwnedFd);

/// What can be learned about a process's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peek {
    Running,
    Ended(WaitStatus),
    /// It is not our child any more: somebody else took its status, or SIGCHLD is ignored.
    Lost,
}

impl PidFd {
    /// Needs Linux 5.3. The process must be known not to have been reaped yet.
    pub(crate) fn open(pid: Pid) -> io::Result<Self> {
        // SAFETY: numbers only. The kernel sets close-on-exec.
        let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.raw(), 0) };
        Ok(Self(fd::above_stdio(fd::owned(raw)?)?))
    }

    pub(crate) fn from_owned(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self(fd::above_stdio(fd)?))
    }

    pub(crate) fn into_owned(self) -> OwnedFd {
        self.0
    }

    /// How the process ended, leaving it a zombie, so that its pid stays reserved.
    pub(crate) fn peek(&self) -> io::Result<Peek> {
        self.wait(libc::WEXITED | libc::WNOHANG | libc::WNOWAIT)
    }

    /// Removes the zombie.
    pub(crate) fn reap(&self) -> io::Result<Peek> {
        self.wait(libc::WEXITED | libc::WNOHANG)
    }

    /// Waits for the process's end, and removes the zombie.
    pub(crate) fn wait_for_end(&self) {
        // If it is not our child any more, there is nothing to wait for.
        let _ = self.wait(libc::WEXITED);
    }

    /// Kills the process by its number, where a sandbox permits no signal by descriptor. The look before it makes sure that the
    /// number is still this child's; only the program itself, if it waits for all its children on another thread, could take the
    /// number away, and only one of a process that ends at that very moment.
    pub(crate) fn kill_by_number(&self, pid: Pid) {
        if matches!(self.peek(), Ok(Peek::Running)) {
            // SAFETY: numbers only; a Pid is never 0 or negative.
            unsafe { libc::kill(pid.raw(), libc::SIGKILL) };
        }
    }

    fn wait(&self, options: libc::c_int) -> io::Result<Peek> {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        let id = libc::id_t::try_from(self.0.as_raw_fd()).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
        loop {
            // SAFETY: `info` is valid for writes; the descriptor is ours.
            let result = unsafe { libc::waitid(libc::P_PIDFD, id, info.as_mut_ptr(), options) };
            match check(result.into()) {
                Ok(_) => break,
                Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(Peek::Lost),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // SAFETY: zeroed before, and filled by the call where a child had ended; the fields are those of SIGCHLD.
        let (pid, code, status) = unsafe {
            let info = info.assume_init_ref();
            (info.si_pid(), info.si_code, info.si_status())
        };
        Ok(match (pid, code) {
            (0, _) => Peek::Running,
            (_, libc::CLD_EXITED) => Peek::Ended(WaitStatus::Exited(status)),
            (_, _) => Peek::Ended(WaitStatus::Killed(status)),
        })
    }
}

impl AsRawFd for PidFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl std::os::fd::AsFd for PidFd {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sends a signal to the process behind a pidfd; the error is an errno. Signal-safe, but sets errno.
pub(crate) fn send(pidfd: RawFd, number: i32) -> Result<(), i32> {
    // SAFETY: numbers and a NULL siginfo, which means "as kill does".
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd, number, std::ptr::null::<u8>(), 0) };
    if result == 0 { Ok(()) } else { Err(super::errno()) }
}
