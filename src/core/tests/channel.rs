//! Workers that are not to be trusted: contract 7.3.

use super::*;

/// A cluster whose one worker listens nowhere: its successors are ready once they have lived 500 ms.
fn silent() -> Driver {
    let mut it = Driver::new(settings(1));
    it.happens(Event::Begin);
    it.join(it.latest(0));
    it.pass(secs(60));
    it
}

#[test]
fn a_worker_that_breaks_the_channel_is_stopped_and_counts_as_crashed_contract_7_3() {
    let mut it = Driver::started(settings(2));
    let key = it.worker(1);
    let effects = it.happens(Event::ChannelBroken(key));
    assert_eq!(effects, [Effect::Stop(key, StopSignal::Term)]);
    assert_eq!(it.status(1), Status::Stopping, "contract 3.4: told to stop");
    it.pass(secs(1));
    let effects = it.end(key, End::Exited(0));
    assert_eq!(calls(&effects), [on_exit(1, End::Exited(0), true)], "whatever its end is");
    assert_eq!(it.statuses(), [Status::Active, Status::Respawning]);
    assert_eq!(it.view(1).crash_count, 1);
    assert_eq!(spawns(&it.pass(ms(100))), [(1, Image::Held)]);
}

#[test]
fn it_is_killed_after_the_timeout_contract_7_3() {
    let mut it = Driver::started(settings(1));
    let key = it.worker(0);
    it.happens(Event::ChannelBroken(key));
    assert_eq!(kills(&it.pass(ms(14_999))), []);
    assert_eq!(kills(&it.pass(ms(1))), [key]);
    assert_eq!(it.pass(secs(60)), [], "once");
    assert_eq!(calls(&it.end(key, End::Killed(9))), [on_exit(0, End::Killed(9), true)]);
}

#[test]
fn crash_protection_counts_it_contract_7_3_and_3_3() {
    let mut it = Driver::started(settings(2));
    for _ in 0..3 {
        let key = it.worker(0);
        it.happens(Event::ChannelBroken(key));
        it.end(key, End::Killed(15));
        it.pass(ms(100));
        it.serve(it.latest(0));
    }
    assert_eq!(it.statuses(), [Status::Disabled, Status::Active]);
}

#[test]
fn with_respawn_off_it_is_gone_contract_7_3_and_3_2() {
    let mut it = Driver::started(Settings { respawn: false, ..settings(1) });
    it.happens(Event::ChannelBroken(it.worker(0)));
    it.end(it.worker(0), End::Killed(15));
    assert_eq!((it.status(0), it.core.is_over()), (Status::Crashed, true));
}

#[test]
fn breaking_it_twice_changes_nothing() {
    let mut it = Driver::started(settings(1));
    it.happens(Event::ChannelBroken(it.worker(0)));
    let deadline = it.core.next_deadline();
    it.pass(secs(5));
    assert_eq!(it.happens(Event::ChannelBroken(it.worker(0))), []);
    assert_eq!(it.core.next_deadline(), deadline);
}

#[test]
fn during_a_shutdown_its_end_is_graceful_contract_3_1() {
    let mut it = Driver::started(settings(1));
    it.stop();
    assert_eq!(it.happens(Event::ChannelBroken(it.worker(0))), []);
    assert_eq!(calls(&it.end(it.worker(0), SEGV)), [on_exit(0, SEGV, false)]);
}

#[test]
fn a_shutdown_does_not_lengthen_its_time_contract_7_3_and_4_1() {
    let mut it = Driver::started(settings(2));
    let key = it.worker(0);
    it.happens(Event::ChannelBroken(key));
    it.pass(secs(10));
    assert_eq!(stops(&it.stop()), [(it.worker(1), StopSignal::Term)], "it has been told already");
    assert_eq!(kills(&it.pass(secs(5))), [key]);
}

#[test]
fn a_replacement_that_breaks_it_is_a_failed_deploy_contract_5_2_and_7_3() {
    let mut it = Driver::started(settings(2));
    it.restart();
    let replacement = it.latest(0);
    it.join(replacement);
    let effects = it.happens(Event::ChannelBroken(replacement));
    assert_eq!(notices(&effects), [abandoned(0, DeployFailure::ChannelBroken)]);
    assert_eq!(kills(&effects), [replacement]);
    assert!(it.core.is_restarting(), "contract 5.1: until its process is gone");
    let effects = it.end(replacement, End::Killed(9));
    assert_eq!(effects, [], "contract 3.6: no callback");
    assert!(!it.core.is_restarting());
    assert_eq!(it.statuses(), [Status::Active; 2]);
    assert_eq!(it.view(0).crash_count, 0);
}

#[test]
fn its_failure_is_told_once_whatever_it_still_says_contract_5_2() {
    let mut it = Driver::started(settings(2));
    it.restart();
    let replacement = it.latest(0);
    it.join(replacement);
    it.happens(Event::ChannelBroken(replacement));
    assert_eq!(it.happens(Event::ChannelBroken(replacement)), []);
}

#[test]
fn its_failure_is_told_once_however_long_it_takes_to_die_contract_5_2() {
    let mut it = Driver::started(settings(2));
    it.restart();
    it.join(it.latest(0));
    it.happens(Event::ChannelBroken(it.latest(0)));
    assert_eq!(it.pass(secs(60)), []);
}

#[test]
fn a_killed_replacement_never_becomes_the_worker_contract_5_2() {
    let mut it = silent();
    it.restart();
    let replacement = it.latest(0);
    it.join(replacement);
    it.pass(ms(400));
    it.happens(Event::ChannelBroken(replacement));
    assert_eq!(it.pass(ms(100)), [], "it has lived 500 ms, but it has been killed: only its end is missing");
    it.end(replacement, End::Killed(9));
    assert_eq!(it.status(0), Status::Active);
}

#[test]
fn an_old_worker_on_its_way_out_may_say_what_it_likes_contract_3_1() {
    let mut it = Driver::started(settings(1));
    let old = it.worker(0);
    it.restart();
    it.serve(it.latest(0));
    assert_eq!(it.happens(Event::ChannelBroken(old)), []);
    assert_eq!(calls(&it.end(old, SEGV)), [on_exit(0, SEGV, false)]);
    assert_eq!(it.view(0).crash_count, 0);
}

#[test]
fn a_condemned_worker_is_replaced_in_its_turn_like_others_contract_5_1() {
    let mut it = Driver::started(settings(1));
    let old = it.worker(0);
    it.happens(Event::ChannelBroken(old));
    it.restart();
    it.serve(it.latest(0));
    assert_eq!(it.status(0), Status::Active);
    it.end(old, End::Killed(15));
    assert!(!it.core.is_restarting());
}
