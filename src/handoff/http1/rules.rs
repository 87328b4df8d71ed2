//! What differs between requests and answers.

use super::Requests;
use super::field::{Facts, Head};
use super::first_line;
use super::line::Line;
use super::side::{Body, Role};

/// The methods of the last 64 requests, as far as the ends of their answers depend on them: request n in bit n mod 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Methods {
    head: u64,
    connect: u64,
}

impl Methods {
    pub(super) const NONE: Self = Self { head: 0, connect: 0 };
    const MOST: u32 = u64::BITS;

    #[inline(always)]
    pub(super) fn note(&mut self, request: u32, is_head: bool, is_connect: bool) {
        if *self == Self::NONE && !is_head && !is_connect {
            return;
        }
        let bit = Self::bit(request);
        self.head = if is_head { self.head | bit } else { self.head & !bit };
        self.connect = if is_connect { self.connect | bit } else { self.connect & !bit };
    }

    pub(super) fn is_head(&self, request: u32) -> bool {
        self.head & Self::bit(request) != 0
    }

    pub(super) fn is_connect(&self, request: u32) -> bool {
        self.connect & Self::bit(request) != 0
    }

    fn bit(request: u32) -> u64 {
        1 << (request % Self::MOST)
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
        first_line::may_be_request(start)
    }

    #[inline(always)]
    fn first_line(&mut self, line: &Line<'_>, number: u32) -> Option<Facts> {
        let request = first_line::request(line)?;
        self.note(number, request.is_head, request.is_connect);
        Some(request.facts)
    }

    fn body(&mut self, head: Head, _: u32) -> Body {
        if !head.facts.has(Facts::CODING) {
            Body::Length(head.length)
        } else if head.facts.has(Facts::CHUNKED) && !head.facts.has(Facts::HTTP_1_0) {
            Body::Chunked
        } else {
            // Nobody knows where it ends (RFC 9112 6.3), or HTTP/1.0, which has no codings (6.1).
            Body::Opaque
        }
    }
}

/// The rules for answers, which depend on the requests.
pub(super) struct AnswerRules<'a> {
    methods: &'a Methods,
    /// Requests of which at least the head has been read.
    heads: u32,
    has_announced_close: &'a mut bool,
}

impl<'a> AnswerRules<'a> {
    #[inline(always)]
    pub(super) fn new(requests: &'a Requests, has_announced_close: &'a mut bool) -> Self {
        Self { methods: &requests.methods, heads: requests.side.heads(), has_announced_close }
    }

    /// Whether it is known of each request without a whole answer what it was.
    #[inline(always)]
    pub(super) fn can_follow(&self, answers: u32) -> bool {
        self.heads.wrapping_sub(answers) <= Methods::MOST
    }
}

impl Role for AnswerRules<'_> {
    const SKIPS_EMPTY_LINES: bool = false;
    const MINDS_CONNECTION: bool = true;

    /// What answers nothing is no answer.
    fn may_begin(&self, number: u32) -> bool {
        self.heads != number
    }

    fn may_start_with(start: &[u8]) -> bool {
        first_line::may_be_answer(start)
    }

    #[inline(always)]
    fn first_line(&mut self, line: &Line<'_>, _: u32) -> Option<Facts> {
        first_line::status(line)
    }

    fn body(&mut self, head: Head, number: u32) -> Body {
        let facts = head.facts;
        if facts.has(Facts::INTERIM) {
            return Body::Interim;
        }
        if facts.has(Facts::SUCCESS) && self.methods.is_connect(number) {
            return Body::Opaque;
        }
        let body = if facts.has(Facts::BODILESS) || self.methods.is_head(number) {
            Body::Length(0)
        } else if facts.has(Facts::CHUNKED) {
            if facts.has(Facts::HTTP_1_0) { Body::Opaque } else { Body::Chunked }
        } else if facts.has(Facts::LENGTH) && !facts.has(Facts::CODING) {
            Body::Length(head.length)
        } else {
            Body::UntilEnd
        };
        let says_close = facts.has(Facts::CLOSE) || facts.has(Facts::HTTP_1_0) && !facts.has(Facts::KEEP_ALIVE);
        *self.has_announced_close |= says_close || body == Body::UntilEnd;
        body
    }
}
