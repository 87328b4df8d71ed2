//! One direction of a connection: messages one after another, in pieces of any size.

use super::field::{self, Facts, Head, Verdict};
use super::line::{Kept, Line, LineFeeds};

/// A longer head is not believed to be one. The same goes for the line before a chunk, and for trailers.
pub(super) const LONGEST_HEAD_BYTES: u32 = 256 * 1024;

/// What differs between requests and answers. `number`: the message's, modulo 2^32.
pub(super) trait Role {
    /// Empty lines before a message are no part of it (RFC 9112 2.2).
    const SKIPS_EMPTY_LINES: bool;
    /// `Connection` is a field that matters.
    const MINDS_CONNECTION: bool;

    /// Whether a message can begin now.
    fn may_begin(&self, number: u32) -> bool;
    /// Whether it can start with this, its first line or less of it.
    fn may_start_with(start: &[u8]) -> bool;
    /// `None`: this is no HTTP/1.x, or no longer.
    fn first_line(&mut self, line: &Line<'_>, number: u32) -> Option<Facts>;
    /// What follows the head.
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

/// Where the bytes so far end. What the shortcut looks at comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Side {
    /// Messages that have ended.
    whole: u32,
    next: Next,
    facts: Facts,
    kept: Kept,
    /// Of this head (or line before a chunk, or trailers) so far.
    head_bytes: u32,
    /// In a body or chunk: what is still to come. In a head: its `Content-Length`.
    body_bytes: u64,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Line(Place),
    Body,
    /// A part of the body.
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

    /// Of the count of messages, and of the last that says whether this is a boundary.
    #[cfg(test)]
    pub(super) fn places_of_shortcuts(&self) -> [usize; 2] {
        [std::ptr::from_ref(&self.whole).addr(), std::ptr::from_ref(&self.kept).addr()]
    }

    /// As after so many messages.
    #[cfg(test)]
    pub(super) fn after(whole: u32) -> Self {
        Self { whole, ..Self::new() }
    }

    /// Takes in bytes in order, in pieces of any size.
    #[inline(always)]
    pub(super) fn take<R: Role>(&mut self, bytes: &[u8], role: &mut R) {
        let mut rest = bytes;
        while let [first, ..] = rest {
            let used = match self.next {
                Next::Line(Place::First) if self.kept.is_empty() && !matches!(first, b'\r' | b'\n') => {
                    self.take_head(rest, Place::First, role)
                }
                Next::Line(Place::Field) if self.kept.is_empty() => self.take_head(rest, Place::Field, role),
                Next::Line(_) | Next::Chunk | Next::UntilEnd | Next::Opaque => self.step(rest, role),
                Next::Body => self.take_body(rest),
            };
            rest = rest.get(used..).unwrap_or_default();
        }
    }

    /// Takes in one line at most, or what is there of a body. Gives the number of bytes taken, which is not 0.
    pub(super) fn step<R: Role>(&mut self, bytes: &[u8], role: &mut R) -> usize {
        match self.next {
            Next::Line(place) => self.take_line(bytes, place, role),
            Next::Body => self.take_body(bytes),
            Next::Chunk => {
                let used = self.pass_over(bytes);
                if self.body_bytes == 0 {
                    self.next = Next::Line(Place::ChunkEnd);
                }
                used
            }
            Next::UntilEnd | Next::Opaque => bytes.len(),
        }
    }

    pub(super) fn whole(&self) -> u32 {
        self.whole
    }

    /// Messages whose head has ended.
    pub(super) fn heads(&self) -> u32 {
        let has_one_more = match self.next {
            Next::Line(Place::First | Place::Field) | Next::Opaque => false,
            Next::Line(Place::ChunkSize | Place::ChunkEnd | Place::Trailer) => true,
            Next::Body | Next::Chunk | Next::UntilEnd => true,
        };
        self.whole.wrapping_add(u32::from(has_one_more))
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

    fn take_line<R: Role>(&mut self, bytes: &[u8], place: Place, role: &mut R) -> usize {
        if self.is_at_boundary() && !role.may_begin(self.whole) {
            self.become_opaque();
            return bytes.len();
        }
        let Some(at) = LineFeeds::new(bytes).next() else {
            self.keep::<R>(bytes, place);
            return bytes.len();
        };
        let line = bytes.get(..at).unwrap_or_default();
        let is_good = if !self.measure(at + 1) {
            false
        } else if self.kept.is_empty() {
            self.end_line(&Line::whole(line), place, role)
        } else {
            let mut kept = self.kept;
            kept.push(line);
            self.kept = Kept::EMPTY;
            self.end_line(&kept.line(), place, role)
        };
        if !is_good {
            self.become_opaque();
        }
        at + 1
    }

    /// A line without end.
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

    /// False: it makes no sense.
    fn end_line<R: Role>(&mut self, line: &Line<'_>, place: Place, role: &mut R) -> bool {
        match place {
            Place::First if R::SKIPS_EMPTY_LINES && line.is_empty() => self.head_bytes = 0,
            Place::First => {
                let Some(facts) = role.first_line(line, self.whole) else { return false };
                self.facts = facts;
                self.next = Next::Line(Place::Field);
            }
            Place::Field if line.is_empty() => self.end_head(self.head(), role),
            Place::Field => {
                let mut head = self.head();
                if head.line(line, R::MINDS_CONNECTION) == Verdict::Faulty {
                    return false;
                }
                (self.facts, self.body_bytes) = (head.facts, head.length);
            }
            Place::ChunkSize => {
                let Some(size) = field::chunk_size(line) else { return false };
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

    /// The same as one [`Self::step`] after another for the lines of a head, as far as they are there, but fast.
    #[inline(always)]
    fn take_head<R: Role>(&mut self, bytes: &[u8], place: Place, role: &mut R) -> usize {
        if place == Place::First && !role.may_begin(self.whole) {
            self.become_opaque();
            return bytes.len();
        }
        let mut head = self.head();
        let (used, stop) = take_lines(bytes, place, &mut head, role, self.whole);
        match if self.measure(used) { stop } else { Stop::Faulty } {
            Stop::End => {
                self.end_head(head, role);
                return used;
            }
            Stop::Cut(place) => {
                (self.facts, self.body_bytes) = (head.facts, head.length);
                self.next = Next::Line(place);
                if let Some(rest @ [_, ..]) = bytes.get(used..) {
                    self.keep::<R>(rest, place);
                }
            }
            Stop::Faulty => self.become_opaque(),
        }
        bytes.len()
    }

    #[inline(always)]
    fn head(&self) -> Head {
        Head { facts: self.facts, length: self.body_bytes }
    }

    #[inline(always)]
    fn end_head<R: Role>(&mut self, head: Head, role: &mut R) {
        self.head_bytes = 0;
        self.body_bytes = 0;
        self.facts = Facts::NONE;
        match role.body(head, self.whole) {
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
    fn take_body(&mut self, bytes: &[u8]) -> usize {
        let used = self.pass_over(bytes);
        if self.body_bytes == 0 {
            self.end_message();
        }
        used
    }

    /// Takes in what is there of a body or chunk, without a look at it.
    #[inline(always)]
    fn pass_over(&mut self, bytes: &[u8]) -> usize {
        let used = bytes.len().min(usize::try_from(self.body_bytes).unwrap_or(usize::MAX));
        self.body_bytes -= used as u64;
        used
    }

    /// At a boundary: one more message, of which nothing else is known.
    #[inline(always)]
    pub(super) fn count_message(&mut self) {
        self.whole = self.whole.wrapping_add(1);
    }

    /// So many bytes that nobody has seen. They can only be of a body whose length is known, or that the connection ends.
    pub(super) fn pass_unseen(&mut self, count: usize) {
        let count = count as u64;
        match self.next {
            _ if count == 0 => {}
            Next::Body if count < self.body_bytes => self.body_bytes -= count,
            Next::Body if count == self.body_bytes => {
                self.body_bytes = 0;
                self.end_message();
            }
            Next::Chunk if count < self.body_bytes => self.body_bytes -= count,
            Next::Chunk if count == self.body_bytes => {
                self.body_bytes = 0;
                self.next = Next::Line(Place::ChunkEnd);
            }
            Next::UntilEnd | Next::Opaque => {}
            Next::Body | Next::Chunk | Next::Line(_) => self.become_opaque(),
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

/// Why [`take_lines`] stopped.
enum Stop {
    /// The head has ended.
    End,
    /// There are no more whole lines. The next one is of this kind.
    Cut(Place),
    Faulty,
}

/// Takes in the whole lines of a head, and gives how many bytes they are. A field that cannot matter costs next to nothing.
#[inline(always)]
fn take_lines<R: Role>(bytes: &[u8], place: Place, head: &mut Head, role: &mut R, number: u32) -> (usize, Stop) {
    let mut is_first = place == Place::First;
    let mut start = 0;
    // Where a field begins that must not be the rest of the one before it.
    let mut mattered = if head.facts.has(Facts::MATTERED) { 0 } else { usize::MAX };
    for at in LineFeeds::new(bytes) {
        let Some(line @ [first, ..]) = bytes.get(start..) else { break };
        if is_first {
            is_first = false;
            match role.first_line(&Line::whole(bytes.get(start..at).unwrap_or_default()), number) {
                Some(facts) => head.facts = facts,
                None => return (start, Stop::Faulty),
            }
        } else if matches!(first | 0x20, b'c' | b't') {
            match head.field(line, at - start, R::MINDS_CONNECTION) {
                Verdict::Other => {}
                Verdict::Matters => mattered = at + 1,
                Verdict::Faulty => return (start, Stop::Faulty),
            }
        } else if *first <= b' ' {
            if at == start || at == start + 1 && *first == b'\r' {
                return (at + 1, Stop::End);
            }
            if start == mattered && matches!(first, b' ' | b'\t') {
                return (start, Stop::Faulty);
            }
        }
        start = at + 1;
    }
    head.facts.set(Facts::MATTERED, start == mattered);
    (start, Stop::Cut(if is_first { Place::First } else { Place::Field }))
}
