//! HTTP/1.x messages on one connection, counted both ways: when is it *between requests* (contract 6.3)?
//!
//! [`Requests`] takes in what the program reads from its client, [`Answers`] what the kernel takes from the program. They
//! look for nothing but the ends of messages. What cannot be followed for sure (TLS, HTTP/2, WebSocket, faulty framing)
//! is *opaque*, for good: such a connection is never between requests.
//!
//! This runs inside the program's own reads and writes, perhaps in a signal handler, for every request of a busy server:
//! no I/O, no allocation, no lock, and most bytes are looked at once, sixteen at a time. How the bytes are cut into calls
//! makes no difference.
//!
//! ```text
//! line ─── first_line, field ─── side ─────┬─ Requests ─┬─ is_between_requests
//! lines    what a head says      messages  └─ Answers ──┴─ announcement
//!                                rules: what differs
//! ```

#![forbid(unsafe_code)]

mod announcement;
mod field;
mod first_line;
mod line;
mod rules;
mod shortcut;
mod side;
#[cfg(test)]
mod tests;

use rules::{AnswerRules, Methods};
use shortcut::Shape;
use side::Side;

/// What the program has read from its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Requests {
    methods: Methods,
    side: Side,
}

/// Both ways together, as a server meets them outside a drain: what is most frequent is seen at little cost.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Exchange {
    pub(crate) requests: Requests,
    shape: Shape,
    pub(crate) answers: Answers,
}

impl Exchange {
    pub(crate) const fn new() -> Self {
        Self { requests: Requests::new(), answers: Answers::new(), shape: Shape::UNKNOWN }
    }

    /// Where each thing begins that the shortcuts look at.
    #[cfg(test)]
    pub(crate) fn places_of_shortcuts(&self) -> [usize; 6] {
        let [requests, answers] = [&self.requests.side, &self.answers.side].map(Side::places_of_shortcuts);
        let [methods, shape] =
            [std::ptr::from_ref(&self.requests.methods).addr(), std::ptr::from_ref(&self.shape).addr()];
        [methods, requests[0], requests[1], shape, answers[0], answers[1]]
    }

    /// The program has read this.
    #[inline]
    pub(crate) fn received(&mut self, bytes: &[u8]) {
        let is_new = self.requests.is_at_boundary() && self.requests.whole() == self.answers.whole();
        if is_new && shortcut::is_one_get(bytes) {
            self.requests.count_get();
        } else {
            self.requests.take_other(bytes);
        }
    }

    /// The program has written an answer or more, `total` bytes, that begins with these. False: all of it has to be
    /// given to [`Answers::take`].
    #[inline]
    pub(crate) fn sent_whole(&mut self, first: &[u8], total: usize) -> bool {
        let number = self.answers.whole();
        let is_the_one = self.requests.is_at_boundary()
            && !self.requests.methods.is_head(number)
            && !self.requests.methods.is_connect(number)
            && self.answers.is_at_boundary()
            && self.requests.whole() == self.answers.whole().wrapping_add(1);
        if !is_the_one {
            return false;
        }
        let is_whole = self.shape.is_whole(first, total);
        if is_whole {
            self.answers.side.count_message();
        } else {
            self.shape.learn(first);
        }
        is_whole
    }
}

impl Requests {
    pub(crate) const fn new() -> Self {
        Self { methods: Methods::NONE, side: Side::new() }
    }

    /// Takes in bytes that the program has read, in order, in pieces of any size.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.side.take(bytes, &mut self.methods);
    }

    /// Away from the shortcut, whose few instructions are to lie together.
    #[inline(never)]
    fn take_other(&mut self, bytes: &[u8]) {
        self.take(bytes);
    }

    /// As [`Self::take`] of a GET without a body, at a boundary.
    fn count_get(&mut self) {
        self.methods.note(self.side.whole(), false, false);
        self.side.count_message();
    }

    /// Whether the last request has been read whole, and nothing of another.
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

    /// Takes in bytes that the kernel has taken from the program, in order, in pieces of any size. `requests`: what the
    /// program has read so far.
    pub(crate) fn take(&mut self, bytes: &[u8], requests: &Requests) {
        let mut rules = AnswerRules::new(requests, &mut self.has_announced_close);
        if !rules.can_follow(self.side.whole()) {
            self.side.become_opaque();
        }
        self.side.take(bytes, &mut rules);
    }

    /// The kernel has taken so many bytes of the body that nobody has seen (sendfile).
    pub(crate) fn pass_unseen(&mut self, count: usize) {
        self.side.pass_unseen(count);
    }

    /// Whether the last answer has been written whole, and nothing of another.
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

    /// Notes that the edit of [`Self::close_announcement`] is on its way. [`Self::take`] gets the bytes as the program
    /// wrote them all the same.
    pub(crate) fn announced(&mut self) {
        self.has_announced_close = true;
    }
}

/// How bytes that the program is about to write have to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// These bytes, the token `keep-alive`, become `close` and spaces.
    Overwrite { at: usize, length: usize },
    /// `Connection: close` and a line end go in before this byte, the first of the empty line that ends the head.
    Insert { at: usize },
}

/// Whether every request has been read whole and has its whole answer, and none of these announced the end.
#[cfg(test)]
fn is_between_requests(requests: &Requests, answers: &Answers) -> bool {
    requests.is_at_boundary()
        && answers.is_at_boundary()
        && requests.whole() == answers.whole()
        && !answers.has_announced_close
}
