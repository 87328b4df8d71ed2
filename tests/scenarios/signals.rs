//! Section 4.

use std::time::{Duration, Instant};

use crate::setup::setup;
use crate::stage::Stage;

pub(crate) fn a_hung_worker_is_killed_after_the_timeout(stage: &Stage<'_>) {
    let mut run = stage.start(setup().with("workers", 1).with("shutdown-ms", 500));
    let [worker] = run.up();
    run.tell(worker, "stubborn");
    run.says(worker, "stubborn");
    let told = Instant::now();
    run.signal(libc::SIGTERM);
    run.expect("exit 0 137 graceful");
    assert!(told.elapsed() >= Duration::from_millis(500), "killed after {:?}", told.elapsed());
    run.expect("end: idle");
    run.ends(0, 0);
}

pub(crate) fn the_second_sigint_kills(stage: &Stage<'_>) {
    let mut run = stage.start(setup().with("workers", 1).with("shutdown-ms", 600_000));
    let [worker] = run.up();
    run.tell(worker, "stubborn");
    run.says(worker, "stubborn");
    run.signal(libc::SIGINT);
    run.cluster_becomes("total 1 active 0 crashed 0 disabled 0 shutdown yes restart no restarts 0");
    assert_eq!(run.stats(0).pid, worker.pid, "it is there still");
    run.signal(libc::SIGINT);
    run.expect("exit 0 137 graceful");
    run.expect("end: idle");
    run.ends(0, 0);
}

pub(crate) fn a_signal_reaches_every_worker(stage: &Stage<'_>) {
    let mut run = stage.start(setup());
    let workers = run.up::<2>();
    run.order("signal 10");
    for worker in workers {
        run.says(worker, "got 10");
    }
    let before = run.ask("cluster");
    for bad in [0, 32, 33, 65, -1] {
        run.order(&format!("signal {bad}"));
    }
    assert_eq!(run.ask("cluster"), before);
    run.are_served_by(&workers);
    run.stop(5);
}

pub(crate) fn a_signal_waits_until_the_worker_is_ready(stage: &Stage<'_>) {
    let mut run = stage.start(setup().with("workers", 1).manual());
    let [first] = run.up();
    run.serve(first);
    run.kill(first, libc::SIGKILL);
    run.expect("exit 0 137 crash");
    run.expect("start 0");
    // It is to listen where its predecessor did.
    let worker = run.born(0);
    run.order("signal 10");
    assert_eq!(run.said(worker).len(), 1, "it is born, no more");
    run.serve(worker);
    run.says(worker, "got 10");
    let said = run.said(worker);
    assert_eq!(said[1], "about to listen", "the first after its birth, before the signal: {said:?}");
    run.are_served_by(&[worker]);
    run.stop(1);
}

pub(crate) fn sent_to_the_workers_these_signals_stop_the_cluster(stage: &Stage<'_>) {
    for (signal, status) in [(libc::SIGTERM, 0), (libc::SIGINT, 130), (libc::SIGKILL, 137)] {
        let mut run = stage.start(setup().with("respawn-ms", 1));
        run.up::<2>();
        run.order(&format!("signal {signal}"));
        run.expect_all(&[&format!("exit 0 {status} graceful"), &format!("exit 1 {status} graceful")]);
        run.expect("end: idle");
        run.ends(0, 0);
    }
}

pub(crate) fn a_stop_reaches_the_slot_that_waits_for_its_respawn(stage: &Stage<'_>) {
    let mut run = stage.start(setup().with("respawn-ms", 600_000));
    let [zero, _] = run.up();
    run.tell(zero, "exit 1");
    let exit = run.expect("exit 0 1 crash");
    assert_eq!(exit.worker().status, "respawning");
    run.order("stop");
    let exit = run.expect("exit 1 0 graceful");
    assert_eq!(exit.cluster(), "total 2 active 0 crashed 0 disabled 0 shutdown yes restart no restarts 0");
    run.expect("end: idle");
    run.ends(0, 1);
}

pub(crate) fn requests_before_the_wait_are_kept(stage: &Stage<'_>) {
    let mut run = stage.start(setup().with("pause", "wait"));
    run.up::<2>();
    run.signal(libc::SIGUSR2);
    run.order("restart");
    run.cluster_becomes("total 2 active 2 crashed 0 disabled 0 shutdown no restart yes restarts 0");
    run.order("go");
    for id in [0, 1] {
        run.expect(&format!("start {id}"));
        run.expect(&format!("exit {id} 0 graceful"));
    }
    let workers = [run.born(0), run.born(1)];
    run.cluster_becomes("total 2 active 2 crashed 0 disabled 0 shutdown no restart no restarts 2");
    run.are_served_by(&workers);
    run.stop(0);
}

pub(crate) fn no_worker_outlives_its_master(stage: &Stage<'_>) {
    let mut run = stage.start(setup().with("shutdown-ms", 500));
    let workers = run.up::<2>();
    run.tell(workers[1], "stubborn");
    run.says(workers[1], "stubborn");
    run.kill_master(&workers);
}
