//! The messages between a master and its workers: one datagram each, at most [`MAX_LENGTH`] bytes.
//!
//! A deploy may bring a worker whose library is older or newer than its master's. So the format is versioned, numbers
//! are little-endian, a message may be longer than what is known of it, and a message of an unknown kind that comes
//! from a newer library is passed over. The same from this or an older version is a fault of the sender (contract
//! 7.3).
//!
//! ```text
//! 0      1        2     3         4…
//! magic  version  kind  reserved  body
//! ```

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

/// No message is longer; what is longer is a fault.
pub(crate) const MAX_LENGTH: usize = 64;
const HEADER: usize = 4;
const MAGIC: u8 = 0xEC;
const VERSION: u8 = 1;
const ADDRESS: usize = 24;

/// How long the queue of a slot that has ended is served by another's worker at least: long enough for handshakes under way to come to an
/// end, and less than the second after which TCP tries again where a newcomer was refused.
pub(crate) const QUEUE_SERVED_FOR: Duration = Duration::from_millis(500);
/// The longest: by then a worker that is at work has taken all that waited.
pub(crate) const QUEUE_SERVED_FOR_AT_MOST: Duration = Duration::from_secs(5);

/// From a worker to its master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FromWorker {
    /// The library's constructor has run: the program is there.
    Born,
    /// The program has called `cluster_init`.
    Joined,
    /// A TCP socket listens on this address. A duplicate of it comes along, for the master to keep.
    Listening(SocketAddr),
    /// The program has closed a listener of its own accord.
    Closed(SocketAddr, ListenerId),
    /// After [`FromMaster::Drain`]: no connection is left whose request would be lost.
    Drained,
    /// Binding a TCP socket to this address failed with this errno.
    BindFailed(SocketAddr, i32),
    /// It cannot be a worker, for its guard or its helper could not be started; the errno. It ends now.
    Unguarded(i32),
}

/// From the master to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FromMaster {
    /// The first message: who the worker is. A pidfd of the master comes with it where the kernel gives one.
    Welcome(Welcome),
    /// Send yourself this signal: the master may not.
    Signal(u8),
    /// A listener of an earlier worker of the slot, which comes along. Right after the welcome, as many as that says.
    Adopt(SocketAddr),
    /// Take no more connections, and finish those that there are.
    Drain,
    /// Close what came along and was not adopted.
    Forget,
    /// A listener of another slot, which nobody serves any more, comes along: accept what waits in its queue.
    Inherit(SocketAddr),
}

/// What tells one socket from another: its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ListenerId(pub(crate) u64);

/// What a worker has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Welcome {
    pub(crate) id: u8,
    pub(crate) count: u8,
    pub(crate) port: u16,
    pub(crate) shutdown_timeout_ms: u32,
    /// Whether listeners are handed over and connections drained (contract 6.6).
    pub(crate) handoff: bool,
    /// So many [`FromMaster::Adopt`] follow.
    pub(crate) listeners: u16,
}

/// A message as it is sent: made on the stack, so that a signal handler may make one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encoded {
    bytes: [u8; MAX_LENGTH],
    length: usize,
}

impl Encoded {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn new(kind: u8) -> Self {
        let mut message = Self { bytes: [0; MAX_LENGTH], length: 0 };
        message.put(&[MAGIC, VERSION, kind, 0]);
        message
    }

    fn of_address(kind: u8, address: SocketAddr) -> Self {
        let mut message = Self::new(kind);
        message.put_address(address);
        message
    }

    fn put(&mut self, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(self.length..self.length + bytes.len()) {
            place.copy_from_slice(bytes);
            self.length += bytes.len();
        }
    }

    /// Family 4 or 6, a zero, port, 16 bytes of address (an IPv4 one in the first four), scope.
    fn put_address(&mut self, address: SocketAddr) {
        let mut ip = [0u8; 16];
        let (family, scope) = match address {
            SocketAddr::V4(v4) => {
                for (to, from) in ip.iter_mut().zip(v4.ip().octets()) {
                    *to = from;
                }
                (4, 0)
            }
            SocketAddr::V6(v6) => {
                ip = v6.ip().octets();
                (6, v6.scope_id())
            }
        };
        self.put(&[family, 0]);
        self.put(&address.port().to_le_bytes());
        self.put(&ip);
        self.put(&scope.to_le_bytes());
    }
}

/// What a datagram turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoded<T> {
    Message(T),
    /// Of a kind that only a newer library knows.
    Unknown,
    Malformed,
}

