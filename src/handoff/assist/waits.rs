//! How a program waits: for epoll sets, with poll, with select.

use std::os::raw::c_int;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::listeners::fail;
use crate::handoff::table::{self, Kind};
use crate::handoff::{children, drain, gate, helper, is_handed_over, owned};
use crate::sys::signals::Blocked;
use crate::sys::{KeepErrno, clock, direct, raw};

/// epoll_wait(2).
///
/// # Safety
/// As for epoll_wait(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn epoll_wait(
    set: c_int,
    events: *mut libc::epoll_event,
    room: c_int,
    timeout_ms: c_int,
) -> c_int {
    // The kernel has less to do without a mask; the library may need one in a drain.
    let wait = |timeout_ms, mask: *const libc::sigset_t| match mask.is_null() {
        true => direct::epoll_wait(set, events, room, timeout_ms),
        false => direct::epoll_pwait(set, events, room, timeout_ms, mask),
    };
    // SAFETY: the caller's promise.
    unsafe { wait_for(set, events, timeout_ms, std::ptr::null(), wait) }
}

/// epoll_pwait(2).
///
/// # Safety
/// As for epoll_pwait(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn epoll_pwait(
    set: c_int,
    events: *mut libc::epoll_event,
    room: c_int,
    timeout_ms: c_int,
    mask: *const libc::sigset_t,
) -> c_int {
    let wait = |timeout_ms, mask| direct::epoll_pwait(set, events, room, timeout_ms, mask);
    // SAFETY: the caller's promise.
    unsafe { wait_for(set, events, timeout_ms, mask, wait) }
}

/// # Safety
/// `events` must have room for as many as `wait` may give.
#[inline(always)]
unsafe fn wait_for(
    set: c_int,
    events: *mut libc::epoll_event,
    timeout_ms: c_int,
    mask: *const libc::sigset_t,
    wait: impl Fn(c_int, *const libc::sigset_t) -> c_int,
) -> c_int {
    // What most loops do most of the time: nothing has to be remembered for the time after the wait.
    let is_usual = timeout_ms <= 0 && is_known(set) && helper::is_quiet();
    let result = if is_usual { wait(timeout_ms, mask) } else { 0 };
    if is_usual && (result < 0 || helper::is_quiet()) {
        return result;
    }
    // SAFETY: the caller's promise; the kernel has filled so many.
    unsafe { wait_for_otherwise(set, events, is_usual.then_some(result), timeout_ms, mask, wait) }
}

/// Away from the usual case, whose few instructions are to lie together. `result`: of a wait that is over.
///
/// # Safety
/// As for [`wait_for`], and `events` must be valid for `result` events.
#[inline(never)]
unsafe fn wait_for_otherwise(
    set: c_int,
    events: *mut libc::epoll_event,
    result: Option<c_int>,
    timeout_ms: c_int,
    mask: *const libc::sigset_t,
    wait: impl Fn(c_int, *const libc::sigset_t) -> c_int,
) -> c_int {
    if !is_handed_over() {
        return result.unwrap_or_else(|| wait(timeout_ms, mask));
    }
    if let Some(result) = result {
        // SAFETY: the caller's promise.
        let kept = unsafe { as_the_program_sees(set, events, result) };
        if kept > 0 || timeout_ms == 0 {
            come_if_called();
            return kept;
        }
    }
    let held_back = note_set(set);
    let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
    // SAFETY: the caller's promise: room for so many events.
    unsafe { wait_with(set, events, timeout, mask, held_back, |time, mask| wait(milliseconds(time), mask)) }
}

/// epoll_pwait2(2).
///
/// # Safety
/// As for epoll_pwait2(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn epoll_pwait2(
    set: c_int,
    events: *mut libc::epoll_event,
    room: c_int,
    timeout: *const libc::timespec,
    mask: *const libc::sigset_t,
) -> c_int {
    if !is_handed_over() {
        return raw::epoll_pwait2(set, events, room, timeout, mask);
    }
    let held_back = note_set(set);
    let wait = |time: Option<Duration>, mask| {
        let time = time.map(clock::timespec);
        raw::epoll_pwait2(set, events, room, pointer_to(time.as_ref()), mask)
    };
    // SAFETY: the caller's promise: NULL or a valid time, and room for so many events.
    unsafe { wait_with(set, events, duration_of(timeout), mask, held_back, wait) }
}

