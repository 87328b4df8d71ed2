//! HTTP/1.x messages on one connection, counted both ways: when is it *between requests* (contract 6.3)?
//!
//! [`Requests`] takes in what the program reads from its client, [`Answers`] what the kernel takes from the program.
//! All that they look for is where messages end. What they cannot follow for sure (TLS, HTTP/2, WebSocket, faulty
//! framing) is *opaque*, for good: such a connection is never between requests.
//!
//! This runs inside the program's own reads and writes, perhaps in a signal handler: no I/O, no allocation, no lock.
//! How the bytes are cut into calls makes no difference.
//!
//! ```text
//! bytes ─ line ── head ── side ── Requests ─┬─ is_between_requests
//!         lines   fields  messages Answers ─┘
//! ```

#![forbid(unsafe_code)]

mod head;
mod line;
mod side;
#[cfg(test)]
mod tests;

use head::{Facts, Head};
use line::Line;
use side::{Body, Role, Side};

/// What the program has read from its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Requests {
    methods: Methods,
    side: Side,
}

impl Requests {
    pub(crate) const fn new() -> Self {
        Self { methods: Methods { head: 0, connect: 0 }, side: Side::new() }
    }

    /// Takes in bytes that the program has read, in order, in pieces of any size.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.side.take(bytes, &mut self.methods);
    }

    /// Whether the last request has been read whole and nothing of the next.
    pub(crate) fn is_at_boundary(&self) -> bool {
        self.side.is_at_boundary()
    }

    /// Requests read whole, modulo 2^32.
    pub(crate) fn whole(&self) -> u32 {
        self.side.whole()
    }

    pub(crate) fn is_opaque(&self) -> bool {
        self.side.is_opaque()
    }

    /// Requests of which at least the head has been read whole and to which `answers` whole answers have gone out.
    fn outstanding(&self, answers: u32) -> u32 {
        self.side.heads().wrapping_sub(answers)
    }
}

/// What the program has written to its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Answers {
    side: Side,
    has_announced_close: bool,
}

impl Answers {
    pub(crate) const fn new() -> Self {
        Self { side: Side::new(), has_announced_close: false }
    }

    /// Takes in bytes that the kernel has taken from the program, in order, in pieces of any size. `requests`: what has
    /// been read by now.
    pub(crate) fn take(&mut self, bytes: &[u8], requests: &Requests) {
        self.check(requests);
        let mut exchange = Exchange { requests, has_announced_close: &mut self.has_announced_close };
        self.side.take(bytes, &mut exchange);
    }

    /// Whether the last answer has been written whole and nothing of the next.
    pub(crate) fn is_at_boundary(&self) -> bool {
        self.side.is_at_boundary()
    }

    /// Final answers written whole, modulo 2^32.
    pub(crate) fn whole(&self) -> u32 {
        self.side.whole()
    }

    pub(crate) fn is_opaque(&self) -> bool {
        self.side.is_opaque()
    }

    /// Whether an answer has said that the connection ends with it.
    pub(crate) fn has_announced_close(&self) -> bool {
        self.has_announced_close
    }

    /// Notes that the edit of [`Self::close_announcement`] is on its way to the client. [`Self::take`] gets the
    /// program's own bytes all the same.
    pub(crate) fn announced(&mut self) {
        self.has_announced_close = true;
    }

    /// Where `Connection: close` has to go in `bytes`, which the program is about to write, so that the last answer
    /// that is due announces the end. `None` if that answer's head does not end here, or announces it already, or the
    /// next request is already on its way.
    pub(crate) fn close_announcement(&self, bytes: &[u8], requests: &Requests) -> Option<Edit> {
        if self.has_announced_close || !requests.is_at_boundary() {
            return None;
        }
        let mut after = *self;
        after.check(requests);
        let mut keep_alive = None;
        let mut at = 0;
        while at < bytes.len() && !after.is_opaque() {
            let before = after;
            let rest = bytes.get(at..)?;
            let mut exchange = Exchange { requests, has_announced_close: &mut after.has_announced_close };
            let used = after.side.step(rest, &mut exchange);
            if before.side.is_in_fields() {
                if !after.side.is_in_fields() {
                    let is_final = !after.is_at_boundary() || after.whole() != before.whole();
                    if is_final && before.whole().wrapping_add(1) == requests.whole() {
                        // The empty line has to be here from its first byte on.
                        let is_possible = before.side.is_at_line_start() && after.may_announce();
                        return is_possible.then_some(keep_alive.unwrap_or(Edit::Insert { at }));
                    }
                } else if before.side.is_at_line_start() && keep_alive.is_none() {
                    let token = head::keep_alive_token(rest.get(..used)?);
                    keep_alive = token.map(|token| Edit::Overwrite { at: at + token, length: head::KEEP_ALIVE.length });
                }
            } else {
                keep_alive = None;
            }
            at += used;
        }
        None
    }

