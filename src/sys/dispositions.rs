//! What happens when a signal comes: taken over for the life of a master, and given back.

use std::cell::UnsafeCell;
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};

use super::check;

/// A signal handler with all that the kernel tells it.
pub(crate) type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

const SIGNALS: usize = 65;

/// What was there before the library's own handlers, for the handlers themselves to read.
static EARLIER: [Earlier; SIGNALS] = [const { Earlier::none() }; SIGNALS];

struct Earlier {
    known: AtomicBool,
    action: UnsafeCell<MaybeUninit<libc::sigaction>>,
}

// SAFETY: an action is written by the one thread that installs a handler, before that handler can run, and only read
// as long as it is installed.
unsafe impl Sync for Earlier {}

impl Earlier {
    const fn none() -> Self {
        Self { known: AtomicBool::new(false), action: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    fn note(&self, action: libc::sigaction) {
        // SAFETY: see the Sync implementation: nobody reads it now.
        unsafe { (*self.action.get()).write(action) };
        self.known.store(true, Ordering::Release);
    }

    fn get(&self) -> Option<libc::sigaction> {
        // SAFETY: it was written before it became known.
        self.known.load(Ordering::Acquire).then(|| unsafe { (*self.action.get()).assume_init() })
    }
}

/// Whether every handler that the program has installed lets interrupted system calls go on (SA_RESTART). Signal-safe.
#[cfg(feature = "assist")]
pub(crate) fn all_handlers_restart() -> bool {
    (1..SIGNALS as i32).all(|number| {
        let Ok(action) = current(number) else { return true };
        let is_handler = action.sa_sigaction != libc::SIG_DFL && action.sa_sigaction != libc::SIG_IGN;
        !is_handler || action.sa_flags & libc::SA_RESTART != 0
    })
}

/// Whether this handler is what a signal runs now.
pub(crate) fn is_installed(number: i32, handler: Handler) -> bool {
    current(number).is_ok_and(|action| action.sa_sigaction == handler as *const () as libc::sighandler_t)
}

/// Whether a signal does what it does by default.
pub(crate) fn is_default(number: i32) -> bool {
    current(number).is_ok_and(|action| action.sa_sigaction == libc::SIG_DFL)
}

/// A disposition of the library's that gives way to the earlier one when this is dropped, unless the program has put
/// one of its own there in the meantime.
pub(crate) struct Installed {
    number: i32,
    ours: libc::sighandler_t,
    before: libc::sigaction,
}

impl Installed {
    /// Installs a handler with SA_RESTART and SA_ONSTACK (a Go runtime in the program needs the latter). Its mask is
    /// that of the earlier one, which it may have to call.
    pub(crate) fn handler(number: i32, handler: Handler) -> io::Result<Self> {
        let before = current(number)?;
        if let Some(earlier) = earlier_of(number) {
            earlier.note(before);
        }
        let flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        Self::replace(number, before, handler as *const () as libc::sighandler_t, flags)
    }

    /// Makes SIGCHLD leave zombies to be waited for, if it does not: it may be ignored, or have SA_NOCLDWAIT.
    pub(crate) fn keep_children_waitable() -> io::Result<Option<Self>> {
        let now = current(libc::SIGCHLD)?;
        if now.sa_sigaction == libc::SIG_IGN {
            return Self::replace(libc::SIGCHLD, now, libc::SIG_DFL, 0).map(Some);
        }
        if now.sa_flags & libc::SA_NOCLDWAIT != 0 {
            let flags = now.sa_flags & !libc::SA_NOCLDWAIT;
            return Self::replace(libc::SIGCHLD, now, now.sa_sigaction, flags).map(Some);
        }
        Ok(None)
    }

    fn replace(number: i32, before: libc::sigaction, ours: libc::sighandler_t, flags: libc::c_int) -> io::Result<Self> {
        let mut action = before;
        action.sa_sigaction = ours;
        action.sa_flags = flags;
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

/// Does what would have been done without the library's handler, in that handler. For a child that the program forked
/// without exec: it has inherited the handler, but no part in the cluster. Signal-safe.
pub(crate) fn as_before(number: i32) {
    if let Some(before) = earlier_of(number).and_then(Earlier::get) {
        // SAFETY: the kernel gave us this action earlier. The signal is blocked until the handler returns, and comes
        // then.
        unsafe {
            libc::sigaction(number, &before, std::ptr::null_mut());
            libc::raise(number);
        }
    }
}

/// Calls the handler that was there before, if there was one. Signal-safe if that is.
pub(crate) fn call_earlier(number: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(before) = earlier_of(number).and_then(Earlier::get) else { return };
    let function = before.sa_sigaction;
    if function == libc::SIG_DFL || function == libc::SIG_IGN {
        return;
    }
    // SAFETY: it was installed as a function; with SA_SIGINFO it takes three arguments, and one otherwise.
    unsafe {
        if before.sa_flags & libc::SA_SIGINFO != 0 {
            std::mem::transmute::<libc::sighandler_t, Handler>(function)(number, info, context);
        } else {
            std::mem::transmute::<libc::sighandler_t, extern "C" fn(libc::c_int)>(function)(number);
        }
    }
}

/// Every disposition back to the default, but an ignored SIGPIPE stays ignored. For a new process before exec, with
/// bare system calls: the C library's sigaction may take a lock, which another thread may have held at the time of
/// the clone.
pub(crate) fn reset_all() {
    for number in 1..=64 {
        let mut now = KernelAction::default();
        let default = KernelAction::default();
        // SAFETY: both are as the kernel wants them, with a mask of eight bytes; numbers that cannot be changed are
        // refused.
        unsafe {
            let get = libc::syscall(
                libc::SYS_rt_sigaction,
                number,
                std::ptr::null::<KernelAction>(),
                &raw mut now,
                size_of::<u64>(),
            );
            if get == 0 && number == libc::SIGPIPE && now.handler == libc::SIG_IGN {
                continue;
            }
            libc::syscall(
                libc::SYS_rt_sigaction,
                number,
                &raw const default,
                std::ptr::null_mut::<KernelAction>(),
                size_of::<u64>(),
            );
        }
    }
}

/// The kernel's own layout, the same on x86_64 and aarch64. All zeros is the default.
#[derive(Default)]
#[repr(C)]
struct KernelAction {
    handler: usize,
    flags: libc::c_ulong,
    restorer: usize,
    mask: u64,
}

fn earlier_of(number: i32) -> Option<&'static Earlier> {
    EARLIER.get(usize::try_from(number).ok()?)
}

fn current(number: i32) -> io::Result<libc::sigaction> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: with NULL for the new action the call only writes the present one.
    check(unsafe { libc::sigaction(number, std::ptr::null(), action.as_mut_ptr()) }.into())?;
    // SAFETY: the call has filled it.
    Ok(unsafe { action.assume_init() })
}
