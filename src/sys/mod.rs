//! The kernel layer: the only place that makes system calls, one concept a file.
//!
//! Nothing here knows about clusters. Functions marked *signal-safe* may run in a signal handler and between `clone`
//! and `exec`: they allocate nothing, take no lock, and call only what signal-safety(7) lists, or a bare system call.
//!
//! What the library reads from its own descriptors and writes to them are bare system calls, too, and so are the master's waits:
//! `libc::read` is the assisted function of that name, which is for the program's.

pub(crate) mod clock;
pub(crate) mod cpu;
#[cfg(feature = "assist")]
pub(crate) mod direct;
pub(crate) mod dispositions;
pub(crate) mod epoll;
pub(crate) mod epoll_sets;
pub(crate) mod fd;
pub(crate) mod image;
pub(crate) mod limits;
#[cfg(all(feature = "assist", target_env = "musl"))]
pub(crate) mod musl;
pub(crate) mod open_files;
pub(crate) mod pidfd;
pub(crate) mod port;
pub(crate) mod process;
#[cfg(feature = "assist")]
pub(crate) mod raw;
pub(crate) mod sandbox;
pub(crate) mod signals;
pub(crate) mod socket;
pub(crate) mod spawn;
pub(crate) mod stderr;
pub(crate) mod tcp;
pub(crate) mod thread;
pub(crate) mod zombies;

/// The calling thread's `errno`. Signal-safe.
pub(crate) fn errno() -> i32 {
    // SAFETY: the pointer is the calling thread's own errno, valid for its life.
    unsafe { *libc::__errno_location() }
}

/// Sets the calling thread's `errno`. Signal-safe.
pub(crate) fn set_errno(value: i32) {
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = value }
}

/// Keeps `errno` as it was for what was interrupted. Signal-safe.
pub(crate) struct KeepErrno(i32);

impl KeepErrno {
    pub(crate) fn new() -> Self {
        Self(errno())
    }
}

impl Drop for KeepErrno {
    fn drop(&mut self) {
        set_errno(self.0);
    }
}

/// -1 becomes the error in `errno`.
pub(crate) fn check(result: libc::c_long) -> std::io::Result<libc::c_long> {
    if result == -1 { Err(std::io::Error::last_os_error()) } else { Ok(result) }
}
