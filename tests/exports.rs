//! The shared library exports the interface and the assisted calls, and nothing else (contract 9.5): whatever it exports takes
//! the place of another library's function of that name.

// Elsewhere the C library is linked statically by default, and there is no shared library.
#![cfg(all(feature = "capi", target_env = "gnu"))]
#![allow(clippy::expect_used)] // The helpers of a test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const EXPECTED: &str = include_str!("exported-symbols.txt");
const HEADER: &str = include_str!("../include/ecewo-cluster.h");

#[test]
fn exactly_the_listed_symbols_are_exported_contract_9_5() {
    let expected = EXPECTED.lines().map(str::to_owned).collect();
    let found = exported(&shared_library());
    let unexpected: Vec<&String> = found.difference(&expected).collect();
    let missing: Vec<&String> = expected.difference(&found).collect();
    assert!(
        unexpected.is_empty() && missing.is_empty(),
        "The shared library's dynamic symbols are not those of tests/exported-symbols.txt.\n\
         exported and not listed: {unexpected:?}\nlisted and not exported: {missing:?}\n\
         If the interface or the assisted calls are meant to change, change that list, too (one name a line, sorted)."
    );
}

#[test]
fn the_list_is_sorted_and_names_every_function_of_the_header_contract_9_5() {
    let listed: Vec<&str> = EXPECTED.lines().collect();
    assert!(listed.is_sorted(), "sort tests/exported-symbols.txt");
    let interface: BTreeSet<&str> = listed.into_iter().filter(|name| name.starts_with("cluster_")).collect();
    assert_eq!(interface, declared(HEADER), "tests/exported-symbols.txt and include/ecewo-cluster.h");
}

/// The one that cargo has just made beside this test, as it makes every crate type of the library. A build with other features
/// may have put its own in the same place since; then another one is made.
fn shared_library() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let beside = test.with_file_name("libecewo_cluster.so");
    let is_ours = beside.exists() && exported(&beside).contains("cluster_init");
    if is_ours { beside } else { build() }
}

/// Builds it in a directory of its own, whose lock nobody holds.
fn build() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["rustc", "--lib", "--crate-type", "cdylib", "--locked", "--message-format", "json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .arg("--target-dir")
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("exports"))
        .stdin(Stdio::null())
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "the shared library was not built:\n{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8_lossy(&output.stdout);
    let path = messages.split('"').find(|text| text.ends_with("/libecewo_cluster.so"));
    PathBuf::from(path.expect("cargo names the file"))
}

/// The dynamic symbols that a shared library defines, without versions.
fn exported(library: &Path) -> BTreeSet<String> {
    let output = ["nm", "llvm-nm"]
        .into_iter()
        .find_map(|nm| Command::new(nm).args(["-D", "--defined-only", "--format=posix"]).arg(library).output().ok())
        .expect("nm can be started: it comes with the C compiler (install binutils)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = text.lines().filter_map(|line| line.split([' ', '@']).next()).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// The functions that the header declares: their names stand before a parenthesis, and their lines are no comments.
fn declared(header: &str) -> BTreeSet<&str> {
    let code = header.split("extern \"C\" {").nth(1).and_then(|rest| rest.split("#ifdef __cplusplus").next());
    let code = code.expect("the header has its functions in one block");
    let lines = code.lines().filter(|line| !line.trim_start().starts_with(['*', '/']));
    let names = lines.filter_map(|line| line.split_once('(')?.0.rsplit([' ', '*']).next());
    names.filter(|name| name.starts_with("cluster_")).collect()
}
