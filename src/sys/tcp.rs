//! TCP sockets, as far as a worker's listeners are concerned. What looks at a socket is signal-safe: `bind` and
//! `listen` are functions that a signal handler may call, and the library's own versions of them must be, too.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
#[cfg(feature = "assist")]
use std::time::Duration;

use nix::sys::socket as calls;

/// An integer socket option; `None` if the descriptor has no such thing.
pub(crate) fn option(socket: RawFd, level: i32, name: i32) -> Option<i32> {
    ask_option(socket, level, name).ok()
}

/// The same; the error is an errno.
fn ask_option(socket: RawFd, level: i32, name: i32) -> Result<i32, i32> {
    let mut value: i32 = 0;
    let mut length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: `value` and `length` are valid for writes.
    let result = unsafe { libc::getsockopt(socket, level, name, (&raw mut value).cast(), &raw mut length) };
    if result == 0 { Ok(value) } else { Err(super::errno()) }
}

/// Whether the descriptor is an IPv4 or IPv6 TCP socket (plain, or multipath).
pub(crate) fn is_tcp(socket: RawFd) -> bool {
    let get = |name| option(socket, libc::SOL_SOCKET, name);
    matches!(get(libc::SO_DOMAIN), Some(libc::AF_INET | libc::AF_INET6))
        && matches!(get(libc::SO_PROTOCOL), Some(libc::IPPROTO_TCP | libc::IPPROTO_MPTCP))
}

/// Whether the descriptor is a TCP socket that listens.
pub(crate) fn is_listener(socket: RawFd) -> bool {
    is_tcp(socket) && option(socket, libc::SOL_SOCKET, libc::SO_ACCEPTCONN) == Some(1)
}

/// What a look at a descriptor says that is said to be a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listens {
    On(SocketAddr),
    /// It is none, or has no address.
    Not,
    /// It may be one: the kernel has no memory to tell, or a sandbox does not let it; the errno.
    Unknown(i32),
}

/// Looks whether a descriptor is a TCP socket that listens, and where.
pub(crate) fn listens(socket: RawFd) -> Listens {
    let options = [libc::SO_DOMAIN, libc::SO_PROTOCOL, libc::SO_ACCEPTCONN];
    let refused = options.iter().find_map(|name| ask_option(socket, libc::SOL_SOCKET, *name).err());
    match refused {
        Some(errno) => not_or_unknown(errno),
        None if is_listener(socket) => {
            local_address(socket).map_or_else(|| not_or_unknown(super::errno()), Listens::On)
        }
        None => Listens::Not,
    }
}

/// These are told of what is no such socket.
fn not_or_unknown(errno: i32) -> Listens {
    let is_answer = [libc::EBADF, libc::ENOTSOCK, libc::ENOPROTOOPT, libc::EOPNOTSUPP].contains(&errno);
    if is_answer { Listens::Not } else { Listens::Unknown(errno) }
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

/// The kernel's own number for a socket: never used again, whatever becomes of descriptors. Signal-safe.
#[cfg(feature = "assist")]
pub(crate) fn cookie(socket: RawFd) -> Option<u64> {
    let mut value: u64 = 0;
    let mut length = size_of::<u64>() as libc::socklen_t;
    let place = (&raw mut value).cast();
    // SAFETY: `value` and `length` are valid for writes.
    let result = unsafe { libc::getsockopt(socket, libc::SOL_SOCKET, libc::SO_COOKIE, place, &raw mut length) };
    (result == 0).then_some(value)
}

/// Bytes that have come and were not read yet. Signal-safe.
pub(crate) fn unread(socket: RawFd) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: FIONREAD writes one integer. A bare system call: the library's own `ioctl` has no part in this.
    let result = unsafe { libc::syscall(libc::SYS_ioctl, socket, libc::FIONREAD, &raw mut count) };
    if result == 0 { usize::try_from(count).unwrap_or(0) } else { 0 }
}

