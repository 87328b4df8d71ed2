//! Section 3.

use crate::setup::setup;
use crate::stage::Stage;

pub(crate) fn crashed_workers_come_again(stage: &Stage<'_>) {
    let mut run = stage.start(setup().max_crashes(10));
    let [mut zero, mut one] = run.up();
    let crashes = [(1, "exit 3", 3, 1), (1, "SIGKILL", 137, 2), (0, "fault", 139, 1)];
    for (restarts, (id, order, status, count)) in crashes.into_iter().enumerate() {
        let worker = if id == 0 { &mut zero } else { &mut one };
        if order == "SIGKILL" {
            run.kill(*worker, libc::SIGKILL);
        } else {
            run.tell(*worker, order);
        }
        let exit = run.expect(&format!("exit {id} {status} crash"));
        let seen = exit.worker();
        assert_eq!(
            (seen.pid, seen.status.as_str(), seen.exit_status, seen.crash_count),
            (0, "respawning", status, count)
        );
        let expected = "total 2 active 1 crashed 0 disabled 0 shutdown no restart no restarts";
        assert_eq!(exit.cluster(), format!("{expected} {restarts}"));
        let start = run.expect(&format!("start {id}"));
        let old = std::mem::replace(worker, run.born(id));
        assert_ne!(*worker, old);
        run.says(*worker, "listening");
        let seen = start.worker();
        assert_eq!((seen.pid, seen.status.as_str(), seen.exit_status), (worker.pid, "active", status));
        let expected = "total 2 active 2 crashed 0 disabled 0 shutdown no restart no restarts";
        assert_eq!(start.cluster(), format!("{expected} {}", restarts + 1));
    }
    for (id, how) in [(1, "exit 3"), (1, "signal 9"), (0, "signal 11")] {
        run.complains(&[&format!("[ERROR] Worker {id} crashed after "), &format!(" s ({how})")]);
    }
    run.are_served_by(&[zero, one]);
    run.stop(3);
}

pub(crate) fn a_graceful_end_leaves_the_slot_empty(stage: &Stage<'_>) {
    let mut run = stage.start(setup().with("respawn-ms", 1));
    let [zero, one] = run.up();
    run.tell(zero, "exit 0");
    let exit = run.expect("exit 0 0 graceful");
    assert_eq!((exit.worker().pid, exit.worker().status.as_str(), exit.worker().crash_count), (0, "stopping", 0));
    run.are_served_by(&[one]);
    run.kill(one, libc::SIGINT);
    run.expect("exit 1 130 graceful");
    run.expect("end: idle");
    run.ends(0, 0);
}

pub(crate) fn no_end_after_an_order_to_stop_is_a_crash(stage: &Stage<'_>) {
    for (term, status) in [("7", 7), ("none", 143)] {
        let mut run = stage.start(setup().with("term", term));
        run.up::<2>();
        run.order("stop");
        run.expect_all(&[&format!("exit 0 {status} graceful"), &format!("exit 1 {status} graceful")]);
        run.expect("end: idle");
        run.ends(0, 0);
    }
}

pub(crate) fn without_respawn_a_crash_is_final(stage: &Stage<'_>) {
    let mut run = stage.start(setup().with("respawn", "no"));
    let [zero, one] = run.up();
    run.kill(zero, libc::SIGKILL);
    let exit = run.expect("exit 0 137 crash");
    assert_eq!((exit.worker().pid, exit.worker().status.as_str()), (0, "crashed"));
    assert_eq!(exit.cluster(), "total 2 active 1 crashed 1 disabled 0 shutdown no restart no restarts 0");
    run.are_served_by(&[one]);
    run.tell(one, "exit 1");
    run.expect("exit 1 1 crash");
    run.expect("end: idle");
    run.complains(&["[ERROR] No worker is left: 2 crashed, 0 disabled"]);
    run.ends(0, 3);
}

pub(crate) fn a_crash_loop_disables_the_worker(stage: &Stage<'_>) {
    let mut run = stage.start(setup().max_crashes(3));
    let [mut zero, one] = run.up();
    for count in 1..=3 {
        run.tell(zero, "exit 9");
        let exit = run.expect("exit 0 9 crash");
        let status = if count < 3 { "respawning" } else { "disabled" };
        assert_eq!((exit.worker().status.as_str(), exit.worker().crash_count), (status, count));
        if count < 3 {
            run.expect("start 0");
            zero = run.born(0);
        }
    }
    run.complains(&["[ERROR] Worker 0 crashing too fast (3 times in ", "s), disabling respawn"]);
    assert_eq!(run.ask("cluster"), "total 2 active 1 crashed 0 disabled 1 shutdown no restart no restarts 2");
    run.are_served_by(&[one]);

    run.order("restart");
    let start = run.expect("start 0");
    assert_eq!((start.worker().status.as_str(), start.worker().crash_count), ("active", 0));
    zero = run.born(0);
    run.expect("start 1");
    run.expect("exit 1 0 graceful");
    run.tell(zero, "exit 9");
    let exit = run.expect("exit 0 9 crash");
    assert_eq!((exit.worker().status.as_str(), exit.worker().crash_count), ("respawning", 1));
    run.expect("start 0");
    run.born(0);
    run.stop(5);
}

pub(crate) fn a_respawn_keeps_the_image_and_a_restart_takes_the_new_one(stage: &Stage<'_>) {
    let mut run = stage.start(setup());
    let [zero, one] = run.up();
    assert_eq!(run.program_of(one), stage.program());
    run.deploy(Some(stage.next_release()));
    run.kill(zero, libc::SIGKILL);
    run.expect("exit 0 137 crash");
    run.expect("start 0");
    let again = run.born(0);
    assert_eq!(run.program_of(again), stage.program());
    run.says(again, "listening");
    run.order("restart");
    let mut replaced = Vec::new();
    for id in [0, 1] {
        run.expect(&format!("start {id}"));
        run.expect(&format!("exit {id} 0 graceful"));
        replaced.push(run.born(id));
        assert_eq!(run.program_of(replaced[usize::from(id)]), stage.next_release());
    }
    run.are_served_by(&replaced);
    run.stop(1);
}

pub(crate) fn a_callback_may_ask_for_everything(stage: &Stage<'_>) {
    let mut run = stage.start(setup().with("callback", "asks"));
    let [_, one] = run.up();
    run.kill(one, libc::SIGKILL);
    run.expect("exit 1 137 crash");
    run.expect("failed: master");
    let workers = [0, 1].map(|id| {
        run.expect(&format!("start {id}"));
        if id == 0 {
            run.expect("exit 0 0 graceful");
        }
        run.born(id)
    });
    run.cluster_becomes("total 2 active 2 crashed 0 disabled 0 shutdown no restart no restarts 2");
    run.are_served_by(&workers);
    run.stop(2);
}

pub(crate) fn a_child_of_the_program_is_left_alone(stage: &Stage<'_>) {
    let mut run = stage.start(setup());
    let workers = run.up::<2>();
    assert_eq!(run.ask("child"), "5", "the exit code of a process that the master's program has started");
    assert_eq!(run.ask("cluster"), "total 2 active 2 crashed 0 disabled 0 shutdown no restart no restarts 0");
    run.are_served_by(&workers);
    run.stop(0);
}
