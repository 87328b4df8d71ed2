//! What a Rust program has in it of the library's C side: the assisted calls with the feature `assist`, the C functions with
//! `capi`, and nothing named so without them (contract 8.5). This test is such a program.

#![allow(clippy::expect_used, clippy::panic)] // Tests report by panicking.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::Command;

#[test]
fn no_more_of_c_than_the_features_say_contract_8_5() {
    // Both are in the program for certain: the library, and calls of the standard library's that it may assist.
    assert!(ecewo_cluster::cpus() >= 1);
    drop(TcpListener::bind("127.0.0.1:0").expect("a listener"));

    let defined = symbols_of_this_program();
    let listed: BTreeSet<&str> = include_str!("exported-symbols.txt").lines().collect();
    let found: BTreeSet<&str> = listed.into_iter().filter(|name| defined.contains(*name)).collect();
    if cfg!(feature = "assist") {
        assert!(found.contains("bind") && found.contains("read"), "the assisted calls are missing: {found:?}");
    } else {
        assert!(found.is_empty(), "without the feature `assist` there is {found:?}");
    }
    if !cfg!(feature = "capi") {
        assert!(!found.contains("cluster_init"), "without the feature `capi` there is {found:?}");
    }
}

fn symbols_of_this_program() -> BTreeSet<String> {
    let program = std::env::current_exe().expect("a path");
    let output = ["nm", "llvm-nm"]
        .into_iter()
        .find_map(|nm| Command::new(nm).args(["--defined-only", "--format=posix"]).arg(&program).output().ok())
        .expect("nm can be started: it comes with the C compiler (install binutils)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names: BTreeSet<String> =
        text.lines().filter_map(|line| line.split([' ', '@']).next()).map(str::to_owned).collect();
    assert!(names.contains("main"), "nm tells the symbols of this program");
    names
}
