//! The two ends of a channel: Unix sockets that keep message boundaries and pass descriptors.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use super::{check, fd};

/// Room for the descriptors of one message. The kernel allows 253; whoever sends more than this loses the rest
/// (MSG_CTRUNC closes them).
const MAX_DESCRIPTORS: usize = 16;

/// A connected pair, both ends close-on-exec and non-blocking. Non-blocking holds for an end wherever it is inherited.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    pair_of(libc::SOCK_SEQPACKET)
}

/// A connected pair of the kind that keeps messages apart, too, but is no channel: whoever looks for a worker's channel finds one.
pub(crate) fn datagram_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    pair_of(libc::SOCK_DGRAM)
}

/// A connected pair of streams, both ends close-on-exec and non-blocking.
pub(crate) fn stream_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    pair_of(libc::SOCK_STREAM)
}

fn pair_of(kind: libc::c_int) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends: [RawFd; 2] = [-1; 2];
    let kind = kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: `ends` has room for the two descriptors.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) }.into())?;
    let [a, b] = ends.map(owned);
    Ok((fd::above_stdio(a?)?, fd::above_stdio(b?)?))
}

/// Lets the other end see the end of its input, for good. Signal-safe, past the assisted call.
pub(crate) fn end_output(socket: RawFd) {
    // SAFETY: numbers only.
    unsafe { libc::syscall(libc::SYS_shutdown, socket, libc::SHUT_WR) };
}

fn owned(raw: RawFd) -> io::Result<OwnedFd> {
    fd::owned(raw.into())
}

/// Whether the descriptor is a Unix socket of the kind that channels are.
pub(crate) fn is_channel(fd: RawFd) -> bool {
    super::tcp::option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN) == Some(libc::AF_UNIX)
        && super::tcp::option(fd, libc::SOL_SOCKET, libc::SO_TYPE) == Some(libc::SOCK_SEQPACKET)
}

/// What one receive brings.
#[derive(Debug)]
pub(crate) enum Received {
    /// A message of `length` bytes, cut off if it was longer than the buffer, and the descriptors that came with it.
    Message { length: usize, truncated: bool, descriptors: Vec<OwnedFd> },
    /// Nothing at present.
    Nothing,
    /// The other end is closed.
    End,
}

/// Receives one message; never blocks.
pub(crate) fn receive(socket: RawFd, buffer: &mut [u8]) -> Received {
    let mut control = ControlBuffer::new();
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: a zeroed msghdr is valid: no address, no parts, no control data.
    let mut header: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control.0) as _;
    // SAFETY: every pointer of the header is valid for its length during the call.
    let result = unsafe {
        libc::syscall(libc::SYS_recvmsg, socket, &raw mut header, libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC)
    };
    match check(result) {
        Ok(length) => {
            // SAFETY: the kernel has just filled the header and its control buffer.
            let descriptors = unsafe { take_descriptors(&header) };
            let length = usize::try_from(length).unwrap_or(0);
            // An empty message looks like the end, but only the end is a hang-up.
            if length == 0 && is_hung_up(socket) {
                return Received::End;
            }
            // Descriptors that did not arrive (MSG_CTRUNC) may be for the want of room in this process, not the sender's fault.
            let truncated = header.msg_flags & libc::MSG_TRUNC != 0;
            Received::Message { length, truncated, descriptors }
        }
        Err(error) => match error.raw_os_error() {
            Some(libc::EBADF | libc::ENOTSOCK | libc::ENOTCONN | libc::ECONNRESET | libc::EPIPE) => Received::End,
            // EAGAIN, or for the moment no memory: the message is still there.
            _ => Received::Nothing,
        },
    }
}

/// Whether the other end is closed, or this descriptor. Signal-safe.
pub(crate) fn is_hung_up(socket: RawFd) -> bool {
    let [state] = poll([socket], 0);
    state & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0
}

