//! Threads of the library's own in a program that knows nothing of them: detached, small, and never the one that gets a
//! signal.

use std::mem::MaybeUninit;
use std::os::fd::RawFd;

use super::signals::Blocked;

/// Room for a few small frames. The C library takes the program's thread-local data out of it, too; where that is more,
/// the default size is used.
const STACK: usize = 64 * 1024;

/// What such a thread runs. Its argument and its result are NULL.
pub(crate) type Body = extern "C" fn(*mut libc::c_void) -> *mut libc::c_void;

/// Starts a thread. The error is an errno.
pub(crate) fn start(body: Body) -> Result<(), i32> {
    // The new thread inherits the mask.
    let _blocked = Blocked::all().map_err(|error| error.raw_os_error().unwrap_or(libc::EINVAL))?;
    match create(body, Some(STACK)) {
        Err(libc::EINVAL) => create(body, None),
        other => other,
    }
}

/// Gives the calling thread a table of descriptors of its own, with these and no others; a negative number stands for none.
/// False, and nothing has changed, if the kernel refuses: before Linux 5.9 it cannot.
///
/// From then on the process's other threads are to the kernel as if they were fewer by one: a system call of a process whose one
/// thread is the only one with its descriptors takes no reference of the open file (`fdget` in the kernel's fs/file.c).
pub(crate) fn keep_descriptors<const N: usize>(mut kept: [RawFd; N]) -> bool {
    kept.sort_unstable();
    // The first call makes the copy, and leaves out what it is to close; the others close what is left, which a program that begins
    // meanwhile has open for a moment longer then.
    let mut flags = CLOSE_RANGE_UNSHARE;
    let mut first = 0;
    let numbers = kept.iter().filter_map(|fd| libc::c_uint::try_from(*fd).ok());
    for (number, is_end) in numbers.map(|number| (number, false)).chain([(libc::c_uint::MAX, true)]) {
        if number > first && !close_range(first, if is_end { number } else { number - 1 }, flags) {
            return false;
        }
        if number > first {
            flags = 0;
        }
        first = number.saturating_add(1);
    }
    true
}

/// In <linux/close_range.h>; the crate libc has it for glibc only.
const CLOSE_RANGE_UNSHARE: libc::c_uint = 2;

fn close_range(first: libc::c_uint, last: libc::c_uint, flags: libc::c_uint) -> bool {
    // SAFETY: numbers only; the caller's thread has no use for them.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) == 0 }
}

fn create(body: Body, stack: Option<usize>) -> Result<(), i32> {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut thread = MaybeUninit::<libc::pthread_t>::uninit();
    // SAFETY: the attributes are initialized before they are used, and destroyed after; the thread's function takes no
    // argument and lives as long as the process.
    let result = unsafe {
        libc::pthread_attr_init(attributes.as_mut_ptr());
        libc::pthread_attr_setdetachstate(attributes.as_mut_ptr(), libc::PTHREAD_CREATE_DETACHED);
        let sized = stack.map_or(0, |size| libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), size));
        let result = match sized {
            0 => libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), body, std::ptr::null_mut()),
            error => error,
        };
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        result
    };
    if result == 0 { Ok(()) } else { Err(result) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fd::{self, FileIdentity};
    use std::os::fd::AsRawFd;

    #[test]
    fn a_thread_may_have_descriptors_of_its_own() {
        let (kept, other) = (fd::eventfd().unwrap(), fd::pipe().unwrap());
        let (kept, [read, write]) = (kept.as_raw_fd(), [other.0.as_raw_fd(), other.1.as_raw_fd()]);
        let looked = std::thread::spawn(move || {
            let is_apart = keep_descriptors([-1, kept, -1]);
            (is_apart, [kept, read, write].map(|fd| FileIdentity::of(fd).is_some()))
        });
        let (is_apart, seen) = looked.join().unwrap();
        assert_eq!(seen, [true, !is_apart, !is_apart]);
        assert!([kept, read, write].iter().all(|fd| FileIdentity::of(*fd).is_some()), "the others' are as they were");
        drop(other.1);
        let mut buffer = [0u8; 1];
        // SAFETY: the buffer has room for one byte.
        let end = unsafe { libc::read(read, buffer.as_mut_ptr().cast(), 1) };
        assert_eq!(end, 0, "the thread has kept nobody's file open");
    }
}