mod kind {
    pub(super) const BORN: u8 = 1;
    pub(super) const JOINED: u8 = 2;
    pub(super) const LISTENING: u8 = 3;
    pub(super) const BIND_FAILED: u8 = 4;
    pub(super) const UNGUARDED: u8 = 5;
    pub(super) const CLOSED: u8 = 6;
    pub(super) const DRAINED: u8 = 7;
    pub(super) const WELCOME: u8 = 64;
    pub(super) const SIGNAL: u8 = 65;
    pub(super) const ADOPT: u8 = 66;
    pub(super) const DRAIN: u8 = 67;
    pub(super) const FORGET: u8 = 68;
    pub(super) const INHERIT: u8 = 69;
}

impl FromWorker {
    pub(crate) fn encode(self) -> Encoded {
        match self {
            Self::Born => Encoded::new(kind::BORN),
            Self::Joined => Encoded::new(kind::JOINED),
            Self::Listening(address) => Encoded::of_address(kind::LISTENING, address),
            Self::Closed(address, ListenerId(id)) => {
                let mut message = Encoded::new(kind::CLOSED);
                message.put_address(address);
                message.put(&id.to_le_bytes());
                message
            }
            Self::Drained => Encoded::new(kind::DRAINED),
            Self::BindFailed(address, errno) => {
                let mut message = Encoded::new(kind::BIND_FAILED);
                message.put_address(address);
                message.put(&errno.to_le_bytes());
                message
            }
            Self::Unguarded(errno) => {
                let mut message = Encoded::new(kind::UNGUARDED);
                message.put(&errno.to_le_bytes());
                message
            }
        }
    }

    pub(crate) fn decode(datagram: &[u8]) -> Decoded<Self> {
        decode(datagram, |kind, body| match kind {
            kind::BORN => Some(Some(Self::Born)),
            kind::JOINED => Some(Some(Self::Joined)),
            kind::LISTENING => Some(address(body).map(Self::Listening)),
            kind::BIND_FAILED => {
                let errno = bytes::<4>(body, ADDRESS).map(i32::from_le_bytes);
                Some(address(body).zip(errno).map(|(address, errno)| Self::BindFailed(address, errno)))
            }
            kind::UNGUARDED => Some(bytes::<4>(body, 0).map(i32::from_le_bytes).map(Self::Unguarded)),
            kind::CLOSED => {
                let id = bytes::<8>(body, ADDRESS).map(u64::from_le_bytes).map(ListenerId);
                Some(address(body).zip(id).map(|(address, id)| Self::Closed(address, id)))
            }
            kind::DRAINED => Some(Some(Self::Drained)),
            _ => None,
        })
    }
}

impl FromMaster {
    pub(crate) fn encode(self) -> Encoded {
        match self {
            Self::Welcome(welcome) => {
                let mut message = Encoded::new(kind::WELCOME);
                message.put(&[welcome.id, welcome.count]);
                message.put(&welcome.port.to_le_bytes());
                message.put(&welcome.shutdown_timeout_ms.to_le_bytes());
                message.put(&[welcome.handoff.into(), 0]);
                message.put(&welcome.listeners.to_le_bytes());
                message
            }
            Self::Adopt(address) => Encoded::of_address(kind::ADOPT, address),
            Self::Inherit(address) => Encoded::of_address(kind::INHERIT, address),
            Self::Drain => Encoded::new(kind::DRAIN),
            Self::Forget => Encoded::new(kind::FORGET),
            Self::Signal(number) => {
                let mut message = Encoded::new(kind::SIGNAL);
                message.put(&[number]);
                message
            }
        }
    }

    pub(crate) fn decode(datagram: &[u8]) -> Decoded<Self> {
        decode(datagram, |kind, body| match kind {
            kind::WELCOME => Some(welcome(body).map(Self::Welcome)),
            kind::SIGNAL => Some(bytes::<1>(body, 0).map(|[number]| Self::Signal(number))),
            kind::ADOPT => Some(address(body).map(Self::Adopt)),
            kind::DRAIN => Some(Some(Self::Drain)),
            kind::FORGET => Some(Some(Self::Forget)),
            kind::INHERIT => Some(address(body).map(Self::Inherit)),
            _ => None,
        })
    }
}

/// `known` gives `None` for a kind it does not know, and `Some(None)` for a body that makes no sense.
fn decode<T>(datagram: &[u8], known: impl FnOnce(u8, &[u8]) -> Option<Option<T>>) -> Decoded<T> {
    let Some([magic, version, kind, _]) = bytes::<HEADER>(datagram, 0) else { return Decoded::Malformed };
    if magic != MAGIC || version == 0 {
        return Decoded::Malformed;
    }
    match known(kind, datagram.get(HEADER..).unwrap_or_default()) {
        Some(Some(message)) => Decoded::Message(message),
        None if version > VERSION => Decoded::Unknown,
        Some(None) | None => Decoded::Malformed,
    }
}

