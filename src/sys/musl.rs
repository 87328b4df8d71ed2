//! What musl's functions do to a message before the kernel sees it. Its headers give three lengths 32 bits where the kernel reads
//! 64, and the other half of each is padding, which a program need not set.

use std::os::fd::RawFd;
use std::os::raw::c_int;

use super::{direct, set_errno};

/// recvmsg(2).
pub(crate) fn recvmsg(socket: RawFd, message: *mut libc::msghdr, flags: c_int) -> isize {
    // SAFETY: NULL or valid, as the caller of the assisted function has promised.
    let Some(message) = (unsafe { message.as_mut() }) else { return direct::recvmsg(socket, message, flags) };
    let mut header = without_padding(message);
    let result = direct::recvmsg(socket, &raw mut header, flags);
    message.msg_namelen = header.msg_namelen;
    message.msg_controllen = header.msg_controllen;
    message.msg_flags = header.msg_flags;
    result
}

/// sendmsg(2). As musl's, it fails with ENOMEM for more than 1024 bytes of control data.
pub(crate) fn sendmsg(socket: RawFd, message: *const libc::msghdr, flags: c_int) -> isize {
    // SAFETY: NULL or valid, as the caller of the assisted function has promised.
    let Some(message) = (unsafe { message.as_ref() }) else { return direct::sendmsg(socket, message, flags) };
    let mut header = without_padding(message);
    let mut control = Control([0; CONTROL]);
    if header.msg_controllen > 0 {
        let length = header.msg_controllen as usize;
        if length > CONTROL {
            set_errno(libc::ENOMEM);
            return -1;
        }
        // SAFETY: the caller's promise: so many bytes of control data, which are no longer than the copy has room for. The macros
        // walk the copy within that length, and a header in it is written to only where it lies there as a whole.
        unsafe {
            std::ptr::copy_nonoverlapping(header.msg_control.cast::<u8>(), control.0.as_mut_ptr(), length);
            header.msg_control = control.0.as_mut_ptr().cast();
            let mut part = libc::CMSG_FIRSTHDR(&raw const header);
            while !part.is_null() {
                (*part).__pad1 = 0;
                part = libc::CMSG_NXTHDR(&raw const header, part);
            }
        }
    }
    direct::sendmsg(socket, &raw const header, flags)
}

const CONTROL: usize = 1024;

/// Aligned as control messages must be.
#[repr(align(8))]
struct Control([u8; CONTROL]);

fn without_padding(message: &libc::msghdr) -> libc::msghdr {
    // SAFETY: all zeros are a valid msghdr.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = message.msg_name;
    header.msg_namelen = message.msg_namelen;
    header.msg_iov = message.msg_iov;
    header.msg_iovlen = message.msg_iovlen;
    header.msg_control = message.msg_control;
    header.msg_controllen = message.msg_controllen;
    header.msg_flags = message.msg_flags;
    header
}
