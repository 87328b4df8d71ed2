//! What a program reads from connections and writes to them: followed as HTTP messages.

use std::os::raw::{c_int, c_void};

use super::listeners::{fail, is_non_blocking};
use crate::handoff::connection::{self, Connection};
use crate::handoff::{drain, edit};
#[cfg(not(target_env = "musl"))]
use crate::sys::direct as messages;
#[cfg(target_env = "musl")]
use crate::sys::musl as messages;
#[cfg(target_env = "gnu")]
use crate::sys::process;
use crate::sys::{KeepErrno, direct, raw, tcp};

/// read(2).
///
/// # Safety
/// As for read(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn read(fd: c_int, buffer: *mut c_void, size: usize) -> isize {
    let result = direct::read(fd, buffer, size);
    // SAFETY: the kernel has just filled the buffer as far as the result says.
    unsafe { after_read(fd, result, buffer) }
}

/// readv(2).
///
/// # Safety
/// As for readv(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn readv(fd: c_int, parts: *const libc::iovec, count: c_int) -> isize {
    let result = direct::readv(fd, parts, count);
    match connection::of(fd) {
        // SAFETY: the kernel has accepted the parts and filled them as far as the result says.
        Some(connection) => after_read_of_parts(connection, fd, result, unsafe { parts_of(parts, count as usize) }),
        None => result,
    }
}

/// recv(2).
///
/// # Safety
/// As for recv(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recv(socket: c_int, buffer: *mut c_void, size: usize, flags: c_int) -> isize {
    // SAFETY: the caller's promise.
    unsafe { recvfrom(socket, buffer, size, flags, std::ptr::null_mut(), std::ptr::null_mut()) }
}

/// recvfrom(2).
///
/// # Safety
/// As for recvfrom(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recvfrom(
    socket: c_int,
    buffer: *mut c_void,
    size: usize,
    flags: c_int,
    address: *mut libc::sockaddr,
    length: *mut libc::socklen_t,
) -> isize {
    let result = direct::recvfrom(socket, buffer, size, flags, address, length);
    if !is_plain(socket, flags) {
        return result;
    }
    // SAFETY: the kernel has just filled the buffer as far as the result says.
    unsafe { after_read(socket, result, buffer) }
}

/// recvmsg(2).
///
/// # Safety
/// As for recvmsg(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recvmsg(socket: c_int, message: *mut libc::msghdr, flags: c_int) -> isize {
    let result = messages::recvmsg(socket, message, flags);
    match connection::of(socket).filter(|_| result >= 0 && is_plain(socket, flags)) {
        Some(connection) => {
            // SAFETY: the kernel has accepted the message and filled its parts as far as the result says.
            let parts = unsafe { parts_of_message(message) };
            after_read_of_parts(connection, socket, result, parts)
        }
        None => result,
    }
}

/// write(2).
///
/// # Safety
/// As for write(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, buffer: *const c_void, size: usize) -> isize {
    let Some(connection) = connection::of(fd) else { return direct::write(fd, buffer, size) };
    if drain::is_under_way() {
        return write_one_in_drain(fd, libc::iovec { iov_base: buffer.cast_mut(), iov_len: size });
    }
    // SAFETY: the kernel has read as much from the buffer as the result says.
    unsafe { after_write_of_one(connection, direct::write(fd, buffer, size), buffer, size) }
}

/// writev(2).
///
/// # Safety
/// As for writev(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn writev(fd: c_int, parts: *const libc::iovec, count: c_int) -> isize {
    let Some(connection) = connection::of(fd).filter(|_| !parts.is_null()) else {
        return direct::writev(fd, parts, count);
    };
    // SAFETY: the caller's promise: `parts` are `count` valid parts.
    let all = unsafe { parts_of(parts, usize::try_from(count).unwrap_or(0)) };
    if drain::is_under_way() {
        return write_in_drain(fd, all, |parts| direct::writev(fd, parts.as_ptr(), parts.len() as c_int));
    }
    after_write(connection, direct::writev(fd, parts, count), all)
}

/// send(2).
///
/// # Safety
/// As for send(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn send(socket: c_int, buffer: *const c_void, size: usize, flags: c_int) -> isize {
    // SAFETY: the caller's promise.
    unsafe { sendto(socket, buffer, size, flags, std::ptr::null(), 0) }
}

/// sendto(2).
///
/// # Safety
/// As for sendto(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendto(
    socket: c_int,
    buffer: *const c_void,
    size: usize,
    flags: c_int,
    address: *const libc::sockaddr,
    length: libc::socklen_t,
) -> isize {
    let Some(connection) = connection::of(socket) else {
        return direct::sendto(socket, buffer, size, flags, address, length);
    };
    let parts = [libc::iovec { iov_base: buffer.cast_mut(), iov_len: size }];
    if drain::is_under_way() {
        // A connection needs no address.
        return write_in_drain(socket, &parts, |parts| send_parts(socket, parts, flags));
    }
    after_write(connection, direct::sendto(socket, buffer, size, flags, address, length), &parts)
}

