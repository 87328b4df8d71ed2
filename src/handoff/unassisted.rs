//! The hand-over without the assisted calls: listeners are adopted by [`super::open_listener`], and nothing is known of
//! connections. An old worker is told to stop as soon as its replacement serves.

use std::net::SocketAddr;
use std::os::fd::{OwnedFd, RawFd};
use std::time::Duration;

use crate::wire::FromWorker;

pub(crate) fn prepare(_high: RawFd) {}

pub(crate) fn nudge_descriptor() -> RawFd {
    -1
}

pub(crate) fn nudge_descriptor_is_gone() {}

/// The guard's part in the hand-over.
#[derive(Debug)]
pub(crate) struct Guard;

impl Guard {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) fn begin(&mut self) {
        super::tell(FromWorker::Drained);
    }

    /// Another slot's queue: a program that accepts by itself cannot be made to serve it.
    pub(crate) fn inherit(&mut self, _address: SocketAddr, _socket: OwnedFd) {}

    pub(crate) fn look(&mut self, _nudged: bool) -> Option<Duration> {
        None
    }
}