/// # Safety
/// As for [`wait_for`].
unsafe fn wait_with(
    set: c_int,
    events: *mut libc::epoll_event,
    timeout: Option<Duration>,
    mask: *const libc::sigset_t,
    mut held_back: Option<Blocked>,
    wait: impl Fn(Option<Duration>, *const libc::sigset_t) -> c_int,
) -> c_int {
    let is_timed = timeout.is_some_and(|time| !time.is_zero());
    let started = if is_timed { clock::coarse() } else { Duration::ZERO };
    loop {
        let mut look_again = None;
        if helper::is_called() {
            held_back = held_back.or_else(hold_signals_back);
            helper::come();
            look_again = helper::is_called().then_some(BETWEEN_ATTEMPTS);
        }
        let left = match timeout {
            Some(time) if is_timed => Some(time.saturating_sub(clock::coarse().saturating_sub(started))),
            other => other,
        };
        if drain::is_under_way() {
            let errno = KeepErrno::new();
            held_back = held_back.or_else(hold_signals_back);
            if drain::hears_too_late(set) {
                drop(errno);
                return fail(libc::EINTR) as c_int;
            }
            look_again = look_again.into_iter().chain(drain::look_at_set(set)).min();
        }
        let is_shortened = look_again.is_some_and(|time| left.is_none_or(|left| time < left));
        let mask = mask_of_wait(mask, held_back.as_ref());
        let result = wait(if is_shortened { look_again } else { left }, mask);
        if result < 0 || helper::is_quiet() {
            return result;
        }
        // SAFETY: the kernel has filled so many.
        let kept = unsafe { as_the_program_sees(set, events, result) };
        let is_over = (result == 0 && !is_shortened) || left.is_some_and(|left| left.is_zero());
        if kept > 0 || is_over {
            come_if_called();
            return kept;
        }
    }
}

/// How soon it is tried again to start a thread, where the system has no room for one.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(50);

/// After a wait: the program goes on to something else.
fn come_if_called() {
    if helper::is_called() {
        helper::come();
    }
}

/// A signal that comes while the library prepares a wait would be slept over: the program, whose handler has only made a
/// note, counts on the wait being interrupted. So it comes in the wait. In a drain that is no rare thing: the order to stop comes
/// just after the look that has found the last connection gone.
fn hold_signals_back() -> Option<Blocked> {
    Blocked::all_but_faults().ok()
}

/// The mask of a wait: what the program asks for, or what it has.
fn mask_of_wait(wanted: *const libc::sigset_t, held_back: Option<&Blocked>) -> *const libc::sigset_t {
    match held_back {
        Some(held_back) if wanted.is_null() => held_back.before().as_ptr(),
        _ => wanted,
    }
}

/// Takes the library's own events out of `count`, and gives how many are left; what the library has done to connections
/// looks as their clients' doing would.
///
/// # Safety
/// `events` must be valid for `count` events.
unsafe fn as_the_program_sees(set: c_int, events: *mut libc::epoll_event, count: c_int) -> c_int {
    let Some(filled) = usize::try_from(count).ok().filter(|_| !events.is_null()) else { return count };
    // SAFETY: the caller's promise.
    let events = unsafe { std::slice::from_raw_parts_mut(events, filled) };
    let kept = drain::without_marks(events);
    if drain::is_under_way() {
        drain::tell_ends_as_input(set, events.get_mut(..kept).unwrap_or_default());
    }
    c_int::try_from(kept).unwrap_or(count)
}

/// The library's own events go to the sets that the program waits for through these functions. Gives the signals that are to be
/// held back until the wait, if there was something to do.
fn note_set(set: c_int) -> Option<Blocked> {
    if is_known(set) { None } else { note_new_set(set) }
}

#[inline]
fn is_known(set: c_int) -> bool {
    table::entry_of(set, Kind::EpollSet).is_some()
}

