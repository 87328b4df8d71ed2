//! When a process is ready, and how long it may take: contract 5.2 (and 4.3, where signals wait for it).

use super::*;

/// A cluster of one, whose worker listens on these.
fn listening_on(addresses: &[SocketAddr]) -> Driver {
    let mut it = Driver::new(settings(1));
    it.happens(Event::Begin);
    let key = it.latest(0);
    it.join(key);
    for address in addresses {
        it.happens(Event::Listening(key, *address));
    }
    it.pass(secs(60));
    it
}

/// Whether a replacement that comes to listen on these is ready.
fn is_ready(it: &mut Driver, addresses: &[SocketAddr]) -> bool {
    let replacement = it.latest(0);
    for address in addresses {
        it.happens(Event::Listening(replacement, *address));
    }
    it.view(0).process.is_some_and(|(key, _)| key == replacement)
}

#[test]
fn on_every_address_of_the_clusters_port_contract_5_2() {
    let mut it = listening_on(&[home(), elsewhere(), home_v6()]);
    it.restart();
    it.join(it.latest(0));
    assert!(!is_ready(&mut it, &[elsewhere()]));
    assert!(!is_ready(&mut it, &[home_v6()]));
    assert!(is_ready(&mut it, &[home()]), "other ports do not matter");
}

#[test]
fn wherever_the_predecessor_listened_if_not_on_the_clusters_port_contract_5_2() {
    let mut it = listening_on(&[elsewhere()]);
    it.restart();
    it.join(it.latest(0));
    assert_eq!(calls(&it.pass(secs(5))), [], "to have lived is not enough");
    assert!(!is_ready(&mut it, &[home()]), "nor is another place");
    assert!(is_ready(&mut it, &[elsewhere()]));
}

#[test]
fn half_a_second_if_the_predecessor_listened_nowhere_contract_5_2() {
    let mut it = listening_on(&[]);
    it.restart();
    it.pass(ms(300));
    it.join(it.latest(0));
    assert!(!is_ready(&mut it, &[]));
    assert_eq!(it.pass(ms(499)), []);
    assert_eq!(calls(&it.pass(ms(1))), [Effect::CallOnStart(0)], "counted from its exec");
}

#[test]
fn listening_twice_is_listening_contract_5_2() {
    let mut it = listening_on(&[home(), home()]);
    it.restart();
    it.join(it.latest(0));
    assert!(is_ready(&mut it, &[home()]));
    assert_eq!(it.happens(Event::Listening(it.latest(0), home())), [], "once more changes nothing");
}

#[test]
fn before_its_exec_report_a_replacement_is_not_ready_contract_3_6() {
    let mut it = Driver::started(settings(1));
    it.restart();
    let replacement = it.latest(0);
    assert_eq!(it.happens(Event::Listening(replacement, home())), []);
    assert_eq!(calls(&it.happens(Event::Executed(replacement))), [Effect::CallOnStart(0)]);
}

/// The old worker is slow, the new program does not listen at all.
#[test]
fn an_address_that_the_old_worker_comes_to_listen_on_meanwhile_counts_contract_5_1() {
    let mut it = listening_on(&[]);
    let old = it.worker(0);
    it.restart();
    it.join(it.latest(0));
    it.pass(ms(200));
    it.happens(Event::Listening(old, home()));
    let effects = it.pass(ms(300));
    assert_eq!(stops(&effects), [], "the number of serving workers would fall from 1 to 0");
    assert!(is_ready(&mut it, &[home()]));
}

#[test]
fn the_predecessor_of_a_respawned_worker_that_is_not_up_yet_counts_contract_5_2() {
    let mut it = Driver::started(settings(1));
    it.crash(0);
    it.pass(ms(100));
    it.join(it.latest(0));
    it.restart();
    it.join(it.latest(0));
    assert_eq!(calls(&it.pass(secs(2))), []);
    assert!(is_ready(&mut it, &[home()]));
}

#[test]
fn one_that_died_before_it_listened_does_not_lower_the_bar_contract_5_2() {
    let mut it = Driver::started(settings(1));
    it.crash(0);
    it.pass(ms(100));
    it.join(it.latest(0));
    it.crash(0);
    it.restart();
    it.join(it.latest(0));
    assert_eq!(calls(&it.pass(secs(2))), []);
    assert!(is_ready(&mut it, &[home()]));
}

#[test]
fn ten_seconds_of_patience_contract_5_2() {
    let mut it = Driver::started(settings(2));
    it.restart();
    let replacement = it.latest(0);
    it.join(replacement);
    assert_eq!(it.pass(ms(9_999)), []);
    let effects = it.pass(ms(1));
    let failure = abandoned(0, DeployFailure::NotReady { waited: secs(10) });
    assert_eq!(effects, [Effect::Report(failure), Effect::Kill(replacement)]);
    assert!(it.core.is_restarting(), "contract 5.1: until it is gone");
    assert_eq!(it.end(replacement, End::Killed(9)), []);
    assert!(!it.core.is_restarting());
}

