//! Failed deploys: contract 5.2.

use super::*;

/// A restart whose first replacement runs and is not ready.
fn replacing(settings: Settings) -> (Driver, ProcessKey) {
    let mut it = Driver::started(settings);
    it.restart();
    let replacement = it.latest(0);
    it.join(replacement);
    (it, replacement)
}

#[test]
fn a_replacement_that_dies_first_contract_5_2_and_3_6() {
    for end in [End::Exited(0), End::Exited(1), SEGV, End::Killed(15), End::Lost] {
        let (mut it, replacement) = replacing(settings(2));
        let effects = it.end(replacement, end);
        let told: Vec<_> = notices(&effects).into_iter().filter(|n| !matches!(n, Notice::StatusLost { .. })).collect();
        assert_eq!(told, [abandoned(0, DeployFailure::Ended(end))]);
        assert_eq!(calls(&effects), [], "no callback");
        assert!(!it.core.is_restarting(), "given up");
        assert_eq!((it.statuses(), it.view(0).crash_count), (vec![Status::Active; 2], 0), "no crash count");
        assert_eq!(it.view(0).exit_status, 0);
        assert_eq!((it.spawned.len(), it.core.total_restarts()), (3, 0));
        assert_eq!(it.pass(secs(3600)), [], "everybody goes on");
    }
}

#[test]
fn one_that_dies_before_its_exec_report_contract_5_2() {
    let mut it = Driver::started(settings(1));
    it.restart();
    let effects = it.end(it.latest(0), End::Exited(127));
    assert_eq!(effects, [Effect::Report(abandoned(0, DeployFailure::Ended(End::Exited(127))))]);
    assert!(!it.core.is_restarting());
}

#[test]
fn one_that_listens_elsewhere_contract_5_2() {
    let (mut it, replacement) = replacing(settings(2));
    it.happens(Event::Listening(replacement, elsewhere()));
    let effects = it.pass(secs(10));
    assert_eq!(notices(&effects), [abandoned(0, DeployFailure::NotReady { waited: secs(10) })]);
    assert_eq!(kills(&effects), [replacement]);
    it.end(replacement, End::Killed(9));
    assert_eq!(it.statuses(), [Status::Active; 2]);
}

#[test]
fn one_that_listens_too_late_stays_out_contract_5_2() {
    let (mut it, replacement) = replacing(settings(1));
    let old = it.worker(0);
    it.pass(secs(10));
    assert_eq!(it.happens(Event::Listening(replacement, home())), [], "it has been killed");
    it.end(replacement, End::Killed(9));
    assert_eq!(it.worker(0), old);
    assert_eq!(it.status(0), Status::Active);
}

#[test]
fn slots_already_replaced_stay_with_the_new_program_contract_5_2() {
    let mut it = Driver::started(settings(3));
    it.restart();
    it.replace(0);
    let replaced = it.worker(0);
    it.end(it.latest(1), End::Exited(1));
    assert!(!it.core.is_restarting());
    assert_eq!((it.worker(0), it.spawned.len()), (replaced, 5), "worker 2 never had its turn");
    assert_eq!((it.statuses(), it.core.total_restarts()), (vec![Status::Active; 3], 1));
}

#[test]
fn crash_respawn_stays_with_the_old_program_contract_5_2_and_3_5() {
    let (mut it, replacement) = replacing(settings(2));
    it.end(replacement, SEGV);
    it.crash(0);
    it.crash(1);
    assert_eq!(spawns(&it.pass(ms(100))), [(0, Image::Held), (1, Image::Held)]);
}

#[test]
fn slots_that_waited_for_their_turn_are_respawned_contract_5_2() {
    let (mut it, replacement) = replacing(settings(3));
    it.crash(0);
    it.crash(1);
    it.pass(secs(1));
    it.end(replacement, SEGV);
    assert_eq!(it.statuses(), [Status::Respawning, Status::Respawning, Status::Active]);
    assert_eq!(spawns(&it.pass(ms(100))), [(0, Image::Held), (1, Image::Held)]);
    it.serve(it.latest(0));
    it.serve(it.latest(1));
    assert_eq!(it.statuses(), [Status::Active; 3]);
}