/// Sends one message with at most one descriptor; never blocks, never raises SIGPIPE. The error is an errno.
/// Signal-safe, but sets errno.
pub(crate) fn send(socket: RawFd, message: &[u8], descriptor: Option<RawFd>) -> Result<(), i32> {
    let mut control = ControlBuffer::new();
    let mut part = libc::iovec { iov_base: message.as_ptr().cast_mut().cast(), iov_len: message.len() };
    // SAFETY: a zeroed msghdr is valid: no address, no parts, no control data.
    let mut header: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    if let Some(descriptor) = descriptor {
        // SAFETY: the buffer is aligned and larger than the space of one descriptor, so CMSG_FIRSTHDR is not NULL.
        unsafe {
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = libc::CMSG_SPACE(size_of::<RawFd>() as u32) as _;
            let first = libc::CMSG_FIRSTHDR(&raw const header);
            (*first).cmsg_level = libc::SOL_SOCKET;
            (*first).cmsg_type = libc::SCM_RIGHTS;
            (*first).cmsg_len = libc::CMSG_LEN(size_of::<RawFd>() as u32) as _;
            libc::CMSG_DATA(first).cast::<RawFd>().write_unaligned(descriptor);
        }
    }
    loop {
        // SAFETY: every pointer of the header is valid for its length during the call.
        let result = unsafe {
            libc::syscall(libc::SYS_sendmsg, socket, &raw const header, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
        };
        match super::errno() {
            _ if result >= 0 => return Ok(()),
            libc::EINTR => {}
            errno => return Err(errno),
        }
    }
}

/// Aligned as control messages must be.
struct ControlBuffer([u64; 2 + MAX_DESCRIPTORS / 2 + 1]);

impl ControlBuffer {
    fn new() -> Self {
        Self([0; 2 + MAX_DESCRIPTORS / 2 + 1])
    }
}

/// # Safety
/// The header must be one that `recvmsg` has just filled, and this is called once for it.
unsafe fn take_descriptors(header: &libc::msghdr) -> Vec<OwnedFd> {
    let mut found = Vec::new();
    // SAFETY: the macros walk the control buffer within the length that the kernel set; each descriptor in it was
    // made for us by the kernel and is owned by nobody else.
    unsafe {
        let mut part = libc::CMSG_FIRSTHDR(header);
        while !part.is_null() {
            if (*part).cmsg_level == libc::SOL_SOCKET && (*part).cmsg_type == libc::SCM_RIGHTS {
                let bytes = (*part).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                let data = libc::CMSG_DATA(part).cast::<RawFd>();
                for index in 0..bytes / size_of::<RawFd>() {
                    found.push(OwnedFd::from_raw_fd(data.add(index).read_unaligned()));
                }
            }
            part = libc::CMSG_NXTHDR(header, part);
        }
    }
    found
}

/// Waits until one of the descriptors is readable or at its end; at most `timeout_ms` (-1: for ever). Gives for each
/// what `poll` says; nothing if a signal came. Signal-safe.
pub(crate) fn poll<const N: usize>(descriptors: [RawFd; N], timeout_ms: i32) -> [i16; N] {
    let mut entries = descriptors.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    // SAFETY: the array is valid for its length.
    let result = unsafe { libc::poll(entries.as_mut_ptr(), N as libc::nfds_t, timeout_ms) };
    if result > 0 { entries.map(|entry| entry.revents) } else { [0; N] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    fn message(socket: &OwnedFd, buffer: &mut [u8]) -> (usize, bool, Vec<OwnedFd>) {
        match receive(socket.as_raw_fd(), buffer) {
            Received::Message { length, truncated, descriptors } => (length, truncated, descriptors),
            other @ (Received::Nothing | Received::End) => panic!("{other:?}"),
        }
    }

    #[test]
    fn messages_keep_their_bounds_and_bring_descriptors() {
        let (a, b) = pair().unwrap();
        let event = fd::eventfd().unwrap();
        send(a.as_raw_fd(), b"one", None).unwrap();
        send(a.as_raw_fd(), b"three", Some(event.as_raw_fd())).unwrap();
        let mut buffer = [0u8; 8];
        let (length, truncated, descriptors) = message(&b, &mut buffer);
        assert_eq!((&buffer[..length], truncated, descriptors.len()), (&b"one"[..], false, 0));
        let (length, truncated, descriptors) = message(&b, &mut buffer);
        assert_eq!((&buffer[..length], truncated, descriptors.len()), (&b"three"[..], false, 1));
        let identity = |fd: &OwnedFd| fd::FileIdentity::of(fd.as_raw_fd());
        assert_eq!(identity(&descriptors[0]), identity(&event));
        assert!(matches!(receive(b.as_raw_fd(), &mut buffer), Received::Nothing));
        drop(a);
        assert!(matches!(receive(b.as_raw_fd(), &mut buffer), Received::End));
    }

    #[test]
    fn an_empty_message_is_not_the_end_contract_7_3() {
        let (a, b) = pair().unwrap();
        send(a.as_raw_fd(), b"", None).unwrap();
        let mut buffer = [0u8; 8];
        assert_eq!(message(&b, &mut buffer).0, 0);
        assert!(matches!(receive(b.as_raw_fd(), &mut buffer), Received::Nothing));
    }

    #[test]
    fn a_message_too_long_is_marked() {
        let (a, b) = pair().unwrap();
        send(a.as_raw_fd(), &[7; 100], None).unwrap();
        let mut buffer = [0u8; 8];
        assert!(message(&b, &mut buffer).1);
    }

    #[test]
    fn channels_are_told_from_other_descriptors() {
        let (a, _b) = pair().unwrap();
        assert!(is_channel(a.as_raw_fd()));
        assert!(!is_channel(fd::eventfd().unwrap().as_raw_fd()));
        assert!(!is_channel(-1));
    }
}
