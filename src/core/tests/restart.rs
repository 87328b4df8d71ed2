//! Graceful restarts that succeed: contract 5.1, 5.3 to 5.5, and 3.4, 3.6 in a restart.

use super::*;

#[test]
fn one_worker_at_a_time_the_replacement_first_contract_5_1() {
    let mut it = Driver::started(settings(2));
    let old = [it.worker(0), it.worker(1)];
    assert_eq!(spawns(&it.restart()), [(0, Image::Deployed)]);
    let new = it.latest(0);
    assert_eq!(stops(&it.join(new)), [], "it runs, but it does not listen");
    let effects = it.happens(Event::Listening(new, home()));
    assert_eq!(stops(&effects), [(old[0], StopSignal::Term)]);
    assert_eq!(calls(&effects), [Effect::CallOnStart(0)]);
    let position = |wanted: Effect| effects.iter().position(|effect| *effect == wanted);
    assert!(position(Effect::Promoted(new)).unwrap() < position(Effect::Stop(old[0], StopSignal::Term)).unwrap());
    assert!(position(Effect::Ready(new)).is_some(), "contract 4.3: signals may reach it");
    assert_eq!(it.pass(secs(1)), [], "the next slot waits for the old worker's end");
    let effects = it.end(old[0], End::Exited(0));
    assert_eq!(calls(&effects), [on_exit(0, End::Exited(0), false)], "contract 3.6: start before exit");
    assert_eq!(spawns(&effects), [(1, Image::Deployed)]);
    it.serve(it.latest(1));
    it.end(old[1], End::Killed(15));
    assert!(!it.core.is_restarting());
    assert_eq!((it.spawned.len(), it.core.total_restarts()), (4, 2));
    assert_eq!(it.statuses(), [Status::Active; 2]);
    assert_eq!(it.core.next_deadline(), None);
}

#[test]
fn the_statistics_describe_the_old_worker_until_the_replacement_is_ready_contract_3_4() {
    let mut it = Driver::started(settings(1));
    let old = it.view(0);
    it.restart();
    it.join(it.latest(0));
    assert_eq!(it.view(0), old);
    it.happens(Event::Listening(it.latest(0), home()));
    assert_eq!(it.worker(0), it.latest(0), "and the replacement from then on");
    assert_eq!(it.status(0), Status::Active);
}

#[test]
fn restart_requested_from_the_request_to_the_last_end_contract_5_1() {
    let mut it = Driver::started(settings(1));
    let old = it.worker(0);
    assert!(!it.core.is_restarting());
    it.restart();
    assert!(it.core.is_restarting());
    it.serve(it.latest(0));
    assert!(it.core.is_restarting());
    it.end(old, End::Killed(15));
    assert!(!it.core.is_restarting());
}

#[test]
fn an_old_worker_that_ignores_sigterm_is_killed_contract_5_3() {
    let mut it = Driver::started(settings(2));
    let old = it.worker(0);
    it.restart();
    it.serve(it.latest(0));
    assert_eq!(it.pass(ms(14_999)), []);
    assert_eq!(it.pass(ms(1)), [Effect::Kill(old)]);
    let effects = it.end(old, End::Killed(9));
    assert_eq!(calls(&effects), [on_exit(0, End::Killed(9), false)], "contract 3.1: it was told to stop");
    assert_eq!(spawns(&effects), [(1, Image::Deployed)], "the restart goes on");
    assert_eq!(it.view(0).exit_status, 137);
}

#[test]
fn an_old_worker_that_crashes_while_it_retires_is_no_crash_contract_3_1() {
    let mut it = Driver::started(settings(1));
    let old = it.worker(0);
    it.restart();
    it.serve(it.latest(0));
    let effects = it.end(old, SEGV);
    assert_eq!(effects, [on_exit(0, SEGV, false)]);
    assert_eq!(it.view(0).crash_count, 0);
}

#[test]
fn a_crash_before_a_restart_is_forgiven_contract_3_4() {
    let mut it = Driver::started(settings(1));
    it.crash(0);
    it.pass(ms(100));
    it.serve(it.latest(0));
    assert_eq!(it.view(0).crash_count, 1);
    it.restart();
    it.replace(0);
    assert_eq!(it.view(0).crash_count, 0);
}

#[test]
fn a_disabled_worker_gets_a_new_chance_contract_3_3_and_5_1() {
    let mut it = Driver::started(settings(2));
    it.disable(1);
    it.restart();
    it.replace(0);
    assert_eq!(it.status(1), Status::Disabled, "contract 3.4: until its replacement is ready");
    let effects = it.serve(it.latest(1));
    assert_eq!(calls(&effects), [Effect::CallOnStart(1)]);
    assert_eq!(it.statuses(), [Status::Active; 2]);
    assert_eq!(it.view(1).crash_count, 0, "a clean count");
    assert!(!it.core.is_restarting(), "there is no old worker to wait for");
    it.crash(1);
    assert_eq!(it.status(1), Status::Respawning);
}