/// Lets a listener take no more newcomers, but finish the handshakes that have begun: their packets are dropped before
/// they are seen, and TCP tries again a second later. Other sockets on the same port are not concerned.
pub(crate) fn refuse_newcomers(listener: RawFd) -> io::Result<()> {
    /// Where the flags are in a TCP header (RFC 9293), and two of them.
    const FLAGS_AT: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    let instruction = |code: u32, yes, no, k| libc::sock_filter { code: code as u16, jt: yes, jf: no, k };
    let mut program = [
        instruction(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 0, FLAGS_AT),
        instruction(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, SYN | ACK),
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, SYN),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    let (place, length) = ((&raw const filter).cast(), size_of_val(&filter) as libc::socklen_t);
    // SAFETY: the program and its description are valid for the call, which copies them.
    let result = unsafe { libc::setsockopt(listener, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, place, length) };
    super::check(result.into()).map(drop)
}

/// Lets a connection's reader see the end of the input. What still comes is delivered before it. Signal-safe.
#[cfg(feature = "assist")]
pub(crate) fn end_input(socket: RawFd) {
    // SAFETY: numbers only. Past the assisted call.
    unsafe { libc::syscall(libc::SYS_shutdown, socket, libc::SHUT_RD) };
}

/// How long a blocking accept or read waits at most (SO_RCVTIMEO); `None`: for ever. Signal-safe.
#[cfg(feature = "assist")]
pub(crate) fn receive_timeout(socket: RawFd) -> Option<std::time::Duration> {
    let mut time = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let mut length = size_of::<libc::timeval>() as libc::socklen_t;
    let place = (&raw mut time).cast();
    // SAFETY: `time` and `length` are valid for writes.
    let result = unsafe { libc::getsockopt(socket, libc::SOL_SOCKET, libc::SO_RCVTIMEO, place, &raw mut length) };
    let duration = std::time::Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_usec).ok()? * 1000);
    (result == 0 && !duration.is_zero()).then_some(duration)
}

/// What the kernel knows of the traffic on a connection.
#[cfg(feature = "assist")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Bytes that have come in all, read or not.
    pub(crate) bytes_received: u64,
    /// How long ago data came or went last; in steps of the kernel's clock (up to 10 ms).
    pub(crate) last: Duration,
}

/// Of TCP_INFO. `None`: the kernel does not tell. Signal-safe.
#[cfg(feature = "assist")]
pub(crate) fn traffic(socket: RawFd) -> Option<Traffic> {
    const LAST_DATA_SENT: usize = 44;
    const LAST_DATA_RECEIVED: usize = 52;
    let info = info(socket)?;
    let milliseconds = |at: usize| Some(u32::from_ne_bytes(info.get(at..)?.first_chunk().copied()?));
    let last = milliseconds(LAST_DATA_SENT)?.min(milliseconds(LAST_DATA_RECEIVED)?);
    Some(Traffic { bytes_received: bytes_received(&info)?, last: Duration::from_millis(u64::from(last)) })
}

/// Whether this is a connection on one of these local ports, of whose input nothing has been read yet.
#[cfg(not(feature = "assist"))]
pub(crate) fn is_fresh_connection(socket: RawFd, ports: &[u16]) -> bool {
    /// `TCP_ESTABLISHED` and `TCP_CLOSE_WAIT` (the client has said all that it wants to say).
    const OPEN: [u8; 2] = [1, 8];
    if !is_tcp(socket) || !local_address(socket).is_some_and(|address| ports.contains(&address.port())) {
        return false;
    }
    let Some(info) = info(socket).filter(|[state, ..]| OPEN.contains(state)) else { return false };
    let (unread, received) = (unread(socket) as u64, bytes_received(&info).unwrap_or(0));
    // The end of the input counts as one byte received.
    received == 0 || (unread > 0 && unread + 1 >= received)
}

/// Where `tcpi_bytes_received` is in tcp_info, whose layout only ever grows at the end.
const BYTES_RECEIVED: usize = 128;

/// TCP_INFO up to there. `None`: the kernel does not tell. Signal-safe.
fn info(socket: RawFd) -> Option<[u8; BYTES_RECEIVED + 8]> {
    let mut info = [0u8; BYTES_RECEIVED + 8];
    let mut length = info.len() as libc::socklen_t;
    let place = info.as_mut_ptr().cast();
    // SAFETY: `info` and `length` are valid for writes.
    let result = unsafe { libc::getsockopt(socket, libc::IPPROTO_TCP, libc::TCP_INFO, place, &raw mut length) };
    (result == 0 && length as usize == info.len()).then_some(info)
}

