//! What a program does with listening sockets, and the ends of sockets.

use std::os::raw::{c_int, c_long, c_ulong, c_void};

use crate::handoff::table::{self, Kind};
use crate::handoff::{children, connection, drain, gate, is_handed_over, is_worker, listeners, owned, state};
use crate::sys::epoll_sets::{self, Registration};
use crate::sys::{KeepErrno, direct, errno, fd, raw, set_errno, tcp};

/// bind(2). In a worker, a TCP socket may become the listener of an earlier worker with the same address; on the
/// cluster's port it gets SO_REUSEPORT, and a failure is told to the master.
///
/// # Safety
/// As for bind(2): the kernel checks the address itself; this function reads it only as far as `length` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bind(socket: c_int, address: *const libc::sockaddr, length: libc::socklen_t) -> c_int {
    if !is_worker() {
        return raw::bind(socket, address, length);
    }
    // SAFETY: the caller's promise: the address is valid for `length` bytes.
    let Some(parsed) = (unsafe { tcp::address(address, length) }) else { return raw::bind(socket, address, length) };
    {
        let _errno = KeepErrno::new();
        if listeners::before_bind(socket, parsed) {
            return 0;
        }
    }
    let result = raw::bind(socket, address, length);
    let _errno = KeepErrno::new();
    match result {
        0 => listeners::bound(socket, parsed),
        _ => listeners::bind_failed(socket, parsed, errno()),
    }
    result
}

/// listen(2). In a worker, a TCP listener is told to the master: this is how a worker becomes ready.
#[unsafe(no_mangle)]
pub extern "C" fn listen(socket: c_int, backlog: c_int) -> c_int {
    if !is_worker() {
        return raw::listen(socket, backlog);
    }
    let was_unbound = {
        let _errno = KeepErrno::new();
        listeners::is_unbound(socket)
    };
    let result = raw::listen(socket, backlog);
    if result == 0 {
        let _errno = KeepErrno::new();
        if was_unbound {
            listeners::bound_by_listen(socket);
        }
        listeners::listening(socket);
    }
    result
}

/// accept(2).
///
/// # Safety
/// As for accept(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn accept(socket: c_int, address: *mut libc::sockaddr, length: *mut libc::socklen_t) -> c_int {
    accept_as(socket, address, length, 0)
}

/// accept4(2).
///
/// # Safety
/// As for accept4(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn accept4(
    socket: c_int,
    address: *mut libc::sockaddr,
    length: *mut libc::socklen_t,
    flags: c_int,
) -> c_int {
    accept_as(socket, address, length, flags)
}

fn accept_as(socket: c_int, address: *mut libc::sockaddr, length: *mut libc::socklen_t, flags: c_int) -> c_int {
    if is_handed_over() {
        let entry = {
            let _errno = KeepErrno::new();
            owned::find(socket)
        };
        if let Some(entry) = entry {
            return gate::accept(socket, entry, address, length, flags);
        }
    }
    raw::accept(socket, address, length, flags)
}

/// shutdown(2). A listener is other workers', too: shutting it down ends this worker's use of it alone.
#[unsafe(no_mangle)]
pub extern "C" fn shutdown(socket: c_int, how: c_int) -> c_int {
    if let Some(entry) = owned::find(socket).filter(|_| how != libc::SHUT_WR) {
        let _errno = KeepErrno::new();
        if owned::shut(socket, entry) {
            return 0;
        }
    }
    raw::shutdown(socket, how)
}

/// close(2). In a worker, a listener is taken out of the program's epoll sets first, and the master is told; connections are
/// not followed any longer.
#[unsafe(no_mangle)]
pub extern "C" fn close(fd: c_int) -> c_int {
    let was_connection = about_to_close(fd);
    let result = raw::close(fd);
    if was_connection && drain::is_under_way() {
        let _errno = KeepErrno::new();
        drain::nudge();
    }
    result
}

/// dup2(2): what the new number meant is closed.
#[unsafe(no_mangle)]
pub extern "C" fn dup2(old: c_int, new: c_int) -> c_int {
    if old == new {
        // The number itself, if it means anything.
        return if raw::fcntl(old, libc::F_GETFD, 0) < 0 { -1 } else { new };
    }
    dup3(old, new, 0)
}

/// dup3(2): what the new number meant is closed.
#[unsafe(no_mangle)]
pub extern "C" fn dup3(old: c_int, new: c_int, flags: c_int) -> c_int {
    if old != new && raw::fcntl(old, libc::F_GETFD, 0) >= 0 {
        about_to_close(new);
    }
    raw::dup3(old, new, flags)
}

/// Whether the number was a connection.
fn about_to_close(fd: c_int) -> bool {
    let Some(entry) = table::entry(fd).filter(|entry| entry.kind() != Kind::Other) else { return false };
    let _errno = KeepErrno::new();
    if children::is_borrower() {
        return false;
    }
    match entry.kind() {
        Kind::Other => {}
        Kind::EpollSet | Kind::Connection => {
            let was_connection = entry.kind() == Kind::Connection;
            entry.set_kind(Kind::Other);
            return was_connection;
        }
        Kind::Listener => owned::closing(fd, entry),
    }
    false
}

