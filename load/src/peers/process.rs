//! What the kernel tells about processes.

use std::fs;
use std::time::Duration;

use crate::processes::pids;

/// A process, and what tells it from a later one with the same pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its pid.
    pub pid: u32,
    /// Its start, in ticks since the machine's.
    pub start: u64,
    /// Its parent.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
}

impl Process {
    /// `None` if there is none, or if it has ended and was not waited for.
    pub fn read(pid: u32) -> Option<Self> {
        Self::parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(pid: u32, stat: &str) -> Option<Self> {
        // The name before may have spaces and brackets.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<_> = rest.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        if matches!(*fields.first()?, "Z" | "X") {
            return None;
        }
        Some(Self { pid, start: number(19)?, parent: number(1)? as u32, group: number(2)? as u32 })
    }

    /// The same process, whoever is its parent by now.
    pub fn is(&self, other: &Self) -> bool {
        (self.pid, self.start) == (other.pid, other.start)
    }

    /// It has not ended.
    pub fn lives(&self) -> bool {
        Self::read(self.pid).is_some_and(|now| now.is(self))
    }

    /// Its command line has this in it.
    pub fn has_word(&self, word: &str) -> bool {
        let line = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(word)
    }

    /// Its proportional share of memory, in KiB.
    pub fn pss_kib(&self) -> Option<f64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid)).ok()?;
        number_after(&text, "Pss:")
    }

    /// How long its threads were on a processor, so far; `None` if it has ended, or the kernel does not tell.
    pub fn processor_time(&self) -> Option<Duration> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid)).ok()?;
        let times = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("schedstat")).ok());
        let times: Vec<u64> = times.filter_map(|text| text.split(' ').next()?.parse().ok()).collect();
        (!times.is_empty()).then(|| Duration::from_nanos(times.iter().sum()))
    }

    /// How often its threads waited for something, so far: each is a wake-up.
    pub fn waits(&self) -> Option<f64> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid)).ok()?;
        let status = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok());
        Some(status.filter_map(|text| number_after(&text, "voluntary_ctxt_switches:")).sum())
    }
}

/// Everything that lives.
pub fn all() -> Vec<Process> {
    pids().into_iter().filter_map(Process::read).collect()
}

/// Those right below a process. Asked often beside a load: not by a look at every process where there is another way.
pub fn children(of: u32) -> Vec<Process> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{of}/task")) else { return Vec::new() };
    let lists = tasks.map(|task| fs::read_to_string(task?.path().join("children")));
    match lists.collect::<Result<Vec<_>, _>>() {
        Ok(lists) => {
            let pids = lists.iter().flat_map(|list| list.split_whitespace()).filter_map(|pid| pid.parse().ok());
            pids.filter_map(Process::read).collect()
        }
        Err(_) => all().into_iter().filter(|process| process.parent == of).collect(),
    }
}

/// Those below a process, and those of its group.
pub fn family(of: u32) -> Vec<Process> {
    let all = all();
    let mut found: Vec<Process> =
        all.iter().copied().filter(|process| process.pid == of || process.group == of).collect();
    let mut next = 0;
    while let Some(parent) = found.get(next).map(|process| process.pid) {
        let below =
            |process: &&Process| process.parent == parent && !found.iter().any(|known| known.pid == process.pid);
        let more: Vec<_> = all.iter().filter(below).copied().collect();
        found.extend(more);
        next += 1;
    }
    found
}

fn number_after(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process() {
        let own = Process::read(std::process::id()).unwrap();
        assert!(own.lives() && family(own.pid).contains(&own));
        assert!(!Process { start: own.start + 1, ..own }.lives());
        assert!(own.pss_kib().unwrap() > 100.0 && own.waits().is_some());
        assert!(own.processor_time().unwrap() > Duration::ZERO);
    }

    #[test]
    fn names_with_brackets_and_the_dead() {
        let fields = "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0";
        let stat = |state: &str| format!("7 (a) b) {state} 5 6 {fields} 99 1");
        let read = Process::parse(7, &stat("S"));
        assert_eq!(read, Some(Process { pid: 7, start: 99, parent: 5, group: 6 }));
        assert_eq!(Process::parse(7, &stat("Z")), None);
    }
}
