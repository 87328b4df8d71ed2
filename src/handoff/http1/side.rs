//! One direction of a connection: messages one after another, in pieces of any size.

use super::head::{self, Facts, Head};
use super::line::{Kept, Line, LineFeeds};

/// A longer head is not believed to be one; the same goes for the line before a chunk, and for trailers.
pub(super) const LONGEST_HEAD_BYTES: u32 = 256 * 1024;

/// What differs between requests and answers. `number`: the message's, modulo 2^32.
pub(super) trait Role {
    /// Empty lines before a message are no part of it (RFC 9112 2.2).
    const SKIPS_EMPTY_LINES: bool;
    /// `Connection` is a field that matters.
    const MINDS_CONNECTION: bool;

    /// Whether a message can begin now.
    fn may_begin(&self, number: u32) -> bool;
    /// Whether it can start with this, its whole first line or less.
    fn may_start_with(start: &[u8]) -> bool;
    /// `None`: this is no HTTP/1.x, or no longer.
    fn first_line(&mut self, line: &Line<'_>, number: u32) -> Option<Facts>;
    /// What follows its head.
    fn body(&mut self, head: Head, number: u32) -> Body;
}

/// What follows a head.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Length(u64),
    Chunked,
    /// Everything until the connection ends.
    UntilEnd,
    /// Nothing, and the message is still to come.
    Interim,
    Opaque,
}

/// Where the bytes so far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Side {
    /// In a body or chunk: what is still to come. In a head: its `Content-Length`.
    body_bytes: u64,
    /// Messages that have ended.
    whole: u32,
    /// Of this head (or first line of a chunk, or trailers) so far.
    head_bytes: u32,
    facts: Facts,
    next: Next,
    kept: Kept,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Line(Place),
    /// The body.
    Body,
    /// One chunk of it.
    Chunk,
    UntilEnd,
    Opaque,
}

/// Where a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    First,
    Field,
    ChunkSize,
    ChunkEnd,
    Trailer,
}

impl Side {
    pub(super) const fn new() -> Self {
        Self {
            body_bytes: 0,
            whole: 0,
            head_bytes: 0,
            facts: Facts::NONE,
            next: Next::Line(Place::First),
            kept: Kept::EMPTY,
        }
    }

