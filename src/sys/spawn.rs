//! Making a worker's process: `clone`, a few system calls in the child, `execveat` of a held image.
//!
//! Between `clone` and `exec` the child shares nothing with the parent but runs with a copy of its memory, in which
//! other threads may have held any lock: it makes bare system calls on things prepared before, and nothing else.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::limits::DescriptorLimit;
use super::pidfd::PidFd;
use super::process::{self, Pid};
use super::signals::{self, Blocked};
use super::{dispositions, errno, fd};

/// What a new process is made from. All of it is borrowed: the child gets a copy.
pub(crate) struct Command<'a> {
    pub(crate) image: BorrowedFd<'a>,
    pub(crate) arguments: &'a [CString],
    pub(crate) environment: &'a [CString],
    pub(crate) directory: Option<BorrowedFd<'a>>,
    /// Becomes stdin.
    pub(crate) stdin: BorrowedFd<'a>,
    /// The one descriptor beside stdin, stdout and stderr that the program inherits, under the same number.
    pub(crate) inherited: BorrowedFd<'a>,
    pub(crate) descriptor_limit: DescriptorLimit,
}

/// A process just made, in which the program may not run yet.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: Pid,
    pub(crate) pidfd: PidFd,
    /// At its end once the program runs or the child has died; before that it may bring why `exec` failed.
    pub(crate) exec_report: OwnedFd,
}

/// Makes the process. Returns as soon as it exists; whether the program runs in it comes through `exec_report`.
pub(crate) fn spawn(command: &Command<'_>) -> io::Result<Child> {
    let (report_read, report_write) = fd::pipe()?;
    let arguments = pointers(command.arguments);
    let environment = pointers(command.environment);
    // A signal that hits the child before exec would run the master's handlers there, and those write to the master's
    // eventfd.
    let blocked = Blocked::all()?;
    match clone_process()? {
        Cloned::Child => become_program(command, &arguments, &environment, report_write.as_raw_fd()),
        Cloned::Parent(pid, pidfd) => {
            drop(blocked);
            Ok(Child { pid, pidfd, exec_report: report_read })
        }
    }
}

/// The errno that the child could not run the program for, if it said so. It never blocks: a child that the program
/// forked in the meantime may hold the other end for ever.
pub(crate) fn read_exec_report(report: &OwnedFd) -> Option<i32> {
    let mut bytes = [0u8; size_of::<i32>()];
    // SAFETY: the buffer is writable for its length.
    let count = unsafe { libc::syscall(libc::SYS_read, report.as_raw_fd(), bytes.as_mut_ptr(), bytes.len()) };
    (usize::try_from(count) == Ok(bytes.len())).then(|| i32::from_ne_bytes(bytes))
}

enum Cloned {
    Child,
    Parent(Pid, PidFd),
}

/// `clone` with a pidfd made in the same step, so that not even a `waitpid(-1)` of the program's can come between.
fn clone_process() -> io::Result<Cloned> {
    let mut pidfd: RawFd = -1;
    let flags = libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: without CLONE_VM the child has its own copy of memory and returns here as after fork; a NULL stack
    // means the same stack; `pidfd` is valid for the write. The last two arguments (in either architecture's order)
    // are unused.
    let result = unsafe {
        libc::syscall(libc::SYS_clone, flags as libc::c_long, std::ptr::null::<u8>(), &raw mut pidfd, 0usize, 0usize)
    };
    match result {
        0 => Ok(Cloned::Child),
        // Valgrind and older sandboxes know only the plain form.
        -1 if [libc::EINVAL, libc::ENOSYS].contains(&errno()) => fork_and_open(),
        -1 => Err(io::Error::last_os_error()),
        pid => {
            let pid = i32::try_from(pid).ok().and_then(Pid::new).ok_or(io::ErrorKind::InvalidData)?;
            // SAFETY: CLONE_PIDFD has just made this descriptor, close-on-exec, for us.
            parent(pid, PidFd::from_owned(unsafe { OwnedFd::from_raw_fd(pidfd) }))
        }
    }
}

fn fork_and_open() -> io::Result<Cloned> {
    // SAFETY: the child goes on as after clone, with system calls only.
    match unsafe { libc::fork() } {
        0 => Ok(Cloned::Child),
        raw => match Pid::new(raw) {
            Some(pid) => parent(pid, PidFd::open(pid)),
            None => Err(io::Error::last_os_error()),
        },
    }
}

/// A child that we could not watch must not live.
fn parent(pid: Pid, pidfd: io::Result<PidFd>) -> io::Result<Cloned> {
    pidfd.map(|pidfd| Cloned::Parent(pid, pidfd)).inspect_err(|_| {
        // SAFETY: numbers only; the child is ours and not reaped yet.
        unsafe {
            libc::kill(pid.raw(), libc::SIGKILL);
            while libc::waitpid(pid.raw(), std::ptr::null_mut(), 0) == -1 && errno() == libc::EINTR {}
        }
    })
}

/// The child's way to the program. Signal-safe throughout.
fn become_program(
    command: &Command<'_>,
    arguments: &[*const libc::c_char],
    environment: &[*const libc::c_char],
    report: RawFd,
) -> ! {
    // First the handlers, then the mask: what is pending must not run a handler of the master's.
    dispositions::reset_all();
    signals::unblock_all();
    process::wake_when_parent_ends();
    command.descriptor_limit.apply_signal_safe();
    // SAFETY: system calls on numbers and terminated strings prepared before the clone.
    unsafe {
        libc::setsid();
        libc::dup2(command.stdin.as_raw_fd(), libc::STDIN_FILENO);
        if let Some(directory) = command.directory {
            // Where that is not permitted any more, the program runs where the master is: better than not at all.
            libc::fchdir(directory.as_raw_fd());
        }
        // Without its channel it would be no worker.
        if libc::fcntl(command.inherited.as_raw_fd(), libc::F_SETFD, 0) == 0 {
            libc::syscall(
                libc::SYS_execveat,
                command.image.as_raw_fd(),
                c"".as_ptr(),
                arguments.as_ptr(),
                environment.as_ptr(),
                libc::AT_EMPTY_PATH,
            );
        }
        let error = errno();
        libc::syscall(libc::SYS_write, report, &raw const error, size_of::<i32>());
    }
    process::exit_now(127)
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
}
