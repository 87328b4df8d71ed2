//! Processes by number: who we are, and how one ended.

use std::num::NonZeroI32;

/// A process id. Never 0 or negative, so it cannot mean a process group by mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pid(NonZeroI32);

impl Pid {
    pub(crate) fn new(raw: i32) -> Option<Self> {
        NonZeroI32::new(raw).filter(|pid| pid.get() > 0).map(Self)
    }

    pub(crate) fn raw(self) -> i32 {
        self.0.get()
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitStatus {
    Exited(i32),
    Killed(i32),
}

/// The calling process. Signal-safe.
pub(crate) fn own_pid() -> i32 {
    // SAFETY: getpid cannot fail.
    unsafe { libc::getpid() }
}

/// The parent; 0 if it is outside this pid namespace. Signal-safe.
pub(crate) fn parent_pid() -> i32 {
    // SAFETY: getppid cannot fail.
    unsafe { libc::getppid() }
}

/// The session that the calling process belongs to.
pub(crate) fn own_session() -> i32 {
    // SAFETY: 0 means the caller.
    unsafe { libc::getsid(0) }
}

/// Sends a signal to the calling process as a whole. Signal-safe.
pub(crate) fn signal_self(number: i32) {
    // SAFETY: two numbers; our own pid is always valid.
    unsafe { libc::kill(libc::getpid(), number) };
}

/// Ends the process without running its exit handlers. Signal-safe.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: does not return.
    unsafe { libc::_exit(code) }
}

/// Says something on stderr and aborts. Signal-safe.
#[cfg(all(feature = "assist", target_env = "gnu"))]
pub(crate) fn abort_now(message: &[u8]) -> ! {
    // SAFETY: the message is valid for its length; abort does not return.
    unsafe {
        libc::syscall(libc::SYS_write, libc::STDERR_FILENO, message.as_ptr(), message.len());
        libc::abort()
    }
}

/// A stopped process whose parent ends is woken, so that it can notice that. The parent's *thread* counts, and another
/// user id clears it: this is a help, not what the library relies on. Signal-safe.
pub(crate) fn wake_when_parent_ends() {
    // SAFETY: numbers only.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGCONT) };
}

/// Whether [`wake_when_parent_ends`] was called for this process, before an `exec` perhaps (which keeps it; a fork does not). No other
/// program is known to ask for SIGCONT.
pub(crate) fn wakes_when_parent_ends() -> bool {
    let mut signal: libc::c_int = 0;
    // SAFETY: the place is valid for the write.
    let result = unsafe { libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut signal) };
    result == 0 && signal == libc::SIGCONT
}

/// Whether this process leads a session, as every worker does.
pub(crate) fn leads_session() -> bool {
    own_session() == own_pid()
}

/// Whether a process has ended, reaped or not.
#[cfg(feature = "assist")]
pub(crate) fn is_dead(pid: Pid) -> bool {
    match std::fs::read_to_string(format!("/proc/{}/stat", pid.raw())) {
        // `pid (name) state …`; the name may hold anything.
        Ok(text) => text.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X'])),
        // Without /proc nothing tells a zombie from a process that lives.
        Err(error) => error.kind() == std::io::ErrorKind::NotFound && !exists(pid),
    }
}

/// Whether there is such a process, a zombie included.
#[cfg(feature = "assist")]
fn exists(pid: Pid) -> bool {
    // SAFETY: signal 0 is none; it asks only.
    let result = unsafe { libc::kill(pid.raw(), 0) };
    result == 0 || super::errno() != libc::ESRCH
}

/// Whether /proc is there: a bare chroot or a small container may be without it.
pub(crate) fn has_proc() -> bool {
    std::path::Path::new("/proc/self").exists()
}

/// Names the process's main thread, as `ps` and `top` show it; gives its earlier name. The kernel keeps 15 characters.
pub(crate) fn rename(name: &str) -> Option<String> {
    // The main thread's name whichever thread calls; /proc/self/comm would be the same file under another name.
    let path = format!("/proc/self/task/{}/comm", own_pid());
    let earlier = std::fs::read_to_string(&path).ok().map(|text| text.trim_end_matches('\n').to_owned());
    if std::fs::write(&path, name).is_err() {
        // Without /proc, prctl names the calling thread, which is the main one in nearly every program.
        let mut buffer = [0u8; 16];
        for (to, from) in buffer.iter_mut().take(15).zip(name.bytes()) {
            *to = from;
        }
        // SAFETY: a terminated string of at most 16 bytes.
        unsafe { libc::prctl(libc::PR_SET_NAME, buffer.as_ptr()) };
    }
    earlier
}
