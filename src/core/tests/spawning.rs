//! Processes that cannot be made: contract 7.2, and 2.1 during the start.

use super::*;

fn failed(it: &mut Driver, slot: u8) -> Vec<Effect> {
    it.happens(Event::SpawnFailed(it.latest(slot), EAGAIN))
}

fn retried(worker: u8, delay: Duration) -> Notice {
    Notice::SpawnRetried { worker, error: EAGAIN, delay }
}

#[test]
fn at_the_start_it_is_an_error_and_nothing_is_left_contract_2_1_and_7_2() {
    let mut it = Driver::new(settings(3));
    it.happens(Event::Begin);
    let effects = failed(&mut it, 0);
    assert_eq!(effects, [], "no callback, no line of the core's own");
    assert_eq!(it.core.startup_failure(), Some(StartupFailure::NotSpawned { worker: 0, error: EAGAIN }));
    assert!(it.core.is_over());
}

#[test]
fn a_later_worker_of_the_start_takes_the_others_with_it_contract_2_1() {
    let mut it = Driver::new(settings(3));
    it.happens(Event::Begin);
    it.serve(it.latest(0));
    let effects = failed(&mut it, 1);
    assert_eq!(stops(&effects), [(it.latest(0), StopSignal::Term)]);
    assert!(!it.core.is_over());
    assert_eq!(kills(&it.pass(secs(15))), [it.latest(0)], "and in the end by force");
    let effects = it.end(it.latest(0), End::Killed(9));
    assert_eq!(calls(&effects), [on_exit(0, End::Killed(9), false)]);
    assert!(it.core.is_over());
    assert_eq!(it.core.startup_failure(), Some(StartupFailure::NotSpawned { worker: 1, error: EAGAIN }));
    assert_eq!(it.spawned.len(), 2);
}

#[test]
fn a_respawn_during_the_start_is_an_error_too_contract_7_2() {
    let mut it = Driver::new(Settings { startup_delay: StartupDelay::Explicit(secs(5)), ..settings(2) });
    it.happens(Event::Begin);
    it.serve(it.latest(0));
    it.crash(0);
    it.pass(ms(100));
    failed(&mut it, 0);
    assert_eq!(it.core.startup_failure(), Some(StartupFailure::NotSpawned { worker: 0, error: EAGAIN }));
    assert!(it.core.is_over());
}

#[test]
fn later_it_is_tried_again_with_a_delay_that_grows_to_5_s_contract_7_2() {
    let mut it = Driver::started(settings(1));
    it.crash(0);
    it.pass(ms(100));
    for delay in [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000] {
        let effects = failed(&mut it, 0);
        assert_eq!(effects, [Effect::Report(retried(0, ms(delay)))], "logged, and nothing else");
        assert_eq!(it.status(0), Status::Respawning);
        assert_eq!(it.view(0).process, None);
        assert_eq!(it.pass(ms(delay - 1)), []);
        assert_eq!(spawns(&it.pass(ms(1))), [(0, Image::Held)]);
    }
    for _ in 0..100 {
        failed(&mut it, 0);
        it.pass(secs(5));
    }
    it.serve(it.latest(0));
    assert_eq!(it.status(0), Status::Active);
    assert_eq!((it.view(0).crash_count, it.core.total_restarts()), (1, 1), "failed attempts are no crashes");
}

#[test]
fn after_a_success_the_delay_is_short_again_contract_7_2() {
    let mut it = Driver::started(settings(1));
    it.crash(0);
    it.pass(ms(100));
    for _ in 0..6 {
        failed(&mut it, 0);
        it.pass(secs(5));
    }
    it.serve(it.latest(0));
    it.crash(0);
    it.pass(ms(100));
    assert_eq!(notices(&failed(&mut it, 0)), [retried(0, ms(100))]);
}

#[test]
fn other_workers_go_on_meanwhile_contract_7_2() {
    let mut it = Driver::started(settings(2));
    it.crash(0);
    it.pass(ms(100));
    failed(&mut it, 0);
    it.crash(1);
    it.pass(ms(100));
    it.serve(it.latest(1));
    assert_eq!(it.status(1), Status::Active);
    assert!(!it.core.is_over());
}

