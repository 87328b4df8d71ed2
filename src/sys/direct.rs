//! The system calls that a busy server makes all the time, as the processor's own instruction where the program called a
//! function: -1 and `errno` on failure, as [`super::raw`].
//!
//! The C library's `syscall` costs more than it seems to: it moves six arguments, and returns once more. After a system call the
//! processor often does not know where a return leads, for the kernel has used up its memory for that, or emptied it. A small
//! request cost 0.8 % more through it (docs/benchmarks.md).
//!
//! Only what the program asks for goes this way. What the library does for itself goes through `syscall`: tests put themselves
//! there. With `--cfg cluster_libc_calls` all do, for tools that have to see the program's waits (ThreadSanitizer).

use std::os::fd::RawFd;
use std::os::raw::{c_int, c_void};

use super::signals::MASK_SIZE;

/// One system call, its arguments pointers and numbers of a register's size.
#[cfg(all(target_arch = "x86_64", target_pointer_width = "64", not(cluster_libc_calls)))]
macro_rules! call {
    ($number:ident, $a:expr, $b:expr, $c:expr) => {
        call!(in $number, "rdi" $a, "rsi" $b, "rdx" $c)
    };
    ($number:ident, $a:expr, $b:expr, $c:expr, $d:expr) => {
        call!(in $number, "rdi" $a, "rsi" $b, "rdx" $c, "r10" $d)
    };
    ($number:ident, $a:expr, $b:expr, $c:expr, $d:expr, $e:expr, $f:expr) => {
        call!(in $number, "rdi" $a, "rsi" $b, "rdx" $c, "r10" $d, "r8" $e, "r9" $f)
    };
    (in $number:ident, $($register:tt $argument:expr),*) => {{
        let result: isize;
        // SAFETY: the kernel checks numbers and pointers itself; what it writes to are places that the caller of the
        // assisted function has handed over for that. It changes the registers that are named and no others, and leaves the
        // stack alone.
        unsafe {
            std::arch::asm!(
                "syscall",
                inlateout("rax") libc::$number as isize => result,
                $(in($register) $argument,)*
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
        }
        // The last 4095 numbers are errors.
        if result as usize > -4096isize as usize { failed(result) } else { result }
    }};
}

#[cfg(all(target_arch = "x86_64", target_pointer_width = "64", not(cluster_libc_calls)))]
#[cold]
fn failed(result: isize) -> isize {
    super::set_errno(-result as i32);
    -1
}

#[cfg(not(all(target_arch = "x86_64", target_pointer_width = "64", not(cluster_libc_calls))))]
macro_rules! call {
    ($number:ident, $($argument:expr),*) => {
        // SAFETY: as for the calls in `raw`.
        unsafe { libc::syscall(libc::$number, $($argument),*) as isize }
    };
}

/// As it fills a register: some system calls look at all of it, and so do seccomp filters.
#[inline(always)]
fn wide(number: c_int) -> isize {
    number as isize
}

/// epoll_ctl(2).
#[inline(always)]
pub(crate) fn epoll_ctl(set: RawFd, operation: c_int, fd: RawFd, event: *mut libc::epoll_event) -> c_int {
    call!(SYS_epoll_ctl, wide(set), wide(operation), wide(fd), event) as c_int
}

/// epoll_pwait(2).
#[inline(always)]
pub(crate) fn epoll_pwait(
    set: RawFd,
    events: *mut libc::epoll_event,
    room: c_int,
    timeout_ms: c_int,
    mask: *const libc::sigset_t,
) -> c_int {
    call!(SYS_epoll_pwait, wide(set), events, wide(room), wide(timeout_ms), mask, MASK_SIZE) as c_int
}

/// epoll_wait(2), where the kernel has it as a system call of its own.
#[inline(always)]
pub(crate) fn epoll_wait(set: RawFd, events: *mut libc::epoll_event, room: c_int, timeout_ms: c_int) -> c_int {
    #[cfg(target_arch = "x86_64")]
    return call!(SYS_epoll_wait, wide(set), events, wide(room), wide(timeout_ms)) as c_int;
    #[cfg(not(target_arch = "x86_64"))]
    epoll_pwait(set, events, room, timeout_ms, std::ptr::null())
}

/// read(2).
#[inline(always)]
pub(crate) fn read(fd: RawFd, buffer: *mut c_void, size: usize) -> isize {
    call!(SYS_read, wide(fd), buffer, size)
}

/// readv(2).
#[inline(always)]
pub(crate) fn readv(fd: RawFd, parts: *const libc::iovec, count: c_int) -> isize {
    call!(SYS_readv, wide(fd), parts, wide(count))
}

/// recvfrom(2).
#[inline(always)]
pub(crate) fn recvfrom(
    socket: RawFd,
    buffer: *mut c_void,
    size: usize,
    flags: c_int,
    address: *mut libc::sockaddr,
    length: *mut libc::socklen_t,
) -> isize {
    call!(SYS_recvfrom, wide(socket), buffer, size, wide(flags), address, length)
}

/// recvmsg(2).
#[inline(always)]
pub(crate) fn recvmsg(socket: RawFd, message: *mut libc::msghdr, flags: c_int) -> isize {
    call!(SYS_recvmsg, wide(socket), message, wide(flags))
}

/// write(2).
#[inline(always)]
pub(crate) fn write(fd: RawFd, buffer: *const c_void, size: usize) -> isize {
    call!(SYS_write, wide(fd), buffer, size)
}

/// writev(2).
#[inline(always)]
pub(crate) fn writev(fd: RawFd, parts: *const libc::iovec, count: c_int) -> isize {
    call!(SYS_writev, wide(fd), parts, wide(count))
}

/// sendto(2).
#[inline(always)]
pub(crate) fn sendto(
    socket: RawFd,
    buffer: *const c_void,
    size: usize,
    flags: c_int,
    address: *const libc::sockaddr,
    length: libc::socklen_t,
) -> isize {
    call!(SYS_sendto, wide(socket), buffer, size, wide(flags), address, length as usize)
}

/// sendmsg(2).
#[inline(always)]
pub(crate) fn sendmsg(socket: RawFd, message: *const libc::msghdr, flags: c_int) -> isize {
    call!(SYS_sendmsg, wide(socket), message, wide(flags))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;

    use super::super::signals::SignalSet;
    use super::super::{errno, fd, set_errno};
    use super::*;

    fn part(bytes: &mut [u8]) -> libc::iovec {
        libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() }
    }

    #[test]
    fn bytes_go_through_whatever_the_number_of_arguments_contract_6_2() {
        let (out, into) = fd::pipe().unwrap();
        let (out, into) = (out.as_raw_fd(), into.as_raw_fd());
        let (mut a, mut b) = ([0u8; 3], [0u8; 4]);
        assert_eq!(write(into, b"abc".as_ptr().cast(), 3), 3);
        assert_eq!((read(out, a.as_mut_ptr().cast(), 3), &a), (3, b"abc"));
        let (mut first, mut second) = (*b"de", *b"fghij");
        assert_eq!(writev(into, [part(&mut first), part(&mut second)].as_ptr(), 2), 7);
        assert_eq!(readv(out, [part(&mut a), part(&mut b)].as_ptr(), 2), 7);
        assert_eq!((&a, &b), (b"def", b"ghij"));
    }

    #[test]
    fn addresses_and_flags_are_where_they_belong_contract_6_2() {
        let [one, other] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let port = |socket: &UdpSocket| socket.local_addr().unwrap().port();
        // SAFETY: all zeros are a valid address.
        let mut to: libc::sockaddr_in = unsafe { std::mem::zeroed() };
        (to.sin_family, to.sin_port) = (libc::AF_INET as u16, port(&other).to_be());
        to.sin_addr.s_addr = u32::from(std::net::Ipv4Addr::LOCALHOST).to_be();
        let size = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        let (from, at) = (one.as_raw_fd(), other.as_raw_fd());
        assert_eq!(sendto(from, b"abc".as_ptr().cast(), 3, libc::MSG_NOSIGNAL, (&raw const to).cast(), size), 3);

        let (mut buffer, mut seen, mut length) = ([0u8; 8], to, size);
        let peer: *mut libc::sockaddr = (&raw mut seen).cast();
        // A look, which leaves the message there.
        assert_eq!(recvfrom(at, buffer.as_mut_ptr().cast(), 8, libc::MSG_PEEK, peer, &raw mut length), 3);
        assert_eq!((seen.sin_port.to_be(), length), (port(&one), size));
        // SAFETY: a zeroed msghdr is valid.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        let mut parts = [part(&mut buffer)];
        (message.msg_iov, message.msg_iovlen) = (parts.as_mut_ptr(), 1);
        assert_eq!(recvmsg(at, &raw mut message, libc::MSG_DONTWAIT), 3);
        assert_eq!(recvmsg(at, &raw mut message, libc::MSG_DONTWAIT), -1, "it has taken it away");
        assert_eq!(errno(), libc::EAGAIN);
        (message.msg_name, message.msg_namelen) = ((&raw mut to).cast(), size);
        assert_eq!(sendmsg(from, &raw const message, 0), 8);
    }

    #[test]
    fn waits_bring_what_was_asked_for_contract_6_2() {
        let (out, into) = fd::pipe().unwrap();
        // SAFETY: a flag.
        let set = fd::owned(unsafe { libc::syscall(libc::SYS_epoll_create1, libc::EPOLL_CLOEXEC) }).unwrap();
        let set = set.as_raw_fd();
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 0x1234_5678_9abc };
        assert_eq!(epoll_ctl(set, libc::EPOLL_CTL_ADD, out.as_raw_fd(), &raw mut event), 0);
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 4];
        let none = std::ptr::null();
        assert_eq!(epoll_wait(set, events.as_mut_ptr(), 4, 0), 0);
        assert_eq!(epoll_pwait(set, events.as_mut_ptr(), 4, 0, none), 0);
        assert_eq!(write(into.as_raw_fd(), b"a".as_ptr().cast(), 1), 1);
        let token = |events: &[libc::epoll_event]| events.first().map(|event| event.u64);
        assert_eq!(epoll_wait(set, events.as_mut_ptr(), 4, -1), 1);
        assert_eq!(token(&events), Some(0x1234_5678_9abc));
        let mask = SignalSet::of(&[libc::SIGUSR1]);
        assert_eq!(epoll_pwait(set, events.as_mut_ptr(), 4, -1, mask.as_ptr()), 1);
        assert_eq!(epoll_wait(set, events.as_mut_ptr(), 0, 0), -1, "no room is an error");
        assert_eq!(errno(), libc::EINVAL);
    }

    #[test]
    fn failures_are_told_in_errno_and_success_leaves_it_alone() {
        let mut byte = 0u8;
        let place: *mut c_void = (&raw mut byte).cast();
        for attempt in [
            || read(-1, std::ptr::null_mut(), 0),
            || write(-1, std::ptr::null(), 0),
            || epoll_ctl(-1, libc::EPOLL_CTL_DEL, -1, std::ptr::null_mut()) as isize,
        ] {
            set_errno(0);
            assert_eq!((attempt(), errno()), (-1, libc::EBADF));
        }
        let (out, into) = fd::pipe().unwrap();
        set_errno(libc::E2BIG);
        assert_eq!(write(into.as_raw_fd(), place, 1), 1);
        assert_eq!((read(out.as_raw_fd(), place, 1), errno()), (1, libc::E2BIG));
    }
}
