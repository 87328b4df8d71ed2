//! What every assisted call asks first, in one word. Behind it, in the same cache line, lies the beginning of the table's directory:
//! outside a drain, a call on one of the first 1,792 descriptors looks at this line and at its entry, and at nothing else.

#[cfg(feature = "assist")]
use std::sync::atomic::AtomicPtr;
use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(feature = "assist")]
use super::table::{PAGES, Page};

/// This process is a worker whose listeners are handed over, or a child of one.
pub(super) const HANDED_OVER: u32 = 1;
/// It is a child.
#[cfg(feature = "assist")]
pub(super) const CHILD: u32 = 1 << 1;
/// It is draining.
#[cfg(feature = "assist")]
pub(super) const DRAINING: u32 = 1 << 2;
/// The drain is over, or its time: what comes next is the master's order to stop.
#[cfg(feature = "assist")]
pub(super) const OVER: u32 = 1 << 5;
/// The helper is wanted, and was not there.
pub(super) const CALLED: u32 = 1 << 3;
/// The bell has rung, or may ring in this process. Stays: a loop may come to hear it much later.
pub(super) const RUNG: u32 = 1 << 4;

#[repr(C, align(64))]
struct First {
    state: AtomicU32,
    /// The pages of the table, in the order of the descriptors.
    #[cfg(feature = "assist")]
    directory: [AtomicPtr<Page>; PAGES],
}

static FIRST: First = First {
    state: AtomicU32::new(0),
    #[cfg(feature = "assist")]
    directory: [const { AtomicPtr::new(std::ptr::null_mut()) }; PAGES],
};

/// Where the table's pages are.
#[cfg(feature = "assist")]
#[inline]
pub(super) fn directory() -> &'static [AtomicPtr<Page>; PAGES] {
    &FIRST.directory
}

/// Whether any of these holds. Signal-safe.
#[inline]
pub(super) fn is_any(of: u32) -> bool {
    FIRST.state.load(Ordering::Acquire) & of != 0
}

/// Signal-safe.
pub(super) fn set(what: u32) {
    FIRST.state.fetch_or(what, Ordering::SeqCst);
}

/// Signal-safe.
pub(super) fn clear(what: u32) {
    FIRST.state.fetch_and(!what, Ordering::SeqCst);
}
