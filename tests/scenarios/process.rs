//! The processes of a run: how they are started, signalled and found.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::setup::Setup;

/// The orphans of a run whose master was killed become children of this process.
pub(crate) fn adopt_orphans() {
    // SAFETY: prctl(2) with numbers only.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }, 0);
}

/// A session of its own, as a service has, no core files, and what the set-up asks for.
pub(crate) fn limit(command: &mut Command, setup: &Setup) {
    let (descriptors, is_on_one_cpu) = (setup.most_descriptors, setup.is_on_one_cpu);
    let limited = move || {
        // SAFETY: setsid(2) takes nothing.
        check(unsafe { libc::setsid() })?;
        set_limit(libc::RLIMIT_CORE, 0)?;
        if let Some(limit) = descriptors {
            set_limit(libc::RLIMIT_NOFILE, limit)?;
        }
        if is_on_one_cpu { stay_on_this_cpu() } else { Ok(()) }
    };
    // SAFETY: between fork and exec it makes system calls only, and allocates nothing.
    unsafe { command.pre_exec(limited) };
}

fn check(result: i32) -> std::io::Result<()> {
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

fn set_limit(what: libc::__rlimit_resource_t, value: u64) -> std::io::Result<()> {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: the structure is there to be read.
    check(unsafe { libc::setrlimit(what, &limit) })
}

fn stay_on_this_cpu() -> std::io::Result<()> {
    // SAFETY: the set is all zeros, which is a set; CPU_SET writes inside it; the kernel reads so many bytes.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(usize::try_from(libc::sched_getcpu()).unwrap_or(0), &mut set);
        check(libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set))
    }
}

/// A signal to a process that has this entry in its environment.
pub(crate) fn signal(pid: u32, signal: i32, entry: &str) {
    assert!(signal_if_there(pid, signal, entry), "process {pid} is not of this run, or has ended");
}

/// The same; gives whether there was such a process.
pub(crate) fn signal_if_there(pid: u32, signal: i32, entry: &str) -> bool {
    let number = i32::try_from(pid).ok().filter(|_| has(pid, entry));
    // SAFETY: kill(2) takes numbers only.
    number.is_some_and(|number| unsafe { libc::kill(number, signal) } == 0)
}

/// Kills all processes that have this entry in their environment: orphans, which are children of this process now.
pub(crate) fn end_all_with(entry: &str) {
    let all = || -> Vec<u32> {
        let entries = fs::read_dir("/proc").into_iter().flatten();
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter(|pid| has(*pid, entry)).collect()
    };
    for pid in std::iter::repeat_with(all).take(100).take_while(|left| !left.is_empty()).flatten() {
        signal_if_there(pid, libc::SIGKILL, entry);
        bury(pid);
    }
}

/// Takes what is left of a process that has become a child of this one and has ended, or is just ending.
pub(crate) fn bury(pid: u32) {
    let Ok(pid) = i32::try_from(pid) else { return };
    // SAFETY: no status is asked for. What is no child of this process is an error, and nothing happens.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
}

fn has(pid: u32, entry: &str) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|found| found == entry.as_bytes())
}
