//! What this process has open, as /proc tells. Signal-safe: buffers on the stack, bare system calls.

use std::ffi::CStr;
use std::os::fd::RawFd;

use super::KeepErrno;

/// Calls `see` with every open descriptor and what it stands for: a path, `socket:[7]`, `anon_inode:[eventpoll]`; of a
/// long path the beginning.
pub(crate) fn each(mut see: impl FnMut(RawFd, &[u8])) {
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
            if let Some(fd) = decimal(name) {
                let mut target = [0u8; 32];
                see(fd, stands_for(fd, &mut target));
            }
        });
    }
}

/// Whether a socket is open under another number than this one.
#[cfg(feature = "assist")]
pub(crate) fn has_socket(inode: u64, except: RawFd) -> bool {
    let mut is_there = false;
    each_number_of(inode, |fd| is_there |= fd != except);
    is_there
}

/// Calls `see` with every number under which a socket is open.
#[cfg(feature = "assist")]
pub(crate) fn each_number_of(inode: u64, mut see: impl FnMut(RawFd)) {
    each(|fd, target| {
        let number = target.strip_prefix(b"socket:[").and_then(|rest| rest.strip_suffix(b"]"));
        if number.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()) == Some(inode) {
            see(fd);
        }
    });
}

/// Calls `see` with every number under which a socket is open.
#[cfg(not(feature = "assist"))]
pub(crate) fn each_socket(mut see: impl FnMut(RawFd)) {
    each(|fd, target| {
        if target.starts_with(b"socket:[") {
            see(fd);
        }
    });
}

/// A decimal number.
pub(crate) fn decimal(digits: &[u8]) -> Option<RawFd> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// What the kernel tells of a descriptor.
pub(crate) fn open_info(fd: RawFd) -> Option<Reading> {
    let mut path = Path::new();
    path.put(b"/proc/self/fdinfo/").put_number(fd);
    CStr::from_bytes_until_nul(&path.bytes).ok().and_then(|path| Reading::open(path, 0))
}

fn stands_for(fd: RawFd, target: &mut [u8]) -> &[u8] {
    let mut path = Path::new();
    path.put(b"/proc/self/fd/").put_number(fd);
    // SAFETY: the path ends with a zero byte, the buffer is writable for its length.
    let count = unsafe {
        libc::syscall(libc::SYS_readlinkat, libc::AT_FDCWD, path.bytes.as_ptr(), target.as_mut_ptr(), target.len())
    };
    usize::try_from(count).ok().and_then(|count| target.get(..count)).unwrap_or_default()
}

/// A file open for reading.
pub(crate) struct Reading(libc::c_long);

impl Reading {
    pub(super) fn open(path: &CStr, flags: libc::c_int) -> Option<Self> {
        let flags = libc::O_RDONLY | libc::O_CLOEXEC | flags;
        // SAFETY: the path is a terminated string.
        let fd = unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0) };
        (fd >= 0).then_some(Self(fd))
    }

    /// Reads what fits. `None`: there is no more.
    pub(crate) fn read(&self, room: &mut [u8]) -> Option<usize> {
        // SAFETY: `room` is writable for its length.
        let count = unsafe { libc::syscall(libc::SYS_read, self.0, room.as_mut_ptr(), room.len()) };
        usize::try_from(count).ok().filter(|count| *count > 0)
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
}

#[cfg(all(test, feature = "assist"))]
mod tests {
    use super::*;
    use crate::sys::fd::FileIdentity;
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;

    #[test]
    fn duplicates_of_a_socket_are_found_contract_6_1() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let inode = FileIdentity::of(listener.as_raw_fd()).unwrap().inode();
        assert!(!has_socket(inode, listener.as_raw_fd()));
        assert!(has_socket(inode, -1));
        let copy = listener.try_clone().unwrap();
        assert!(has_socket(inode, listener.as_raw_fd()));
        drop(listener);
        assert!(!has_socket(inode, copy.as_raw_fd()));
    }
}
