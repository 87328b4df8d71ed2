//! What this process knows of its descriptors, by number: which are listeners, connections, epoll sets.
//!
//! The assisted calls look here first, so it is a look-up without a lock, and signal-safe: pages of entries, made when
//! the first descriptor of their range is noted and never given back. A descriptor's number may come to mean something else
//! behind the library's back (a bare `close`): what matters is checked by the socket's cookie before anything is done to it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use super::connection::Connection;
use super::state;
use crate::wire::ListenerId;

const ENTRIES_PER_PAGE: usize = 256;
/// Room for as many descriptors as Linux lets a process have unless told otherwise (fs.nr_open); those above are not assisted.
pub(super) const PAGES: usize = 4096;

/// What a number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing that the library cares for.
    Other,
    /// A TCP socket that the program listens on.
    Listener,
    /// A connection accepted from a listener.
    Connection,
    /// An epoll set that the program waits for through the assisted calls.
    EpollSet,
}

const OTHER: u32 = 0;
const LISTENER: u32 = 1;
const CONNECTION: u32 = 2;
const EPOLL_SET: u32 = 3;

/// What is known of one number. All zeros: nothing. What each request touches lies at the beginning: two cache lines of its
/// connection's entry, of five.
#[repr(C, align(64))]
pub(crate) struct Entry {
    kind: AtomicU32,
    /// Of a connection: the process (see `children`) that has used it last. Of an epoll set: the one that has waited for it first.
    pub(crate) generation: AtomicU32,
    pub(crate) connection: Connection,
    /// The socket's cookie.
    pub(crate) cookie: AtomicU64,
    /// Of a listener: whether the program believes it to be non-blocking, whether it has shut it down (see `owned`). Of an epoll set:
    /// whether its loop has heard of the drain.
    pub(crate) flags: AtomicU32,
    /// Of a listener: where it listens, and its inode.
    listener: [AtomicU64; 4],
}

pub(super) struct Page([Entry; ENTRIES_PER_PAGE]);

/// The highest number ever noted; -1 if none was.
static HIGHEST: AtomicI32 = AtomicI32::new(-1);

impl Entry {
    pub(crate) fn kind(&self) -> Kind {
        match self.kind.load(Ordering::Acquire) {
            LISTENER => Kind::Listener,
            CONNECTION => Kind::Connection,
            EPOLL_SET => Kind::EpollSet,
            _ => Kind::Other,
        }
    }

    pub(crate) fn set_kind(&self, kind: Kind) {
        let number = match kind {
            Kind::Other => OTHER,
            Kind::Listener => LISTENER,
            Kind::Connection => CONNECTION,
            Kind::EpollSet => EPOLL_SET,
        };
        self.kind.store(number, Ordering::Release);
    }

    pub(crate) fn note_listener(&self, address: SocketAddr, id: ListenerId) {
        let scope = match address {
            SocketAddr::V4(_) => 0,
            SocketAddr::V6(v6) => v6.scope_id(),
        };
        let (family, ip) = match address.ip() {
            IpAddr::V4(v4) => (4u64, u128::from(u32::from(v4))),
            IpAddr::V6(v6) => (6, u128::from(v6)),
        };
        let head = family | u64::from(address.port()) << 8 | u64::from(scope) << 32;
        for (place, word) in self.listener.iter().zip([head, ip as u64, (ip >> 64) as u64, id.0]) {
            place.store(word, Ordering::Release);
        }
    }

    pub(crate) fn listener(&self) -> Option<(SocketAddr, ListenerId)> {
        let [head, low, high, inode] =
            [0, 1, 2, 3].map(|index| self.listener.get(index).map_or(0, |word| word.load(Ordering::Acquire)));
        let port = (head >> 8) as u16;
        let ip = u128::from(low) | u128::from(high) << 64;
        let address = match head as u8 {
            4 => SocketAddr::new(IpAddr::V4(Ipv4Addr::from(low as u32)), port),
            6 => SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(ip), port, 0, (head >> 32) as u32)),
            _ => return None,
        };
        Some((address, ListenerId(inode)))
    }
}

