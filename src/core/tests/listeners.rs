//! How long listening sockets are kept: contract 6.1 and 6.5.

use super::*;

/// A respawn delay that gives time to look.
const LONG: Duration = Duration::from_secs(60);

fn started(workers: u8) -> Driver {
    Driver::started(with_handoff(workers))
}

fn with_handoff(workers: u8) -> Settings {
    Settings { handoff: true, ..settings(workers) }
}

fn with_long_delay(workers: u8) -> Settings {
    Settings { respawn_delay: LONG, ..with_handoff(workers) }
}

fn closed(key: ProcessKey, address: SocketAddr, id: u64) -> Event {
    Event::Closed(key, Listener { address, id: ListenerId(id) })
}

#[test]
fn a_graceful_end_is_for_good_contract_6_1() {
    for end in [End::Exited(0), End::Killed(15), End::Killed(2)] {
        let mut it = started(2);
        assert_eq!(it.end(it.worker(1), end), [on_exit(1, end, false), Effect::Release(Released::Slot(1))]);
        assert_eq!(it.pass(LONG), [], "once");
    }
}

#[test]
fn so_is_a_crash_with_respawn_off_contract_6_1() {
    let mut it = Driver::started(Settings { respawn: false, ..with_handoff(2) });
    assert_eq!(releases(&it.crash(0)), [Released::Slot(0)]);
}

#[test]
fn and_a_crash_too_many_contract_6_1_and_3_3() {
    let mut it = Driver::started(Settings { respawn_max_crashes: 1, ..with_handoff(1) });
    assert_eq!(releases(&it.crash(0)), [Released::Slot(0)], "also if nobody else serves");
    assert_eq!((it.status(0), it.core.is_over()), (Status::Disabled, true));
}

#[test]
fn a_slot_that_never_listened_has_nothing_to_release_contract_6_1() {
    let mut it = Driver::new(with_handoff(1));
    it.happens(Event::Begin);
    it.join(it.latest(0));
    it.pass(LONG);
    assert_eq!(releases(&it.end(it.worker(0), End::Exited(0))), []);
}

#[test]
fn a_queue_waits_for_the_respawned_worker_contract_6_1() {
    let mut it = started(2);
    let mut effects = it.crash(0);
    effects.extend(it.pass(ms(100)));
    let respawned = it.latest(0);
    effects.extend(it.serve(respawned));
    assert_eq!(releases(&effects), []);
    assert_eq!(it.pass(LONG), [Effect::Release(Released::NotAdoptedBy(respawned))], "it has had a second for it");
}

#[test]
fn five_seconds_at_most_if_others_serve_contract_6_1() {
    let mut it = Driver::started(with_long_delay(2));
    it.crash(0);
    assert_eq!(it.pass(ms(4999)), []);
    assert_eq!(it.pass(ms(1)), [Effect::Release(Released::Slot(0))]);
    assert_eq!(spawns(&it.pass(secs(55))), [(0, Image::Held)]);
    assert_eq!(releases(&it.serve(it.latest(0))), []);
    it.pass(LONG);
    it.crash(0);
    assert_eq!(releases(&it.pass(secs(5))), [Released::Slot(0)], "what it listened on anew is kept as well");
}

#[test]
fn counted_anew_from_the_making_of_its_successor_contract_6_1() {
    let mut it = started(2);
    it.crash(0);
    it.pass(ms(100));
    it.join(it.latest(0));
    assert_eq!(it.pass(ms(4999)), []);
    assert_eq!(it.pass(ms(1)), [Effect::Release(Released::Slot(0))], "nobody listens there");
}

#[test]
fn or_crashes_before_it_listens_contract_6_1() {
    let mut it = started(2);
    it.crash(0);
    let mut effects = Vec::new();
    for _ in 0..2 {
        effects.extend(it.pass(ms(100)));
        it.join(it.latest(0));
        effects.extend(it.pass(ms(2400)));
        effects.extend(it.crash(0));
    }
    assert_eq!(releases(&effects), [Released::Slot(0)]);
}

