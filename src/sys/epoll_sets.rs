//! The program's own epoll sets, as /proc tells of them: which there are, and what is registered in each with which
//! events and data. Signal-safe: buffers on the stack, bare system calls.

use std::os::fd::RawFd;

use super::KeepErrno;

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
    pub(crate) fn refresh(self) {
        control(self.set, libc::EPOLL_CTL_MOD, self.target, self.events, self.data);
    }
}

/// Adds a descriptor. False if the kernel refuses.
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
    let _errno = KeepErrno::new();
    let Some(directory) = Reading::open(c"/proc/self/fd", libc::O_DIRECTORY) else { return };
    let mut buffer = DirectoryBuffer([0; 4096]);
    loop {
        // SAFETY: the buffer is writable for its length.
        let count = unsafe { libc::syscall(libc::SYS_getdents64, directory.0, buffer.0.as_mut_ptr(), buffer.0.len()) };
        let Some(entries) = usize::try_from(count).ok().and_then(|count| buffer.0.get(..count)) else { return };
        if entries.is_empty() {
            return;
        }
        each_name(entries, |name| {
            if let Some(fd) = decimal(name).filter(|fd| is_epoll(*fd)) {
                see(fd);
            }
        });
    }
}

/// Calls `see` with everything that is registered in an epoll set. False if that cannot be found out.
pub(crate) fn each_registration(set: RawFd, mut see: impl FnMut(Registration)) -> bool {
    let _errno = KeepErrno::new();
    let mut path = Path::new();
    path.put(b"/proc/self/fdinfo/").put_number(set);
    let Some(file) = path.open() else { return false };
    let mut buffer = [0u8; 4096];
    let mut used = 0;
    while let Some(room) = buffer.get_mut(used..).filter(|room| !room.is_empty()) {
        // SAFETY: `room` is writable for its length.
        let count = unsafe { libc::syscall(libc::SYS_read, file.0, room.as_mut_ptr(), room.len()) };
        let Some(count) = usize::try_from(count).ok().filter(|count| *count > 0) else { break };
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
    let target = decimal(words.next()?)?;
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

fn decimal(digits: &[u8]) -> Option<RawFd> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn is_epoll(fd: RawFd) -> bool {
    let mut path = Path::new();
    path.put(b"/proc/self/fd/").put_number(fd);
    let mut target = [0u8; 32];
    // SAFETY: the path ends with a zero byte, the buffer is writable for its length.
    let count = unsafe {
        libc::syscall(libc::SYS_readlinkat, libc::AT_FDCWD, path.bytes.as_ptr(), target.as_mut_ptr(), target.len())
    };
    usize::try_from(count).ok().and_then(|count| target.get(..count)) == Some(b"anon_inode:[eventpoll]")
}

/// A file open for reading.
struct Reading(libc::c_long);

impl Reading {
    fn open(path: &std::ffi::CStr, flags: libc::c_int) -> Option<Self> {
        let flags = libc::O_RDONLY | libc::O_CLOEXEC | flags;
        // SAFETY: the path is a terminated string.
        let fd = unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0) };
        (fd >= 0).then_some(Self(fd))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // SAFETY: opened by us, used by nobody else.
        unsafe { libc::syscall(libc::SYS_close, self.0) };
    }
}

/// As getdents64 wants it.
#[repr(align(8))]
struct DirectoryBuffer([u8; 4096]);

/// Walks `linux_dirent64` entries: inode and offset (8 bytes each), length of the entry (2), type (1), name.
fn each_name(mut entries: &[u8], mut see: impl FnMut(&[u8])) {
    const LENGTH_AT: usize = 16;
    const NAME_AT: usize = 19;
    while let Some(length) = entries.get(LENGTH_AT..LENGTH_AT + 2).and_then(|bytes| bytes.try_into().ok()) {
        let length = usize::from(u16::from_ne_bytes(length));
        let Some(name) = entries.get(NAME_AT..length) else { return };
        see(name.split(|byte| *byte == 0).next().unwrap_or_default());
        entries = entries.get(length..).unwrap_or_default();
    }
}

/// A path made on the stack, ended by zero bytes.
struct Path {
    bytes: [u8; 64],
    length: usize,
}

impl Path {
    fn new() -> Self {
        Self { bytes: [0; 64], length: 0 }
    }

    fn put(&mut self, text: &[u8]) -> &mut Self {
        // The last byte stays zero.
        if let Some(place) =
            self.bytes.get_mut(self.length..self.length + text.len()).filter(|_| self.length + text.len() < 64)
        {
            place.copy_from_slice(text);
            self.length += text.len();
        }
        self
    }

    fn put_number(&mut self, number: RawFd) -> &mut Self {
        let mut digits = [0u8; 12];
        let mut rest = number.unsigned_abs();
        let mut start = digits.len();
        for place in digits.iter_mut().rev() {
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
            start -= 1;
            if rest == 0 {
                break;
            }
        }
        self.put(digits.get(start..).unwrap_or_default())
    }

    fn open(&self) -> Option<Reading> {
        std::ffi::CStr::from_bytes_until_nul(&self.bytes).ok().and_then(|path| Reading::open(path, 0))
    }
}

#[cfg(test)]
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
