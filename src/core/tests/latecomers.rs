//! Sockets that a worker brings only after it was told to stop: its successor was not given them (contract 6.1).

use super::*;

/// Longer than anything is waited for.
const LONG: Duration = Duration::from_secs(60);

/// The last slot's worker has not listened yet when its replacement is ready by age and it is told to stop.
fn replaced_before_it_listened(workers: u8) -> (Driver, ProcessKey) {
    let mut it = Driver::new(Settings { handoff: true, ..settings(workers) });
    it.happens(Event::Begin);
    for slot in 0..workers {
        it.wait_for_spawn(slot);
        if slot + 1 < workers {
            it.serve(it.latest(slot))
        } else {
            it.join(it.latest(slot))
        };
    }
    let old = it.latest(workers - 1);
    it.pass(LONG);
    it.restart();
    for slot in 0..workers - 1 {
        it.replace(slot);
    }
    it.join(it.latest(workers - 1));
    it.pass(ms(500));
    assert_eq!(it.worker(workers - 1), it.latest(workers - 1), "ready by age");
    (it, old)
}

#[test]
fn what_it_brings_after_it_was_told_to_stop_is_kept_for_five_seconds_contract_6_1() {
    let (mut it, old) = replaced_before_it_listened(2);
    it.pass(secs(1));
    assert_eq!(it.happens(Event::Listening(old, home())), []);
    assert_eq!(releases(&it.end(old, End::Killed(15))), []);
    assert_eq!(releases(&it.pass(ms(4999))), []);
    assert_eq!(releases(&it.pass(ms(1))), [Released::Slot(1)], "nobody listens there");
}

#[test]
fn or_until_its_successor_listens_at_last_contract_6_1() {
    for workers in [1, 2] {
        let (mut it, old) = replaced_before_it_listened(workers);
        it.pass(secs(1));
        it.happens(Event::Listening(old, home()));
        it.end(old, End::Killed(15));
        assert_eq!(releases(&it.pass(if workers == 1 { LONG } else { secs(4) })), []);
        let new = it.latest(workers - 1);
        assert_eq!(releases(&it.happens(Event::Listening(new, home()))), []);
        assert_eq!(releases(&it.pass(LONG)), [Released::NotAdoptedBy(new)], "it listens with a socket of its own");
    }
}

#[test]
fn or_for_a_second_if_that_serves_already_contract_6_1() {
    let (mut it, old) = replaced_before_it_listened(1);
    let new = it.latest(0);
    it.happens(Event::Listening(new, home()));
    it.pass(secs(1));
    it.happens(Event::Listening(old, home()));
    it.pass(ms(500));
    it.happens(Event::Listening(old, home_v6()));
    assert_eq!(releases(&it.pass(ms(499))), []);
    assert_eq!(releases(&it.pass(ms(1))), [Released::NotAdoptedBy(new)], "it was not given that");
    it.end(old, End::Killed(15));
    it.crash(0);
    assert_eq!(releases(&it.pass(ms(100))), [], "its own queue waits");
}

#[test]
fn or_for_the_worker_that_is_made_after_a_crash_contract_6_1() {
    let (mut it, old) = replaced_before_it_listened(2);
    it.pass(secs(1));
    it.crash(1);
    it.happens(Event::Listening(old, home()));
    it.pass(ms(100));
    let new = it.latest(1);
    it.serve(new);
    assert_eq!(releases(&it.pass(LONG)), [Released::NotAdoptedBy(new)], "it has had a second for it");
}
