//! The old worker drains before it is told to stop: contract 6.3, and 5, 3.4 and 3.6 with it.

use super::*;

fn with_handoff(workers: u8) -> Settings {
    Settings { handoff: true, ..settings(workers) }
}

/// A restart whose first old worker drains, and what led to that.
fn draining(settings: Settings) -> (Driver, ProcessKey, Vec<Effect>) {
    let mut it = Driver::started(settings);
    let old = it.worker(0);
    it.restart();
    let effects = it.serve(it.latest(0));
    (it, old, effects)
}

#[test]
fn an_old_worker_drains_once_its_replacement_serves_contract_5_1_and_6_3() {
    let mut it = Driver::started(with_handoff(2));
    let old = it.worker(0);
    assert_eq!(drains(&it.restart()), []);
    let new = it.latest(0);
    assert_eq!(drains(&it.join(new)), [], "it runs, but it does not listen");
    let effects = it.happens(Event::Listening(new, home()));
    let in_order = [Effect::Promoted(new), Effect::CallOnStart(0), Effect::Drain(old), Effect::Ready(new)];
    assert_eq!(effects, in_order, "and no SIGTERM yet");
    assert_eq!(spawns(&it.pass(secs(7))), [], "contract 5.1: the next slot waits for the old worker's end");
}

#[test]
fn sigterm_follows_at_once_when_nothing_is_left_contract_6_3() {
    let (mut it, old, _) = draining(with_handoff(2));
    it.pass(ms(20));
    assert_eq!(it.happens(Event::Drained(old)), [Effect::Stop(old, StopSignal::Term)]);
    let effects = it.end(old, End::Killed(15));
    assert_eq!(calls(&effects), [on_exit(0, End::Killed(15), false)]);
    assert_eq!(spawns(&effects), [(1, Image::Deployed)], "the restart goes on");
}

#[test]
fn sigterm_at_half_of_the_time_and_sigkill_at_the_whole_contract_6_3_and_5_3() {
    let (mut it, old, _) = draining(with_handoff(2));
    let new = it.worker(0);
    assert_eq!(it.pass(ms(7499)), [Effect::Release(Released::NotAdoptedBy(new))]);
    assert_eq!(it.pass(ms(1)), [Effect::Stop(old, StopSignal::Term)]);
    assert_eq!(it.pass(ms(7499)), []);
    assert_eq!(it.pass(ms(1)), [Effect::Kill(old)]);
    assert_eq!(it.pass(secs(60)), [], "once");
    let effects = it.end(old, End::Killed(9));
    assert_eq!(calls(&effects), [on_exit(0, End::Killed(9), false)], "contract 3.1: it was told");
    assert_eq!(spawns(&effects), [(1, Image::Deployed)], "the restart goes on");
    assert_eq!((it.view(0).exit_status, it.view(0).crash_count), (137, 0));
}

#[test]
fn the_whole_time_is_counted_from_the_drain_however_late_it_ends_contract_6_3() {
    let (mut it, old, _) = draining(with_handoff(1));
    it.pass(ms(7400));
    assert_eq!(stops(&it.happens(Event::Drained(old))), [(old, StopSignal::Term)]);
    assert_eq!(it.pass(ms(7599)), [], "no second SIGTERM at half of the time");
    assert_eq!(it.pass(ms(1)), [Effect::Kill(old)]);
}

#[test]
fn drained_twice_or_late_changes_nothing_contract_6_3() {
    let (mut it, old, _) = draining(with_handoff(1));
    it.happens(Event::Drained(old));
    assert_eq!(it.happens(Event::Drained(old)), [], "twice");
    it.end(old, End::Exited(0));
    assert_eq!(it.happens(Event::Drained(old)), [], "after its end");
    let (mut it, old, _) = draining(with_handoff(1));
    it.pass(ms(7500));
    assert_eq!(it.happens(Event::Drained(old)), [], "after SIGTERM");
    assert_eq!(kills(&it.pass(ms(7500))), [old]);
}

