//! Every system call that a master makes, and the errors that it can give in truth: those of its manual page, and those of a
//! sandbox (EPERM, ENOSYS).

use nix::libc::*;

/// An error of a call.
#[derive(Debug, Clone, Copy)]
pub struct Error {
    /// The errno; for the clock, milliseconds.
    pub number: i64,
    /// It can come often, but not every time for ever: that would be another kernel.
    pub comes_singly: bool,
    /// It can come once in a run: afterwards nothing is as it was.
    pub once_only: bool,
}

/// A call.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// Its name, as the seam (c-tests/faults/seam.c) has it; "child." is before what a new process does until it executes the program.
    pub name: &'static str,
    /// What it can give.
    pub errors: &'static [Error],
    /// It is made only where other calls fail: their plan, and how often it is made then.
    pub behind: Option<(&'static str, u64)>,
}

const fn always(errno: i32) -> Error {
    Error { number: errno as i64, comes_singly: false, once_only: false }
}

const fn singly(errno: i32) -> Error {
    Error { number: errno as i64, comes_singly: true, once_only: false }
}

const fn once(errno: i32) -> Error {
    Error { number: errno as i64, comes_singly: true, once_only: true }
}

const fn jump(milliseconds: i64) -> Error {
    Error { number: milliseconds, comes_singly: true, once_only: true }
}

const fn point(name: &'static str, errors: &'static [Error]) -> Point {
    Point { name, errors, behind: None }
}

const NO_DESCRIPTOR: &[Error] = &[always(EMFILE), always(ENFILE), always(ENOMEM)];
const DIFFERENT_FILE: &[Error] =
    &[always(EMFILE), always(ENFILE), always(ENOMEM), always(EACCES), always(ENOENT), singly(EINTR)];
// 38 is ENOSYS, 24 EMFILE, 13 EACCES.
const NO_CLONE: (&str, u64) = ("clone:38:1:0", 5);
const NO_PIDFD: (&str, u64) = ("clone:38:1:0,pidfd_open:24:3:2", 2);
const NO_EXEC: (&str, u64) = ("child.execveat:13:3:2", 2);

