//! Section 2, and what section 1 says of processes without a cluster.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use crate::setup::setup;
use crate::stage::Stage;

pub(crate) fn it_starts_serves_and_stops(stage: &Stage<'_>) {
    let mut run = stage.start(setup());
    run.expect("before: idle");
    let workers = [(0, 1), (1, 2)].map(|(id, active)| {
        let start = run.expect(&format!("start {id}"));
        let worker = run.born(id);
        assert_eq!(start.worker().pid, worker.pid);
        assert_eq!(start.worker().status, "active");
        let expected = format!("total 2 active {active} crashed 0 disabled 0 shutdown no restart no restarts 0");
        assert_eq!(start.cluster(), expected);
        worker
    });
    run.expect("up: master");
    workers.iter().for_each(|worker| run.says(*worker, "listening"));
    run.are_served_by(&workers);
    assert_eq!(run.ask("cluster"), "total 2 active 2 crashed 0 disabled 0 shutdown no restart no restarts 0");
    run.signal(libc::SIGTERM);
    run.expect_all(&["exit 0 0 graceful", "exit 1 0 graceful"]);
    run.expect("end: idle");
    run.ends(0, 0);
}

pub(crate) fn what_cannot_start_leaves_nothing(stage: &Stage<'_>) {
    let taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
    let taken = (taken.local_addr().expect("it has one").port(), taken);
    let cases = [
        (setup().port(0), "port 0 cannot be listened on".to_owned()),
        (setup().port(taken.0), format!("port {} is in use", taken.0)),
        (setup().with("workers", 255).most_descriptors(100), "255 workers need".to_owned()),
    ];
    for (case, complaint) in cases {
        let is_taken = case.port == taken.0;
        let mut run = stage.start(case);
        run.expect("before: idle");
        run.expect("failed: idle");
        run.complains(&["[ERROR] ", &complaint]);
        if is_taken {
            // Somebody listens: not a worker.
            assert_eq!(run.end().code(), Some(3));
        } else {
            run.ends(3, 1);
        }
    }
}

pub(crate) fn a_port_that_workers_do_not_get_is_in_use(stage: &Stage<'_>) {
    let case = setup();
    let port = case.port;
    // On one address only: not every worker would want that one.
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a free port");
    let mut run = stage.start(case);
    let events = run.events_until("failed: idle");
    assert_eq!(events[..2], ["before: idle", "start 0"]);
    run.complains(&["[WARN] ", &port.to_string()]);
    run.complains(&[&format!("[ERROR] port {port} is in use")]);
    assert_eq!(run.end().code(), Some(3));
}

pub(crate) fn a_worker_that_runs_itself_anew_is_refused(stage: &Stage<'_>) {
    let mut run = stage.start(setup().with("workers", 1).with("early", "exec").with("respawn", "no"));
    let events = run.events_until("end: idle");
    assert_eq!(events, ["before: idle", "start 0", "exit 0 78 crash", "up: master", "end: idle"]);
    run.complains(&["[ERROR] this process was started as a worker, but its channel to the master is gone"]);
    run.ends(0, 3);
}

pub(crate) fn a_second_init_changes_nothing(stage: &Stage<'_>) {
    let mut run = stage.start(setup());
    let workers = run.up::<2>();
    let before = run.ask("cluster");
    assert_eq!(run.ask("init"), "failed: master");
    run.complains(&["[ERROR] the cluster is initialized already"]);
    for worker in workers {
        run.tell(worker, "init");
        run.says(worker, "failed: worker");
    }
    assert_eq!(run.ask("cluster"), before);
    run.are_served_by(&workers);
    run.stop(3);
}

pub(crate) fn no_number_of_workers_means_one_for_each_cpu(stage: &Stage<'_>) {
    let mut run = stage.start(setup().with("workers", 0).on_one_cpu());
    run.workers = 1;
    let [worker] = run.up();
    run.are_served_by(&[worker]);
    assert!(run.ask("cluster").starts_with("total 1 active 1 "));
    run.stop(0);
}