#[cold]
fn note_new_set(set: c_int) -> Option<Blocked> {
    let _errno = KeepErrno::new();
    let held_back = hold_signals_back();
    let entry = table::make_entry(set)?;
    entry.flags.store(0, Ordering::Release);
    entry.generation.store(children::generation(), Ordering::Release);
    entry.set_kind(Kind::EpollSet);
    drain::mark(set);
    held_back
}

/// poll(2).
///
/// # Safety
/// As for poll(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn poll(entries: *mut libc::pollfd, count: libc::nfds_t, timeout_ms: c_int) -> c_int {
    let mut time = u64::try_from(timeout_ms).ok().map(|time| clock::timespec(Duration::from_millis(time)));
    // SAFETY: the caller's promise.
    unsafe { poll_with(entries, count, time.as_mut(), std::ptr::null()) }
}

/// ppoll(2).
///
/// # Safety
/// As for ppoll(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ppoll(
    entries: *mut libc::pollfd,
    count: libc::nfds_t,
    timeout: *const libc::timespec,
    mask: *const libc::sigset_t,
) -> c_int {
    // The system call writes the time that is left, the function does not.
    // SAFETY: the caller's promise: NULL or a valid time.
    let mut time = unsafe { timeout.as_ref().copied() };
    // SAFETY: the caller's promise.
    unsafe { poll_with(entries, count, time.as_mut(), mask) }
}

/// # Safety
/// As for ppoll(2).
unsafe fn poll_with(
    entries: *mut libc::pollfd,
    count: libc::nfds_t,
    timeout: Option<&mut libc::timespec>,
    mask: *const libc::sigset_t,
) -> c_int {
    let timeout = timeout.map_or(std::ptr::null_mut(), |time| &raw mut *time);
    if !is_handed_over() || !may_matter() || entries.is_null() {
        return raw::ppoll(entries, count, timeout, mask);
    }
    // SAFETY: the caller's promise.
    let all = unsafe { std::slice::from_raw_parts_mut(entries, count as usize) };
    each_listener(all.iter().map(|entry| entry.fd));
    if !gate::is_closed() {
        return raw::ppoll(entries, count, timeout, mask);
    }
    let held_back = hold_signals_back();
    let mask = mask_of_wait(mask, held_back.as_ref());
    // A negative number is passed over: nobody comes to a listener whose gate is closed.
    /// A program has a few listeners at most; further ones are polled.
    const MOST: usize = 32;
    let mut gated = [None; MOST];
    let listeners = all.iter_mut().enumerate().filter(|(_, entry)| owned::surely(entry.fd).is_some());
    for (place, (index, entry)) in gated.iter_mut().zip(listeners) {
        *place = Some((index, entry.fd));
        entry.fd = -1;
    }
    let result = raw::ppoll(all.as_mut_ptr(), count, timeout, mask);
    for (index, fd) in gated.into_iter().flatten() {
        if let Some(entry) = all.get_mut(index) {
            entry.fd = fd;
        }
    }
    result
}

/// select(2).
///
/// # Safety
/// As for select(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn select(
    count: c_int,
    read: *mut libc::fd_set,
    write: *mut libc::fd_set,
    except: *mut libc::fd_set,
    timeout: *mut libc::timeval,
) -> c_int {
    // SAFETY: the caller's promise: NULL or a valid time.
    let mut time = unsafe { timeout.as_ref() }.map(|time| {
        let microseconds = time.tv_usec;
        libc::timespec {
            tv_sec: time.tv_sec.saturating_add(microseconds / 1_000_000),
            tv_nsec: (microseconds % 1_000_000) * 1000,
        }
    });
    // SAFETY: the caller's promise.
    let result = unsafe { select_with(count, [read, write, except], time.as_mut(), std::ptr::null()) };
    // Linux tells how much is left.
    // SAFETY: as above.
    if let (Some(place), Some(left)) = (unsafe { timeout.as_mut() }, time) {
        *place = libc::timeval { tv_sec: left.tv_sec, tv_usec: left.tv_nsec / 1000 };
    }
    result
}

