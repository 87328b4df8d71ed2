//! The committed C header is the one that the sources give, and it speaks C.

#![cfg(feature = "capi")]

use std::fmt::Write as _;

const COMMITTED: &str = include_str!("../include/ecewo-cluster.h");
/// `build.rs` has just written it.
const GENERATED: &str = include_str!(concat!(env!("OUT_DIR"), "/ecewo-cluster.h"));

#[test]
fn the_committed_header_is_up_to_date_contract_1() {
    if let Some(difference) = first_difference(COMMITTED, GENERATED) {
        panic!("include/ecewo-cluster.h is not what src/ffi gives. Run `make header` and commit it.\n{difference}");
    }
}

#[test]
fn the_header_has_no_rust_words_contract_1() {
    let found = rust_words(COMMITTED);
    assert!(found.is_empty(), "Rust in the C header (mend the comments in src/ffi, then run `make header`):\n{found}");
}

#[test]
fn the_header_includes_three_headers_only_contract_1() {
    let included: Vec<&str> = COMMITTED.lines().filter_map(|line| line.strip_prefix("#include ")).collect();
    assert_eq!(included, ["<stdbool.h>", "<stdint.h>", "<time.h>"]);
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