/// sendmsg(2).
///
/// # Safety
/// As for sendmsg(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendmsg(socket: c_int, message: *const libc::msghdr, flags: c_int) -> isize {
    let Some(connection) = connection::of(socket).filter(|_| !message.is_null()) else {
        return messages::sendmsg(socket, message, flags);
    };
    // SAFETY: the caller's promise: a valid message.
    let (parts, has_control) = unsafe { (parts_of_message(message), (*message).msg_controllen > 0) };
    if drain::is_under_way() && !has_control {
        return write_in_drain(socket, parts, |parts| send_parts(socket, parts, flags));
    }
    after_write(connection, messages::sendmsg(socket, message, flags), parts)
}

/// sendfile(2).
///
/// # Safety
/// As for sendfile(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendfile(to: c_int, from: c_int, offset: *mut libc::off_t, count: usize) -> isize {
    let result = raw::sendfile(to, from, offset, count);
    if let Some(connection) = connection::of(to) {
        connection.sent_unseen(usize::try_from(result).unwrap_or(0));
        after_answer(connection, to);
    }
    if let Some(connection) = connection::of(from) {
        connection.lose_track();
    }
    result
}

/// The name that programs with 64-bit file offsets call.
///
/// # Safety
/// As for sendfile(2).
#[cfg(target_env = "gnu")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendfile64(to: c_int, from: c_int, offset: *mut libc::off_t, count: usize) -> isize {
    // SAFETY: the caller's promise.
    unsafe { sendfile(to, from, offset, count) }
}

/// What programs compiled with _FORTIFY_SOURCE call where the compiler does not know the size.
///
/// # Safety
/// As for read(2).
#[cfg(target_env = "gnu")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __read_chk(fd: c_int, buffer: *mut c_void, size: usize, room: usize) -> isize {
    fortify(size <= room);
    // SAFETY: the caller's promise.
    unsafe { read(fd, buffer, size) }
}

/// What programs compiled with _FORTIFY_SOURCE call.
///
/// # Safety
/// As for recv(2).
#[cfg(target_env = "gnu")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __recv_chk(
    socket: c_int,
    buffer: *mut c_void,
    size: usize,
    room: usize,
    flags: c_int,
) -> isize {
    fortify(size <= room);
    // SAFETY: the caller's promise.
    unsafe { recv(socket, buffer, size, flags) }
}

/// What programs compiled with _FORTIFY_SOURCE call.
///
/// # Safety
/// As for recvfrom(2).
#[cfg(target_env = "gnu")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __recvfrom_chk(
    socket: c_int,
    buffer: *mut c_void,
    size: usize,
    room: usize,
    flags: c_int,
    address: *mut libc::sockaddr,
    length: *mut libc::socklen_t,
) -> isize {
    fortify(size <= room);
    // SAFETY: the caller's promise.
    unsafe { recvfrom(socket, buffer, size, flags, address, length) }
}

/// A buffer that is too small for what the program asks for ends the program, as the C library does it.
#[cfg(target_env = "gnu")]
pub(super) fn fortify(is_safe: bool) {
    if !is_safe {
        process::abort_now(b"*** buffer overflow detected ***: terminated\n");
    }
}

/// # Safety
/// The buffer must be readable for `result` bytes.
#[inline]
unsafe fn after_read(fd: c_int, result: isize, buffer: *mut c_void) -> isize {
    let Some(connection) = connection::of(fd) else { return result };
    match usize::try_from(result) {
        Ok(0) => at_end(connection, fd),
        Ok(count) => {
            // SAFETY: the caller's promise.
            connection.received(unsafe { std::slice::from_raw_parts(buffer.cast(), count) });
            result
        }
        Err(_) => result,
    }
}

fn after_read_of_parts(connection: &Connection, fd: c_int, result: isize, parts: &[libc::iovec]) -> isize {
    match usize::try_from(result) {
        Ok(0) => at_end(connection, fd),
        Ok(count) => {
            each_piece(parts, count, |piece| connection.received(piece));
            result
        }
        Err(_) => result,
    }
}

/// The program has read 0 bytes. In a drain that may be for the library's sake only.
#[cold]
fn at_end(connection: &Connection, fd: c_int) -> isize {
    // The number may mean another connection by now, whose end is its own.
    let is_ours = drain::is_under_way() && connection::surely_of(fd).is_some();
    if is_ours && connection.keeps_end_back() && is_non_blocking(fd) {
        return fail(libc::EAGAIN);
    }
    0
}

/// As [`after_write`], for the most frequent case.
///
/// # Safety
/// The buffer must be readable for `result` bytes.
#[inline]
unsafe fn after_write_of_one(connection: &Connection, result: isize, buffer: *const c_void, size: usize) -> isize {
    let Some(count) = usize::try_from(result).ok().filter(|count| *count > 0) else { return result };
    // SAFETY: the caller's promise.
    let bytes = unsafe { std::slice::from_raw_parts(buffer.cast(), count) };
    if count < size || drain::is_under_way() || !connection.sent_whole(bytes, count) {
        connection.sent(bytes);
    }
    result
}