/// fcntl(2). A listener is non-blocking in truth; the program finds it as it has made it.
#[unsafe(no_mangle)]
pub extern "C" fn fcntl(fd: c_int, command: c_int, argument: c_long) -> c_int {
    let is_about_flags = command == libc::F_GETFL || command == libc::F_SETFL;
    let Some(entry) = is_about_flags.then(|| owned::find(fd)).flatten() else {
        return raw::fcntl(fd, command, argument);
    };
    if command == libc::F_SETFL {
        owned::set_non_blocking(entry, argument & c_long::from(libc::O_NONBLOCK) != 0);
        return raw::fcntl(fd, command, argument | c_long::from(libc::O_NONBLOCK));
    }
    match raw::fcntl(fd, command, argument) {
        flags if flags >= 0 && !owned::is_non_blocking(entry) => flags & !libc::O_NONBLOCK,
        other => other,
    }
}

/// The name that programs with 64-bit file offsets call.
#[cfg(target_env = "gnu")]
#[unsafe(no_mangle)]
pub extern "C" fn fcntl64(fd: c_int, command: c_int, argument: c_long) -> c_int {
    fcntl(fd, command, argument)
}

/// ioctl(2). FIONBIO is another way to say O_NONBLOCK.
///
/// # Safety
/// As for ioctl(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ioctl(fd: c_int, request: c_ulong, argument: *mut c_void) -> c_int {
    if request as u32 == libc::FIONBIO as u32 && !argument.is_null() {
        if let Some(entry) = owned::find(fd) {
            // SAFETY: FIONBIO's argument is an integer of the program's.
            let wanted = unsafe { argument.cast::<c_int>().read_unaligned() } != 0;
            owned::set_non_blocking(entry, wanted);
            return 0;
        }
    }
    raw::ioctl(fd, request, argument)
}

/// epoll_ctl(2). A listener whose gate is closed stays out of the sets.
///
/// # Safety
/// As for epoll_ctl(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn epoll_ctl(set: c_int, operation: c_int, fd: c_int, event: *mut libc::epoll_event) -> c_int {
    if !state::is_any(state::DRAINING | state::CHILD) && table::entry_of(fd, Kind::Listener).is_none() {
        // What loops do all the time.
        return direct::epoll_ctl(set, operation, fd, event);
    }
    // SAFETY: the caller's promise.
    unsafe { epoll_ctl_of_another(set, operation, fd, event) }
}

/// Away from the usual case, whose few instructions are to lie together.
///
/// # Safety
/// As for epoll_ctl(2).
#[inline(never)]
unsafe fn epoll_ctl_of_another(set: c_int, operation: c_int, fd: c_int, event: *mut libc::epoll_event) -> c_int {
    // Behind a closed gate also by a number that it was duplicated to.
    if owned::surely(fd).is_none() && !(gate::is_closed() && owned::find(fd).is_some()) {
        let result = direct::epoll_ctl(set, operation, fd, event);
        if result == 0 && operation != libc::EPOLL_CTL_DEL && drain::is_under_way() && !event.is_null() {
            // SAFETY: the kernel has just read it.
            let (events, data) = unsafe { ((*event).events, (*event).u64) };
            if let Some(connection) = connection::of(fd) {
                connection.set_home(Registration { set, target: fd, events, data, inode: 0 });
            }
        }
        return result;
    }
    let is_removal = operation == libc::EPOLL_CTL_DEL;
    if gate::is_closed() {
        // It has left the set already, or is not to come in.
        if is_removal {
            let _errno = KeepErrno::new();
            direct::epoll_ctl(set, operation, fd, event);
        }
        return 0;
    }
    let result = direct::epoll_ctl(set, operation, fd, event);
    let _errno = KeepErrno::new();
    if result == 0 && operation == libc::EPOLL_CTL_ADD && table::entry_of(set, Kind::EpollSet).is_some() {
        // The number meant another set before, closed unnoticed.
        drain::mark(set);
    }
    if result == 0 && is_removal {
        owned::left_a_set();
    } else if result == 0 && gate::is_closed() {
        // It has closed just now, and may have looked through the set before.
        epoll_sets::remove(set, fd);
    }
    result
}

/// epoll_create(2). As it is: musl has it and its like in one file of its archive, and a file is taken whole. A program that
/// called musl's would get musl's epoll_ctl and epoll_wait beside these, and not be linked.
#[cfg(target_env = "musl")]
#[unsafe(no_mangle)]
pub extern "C" fn epoll_create(size: c_int) -> c_int {
    if size <= 0 {
        set_errno(libc::EINVAL);
        return -1;
    }
    raw::epoll_create1(0)
}

/// epoll_create1(2). For the same reason.
#[cfg(target_env = "musl")]
#[unsafe(no_mangle)]
pub extern "C" fn epoll_create1(flags: c_int) -> c_int {
    raw::epoll_create1(flags)
}

/// Whether the program sees this descriptor as non-blocking.
pub(super) fn is_non_blocking(descriptor: c_int) -> bool {
    fd::is_non_blocking(descriptor)
}

/// -1 and this errno.
pub(super) fn fail(errno: i32) -> isize {
    set_errno(errno);
    -1
}