#[test]
fn only_one_that_was_asked_drains_contract_6_3() {
    let mut it = Driver::started(with_handoff(2));
    assert_eq!(it.happens(Event::Drained(it.worker(1))), [], "a worker");
    it.restart();
    it.join(it.latest(0));
    assert_eq!(it.happens(Event::Drained(it.latest(0))), [], "a replacement");
    assert_eq!(it.happens(Event::Drained(unknown(1))), []);
    assert_eq!(it.statuses(), [Status::Active; 2]);
}

#[test]
fn any_end_while_it_drains_is_graceful_contract_3_1() {
    for end in [End::Exited(0), End::Exited(3), SEGV, End::Killed(9), End::Lost] {
        let (mut it, old, _) = draining(with_handoff(2));
        let effects = it.end(old, end);
        assert_eq!(calls(&effects), [on_exit(0, end, false)]);
        assert_eq!((stops(&effects), spawns(&effects)), (vec![], vec![(1, Image::Deployed)]));
        assert_eq!((it.view(0).crash_count, it.view(0).exit_status), (0, end.exit_status()));
        let effects = it.pass(ms(7500));
        assert_eq!((stops(&effects), kills(&effects)), (vec![], vec![]), "contract 4.2: its pid is another's, perhaps");
    }
}

#[test]
fn callbacks_and_statistics_are_as_without_contract_3_4_and_3_6() {
    let (mut it, old, effects) = draining(with_handoff(1));
    assert_eq!(calls(&effects), [Effect::CallOnStart(0)]);
    let new = it.latest(0);
    assert_eq!((it.worker(0), it.status(0), it.core.total_restarts()), (new, Status::Active, 1));
    assert!(it.core.is_restarting(), "contract 5.1: until the last old process is gone");
    it.happens(Event::Drained(old));
    assert_eq!((it.worker(0), it.status(0)), (new, Status::Active));
    assert_eq!(calls(&it.end(old, End::Killed(15))), [on_exit(0, End::Killed(15), false)]);
    assert_eq!((it.core.is_restarting(), it.core.total_restarts(), it.view(0).exit_status), (false, 1, 143));
    it.pass(secs(1));
    assert_eq!(it.core.next_deadline(), None, "contract 4.5");
}

#[test]
fn a_whole_restart_with_drains_contract_5_1() {
    let mut it = Driver::started(with_handoff(3));
    it.restart();
    for slot in 0..3 {
        let old = it.worker(slot);
        assert_eq!(drains(&it.serve(it.latest(slot))), [old]);
        it.happens(Event::Drained(old));
        it.end(old, End::Exited(0));
    }
    assert_eq!((it.core.is_restarting(), it.core.total_restarts()), (false, 3));
    assert_eq!(it.statuses(), [Status::Active; 3]);
}

#[test]
fn a_shutdown_ends_a_drain_contract_5_4_and_4_1() {
    for signal in [StopSignal::Term, StopSignal::Int] {
        let (mut it, old, _) = draining(with_handoff(2));
        it.pass(secs(5));
        let effects = it.happens(Event::StopRequested(signal));
        assert_eq!(effects.first(), Some(&Effect::Release(Released::Everything)), "contract 6.5");
        assert_eq!(stops(&effects), [it.worker(0), old, it.worker(1)].map(|key| (key, signal)));
        assert!(!it.core.is_restarting());
        assert_eq!(it.happens(Event::Drained(old)), [], "it has been told");
        assert_eq!(it.pass(ms(9999)), []);
        assert_eq!(it.pass(ms(1)), [Effect::Kill(old)], "its time began earlier");
        assert_eq!(calls(&it.end(old, End::Killed(9))), [on_exit(0, End::Killed(9), false)]);
        assert_eq!(kills(&it.pass(secs(5))), [it.worker(0), it.worker(1)]);
        it.end_all();
    }
}

#[test]
fn a_shutdown_after_the_drain_does_not_tell_it_twice_contract_5_4() {
    let (mut it, old, _) = draining(with_handoff(1));
    it.happens(Event::Drained(old));
    assert_eq!(stops(&it.stop()), [(it.worker(0), StopSignal::Term)]);
    it.end_all();
}

