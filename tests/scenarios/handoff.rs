//! Section 6, as far as one client sees it. What many see is the subject of `scripts/test-zero-loss`.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::DEADLINE;
use crate::client;
use crate::run::{Run, Worker};
use crate::setup::setup;
use crate::stage::Stage;

/// A worker that takes nobody is killed while a client waits in its queue, and its successor serves.
fn successor(run: &mut Run<'_>, worker: Worker) -> Worker {
    run.kill(worker, libc::SIGKILL);
    run.expect("exit 0 137 crash");
    run.expect("start 0");
    let successor = run.born(0);
    run.serve(successor);
    successor
}

pub(crate) fn a_queue_outlives_its_worker(stage: &Stage<'_>) {
    let mut run = stage.start(setup().with("workers", 1).manual());
    let [first] = run.up();
    run.tell(first, "listen");
    run.says(first, "listening");
    let visitor = run.visit();
    let second = successor(&mut run, first);
    assert_eq!(visitor.answer().expect("an answer"), second);
    run.stop(1);
}

pub(crate) fn the_queue_of_an_ended_slot_is_served_by_another_worker(stage: &Stage<'_>) {
    let mut run = stage.start(setup().with("respawn", "no").manual());
    let [zero, one] = run.up();
    for worker in [zero, one] {
        run.tell(worker, "listen");
        run.says(worker, "listening");
    }
    let visitors: Vec<_> = (0..16).map(|_| run.visit()).collect();
    run.tell(one, "accept");
    // It has taken its own part, and waits.
    let started = Instant::now();
    while !client::queues(run.port).contains(&0) {
        assert!(started.elapsed() < DEADLINE, "{:?} in the queues", client::queues(run.port));
        thread::sleep(Duration::from_millis(2));
    }
    run.kill(zero, libc::SIGKILL);
    run.expect("exit 0 137 crash");
    for visitor in visitors {
        match visitor.answer() {
            Ok(worker) => assert_eq!(worker, one),
            // Without the assisted calls that is a limit.
            Err(error) if cfg!(feature = "assist") => panic!("a client in the queue: {error}"),
            Err(_) => {}
        }
    }
    run.stop(1);
}

pub(crate) fn switched_off_the_queue_ends_with_its_worker(stage: &Stage<'_>) {
    let off = setup().variable("ECEWO_CLUSTER_HANDOFF", "off").with("workers", 1).manual();
    let mut run = stage.start(off);
    let [first] = run.up();
    run.tell(first, "listen");
    run.says(first, "listening");
    let visitor = run.visit();
    let second = successor(&mut run, first);
    visitor.answer().expect_err("its listener is gone");
    run.are_served_by(&[second]);

    // A restart waits until the replacement listens, as ever.
    run.order("restart");
    let third = run.born(0);
    assert_eq!(run.get(), second);
    run.serve(third);
    run.expect("start 0");
    run.expect("exit 0 0 graceful");
    run.are_served_by(&[third]);
    run.stop(1);
}

pub(crate) fn no_request_is_lost_in_a_restart(stage: &Stage<'_>) {
    let mut run = stage.start(setup());
    let old = run.up::<2>();
    let (is_over, requests, port) = (AtomicBool::new(false), AtomicUsize::new(0), run.port);
    thread::scope(|scope| {
        let ask_on = || {
            while !is_over.load(Ordering::SeqCst) {
                client::ask(port)?;
                requests.fetch_add(1, Ordering::SeqCst);
            }
            std::io::Result::Ok(())
        };
        let clients = [scope.spawn(ask_on), scope.spawn(ask_on)];
        // However this ends: they do, too.
        let _end = Always(&is_over);
        while requests.load(Ordering::SeqCst) < 5 && !clients.iter().any(|client| client.is_finished()) {
            thread::sleep(Duration::from_millis(1));
        }
        run.order("restart");
        for id in [0, 1] {
            run.expect(&format!("start {id}"));
            run.expect(&format!("exit {id} 0 graceful"));
        }
        is_over.store(true, Ordering::SeqCst);
        for client in clients {
            client.join().expect("no panic").expect("no request fails");
        }
    });
    let new = [run.born(0), run.born(1)];
    assert!(old.iter().all(|worker| !new.contains(worker)));
    run.are_served_by(&new);
    run.stop(0);
}

struct Always<'a>(&'a AtomicBool);

impl Drop for Always<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