    fn may_announce(&self) -> bool {
        !self.is_opaque() && !self.has_announced_close
    }

    /// Of more requests than this at once it is not known which ones were HEAD and CONNECT.
    fn check(&mut self, requests: &Requests) {
        if requests.outstanding(self.whole()) > Methods::MOST {
            self.side.become_opaque();
        }
    }
}

/// How the bytes that the program is about to write have to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// These bytes, a `keep-alive`, become `close` and spaces.
    Overwrite { at: usize, length: usize },
    /// `Connection: close` and a line end go in before this byte, the first of the empty line that ends the head.
    Insert { at: usize },
}

/// Whether every request has been read whole and has its whole answer, the last of which did not announce the end.
pub(crate) fn is_between_requests(requests: &Requests, answers: &Answers) -> bool {
    requests.is_at_boundary()
        && answers.is_at_boundary()
        && requests.whole() == answers.whole()
        && !answers.has_announced_close
}

/// What the last 64 requests asked for, as far as the ends of their answers depend on it: request n in bit n mod 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
struct Methods {
    head: u64,
    connect: u64,
}

impl Methods {
    const MOST: u32 = u64::BITS;

    fn note(&mut self, request: u32, is_head: bool, is_connect: bool) {
        let place = request % Self::MOST;
        self.head = self.head & !(1 << place) | u64::from(is_head) << place;
        self.connect = self.connect & !(1 << place) | u64::from(is_connect) << place;
    }

    fn is_head(&self, request: u32) -> bool {
        self.head >> (request % Self::MOST) & 1 == 1
    }

    fn is_connect(&self, request: u32) -> bool {
        self.connect >> (request % Self::MOST) & 1 == 1
    }
}

/// The rules for requests.
impl Role for Methods {
    const SKIPS_EMPTY_LINES: bool = true;
    const MINDS_CONNECTION: bool = false;

    fn may_begin(&self, _: u32) -> bool {
        true
    }

    fn may_start_with(start: &[u8]) -> bool {
        head::may_be_request(start)
    }

    fn first_line(&mut self, line: &Line<'_>, number: u32) -> Option<Facts> {
        let request = head::request_line(line)?;
        self.note(number, request.is_head, request.is_connect);
        Some(request.facts)
    }

    fn body(&mut self, head: Head, _: u32) -> Body {
        let Head { facts, length } = head;
        if facts.has(Facts::CODING) {
            // RFC 9112 6.1: not known to HTTP/1.0; 6.3: without chunked nobody knows where it ends.
            let is_chunked = facts.has(Facts::CHUNKED) && !facts.has(Facts::HTTP_1_0);
            if is_chunked { Body::Chunked } else { Body::Opaque }
        } else {
            Body::Length(length)
        }
    }
}

/// The rules for answers, which depend on the requests.
struct Exchange<'a> {
    requests: &'a Requests,
    has_announced_close: &'a mut bool,
}

impl Role for Exchange<'_> {
    const SKIPS_EMPTY_LINES: bool = false;
    const MINDS_CONNECTION: bool = true;

    fn may_begin(&self, number: u32) -> bool {
        self.requests.outstanding(number) != 0
    }

    fn may_start_with(start: &[u8]) -> bool {
        head::may_be_answer(start)
    }

    fn first_line(&mut self, line: &Line<'_>, _: u32) -> Option<Facts> {
        head::status_line(line)
    }

    fn body(&mut self, head: Head, number: u32) -> Body {
        let Head { facts, length } = head;
        if facts.has(Facts::INTERIM) {
            return Body::Interim;
        }
        if facts.has(Facts::SUCCESS) && self.requests.methods.is_connect(number) {
            return Body::Opaque;
        }
        let body = if facts.has(Facts::BODILESS) || self.requests.methods.is_head(number) {
            Body::Length(0)
        } else if facts.has(Facts::CHUNKED) {
            if facts.has(Facts::HTTP_1_0) { Body::Opaque } else { Body::Chunked }
        } else if facts.has(Facts::LENGTH) && !facts.has(Facts::CODING) {
            Body::Length(length)
        } else {
            Body::UntilEnd
        };
        let is_last = facts.has(Facts::CLOSE) || facts.has(Facts::HTTP_1_0) && !facts.has(Facts::KEEP_ALIVE);
        *self.has_announced_close |= is_last || body == Body::UntilEnd;
        body
    }
}