pub(crate) fn a_lone_worker_has_no_master(stage: &Stage<'_>) {
    let plain = setup();
    let port = plain.port.to_string();
    let mut run = stage.start(plain.more(&["--cluster-worker", "3", &port]));
    run.workers = 4;
    run.expect("before: idle");
    let worker = run.born(3);
    assert_eq!(worker.pid, run.pid());
    run.says(worker, "listening");
    run.are_served_by(&[worker]);
    run.signal(libc::SIGTERM);
    run.ends(0, 0);
}

pub(crate) fn a_workers_surroundings(stage: &Stage<'_>) {
    let mut run = stage.start(setup().variable("ECEWO_WORKER", "1").more(&["--flag", ""]));
    let workers = run.up::<2>();
    let read = |pid: u32, file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).expect("it runs");
    assert_eq!(read(run.pid(), "comm"), "ecewo:master\n");
    for worker in workers {
        assert_eq!(read(worker.pid, "comm"), format!("ecewo:worker-{}\n", worker.id));
        assert_eq!(read(worker.pid, "cmdline"), read(run.pid(), "cmdline"));
        let environment = read(worker.pid, "environ");
        assert!(environment.split('\0').any(|entry| entry == format!("ECEWO_WORKER_ID={}", worker.id)));
        assert!(!environment.split('\0').any(|entry| entry.starts_with("ECEWO_WORKER=")), "{environment:?}");
        let stat = read(worker.pid, "stat");
        let session = stat.rsplit(')').next().and_then(|rest| rest.split(' ').nth(4));
        assert_eq!(session, Some(worker.pid.to_string().as_str()), "its session: {stat}");
        let stdin = fs::read_link(format!("/proc/{}/fd/0", worker.pid)).expect("it is open");
        assert_eq!(stdin.to_str(), Some("/dev/null"));
    }
    run.stop(0);
}

pub(crate) fn an_end_before_init_is_a_crash(stage: &Stage<'_>) {
    let mut run = stage.start(setup().with("workers", 1).with("early", "exit").max_crashes(2));
    let mut events = run.events_until("end: idle");
    // Between the two processes or after them.
    events.retain(|event| event != "up: master");
    assert_eq!(events, ["before: idle", "start 0", "exit 0 0 crash", "start 0", "exit 0 0 crash", "end: idle"]);
    run.complains(&["[ERROR] Worker 0 crashed after ", " s (exit 0)"]);
    run.complains(&["[ERROR] Worker 0 crashing too fast (2 times in ", "s), disabling respawn"]);
    run.complains(&["[ERROR] No worker is left: 0 crashed, 1 disabled"]);
    run.ends(0, 4);
}

pub(crate) fn a_stop_during_init_starts_no_more_workers(stage: &Stage<'_>) {
    let mut run = stage.start(setup().with("startup-ms", 600_000));
    run.expect("before: idle");
    run.expect("start 0");
    run.born(0);
    run.signal(libc::SIGTERM);
    run.expect_all(&["up: master", "exit 0 0 graceful"]);
    run.expect("end: idle");
    run.ends(0, 0);
}

pub(crate) fn a_process_can_be_a_cluster_again(stage: &Stage<'_>) {
    let mut run = stage.start(setup().with("rounds", 2));
    let first = run.up::<2>();
    run.kill(first[1], libc::SIGKILL);
    run.expect("exit 1 137 crash");
    run.expect("start 1");
    run.born(1);
    run.order("stop");
    run.expect_all(&["exit 0 0 graceful", "exit 1 0 graceful"]);
    run.expect("end: idle");
    let workers = run.up::<2>();
    assert_eq!(run.ask("cluster"), "total 2 active 2 crashed 0 disabled 0 shutdown no restart no restarts 0");
    run.are_served_by(&workers);
    run.stop(1);
}

pub(crate) fn before_and_after_there_is_no_cluster(stage: &Stage<'_>) {
    for place in ["init", "end"] {
        let mut run = stage.start(setup().with("pause", place));
        if place == "end" {
            run.up::<2>();
            run.order("stop");
            run.events_until("end: idle");
        }
        assert_eq!(run.ask("cluster"), "none");
        assert_eq!(run.ask("worker 0"), "none");
        for request in ["restart", "signal 10", "stop"] {
            run.order(request);
        }
        run.order("go");
        if place == "end" {
            run.ends(0, 3);
        } else {
            run.up::<2>();
            run.stop(3);
        }
    }
}