fn bytes<const N: usize>(body: &[u8], from: usize) -> Option<[u8; N]> {
    body.get(from..from + N)?.try_into().ok()
}

fn address(body: &[u8]) -> Option<SocketAddr> {
    let [family, _] = bytes(body, 0)?;
    let port = u16::from_le_bytes(bytes(body, 2)?);
    let ip: [u8; 16] = bytes(body, 4)?;
    let scope = u32::from_le_bytes(bytes(body, 20)?);
    match family {
        4 => Some(SocketAddr::new(IpAddr::from(bytes::<4>(&ip, 0)?), port)),
        6 => Some(SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(ip), port, 0, scope))),
        _ => None,
    }
}

fn welcome(body: &[u8]) -> Option<Welcome> {
    let [id, count] = bytes(body, 0)?;
    let port = u16::from_le_bytes(bytes(body, 2)?);
    let shutdown_timeout_ms = u32::from_le_bytes(bytes(body, 4)?);
    let [handoff, _] = bytes(body, 8)?;
    let listeners = u16::from_le_bytes(bytes(body, 10)?);
    let handoff = handoff != 0;
    (id < count && port != 0).then_some(Welcome { id, count, port, shutdown_timeout_ms, handoff, listeners })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELCOME: Welcome =
        Welcome { id: 0, count: 1, port: 65535, shutdown_timeout_ms: u32::MAX, handoff: true, listeners: 0 };

    fn samples() -> Vec<FromWorker> {
        let v4 = "127.0.0.1:3000".parse().unwrap();
        let v6 = SocketAddr::V6(SocketAddrV6::new("fe80::1".parse().unwrap(), 1, 0, 7));
        vec![
            FromWorker::Born,
            FromWorker::Joined,
            FromWorker::Listening(v4),
            FromWorker::Listening(v6),
            FromWorker::BindFailed(v6, libc::EADDRINUSE),
            FromWorker::Unguarded(libc::EAGAIN),
            FromWorker::Closed(v6, ListenerId(u64::MAX)),
            FromWorker::Drained,
        ]
    }

    #[test]
    fn what_a_worker_sends_arrives() {
        for message in samples() {
            assert_eq!(FromWorker::decode(message.encode().bytes()), Decoded::Message(message));
        }
    }

    #[test]
    fn what_the_master_sends_arrives() {
        let mut welcome = WELCOME;
        (welcome.id, welcome.count, welcome.listeners) = (254, 255, 513);
        let address = "[::1]:3000".parse().unwrap();
        let others = [FromMaster::Signal(64), FromMaster::Adopt(address), FromMaster::Drain, FromMaster::Forget];
        let others = others.into_iter().chain([FromMaster::Inherit(address)]);
        for message in [FromMaster::Welcome(welcome)].into_iter().chain(others) {
            assert_eq!(FromMaster::decode(message.encode().bytes()), Decoded::Message(message));
        }
    }

    #[test]
    fn every_shorter_message_is_malformed_contract_7_3() {
        for message in samples() {
            let encoded = message.encode();
            for length in 0..encoded.bytes().len() {
                assert_eq!(FromWorker::decode(&encoded.bytes()[..length]), Decoded::Malformed, "{message:?} {length}");
            }
        }
    }

    #[test]
    fn a_newer_library_may_say_more() {
        let mut longer = FromWorker::Joined.encode().bytes().to_vec();
        longer.extend([1, 2, 3]);
        assert_eq!(FromWorker::decode(&longer), Decoded::Message(FromWorker::Joined));
        assert_eq!(FromWorker::decode(&[MAGIC, VERSION + 1, 200, 0]), Decoded::Unknown);
        assert_eq!(FromWorker::decode(&[MAGIC, VERSION, 200, 0]), Decoded::Malformed);
    }

    #[test]
    fn nonsense_is_malformed_contract_7_3() {
        let mut family = FromWorker::Listening("1.2.3.4:5".parse().unwrap()).encode().bytes().to_vec();
        family[HEADER] = 5;
        assert_eq!(FromWorker::decode(&family), Decoded::Malformed);
        assert_eq!(FromWorker::decode(b"GET / HTTP/1.1\r\n"), Decoded::Malformed);
        let strange = Welcome { id: 3, count: 3, ..WELCOME };
        assert_eq!(FromMaster::decode(FromMaster::Welcome(strange).encode().bytes()), Decoded::Malformed);
    }
}
