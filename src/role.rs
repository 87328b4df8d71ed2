//! What this process is, readable from any thread and any signal handler (contract 1.5).

use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU16, Ordering};

use crate::sys::process;

/// The part that this process plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// No cluster, or not yet, or not any more.
    None,
    Master,
    Worker,
}

const NONE: u8 = 0;
const MASTER: u8 = 1;
const WORKER: u8 = 2;
/// `cluster_init` is at work, and what comes of it is open.
const UNDECIDED: u8 = 3;

static ROLE: AtomicU8 = AtomicU8::new(NONE);
static PORT: AtomicU16 = AtomicU16::new(0);
static COUNT: AtomicU8 = AtomicU8::new(0);
static ID: AtomicU8 = AtomicU8::new(0);
/// The process that took the role: a child that it forks without `exec` has a copy of all this, and no part in it.
static OWNER: AtomicI32 = AtomicI32::new(0);

/// Claims the process for one cluster. False if it is taken.
pub(crate) fn claim() -> bool {
    let free = ROLE.compare_exchange(NONE, UNDECIDED, Ordering::AcqRel, Ordering::Acquire).is_ok();
    if free {
        OWNER.store(process::own_pid(), Ordering::Release);
    }
    free
}

pub(crate) fn become_master(port: u16, count: u8) {
    take(MASTER, port, count, 0);
}

pub(crate) fn become_worker(port: u16, count: u8, id: u8) {
    take(WORKER, port, count, id);
}

/// The process is as it was before.
pub(crate) fn release() {
    // First: who finds a role still finds what belongs to it.
    ROLE.store(NONE, Ordering::Release);
    take(NONE, 0, 0, 0);
}

pub(crate) fn current() -> Role {
    match ROLE.load(Ordering::Acquire) {
        MASTER => Role::Master,
        WORKER => Role::Worker,
        _ => Role::None,
    }
}

/// Whether this very process, not one that forked it, is the master.
pub(crate) fn is_acting_master() -> bool {
    current() == Role::Master && is_owner()
}

/// Whether this very process, not one that forked it, took the role that it has.
pub(crate) fn is_owner() -> bool {
    OWNER.load(Ordering::Relaxed) == process::own_pid()
}

/// 0 without a role, also while that is being taken or given back.
pub(crate) fn port() -> u16 {
    if current() == Role::None { 0 } else { PORT.load(Ordering::Acquire) }
}

/// 0 without a role, as above.
pub(crate) fn worker_count() -> u8 {
    if current() == Role::None { 0 } else { COUNT.load(Ordering::Acquire) }
}

pub(crate) fn worker_id() -> u8 {
    ID.load(Ordering::Acquire)
}

fn take(role: u8, port: u16, count: u8, id: u8) {
    PORT.store(port, Ordering::Release);
    COUNT.store(count, Ordering::Release);
    ID.store(id, Ordering::Release);
    OWNER.store(process::own_pid(), Ordering::Release);
    ROLE.store(role, Ordering::Release);
}
