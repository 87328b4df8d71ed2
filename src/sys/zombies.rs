//! What the first process of a container has to do: reap orphans that end as its children.

use std::mem::MaybeUninit;

use super::process::{Pid, own_pid, own_session};

/// Reaps every zombie child of this process that belongs to another session than its own: those were left by workers,
/// which lead sessions of their own. Children that the program itself started share its session and are left to it.
/// `spare` says which pids are still wanted.
pub(crate) fn reap_foreign(spare: impl Fn(Pid) -> bool) {
    let (me, session) = (own_pid(), own_session());
    let Ok(entries) = std::fs::read_dir("/proc") else { return };
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::new) else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        if is_foreign_zombie(&stat, me, session) && !spare(pid) {
            reap(pid);
        }
    }
}

/// Reads proc_pid_stat(5): state, parent and session are the fields 3, 4 and 6, after the name in parentheses, which
/// may hold anything.
fn is_foreign_zombie(stat: &str, parent: i32, session: i32) -> bool {
    let Some((_, rest)) = stat.rsplit_once(')') else { return false };
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next();
    let ppid = fields.next().and_then(|field| field.parse::<i32>().ok());
    let sid = fields.nth(1).and_then(|field| field.parse::<i32>().ok());
    state == Some("Z") && ppid == Some(parent) && sid.is_some_and(|sid| sid != session)
}

fn reap(pid: Pid) {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let Ok(id) = libc::id_t::try_from(pid.raw()) else { return };
    // SAFETY: `info` is valid for writes. It is our child and a zombie, so nothing is waited for.
    unsafe { libc::waitid(libc::P_PID, id, info.as_mut_ptr(), libc::WEXITED | libc::WNOHANG) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_zombie_children_of_other_sessions_contract_3_7() {
        let stat = |state: &str, ppid: i32, sid: i32| format!("42 (a) b) {state} {ppid} 42 {sid} 0 -1");
        assert!(is_foreign_zombie(&stat("Z", 1, 42), 1, 1));
        assert!(!is_foreign_zombie(&stat("S", 1, 42), 1, 1), "alive");
        assert!(!is_foreign_zombie(&stat("Z", 7, 42), 1, 1), "another's child");
        assert!(!is_foreign_zombie(&stat("Z", 1, 1), 1, 1), "the program's own");
        assert!(!is_foreign_zombie("garbage", 1, 1));
    }
}
