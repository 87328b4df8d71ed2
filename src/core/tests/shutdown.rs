//! The end of the whole cluster: contract 4.1, 4.3, 5.4, during every phase.

use super::*;

fn stopped(it: &Driver) -> bool {
    it.core.is_stopping() && !it.core.is_restarting()
}

#[test]
fn every_worker_is_told_and_killed_after_the_timeout_contract_4_1() {
    let mut it = Driver::started(settings(3));
    let keys = [it.worker(0), it.worker(1), it.worker(2)];
    assert_eq!(it.stop(), keys.map(|key| Effect::Stop(key, StopSignal::Term)));
    assert_eq!(it.statuses(), [Status::Stopping; 3]);
    assert_eq!(calls(&it.end(keys[1], End::Exited(0))), [on_exit(1, End::Exited(0), false)]);
    assert_eq!(it.pass(ms(14_999)), []);
    assert_eq!(it.pass(ms(1)), [Effect::Kill(keys[0]), Effect::Kill(keys[2])]);
    assert_eq!(it.core.next_deadline(), None, "contract 4.5: nothing is left to wait for but their ends");
    it.end(keys[0], End::Killed(9));
    assert!(!it.core.is_over());
    it.end(keys[2], End::Killed(9));
    assert!(it.core.is_over() && stopped(&it));
}

#[test]
fn ends_after_the_stop_are_graceful_and_final_contract_3_1() {
    let mut it = Driver::started(settings(3));
    let keys = [it.worker(0), it.worker(1), it.worker(2)];
    it.stop();
    for (key, end) in keys.into_iter().zip([SEGV, End::Exited(7), End::Lost]) {
        let effects = it.end(key, end);
        assert_eq!(calls(&effects), [on_exit(key.slot(), end, false)]);
        assert_eq!(it.view(key.slot()).crash_count, 0);
        assert_eq!(it.view(key.slot()).exit_status, end.exit_status());
    }
    assert!(it.core.is_over());
    assert_eq!(it.statuses(), [Status::Stopping; 3]);
}

#[test]
fn a_second_stop_does_not_lengthen_the_time_contract_4_1() {
    let mut it = Driver::started(settings(1));
    it.stop();
    it.pass(secs(10));
    assert_eq!(it.stop(), []);
    assert_eq!(it.happens(Event::StopRequested(StopSignal::Int)), []);
    assert_eq!(kills(&it.pass(secs(5))), [it.worker(0)]);
}

#[test]
fn the_second_interrupt_kills_at_once_contract_4_1() {
    let mut it = Driver::started(settings(2));
    it.stop();
    it.pass(secs(1));
    let effects = it.happens(Event::StopRequested(StopSignal::Kill));
    assert_eq!(kills(&effects), [it.worker(0), it.worker(1)]);
    assert_eq!(it.core.next_deadline(), None);
    it.end_all();
}

#[test]
fn sent_with_cluster_signal_workers_they_mean_stop_contract_4_3() {
    for signal in [StopSignal::Term, StopSignal::Int, StopSignal::Kill] {
        let mut it = Driver::started(settings(2));
        let keys = [it.worker(0), it.worker(1)];
        let effects = it.happens(Event::StopRequested(signal));
        assert_eq!(stops(&effects), keys.map(|key| (key, signal)));
        let killed = if signal == StopSignal::Kill { keys.to_vec() } else { Vec::new() };
        assert_eq!(kills(&effects), killed, "{signal:?}");
        assert!(stopped(&it));
        assert_eq!(kills(&it.pass(secs(15))).is_empty(), signal == StopSignal::Kill, "the timeout holds");
        it.end_all();
    }
}

#[test]
fn before_the_first_worker_is_made_contract_2_5() {
    let mut it = Driver::new(settings(2));
    it.stop();
    assert!(it.core.is_over());
    assert_eq!(it.happens(Event::Begin), []);
    assert_eq!(it.core.startup_failure(), None, "contract 2.5: cluster_init returns true");
}

