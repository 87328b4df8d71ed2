//! The start: contract 2.5, and 2.1 where the core decides.

use std::time::Duration;

use super::*;

fn explicit(workers: u8, delay: Duration) -> Settings {
    Settings { startup_delay: StartupDelay::Explicit(delay), ..settings(workers) }
}

#[test]
fn the_first_worker_is_made_at_once_from_the_running_image_contract_2_5_and_3_5() {
    let mut it = Driver::new(settings(3));
    assert_eq!(it.core.next_deadline(), None, "nothing before the beginning");
    assert_eq!(it.statuses(), [Status::Starting; 3]);
    let effects = it.happens(Event::Begin);
    assert_eq!(spawns(&effects), [(0, Image::Held)]);
    assert_eq!(calls(&effects), [], "contract 3.6: on_start comes after the exec");
    assert!(it.core.is_starting());
}

#[test]
fn starting_until_exec_and_active_from_then_on_contract_3_4_and_3_6() {
    let mut it = Driver::new(settings(1));
    it.happens(Event::Begin);
    let key = it.latest(0);
    assert_eq!(it.status(0), Status::Starting);
    assert_eq!(it.view(0).process, Some((key, it.now)), "its process is shown before the exec");
    assert_eq!(it.happens(Event::Executed(key)), [Effect::CallOnStart(0)]);
    assert_eq!(it.status(0), Status::Active);
    assert_eq!(it.happens(Event::Executed(key)), [], "told twice");
    assert_eq!(it.core.total_restarts(), 0);
}

#[test]
fn the_default_delay_ends_when_the_worker_listens_contract_2_5() {
    let mut it = Driver::new(settings(2));
    it.happens(Event::Begin);
    let first = it.latest(0);
    it.join(first);
    assert_eq!(it.pass(ms(30)), []);
    let effects = it.happens(Event::Listening(first, home()));
    assert_eq!(spawns(&effects), [(1, Image::Held)], "70 ms early");
}

#[test]
fn the_default_delay_is_100_ms_for_a_worker_that_does_not_listen_contract_1_2() {
    let mut it = Driver::new(settings(2));
    it.happens(Event::Begin);
    it.pass(ms(40));
    it.join(it.latest(0));
    it.happens(Event::Listening(it.latest(0), elsewhere()));
    assert_eq!(spawns(&it.pass(ms(99))), [], "another port does not count");
    assert_eq!(spawns(&it.pass(ms(1))), [(1, Image::Held)], "counted from on_start");
}

#[test]
fn an_explicit_delay_is_kept_from_on_start_on_contract_2_5() {
    let mut it = Driver::new(explicit(2, ms(1000)));
    it.happens(Event::Begin);
    it.pass(ms(250));
    it.serve(it.latest(0));
    assert_eq!(spawns(&it.pass(ms(999))), []);
    assert_eq!(spawns(&it.pass(ms(1))), [(1, Image::Held)]);
}

#[test]
fn an_explicit_delay_of_zero_does_not_wait() {
    let mut it = Driver::new(explicit(2, Duration::ZERO));
    it.happens(Event::Begin);
    let effects = it.happens(Event::Executed(it.latest(0)));
    assert_eq!(spawns(&effects), [(1, Image::Held)]);
}

#[test]
fn a_respawn_in_the_middle_of_the_start_does_not_shift_the_others_contract_2_5() {
    let mut it = Driver::new(explicit(3, ms(1000)));
    it.happens(Event::Begin);
    it.serve(it.latest(0));
    it.pass(ms(500));
    it.crash(0);
    assert_eq!(it.status(0), Status::Respawning);
    assert_eq!(spawns(&it.pass(ms(100))), [(0, Image::Held)], "crashes are handled during the start");
    it.serve(it.latest(0));
    assert_eq!(spawns(&it.pass(ms(399))), []);
    assert_eq!(spawns(&it.pass(ms(1))), [(1, Image::Held)], "1000 ms from the first on_start of worker 0");
    assert_eq!(it.core.total_restarts(), 1);
}

#[test]
fn the_start_is_over_when_all_listen_contract_2_5() {
    let mut it = Driver::new(settings(2));
    it.happens(Event::Begin);
    it.serve(it.latest(0));
    assert!(it.core.is_starting());
    it.serve(it.latest(1));
    assert!(!it.core.is_starting());
    assert!(!it.core.is_over());
    assert_eq!(it.statuses(), [Status::Active; 2]);
}

#[test]
fn the_start_is_over_when_the_last_ones_listen_or_have_exited_contract_2_5() {
    let mut it = Driver::new(Settings { respawn: false, ..settings(2) });
    it.happens(Event::Begin);
    it.serve(it.latest(0));
    it.join(it.latest(1));
    assert!(it.core.is_starting());
    it.end(it.latest(1), End::Exited(4));
    assert!(!it.core.is_starting());
}

#[test]
fn the_start_is_over_500_ms_after_the_last_spawn_contract_2_5() {
    let mut it = Driver::new(settings(2));
    it.happens(Event::Begin);
    it.join(it.latest(0));
    it.pass(ms(100));
    assert_eq!(it.spawned.len(), 2);
    it.join(it.latest(1));
    it.pass(ms(499));
    assert!(it.core.is_starting());
    it.pass(ms(1));
    assert!(!it.core.is_starting());
}

#[test]
fn the_last_workers_time_to_listen_begins_when_it_runs_contract_2_5() {
    let mut it = Driver::new(settings(1));
    it.happens(Event::Begin);
    assert_eq!(
        it.pass(ms(700)),
        [],
        "the machine is busy: `on_start` comes before `cluster_init` returns all the same"
    );
    assert!(it.core.is_starting());
    assert_eq!(calls(&it.happens(Event::Executed(it.latest(0)))), [Effect::CallOnStart(0)]);
    it.pass(ms(499));
    assert!(it.core.is_starting());
    it.pass(ms(1));
    assert!(!it.core.is_starting());
}