/// The entry of a number, if its page has been made.
#[inline]
pub(crate) fn entry(fd: RawFd) -> Option<&'static Entry> {
    let index = usize::try_from(fd).ok()?;
    let page = state::directory().get(index / ENTRIES_PER_PAGE)?.load(Ordering::Acquire);
    // SAFETY: a page is made whole before its address is stored, and lives as long as the process.
    let page = unsafe { page.as_ref()? };
    page.0.get(index % ENTRIES_PER_PAGE)
}

/// The entry of a number, if it is known to be of this kind.
#[inline]
pub(crate) fn entry_of(fd: RawFd, kind: Kind) -> Option<&'static Entry> {
    entry(fd).filter(|entry| entry.kind() == kind)
}

/// The entry of a number that is about to be noted. `None`: the number is too high, or there is no memory.
pub(crate) fn make_entry(fd: RawFd) -> Option<&'static Entry> {
    let index = usize::try_from(fd).ok()?;
    let place = state::directory().get(index / ENTRIES_PER_PAGE)?;
    if place.load(Ordering::Acquire).is_null() {
        let page = map_page()?;
        if place.compare_exchange(std::ptr::null_mut(), page, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // Another thread was faster.
            // SAFETY: mapped above, and seen by nobody.
            unsafe { libc::munmap(page.cast(), size_of::<Page>()) };
        }
    }
    HIGHEST.fetch_max(fd, Ordering::AcqRel);
    entry(fd)
}

/// Every number of a kind that has been noted.
pub(crate) fn each(kind: Kind) -> impl Iterator<Item = (RawFd, &'static Entry)> {
    let highest = HIGHEST.load(Ordering::Acquire);
    (0..=highest).filter_map(move |fd| Some((fd, entry_of(fd, kind)?)))
}

/// Zeroed memory from the kernel: malloc may not be called in a signal handler.
fn map_page() -> Option<*mut Page> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new anonymous mapping touches nothing that exists.
    let memory = unsafe {
        libc::mmap(std::ptr::null_mut(), size_of::<Page>(), protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
    };
    // All zeros are a valid page: atomics, each "nothing". A mapping is aligned to more than an entry needs.
    (memory != libc::MAP_FAILED).then_some(memory.cast())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_noted_and_found() {
        // Numbers that no other test's descriptors have.
        for fd in [200_000, 200_255, 200_256, 900_000] {
            assert!(entry_of(fd, Kind::Connection).is_none());
            make_entry(fd).unwrap().set_kind(Kind::Connection);
            assert!(entry_of(fd, Kind::Connection).is_some());
            assert!(entry_of(fd, Kind::Listener).is_none());
        }
        let noted: Vec<RawFd> = each(Kind::Connection).map(|(fd, _)| fd).collect();
        assert!([200_000, 200_255, 200_256, 900_000].iter().all(|fd| noted.contains(fd)));
        for fd in [200_000, 200_255, 200_256, 900_000] {
            entry(fd).unwrap().set_kind(Kind::Other);
            assert!(entry_of(fd, Kind::Connection).is_none());
        }
    }

    #[test]
    fn listeners_addresses_are_kept_whole() {
        let entry = make_entry(300_000).unwrap();
        for text in ["127.0.0.2:65535", "0.0.0.0:1", "[::]:80", "[fe80::1:2%7]:3000"] {
            let address: SocketAddr = text.parse().unwrap();
            entry.note_listener(address, ListenerId(u64::MAX - 1));
            assert_eq!(entry.listener(), Some((address, ListenerId(u64::MAX - 1))));
        }
    }

    #[test]
    fn impossible_numbers_are_nothing() {
        for fd in [-1, RawFd::MIN, RawFd::MAX] {
            assert!(entry(fd).is_none());
            assert!(make_entry(fd).is_none());
        }
    }
}
