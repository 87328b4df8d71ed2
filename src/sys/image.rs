//! The program's file: what runs now, and what a restart would run.
//!
//! A file is held with O_PATH, which needs no permission to read it and keeps the very image alive when the path gets
//! another one or is removed.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::fd::{self, FileIdentity};

/// Where and how the program was started, noted before `main` can change the directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Birthplace {
    /// The working directory; with its links unresolved where the shell's PWD is right about it.
    pub(crate) directory: Option<PathBuf>,
    /// The path given to `exec`.
    program: Option<PathBuf>,
}

impl Birthplace {
    /// Reads it; meant to be called before `main`.
    pub(crate) fn note() -> Self {
        Self { directory: working_directory(), program: executed_path() }
    }

    /// The path that a restart takes the program from (contract 3.5): the path that the program was started by, if it
    /// leads to the running image, else what /proc/self/exe says.
    pub(crate) fn program_path(&self, running: &OwnedFd) -> PathBuf {
        let on_disk = self.program.as_ref().filter(|program| !leads_through_descriptor(program));
        let started_by = on_disk.and_then(|program| {
            let absolute = if program.is_absolute() { program.clone() } else { self.directory.as_ref()?.join(program) };
            let file = hold(&absolute).ok()?;
            (FileIdentity::of(file.as_raw_fd()) == FileIdentity::of(running.as_raw_fd())).then_some(absolute)
        });
        started_by.unwrap_or_else(|| std::fs::read_link("/proc/self/exe").unwrap_or_default())
    }
}

/// A program started by fexecve(3) was found by a descriptor's number, which says nothing about where it is on disk.
fn leads_through_descriptor(path: &Path) -> bool {
    path.starts_with("/dev/fd") || path.starts_with("/proc")
}

/// Holds the image that this process runs, even if its file is gone from the disk.
pub(crate) fn hold_running(birthplace: &Birthplace) -> io::Result<OwnedFd> {
    hold(Path::new("/proc/self/exe")).or_else(|error| match executed_path() {
        // Without /proc the path that we were started by is the best that is left.
        Some(path) if error.kind() == io::ErrorKind::NotFound => {
            hold(&birthplace.directory.as_deref().unwrap_or(Path::new("")).join(path))
        }
        Some(_) | None => Err(error),
    })
}

/// Holds the file or directory that a path leads to now.
pub(crate) fn hold(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: a terminated string and flags.
    let raw = unsafe { libc::open(path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) };
    fd::above_stdio(fd::owned(raw.into())?)
}

/// /dev/null for reading, or, where there is none (a bare chroot), something else that is at its end.
pub(crate) fn hold_null() -> io::Result<OwnedFd> {
    // SAFETY: a terminated string and flags.
    let raw = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    match fd::owned(raw.into()) {
        Ok(null) => fd::above_stdio(null),
        Err(_) => fd::pipe().map(|(read, _write)| read),
    }
}

/// The environment as it is now, entry by entry.
pub(crate) fn environment() -> Vec<CString> {
    std::env::vars_os()
        .filter_map(|(name, value)| {
            let mut entry = name.into_vec();
            entry.push(b'=');
            entry.extend(value.into_vec());
            CString::new(entry).ok()
        })
        .collect()
}

/// Whether `NAME=value` is the entry of that name.
pub(crate) fn names(entry: &CStr, name: &str) -> bool {
    entry.to_bytes().strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'='))
}

fn working_directory() -> Option<PathBuf> {
    let real = std::env::current_dir().ok()?;
    let same = |path: &Path| {
        let (a, b) = (std::fs::metadata(path).ok()?, std::fs::metadata(&real).ok()?);
        Some(a.dev() == b.dev() && a.ino() == b.ino())
    };
    std::env::var_os("PWD")
        .map(PathBuf::from)
        .filter(|logical| logical.is_absolute() && same(logical) == Some(true))
        .or(Some(real))
}

/// The path given to `exec`, from the auxiliary vector (getauxval(3), AT_EXECFN).
fn executed_path() -> Option<PathBuf> {
    // SAFETY: reads a number that the kernel put on this process's stack.
    let address = unsafe { libc::getauxval(libc::AT_EXECFN) } as *const libc::c_char;
    if address.is_null() {
        return None;
    }
    // SAFETY: AT_EXECFN is the address of a terminated string that lives as long as the process.
    let bytes = unsafe { CStr::from_ptr(address) }.to_bytes();
    (!bytes.is_empty()).then(|| PathBuf::from(OsString::from(OsStr::from_bytes(bytes))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_image_is_found_by_the_path_it_was_started_by_contract_3_5() {
        let running = hold_running(&Birthplace::note()).unwrap();
        let path = Birthplace::note().program_path(&running);
        assert!(path.is_absolute(), "{path:?}");
        assert_eq!(path.canonicalize().unwrap(), std::fs::read_link("/proc/self/exe").unwrap());
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_not_taken_contract_3_5() {
        let running = hold_running(&Birthplace::note()).unwrap();
        let elsewhere = Birthplace { directory: Some("/".into()), program: Some("/dev/null".into()) };
        assert_eq!(elsewhere.program_path(&running), std::fs::read_link("/proc/self/exe").unwrap());
    }

    #[test]
    fn environment_entries_are_told_by_their_whole_name() {
        assert!(names(c"ECEWO_WORKER=1", "ECEWO_WORKER"));
        assert!(!names(c"ECEWO_WORKER_ID=1", "ECEWO_WORKER"));
        assert!(!names(c"ECEWO_WORKE=1", "ECEWO_WORKER"));
    }
}