#[test]
fn sigkill_makes_short_work_of_a_drain_contract_4_1_and_4_3() {
    let (mut it, old, _) = draining(with_handoff(2));
    let effects = it.happens(Event::StopRequested(StopSignal::Kill));
    assert_eq!(effects.first(), Some(&Effect::Release(Released::Everything)), "contract 6.5");
    assert_eq!(kills(&effects), [it.worker(0), old, it.worker(1)]);
    assert_eq!(it.core.next_deadline(), None, "contract 4.5");
    it.end_all();
}

#[test]
fn a_second_interrupt_kills_what_drained_contract_4_1() {
    let (mut it, old, _) = draining(with_handoff(1));
    it.stop();
    it.pass(ms(10));
    assert_eq!(kills(&it.happens(Event::StopRequested(StopSignal::Kill))), [it.worker(0), old]);
    it.end_all();
}

#[test]
fn a_restart_asked_for_during_a_drain_runs_after_it_contract_5_4() {
    let (mut it, old, _) = draining(with_handoff(1));
    let new = it.worker(0);
    assert_eq!(it.restart(), []);
    assert_eq!(stops(&it.happens(Event::Drained(old))), [(old, StopSignal::Term)]);
    assert_eq!(spawns(&it.end(old, End::Killed(15))), [(0, Image::Deployed)]);
    let effects = it.serve(it.latest(0));
    assert_eq!(drains(&effects), [new]);
    it.happens(Event::Drained(new));
    it.end(new, End::Killed(15));
    assert_eq!((it.core.is_restarting(), it.core.total_restarts()), (false, 2));
}

/// It is replaced within the second that it has to adopt what it was given.
#[test]
fn one_that_is_replaced_soon_leaves_no_deadline_that_is_over_contract_4_5() {
    let (mut it, old, _) = draining(with_handoff(1));
    let soon_old = it.worker(0);
    it.restart();
    it.end(old, End::Exited(0));
    assert_eq!(drains(&it.serve(it.latest(0))), [soon_old]);
    let effects = it.pass(secs(2));
    assert_eq!(effects, [Effect::Release(Released::NotAdoptedBy(it.worker(0)))], "its successor has what it had");
    assert_eq!(stops(&it.pass(ms(5500))), [(soon_old, StopSignal::Term)]);
}

#[test]
fn one_that_breaks_its_channel_cannot_say_that_it_is_done_contract_7_3_and_6_3() {
    let (mut it, old, _) = draining(with_handoff(2));
    it.pass(secs(5));
    assert_eq!(it.happens(Event::ChannelBroken(old)), [Effect::Stop(old, StopSignal::Term)]);
    assert_eq!(it.happens(Event::ChannelBroken(old)), [], "once");
    assert_eq!(kills(&it.pass(ms(9_999))), []);
    assert_eq!(it.pass(ms(1)), [Effect::Kill(old)]);
    assert_eq!(calls(&it.end(old, SEGV)), [on_exit(0, SEGV, false)], "contract 3.1: it was told to stop");
    assert_eq!(it.view(0).crash_count, 0);
}

#[test]
fn one_that_broke_its_channel_before_gets_no_more_time_contract_7_3() {
    let mut it = Driver::started(with_handoff(1));
    let old = it.worker(0);
    it.happens(Event::ChannelBroken(old));
    it.pass(secs(10));
    it.restart();
    let effects = it.serve(it.latest(0));
    assert_eq!((drains(&effects), stops(&effects)), (vec![], vec![]), "it has been told");
    assert_eq!(kills(&it.pass(secs(5))), [old]);
    it.end(old, End::Killed(9));
    assert!(!it.core.is_restarting());
}