fn after_write(connection: &Connection, result: isize, parts: &[libc::iovec]) -> isize {
    let Ok(count) = usize::try_from(result) else { return result };
    if let [first, rest @ ..] = parts {
        let total = first.iov_len + rest.iter().map(|part| part.iov_len).sum::<usize>();
        // In a drain the parser sees everything: it alone knows where an announcement goes.
        let is_seen = count == total
            && count > 0
            && !drain::is_under_way()
            && connection.sent_whole(edit::bytes_of(first), total);
        if !is_seen {
            each_piece(parts, count, |piece| connection.sent(piece));
        }
    }
    result
}

#[cold]
fn write_one_in_drain(fd: c_int, part: libc::iovec) -> isize {
    write_in_drain(fd, &[part], |parts| direct::writev(fd, parts.as_ptr(), parts.len() as c_int))
}

/// Announces the end of the connection in the last answer that is due, if that is in what is written.
#[cold]
fn write_in_drain(fd: c_int, parts: &[libc::iovec], send: impl Fn(&[libc::iovec]) -> isize) -> isize {
    let (connection, announcement) = {
        let _errno = KeepErrno::new();
        let connection = connection::surely_of(fd);
        let announcement = connection
            // What has come and was not read yet is the next request: this answer is not the last.
            .filter(|connection| !edit::is_pending(&connection.pending) && tcp::unread(fd) == 0)
            .and_then(|connection| edit::find(parts, |bytes| connection.announcement(bytes)));
        (connection, announcement)
    };
    let Some(connection) = connection else { return send(parts) };
    loop {
        let result = match edit::write(&connection.pending, announcement, parts, &send) {
            None => send(parts),
            Some(edit::Written::Failed(result)) => result,
            Some(edit::Written::Nothing) => {
                connection.announced();
                if is_non_blocking(fd) {
                    return fail(libc::EAGAIN);
                }
                // A blocking write goes on.
                continue;
            }
            Some(edit::Written::Taken { count, is_edited }) => {
                if is_edited {
                    connection.announced();
                }
                count as isize
            }
        };
        let _errno = KeepErrno::new();
        let result = after_write(connection, result, parts);
        after_answer(connection, fd);
        return result;
    }
}

/// An answer may be whole now: an end of input that was kept back is shown to loops that are told once only.
fn after_answer(connection: &Connection, fd: c_int) {
    if drain::is_under_way() && connection.may_show_end() {
        if let Some(place) = connection.edge_home(fd) {
            place.refresh();
        }
    }
}

fn send_parts(socket: c_int, parts: &[libc::iovec], flags: c_int) -> isize {
    // SAFETY: a zeroed msghdr is valid: no address, no parts, no control data.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = parts.as_ptr().cast_mut();
    message.msg_iovlen = parts.len() as _;
    messages::sendmsg(socket, &raw const message, flags)
}

/// Whether a receive takes bytes out of the stream into the buffer, and no others.
fn is_plain(socket: c_int, flags: c_int) -> bool {
    if flags & (libc::MSG_PEEK | libc::MSG_OOB | libc::MSG_ERRQUEUE | libc::MSG_TRUNC) == 0 {
        return true;
    }
    if flags & libc::MSG_TRUNC != 0 && flags & libc::MSG_PEEK == 0 {
        // Thrown away unseen.
        if let Some(connection) = connection::of(socket) {
            connection.lose_track();
        }
    }
    false
}

/// # Safety
/// `parts` must be NULL or valid for `count` parts.
unsafe fn parts_of<'a>(parts: *const libc::iovec, count: usize) -> &'a [libc::iovec] {
    if parts.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(parts, count) }
}

/// # Safety
/// The message must be valid.
#[allow(clippy::unnecessary_cast)] // musl has another type for the length.
unsafe fn parts_of_message<'a>(message: *const libc::msghdr) -> &'a [libc::iovec] {
    // SAFETY: the caller's promise.
    unsafe { parts_of((*message).msg_iov, (*message).msg_iovlen as usize) }
}

/// The first `count` bytes of the parts, piece by piece.
fn each_piece(parts: &[libc::iovec], count: usize, mut see: impl FnMut(&[u8])) {
    let mut left = count;
    for part in parts {
        let length = part.iov_len.min(left);
        if length > 0 {
            // SAFETY: the kernel has read or filled this part as far.
            see(unsafe { std::slice::from_raw_parts(part.iov_base.cast(), length) });
        }
        left -= length;
    }
}

/// splice(2) moves bytes that nobody sees.
///
/// # Safety
/// As for splice(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn splice(
    from: c_int,
    from_offset: *mut libc::loff_t,
    to: c_int,
    to_offset: *mut libc::loff_t,
    size: usize,
    flags: libc::c_uint,
) -> isize {
    let result = raw::splice(from, from_offset, to, to_offset, size, flags);
    if let Some(connection) = connection::of(to) {
        connection.sent_unseen(usize::try_from(result).unwrap_or(0));
        after_answer(connection, to);
    }
    if let Some(connection) = connection::of(from) {
        connection.lose_track();
    }
    result
}
