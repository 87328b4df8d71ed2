//! What every assisted call asks first, in one word of a cache line of its own: outside a drain, a call looks at this and at the
//! entry of its descriptor, and at nothing else.

use std::sync::atomic::{AtomicU32, Ordering};

/// This process is a worker whose listeners are handed over, or a child of one.
pub(super) const HANDED_OVER: u32 = 1;
/// It is a child.
#[cfg(feature = "assist")]
pub(super) const CHILD: u32 = 1 << 1;
/// It is draining.
#[cfg(feature = "assist")]
pub(super) const DRAINING: u32 = 1 << 2;
/// The helper is wanted, and was not there.
pub(super) const CALLED: u32 = 1 << 3;
/// The bell has rung, or may ring in this process. Stays: a loop may come to hear it much later.
pub(super) const RUNG: u32 = 1 << 4;

#[repr(align(64))]
struct Line(AtomicU32);

static STATE: Line = Line(AtomicU32::new(0));

/// Whether any of these holds. Signal-safe.
#[inline]
pub(super) fn is_any(of: u32) -> bool {
    STATE.0.load(Ordering::Acquire) & of != 0
}

/// Signal-safe.
pub(super) fn set(what: u32) {
    STATE.0.fetch_or(what, Ordering::SeqCst);
}

/// Signal-safe.
pub(super) fn clear(what: u32) {
    STATE.0.fetch_and(!what, Ordering::SeqCst);
}
