//! The notice that it is time to stop: a descriptor that becomes readable, for programs that want to know (contract
//! 8.3). It is given when an old worker is to finish what it has, and when SIGTERM comes.
//!
//! The program gets a duplicate of one end of a pair of sockets, and the other end is shut down: so it is readable for good,
//! and nobody can take that away from others by reading.

use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use crate::role;
use crate::sys::dispositions::{self, Installed};
use crate::sys::{KeepErrno, fd, socket};

static GIVEN: AtomicBool = AtomicBool::new(false);
/// The end that is shut down; -1: nobody has asked.
static GIVER: AtomicI32 = AtomicI32::new(-1);
/// The end that programs get duplicates of.
static TAKERS: Mutex<Option<OwnedFd>> = Mutex::new(None);

/// Gives the notice, for good. Signal-safe.
pub(crate) fn give() {
    if !GIVEN.swap(true, Ordering::SeqCst) {
        socket::end_output(GIVER.load(Ordering::SeqCst));
    }
}

/// Signal-safe.
pub(crate) fn is_given() -> bool {
    GIVEN.load(Ordering::SeqCst)
}

/// Whether the program wants to know: then it ends by itself when it is done.
#[cfg(not(feature = "assist"))]
pub(crate) fn is_taken() -> bool {
    GIVER.load(Ordering::SeqCst) >= 0
}

/// A descriptor that is readable once the notice is given. From the first one on, SIGTERM gives the notice, unless the program
/// has made its own arrangements for that signal.
pub(crate) fn take() -> io::Result<OwnedFd> {
    let mut takers = TAKERS.lock().unwrap_or_else(PoisonError::into_inner);
    let end = match takers.take() {
        Some(end) => end,
        None => prepare()?,
    };
    let duplicate = fd::duplicate_from(end.as_raw_fd(), 3);
    *takers = Some(end);
    duplicate
}

fn prepare() -> io::Result<OwnedFd> {
    let (taker, giver) = socket::stream_pair()?;
    let giver = fd::duplicate_from(giver.as_raw_fd(), super::out_of_the_way()).unwrap_or(giver);
    let giver = giver.into_raw_fd();
    GIVER.store(giver, Ordering::SeqCst);
    if is_given() {
        // Perhaps by somebody who came before there was a pair.
        socket::end_output(giver);
    }
    if dispositions::is_default(libc::SIGTERM) {
        // For good: a worker's part ends with its process.
        std::mem::forget(Installed::handler(libc::SIGTERM, on_sigterm)?);
    }
    Ok(taker)
}

extern "C" fn on_sigterm(number: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    let _errno = KeepErrno::new();
    if role::is_owner() {
        give();
    } else {
        // A child that the program has forked without exec.
        dispositions::as_before(number);
    }
}

/// Waits for the notice at most until `until_ms` have passed (-1: for ever); gives whether it has come.
pub(crate) fn wait(descriptor: RawFd, timeout_ms: i32) -> bool {
    is_given() || socket::poll([descriptor], timeout_ms) != [0] || is_given()
}