#[test]
fn or_cannot_be_made_contract_6_1_and_7_2() {
    let mut it = started(2);
    it.crash(0);
    it.pass(ms(100));
    it.happens(Event::SpawnFailed(it.latest(0), EAGAIN));
    it.pass(ms(100));
    it.happens(Event::SpawnFailed(it.latest(0), EAGAIN));
    let mut effects = it.pass(ms(200));
    effects.extend(it.pass(ms(4600)));
    assert_eq!(releases(&effects), []);
    let effects = it.happens(Event::SpawnFailed(it.latest(0), EAGAIN));
    assert_eq!(releases(&effects), [Released::Slot(0)], "5 s after its end");
}

#[test]
fn for_ever_if_it_is_the_only_slot_contract_6_1() {
    let mut it = Driver::started(with_long_delay(1));
    it.crash(0);
    assert_eq!(it.pass(secs(59)), []);
    it.pass(secs(1));
    assert_eq!(releases(&it.serve(it.latest(0))), []);
}

#[test]
fn for_ever_if_it_is_the_only_slot_that_serves_contract_6_1() {
    let mut it = Driver::started(with_long_delay(2));
    it.crash(1);
    it.pass(secs(1));
    assert_eq!(releases(&it.crash(0)), []);
    assert_eq!(spawns(&it.pass(secs(59))), [(1, Image::Held)]);
    assert_eq!(releases(&it.join(it.latest(1))), [], "it does not listen yet");
    let effects = it.happens(Event::Listening(it.latest(1), home()));
    assert_eq!(releases(&effects), [Released::Slot(0)], "another one has begun to serve");
}

#[test]
fn one_that_listens_nowhere_does_not_serve_contract_6_1() {
    let mut it = Driver::started(Settings { respawn_delay: secs(20), ..with_handoff(2) });
    it.crash(1);
    it.pass(secs(15));
    it.crash(0);
    it.pass(secs(5));
    it.join(it.latest(1));
    // Nobody waits for it any more after ten seconds (contract 4.3).
    assert_eq!(releases(&it.pass(secs(14))), []);
    assert_eq!(releases(&it.happens(Event::Listening(it.latest(1), home()))), [Released::Slot(0)]);
}

#[test]
fn one_that_has_closed_its_listener_does_not_serve_contract_6_1() {
    let mut it = Driver::started(with_long_delay(2));
    it.happens(closed(it.worker(1), home(), 7));
    it.crash(0);
    assert_eq!(it.pass(secs(59)), []);
}

/// Where it listens on two addresses: 5 seconds are over between them.
#[test]
fn what_a_slow_successor_listens_on_already_stays_kept_contract_6_1() {
    let mut it = started(2);
    it.happens(Event::Listening(it.worker(0), home_v6()));
    it.crash(0);
    it.pass(ms(100));
    let slow = it.latest(0);
    it.serve(slow);
    assert_eq!(releases(&it.pass(secs(5))), []);
    assert_eq!(releases(&it.happens(Event::Listening(slow, home_v6()))), []);
    assert_eq!(releases(&it.pass(LONG)), [Released::NotAdoptedBy(slow)]);
    assert_eq!(releases(&it.crash(0)), []);
    it.pass(ms(100));
    assert_eq!(releases(&it.serve(it.latest(0))), []);
}

#[test]
fn what_it_never_listens_on_is_released_when_nobody_waits_for_it_any_more_contract_6_1() {
    for workers in [1, 2] {
        let mut it = started(workers);
        it.happens(Event::Listening(it.worker(0), home_v6()));
        it.crash(0);
        it.pass(ms(100));
        let lesser = it.latest(0);
        it.serve(lesser);
        assert_eq!(it.pass(secs(10)), [Effect::Ready(lesser)], "contract 4.3");
        assert_eq!(it.pass(secs(1)), [Effect::Release(Released::NotAdoptedBy(lesser))]);
    }
}

#[test]
fn one_for_which_nobody_waits_any_more_is_kept_when_it_listens_contract_6_1() {
    let mut it = started(2);
    it.crash(0);
    it.pass(ms(100));
    let slow = it.latest(0);
    it.join(slow);
    it.pass(secs(20));
    assert_eq!(releases(&it.happens(Event::Listening(slow, home()))), []);
    assert_eq!(releases(&it.pass(LONG)), [Released::NotAdoptedBy(slow)]);
    assert_eq!(releases(&it.crash(0)), []);
}