#[test]
fn a_replacement_that_cannot_be_made_is_a_failed_deploy_contract_5_2() {
    let mut it = Driver::started(settings(2));
    it.restart();
    let effects = it.happens(Event::SpawnFailed(it.latest(0), ENOENT));
    assert_eq!(effects, [Effect::Report(abandoned(0, DeployFailure::NotStarted(ENOENT)))]);
    assert!(!it.core.is_restarting());
    assert_eq!(it.statuses(), [Status::Active; 2]);
    assert_eq!(it.pass(secs(60)), []);
}

#[test]
fn a_replacement_for_which_there_is_too_little_is_tried_again_contract_7_2() {
    let mut it = Driver::started(settings(2));
    it.restart();
    for delay in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
        assert_eq!(failed(&mut it, 0), [Effect::Report(retried(0, ms(delay)))]);
        assert!(it.core.is_restarting());
        assert_eq!(it.statuses(), [Status::Active; 2]);
        assert_eq!(it.pass(ms(delay - 1)), []);
        assert_eq!(spawns(&it.pass(ms(1))), [(0, Image::Deployed)]);
    }
    it.replace(0);
    assert_eq!(notices(&failed(&mut it, 1)), [retried(1, ms(100))], "a short delay again");
    it.pass(ms(100));
    it.replace(1);
    assert_eq!((it.core.is_restarting(), it.core.total_restarts()), (false, 2));
}

/// A restart whose first replacement is to be tried again in 100 ms.
fn retrying(settings: Settings) -> Driver {
    let mut it = Driver::started(settings);
    it.restart();
    failed(&mut it, 0);
    it
}

#[test]
fn a_shutdown_ends_the_attempts_contract_5_4() {
    let mut it = retrying(settings(1));
    it.stop();
    assert_eq!(spawns(&it.pass(secs(10))), []);
    assert!(!it.core.is_restarting());
    it.end_all();
}

#[test]
fn a_crash_between_the_attempts_waits_for_the_next_one_contract_5_1() {
    let mut it = retrying(settings(2));
    it.crash(0);
    it.crash(1);
    assert_eq!(it.statuses(), [Status::Respawning; 2]);
    assert_eq!(spawns(&it.pass(secs(5))), [(0, Image::Deployed)]);
    it.serve(it.latest(0));
    it.serve(it.latest(1));
    assert_eq!((it.statuses(), it.core.is_restarting()), (vec![Status::Active; 2], false));
}

#[test]
fn a_graceful_end_between_the_attempts_is_final_contract_3_2() {
    let mut it = retrying(settings(2));
    assert_eq!(spawns(&it.end(it.worker(0), End::Exited(0))), [(1, Image::Deployed)]);
    it.replace(1);
    assert_eq!((it.statuses(), it.core.is_restarting()), (vec![Status::Stopping, Status::Active], false));
    assert_eq!(spawns(&it.pass(secs(5))), []);
}

#[test]
fn a_request_between_the_attempts_is_remembered_contract_5_4() {
    let mut it = retrying(settings(1));
    assert_eq!(it.restart(), []);
    it.pass(ms(100));
    it.replace(0);
    assert!(it.core.is_restarting(), "the second one");
    it.replace(0);
    assert_eq!((it.core.is_restarting(), it.core.total_restarts()), (false, 2));
}

#[test]
fn during_a_shutdown_nothing_is_tried_again_contract_4_3() {
    let mut it = Driver::started(settings(1));
    it.crash(0);
    it.pass(ms(100));
    it.stop();
    assert_eq!(failed(&mut it, 0), []);
    assert!(it.core.is_over());
}

/// A cluster of two whose worker 0 has just been replaced in a restart before it ever came to run: its exec hangs, say on
/// a file system that is slow today.
fn replaced_before_it_ran() -> (Driver, ProcessKey) {
    let mut it = Driver::started(settings(2));
    it.crash(0);
    it.pass(ms(100));
    let never_run = it.latest(0);
    it.restart();
    it.serve(it.latest(0));
    assert_ne!(it.worker(0), never_run);
    (it, never_run)
}

#[test]
fn an_old_worker_that_never_came_to_run_does_not_hold_up_the_restart_contract_5_1() {
    let (mut it, never_run) = replaced_before_it_ran();
    assert_eq!(spawns(&it.happens(Event::SpawnFailed(never_run, EAGAIN))), [(1, Image::Deployed)]);
    it.replace(1);
    assert!(!it.core.is_restarting());
}

#[test]
fn an_old_worker_that_never_came_to_run_does_not_hold_up_the_shutdown_contract_3_8() {
    let (mut it, never_run) = replaced_before_it_ran();
    it.stop();
    it.happens(Event::SpawnFailed(never_run, EAGAIN));
    it.end_all();
}