/// All of them.
pub const POINTS: &[Point] = &[
    point(
        "socket",
        &[always(EMFILE), always(ENFILE), always(ENOBUFS), always(ENOMEM), always(EAFNOSUPPORT), always(EACCES)],
    ),
    point("setsockopt", &[always(ENOMEM), always(ENOBUFS), always(EPERM)]),
    point("getsockopt", &[always(ENOMEM), always(ENOBUFS), always(EPERM)]),
    point("getsockname", &[always(ENOBUFS), always(EPERM)]),
    point("bind", &[always(EACCES), always(EADDRINUSE), always(EADDRNOTAVAIL), always(ENOMEM)]),
    point("close", &[always(EINTR), always(EIO)]),
    point("getrlimit", &[always(EPERM)]),
    point("setrlimit", &[always(EPERM)]),
    point("opendir", DIFFERENT_FILE),
    point("readdir64", &[always(ENOENT)]),
    point("open", DIFFERENT_FILE),
    point("open64", DIFFERENT_FILE),
    point("statx", &[always(ENOMEM), always(EACCES), always(ENOENT), always(ENOSYS)]),
    point("stat64", &[always(ENOMEM), always(EACCES), always(ENOENT)]),
    point("lseek64", &[always(ESPIPE)]),
    point("readlink", &[always(ENOMEM), always(EACCES), always(ENOENT)]),
    point("getcwd", &[always(ENOMEM), always(ENOENT)]),
    point("fstat", &[always(ENOMEM)]),
    point("fstat64", &[always(ENOMEM)]),
    point("eventfd", NO_DESCRIPTOR),
    point("epoll_create1", NO_DESCRIPTOR),
    point("epoll_ctl.add", &[always(ENOMEM), always(ENOSPC)]),
    point("epoll_ctl.del", &[always(ENOMEM)]),
    point("epoll_ctl.mod", &[always(ENOMEM)]),
    // EBADF: the program has closed the set.
    point("epoll_pwait", &[singly(EINTR), always(EBADF)]),
    point("ppoll", &[singly(EINTR), always(ENOMEM)]),
    point("sigaction", &[always(EPERM)]),
    point("pthread_sigmask", &[always(EPERM)]),
    point("sigpending", &[always(EPERM)]),
    point("sigtimedwait", &[always(EAGAIN), singly(EINTR)]),
    point("sched_getaffinity", &[always(EPERM)]),
    point("read", &[singly(EINTR), always(EIO), always(ENOMEM)]),
    point("write", &[singly(EINTR), always(EAGAIN), always(EPIPE), always(EIO), always(ENOSPC)]),
    point("pipe2", NO_DESCRIPTOR),
    point("socketpair", &[always(EMFILE), always(ENFILE), always(ENOMEM), always(ENOBUFS)]),
    point(
        "sendmsg",
        &[
            always(EAGAIN),
            always(ENOBUFS),
            always(ENOMEM),
            always(ETOOMANYREFS),
            singly(EINTR),
            always(EPIPE),
            always(ECONNRESET),
        ],
    ),
    // Not ECONNRESET: that is told only where the worker has closed its end.
    point("recvmsg", &[singly(EINTR), singly(EAGAIN), always(ENOMEM), always(ENOBUFS)]),
    point("fcntl.dup", &[always(EMFILE), always(EINVAL)]),
    point("fcntl.setfd", &[always(EPERM)]),
    point("fcntl.flags", &[always(EPERM)]),
    // EINVAL and ENOSYS: an emulator or an old sandbox; then fork is used.
    point("clone", &[always(EAGAIN), always(ENOMEM), always(EPERM), always(EINVAL), always(ENOSYS)]),
    Point { behind: Some(NO_CLONE), ..point("fork", &[always(EAGAIN), always(ENOMEM), always(EPERM)]) },
    Point { behind: Some(NO_PIDFD), ..point("waitpid", &[singly(EINTR), once(ECHILD)]) },
    point(
        "pidfd_open",
        &[always(EMFILE), always(ENFILE), always(ENOMEM), always(ENODEV), always(EPERM), always(ENOSYS)],
    ),
    // EPERM: the worker has another user by now.
    point("pidfd_send_signal", &[always(EPERM), once(ESRCH)]),
    // ECHILD: somebody else has taken the status, or SIGCHLD is ignored.
    point("waitid", &[singly(EINTR), always(ECHILD)]),
    point("getsid", &[always(EPERM)]),
    point("clock_nanosleep", &[singly(EINTR)]),
    point("clock", &[jump(50), jump(1_000), jump(60_000), jump(86_400_000)]),
    point("child.rt_sigaction", &[always(EINVAL)]),
    point("child.sigprocmask", &[always(EPERM)]),
    point("child.prctl", &[always(EPERM)]),
    point("child.setrlimit", &[always(EPERM)]),
    point("child.setsid", &[always(EPERM)]),
    point("child.fcntl.flags", &[always(EPERM)]),
    point("child.dup3", &[always(EMFILE), singly(EINTR), singly(EBUSY)]),
    point("child.fchdir", &[always(EACCES), always(ENOENT), always(EIO)]),
    point("child.fcntl.setfd", &[always(EPERM)]),
    point(
        "child.execveat",
        &[
            always(EACCES),
            always(EAGAIN),
            always(E2BIG),
            always(EIO),
            always(EMFILE),
            always(ENFILE),
            always(ENOENT),
            always(ENOEXEC),
            always(ENOMEM),
            always(ENOSYS),
            always(EPERM),
            always(ETXTBSY),
        ],
    ),
    Point { behind: Some(NO_EXEC), ..point("child.write", &[singly(EINTR), always(EIO)]) },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_call_has_an_error() {
        let mut names: Vec<_> = POINTS.iter().map(|point| point.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), POINTS.len());
        assert!(POINTS.iter().all(|point| !point.errors.is_empty()));
    }
}