#[test]
fn a_slot_that_waits_for_a_restart_keeps_its_queue_as_long_contract_6_1_and_5_1() {
    let mut it = started(3);
    it.restart();
    it.crash(1);
    assert_eq!(it.status(1), Status::Respawning);
    assert_eq!(it.pass(ms(4999)), []);
    assert_eq!(it.pass(ms(1)), [Effect::Release(Released::Slot(1))]);
    let mut it = started(2);
    it.restart();
    it.crash(1);
    it.replace(0);
    let effects = it.serve(it.latest(1));
    assert_eq!(releases(&effects), [], "its turn came soon enough");
    let adopted = [it.worker(0), it.worker(1)].map(Released::NotAdoptedBy);
    assert_eq!(releases(&it.pass(secs(1))), adopted);
}

#[test]
fn a_disabled_slot_that_gets_a_replacement_contract_6_1_and_3_3() {
    let mut it = started(2);
    it.disable(1);
    it.pass(LONG);
    it.restart();
    it.replace(0);
    let new = it.latest(1);
    assert_eq!(releases(&it.serve(new)), []);
    assert_eq!(it.worker(1), new);
    assert!(releases(&it.pass(secs(1))).contains(&Released::NotAdoptedBy(new)));
    it.crash(1);
    assert_eq!(releases(&it.pass(ms(100))), [], "its queue waits");
}

/// It opens another listener first. Its slot has been vacant for long.
#[test]
fn a_replacement_of_a_disabled_slot_keeps_what_it_brings_contract_6_1() {
    let mut it = started(2);
    it.disable(0);
    it.pass(LONG);
    it.restart();
    let new = it.latest(0);
    it.join(new);
    assert_eq!(releases(&it.happens(Event::Listening(new, elsewhere()))), []);
    it.happens(Event::Listening(new, home()));
    assert_eq!(it.worker(0), new);
}

#[test]
fn a_disabled_slot_whose_replacement_fails_contract_6_1_and_5_2() {
    let mut it = started(2);
    it.disable(0);
    it.restart();
    let new = it.latest(0);
    it.join(new);
    it.happens(Event::Listening(new, elsewhere()));
    let effects = it.end(new, SEGV);
    assert_eq!(releases(&effects), [Released::BroughtBy(new), Released::Slot(0)]);
    assert_eq!(it.status(0), Status::Disabled);
}

#[test]
fn what_a_failed_replacement_brought_is_released_contract_6_1_and_5_2() {
    let mut it = started(2);
    it.restart();
    let new = it.latest(0);
    it.join(new);
    it.happens(Event::Listening(new, elsewhere()));
    it.pass(secs(10));
    assert_eq!(releases(&it.end(new, End::Killed(9))), [Released::BroughtBy(new)]);
    it.restart();
    let new = it.latest(0);
    assert_eq!(releases(&it.happens(Event::SpawnFailed(new, ENOENT))), [Released::BroughtBy(new)]);
}

/// Its slot's worker crashed meanwhile, and it had taken over a queue.
#[test]
fn a_vacant_slot_whose_replacement_fails_late_is_not_forgotten_contract_6_1() {
    let mut it = Driver::started(with_long_delay(2));
    it.happens(Event::Listening(it.worker(0), home_v6()));
    it.restart();
    let new = it.latest(0);
    it.serve(new);
    it.crash(0);
    assert_eq!(releases(&it.pass(secs(6))), []);
    assert_eq!(releases(&it.end(new, SEGV)), [Released::BroughtBy(new), Released::Slot(0)]);
    assert_eq!(it.status(0), Status::Respawning);
}

#[test]
fn the_slot_ends_for_good_while_its_replacement_starts_contract_6_1_and_3_2() {
    let mut it = started(2);
    it.restart();
    let new = it.latest(0);
    it.join(new);
    it.end(it.worker(0), End::Exited(0));
    assert_eq!(releases(&it.end(new, End::Killed(9))), [Released::BroughtBy(new), Released::Slot(0)]);
}

