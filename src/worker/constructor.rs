//! What happens before `main`: a worker takes its identity over, and every program notes how it was started.
//!
//! An entry in `.init_array` runs in dynamic, static, position-independent and link-time-optimized programs alike, and
//! when a shared library is loaded. The number makes it run before the program's own constructors.

use std::ffi::CString;
use std::sync::OnceLock;

use super::identity::{self, Standing};
use super::{EXIT_CONFIGURATION, guard};
use crate::handoff::helper;
use crate::sys::image::Birthplace;
use crate::sys::process;
use crate::wire::FromWorker;

type InitFunction = extern "C" fn(libc::c_int, *const *const libc::c_char, *const *const libc::c_char);

#[used]
#[unsafe(link_section = ".init_array.00100")]
static CONSTRUCTOR: InitFunction = before_main;

static BIRTHPLACE: OnceLock<Birthplace> = OnceLock::new();
static ARGUMENTS: OnceLock<Vec<(usize, CString)>> = OnceLock::new();

/// A linker takes an object out of a static library only if something in it is referred to: `start` refers to this.
pub(crate) fn keep_constructor() {
    std::hint::black_box(&raw const CONSTRUCTOR);
}

/// How and where the program was started.
pub(crate) fn birthplace() -> &'static Birthplace {
    BIRTHPLACE.get_or_init(Birthplace::note)
}

/// The command line as it was before `main`, if `given` holds the same strings in any order: option parsers move
/// them. `None` if the program has made its own choice, or the C library does not tell (musl).
#[cfg_attr(not(feature = "capi"), allow(dead_code))] // Rust programs cannot move theirs.
pub(crate) fn original_arguments(given: &[*const libc::c_char]) -> Option<Vec<CString>> {
    let original = ARGUMENTS.get()?;
    let mut expected: Vec<usize> = original.iter().map(|(address, _)| *address).collect();
    let mut found: Vec<usize> = given.iter().map(|pointer| pointer.addr()).collect();
    expected.sort_unstable();
    found.sort_unstable();
    (expected == found).then(|| original.iter().map(|(_, text)| text.clone()).collect())
}

extern "C" fn before_main(
    argc: libc::c_int,
    argv: *const *const libc::c_char,
    _environment: *const *const libc::c_char,
) {
    match identity::take() {
        Standing::Worker(identity) => {
            process::rename(&name_of(identity.id));
            process::wake_when_parent_ends();
            let _ = identity.send(FromWorker::Born);
            let helped = || if identity.handoff { helper::start() } else { Ok(()) };
            if let Err(errno) = guard::start().and_then(|()| helped()) {
                // The master says so, with the remedy: it knows whether this ends the start or is tried again.
                let _ = identity.send(FromWorker::Unguarded(errno));
                process::exit_now(EXIT_CONFIGURATION);
            }
        }
        Standing::Stray | Standing::Stranger => {
            birthplace();
            note_arguments(argc, argv);
        }
    }
}

/// `ecewo:worker-7`; from 100 on without the dash, for the kernel keeps 15 characters.
fn name_of(id: u8) -> String {
    if id < 100 { format!("ecewo:worker-{id}") } else { format!("ecewo:worker{id}") }
}

/// Only glibc gives constructors the arguments of `main`.
#[cfg(target_env = "gnu")]
fn note_arguments(argc: libc::c_int, argv: *const *const libc::c_char) {
    ARGUMENTS.get_or_init(|| {
        let count = usize::try_from(argc).unwrap_or(0);
        // SAFETY: glibc passes main's own argc and argv to every entry of .init_array.
        let pointers = (0..count).map(|index| unsafe { *argv.add(index) });
        pointers
            // A library loaded late may find that the program has shortened them.
            .take_while(|pointer| !pointer.is_null())
            // SAFETY: each is a terminated string of the process's initial stack.
            .map(|pointer| (pointer.addr(), unsafe { std::ffi::CStr::from_ptr(pointer) }.to_owned()))
            .collect()
    });
}

#[cfg(not(target_env = "gnu"))]
fn note_arguments(_argc: libc::c_int, _argv: *const *const libc::c_char) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_the_kernel_contract_2_3() {
        assert_eq!(name_of(0), "ecewo:worker-0");
        assert_eq!(name_of(99), "ecewo:worker-99");
        assert_eq!(name_of(100), "ecewo:worker100");
        assert!((0..=u8::MAX).all(|id| name_of(id).len() <= 15));
    }

    #[test]
    #[cfg(target_env = "gnu")]
    fn the_constructor_ran_and_knows_the_command_line() {
        let noted = ARGUMENTS.get().expect("the constructor has run");
        let addresses: Vec<*const libc::c_char> =
            noted.iter().rev().map(|(address, _)| std::ptr::without_provenance(*address)).collect();
        let expected: Vec<_> = std::env::args().collect();
        let found = original_arguments(&addresses).expect("the same strings in another order");
        assert_eq!(found.iter().map(|text| text.to_str().unwrap()).collect::<Vec<_>>(), expected);
        assert_eq!(original_arguments(&addresses[1..]), None, "the program's own choice");
    }
}
