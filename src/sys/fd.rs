//! Descriptors of the library: close-on-exec, and never 0, 1 or 2, even in a program that was started with those
//! closed.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::check;

/// The lowest number that a descriptor of the library may have.
const ABOVE_STDIO: RawFd = 3;

/// Moves a descriptor out of the numbers of stdin, stdout and stderr.
pub(crate) fn above_stdio(fd: OwnedFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() >= ABOVE_STDIO { Ok(fd) } else { duplicate_from(fd.as_raw_fd(), ABOVE_STDIO) }
}

/// A close-on-exec duplicate whose number is at least `lowest`.
pub(crate) fn duplicate_from(fd: RawFd, lowest: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_DUPFD_CLOEXEC takes a descriptor and a number and touches no memory.
    let new = check(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, lowest) }.into())?;
    owned(new)
}

/// Takes ownership of a descriptor that a system call has just returned.
pub(crate) fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    let raw = RawFd::try_from(check(result)?).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// A pipe, both ends close-on-exec and non-blocking: (read, write).
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends: [RawFd; 2] = [-1; 2];
    // SAFETY: `ends` has room for the two descriptors.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) }.into())?;
    let [read, write] = ends.map(|raw| owned(raw.into()));
    Ok((above_stdio(read?)?, above_stdio(write?)?))
}

/// An eventfd that never blocks.
pub(crate) fn eventfd() -> io::Result<OwnedFd> {
    // SAFETY: takes two numbers.
    above_stdio(owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }.into())?)
}

/// Makes an eventfd readable. Signal-safe. A full counter is readable already, and a closed descriptor has nobody to
/// wake, so no error is of interest.
pub(crate) fn notify(eventfd: RawFd) {
    let one: u64 = 1;
    // SAFETY: the buffer is eight valid bytes. A bare system call: unlike write(2), that is no cancellation point, so a thread
    // cannot be cancelled in the middle of a walk (see the master's table of targets).
    unsafe { libc::syscall(libc::SYS_write, eventfd, &raw const one, size_of::<u64>()) };
}

/// Makes an eventfd unreadable again. Gives whether it was readable.
pub(crate) fn acknowledge(eventfd: RawFd) -> bool {
    let mut count: u64 = 0;
    // SAFETY: the buffer is eight writable bytes; the descriptor never blocks.
    unsafe { libc::syscall(libc::SYS_read, eventfd, &raw mut count, size_of::<u64>()) > 0 }
}

/// What tells one open file from another, whatever its number: device and inode. Signal-safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    pub(crate) fn of(fd: RawFd) -> Option<Self> {
        let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
        // SAFETY: fstat fills the whole structure if it returns 0.
        let stat = unsafe {
            if libc::fstat(fd, stat.as_mut_ptr()) != 0 {
                return None;
            }
            stat.assume_init()
        };
        Some(Self { device: stat.st_dev, inode: stat.st_ino })
    }

    pub(crate) fn inode(self) -> u64 {
        self.inode
    }
}

/// How many descriptors this process has open; `None` without /proc.
pub(crate) fn open_count() -> Option<usize> {
    // One of the entries is the directory itself, open for the time of reading.
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1))
}

/// Whether reads and writes of the open file give EAGAIN instead of waiting. Signal-safe, past the assisted calls.
pub(crate) fn is_non_blocking(fd: RawFd) -> bool {
    // SAFETY: numbers only.
    let flags = unsafe { libc::syscall(libc::SYS_fcntl, fd, libc::F_GETFL, 0) };
    flags >= 0 && flags & libc::c_long::from(libc::O_NONBLOCK) != 0
}

/// Changes that for everybody who has the open file. Signal-safe, past the assisted calls.
pub(crate) fn set_non_blocking(fd: RawFd, wanted: bool) {
    // SAFETY: numbers only.
    unsafe {
        let flags = libc::syscall(libc::SYS_fcntl, fd, libc::F_GETFL, 0);
        let others = flags & !libc::c_long::from(libc::O_NONBLOCK);
        let new = if wanted { others | libc::c_long::from(libc::O_NONBLOCK) } else { others };
        if flags >= 0 && new != flags {
            libc::syscall(libc::SYS_fcntl, fd, libc::F_SETFL, new);
        }
    }
}

/// Lets a number mean the open file of another one; whether it is close-on-exec stays. Signal-safe.
pub(crate) fn replace(fd: RawFd, by: RawFd) -> bool {
    // SAFETY: numbers only; the caller owns `fd`'s place.
    unsafe {
        let flags = libc::syscall(libc::SYS_fcntl, fd, libc::F_GETFD, 0);
        let close_on_exec = flags >= 0 && flags & libc::c_long::from(libc::FD_CLOEXEC) != 0;
        let flags = if close_on_exec { libc::O_CLOEXEC } else { 0 };
        libc::syscall(libc::SYS_dup3, by, fd, flags) >= 0
    }
}

/// Closes a descriptor of the library's own that is kept as a number. Signal-safe, past the assisted calls.
pub(crate) fn close_own(fd: RawFd) {
    // SAFETY: the caller's own.
    unsafe { libc::syscall(libc::SYS_close, fd) };
}

/// Closes a descriptor that came over `exec` and has been duplicated.
pub(crate) fn close_inherited(fd: RawFd) {
    // SAFETY: the caller has found it to be the library's own, and nothing else refers to it.
    unsafe { libc::close(fd) };
}