#[test]
fn a_worker_that_closes_its_listener_itself_contract_6_1() {
    let mut it = started(2);
    let effects = it.happens(closed(it.worker(0), home(), 7));
    assert_eq!(effects, [Effect::Release(Released::One(0, ListenerId(7)))]);
    assert_eq!(it.status(0), Status::Active);
}

#[test]
fn one_that_is_told_to_stop_closes_as_a_matter_of_course_contract_6_1() {
    let mut it = started(2);
    let old = it.worker(0);
    it.restart();
    it.serve(it.latest(0));
    assert_eq!(it.happens(closed(old, home(), 7)), [], "its successor has it");
    it.happens(Event::Drained(old));
    assert_eq!(it.happens(closed(old, home(), 7)), []);
    let condemned = it.worker(1);
    it.happens(Event::ChannelBroken(condemned));
    assert_eq!(it.happens(closed(condemned, home(), 8)), []);
    it.stop();
    assert_eq!(it.happens(closed(it.worker(0), home(), 7)), []);
}

/// Before it listens it looks whether the port is free, and takes the queue over after that.
#[test]
fn one_that_only_binds_and_closes_has_no_listener_to_close_contract_6_1() {
    let mut it = started(1);
    it.crash(0);
    it.pass(ms(100));
    it.join(it.latest(0));
    assert_eq!(it.happens(closed(it.latest(0), home(), 7)), []);
}

#[test]
fn what_it_closed_is_not_expected_of_its_successor_contract_5_2_and_6_1() {
    let mut it = started(1);
    it.happens(Event::Listening(it.worker(0), home_v6()));
    it.happens(closed(it.worker(0), home_v6(), 8));
    it.restart();
    it.serve(it.latest(0));
    assert_eq!(it.worker(0), it.latest(0), "the other address is enough");
}

#[test]
fn nor_if_an_earlier_worker_listened_there_contract_5_2_and_6_1() {
    for crashes in [false, true] {
        let mut it = started(1);
        it.crash(0);
        it.pass(ms(100));
        it.serve(it.latest(0));
        it.happens(closed(it.worker(0), home(), 7));
        if crashes {
            it.crash(0);
        }
        it.restart();
        it.join(it.latest(0));
        assert_eq!(calls(&it.pass(ms(500))), [Effect::CallOnStart(0)], "its predecessor listened nowhere in the end");
    }
}

/// One of two equal listeners.
#[test]
fn what_is_left_is_expected_of_its_successor_contract_5_2() {
    let mut it = started(1);
    it.happens(Event::Listening(it.worker(0), home()));
    it.happens(closed(it.worker(0), home(), 7));
    it.restart();
    it.join(it.latest(0));
    assert_eq!(calls(&it.pass(secs(1))), []);
    it.happens(Event::Listening(it.latest(0), home()));
    assert_eq!(it.worker(0), it.latest(0));
}

/// It listens, closes, and listens anew: its predecessor may have the first one, and serves there until it drains.
#[test]
fn what_a_replacement_closed_is_released_when_it_is_the_worker_contract_6_1() {
    let mut it = started(1);
    it.happens(Event::Listening(it.worker(0), home_v6()));
    it.restart();
    let new = it.latest(0);
    it.serve(new);
    assert_eq!(it.happens(closed(new, home(), 7)), []);
    it.happens(Event::Listening(new, home()));
    let effects = it.happens(Event::Listening(new, home_v6()));
    assert_eq!(releases(&effects), [Released::One(0, ListenerId(7))]);
}

#[test]
fn a_shutdown_lets_go_of_everything_first_contract_6_5() {
    for signal in [StopSignal::Term, StopSignal::Int, StopSignal::Kill] {
        let mut it = started(3);
        it.crash(1);
        let effects = it.happens(Event::StopRequested(signal));
        assert_eq!(effects.first(), Some(&Effect::Release(Released::Everything)));
        assert_eq!(releases(&effects).len(), 1, "once: {effects:?}");
        assert_eq!(releases(&it.pass(secs(15))), []);
        it.end_all();
    }
}

