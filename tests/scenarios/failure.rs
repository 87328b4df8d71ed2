//! Section 7.

use crate::setup::setup;
use crate::stage::Stage;

pub(crate) fn a_master_without_descriptors_goes_on(stage: &Stage<'_>) {
    let mut run = stage.start(setup());
    let [zero, one] = run.up();
    run.order("descriptors 3");
    run.kill(zero, libc::SIGKILL);
    run.expect("exit 0 137 crash");
    run.complains(&["[ERROR] Worker 0 could not be started (", "raise the limit on descriptors", "Next attempt in "]);
    run.order("descriptors 256");
    run.expect("start 0");
    let zero = run.born(0);
    run.says(zero, "listening");
    run.are_served_by(&[zero, one]);
    run.stop_noisily();
}

pub(crate) fn a_worker_that_talks_nonsense_is_replaced(stage: &Stage<'_>) {
    let mut run = stage.start(setup());
    let [zero, one] = run.up();
    run.tell(zero, "nonsense");
    let exit = run.expect("exit 0 0 crash");
    assert_eq!((exit.worker().status.as_str(), exit.worker().crash_count), ("respawning", 1));
    run.expect("start 0");
    let again = run.born(0);
    run.says(again, "listening");
    assert_eq!(run.stats(1).pid, one.pid, "the other one goes on");
    run.are_served_by(&[again, one]);
    run.stop(2);
}
