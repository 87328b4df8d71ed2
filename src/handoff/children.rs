//! Processes below a worker: a program may fork its own, which accept on the worker's listeners or serve connections
//! that it has accepted.
//!
//! A fork leaves the worker's helper behind. So a child gets a thread of its own as soon as it has something to do
//! with a connection: it waits for the gate to close, and drains the child as the helper drains the worker. Which children
//! are not done is noted in memory that all of them share.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, Ordering};
use std::time::Duration;

use super::Duties;
use super::{helper, state};
use crate::sys::process::{self, Pid};
use crate::sys::{raw, thread};

/// Most children that are waited for; further ones have what is left of the worker's time.
const MOST: usize = 1024;

/// The pids of children that may have connections; 0: free.
struct Busy([AtomicI32; MOST]);

static BUSY: AtomicPtr<Busy> = AtomicPtr::new(std::ptr::null_mut());
/// Whether this child has a thread that waits for the gate.
static IS_ATTENDED: AtomicBool = AtomicBool::new(false);
/// One more with each fork on the way from the worker to this process.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The process that the tables are about.
static OWNER: AtomicI32 = AtomicI32::new(0);

/// Before `main`, in a worker.
pub(super) fn prepare() {
    OWNER.store(process::own_pid(), Ordering::Release);
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    // SAFETY: a new anonymous mapping touches nothing that exists.
    let memory = unsafe { libc::mmap(std::ptr::null_mut(), size_of::<Busy>(), protection, flags, -1, 0) };
    if memory != libc::MAP_FAILED {
        // All zeros are valid: nobody is busy.
        BUSY.store(memory.cast(), Ordering::Release);
    }
    // SAFETY: what runs in the child stores to atomics and does nothing else.
    unsafe { libc::pthread_atfork(None, Some(is_parent_now), Some(begin)) };
}

/// Runs in the parent right after a fork. The child may wait for the parent's epoll sets, and be woken in its place.
extern "C" fn is_parent_now() {
    helper::stay();
}

/// Runs in a child right after the fork.
extern "C" fn begin() {
    // Its epoll sets may be its parent's, in which the bell rings.
    state::set(state::CHILD | state::RUNG);
    state::clear(state::CALLED);
    OWNER.store(process::own_pid(), Ordering::Release);
    IS_ATTENDED.store(false, Ordering::Release);
    GENERATION.fetch_add(1, Ordering::AcqRel);
}

/// Whether this process is a child of the worker's.
#[inline]
pub(super) fn is_child() -> bool {
    state::is_any(state::CHILD)
}

/// Whether this is a child that has borrowed its parent's memory (vfork): what it does to its own descriptors must not be noted.
pub(super) fn is_borrower() -> bool {
    OWNER.load(Ordering::Acquire) != process::own_pid()
}

/// Tells what this process has used from what it has merely inherited.
#[inline]
pub(super) fn generation() -> u32 {
    GENERATION.load(Ordering::Acquire)
}

/// In a child: it has to do with connections from now on.
#[inline]
pub(super) fn attend() {
    if is_child() && !IS_ATTENDED.swap(true, Ordering::AcqRel) {
        enter();
        // Without the thread it serves as long as its worker's time lasts.
        let _ = thread::start(watch);
    }
}

/// Whether a child of the worker's may still have connections.
pub(super) fn some_are_busy() -> bool {
    let Some(busy) = busy() else { return false };
    busy.iter().any(|place| {
        let pid = place.load(Ordering::Acquire);
        let Some(pid) = Pid::new(pid) else { return false };
        if process::is_dead(pid) {
            let _ = place.compare_exchange(pid.raw(), 0, Ordering::AcqRel, Ordering::Acquire);
            return false;
        }
        true
    })
}

extern "C" fn watch(_: *mut libc::c_void) -> *mut libc::c_void {
    let mut closing = [libc::pollfd { fd: super::gate::closing_descriptor(), events: libc::POLLIN, revents: 0 }];
    while raw::ppoll(closing.as_mut_ptr(), 1, std::ptr::null_mut(), std::ptr::null()) < 1 {}
    let mut duties = Duties::new();
    duties.begin();
    while let Some(time) = duties.look(false) {
        std::thread::sleep(time.max(Duration::from_millis(1)));
    }
    leave();
    std::ptr::null_mut()
}

fn enter() {
    let own = process::own_pid();
    let free = |place: &&AtomicI32| place.compare_exchange(0, own, Ordering::AcqRel, Ordering::Acquire).is_ok();
    let _ = busy().and_then(|busy| busy.iter().find(free));
}

fn leave() {
    let own = process::own_pid();
    for place in busy().into_iter().flatten() {
        let _ = place.compare_exchange(own, 0, Ordering::AcqRel, Ordering::Acquire);
    }
}

fn busy() -> Option<&'static [AtomicI32; MOST]> {
    // SAFETY: mapped once, for the life of the process, and of its children.
    unsafe { BUSY.load(Ordering::Acquire).as_ref() }.map(|busy| &busy.0)
}

/// Whether a descriptor is readable now.
pub(super) fn is_readable(fd: RawFd) -> bool {
    let mut entry = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    raw::ppoll(&raw mut entry, 1, &raw mut now, std::ptr::null()) == 1
}
