//! Signal numbers and masks.

use std::io;
use std::mem::MaybeUninit;

/// How large the kernel's signal sets are, in bytes; the C library's have room for more.
pub(crate) const MASK_SIZE: usize = 8;

/// The numbers from 32 to before this one the C library keeps for itself: for timers, for the cancellation of threads, and for what all
/// threads have to do at once. It is SIGRTMIN: glibc needs two numbers (its `internal-signals.h`), musl three (`pthread_impl.h`).
pub(crate) const FIRST_REAL_TIME: i32 = if cfg!(target_env = "musl") { 35 } else { 34 };

/// A signal number that a program may send: 1 to 31, and [`FIRST_REAL_TIME`] to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Signal(u8);

impl Signal {
    pub(crate) const INT: Self = Self(libc::SIGINT as u8);
    pub(crate) const KILL: Self = Self(libc::SIGKILL as u8);
    pub(crate) const TERM: Self = Self(libc::SIGTERM as u8);

    pub(crate) fn new(number: i32) -> Option<Self> {
        if (32..FIRST_REAL_TIME).contains(&number) || !(1..=64).contains(&number) {
            return None;
        }
        u8::try_from(number).ok().map(Self)
    }

    pub(crate) fn number(self) -> i32 {
        self.0.into()
    }

    /// This signal's place in a word of 64 bits.
    pub(crate) fn bit(self) -> u64 {
        1 << (self.0 - 1)
    }

    /// The signals whose bits are set.
    pub(crate) fn from_bits(bits: u64) -> impl Iterator<Item = Self> {
        (1..=64u8).map(Self).filter(move |signal| bits & signal.bit() != 0)
    }
}

/// A set of signals, as the kernel's masks are.
#[derive(Clone, Copy)]
pub(crate) struct SignalSet(libc::sigset_t);

impl SignalSet {
    pub(crate) fn of(numbers: &[i32]) -> Self {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initializes the set; sigaddset takes an initialized one and refuses unknown numbers.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for number in numbers {
                libc::sigaddset(set.as_mut_ptr(), *number);
            }
            Self(set.assume_init())
        }
    }

    fn all_but(numbers: &[i32]) -> Self {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigfillset initializes the set; sigdelset takes an initialized one and refuses unknown numbers.
        unsafe {
            libc::sigfillset(set.as_mut_ptr());
            for number in numbers {
                libc::sigdelset(set.as_mut_ptr(), *number);
            }
            Self(set.assume_init())
        }
    }

    /// The calling thread's mask.
    pub(crate) fn blocked_now() -> io::Result<Self> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: with NULL for the new mask the call only writes the present one.
        match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), set.as_mut_ptr()) } {
            // SAFETY: the call has filled the set.
            0 => Ok(Self(unsafe { set.assume_init() })),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    pub(crate) fn without(mut self, others: &Self) -> Self {
        for number in 1..=64 {
            // SAFETY: both sets are initialized; an unknown number gives -1 and changes nothing.
            unsafe {
                if libc::sigismember(&others.0, number) == 1 {
                    libc::sigdelset(&mut self.0, number);
                }
            }
        }
        self
    }

    pub(crate) fn as_ptr(&self) -> *const libc::sigset_t {
        &self.0
    }
}

/// What a thread brings upon itself. Blocked, these end the process at once, whatever handler there is.
#[cfg(feature = "assist")]
const FAULTS: [i32; 6] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS];

/// Signals blocked on the calling thread for as long as this lives. Signal-safe.
pub(crate) struct Blocked(SignalSet);

impl Blocked {
    /// Every signal.
    pub(crate) fn all() -> io::Result<Self> {
        Self::block(&SignalSet::all_but(&[]))
    }

    /// Every signal that comes from others.
    #[cfg(feature = "assist")]
    pub(crate) fn all_but_faults() -> io::Result<Self> {
        Self::block(&SignalSet::all_but(&FAULTS))
    }

    fn block(blocked: &SignalSet) -> io::Result<Self> {
        let mut before = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: the one set is initialized, the other one is written.
        match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, blocked.as_ptr(), before.as_mut_ptr()) } {
            // SAFETY: the call has filled the set.
            0 => Ok(Self(SignalSet(unsafe { before.assume_init() }))),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// The mask of the thread before.
    #[cfg(feature = "assist")]
    pub(crate) fn before(&self) -> &SignalSet {
        &self.0
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set was given by the kernel.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, self.0.as_ptr(), std::ptr::null_mut()) };
    }
}

/// An empty mask for the calling thread. Signal-safe.
pub(crate) fn unblock_all() {
    let none = SignalSet::of(&[]);
    // SAFETY: the set is initialized.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signal_numbers_contract_4_3() {
        for bad in [i32::MIN, -1, 0, 32, 33, libc::SIGRTMIN() - 1, 65, 1000, i32::MAX] {
            assert_eq!(Signal::new(bad), None, "{bad}");
        }
        for good in (1..=31).chain(libc::SIGRTMIN()..=64) {
            assert_eq!(Signal::new(good).unwrap().number(), good);
        }
    }

    #[test]
    fn bits_and_back() {
        let bits = Signal::TERM.bit() | Signal::new(64).unwrap().bit();
        let numbers: Vec<i32> = Signal::from_bits(bits).map(Signal::number).collect();
        assert_eq!(numbers, [15, 64]);
    }
}
