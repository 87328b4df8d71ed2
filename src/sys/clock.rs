//! Two clocks: one that only goes forward, for every decision, and the calendar's, for `start_time` alone.

use std::time::Duration;

fn read(clock: libc::clockid_t) -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is valid for writes; both clocks exist on every supported kernel, so the call cannot fail.
    unsafe { libc::clock_gettime(clock, &mut now) };
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// `CLOCK_MONOTONIC`. Signal-safe (clock_gettime is in signal-safety(7)).
pub(crate) fn monotonic() -> Duration {
    read(libc::CLOCK_MONOTONIC)
}

/// `CLOCK_MONOTONIC` as of the last tick: some milliseconds behind, and much cheaper. Signal-safe.
#[cfg(feature = "assist")]
pub(crate) fn coarse() -> Duration {
    read(libc::CLOCK_MONOTONIC_COARSE)
}

/// As system calls want it.
#[cfg(feature = "assist")]
pub(crate) fn timespec(time: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: libc::c_long::from(time.subsec_nanos() as i32),
    }
}

/// Sleeps for some time, or for less if a signal comes. Signal-safe, and no cancellation point: the bare call.
#[cfg(feature = "assist")]
pub(crate) fn rest(time: Duration) {
    let _errno = super::KeepErrno::new();
    let time = timespec(time);
    // SAFETY: `time` is valid for reads, and what is left of it is not asked for.
    unsafe { libc::syscall(libc::SYS_nanosleep, &raw const time, std::ptr::null_mut::<libc::timespec>()) };
}

/// Time since 1970. Signal-safe.
pub(crate) fn calendar() -> Duration {
    read(libc::CLOCK_REALTIME)
}
