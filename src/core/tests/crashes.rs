//! Ends and what follows from them: contract 3.1 to 3.4, 3.6 to 3.8.

use super::*;

/// What the end of a worker that serves is.
fn is_crash(end: End) -> bool {
    let mut it = Driver::started(settings(2));
    let effects = it.end(it.worker(0), end);
    let crash = it.status(0) == Status::Respawning;
    assert_eq!(calls(&effects), [on_exit(0, end, crash)]);
    assert_eq!(notices(&effects).contains(&crashed(0, secs(60), end)), crash, "a line for each crash: {effects:?}");
    assert_eq!(it.view(0).exit_status, end.exit_status());
    assert_eq!(it.view(0).crash_count, u8::from(crash));
    assert_eq!(it.view(0).process, None, "contract 3.4: no pid");
    assert_eq!(crash, it.core.next_deadline().is_some(), "contract 3.2: a graceful end is final");
    crash
}

#[test]
fn graceful_ends_contract_3_1() {
    for end in [End::Exited(0), End::Killed(15), End::Killed(2)] {
        assert!(!is_crash(end), "{end:?}");
    }
}

#[test]
fn crashes_contract_3_1() {
    for end in [End::Exited(1), End::Exited(143), End::Exited(255), SEGV, End::Killed(6), End::Killed(9), End::Lost] {
        assert!(is_crash(end), "{end:?}");
    }
}

#[test]
fn exit_statuses_contract_3_1_and_3_7() {
    assert_eq!(End::Exited(3).exit_status(), 3);
    assert_eq!(SEGV.exit_status(), 139);
    assert_eq!(End::Lost.exit_status(), 255);
}

#[test]
fn an_end_by_sigterm_before_cluster_init_is_graceful_contract_3_1() {
    let mut it = Driver::new(settings(1));
    it.happens(Event::Begin);
    it.happens(Event::Executed(it.latest(0)));
    assert_eq!(calls(&it.end(it.latest(0), End::Killed(15))), [on_exit(0, End::Killed(15), false)]);
    assert_eq!(it.status(0), Status::Stopping);
}

#[test]
fn a_lost_status_is_a_crash_and_is_told_contract_3_7() {
    let mut it = Driver::started(settings(1));
    let effects = it.end(it.worker(0), End::Lost);
    assert_eq!(notices(&effects), [Notice::StatusLost { worker: 0 }, crashed(0, secs(60), End::Lost)]);
    assert_eq!(it.view(0).exit_status, 255);
}

#[test]
fn on_exit_comes_after_everything_else_contract_3_6() {
    let mut it = Driver::started(settings(1));
    let effects = it.crash(0);
    assert_eq!(effects.last(), Some(&on_exit(0, End::Exited(1), true)));
    assert_eq!((it.status(0), it.view(0).exit_status), (Status::Respawning, 1));
}

#[test]
fn a_crashed_worker_is_respawned_after_the_delay_contract_3_2() {
    let mut it = Driver::started(Settings { respawn_delay: ms(700), ..settings(2) });
    it.crash(1);
    assert_eq!(it.statuses(), [Status::Active, Status::Respawning]);
    assert_eq!(it.pass(ms(699)), []);
    assert_eq!(spawns(&it.pass(ms(1))), [(1, Image::Held)], "contract 3.5: the same image");
    assert_eq!(it.status(1), Status::Starting);
    assert_eq!(it.core.total_restarts(), 0, "contract 3.4: not before it is the worker");
    assert_eq!(calls(&it.join(it.latest(1))), [Effect::CallOnStart(1)]);
    assert_eq!((it.status(1), it.core.total_restarts()), (Status::Active, 1));
    assert_eq!(it.view(1).crash_count, 1);
    assert_eq!(it.view(1).exit_status, 1, "of the last process that ended");
}

#[test]
fn the_respawn_delay_blocks_nobody_contract_3_2() {
    let mut it = Driver::started(Settings { respawn_delay: secs(60), ..settings(2) });
    it.crash(0);
    it.pass(secs(1));
    assert_eq!(calls(&it.crash(1)), [on_exit(1, End::Exited(1), true)]);
    assert_eq!(spawns(&it.pass(secs(59))), [(0, Image::Held)]);
    assert_eq!(spawns(&it.pass(secs(1))), [(1, Image::Held)]);
}

#[test]
fn no_delay_at_all_is_possible() {
    let mut it = Driver::started(Settings { respawn_delay: ms(0), ..settings(1) });
    assert_eq!(spawns(&it.crash(0)), [(0, Image::Held)]);
}

#[test]
fn with_respawn_off_a_crash_is_final_contract_3_2_and_3_4() {
    let mut it = Driver::started(Settings { respawn: false, ..settings(2) });
    let effects = it.crash(0);
    assert_eq!(notices(&effects), [crashed(0, secs(60), End::Exited(1))]);
    assert_eq!(it.statuses(), [Status::Crashed, Status::Active]);
    assert_eq!(it.view(0).crash_count, 1);
    assert_eq!(it.pass(secs(3600)), []);
    assert!(!it.core.is_over());
}

