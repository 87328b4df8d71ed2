//! The shared library exports the interface and the assisted calls, and nothing else (contract 9.5): whatever it exports takes
//! the place of another library's function of that name.

// Elsewhere the C library is linked statically by default, and there is no shared library.
#![cfg(all(feature = "capi", target_env = "gnu"))]
#![allow(clippy::expect_used)] // The helpers of a test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const EXPECTED: &str = include_str!("exported-symbols.txt");
const HEADERS: [&str; 3] = [
    include_str!("../include/ecewo-cluster.h"),
    include_str!("../include/v0.1/ecewo-cluster.h"),
    include_str!("../include/v0.2/ecewo-cluster.h"),
];

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
fn the_list_is_sorted_and_names_every_function_of_the_headers_contract_9_5_contract_10_3() {
    let listed: Vec<&str> = EXPECTED.lines().collect();
    assert!(listed.is_sorted(), "sort tests/exported-symbols.txt");
    let is_ours = |name: &&str| name.starts_with("cluster_") || name.starts_with("ecewo_");
    let interface: BTreeSet<&str> = listed.into_iter().filter(is_ours).collect();
    let declared: BTreeSet<&str> = HEADERS.into_iter().flat_map(symbols).collect();
    assert_eq!(interface, declared, "tests/exported-symbols.txt and the headers in include/");
}

/// Two generations may share a function only if it means the same in both: same type, same values (contract 10.3).
#[test]
fn generations_share_what_is_alike_and_nothing_else_contract_10_3() {
    let [documented, v0_1, v0_2] = HEADERS.map(symbols);
    let shared: Vec<&str> = documented.intersection(&v0_1).copied().collect();
    let alike = [
        "cluster_cpus",
        "cluster_cpus_physical",
        "cluster_get_port",
        "cluster_graceful_restart",
        "cluster_is_master",
        "cluster_is_worker",
        "cluster_signal_workers",
        "cluster_wait_workers",
        "cluster_worker_count",
        "cluster_worker_id",
    ];
    assert_eq!(shared, alike, "by the documentation's header and v0.1's");
    assert!(v0_2.is_disjoint(&documented) && v0_2.is_disjoint(&v0_1), "v0.2 has names of its own only");
    assert_eq!(names(HEADERS[0]), names(HEADERS[1]), "v0.1 has the documentation's functions, by name");
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

/// The symbols that a program needs which uses all of a header: the functions' names, or what their labels say.
fn symbols(header: &'static str) -> BTreeSet<&'static str> {
    declarations(header).map(|(name, label)| label.unwrap_or(name)).collect()
}

fn names(header: &'static str) -> BTreeSet<&'static str> {
    declarations(header).map(|(name, _)| name).collect()
}

/// The functions that a header declares, each with its assembler label. Comments are left out; a declaration ends with `;`.
fn declarations(header: &'static str) -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    let code = header.split("extern \"C\" {").nth(1).and_then(|rest| rest.split("#ifdef __cplusplus").next());
    let code = code.expect("the header has its functions in one block");
    let without_comments = code.split("/**").map(|part| part.split_once("*/").map_or(part, |(_, rest)| rest));
    without_comments.flat_map(|part| part.split(';')).filter_map(|declaration| {
        let (name, rest) = declaration.split_once('(')?;
        let name = name.rsplit([' ', '*', '\n']).next()?;
        let label = rest.split_once("__asm__(\"").and_then(|(_, label)| label.split('"').next());
        Some((name, label))
    })
}
