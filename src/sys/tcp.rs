//! TCP sockets, as far as a worker's listeners are concerned. What looks at a socket is signal-safe: `bind` and
//! `listen` are functions that a signal handler may call, and the library's own versions of them must be, too.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::sys::socket as calls;

/// An integer socket option; `None` if the descriptor has no such thing.
pub(crate) fn option(socket: RawFd, level: i32, name: i32) -> Option<i32> {
    let mut value: i32 = 0;
    let mut length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: `value` and `length` are valid for writes.
    let result = unsafe { libc::getsockopt(socket, level, name, (&raw mut value).cast(), &raw mut length) };
    (result == 0).then_some(value)
}

/// Whether the descriptor is an IPv4 or IPv6 TCP socket (plain, or multipath).
pub(crate) fn is_tcp(socket: RawFd) -> bool {
    let get = |name| option(socket, libc::SOL_SOCKET, name);
    matches!(get(libc::SO_DOMAIN), Some(libc::AF_INET | libc::AF_INET6))
        && matches!(get(libc::SO_PROTOCOL), Some(libc::IPPROTO_TCP | libc::IPPROTO_MPTCP))
}

/// Sets an option of SOL_SOCKET that is on or off.
pub(crate) fn set_flag(socket: RawFd, name: i32) -> io::Result<()> {
    let on: i32 = 1;
    let length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: `on` is valid for its length.
    let result = unsafe { libc::setsockopt(socket, libc::SOL_SOCKET, name, (&raw const on).cast(), length) };
    super::check(result.into()).map(drop)
}

/// Lets several sockets listen on one address; the kernel spreads connections over them.
pub(crate) fn share_port(socket: RawFd) {
    // Where it fails, bind itself will tell.
    let _ = set_flag(socket, libc::SO_REUSEPORT);
}

/// The address that a socket is bound to.
pub(crate) fn local_address(socket: RawFd) -> Option<SocketAddr> {
    let mut storage = std::mem::MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: `storage` has room for every address; `length` says how much.
    unsafe {
        if libc::getsockname(socket, storage.as_mut_ptr().cast(), &raw mut length) != 0 {
            return None;
        }
        address(storage.as_ptr().cast(), length)
    }
}

/// Reads an IPv4 or IPv6 address as `bind` gets it.
///
/// # Safety
/// `pointer` must be NULL or valid for reads of `length` bytes.
pub(crate) unsafe fn address(pointer: *const libc::sockaddr, length: libc::socklen_t) -> Option<SocketAddr> {
    let length = length as usize;
    if pointer.is_null() || length < size_of::<libc::sa_family_t>() {
        return None;
    }
    // SAFETY: the caller's promise, and each read is checked against the length. Unaligned, as C programs are.
    unsafe {
        let family = pointer.cast::<libc::sa_family_t>().read_unaligned();
        match i32::from(family) {
            libc::AF_INET if length >= size_of::<libc::sockaddr_in>() => {
                let v4 = pointer.cast::<libc::sockaddr_in>().read_unaligned();
                let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
                Some(SocketAddr::new(IpAddr::V4(ip), u16::from_be(v4.sin_port)))
            }
            libc::AF_INET6 if length >= size_of::<libc::sockaddr_in6>() => {
                let v6 = pointer.cast::<libc::sockaddr_in6>().read_unaligned();
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                Some(SocketAddr::V6(std::net::SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), 0, v6.sin6_scope_id)))
            }
            _ => None,
        }
    }
}

/// A TCP socket for addresses of this kind, close-on-exec.
pub(crate) fn open(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { calls::AddressFamily::Inet } else { calls::AddressFamily::Inet6 };
    Ok(calls::socket(family, calls::SockType::Stream, calls::SockFlag::SOCK_CLOEXEC, None)?)
}

/// The C library's `bind`, or the assisted one.
pub(crate) fn bind(socket: &OwnedFd, address: SocketAddr) -> io::Result<()> {
    Ok(calls::bind(socket.as_raw_fd(), &calls::SockaddrStorage::from(address))?)
}

/// The C library's `listen`, or the assisted one, with the longest queue that the system allows.
pub(crate) fn listen(socket: &OwnedFd) -> io::Result<()> {
    Ok(calls::listen(socket, calls::Backlog::MAXALLOWABLE)?)
}

/// The system call itself, as the C library's `bind` makes it.
///
/// # Safety
/// As for bind(2).
#[cfg(feature = "assist")]
pub(crate) unsafe fn raw_bind(socket: RawFd, pointer: *const libc::sockaddr, length: libc::socklen_t) -> libc::c_int {
    // SAFETY: the kernel checks the pointer itself.
    unsafe { libc::syscall(libc::SYS_bind, socket, pointer, length) as libc::c_int }
}

/// The system call itself, as the C library's `listen` makes it.
#[cfg(feature = "assist")]
pub(crate) fn raw_listen(socket: RawFd, backlog: libc::c_int) -> libc::c_int {
    // SAFETY: numbers only.
    unsafe { libc::syscall(libc::SYS_listen, socket, backlog) as libc::c_int }
}
