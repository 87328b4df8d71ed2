//! What a run must have been like, whatever failed in it.

use crate::faults::Trouble;

/// What a run left to be judged.
#[derive(Debug, Clone, Default)]
pub struct Ran {
    /// The master's exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// It had to be killed, for it did not end in time.
    pub timed_out: bool,
    /// What it said on stdout and on stderr.
    pub out: String,
    /// The same for stderr.
    pub err: String,
    /// Its processes that were still there.
    pub left: Vec<u32>,
    /// How often the fault was injected.
    pub injected: u64,
    /// That fault's first place is in `cluster_init`.
    pub in_init: bool,
}

/// More processor time than the scenario needs by far.
const MOST_CPU_MS: i64 = 1500;
/// The shutdown time-out of the program is 1 s; the rest is for a busy machine.
const LONGEST_STOP_MS: i64 = 4000;

/// Everything that is wrong with it; empty: it has passed.
pub fn faults_of(trouble: &Trouble, ran: &Ran) -> Vec<String> {
    let mut faults = Vec::new();
    let mut check = |is_right: bool, what: &str| {
        if !is_right {
            faults.push(what.to_owned());
        }
    };
    let end = ran.out.lines().find(|line| line.starts_with("end ") || line.starts_with("init failed "));
    check(!ran.timed_out, "it had to be killed");
    check(ran.left.is_empty(), "processes are left");
    check(!ran.err.contains("SPINNING"), "it spins");
    check(!ran.out.contains("wait returned before"), "the master ended by itself");
    check(
        ran.err.lines().all(|line| line.starts_with("[ERROR] ") || line.starts_with("[WARN] ")),
        "a strange line on stderr",
    );
    match ran.code {
        Some(0) => check(ran.out.contains("end "), "no last line"),
        Some(3) => {
            check(ran.in_init, "cluster_init failed, and nothing had failed in it");
            check(ran.err.contains("[ERROR]") || hides_lines(trouble), "cluster_init failed without an [ERROR] line");
        }
        other => check(false, &format!("it ended with {other:?}")),
    }
    let field = |name| end.and_then(|line| field(line, name));
    check(field("descriptors") == Some(0), "a descriptor is left, or was lost");
    check(field("child") == Some(-1), "a child is left, perhaps a zombie");
    check(field("roles") == Some(0), "the functions do not answer as without a cluster");
    check(field("dispositions") == Some(1) || trouble.name() == "sigaction", "a signal handler is left");
    check(field("limit") == Some(1) || trouble.name().contains("rlimit"), "the limit of descriptors is not given back");
    check(field("cpu_ms").is_some_and(|time| time < MOST_CPU_MS), "it used much processor time");
    let stopped = ran.out.lines().find_map(|line| line.strip_prefix("stopped after ")?.split(' ').next()?.parse().ok());
    if ran.code == Some(0) {
        check(stopped.is_some_and(|time: i64| time < LONGEST_STOP_MS), "the stop took too long");
        if trouble.is_passing() {
            let late = ran.out.lines().find(|line| line.starts_with("step ") && line.contains(" late"));
            check(late.is_none(), &format!("it has not recovered: {}", late.unwrap_or_default()));
        }
    }
    faults
}

/// The fault is in what writes the lines.
fn hides_lines(trouble: &Trouble) -> bool {
    ["write", "ppoll", "pthread_sigmask"].contains(&trouble.name())
}

fn field(line: &str, name: &str) -> Option<i64> {
    let mut words = line.split(' ');
    words.find(|word| *word == name)?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Ran {
        let end = "end calls 900 cpu_ms 20 descriptors 0 child -1 dispositions 1 limit 1 roles 0\n";
        Ran {
            code: Some(0),
            out: format!("step start ok active 2 restarts 0\nstopped after 12 ms\n{end}"),
            injected: 1,
            ..Ran::default()
        }
    }

    fn once() -> Trouble {
        Trouble::Fails { point: "clone", number: 11, nth: 3, times: 1, behind: None }
    }

    #[test]
    fn whatever_is_left_is_a_fault_contract_7_2() {
        assert!(faults_of(&once(), &good()).is_empty());
        let changes = [
            ("descriptors 0", "descriptors 1"),
            ("child -1", "child 77"),
            ("dispositions 1", "dispositions 0"),
            ("limit 1", "limit 0"),
            ("roles 0", "roles 1"),
            ("cpu_ms 20", "cpu_ms 5000"),
            ("after 12", "after 6000"),
            ("start ok", "start late"),
            ("stopped", "wait returned before it was told to\nstopped"),
        ];
        for (from, to) in changes {
            let bad = Ran { out: good().out.replace(from, to), ..good() };
            assert_eq!(faults_of(&once(), &bad).len(), 1, "{to}");
        }
        let bad = [
            Ran { left: vec![7], ..good() },
            Ran { code: Some(3), err: "[ERROR] x\n".to_owned(), ..good() },
            Ran { err: "SPINNING\n".to_owned(), ..good() },
            Ran { code: None, ..good() },
            Ran { timed_out: true, ..good() },
        ];
        assert!(bad.iter().all(|ran| !faults_of(&once(), ran).is_empty()));
    }

    #[test]
    fn a_start_that_fails_must_say_why_contract_2_1() {
        let failed = Ran {
            code: Some(3),
            in_init: true,
            out: "init failed calls 50 cpu_ms 2 descriptors 0 child -1 dispositions 1 limit 1 roles 0\n".to_owned(),
            ..Ran::default()
        };
        assert_eq!(faults_of(&once(), &failed).len(), 1);
        assert!(faults_of(&once(), &Ran { err: "[ERROR] no\n".to_owned(), ..failed }).is_empty());
    }

    #[test]
    fn a_fault_for_ever_may_delay_contract_7_2() {
        let late = Ran { out: good().out.replace("start ok", "start late"), ..good() };
        let forever = Trouble::Fails { point: "clone", number: 11, nth: 3, times: 0, behind: None };
        assert!(faults_of(&forever, &late).is_empty());
    }
}
