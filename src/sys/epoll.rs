//! Waiting for descriptors, each known by a number of the caller's own.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use super::signals::{MASK_SIZE, SignalSet};
use super::{check, fd};

/// How many events one wait can bring; the rest come with the next.
pub(crate) const BATCH: usize = 64;

/// An epoll set.
#[derive(Debug)]
pub(crate) struct Epoll(OwnedFd);

/// What a wait has brought.
#[derive(Debug)]
pub(crate) struct News {
    /// Of what is ready; none at the end of the time, or if nothing but a signal has come.
    pub(crate) tokens: Vec<u64>,
    /// A signal's handler has run, the library's or the program's.
    pub(crate) is_interrupted: bool,
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes a flag.
        let raw = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        Ok(Self(fd::above_stdio(fd::owned(raw.into())?)?))
    }

    /// Reports `token` whenever the descriptor is readable or at its end.
    pub(crate) fn add(&self, fd: &impl AsRawFd, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token };
        self.control(libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &raw mut event)
    }

    /// Must come before the descriptor is closed: where another process holds the same open file, closing it does not
    /// take it out of the set.
    pub(crate) fn remove(&self, fd: &impl AsRawFd) {
        // It cannot fail for a descriptor that was added; and a descriptor that is not there is what was wanted.
        let _ = self.control(libc::EPOLL_CTL_DEL, fd.as_raw_fd(), std::ptr::null_mut());
    }

    /// Waits for at most `timeout` (`None`: for ever) with `unblocked` taken out of the thread's signal mask.
    pub(crate) fn wait(&self, timeout: Option<Duration>, unblocked: &SignalSet) -> io::Result<News> {
        let mask = SignalSet::blocked_now()?.without(unblocked);
        match self.look(milliseconds(timeout), &mask)? {
            Some(tokens) => Ok(News { tokens, is_interrupted: false }),
            // A signal ends the wait whatever is ready; and so does SIGCONT, after a stop in which much may have happened.
            None => Ok(News { tokens: self.look(0, &mask)?.unwrap_or_default(), is_interrupted: true }),
        }
    }

    /// `None`: a signal came first.
    fn look(&self, timeout_ms: libc::c_int, mask: &SignalSet) -> io::Result<Option<Vec<u64>>> {
        let (mut events, room) = ([libc::epoll_event { events: 0, u64: 0 }; BATCH], BATCH as libc::c_int);
        // SAFETY: `events` has room for BATCH entries; the mask is valid for the call.
        let result = unsafe {
            let (set, events, mask) = (self.0.as_raw_fd(), events.as_mut_ptr(), mask.as_ptr());
            libc::syscall(libc::SYS_epoll_pwait, set, events, room, timeout_ms, mask, MASK_SIZE)
        };
        match check(result) {
            Ok(count) => {
                let ready = events.iter().take(usize::try_from(count).unwrap_or(0));
                Ok(Some(ready.map(|event| event.u64).collect()))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn control(&self, operation: libc::c_int, fd: RawFd, event: *mut libc::epoll_event) -> io::Result<()> {
        // SAFETY: `event` is valid or, for a removal, NULL, which the kernel does not read.
        check(unsafe { libc::syscall(libc::SYS_epoll_ctl, self.0.as_raw_fd(), operation, fd, event) }).map(drop)
    }
}

/// Rounded up, so that a deadline has passed when the wait for it ends.
fn milliseconds(timeout: Option<Duration>) -> libc::c_int {
    timeout.map_or(-1, |time| libc::c_int::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(libc::c_int::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_round_up() {
        assert_eq!(milliseconds(None), -1);
        assert_eq!(milliseconds(Some(Duration::ZERO)), 0);
        assert_eq!(milliseconds(Some(Duration::from_nanos(1))), 1);
        assert_eq!(milliseconds(Some(Duration::from_micros(2_001))), 3);
        assert_eq!(milliseconds(Some(Duration::MAX)), libc::c_int::MAX);
    }
}