#[test]
fn an_exec_that_fails_late_is_an_error_of_the_start_contract_2_1() {
    let mut it = Driver::new(settings(1));
    it.happens(Event::Begin);
    it.pass(ms(700));
    it.happens(Event::SpawnFailed(it.latest(0), ENOENT));
    assert_eq!(it.core.startup_failure(), Some(StartupFailure::NotSpawned { worker: 0, error: ENOENT }));
}

/// A process that never runs the program is killed when its 10 s are over, and the start fails.
#[test]
fn a_start_whose_last_worker_never_runs_ends_all_the_same_contract_2_5() {
    let mut it = Driver::new(settings(1));
    it.happens(Event::Begin);
    let key = it.latest(0);
    assert_eq!(kills(&it.pass(secs(10))), [key]);
    it.end(key, End::Killed(9));
    assert!(!it.core.is_starting());
}

#[test]
fn all_255_workers_start_one_after_the_other_contract_5_5() {
    let it = Driver::started(settings(255));
    assert_eq!(it.spawned.len(), 255);
    assert_eq!(it.statuses(), [Status::Active; 255]);
}

#[test]
fn an_end_before_the_exec_report_gives_start_before_exit_contract_3_6() {
    let mut it = Driver::new(settings(1));
    it.happens(Event::Begin);
    let effects = it.end(it.latest(0), End::Exited(9));
    assert_eq!(calls(&effects), [Effect::CallOnStart(0), on_exit(0, End::Exited(9), true)]);
    assert_eq!(it.happens(Event::Executed(it.latest(0))), [], "the report comes too late");
    assert_eq!(it.status(0), Status::Respawning);
}

#[test]
fn an_exit_with_0_before_cluster_init_is_a_crash_contract_2_2() {
    let mut it = Driver::new(settings(1));
    it.happens(Event::Begin);
    it.happens(Event::Executed(it.latest(0)));
    let effects = it.end(it.latest(0), End::Exited(0));
    assert_eq!(calls(&effects), [on_exit(0, End::Exited(0), true)]);
    assert_eq!(it.status(0), Status::Respawning);
}

#[test]
fn a_cluster_that_crashes_at_the_start_ends_by_protection_contract_2_5_and_3_8() {
    let mut it = Driver::new(settings(1));
    it.happens(Event::Begin);
    for round in 0..3 {
        let effects = it.end(it.latest(0), SEGV);
        assert_eq!(notices(&effects).contains(&Notice::AllDown { crashed: 0, disabled: 1 }), round == 2, "{round}");
        it.pass(ms(100));
    }
    assert!(it.core.is_over());
    assert_eq!(it.core.startup_failure(), None, "it did start");
    assert_eq!(it.core.next_deadline(), None);
}

#[test]
fn a_taken_port_fails_the_start_and_leaves_nothing_contract_2_1() {
    let mut it = Driver::new(settings(3));
    it.happens(Event::Begin);
    it.serve(it.latest(0));
    let key = it.latest(1);
    it.join(key);
    let effects = it.happens(Event::BindFailed(key, BindError { address: home(), in_use: true }));
    assert_eq!(stops(&effects), [(it.latest(0), StopSignal::Term), (key, StopSignal::Term)]);
    assert!(!it.core.is_starting());
    assert_eq!(it.core.startup_failure(), Some(StartupFailure::PortInUse));
    assert!(!it.core.is_over(), "what runs must end first");
    assert_eq!(kills(&it.pass(secs(15))), [it.latest(0), key]);
    it.end_all();
    assert_eq!(it.core.startup_failure(), Some(StartupFailure::PortInUse));
}

#[test]
fn other_failures_to_bind_are_the_programs_own_affair_contract_2_1() {
    let mut it = Driver::new(settings(1));
    it.happens(Event::Begin);
    let key = it.latest(0);
    it.join(key);
    let elsewhere = BindError { address: elsewhere(), in_use: true };
    let forbidden = BindError { address: home(), in_use: false };
    assert_eq!(it.happens(Event::BindFailed(key, elsewhere)), []);
    assert_eq!(it.happens(Event::BindFailed(key, forbidden)), []);
    it.happens(Event::Listening(key, home()));
    let later = BindError { address: home(), in_use: true };
    assert_eq!(it.happens(Event::BindFailed(key, later)), [], "cluster_init has returned");
    assert_eq!(it.core.startup_failure(), None);
}

/// `Supervisor::handle` promises it.
#[test]
fn events_about_unknown_processes_change_nothing() {
    let mut it = Driver::new(settings(2));
    it.happens(Event::Begin);
    for key in [unknown(0), unknown(1), unknown(200)] {
        let in_use = BindError { address: home(), in_use: true };
        for event in [
            Event::Executed(key),
            Event::Joined(key),
            Event::Listening(key, home()),
            Event::ChannelBroken(key),
            Event::SpawnFailed(key, EAGAIN),
            Event::Ended(key, SEGV),
            Event::Ended(key, End::Lost),
            Event::BindFailed(key, in_use),
        ] {
            assert_eq!(it.happens(event), [], "{event:?}");
        }
    }
    assert!(it.core.is_starting());
    assert_eq!(it.statuses(), [Status::Starting; 2]);
}

#[test]
fn a_tick_that_is_not_due_changes_nothing() {
    let mut it = Driver::new(settings(2));
    it.happens(Event::Begin);
    it.join(it.latest(0));
    let deadline = it.core.next_deadline();
    it.now += ms(1);
    assert_eq!(it.handle(Event::Tick), []);
    assert_eq!(it.core.next_deadline(), deadline);
}
