//! What a fuzzer feeds: functions of bytes that panic where a promise is broken. They take in the library's own files, and so reach what is
//! private there.

#![allow(dead_code, unreachable_pub, unused_imports)]

#[path = "../../src/config.rs"]
mod config;
#[path = "../../src/core/mod.rs"]
mod core;
#[path = "../../src/worker/entry.rs"]
mod entry;
mod handoff;
mod histories;
mod http;
#[path = "../../src/wire.rs"]
mod wire;

pub use histories::core;
pub use http::http1;

/// Datagrams of both directions: decoding never panics, and what has been understood is said and understood again (contract 7.3).
pub fn wire(data: &[u8]) {
    use wire::{Decoded, FromMaster, FromWorker};
    if let Decoded::Message(message) = FromWorker::decode(data) {
        assert_eq!(FromWorker::decode(message.encode().bytes()), Decoded::Message(message));
    }
    if let Decoded::Message(message) = FromMaster::decode(data) {
        assert_eq!(FromMaster::decode(message.encode().bytes()), Decoded::Message(message));
    }
}

/// The entry that names the channel: numbers, and nothing that means the same in another form but zeros in front (contract 2.2).
pub fn identity(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some((number, inode)) = entry::parse(text) {
        assert!(number >= 0);
        let (left, right) = text.split_once(':').expect("it was found");
        let bare = |digits: &str| format!("{:0>1}", digits.trim_start_matches('0'));
        assert_eq!((bare(left), bare(right)), (number.to_string(), inode.to_string()));
    }
}