#[test]
fn one_that_never_was_the_worker_gives_no_callback_contract_3_6() {
    let (mut it, never_run) = replaced_before_it_ran();
    assert_eq!(calls(&it.end(never_run, End::Killed(15))), [], "on_start was never called for it");
    let (mut it, never_run) = replaced_before_it_ran();
    assert_eq!(calls(&it.happens(Event::Executed(never_run))), [], "too late: there is another worker");
    assert_eq!(calls(&it.end(never_run, End::Killed(15))), []);
}

#[test]
fn a_process_in_which_the_program_does_not_begin_to_run_is_killed_and_made_again_contract_7_2() {
    let mut it = Driver::started(settings(1));
    it.crash(0);
    it.pass(ms(100));
    let stuck = it.latest(0);
    assert_eq!(it.pass(ms(9_999)), []);
    assert_eq!(it.pass(ms(1)), [Effect::Kill(stuck)]);
    assert_eq!(it.pass(secs(60)), [], "once");
    let effects = it.end(stuck, End::Killed(9));
    assert_eq!(calls(&effects), [], "contract 3.6: it never was the worker");
    assert_eq!((it.status(0), it.view(0).crash_count), (Status::Respawning, 1), "nor did it crash");
    assert_eq!(spawns(&it.pass(ms(100))), [(0, Image::Held)]);
}

#[test]
fn one_that_begins_to_run_as_it_is_killed_has_an_end_like_others_contract_3_1_and_3_6() {
    let mut it = Driver::started(settings(1));
    it.crash(0);
    it.pass(ms(100));
    let late = it.latest(0);
    it.pass(secs(10));
    assert_eq!(calls(&it.happens(Event::Executed(late))), [Effect::CallOnStart(0)]);
    let effects = it.end(late, End::Killed(9));
    assert_eq!(calls(&effects), [on_exit(0, End::Killed(9), true)]);
    assert_eq!(notices(&effects), [crashed(0, secs(10), End::Killed(9))]);
    assert_eq!((it.view(0).exit_status, it.view(0).crash_count), (137, 1));
}

#[test]
fn one_that_was_told_to_stop_before_it_could_not_start_has_not_crashed_contract_3_1() {
    let mut it = Driver::started(settings(1));
    it.stop();
    let worker = it.worker(0);
    let effects = it.happens(Event::SpawnFailed(worker, EAGAIN));
    assert_eq!(calls(&effects), [on_exit(0, End::Exited(78), false)], "it was told");
}

#[test]
fn an_old_worker_that_could_not_start_has_its_on_exit_contract_3_6() {
    let mut it = Driver::started(settings(2));
    let old = it.worker(0);
    it.restart();
    it.serve(it.latest(0));
    let effects = it.happens(Event::SpawnFailed(old, EAGAIN));
    assert_eq!(calls(&effects), [on_exit(0, End::Exited(78), false)], "its on_start was called");
    assert_eq!(spawns(&effects), [(1, Image::Deployed)], "the restart goes on");
    assert_eq!(it.view(0).exit_status, 78);
}

#[test]
fn one_that_cannot_be_made_is_replaced_when_its_turn_comes_and_not_made_beside_contract_5_1() {
    let mut it = Driver::started(settings(2));
    it.crash(1);
    it.pass(ms(100));
    it.restart();
    failed(&mut it, 1);
    let old = it.worker(0);
    it.serve(it.latest(0));
    assert_eq!(spawns(&it.end(old, End::Killed(15))), [(1, Image::Deployed)], "before the next attempt");
    assert_eq!(spawns(&it.pass(secs(1))), [], "its replacement is the next attempt");
    it.serve(it.latest(1));
    assert_eq!((it.statuses(), it.core.is_restarting()), (vec![Status::Active; 2], false));
}

#[test]
fn one_that_cannot_be_made_while_its_replacement_starts_is_not_made_again_contract_5_1() {
    let mut it = Driver::started(settings(1));
    it.crash(0);
    it.pass(ms(100));
    let worker = it.latest(0);
    it.restart();
    it.happens(Event::SpawnFailed(worker, EAGAIN));
    assert_eq!(spawns(&it.pass(secs(1))), []);
    // The deploy fails: then it is made again, as it was.
    let effects = it.end(it.latest(0), SEGV);
    assert_eq!(spawns(&effects), []);
    assert_eq!(spawns(&it.pass(ms(100))), [(0, Image::Held)]);
}
