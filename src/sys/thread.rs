//! Threads of the library's own in a program that knows nothing of them: detached, small, and never the one that gets a
//! signal.

use std::mem::MaybeUninit;

use super::signals::Blocked;

/// Room for a few small frames. The C library takes the program's thread-local data out of it, too; where that is more,
/// the default size is used.
const STACK: usize = 64 * 1024;

/// What such a thread runs. Its argument and its result are NULL.
pub(crate) type Body = extern "C" fn(*mut libc::c_void) -> *mut libc::c_void;

/// Starts a thread. The error is an errno.
pub(crate) fn start(body: Body) -> Result<(), i32> {
    // The new thread inherits the mask.
    let _blocked = Blocked::all().map_err(|error| error.raw_os_error().unwrap_or(libc::EINVAL))?;
    match create(body, Some(STACK)) {
        Err(libc::EINVAL) => create(body, None),
        other => other,
    }
}

fn create(body: Body, stack: Option<usize>) -> Result<(), i32> {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut thread = MaybeUninit::<libc::pthread_t>::uninit();
    // SAFETY: the attributes are initialized before they are used, and destroyed after; the thread's function takes no
    // argument and lives as long as the process.
    let result = unsafe {
        libc::pthread_attr_init(attributes.as_mut_ptr());
        libc::pthread_attr_setdetachstate(attributes.as_mut_ptr(), libc::PTHREAD_CREATE_DETACHED);
        let sized = stack.map_or(0, |size| libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), size));
        let result = match sized {
            0 => libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), body, std::ptr::null_mut()),
            error => error,
        };
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        result
    };
    if result == 0 { Ok(()) } else { Err(result) }
}
