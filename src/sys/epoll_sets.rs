//! The program's own epoll sets, as /proc tells of them: which there are, and what is registered in each with which
//! events and data. Signal-safe: buffers on the stack, bare system calls.

use std::os::fd::RawFd;

use super::{KeepErrno, open_files};

/// One descriptor's place in an epoll set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Registration {
    pub(crate) set: RawFd,
    pub(crate) target: RawFd,
    pub(crate) events: u32,
    pub(crate) data: u64,
    /// Of the file that was registered, which the target's number may not mean any more. 0 if the kernel does not tell.
    pub(crate) inode: u64,
}

impl Registration {
    /// Registers another descriptor in the same way. False if the kernel refuses.
    pub(crate) fn repeat(self, target: RawFd) -> bool {
        control(self.set, libc::EPOLL_CTL_ADD, target, self.events, self.data)
    }

    /// Reports again what is ready already, to sets that are told once only (EPOLLET).
    #[cfg(feature = "assist")]
    pub(crate) fn refresh(self) {
        control(self.set, libc::EPOLL_CTL_MOD, self.target, self.events, self.data);
    }
}

/// Adds a descriptor. False if the kernel refuses.
#[cfg(feature = "assist")]
pub(crate) fn add(set: RawFd, target: RawFd, events: u32, data: u64) -> bool {
    control(set, libc::EPOLL_CTL_ADD, target, events, data)
}

/// Takes a descriptor out. False if it was not in.
pub(crate) fn remove(set: RawFd, target: RawFd) -> bool {
    control(set, libc::EPOLL_CTL_DEL, target, 0, 0)
}

fn control(set: RawFd, operation: libc::c_int, target: RawFd, events: u32, data: u64) -> bool {
    let mut event = libc::epoll_event { events, u64: data };
    // SAFETY: `event` is valid for the call.
    unsafe { libc::syscall(libc::SYS_epoll_ctl, set, operation, target, &raw mut event) == 0 }
}

/// Calls `see` with every epoll set that this process has open.
pub(crate) fn each_set(mut see: impl FnMut(RawFd)) {
    open_files::each(|fd, target| {
        if target == b"anon_inode:[eventpoll]" {
            see(fd);
        }
    });
}

/// Calls `see` with everything that is registered in an epoll set. False if that cannot be found out.
pub(crate) fn each_registration(set: RawFd, mut see: impl FnMut(Registration)) -> bool {
    let _errno = KeepErrno::new();
    let Some(file) = open_files::open_info(set) else { return false };
    let mut buffer = [0u8; 4096];
    let mut used = 0;
    while let Some(room) = buffer.get_mut(used..).filter(|room| !room.is_empty()) {
        let Some(count) = file.read(room) else { break };
        used += count;
        let mut taken = 0;
        while let Some(line) = buffer.get(taken..used).and_then(first_line) {
            if let Some(registration) = parse(set, line) {
                see(registration);
            }
            taken += line.len() + 1;
        }
        buffer.copy_within(taken..used, 0);
        used -= taken;
    }
    true
}

/// Every place of a file, by inode, in any of this process's sets.
pub(crate) fn each_place_of(inode: u64, mut see: impl FnMut(Registration)) {
    each_set(|set| {
        each_registration(set, |place| {
            if place.inode == inode {
                see(place);
            }
        });
    });
}

/// Every place of a file, by inode and number, in any of this process's sets.
pub(crate) fn each_place(target: RawFd, inode: u64, mut see: impl FnMut(Registration)) {
    each_set(|set| {
        each_registration(set, |place| {
            if place.target == target && (place.inode == inode || place.inode == 0) {
                see(place);
            }
        });
    });
}

fn first_line(text: &[u8]) -> Option<&[u8]> {
    text.iter().position(|byte| *byte == b'\n').and_then(|end| text.get(..end))
}

/// `tfd:        5 events:       19 data:                5  pos:0 ino:1c15f8 sdev:8`; events, data and ino in hexadecimal.
fn parse(set: RawFd, line: &[u8]) -> Option<Registration> {
    let mut words = line.split(|byte| *byte == b' ' || *byte == b'\t').filter(|word| !word.is_empty());
    if words.next()? != b"tfd:" {
        return None;
    }
    let target = open_files::decimal(words.next()?)?;
    let (mut events, mut data, mut inode) = (None, None, None);
    while let Some(word) = words.next() {
        match word {
            b"events:" => events = hexadecimal(words.next()?),
            b"data:" => data = hexadecimal(words.next()?),
            _ => inode = inode.or_else(|| word.strip_prefix(b"ino:").and_then(hexadecimal)),
        }
    }
    Some(Registration { set, target, events: u32::try_from(events?).ok()?, data: data?, inode: inode.unwrap_or(0) })
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok()?;
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(all(test, feature = "assist"))]
mod tests {
    use super::*;
    use crate::sys::fd::{self, FileIdentity};
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

    fn epoll() -> OwnedFd {
        // SAFETY: a new descriptor of our own.
        unsafe { OwnedFd::from_raw_fd(libc::epoll_create1(libc::EPOLL_CLOEXEC)) }
    }

    #[test]
    fn registrations_are_found_contract_6_3() {
        let set = epoll();
        let events: Vec<OwnedFd> = (0..300).map(|_| fd::eventfd().unwrap()).collect();
        for (index, event) in events.iter().enumerate() {
            assert!(add(
                set.as_raw_fd(),
                event.as_raw_fd(),
                libc::EPOLLIN as u32 | libc::EPOLLET as u32,
                u64::MAX - index as u64
            ));
        }
        let mut found = Vec::new();
        assert!(each_registration(set.as_raw_fd(), |place| found.push(place)));
        assert_eq!(found.len(), events.len());
        for (index, event) in events.iter().enumerate() {
            let place = found.iter().find(|place| place.target == event.as_raw_fd()).unwrap();
            // The kernel adds what it always reports.
            let always = (libc::EPOLLERR | libc::EPOLLHUP) as u32;
            assert_eq!(place.events, libc::EPOLLIN as u32 | libc::EPOLLET as u32 | always);
            assert_eq!(place.data, u64::MAX - index as u64);
            assert_eq!(place.inode, FileIdentity::of(event.as_raw_fd()).unwrap().inode());
        }
        assert!(remove(set.as_raw_fd(), events[7].as_raw_fd()));
        assert!(!remove(set.as_raw_fd(), events[7].as_raw_fd()));
        assert!(found[7].repeat(events[7].as_raw_fd()));
    }

    #[test]
    fn sets_are_found_among_other_descriptors() {
        let (a, other, b) = (epoll(), fd::eventfd().unwrap(), epoll());
        let mut found = Vec::new();
        each_set(|set| found.push(set));
        assert!(found.contains(&a.as_raw_fd()) && found.contains(&b.as_raw_fd()));
        assert!(!found.contains(&other.as_raw_fd()));
    }

    #[test]
    fn lines_that_are_no_registrations() {
        for line in [&b"pos:\t0"[..], b"", b"tfd:", b"tfd: x events: 1 data: 1", b"tfd: 5 events: 1", b"flags:\t02"] {
            assert_eq!(parse(3, line), None);
        }
        let old_kernel = parse(3, b"tfd:        5 events:       19 data:        ffffffffffffffff").unwrap();
        assert_eq!((old_kernel.target, old_kernel.events, old_kernel.data, old_kernel.inode), (5, 0x19, u64::MAX, 0));
    }
}
