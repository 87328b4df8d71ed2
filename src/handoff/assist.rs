//! `bind` and `listen`, exported under the C library's names: in a worker the program calls these.
//!
//! They work by the linker's ordinary rule that the first definition of a name wins: in a static build over the C
//! library's archive, in a dynamic one because the program or this library comes before the C library. They make the
//! system calls directly. Outside a worker they do nothing else.

#![allow(unreachable_pub)] // Reached by the linker, not by path.

use std::os::raw::c_int;

use crate::sys::{KeepErrno, errno, tcp};

/// bind(2). In a worker, TCP sockets on the cluster's port get SO_REUSEPORT, and a failure is told to the master.
///
/// # Safety
/// As for bind(2): the kernel checks the address itself; this function reads it only as far as `length` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bind(socket: c_int, address: *const libc::sockaddr, length: libc::socklen_t) -> c_int {
    if !super::is_worker() {
        // SAFETY: the caller's promise.
        return unsafe { tcp::raw_bind(socket, address, length) };
    }
    // SAFETY: the caller's promise: the address is valid for `length` bytes.
    let parsed = unsafe { tcp::address(address, length) };
    if let Some(parsed) = parsed {
        let _errno = KeepErrno::new();
        super::before_bind(socket, parsed);
    }
    // SAFETY: the caller's promise.
    let result = unsafe { tcp::raw_bind(socket, address, length) };
    if let Some(parsed) = parsed {
        let _errno = KeepErrno::new();
        match result {
            0 => super::bound(socket, parsed),
            _ => super::bind_failed(socket, parsed, errno()),
        }
    }
    result
}

/// listen(2). In a worker, a TCP listener is told to the master: this is how a worker becomes ready.
#[unsafe(no_mangle)]
pub extern "C" fn listen(socket: c_int, backlog: c_int) -> c_int {
    if !super::is_worker() {
        return tcp::raw_listen(socket, backlog);
    }
    let result = tcp::raw_listen(socket, backlog);
    if result == 0 {
        let _errno = KeepErrno::new();
        super::listening(socket);
    }
    result
}