fn bytes_received(info: &[u8]) -> Option<u64> {
    info.get(BYTES_RECEIVED..)?.first_chunk().copied().map(u64::from_ne_bytes)
}

/// Options that a program sets before `bind`, and that a socket which takes the place of its own is to have, too.
const COPIED: [(i32, i32); 9] = [
    (libc::SOL_SOCKET, libc::SO_REUSEADDR),
    (libc::SOL_SOCKET, libc::SO_KEEPALIVE),
    (libc::IPPROTO_TCP, libc::TCP_NODELAY),
    (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE),
    (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL),
    (libc::IPPROTO_TCP, libc::TCP_KEEPCNT),
    (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT),
    (libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT),
    (libc::IPPROTO_IP, libc::IP_TOS),
];

/// Sizes, of which the kernel tells the double of what was asked for.
const COPIED_SIZES: [i32; 2] = [libc::SO_RCVBUF, libc::SO_SNDBUF];

/// Gives a socket the options that another one has. Signal-safe.
pub(crate) fn copy_options(from: RawFd, to: RawFd) {
    for name in COPIED_SIZES {
        let wanted =
            option(from, libc::SOL_SOCKET, name).filter(|value| option(to, libc::SOL_SOCKET, name) != Some(*value));
        if let Some(half) = wanted.map(|value| value / 2) {
            let length = size_of::<i32>() as libc::socklen_t;
            // SAFETY: `half` is valid for its length.
            unsafe { libc::setsockopt(to, libc::SOL_SOCKET, name, (&raw const half).cast(), length) };
        }
    }
    copy_linger(from, to);
    for (level, name) in COPIED {
        if let Some(value) = option(from, level, name).filter(|value| option(to, level, name) != Some(*value)) {
            let length = size_of::<i32>() as libc::socklen_t;
            // SAFETY: `value` is valid for its length. What one kind of socket does not have, the other lacks, too.
            unsafe { libc::setsockopt(to, level, name, (&raw const value).cast(), length) };
        }
    }
}

fn copy_linger(from: RawFd, to: RawFd) {
    let mut linger = libc::linger { l_onoff: 0, l_linger: 0 };
    let mut length = size_of::<libc::linger>() as libc::socklen_t;
    let place = &raw mut linger;
    // SAFETY: `linger` and `length` are valid for reads and writes.
    unsafe {
        if libc::getsockopt(from, libc::SOL_SOCKET, libc::SO_LINGER, place.cast(), &raw mut length) == 0 {
            libc::setsockopt(to, libc::SOL_SOCKET, libc::SO_LINGER, place.cast(), length);
        }
    }
}

/// Whether two sockets for this address are of one kind: family, protocol, and for the IPv6 wildcard whether they take
/// IPv4, too. (For any other IPv6 address that is settled, and the kernel says so as soon as it is bound.)
pub(crate) fn are_alike(a: RawFd, b: RawFd, address: SocketAddr) -> bool {
    let kind = |socket| {
        let of = |name| option(socket, libc::SOL_SOCKET, name);
        let only_v6 = option(socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY).filter(|_| address.ip().is_unspecified());
        (of(libc::SO_DOMAIN), of(libc::SO_PROTOCOL), only_v6)
    };
    kind(a) == kind(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn listeners_and_others_contract_7_3() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(listens(listener.as_raw_fd()), Listens::On(listener.local_addr().unwrap()));
        let bound = open(listener.local_addr().unwrap()).unwrap();
        assert_eq!(listens(bound.as_raw_fd()), Listens::Not, "it does not listen");
        assert_eq!(listens(super::super::fd::eventfd().unwrap().as_raw_fd()), Listens::Not, "no socket");
        assert_eq!(listens(-1), Listens::Not);
    }

    #[test]
    fn a_lack_of_memory_says_nothing_about_a_socket_contract_7_2() {
        assert_eq!(not_or_unknown(libc::ENOTSOCK), Listens::Not);
        assert_eq!(not_or_unknown(libc::ENOBUFS), Listens::Unknown(libc::ENOBUFS));
    }
}
