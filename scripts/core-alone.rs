//! The core alone, with its tests, for `scripts/simulate` and `scripts/mutants`: it needs nothing else of the library, and so
//! is built in a moment.

#![allow(dead_code)]

#[path = "../src/config.rs"]
mod config;
#[path = "../src/core/mod.rs"]
mod core;

mod wire {
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub(crate) struct ListenerId(pub(crate) u64);
}
