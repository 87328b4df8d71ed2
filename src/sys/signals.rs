//! Signal numbers, masks and dispositions.

use std::io;
use std::mem::MaybeUninit;

use super::check;

/// The numbers that the C library keeps for itself (its thread cancellation and its setuid broadcast).
const RESERVED: [i32; 2] = [32, 33];

/// A signal number that a program may send: 1 to 64, without 32 and 33.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Signal(u8);

impl Signal {
    pub(crate) const INT: Self = Self(libc::SIGINT as u8);
    pub(crate) const KILL: Self = Self(libc::SIGKILL as u8);
    pub(crate) const TERM: Self = Self(libc::SIGTERM as u8);

    pub(crate) fn new(number: i32) -> Option<Self> {
        if RESERVED.contains(&number) || !(1..=64).contains(&number) {
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

    fn all() -> Self {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigfillset initializes the set.
        unsafe {
            libc::sigfillset(set.as_mut_ptr());
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

/// Every signal blocked on the calling thread for as long as this lives.
pub(crate) struct AllBlocked(SignalSet);

impl AllBlocked {
    pub(crate) fn new() -> io::Result<Self> {
        let before = SignalSet::blocked_now()?;
        // SAFETY: the set is initialized.
        match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, SignalSet::all().as_ptr(), std::ptr::null_mut()) } {
            0 => Ok(Self(before)),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

impl Drop for AllBlocked {
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

/// Every disposition back to the default, but an ignored SIGPIPE stays ignored. Signal-safe; for a new process only.
pub(crate) fn reset_dispositions() {
    for number in 1..=64 {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: a zeroed sigaction is valid (default handler, no flags, empty mask); numbers that cannot be changed
        // (SIGKILL, SIGSTOP, the C library's own) are refused and left alone.
        unsafe {
            if number == libc::SIGPIPE
                && libc::sigaction(number, std::ptr::null(), action.as_mut_ptr()) == 0
                && (*action.as_ptr()).sa_sigaction == libc::SIG_IGN
            {
                continue;
            }
            let default = MaybeUninit::<libc::sigaction>::zeroed();
            libc::sigaction(number, default.as_ptr(), std::ptr::null_mut());
        }
    }
}

/// A signal handler, as C has it.
pub(crate) type Handler = extern "C" fn(libc::c_int);

/// A disposition of the library's that gives way to the earlier one when this is dropped, unless the program has put one of
/// its own there in the meantime.
pub(crate) struct Installed {
    number: i32,
    ours: libc::sighandler_t,
    before: libc::sigaction,
}

impl Installed {
    /// Installs a handler with SA_RESTART and SA_ONSTACK (a Go or Rust runtime in the program needs the latter).
    pub(crate) fn handler(number: i32, handler: Handler) -> io::Result<Self> {
        Self::replace(number, handler as *const () as libc::sighandler_t, libc::SA_RESTART | libc::SA_ONSTACK)
    }

    /// Makes SIGCHLD leave zombies to be waited for, if it does not: it may be ignored, or have SA_NOCLDWAIT.
    pub(crate) fn keep_children_waitable() -> io::Result<Option<Self>> {
        let now = current(libc::SIGCHLD)?;
        if now.sa_sigaction == libc::SIG_IGN {
            return Self::replace(libc::SIGCHLD, libc::SIG_DFL, 0).map(Some);
        }
        if now.sa_flags & libc::SA_NOCLDWAIT != 0 {
            let flags = now.sa_flags & !libc::SA_NOCLDWAIT;
            return Self::replace_with_mask(libc::SIGCHLD, now.sa_sigaction, flags, now.sa_mask).map(Some);
        }
        Ok(None)
    }

    /// The handler that this one took the place of, if it was a function of one argument.
    pub(crate) fn earlier_handler(&self) -> Option<libc::sighandler_t> {
        let earlier = self.before.sa_sigaction;
        let function = earlier != libc::SIG_DFL && earlier != libc::SIG_IGN;
        (function && self.before.sa_flags & libc::SA_SIGINFO == 0).then_some(earlier)
    }

    fn replace(number: i32, ours: libc::sighandler_t, flags: libc::c_int) -> io::Result<Self> {
        Self::replace_with_mask(number, ours, flags, SignalSet::of(&[]).0)
    }

    fn replace_with_mask(
        number: i32,
        ours: libc::sighandler_t,
        flags: libc::c_int,
        mask: libc::sigset_t,
    ) -> io::Result<Self> {
        let before = current(number)?;
        let mut action = before;
        action.sa_sigaction = ours;
        action.sa_flags = flags;
        action.sa_mask = mask;
        // SAFETY: the action is initialized, and its handler is a function of the right type or one of SIG_*.
        check(unsafe { libc::sigaction(number, &action, std::ptr::null_mut()) }.into())?;
        Ok(Self { number, ours, before })
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        if current(self.number).is_ok_and(|now| now.sa_sigaction == self.ours) {
            // SAFETY: the kernel gave us this action earlier.
            unsafe { libc::sigaction(self.number, &self.before, std::ptr::null_mut()) };
        }
    }
}

/// Calls a handler that [`Installed::earlier_handler`] gave; 0 is none. Signal-safe if the handler is.
pub(crate) fn call(handler: libc::sighandler_t, number: libc::c_int) {
    if handler != 0 {
        // SAFETY: it was installed as a handler of one argument.
        let handler: Handler = unsafe { std::mem::transmute::<libc::sighandler_t, Handler>(handler) };
        handler(number);
    }
}

fn current(number: i32) -> io::Result<libc::sigaction> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: with NULL for the new action the call only writes the present one.
    check(unsafe { libc::sigaction(number, std::ptr::null(), action.as_mut_ptr()) }.into())?;
    // SAFETY: the call has filled it.
    Ok(unsafe { action.assume_init() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signal_numbers_contract_4_3() {
        for bad in [i32::MIN, -1, 0, 32, 33, 65, 1000, i32::MAX] {
            assert_eq!(Signal::new(bad), None, "{bad}");
        }
        for good in (1..=31).chain(34..=64) {
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
