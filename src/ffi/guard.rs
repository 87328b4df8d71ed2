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

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    /// In the environment of the process that is to abort, which is this test once more.
    const IS_THE_ONE: &str = "ECEWO_CLUSTER_TEST_PANICS";

    #[test]
    fn a_panic_names_the_function_and_aborts_contract_7_1() {
        if std::env::var_os(IS_THE_ONE).is_some() {
            let _guard = Guard::new("cluster_example");
            panic!("impossible");
        }
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "ffi::guard::tests::a_panic_names_the_function_and_aborts_contract_7_1", "--nocapture"])
            .env(IS_THE_ONE, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{text}");
        assert!(text.contains("[ERROR] cluster_example: internal error"), "{text}");
    }
}
