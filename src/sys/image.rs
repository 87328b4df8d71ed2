//! The program's file: what runs now, and what a restart would run.
//!
//! A file is held with O_PATH, which needs no permission to read it and keeps the very image alive when the path gets
//! another one or is removed.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::fd;

/// Where and how the program was started, noted before `main` can change the directory, and before a deploy can change the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Birthplace {
    /// The working directory; with its links unresolved where the shell's PWD is right about it.
    pub(crate) directory: Option<PathBuf>,
    /// The path that a restart takes the program from (contract 3.5): the path that the program was started by, made absolute with its
    /// links unresolved, if it leads to the running image, else what /proc/self/exe says.
    pub(crate) program: PathBuf,
}

impl Birthplace {
    /// Reads it; meant to be called before `main`.
    pub(crate) fn note() -> Self {
        let directory = working_directory();
        let running = Path::new("/proc/self/exe");
        let started_by = executed_path()
            .filter(|path| !leads_through_descriptor(path))
            .map(|path| directory.clone().unwrap_or_default().join(path));
        let program = match (started_by, std::fs::read_link(running)) {
            (Some(path), Ok(exe)) => {
                if is_same_file(&path, running) {
                    path
                } else {
                    exe
                }
            }
            // Without /proc the path that we were started by is the best that there is.
            (Some(path), Err(_)) => path,
            (None, exe) => exe.unwrap_or_default(),
        };
        Self { directory, program }
    }
}

/// A program started by fexecve(3) was found by a descriptor's number, which says nothing about where it is on disk.
fn leads_through_descriptor(path: &Path) -> bool {
    path.starts_with("/dev/fd") || path.starts_with("/proc")
}

fn is_same_file(a: &Path, b: &Path) -> bool {
    match (std::fs::metadata(a), std::fs::metadata(b)) {
        (Ok(a), Ok(b)) => a.dev() == b.dev() && a.ino() == b.ino(),
        (Ok(_) | Err(_), _) => false,
    }
}

/// Holds the image that this process runs, even if its file is gone from the disk.
pub(crate) fn hold_running(birthplace: &Birthplace) -> io::Result<OwnedFd> {
    hold(Path::new("/proc/self/exe")).or_else(|error| {
        if error.kind() != io::ErrorKind::NotFound {
            return Err(error);
        }
        if birthplace.program.as_os_str().is_empty() {
            let text = "it was started by a descriptor, and there is no /proc to find it by";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        hold(&birthplace.program)
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
    std::env::var_os("PWD")
        .map(PathBuf::from)
        .filter(|logical| logical.is_absolute() && is_same_file(logical, &real))
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
    use super::super::fd::FileIdentity;
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn the_running_image_is_found_by_the_path_it_was_started_by_contract_3_5() {
        let birthplace = Birthplace::note();
        assert!(birthplace.program.is_absolute(), "{birthplace:?}");
        assert_eq!(birthplace.program.canonicalize().unwrap(), std::fs::read_link("/proc/self/exe").unwrap());
        let held = FileIdentity::of(hold_running(&birthplace).unwrap().as_raw_fd());
        assert_eq!(held, FileIdentity::of(hold(&birthplace.program).unwrap().as_raw_fd()));
    }

    #[test]
    fn descriptors_are_no_places_on_disk_contract_3_5() {
        assert!(leads_through_descriptor(Path::new("/dev/fd/7")));
        assert!(leads_through_descriptor(Path::new("/proc/self/fd/7")));
        assert!(!leads_through_descriptor(Path::new("/srv/dev/fd/app")));
        assert!(!is_same_file(Path::new("/dev/null"), Path::new("/proc/self/exe")));
    }

    #[test]
    fn environment_entries_are_told_by_their_whole_name() {
        assert!(names(c"ECEWO_WORKER=1", "ECEWO_WORKER"));
        assert!(!names(c"ECEWO_WORKER_ID=1", "ECEWO_WORKER"));
        assert!(!names(c"ECEWO_WORKE=1", "ECEWO_WORKER"));
    }
}