#[test]
fn so_does_a_failed_start_contract_6_5_and_2_1() {
    let mut it = Driver::new(with_handoff(2));
    it.happens(Event::Begin);
    it.join(it.latest(0));
    let error = BindError { address: home(), in_use: true };
    let effects = it.happens(Event::BindFailed(it.latest(0), error));
    assert_eq!(effects.first(), Some(&Effect::Release(Released::Everything)));
    it.end_all();
}

#[test]
fn what_comes_after_the_stop_is_not_kept_contract_6_5() {
    let mut it = started(2);
    it.crash(0);
    it.pass(ms(100));
    it.join(it.latest(0));
    it.stop();
    let effects = it.happens(Event::Listening(it.latest(0), home()));
    assert_eq!(effects, [Effect::Release(Released::Everything)]);
    it.end_all();
}

#[test]
fn a_worker_that_has_just_come_is_not_asked_about_during_a_shutdown_contract_6_5() {
    let mut it = started(1);
    it.crash(0);
    it.pass(ms(100));
    it.serve(it.latest(0));
    it.stop();
    assert_eq!(it.pass(secs(14)), []);
    it.end_all();
}

#[test]
fn a_queue_passes_to_another_slot_or_to_the_one_that_did_not_adopt_it_contract_6_1() {
    let (old, new, other) = (ProcessKey::new(0, 1), ProcessKey::new(0, 2), ProcessKey::new(1, 3));
    let one = Released::One(0, ListenerId(7));
    for what in [Released::Slot(0), one, Released::BroughtBy(new), Released::NotAdoptedBy(new)] {
        assert!(what.passes_to(0, other), "{what:?}");
        assert!(!what.passes_to(0, old), "{what:?}");
    }
    assert!(Released::NotAdoptedBy(new).passes_to(0, new), "it listens there with a socket of its own");
    assert!(!Released::BroughtBy(new).passes_to(0, new), "it has failed");
}

/// Two had nobody beside them: the second listens while the first one's successor has only just been made.
#[test]
fn a_successor_that_has_been_made_is_waited_for_contract_6_1() {
    let mut it = Driver::started(Settings { respawn_delay: secs(9), ..with_handoff(2) });
    it.crash(0);
    it.crash(1);
    it.pass(secs(9));
    let (first, second) = (it.latest(0), it.latest(1));
    assert_eq!(releases(&it.serve(second)), [], "what it waits for would be cut off");
    assert_eq!(releases(&it.serve(first)), []);
}

/// So a slot whose processes die one after the other does not keep its queue for ever.
#[test]
fn a_successor_that_ends_late_is_the_last_that_is_waited_for_contract_6_1() {
    let mut it = Driver::started(Settings { respawn_delay: ms(1), respawn_max_crashes: 9, ..with_handoff(2) });
    it.crash(0);
    for _ in 0..2 {
        it.pass(ms(1));
        it.join(it.latest(0));
        assert_eq!(releases(&it.pass(ms(2400))), []);
        assert_eq!(releases(&it.crash(0)), []);
    }
    it.pass(ms(1));
    it.join(it.latest(0));
    assert_eq!(releases(&it.pass(ms(2400))), [], "the 5 s are over, but it may come to listen");
    assert_eq!(releases(&it.crash(0)), [Released::Slot(0)]);
}

#[test]
fn what_a_replacement_may_yet_listen_on_is_left_alone_contract_6_1() {
    let mut it = Driver::started(Settings { handoff: true, ..settings(2) });
    let (old, other) = (it.worker(0), it.worker(1));
    it.restart();
    let new = it.latest(0);
    it.join(new);
    let one = Released::One(0, ListenerId(0));
    assert!(it.core.may_yet_use(one, new), "it was given that when it was made");
    assert!(!it.core.may_yet_use(one, old) && !it.core.may_yet_use(one, other), "the one that has closed it");
    it.happens(Event::Listening(new, home()));
    assert!(!it.core.may_yet_use(one, new), "it is the worker now");
    assert!(!it.core.may_yet_use(Released::NotAdoptedBy(new), old), "on its way out");
    assert!(it.core.may_yet_use(Released::NotAdoptedBy(old), new) && it.core.may_yet_use(Released::Slot(0), new));
}
