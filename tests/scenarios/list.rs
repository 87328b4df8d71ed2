//! The list. Each scenario is played over every interface; there is no other way to add one.

use crate::stage::Stage;
use crate::{failure, handoff, restart, roles, signals, supervision};

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// The points of the contract.
    pub(crate) contract: &'static str,
    pub(crate) play: fn(&Stage<'_>),
}

macro_rules! scenarios {
    ($($contract:literal $module:ident::$name:ident)*) => {
        &[$(Scenario { name: stringify!($name), contract: $contract, play: $module::$name }),*]
    };
}

#[rustfmt::skip] // A table.
pub(crate) const SCENARIOS: &[Scenario] = scenarios! {
    // Those that wait for a while come first: the others go on beside them.
    "5.2"      restart::job_workers_are_replaced
    "5.3"      restart::a_hung_worker_is_killed_in_a_restart
    "4.1"      signals::a_hung_worker_is_killed_after_the_timeout
    "4.4"      signals::no_worker_outlives_its_master
    "5.1, 5.4" restart::the_old_worker_serves_until_the_new_one_is_ready
    "2.2, 3.8" roles::an_end_before_init_is_a_crash

    "1.2, 1.4" roles::no_number_of_workers_means_one_for_each_cpu
    "1.5"      roles::before_and_after_there_is_no_cluster
    "2.1, 3.8" roles::it_starts_serves_and_stops
    "2.1"      roles::what_cannot_start_leaves_nothing
    "2.1"      roles::a_second_init_changes_nothing
    "2.1"      roles::a_port_that_workers_do_not_get_is_in_use
    "2.2"      roles::a_worker_that_runs_itself_anew_is_refused
    "2.2"      roles::a_lone_worker_has_no_master
    "2.3, 2.4" roles::a_workers_surroundings
    "2.5"      roles::a_stop_during_init_starts_no_more_workers
    "3.8"      roles::a_process_can_be_a_cluster_again

    "3.1, 3.2, 3.4, 3.6" supervision::crashed_workers_come_again
    "3.1, 3.2" supervision::a_graceful_end_leaves_the_slot_empty
    "3.1"      supervision::no_end_after_an_order_to_stop_is_a_crash
    "3.2, 3.4" supervision::without_respawn_a_crash_is_final
    "3.3"      supervision::a_crash_loop_disables_the_worker
    "3.5"      supervision::a_respawn_keeps_the_image_and_a_restart_takes_the_new_one
    "3.6"      supervision::a_callback_may_ask_for_everything
    "3.7"      supervision::a_child_of_the_program_is_left_alone

    "4.1"      signals::the_second_sigint_kills
    "4.2, 5.4" signals::requests_before_the_wait_are_kept
    "4.3"      signals::a_signal_reaches_every_worker
    "4.3"      signals::a_signal_waits_until_the_worker_is_ready
    "4.3"      signals::sent_to_the_workers_these_signals_stop_the_cluster
    "4.3"      signals::a_stop_reaches_the_slot_that_waits_for_its_respawn

    "5.1, 3.4" restart::every_worker_is_replaced_slot_by_slot
    "5.1, 5.5" restart::crashed_slots_are_filled_and_empty_ones_are_not
    "6.1, 5.4" restart::a_queue_that_nobody_adopted_does_not_wait_for_the_next_restart
    "5.2"      restart::a_missing_program_leaves_the_old_workers
    "5.2, 3.6" restart::a_replacement_that_dies_leaves_the_old_worker
    "5.4"      restart::a_shutdown_cuts_a_restart_short

    "6.1"      handoff::a_queue_outlives_its_worker
    "6.1"      handoff::the_queue_of_an_ended_slot_is_served_by_another_worker
    "6.4"      handoff::no_request_is_lost_in_a_restart
    "6.6"      handoff::switched_off_the_queue_ends_with_its_worker

    "7.2"      failure::a_master_without_descriptors_goes_on
    "7.3"      failure::a_worker_that_talks_nonsense_is_replaced
};
