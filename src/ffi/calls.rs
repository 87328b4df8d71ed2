//! What the master's calls of every generation do. They name themselves as the generation's program knows them.

use std::os::raw::c_int;

use super::kept::take_kept;
use crate::control::handle;
use crate::sys::signals::{FIRST_REAL_TIME, Signal};
use crate::{log, role};

pub(super) fn wait(own_name: &str) {
    if role::current() != role::Role::Master {
        return;
    }
    match role::is_acting_master().then(take_kept).flatten() {
        Some(master) => master.wait(),
        None => log::error!(
            "{own_name} was called from a callback, from a second thread or in a child of the master: call it once, in the master"
        ),
    }
}

pub(super) fn signal_workers(signal: c_int, own_name: &str, init: &str, wait: &str) {
    if Signal::new(signal).is_none() {
        log::error!("{signal} is no signal that workers can be sent: use 1 to 31, or {FIRST_REAL_TIME} to 64");
    } else if !handle().signal(signal) {
        log::error!("{own_name}({signal}) works in the master only, after {init} and before the end of {wait}");
    }
}

pub(super) fn graceful_restart(own_name: &str, init: &str, wait: &str) {
    if !handle().restart() {
        log::error!("{own_name} works in the master only, after {init} and before the end of {wait}");
    }
}