    #[inline(always)]
    pub(super) fn take(&mut self, bytes: &[u8], role: &mut impl Role) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let used = match self.next {
                Next::Line(place @ (Place::First | Place::Field)) if self.kept.is_empty() => {
                    self.head(rest, place == Place::First, role)
                }
                Next::Line(_) | Next::Body | Next::Chunk | Next::UntilEnd | Next::Opaque => self.step(rest, role),
            };
            rest = rest.get(used..).unwrap_or_default();
        }
    }

    /// Takes in one line at most, or what is there of a body. Gives the number of bytes taken.
    #[inline(always)]
    pub(super) fn step<R: Role>(&mut self, bytes: &[u8], role: &mut R) -> usize {
        match self.next {
            Next::Line(place) => {
                if self.is_at_boundary() && !role.may_begin(self.whole) {
                    self.become_opaque();
                    return bytes.len();
                }
                let Some(at) = LineFeeds::new(bytes).next() else {
                    self.keep::<R>(bytes, place);
                    return bytes.len();
                };
                self.end_line(bytes.get(..at).unwrap_or_default(), place, role);
                at + 1
            }
            Next::Body => {
                let used = self.skip(bytes);
                if self.body_bytes == 0 {
                    self.end_message();
                }
                used
            }
            Next::Chunk => {
                let used = self.skip(bytes);
                if self.body_bytes == 0 {
                    self.next = Next::Line(Place::ChunkEnd);
                }
                used
            }
            Next::UntilEnd | Next::Opaque => bytes.len(),
        }
    }

    /// The same as one [`Self::step`] after another for the lines of a head, but fast.
    #[inline(always)]
    fn head<R: Role>(&mut self, bytes: &[u8], is_first: bool, role: &mut R) -> usize {
        #[derive(PartialEq)]
        enum Stop {
            Cut,
            End,
            Skip,
            Bad,
        }
        if is_first && !role.may_begin(self.whole) {
            self.become_opaque();
            return bytes.len();
        }
        let mut is_first = is_first;
        let mut head = Head { facts: self.facts, length: self.body_bytes };
        let mut start = 0;
        let mut stop = Stop::Cut;
        for at in LineFeeds::new(bytes) {
            let line = bytes.get(start..at).unwrap_or_default();
            start = at + 1;
            match line.first() {
                Some(_) if is_first => {
                    is_first = false;
                    let Some(facts) = role.first_line(&Line::whole(line), self.whole) else {
                        stop = Stop::Bad;
                        break;
                    };
                    head.facts = facts;
                }
                Some(byte) if *byte > b' ' && !matches!(byte | 0x20, b'c' | b't') => {
                    head.facts = head.facts.without(Facts::MATTERED);
                }
                Some(b'\r') if line.len() == 1 => {
                    stop = Stop::End;
                    break;
                }
                None => {
                    stop = Stop::End;
                    break;
                }
                Some(_) => {
                    if !head.field(&Line::whole(line), R::MINDS_CONNECTION) {
                        stop = Stop::Bad;
                        break;
                    }
                }
            }
        }
        if stop == Stop::Bad || !self.measure(start) {
            self.become_opaque();
            return bytes.len();
        }
        if stop == Stop::End {
            self.end_head(head, role);
            return start;
        }
        self.facts = head.facts;
        self.body_bytes = head.length;
        self.next = Next::Line(if is_first { Place::First } else { Place::Field });
        if start < bytes.len() {
            self.keep::<R>(bytes.get(start..).unwrap_or_default(), if is_first { Place::First } else { Place::Field });
            start = bytes.len();
        }
        start
    }

    pub(super) fn whole(&self) -> u32 {
        self.whole
    }

    /// Messages whose head has ended.
    pub(super) fn heads(&self) -> u32 {
        let is_past_head = match self.next {
            Next::Line(Place::ChunkSize | Place::ChunkEnd | Place::Trailer) => true,
            Next::Body | Next::Chunk | Next::UntilEnd => true,
            Next::Line(Place::First | Place::Field) | Next::Opaque => false,
        };
        self.whole.wrapping_add(u32::from(is_past_head))
    }

    #[inline(always)]
    pub(super) fn is_at_boundary(&self) -> bool {
        self.next == Next::Line(Place::First) && self.kept.is_empty()
    }

    pub(super) fn is_opaque(&self) -> bool {
        self.next == Next::Opaque
    }

    /// In a head, after its first line.
    pub(super) fn is_in_fields(&self) -> bool {
        self.next == Next::Line(Place::Field)
    }

    /// No line has begun.
    pub(super) fn is_at_line_start(&self) -> bool {
        self.kept.is_empty()
    }

    #[cold]
    pub(super) fn become_opaque(&mut self) {
        *self = Self { whole: self.whole, next: Next::Opaque, ..Self::new() };
    }

    /// Passes over as much of a body as there is, without a look.
    #[inline(always)]
    fn skip(&mut self, bytes: &[u8]) -> usize {
        let used = bytes.len().min(usize::try_from(self.body_bytes).unwrap_or(usize::MAX));
        self.body_bytes -= used as u64;
        used
    }

    /// A line of which the end is not there.
    #[cold]
    fn keep<R: Role>(&mut self, bytes: &[u8], place: Place) {
        self.kept.push(bytes);
        let is_possible = match place {
            Place::First => R::may_start_with(self.kept.start()),
            Place::ChunkEnd => self.kept.start() == b"\r",
            Place::Field | Place::ChunkSize | Place::Trailer => true,
        };
        if !is_possible || !self.measure(bytes.len()) {
            self.become_opaque();
        }
    }

    /// A line ends with these bytes and a line feed.
    #[inline(always)]
    fn end_line<R: Role>(&mut self, bytes: &[u8], place: Place, role: &mut R) {
        let is_good = if !self.measure(bytes.len() + 1) {
            false
        } else if self.kept.is_empty() {
            self.line(&Line::whole(bytes), place, role)
        } else {
            self.end_kept_line(bytes, place, role)
        };
        if !is_good {
            self.become_opaque();
        }
    }

    #[cold]
    fn end_kept_line<R: Role>(&mut self, bytes: &[u8], place: Place, role: &mut R) -> bool {
        let mut kept = self.kept;
        kept.push(bytes);
        self.kept = Kept::EMPTY;
        self.line(&kept.line(), place, role)
    }

    /// A whole line. False: it makes no sense.
    #[inline(always)]
    fn line<R: Role>(&mut self, line: &Line<'_>, place: Place, role: &mut R) -> bool {
        match place {
            Place::First if R::SKIPS_EMPTY_LINES && line.is_empty() => self.head_bytes = 0,
            Place::First => {
                let Some(facts) = role.first_line(line, self.whole) else { return false };
                self.facts = facts;
                self.next = Next::Line(Place::Field);
            }
            Place::Field => {
                let mut head = Head { facts: self.facts, length: self.body_bytes };
                if line.is_empty() {
                    self.end_head(head, role);
                } else if !head.field(line, R::MINDS_CONNECTION) {
                    return false;
                } else {
                    self.facts = head.facts;
                    self.body_bytes = head.length;
                }
            }
            Place::ChunkSize => {
                let Some(size) = head::chunk_size(line) else { return false };
                self.head_bytes = 0;
                self.body_bytes = size;
                self.next = if size == 0 { Next::Line(Place::Trailer) } else { Next::Chunk };
            }
            Place::ChunkEnd if line.is_empty() => {
                self.head_bytes = 0;
                self.next = Next::Line(Place::ChunkSize);
            }
            Place::ChunkEnd => return false,
            Place::Trailer if line.is_empty() => self.end_message(),
            Place::Trailer => {}
        }
        true
    }

    #[inline(always)]
    fn end_head<R: Role>(&mut self, head: Head, role: &mut R) {
        let body = role.body(head, self.whole);
        self.head_bytes = 0;
        self.body_bytes = 0;
        self.facts = Facts::NONE;
        match body {
            Body::Length(0) => self.end_message(),
            Body::Length(length) => {
                self.body_bytes = length;
                self.next = Next::Body;
            }
            Body::Chunked => self.next = Next::Line(Place::ChunkSize),
            Body::UntilEnd => self.next = Next::UntilEnd,
            Body::Interim => self.next = Next::Line(Place::First),
            Body::Opaque => self.become_opaque(),
        }
    }

    #[inline(always)]
    fn end_message(&mut self) {
        self.whole = self.whole.wrapping_add(1);
        self.head_bytes = 0;
        self.next = Next::Line(Place::First);
    }

    /// Counts bytes of a head. False: there are too many.
    #[inline(always)]
    fn measure(&mut self, bytes: usize) -> bool {
        self.head_bytes = self.head_bytes.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.head_bytes <= LONGEST_HEAD_BYTES
    }
}
