//! stderr, written to in a way that cannot harm the writer.

use std::mem::MaybeUninit;

use super::signals::SignalSet;

/// Writes the bytes in one call. If stderr has no room (a pipe that nobody empties), they are lost: waiting would
/// stop the master. If it is a pipe that nobody reads any more, the SIGPIPE that this raises is taken back.
/// Signal-safe (rt_sigtimedwait and rt_sigpending are bare system calls).
pub(crate) fn write(bytes: &[u8]) {
    let mut room = libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one entry, valid for writes. A pipe counts as writable if it has room for 4096 bytes (pipe(7)); a line
    // has fewer.
    if unsafe { libc::poll(&raw mut room, 1, 0) } != 1 {
        return;
    }
    let pipe = SignalSet::of(&[libc::SIGPIPE]);
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the sets are initialized before they are read; the buffer is valid for its length.
    unsafe {
        if libc::pthread_sigmask(libc::SIG_BLOCK, pipe.as_ptr(), before.as_mut_ptr()) != 0 {
            return;
        }
        let mut pending = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigpending(pending.as_mut_ptr());
        let was_pending = libc::sigismember(pending.as_ptr(), libc::SIGPIPE) == 1;
        let written = libc::syscall(libc::SYS_write, libc::STDERR_FILENO, bytes.as_ptr(), bytes.len());
        if written == -1 && super::errno() == libc::EPIPE && !was_pending {
            let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            libc::sigtimedwait(pipe.as_ptr(), std::ptr::null_mut(), &now);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut());
    }
}