#[test]
fn a_crashed_worker_is_replaced_whatever_respawn_says_contract_5_1_and_5_5() {
    let mut it = Driver::started(Settings { respawn: false, ..settings(2) });
    it.crash(0);
    it.restart();
    it.replace(0);
    it.replace(1);
    assert_eq!(it.statuses(), [Status::Active; 2]);
    assert_eq!(it.view(0).crash_count, 0);
    assert!(!it.core.is_restarting());
}

#[test]
fn a_respawning_slot_is_replaced_by_the_new_program_contract_5_1() {
    let mut it = Driver::started(settings(2));
    it.crash(1);
    it.restart();
    assert_eq!(it.status(1), Status::Respawning);
    assert_eq!(spawns(&it.pass(secs(5))), [], "it waits for its turn");
    it.replace(0);
    assert_eq!(it.spawned.last().map(|(key, image)| (key.slot(), *image)), Some((1, Image::Deployed)));
    it.serve(it.latest(1));
    assert_eq!(it.statuses(), [Status::Active; 2]);
    assert!(!it.core.is_restarting());
}

#[test]
fn all_slots_may_be_down_but_not_over_contract_5_1() {
    let mut it = Driver::started(settings(3));
    it.disable(0);
    it.crash(1);
    it.crash(2);
    it.restart();
    for slot in 0..3 {
        it.serve(it.latest(slot));
    }
    assert_eq!(it.statuses(), [Status::Active; 3]);
    assert!(!it.core.is_restarting());
}

#[test]
fn when_all_went_down_at_once_a_restart_saves_the_cluster_contract_5_1() {
    // The request and the last crash are news of the same moment: the request comes first.
    let mut it = Driver::started(Settings { respawn: false, ..settings(2) });
    it.crash(0);
    it.restart();
    assert_eq!(notices(&it.crash(1)), [crashed(1, secs(60), End::Exited(1))]);
    assert!(!it.core.is_over());
    it.replace(0);
    it.replace(1);
    assert_eq!(it.statuses(), [Status::Active; 2]);
}

#[test]
fn gracefully_ended_slots_stay_down_contract_5_1() {
    let mut it = Driver::started(settings(3));
    it.end(it.worker(1), End::Exited(0));
    it.restart();
    it.replace(0);
    it.replace(2);
    assert_eq!(it.statuses(), [Status::Active, Status::Stopping, Status::Active]);
    assert_eq!((it.spawned.len(), it.core.is_restarting()), (5, false));
}

#[test]
fn a_request_during_the_start_waits_for_its_end_contract_4_2() {
    let mut it = Driver::new(settings(2));
    it.happens(Event::Begin);
    assert_eq!(spawns(&it.restart()), []);
    assert!(it.core.is_restarting(), "contract 5.1: from the request on");
    it.serve(it.latest(0));
    let effects = it.serve(it.latest(1));
    assert_eq!(spawns(&effects), [(0, Image::Deployed)]);
    it.replace(0);
    it.replace(1);
    assert_eq!((it.core.is_restarting(), it.core.total_restarts()), (false, 2));
}

#[test]
fn a_request_before_the_start_is_not_lost_contract_4_2() {
    let mut it = Driver::new(settings(1));
    it.restart();
    it.happens(Event::Begin);
    assert_eq!(spawns(&it.serve(it.latest(0))), [(0, Image::Deployed)]);
}

#[test]
fn requests_during_a_restart_are_remembered_once_contract_5_4() {
    let mut it = Driver::started(settings(2));
    it.restart();
    for _ in 0..3 {
        assert_eq!(it.restart(), []);
    }
    it.replace(0);
    it.replace(1);
    assert!(it.core.is_restarting(), "the second one");
    assert_eq!(it.spawned.len(), 5);
    it.replace(0);
    it.replace(1);
    assert!(!it.core.is_restarting(), "there is no third one");
    assert_eq!((it.spawned.len(), it.core.total_restarts()), (6, 4));
}

#[test]
fn a_restart_of_255_workers_contract_5_5() {
    let mut it = Driver::started(settings(255));
    it.restart();
    for slot in 0..255 {
        it.replace(slot);
    }
    assert_eq!((it.core.is_restarting(), it.core.total_restarts()), (false, 255));
    assert_eq!(it.statuses(), [Status::Active; 255]);
}

#[test]
fn a_crash_respawn_after_a_restart_runs_the_held_image_contract_3_5() {
    let mut it = Driver::started(settings(1));
    it.restart();
    it.replace(0);
    it.crash(0);
    assert_eq!(spawns(&it.pass(ms(100))), [(0, Image::Held)]);
}