#[test]
fn a_waiting_slot_that_was_to_be_replaced_is_respawned_contract_5_1_and_5_2() {
    let mut it = Driver::started(settings(2));
    it.crash(1);
    it.restart();
    it.pass(secs(5));
    it.end(it.latest(0), SEGV);
    assert_eq!(it.status(1), Status::Respawning);
    assert_eq!(spawns(&it.pass(ms(100))), [(1, Image::Held)]);
}

#[test]
fn disabled_slots_stay_disabled_contract_5_2_and_3_3() {
    let mut it = Driver::started(settings(2));
    it.disable(0);
    it.restart();
    assert_eq!(it.status(0), Status::Disabled);
    it.end(it.latest(0), End::Exited(1));
    assert_eq!((it.status(0), it.view(0).crash_count), (Status::Disabled, 3));
    assert_eq!(spawns(&it.pass(secs(60))), []);
}

#[test]
fn crashed_slots_stay_crashed_contract_5_2_and_3_2() {
    let mut it = Driver::started(Settings { respawn: false, ..settings(2) });
    it.crash(1);
    it.restart();
    it.end(it.latest(0), End::Exited(1));
    assert_eq!((it.statuses(), it.view(1).crash_count), (vec![Status::Active, Status::Crashed], 1));
    assert_eq!(spawns(&it.pass(secs(60))), []);
}

#[test]
fn the_old_worker_crashes_while_the_failed_one_is_awaited_contract_5_2() {
    let (mut it, replacement) = replacing(settings(1));
    it.pass(secs(10));
    it.crash(0);
    assert_eq!(spawns(&it.pass(ms(100))), [(0, Image::Held)], "nothing else will fill the slot");
    it.serve(it.latest(0));
    it.end(replacement, End::Killed(9));
    assert_eq!((it.status(0), it.core.is_restarting()), (Status::Active, false));
    assert_eq!(it.view(0).crash_count, 1);
}

#[test]
fn a_cluster_that_is_down_when_its_restart_fails_is_over_and_says_so_contract_3_8() {
    let (mut it, replacement) = replacing(Settings { respawn: false, ..settings(1) });
    it.crash(0);
    assert!(!it.core.is_over());
    let effects = it.end(replacement, SEGV);
    let lines = [abandoned(0, DeployFailure::Ended(SEGV)), Notice::AllDown { crashed: 1, disabled: 0 }];
    assert_eq!(notices(&effects), lines);
    assert!(it.core.is_over());
}

#[test]
fn a_request_while_the_failed_one_is_awaited_is_remembered_contract_5_4() {
    let (mut it, replacement) = replacing(settings(1));
    it.pass(secs(10));
    assert_eq!(it.restart(), []);
    let effects = it.end(replacement, End::Killed(9));
    assert_eq!(spawns(&effects), [(0, Image::Deployed)], "the mended deploy, perhaps");
    it.replace(0);
    assert_eq!((it.core.is_restarting(), it.core.total_restarts()), (false, 1));
}

#[test]
fn a_request_before_the_failure_is_remembered_too_contract_5_4() {
    let (mut it, replacement) = replacing(settings(1));
    it.restart();
    assert_eq!(spawns(&it.end(replacement, SEGV)), [(0, Image::Deployed)]);
    assert_eq!(spawns(&it.end(it.latest(0), SEGV)), [], "once");
    assert!(!it.core.is_restarting());
}

#[test]
fn a_failed_restart_can_be_followed_by_another_contract_5_2() {
    let (mut it, replacement) = replacing(settings(2));
    it.end(replacement, SEGV);
    it.pass(secs(1));
    assert_eq!(spawns(&it.restart()), [(0, Image::Deployed)]);
    it.replace(0);
    it.replace(1);
    assert_eq!((it.core.is_restarting(), it.core.total_restarts()), (false, 2));
}
