//! The core alone, for `scripts/mutants`: it needs nothing else of the library, and so is built in a few seconds.

#![allow(dead_code)]

#[path = "../../src/config.rs"]
mod config;
#[path = "../../src/core/mod.rs"]
mod core;

mod wire {
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub(crate) struct ListenerId(pub(crate) u64);
}
