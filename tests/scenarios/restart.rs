//! Section 5.

use crate::run::{Run, Worker};
use crate::setup::setup;
use crate::stage::Stage;

/// A replacement that is made before its predecessor listens gets no socket to adopt, and opens one of its own; the predecessor's
/// goes on being a part of the port. Its queue must not wait for the replacement's replacement.
pub(crate) fn a_queue_that_nobody_adopted_does_not_wait_for_the_next_restart(stage: &Stage<'_>) {
    let is_played = (0..5).any(|_| a_replacement_opens_its_own_socket(stage));
    assert!(is_played, "five times the old worker took longer than 500 ms to listen: it was replaced before");
}

fn a_replacement_opens_its_own_socket(stage: &Stage<'_>) -> bool {
    let mut run = stage.start(setup().with("workers", 1).manual());
    let [old] = run.up();
    run.order("restart");
    let new = run.born(0);
    if !run.listens_before_anything_happens(old) {
        run.stop(0);
        return false;
    }
    run.serve(new);
    run.expect("start 0");
    run.expect("exit 0 0 graceful");
    run.order("restart");
    let newest = run.born(0);
    let visitors: Vec<_> = (0..16).map(|_| run.visit()).collect();
    for visitor in visitors {
        assert_eq!(visitor.answer().expect("an answer"), new);
    }
    // Only now that one is told to listen.
    run.serve(newest);
    run.expect("start 0");
    let exit = run.expect("exit 0 0 graceful");
    assert_eq!(exit.cluster(), "total 1 active 1 crashed 0 disabled 0 shutdown no restart no restarts 2");
    run.are_served_by(&[newest]);
    run.stop(0);
    true
}

/// The next worker of this slot takes over, and the old one ends as it should.
fn is_replaced(run: &mut Run<'_>, id: u8) -> Worker {
    run.expect(&format!("start {id}"));
    run.expect(&format!("exit {id} 0 graceful"));
    run.born(id)
}

pub(crate) fn every_worker_is_replaced_slot_by_slot(stage: &Stage<'_>) {
    let mut run = stage.start(setup());
    let mut workers = run.up::<2>();
    for (round, request) in ["SIGUSR2", "restart"].into_iter().enumerate() {
        if request == "restart" {
            run.order("restart");
        } else {
            run.signal(libc::SIGUSR2);
        }
        for id in [0, 1] {
            let (slot, restarts) = (usize::from(id), 2 * round + usize::from(id) + 1);
            let start = run.expect(&format!("start {id}"));
            let old = std::mem::replace(&mut workers[slot], run.born(id));
            assert_ne!(workers[slot], old);
            let seen = start.worker();
            assert_eq!((seen.pid, seen.status.as_str(), seen.crash_count), (workers[slot].pid, "active", 0));
            let common = "total 2 active 2 crashed 0 disabled 0 shutdown no restart";
            assert_eq!(start.cluster(), format!("{common} yes restarts {restarts}"));
            let exit = run.expect(&format!("exit {id} 0 graceful"));
            assert_eq!(exit.worker().pid, workers[slot].pid, "the statistics are those of the replacement");
            let is_going_on = if id == 0 { "yes" } else { "no" };
            assert_eq!(exit.cluster(), format!("{common} {is_going_on} restarts {restarts}"));
        }
        run.are_served_by(&workers);
    }
    run.stop(0);
}

pub(crate) fn the_old_worker_serves_until_the_new_one_is_ready(stage: &Stage<'_>) {
    // By itself: when `up` returns, the master knows that it listens.
    let mut run = stage.start(setup().with("workers", 1));
    let [old] = run.up();
    run.set_manual();
    run.order("restart");
    let new = run.born(0);
    assert_eq!(run.get(), old);
    assert_eq!(run.ask("cluster"), "total 1 active 1 crashed 0 disabled 0 shutdown no restart yes restarts 0");
    assert_eq!(run.stats(0).pid, old.pid);
    // Three requests more are one restart more.
    run.order("restart");
    run.signal(libc::SIGUSR2);
    run.order("restart");
    run.serve(new);
    run.expect("start 0");
    run.expect("exit 0 0 graceful");
    assert_eq!(run.get(), new);
    let newest = run.born(0);
    run.serve(newest);
    run.expect("start 0");
    let exit = run.expect("exit 0 0 graceful");
    assert_eq!(exit.cluster(), "total 1 active 1 crashed 0 disabled 0 shutdown no restart no restarts 2");
    run.are_served_by(&[newest]);
    run.stop(0);
}