#[test]
fn during_the_start_the_spawning_ends_contract_2_5() {
    let mut it = Driver::new(settings(3));
    it.happens(Event::Begin);
    it.join(it.latest(0));
    it.pass(ms(50));
    let effects = it.stop();
    assert_eq!(stops(&effects), [(it.latest(0), StopSignal::Term)]);
    assert!(!it.core.is_starting(), "cluster_init returns");
    assert_eq!(it.core.startup_failure(), None);
    assert_eq!(it.statuses(), [Status::Stopping; 3]);
    assert_eq!(spawns(&it.pass(secs(10))), []);
    it.end_all();
}

#[test]
fn during_the_start_before_the_exec_report_contract_2_5() {
    let mut it = Driver::new(settings(2));
    it.happens(Event::Begin);
    it.stop();
    let effects = it.end(it.latest(0), End::Killed(15));
    assert_eq!(calls(&effects), [Effect::CallOnStart(0), on_exit(0, End::Killed(15), false)]);
    assert!(it.core.is_over());
}

#[test]
fn a_late_exec_report_does_not_go_on_with_the_start_contract_2_5() {
    let mut it = Driver::new(settings(2));
    it.happens(Event::Begin);
    it.stop();
    assert_eq!(spawns(&it.serve(it.latest(0))), []);
    assert_eq!(spawns(&it.pass(secs(14))), []);
    assert_eq!(it.status(0), Status::Stopping);
    it.end_all();
}

#[test]
fn a_slot_that_waits_for_its_respawn_stays_empty_contract_4_3() {
    let mut it = Driver::started(settings(2));
    it.crash(0);
    it.stop();
    assert_eq!(it.statuses(), [Status::Stopping; 2]);
    assert_eq!(spawns(&it.pass(secs(10))), []);
    it.end_all();
}

#[test]
fn a_cluster_that_only_waits_is_over_at_once_contract_3_8() {
    let mut it = Driver::started(settings(1));
    it.crash(0);
    assert_eq!(it.stop(), []);
    assert!(it.core.is_over());
}

#[test]
fn a_slot_that_waits_for_another_attempt_stays_empty_contract_4_3() {
    let mut it = Driver::started(settings(1));
    it.crash(0);
    it.pass(ms(100));
    it.happens(Event::SpawnFailed(it.latest(0), EAGAIN));
    it.stop();
    assert!(it.core.is_over());
    assert_eq!(it.pass(secs(60)), []);
}

#[test]
fn disabled_and_crashed_slots_stay_what_they_are_contract_3_4() {
    let mut it = Driver::started(Settings { respawn_max_crashes: 1, ..settings(2) });
    it.crash(0);
    it.stop();
    assert_eq!(it.statuses(), [Status::Disabled, Status::Stopping]);
    it.end_all();
    assert_eq!(it.statuses(), [Status::Disabled, Status::Stopping]);
}

#[test]
fn while_a_replacement_starts_both_are_stopped_contract_5_4() {
    let mut it = Driver::started(settings(2));
    it.restart();
    let replacement = it.latest(0);
    it.join(replacement);
    let effects = it.stop();
    let told = [it.worker(0), replacement, it.worker(1)].map(|key| (key, StopSignal::Term));
    assert_eq!(stops(&effects), told);
    assert!(stopped(&it));
    let effects = it.end(replacement, End::Killed(15));
    assert_eq!(effects, [], "contract 3.6: it was never a worker");
    it.end_all();
    assert_eq!(it.core.total_restarts(), 0);
}

#[test]
fn a_replacement_that_gets_ready_during_the_shutdown_is_no_worker_contract_5_4() {
    let mut it = Driver::started(settings(1));
    let old = it.worker(0);
    it.restart();
    let replacement = it.latest(0);
    it.join(replacement);
    it.stop();
    assert_eq!(calls(&it.happens(Event::Listening(replacement, home()))), []);
    assert_eq!(it.core.total_restarts(), 0);
    assert_eq!(it.worker(0), old, "contract 3.4: the statistics describe the old worker");
    it.end_all();
}

#[test]
fn a_replacement_whose_time_comes_during_the_shutdown_is_no_worker_contract_5_4() {
    // Its predecessor listens nowhere, so that having lived 500 ms would do.
    let mut it = Driver::new(settings(1));
    it.happens(Event::Begin);
    it.join(it.latest(0));
    it.pass(secs(60));
    it.restart();
    it.join(it.latest(0));
    it.stop();
    assert_eq!(calls(&it.pass(secs(1))), []);
    assert_eq!(it.core.total_restarts(), 0);
    it.end_all();
}

