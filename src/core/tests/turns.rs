//! What happens to a slot before, in and after its turn in a restart: contract 5.1.

use super::*;

#[test]
fn a_slot_that_crashes_before_its_turn_waits_for_it_contract_5_1() {
    let mut it = Driver::started(settings(2));
    it.restart();
    let effects = it.crash(1);
    assert_eq!(calls(&effects), [on_exit(1, End::Exited(1), true)]);
    assert_eq!((it.status(1), it.view(1).crash_count), (Status::Respawning, 1));
    assert_eq!(spawns(&it.pass(secs(5))), []);
    it.replace(0);
    it.serve(it.latest(1));
    assert_eq!((it.status(1), it.view(1).crash_count), (Status::Active, 0));
    assert!(!it.core.is_restarting());
}

#[test]
fn a_slot_that_crashes_while_another_retires_waits_for_its_turn_contract_5_1() {
    let mut it = Driver::started(settings(2));
    let old = it.worker(0);
    it.restart();
    it.serve(it.latest(0));
    it.crash(1);
    assert_eq!(spawns(&it.pass(secs(1))), []);
    assert_eq!(spawns(&it.end(old, End::Killed(15))), [(1, Image::Deployed)]);
}

#[test]
fn a_slot_that_ended_gracefully_before_its_turn_stays_down_contract_5_1() {
    let mut it = Driver::started(settings(3));
    it.restart();
    it.end(it.worker(1), End::Killed(15));
    it.replace(0);
    it.replace(2);
    assert_eq!(it.statuses(), [Status::Active, Status::Stopping, Status::Active]);
    assert!(!it.core.is_restarting());
}

#[test]
fn the_last_slots_end_before_its_turn_ends_the_restart_contract_5_1() {
    let mut it = Driver::started(settings(2));
    let old = it.worker(0);
    it.restart();
    it.end(it.worker(1), End::Exited(0));
    it.serve(it.latest(0));
    assert_eq!(spawns(&it.end(old, End::Killed(15))), []);
    assert!(!it.core.is_restarting());
}

#[test]
fn the_old_worker_crashes_while_its_replacement_starts_contract_5_1() {
    let mut it = Driver::started(settings(2));
    it.restart();
    it.join(it.latest(0));
    let effects = it.crash(0);
    assert_eq!(calls(&effects), [on_exit(0, End::Exited(1), true)]);
    assert_eq!(it.status(0), Status::Respawning);
    assert_eq!(spawns(&it.pass(secs(1))), [], "the replacement will do");
    let effects = it.happens(Event::Listening(it.latest(0), home()));
    assert_eq!(calls(&effects), [Effect::CallOnStart(0)]);
    assert_eq!(spawns(&effects), [(1, Image::Deployed)], "nobody has to retire");
    assert_eq!((it.status(0), it.view(0).crash_count), (Status::Active, 0));
    assert_eq!(it.core.total_restarts(), 1);
}

#[test]
fn the_old_worker_ends_gracefully_while_its_replacement_starts_contract_3_2_and_5_1() {
    let mut it = Driver::started(settings(2));
    it.restart();
    let replacement = it.latest(0);
    it.join(replacement);
    let effects = it.end(it.worker(0), End::Killed(15));
    assert_eq!(calls(&effects), [on_exit(0, End::Killed(15), false)]);
    assert_eq!(kills(&effects), [replacement], "a graceful end is final for its slot");
    assert_eq!(it.happens(Event::Listening(replacement, home())), [], "too late");
    let effects = it.end(replacement, End::Killed(9));
    assert_eq!(effects.len(), 1, "no failed deploy, no callback: {effects:?}");
    assert_eq!(spawns(&effects), [(1, Image::Deployed)], "the restart goes on");
    it.replace(1);
    assert_eq!(it.statuses(), [Status::Stopping, Status::Active]);
    assert_eq!((it.core.is_restarting(), it.core.total_restarts()), (false, 1));
}

#[test]
fn a_graceful_end_of_the_last_slot_while_its_replacement_starts_contract_3_8() {
    let mut it = Driver::started(settings(1));
    it.restart();
    it.join(it.latest(0));
    it.end(it.worker(0), End::Exited(0));
    assert!(!it.core.is_over(), "the replacement is still there");
    assert_eq!(it.pass(secs(60)), []);
    it.end(it.latest(0), End::Killed(9));
    assert!(it.core.is_over());
}

#[test]
fn a_crash_too_many_does_not_stop_the_replacement_contract_3_3() {
    let mut it = Driver::started(Settings { respawn_max_crashes: 1, ..settings(2) });
    it.restart();
    it.crash(0);
    assert_eq!(it.status(0), Status::Disabled);
    it.serve(it.latest(0));
    assert_eq!((it.status(0), it.view(0).crash_count), (Status::Active, 0));
}