pub(crate) fn crashed_slots_are_filled_and_empty_ones_are_not(stage: &Stage<'_>) {
    let mut run = stage.start(setup().with("workers", 3).with("respawn", "no"));
    let [zero, one, _] = run.up();
    run.kill(zero, libc::SIGKILL);
    run.expect("exit 0 137 crash");
    run.tell(one, "exit 0");
    run.expect("exit 1 0 graceful");
    run.order("restart");
    run.expect("start 0");
    let workers = [run.born(0), is_replaced(&mut run, 2)];
    run.cluster_becomes("total 3 active 2 crashed 0 disabled 0 shutdown no restart no restarts 2");
    let empty = run.stats(1);
    assert_eq!((empty.pid, empty.status.as_str()), (0, "stopping"));
    run.are_served_by(&workers);
    run.stop(1);
}

pub(crate) fn a_missing_program_leaves_the_old_workers(stage: &Stage<'_>) {
    let mut run = stage.start(setup());
    let [zero, one] = run.up();
    run.deploy(None);
    run.order("restart");
    run.complains(&["[ERROR] Graceful restart given up at worker 0", "check that the program file is there"]);
    run.cluster_becomes("total 2 active 2 crashed 0 disabled 0 shutdown no restart no restarts 0");
    run.are_served_by(&[zero, one]);
    // A crash has no need of the file either.
    run.kill(one, libc::SIGKILL);
    run.expect("exit 1 137 crash");
    run.expect("start 1");
    let one = run.born(1);
    run.says(one, "listening");
    run.are_served_by(&[zero, one]);
    run.stop(2);
}

pub(crate) fn a_replacement_that_dies_leaves_the_old_worker(stage: &Stage<'_>) {
    let mut run = stage.start(setup().with("workers", 1).manual());
    let [old] = run.up();
    run.serve(old);
    run.are_served_by(&[old]);
    run.order("restart");
    let bad = run.born(0);
    run.tell(bad, "exit 3");
    run.complains(&["[ERROR] Graceful restart given up at worker 0", "ended before it was ready (exit 3)"]);
    run.cluster_becomes("total 1 active 1 crashed 0 disabled 0 shutdown no restart no restarts 0");
    let stats = run.stats(0);
    assert_eq!((stats.pid, stats.exit_status, stats.crash_count), (old.pid, 0, 0));
    run.are_served_by(&[old]);
    // No callback has told of the other one: this is what the master tells next.
    run.order("stop");
    run.expect("exit 0 0 graceful");
    run.expect("end: idle");
    run.ends(0, 1);
}

pub(crate) fn a_hung_worker_is_killed_in_a_restart(stage: &Stage<'_>) {
    let mut run = stage.start(setup().with("workers", 1).with("shutdown-ms", 800));
    let [worker] = run.up();
    run.tell(worker, "stubborn");
    run.says(worker, "stubborn");
    run.order("restart");
    run.expect("start 0");
    let exit = run.expect("exit 0 137 graceful");
    assert_eq!(exit.cluster(), "total 1 active 1 crashed 0 disabled 0 shutdown no restart no restarts 1");
    let new = run.born(0);
    run.are_served_by(&[new]);
    run.tell(new, "exit 0");
    run.expect("exit 0 0 graceful");
    run.expect("end: idle");
    run.ends(0, 0);
}

pub(crate) fn a_shutdown_cuts_a_restart_short(stage: &Stage<'_>) {
    let mut run = stage.start(setup().with("workers", 1).manual());
    let [old] = run.up();
    run.serve(old);
    run.order("restart");
    run.born(0);
    run.signal(libc::SIGTERM);
    run.expect("exit 0 0 graceful");
    run.expect("end: idle");
    run.ends(0, 0);
}

pub(crate) fn job_workers_are_replaced(stage: &Stage<'_>) {
    let mut run = stage.start(setup().with("mode", "jobs"));
    let [zero, one] = run.up();
    run.kill(one, libc::SIGKILL);
    run.expect("exit 1 137 crash");
    run.expect("start 1");
    let one = [one, run.born(1)];
    run.order("restart");
    let workers = [is_replaced(&mut run, 0), is_replaced(&mut run, 1)];
    assert!(!workers.contains(&zero) && !workers.contains(&one[1]), "{workers:?}");
    run.cluster_becomes("total 2 active 2 crashed 0 disabled 0 shutdown no restart no restarts 3");
    run.stop(1);
}