#[test]
fn while_the_old_worker_retires_contract_5_4() {
    let mut it = Driver::started(settings(2));
    let old = it.worker(0);
    it.restart();
    it.serve(it.latest(0));
    it.pass(secs(5));
    let effects = it.stop();
    assert_eq!(stops(&effects), [it.worker(0), it.worker(1)].map(|key| (key, StopSignal::Term)), "the old one knows");
    assert_eq!(kills(&it.pass(secs(10))), [old], "its time began earlier");
    let effects = it.end(old, End::Killed(9));
    assert_eq!(effects, [on_exit(0, End::Killed(9), false)], "no other slot's turn comes");
    assert_eq!(kills(&it.pass(secs(5))), [it.worker(0), it.worker(1)]);
    it.end_all();
}

#[test]
fn while_a_failed_replacement_is_awaited_contract_5_4() {
    let mut it = Driver::started(settings(2));
    it.restart();
    let replacement = it.latest(0);
    it.join(replacement);
    it.pass(secs(10));
    let effects = it.stop();
    assert_eq!(stops(&effects), [it.worker(0), it.worker(1)].map(|key| (key, StopSignal::Term)));
    assert_eq!(calls(&it.end(replacement, End::Killed(9))), []);
    it.end_all();
}

#[test]
fn slots_that_wait_for_their_turn_stay_empty_contract_5_4() {
    let mut it = Driver::started(settings(2));
    it.restart();
    it.crash(1);
    assert_eq!(it.status(1), Status::Respawning);
    it.stop();
    assert_eq!(it.status(1), Status::Stopping);
    it.end_all();
}

#[test]
fn requests_for_a_restart_come_too_late_contract_5_4() {
    let mut it = Driver::started(settings(1));
    it.stop();
    assert_eq!(it.restart(), []);
    assert!(stopped(&it));
    it.end_all();
}

#[test]
fn a_remembered_restart_is_forgotten_contract_5_4() {
    let mut it = Driver::started(settings(1));
    it.restart();
    it.restart();
    it.stop();
    assert!(stopped(&it));
    it.end_all();
}

#[test]
fn during_a_failed_start_it_changes_nothing_but_the_speed_contract_2_1_and_4_1() {
    let mut it = Driver::new(settings(2));
    it.happens(Event::Begin);
    it.join(it.latest(0));
    it.happens(Event::BindFailed(it.latest(0), BindError { address: home(), in_use: true }));
    assert_eq!(it.stop(), []);
    assert_eq!(kills(&it.happens(Event::StopRequested(StopSignal::Kill))), [it.latest(0)]);
    it.end_all();
    assert_eq!(it.core.startup_failure(), Some(StartupFailure::PortInUse));
}

#[test]
fn a_timeout_of_zero_kills_at_once_contract_4_1() {
    let mut it = Driver::started(Settings { shutdown_timeout: ms(0), ..settings(1) });
    let effects = it.stop();
    assert_eq!(effects, [Effect::Stop(it.worker(0), StopSignal::Term), Effect::Kill(it.worker(0))]);
    it.end_all();
}

/// A Rust program may say "for ever", which must not overflow.
#[test]
fn a_timeout_without_end_is_possible_contract_8_4() {
    let mut it = Driver::started(Settings { shutdown_timeout: Duration::MAX, ..settings(2) });
    it.stop();
    assert_eq!(it.pass(secs(1 << 40)), []);
    it.end_all();
}

#[test]
fn delays_without_end_are_possible_contract_8_4() {
    let mut it = Driver::started(Settings { respawn_delay: Duration::MAX, ..settings(2) });
    it.crash(0);
    assert_eq!(it.pass(secs(1 << 40)), []);
    let mut it = Driver::new(Settings { startup_delay: StartupDelay::Explicit(Duration::MAX), ..settings(2) });
    it.happens(Event::Begin);
    it.serve(it.latest(0));
    assert_eq!(it.pass(secs(1 << 40)), []);
}