#[test]
fn the_old_worker_crashes_with_respawn_off_contract_3_4() {
    let mut it = Driver::started(Settings { respawn: false, ..settings(1) });
    it.restart();
    assert_eq!(notices(&it.crash(0)), [crashed(0, secs(60), End::Exited(1))], "it is not all over");
    assert_eq!(it.status(0), Status::Crashed);
    assert!(!it.core.is_over());
    it.serve(it.latest(0));
    assert_eq!(it.status(0), Status::Active);
}

#[test]
fn the_replacement_must_listen_where_a_crashed_predecessor_did_contract_5_2() {
    let mut it = Driver::started(settings(1));
    it.restart();
    let replacement = it.latest(0);
    it.join(replacement);
    it.crash(0);
    assert_eq!(calls(&it.pass(secs(9))), [], "to have lived is not enough");
    it.happens(Event::Listening(replacement, home()));
    assert_eq!(it.status(0), Status::Active);
}

#[test]
fn the_replacement_crashes_right_after_its_promotion_contract_3_2() {
    let mut it = Driver::started(settings(2));
    let old = it.worker(0);
    it.restart();
    it.serve(it.latest(0));
    let effects = it.crash(0);
    assert_eq!(calls(&effects), [on_exit(0, End::Exited(1), true)]);
    assert_eq!((it.status(0), it.view(0).crash_count), (Status::Respawning, 1));
    assert!(it.core.is_restarting());
    assert_eq!(spawns(&it.pass(ms(100))), [(0, Image::Held)], "its turn is over: an ordinary respawn");
    it.serve(it.latest(0));
    let effects = it.end(old, End::Exited(0));
    assert_eq!(calls(&effects), [on_exit(0, End::Exited(0), false)]);
    assert_eq!(spawns(&effects), [(1, Image::Deployed)]);
    assert_eq!((it.status(0), it.view(0).crash_count), (Status::Active, 1));
    assert_eq!(it.core.total_restarts(), 2);
}

#[test]
fn the_old_worker_ends_while_the_promoted_one_waits_for_its_respawn_contract_5_1() {
    let mut it = Driver::started(settings(1));
    let old = it.worker(0);
    it.restart();
    it.serve(it.latest(0));
    it.crash(0);
    it.end(old, End::Killed(15));
    assert!(!it.core.is_restarting());
    assert_eq!(it.status(0), Status::Respawning);
    assert_eq!(spawns(&it.pass(ms(100))), [(0, Image::Held)]);
}

#[test]
fn a_replaced_slot_that_crashes_during_anothers_turn_is_respawned_contract_3_2() {
    let mut it = Driver::started(settings(2));
    it.restart();
    it.replace(0);
    it.crash(0);
    assert_eq!(spawns(&it.pass(ms(100))), [(0, Image::Held)]);
    it.serve(it.latest(0));
    it.replace(1);
    assert!(!it.core.is_restarting());
    assert_eq!(it.statuses(), [Status::Active; 2]);
}

#[test]
fn a_remembered_restart_takes_a_waiting_slot_over_contract_5_4_and_5_1() {
    let mut it = Driver::started(Settings { respawn_delay: secs(60), ..settings(1) });
    let old = it.worker(0);
    it.restart();
    it.restart();
    it.serve(it.latest(0));
    it.crash(0);
    let effects = it.end(old, End::Killed(15));
    assert_eq!(spawns(&effects), [(0, Image::Deployed)]);
    assert_eq!(spawns(&it.pass(secs(5))), [], "no respawn beside it");
    it.serve(it.latest(0));
    assert_eq!((it.status(0), it.core.is_restarting()), (Status::Active, false));
}

#[test]
fn the_promoted_one_ends_gracefully_while_the_old_one_retires_contract_3_2() {
    let mut it = Driver::started(settings(1));
    let old = it.worker(0);
    it.restart();
    it.serve(it.latest(0));
    it.end(it.worker(0), End::Exited(0));
    assert_eq!(it.status(0), Status::Stopping);
    assert!(!it.core.is_over(), "the old one is still there");
    it.end(old, End::Killed(15));
    assert!(it.core.is_over());
}

/// Both are due in the same tick: the respawn of a slot whose last attempt failed, and its replacement's readiness.
#[test]
fn a_replacement_that_becomes_the_worker_ends_the_attempts_to_respawn_contract_5_1() {
    // Nobody listens, so that a replacement is ready 500 ms after its exec.
    let mut it = Driver::new(settings(1));
    it.happens(Event::Begin);
    it.join(it.latest(0));
    it.pass(secs(60));
    it.crash(0);
    it.pass(ms(100));
    let attempt = it.latest(0);
    it.restart();
    let replacement = it.latest(0);
    it.join(replacement);
    it.pass(ms(400));
    it.happens(Event::SpawnFailed(attempt, EAGAIN));
    let effects = it.pass(ms(100));
    assert_eq!(spawns(&effects), []);
    assert_eq!((it.worker(0), it.status(0)), (replacement, Status::Active));
}
