//! What the program passes to the exported functions.

use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::raw::c_int;

use super::transfers::{recvmsg, sendmsg};
use crate::sys::{fd, socket};

/// As a program makes them on its stack: each field is set, and what lies between them is what was there before.
fn header(parts: &mut [libc::iovec; 1], control: &mut [u64; 8], length: usize) -> libc::msghdr {
    let mut header = MaybeUninit::<libc::msghdr>::uninit();
    let place = header.as_mut_ptr();
    // SAFETY: bytes first, then every field; the control data has room for the length.
    unsafe {
        std::ptr::write_bytes(place.cast::<u8>(), 0xff, size_of::<libc::msghdr>());
        (*place).msg_name = std::ptr::null_mut();
        (*place).msg_namelen = 0;
        (*place).msg_iov = parts.as_mut_ptr();
        (*place).msg_iovlen = 1;
        (*place).msg_control = control.as_mut_ptr().cast();
        (*place).msg_controllen = length as _;
        (*place).msg_flags = 0;
        header.assume_init()
    }
}

#[test]
fn messages_pass_whatever_lies_between_their_fields_contract_6_2() {
    let (one, other) = socket::datagram_pair().unwrap();
    let (mut text, mut room) = (*b"abc", [0u8; 8]);
    let mut parts = [libc::iovec { iov_base: text.as_mut_ptr().cast(), iov_len: 3 }];
    let mut control = [u64::MAX; 8];
    // SAFETY: a number.
    let space = unsafe { libc::CMSG_SPACE(4) } as usize;
    let message = header(&mut parts, &mut control, space);
    // SAFETY: there is room for one control message, of one descriptor.
    unsafe {
        let part = libc::CMSG_FIRSTHDR(&raw const message);
        (*part).cmsg_level = libc::SOL_SOCKET;
        (*part).cmsg_type = libc::SCM_RIGHTS;
        (*part).cmsg_len = libc::CMSG_LEN(4) as _;
        libc::CMSG_DATA(part).cast::<c_int>().write_unaligned(one.as_raw_fd());
        assert_eq!(sendmsg(one.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL), 3);
    }
    let mut parts = [libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: 8 }];
    let mut control = [u64::MAX; 8];
    let mut message = header(&mut parts, &mut control, size_of::<[u64; 8]>());
    // SAFETY: a valid message; the kernel has filled the control data, and the descriptor in it is nobody else's.
    let came = unsafe {
        assert_eq!(recvmsg(other.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC), 3);
        let part = libc::CMSG_FIRSTHDR(&raw const message);
        assert_eq!((*part).cmsg_type, libc::SCM_RIGHTS);
        fd::owned(libc::CMSG_DATA(part).cast::<c_int>().read_unaligned().into()).unwrap()
    };
    assert_eq!(
        (&room[..3], message.msg_controllen as usize, message.msg_flags),
        (&b"abc"[..], space, libc::MSG_CMSG_CLOEXEC)
    );
    assert_eq!(fd::FileIdentity::of(came.as_raw_fd()), fd::FileIdentity::of(one.as_raw_fd()));
}