#[test]
fn three_crashes_within_the_window_disable_contract_3_3() {
    let mut it = Driver::started(settings(2));
    it.crash(1);
    it.pass(ms(100));
    it.serve(it.latest(1));
    it.pass(ms(1900));
    it.crash(1);
    it.pass(ms(100));
    it.serve(it.latest(1));
    it.pass(ms(2899));
    let effects = it.crash(1);
    let within = ms(4999);
    let lines = [crashed(1, ms(2899), End::Exited(1)), Notice::CrashingTooFast { worker: 1, crashes: 3, within }];
    assert_eq!(notices(&effects), lines);
    assert_eq!(it.statuses(), [Status::Active, Status::Disabled]);
    assert_eq!((it.view(1).crash_count, it.view(1).process), (3, None));
    assert_eq!(it.pass(secs(3600)), [], "never again");
    assert_eq!(it.view(1).crash_count, 3, "contract 3.4: time alone does not lower it");
}

#[test]
fn the_whole_window_apart_is_slow_enough_contract_3_3() {
    let mut it = Driver::started(settings(1));
    for between in [0, 2400, 2400] {
        it.pass(ms(between));
        it.crash(0);
        it.pass(ms(100));
        it.serve(it.latest(0));
    }
    assert_eq!((it.status(0), it.view(0).crash_count), (Status::Active, 2));
}

#[test]
fn each_worker_is_counted_for_itself_contract_3_3() {
    let mut it = Driver::started(settings(3));
    for slot in 0..3 {
        it.crash(slot);
    }
    assert_eq!(it.statuses(), [Status::Respawning; 3]);
}

#[test]
fn one_crash_can_be_one_too_many_contract_3_3() {
    let mut it = Driver::started(Settings { respawn_max_crashes: 1, ..settings(2) });
    it.crash(0);
    assert_eq!(it.statuses(), [Status::Disabled, Status::Active]);
}

#[test]
fn graceful_ends_are_not_counted_and_final_contract_3_2() {
    let mut it = Driver::started(settings(2));
    assert_eq!(notices(&it.end(it.worker(0), End::Exited(0))), []);
    assert_eq!(it.statuses(), [Status::Stopping, Status::Active]);
    assert_eq!(it.pass(secs(3600)), []);
}

#[test]
fn it_is_over_when_all_ended_gracefully_contract_3_8() {
    let mut it = Driver::started(settings(2));
    it.end(it.worker(0), End::Exited(0));
    assert!(!it.core.is_over());
    assert_eq!(notices(&it.end(it.worker(1), End::Killed(2))), [], "nothing to complain of");
    assert!(it.core.is_over());
    assert!(!it.core.is_stopping(), "contract 3.4: nobody has asked for it");
}

#[test]
fn it_is_over_when_all_crashed_and_says_so_contract_3_8() {
    let mut it = Driver::started(Settings { respawn: false, ..settings(2) });
    it.crash(1);
    let effects = it.crash(0);
    assert_eq!(notices(&effects).last(), Some(&Notice::AllDown { crashed: 2, disabled: 0 }));
    assert!(it.core.is_over());
}

#[test]
fn it_is_over_when_all_are_disabled_and_says_so_once_contract_3_8() {
    let mut it = Driver::started(Settings { respawn_max_crashes: 1, ..settings(2) });
    assert_eq!(notices(&it.crash(0)).len(), 2);
    let all_down = Notice::AllDown { crashed: 0, disabled: 2 };
    let told = notices(&it.crash(1)).into_iter().filter(|notice| *notice == all_down).count();
    assert_eq!((told, it.core.is_over()), (1, true));
}

#[test]
fn nothing_is_said_when_some_ended_gracefully_contract_3_8() {
    let mut it = Driver::started(Settings { respawn: false, ..settings(2) });
    it.end(it.worker(0), End::Exited(0));
    assert_eq!(notices(&it.crash(1)), [crashed(1, secs(60), End::Exited(1))]);
    assert!(it.core.is_over());
}

#[test]
fn a_waiting_slot_keeps_the_cluster_alive_contract_3_8() {
    let mut it = Driver::started(settings(1));
    it.crash(0);
    assert!(!it.core.is_over());
}

#[test]
fn an_end_is_told_once() {
    let mut it = Driver::started(settings(1));
    let key = it.worker(0);
    it.end(key, SEGV);
    for late in [Event::Ended(key, SEGV), Event::Listening(key, home()), Event::ChannelBroken(key), Event::Joined(key)]
    {
        assert_eq!(it.happens(late), []);
    }
    assert_eq!(it.view(0).crash_count, 1);
}

#[test]
fn an_idle_cluster_has_no_deadline_contract_4_5() {
    let mut it = Driver::started(settings(4));
    assert_eq!(it.core.next_deadline(), None);
    it.crash(2);
    it.pass(ms(100));
    it.serve(it.latest(2));
    assert_eq!(it.core.next_deadline(), None);
}
