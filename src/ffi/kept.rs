//! Where a C program's master stays between `cluster_init` and `cluster_wait_workers`.

use std::sync::{Mutex, PoisonError};

use crate::cluster::Master;

static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

struct Kept(Master);

// SAFETY: a master counts its images with `Rc`, all of which are inside it: moved as a whole, from the thread that
// called `cluster_init` to the one that calls `cluster_wait_workers`, no count is ever touched by two threads.
unsafe impl Send for Kept {}

pub(super) fn keep(master: Master) {
    *KEPT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Kept(master));
}

pub(super) fn take_kept() -> Option<Master> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).take().map(|kept| kept.0)
}