#[test]
fn three_times_what_the_predecessor_took_if_that_is_more_contract_5_2() {
    let mut it = Driver::started(settings(1));
    // A respawned worker that takes 6 seconds.
    it.crash(0);
    it.pass(ms(100));
    it.pass(secs(6));
    it.serve(it.latest(0));
    it.restart();
    let replacement = it.latest(0);
    it.join(replacement);
    assert_eq!(it.pass(ms(17_999)), []);
    assert_eq!(kills(&it.pass(ms(1))), [replacement]);
}

#[test]
fn what_the_first_worker_took_counts_until_it_listened_contract_5_2() {
    let mut it = Driver::new(settings(1));
    it.happens(Event::Begin);
    it.join(it.latest(0));
    it.pass(secs(9));
    it.happens(Event::Listening(it.latest(0), home()));
    it.restart();
    let replacement = it.latest(0);
    it.join(replacement);
    assert_eq!(it.pass(ms(26_999)), []);
    assert_eq!(kills(&it.pass(ms(1))), [replacement]);
}

/// The request for the restart may be read before the news that the old worker listens, which is older.
#[test]
fn what_the_predecessor_took_counts_if_that_is_known_only_after_the_restart_began_contract_5_2() {
    let mut it = Driver::new(settings(1));
    it.happens(Event::Begin);
    let old = it.latest(0);
    it.join(old);
    it.pass(secs(9));
    it.restart();
    let replacement = it.latest(0);
    it.join(replacement);
    it.happens(Event::Listening(old, home()));
    assert_eq!(it.pass(ms(26_999)), []);
    assert_eq!(kills(&it.pass(ms(1))), [replacement]);
}

#[test]
fn a_first_worker_slower_than_anybodys_patience_can_be_replaced_contract_5_2() {
    let mut it = Driver::new(settings(1));
    it.happens(Event::Begin);
    it.join(it.latest(0));
    it.pass(secs(20));
    it.happens(Event::Listening(it.latest(0), home()));
    it.restart();
    it.join(it.latest(0));
    assert_eq!(it.pass(secs(20)), [], "as long as its predecessor took");
    assert!(is_ready(&mut it, &[home()]));
}

#[test]
fn a_respawned_worker_slower_than_anybodys_patience_can_be_replaced_contract_5_2() {
    let mut it = Driver::started(settings(1));
    it.crash(0);
    it.pass(ms(100));
    it.join(it.latest(0));
    it.pass(secs(20));
    it.happens(Event::Listening(it.latest(0), home()));
    it.restart();
    it.join(it.latest(0));
    assert_eq!(it.pass(secs(20)), [], "as long as its predecessor took");
    assert!(is_ready(&mut it, &[home()]));
}

#[test]
fn a_worker_that_is_no_replacement_is_never_killed_for_being_slow_contract_5_2() {
    let mut it = Driver::started(settings(1));
    it.crash(0);
    it.pass(ms(100));
    it.join(it.latest(0));
    let effects = it.pass(secs(3600));
    assert_eq!((kills(&effects), stops(&effects)), (vec![], vec![]));
    assert_eq!(it.status(0), Status::Active);
}

#[test]
fn signals_wait_until_a_worker_is_ready_contract_4_3() {
    let mut it = Driver::new(settings(1));
    it.happens(Event::Begin);
    let key = it.latest(0);
    assert!(!it.join(key).contains(&Effect::Ready(key)));
    assert!(it.happens(Event::Listening(key, home())).contains(&Effect::Ready(key)));
    assert_eq!(it.pass(secs(60)), [], "once");
}

#[test]
fn signals_reach_a_worker_that_never_listens_in_the_end_contract_4_3() {
    let mut it = Driver::new(settings(1));
    it.happens(Event::Begin);
    let key = it.latest(0);
    it.join(key);
    assert_eq!(it.pass(secs(11)).iter().filter(|effect| **effect == Effect::Ready(key)).count(), 1);
}

#[test]
fn signals_reach_a_respawned_worker_that_does_not_listen_any_more_contract_4_3() {
    let mut it = Driver::started(settings(1));
    it.crash(0);
    it.pass(ms(100));
    let key = it.latest(0);
    it.join(key);
    assert_eq!(it.pass(ms(9_999)), []);
    assert_eq!(it.pass(ms(1)), [Effect::Ready(key)], "after ten seconds");
}
