//! The system calls that the assisted functions stand in for, as the C library makes them: -1 and `errno` on failure. The most
//! frequent ones are in [`super::direct`].
//! All are signal-safe. Unlike the C library's functions they are no cancellation points.

use std::os::fd::RawFd;
use std::os::raw::{c_int, c_long, c_void};

use super::signals::MASK_SIZE;

/// A bare system call whose arguments are numbers and pointers.
macro_rules! call {
    ($number:ident $(, $argument:expr)*) => {
        // SAFETY: the kernel checks numbers and pointers itself; what it writes to are places that the caller of the
        // assisted function has handed over for that.
        unsafe { libc::syscall(libc::$number $(, $argument)*) }
    };
}

/// bind(2).
pub(crate) fn bind(socket: RawFd, address: *const libc::sockaddr, length: libc::socklen_t) -> c_int {
    call!(SYS_bind, socket, address, length) as c_int
}

/// listen(2).
pub(crate) fn listen(socket: RawFd, backlog: c_int) -> c_int {
    call!(SYS_listen, socket, backlog) as c_int
}

/// accept4(2).
pub(crate) fn accept(socket: RawFd, address: *mut libc::sockaddr, length: *mut libc::socklen_t, flags: c_int) -> c_int {
    call!(SYS_accept4, socket, address, length, flags) as c_int
}

/// shutdown(2).
pub(crate) fn shutdown(socket: RawFd, how: c_int) -> c_int {
    call!(SYS_shutdown, socket, how) as c_int
}

/// close(2).
pub(crate) fn close(fd: RawFd) -> c_int {
    call!(SYS_close, fd) as c_int
}

/// dup3(2).
pub(crate) fn dup3(old: RawFd, new: RawFd, flags: c_int) -> c_int {
    call!(SYS_dup3, old, new, flags) as c_int
}

/// fcntl(2).
pub(crate) fn fcntl(fd: RawFd, command: c_int, argument: c_long) -> c_int {
    call!(SYS_fcntl, fd, command, argument) as c_int
}

/// ioctl(2).
pub(crate) fn ioctl(fd: RawFd, request: libc::c_ulong, argument: *mut c_void) -> c_int {
    call!(SYS_ioctl, fd, request, argument) as c_int
}

/// epoll_create1(2).
#[cfg(target_env = "musl")]
pub(crate) fn epoll_create1(flags: c_int) -> c_int {
    call!(SYS_epoll_create1, flags) as c_int
}

/// epoll_pwait2(2).
pub(crate) fn epoll_pwait2(
    set: RawFd,
    events: *mut libc::epoll_event,
    room: c_int,
    timeout: *const libc::timespec,
    mask: *const libc::sigset_t,
) -> c_int {
    call!(SYS_epoll_pwait2, set, events, room, timeout, mask, MASK_SIZE) as c_int
}

/// ppoll(2). The kernel writes the time that is left to `timeout`.
pub(crate) fn ppoll(
    entries: *mut libc::pollfd,
    count: libc::nfds_t,
    timeout: *mut libc::timespec,
    mask: *const libc::sigset_t,
) -> c_int {
    call!(SYS_ppoll, entries, count, timeout, mask, MASK_SIZE) as c_int
}

/// pselect6(2). The kernel writes the time that is left to `timeout`.
pub(crate) fn pselect(
    count: c_int,
    sets: [*mut libc::fd_set; 3],
    timeout: *mut libc::timespec,
    mask: *const libc::sigset_t,
) -> c_int {
    let mask_and_size: [usize; 2] = [mask.addr(), MASK_SIZE];
    let [read, write, except] = sets;
    call!(SYS_pselect6, count, read, write, except, timeout, mask_and_size.as_ptr()) as c_int
}

/// sendfile(2).
pub(crate) fn sendfile(to: RawFd, from: RawFd, offset: *mut libc::off_t, count: usize) -> isize {
    call!(SYS_sendfile, to, from, offset, count) as isize
}

/// splice(2).
pub(crate) fn splice(
    from: RawFd,
    from_offset: *mut libc::loff_t,
    to: RawFd,
    to_offset: *mut libc::loff_t,
    size: usize,
    flags: libc::c_uint,
) -> isize {
    call!(SYS_splice, from, from_offset, to, to_offset, size, flags) as isize
}
