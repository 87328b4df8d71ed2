//! No panic crosses into C (contract 7.1).

use crate::log;

/// Lives as long as a function of the interface runs. If a panic, which is always a fault of the library, unwinds
/// through it, it names the function and aborts the process.
pub(super) struct Guard(&'static str);

impl Guard {
    pub(super) fn new(function: &'static str) -> Self {
        Self(function)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            log::error!("{}: internal error (see the line above); the process is aborted. Please report it", self.0);
            std::process::abort();
        }
    }
}