/// pselect(2).
///
/// # Safety
/// As for pselect(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pselect(
    count: c_int,
    read: *mut libc::fd_set,
    write: *mut libc::fd_set,
    except: *mut libc::fd_set,
    timeout: *const libc::timespec,
    mask: *const libc::sigset_t,
) -> c_int {
    // SAFETY: the caller's promise: NULL or a valid time.
    let mut time = unsafe { timeout.as_ref().copied() };
    // SAFETY: the caller's promise.
    unsafe { select_with(count, [read, write, except], time.as_mut(), mask) }
}

/// # Safety
/// As for pselect(2).
unsafe fn select_with(
    count: c_int,
    sets: [*mut libc::fd_set; 3],
    timeout: Option<&mut libc::timespec>,
    mask: *const libc::sigset_t,
) -> c_int {
    let [read, ..] = sets;
    let mut held_back = None;
    if is_handed_over() && may_matter() && !read.is_null() {
        let is_closed = gate::is_closed();
        held_back = is_closed.then(hold_signals_back).flatten();
        for fd in 0..count {
            // Programs may use larger sets than the C library's: one bit for each number, in words of 64.
            let word = read.cast::<u64>().wrapping_add((fd / 64) as usize);
            let bit = 1u64 << (fd % 64);
            // SAFETY: the caller's promise: the set has room for `count` numbers.
            let is_in = unsafe { *word } & bit != 0;
            if let Some(entry) = table::entry_of(fd, Kind::Listener).filter(|_| is_in) {
                helper::stay();
                owned::waits_in_a_loop(entry);
                if is_closed && owned::surely(fd).is_some() {
                    // SAFETY: as above.
                    unsafe { *word &= !bit };
                }
            }
        }
    }
    let timeout = timeout.map_or(std::ptr::null_mut(), |time| &raw mut *time);
    raw::pselect(count, sets, timeout, mask_of_wait(mask, held_back.as_ref()))
}

/// Whether a listener among what poll or select waits for would matter: the program believes that it blocks, its gate is closed,
/// or the program has come from an event loop, and cannot be called any more.
fn may_matter() -> bool {
    owned::may_be_polled() || helper::is_away()
}

fn each_listener(descriptors: impl Iterator<Item = c_int>) {
    for entry in descriptors.filter_map(|fd| table::entry_of(fd, Kind::Listener)) {
        helper::stay();
        owned::waits_in_a_loop(entry);
    }
}

/// What programs compiled with _FORTIFY_SOURCE call where the compiler does not know the size.
///
/// # Safety
/// As for poll(2).
#[cfg(target_env = "gnu")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __poll_chk(
    entries: *mut libc::pollfd,
    count: libc::nfds_t,
    timeout_ms: c_int,
    room: usize,
) -> c_int {
    super::transfers::fortify(count as usize <= room / size_of::<libc::pollfd>());
    // SAFETY: the caller's promise.
    unsafe { poll(entries, count, timeout_ms) }
}

/// What programs compiled with _FORTIFY_SOURCE call.
///
/// # Safety
/// As for ppoll(2).
#[cfg(target_env = "gnu")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __ppoll_chk(
    entries: *mut libc::pollfd,
    count: libc::nfds_t,
    timeout: *const libc::timespec,
    mask: *const libc::sigset_t,
    room: usize,
) -> c_int {
    super::transfers::fortify(count as usize <= room / size_of::<libc::pollfd>());
    // SAFETY: the caller's promise.
    unsafe { ppoll(entries, count, timeout, mask) }
}

/// Rounded up: a look that comes too early would come again and again.
fn milliseconds(time: Option<Duration>) -> c_int {
    time.map_or(-1, |time| c_int::try_from(time.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX))
}

/// # Safety
/// The pointer must be NULL or valid.
unsafe fn duration_of(time: *const libc::timespec) -> Option<Duration> {
    // SAFETY: the caller's promise.
    let time = unsafe { time.as_ref() }?;
    Some(Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0)))
}

fn pointer_to(time: Option<&libc::timespec>) -> *const libc::timespec {
    time.map_or(std::ptr::null(), |time| &raw const *time)
}
