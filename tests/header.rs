//! The committed C headers, one for each generation of the interface, are those that the sources give, and they speak C.

#![cfg(feature = "capi")]

use std::fmt::Write as _;

struct Header {
    path: &'static str,
    committed: &'static str,
    /// `build.rs` has just written it.
    generated: &'static str,
    includes: &'static [&'static str],
}

macro_rules! header {
    ($path:literal, $includes:expr) => {
        Header {
            path: concat!("include/", $path),
            committed: include_str!(concat!("../include/", $path)),
            generated: include_str!(concat!(env!("OUT_DIR"), "/", $path)),
            includes: &$includes,
        }
    };
}

const HEADERS: [Header; 3] = [
    header!("ecewo-cluster.h", ["<stdbool.h>", "<stdint.h>", "<time.h>"]),
    header!("v0.1/ecewo-cluster.h", ["<stdbool.h>", "<stdint.h>", "<time.h>"]),
    header!("v0.2/ecewo-cluster.h", ["<stdbool.h>", "<stdint.h>"]),
];

#[test]
fn the_committed_headers_are_up_to_date_contract_1_contract_10() {
    for header in HEADERS {
        if let Some(difference) = first_difference(header.committed, header.generated) {
            panic!("{} is not what src/ffi gives. Run `make header` and commit it.\n{difference}", header.path);
        }
    }
}

#[test]
fn the_headers_have_no_rust_words_contract_1_contract_10() {
    for header in HEADERS {
        let found = rust_words(header.committed);
        assert!(
            found.is_empty(),
            "Rust in {} (mend the comments in src/ffi, then run `make header`):\n{found}",
            header.path
        );
    }
}

#[test]
fn the_headers_include_nothing_else_contract_1_contract_10() {
    for header in HEADERS {
        let included: Vec<&str> =
            header.committed.lines().filter_map(|line| line.trim_start().strip_prefix("#include ")).collect();
        assert_eq!(included, header.includes, "{}", header.path);
    }
}

#[test]
fn no_header_speaks_of_another_generation_contract_10_3() {
    let [documented, v0_1, v0_2] = HEADERS.map(|header| words(header.committed));
    for name in ["ClusterStats", "WorkerStats", "WorkerStatus", "ecewo_cluster_init", "ECEWO_CLUSTER_ROLE_ERROR"] {
        assert!(!documented.contains(&name), "{name} in the documentation's header");
    }
    for name in
        ["cluster_stats_t", "worker_stats_t", "worker_status_t", "ecewo_cluster_init", "ECEWO_CLUSTER_ZERO_ON_SUCCESS"]
    {
        assert!(!v0_1.contains(&name), "{name} in v0.1's header");
    }
    let foreign: Vec<&&str> = v0_2
        .iter()
        .filter(|word| ["cluster_", "worker_", "WORKER_"].iter().any(|start| word.starts_with(start)))
        .filter(|word| !PARAMETERS.contains(word))
        .collect();
    assert!(foreign.is_empty(), "in v0.2's header: {foreign:?}");
}

/// Those of v0.2 that look like names of the older generations.
const PARAMETERS: [&str; 1] = ["worker_id"];

fn words(header: &str) -> Vec<&str> {
    header.split(|c: char| !c.is_alphanumeric() && c != '_').collect()
}

#[test]
fn these_tests_can_fail() {
    assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
    assert!(first_difference("a\nb\n", "a\nc\n").unwrap().contains("line 2"));
    assert!(first_difference("a\n", "a\nb\n").unwrap().contains("line 2"));
    assert!(first_difference("a", "a\n").is_some(), "the end of the last line counts");
    assert_eq!(rust_words("typedef uint8_t *some_type; /* self-contained, use a struct */"), "");
    for rust in ["an Option", "a u8", "Some(x)", "impl", "core::slot", "in Rust", "&str", "[`Master`]", "unwrap()"] {
        assert_ne!(rust_words(rust), "", "{rust}");
    }
}

fn first_difference(committed: &str, generated: &str) -> Option<String> {
    if committed == generated {
        return None;
    }
    let (mut old, mut new) = (committed.lines(), generated.lines());
    for number in 1.. {
        match (old.next(), new.next()) {
            (None, None) => break,
            (old, new) if old == new => {}
            (old, new) => {
                let [old, new] = [old, new].map(|line| line.unwrap_or("(nothing)"));
                return Some(format!("line {number}, committed: {old}\nline {number}, generated: {new}"));
            }
        }
    }
    Some("They differ in the ends of their lines only.".to_owned())
}

/// The lines that hold a word or a sign that means something in Rust and nothing in C.
fn rust_words(header: &str) -> String {
    const WORDS: [&str; 35] = [
        "Option", "Some", "None", "Result", "Ok", "Err", "Vec", "String", "Box", "Rc", "Arc", "Duration", "Rust",
        "rust", "crate", "cargo", "impl", "fn", "pub", "mut", "trait", "enum_", "u8", "u16", "u32", "u64", "i32",
        "i64", "usize", "isize", "str", "unsafe", "panic", "panics", "unwrap",
    ];
    const SIGNS: [&str; 6] = ["::", "&mut", "&self", "[`", "->", "#["];
    let mut found = String::new();
    for (number, line) in header.lines().enumerate() {
        let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        let word = words.into_iter().find(|word| WORDS.contains(word));
        let sign = SIGNS.into_iter().find(|sign| line.contains(sign));
        if let Some(what) = word.or(sign) {
            let _ = writeln!(found, "line {}: {what:?} in {line:?}", number + 1);
        }
    }
    found
}