/// A respawned one, before its exec report.
#[test]
fn one_that_does_not_run_yet_has_nothing_to_finish_contract_6_3() {
    let mut it = Driver::started(with_handoff(1));
    it.crash(0);
    it.pass(ms(100));
    let old = it.latest(0);
    it.restart();
    let effects = it.serve(it.latest(0));
    assert_eq!((drains(&effects), stops(&effects)), (vec![], vec![(old, StopSignal::Term)]));
}

#[test]
fn a_replacement_that_breaks_its_channel_lets_nobody_drain_contract_5_2_and_7_3() {
    let mut it = Driver::started(with_handoff(2));
    it.restart();
    let replacement = it.latest(0);
    it.join(replacement);
    let effects = it.happens(Event::ChannelBroken(replacement));
    assert_eq!(effects, [Effect::Report(abandoned(0, DeployFailure::ChannelBroken)), Effect::Kill(replacement)]);
    let effects = it.end(replacement, End::Killed(9));
    assert_eq!(effects, [Effect::Release(Released::BroughtBy(replacement))]);
    assert!(!it.core.is_restarting());
    assert_eq!(it.pass(secs(60)), []);
}

#[test]
fn the_promoted_one_crashes_while_the_old_one_drains_contract_3_2_and_6_1() {
    let (mut it, old, _) = draining(with_handoff(2));
    it.pass(secs(2));
    let effects = it.crash(0);
    assert_eq!((calls(&effects), releases(&effects)), (vec![on_exit(0, End::Exited(1), true)], vec![]));
    assert_eq!(spawns(&it.pass(ms(100))), [(0, Image::Held)], "beside the old one, which accepts nothing any more");
    it.serve(it.latest(0));
    assert_eq!(stops(&it.happens(Event::Drained(old))), [(old, StopSignal::Term)]);
    assert_eq!(spawns(&it.end(old, End::Killed(15))), [(1, Image::Deployed)]);
}

#[test]
fn the_promoted_one_ends_gracefully_while_the_old_one_drains_contract_3_2_and_6_1() {
    let (mut it, old, _) = draining(with_handoff(1));
    let effects = it.end(it.worker(0), End::Exited(0));
    assert_eq!(releases(&effects), [Released::Slot(0)], "the old one accepts nothing any more");
    assert!(!it.core.is_over(), "but finishes what it has");
    it.happens(Event::Drained(old));
    it.end(old, End::Killed(15));
    assert!(it.core.is_over());
}

#[test]
fn switched_off_there_is_neither_drain_nor_release_contract_6_6() {
    let (mut it, old, mut effects) = draining(settings(2));
    assert_eq!(stops(&effects), [(old, StopSignal::Term)], "readiness stays");
    effects.extend(it.happens(Event::Drained(old)));
    effects.extend(it.happens(Event::Closed(it.worker(0), Listener { address: home(), id: ListenerId(1) })));
    effects.extend(it.end(old, End::Killed(15)));
    effects.extend(it.end(it.latest(1), SEGV));
    effects.extend(it.end(it.worker(1), End::Exited(0)));
    effects.extend(it.pass(secs(60)));
    effects.extend(it.stop());
    assert_eq!((drains(&effects), releases(&effects)), (vec![], vec![]));
}

#[test]
fn no_time_at_all_is_possible_contract_6_3() {
    let (mut it, old, effects) = draining(Settings { shutdown_timeout: ms(0), ..with_handoff(1) });
    assert_eq!((drains(&effects), stops(&effects)), (vec![old], vec![(old, StopSignal::Term)]));
    assert_eq!(kills(&effects), [old]);
    it.end(old, End::Killed(9));
    assert!(!it.core.is_restarting());
}

/// A Rust program may say "for ever", which must not overflow.
#[test]
fn time_without_end_is_possible_contract_8_4() {
    let (mut it, old, _) = draining(Settings { shutdown_timeout: Duration::MAX, ..with_handoff(1) });
    let effects = it.pass(secs(1 << 40));
    assert_eq!((stops(&effects), kills(&effects)), (vec![], vec![]));
    assert_eq!(stops(&it.happens(Event::Drained(old))), [(old, StopSignal::Term)]);
}
