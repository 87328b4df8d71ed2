//! Memory that C programs hold.

/// A value of all zeros; NULL without memory.
///
/// # Safety
/// All-zero bytes must be a valid `T`, and `T` have nothing to drop.
pub(super) unsafe fn new_zeroed<T>() -> *mut T {
    // SAFETY: any number of bytes may be asked for; calloc aligns for every type of C, and those here are no more.
    unsafe { libc::calloc(1, size_of::<T>()) }.cast()
}

/// # Safety
/// `value` must be NULL or from [`new_zeroed`], and not freed before.
pub(super) unsafe fn free<T>(value: *mut T) {
    // SAFETY: the caller's promise.
    unsafe { libc::free(value.cast()) }
}
