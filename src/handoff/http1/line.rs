//! Lines, whole or in pieces.

use crate::handoff::block::{BLOCK, places_of};

/// So much is kept of the start of a line that comes in pieces. A field that matters has to fit, cut or not.
pub(super) const LONGEST_KEPT: usize = 48;
/// So much is kept of its end: ` HTTP/1.1` and a carriage return.
const END: usize = 10;

/// A line without its line feed.
pub(super) struct Line<'a> {
    start: &'a [u8],
    end: &'a [u8],
    length: usize,
}

impl<'a> Line<'a> {
    /// Of all that stands before the line feed.
    #[inline(always)]
    pub(super) fn whole(bytes: &'a [u8]) -> Self {
        Self { start: bytes, end: bytes, length: bytes.len() }
    }

    /// Empty, but for a carriage return.
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        matches!(self.start, b"" | b"\r")
    }

    /// With its carriage return. If the line is longer than [`LONGEST_KEPT`], no byte after that many must make a
    /// difference, for it may be missing.
    #[inline(always)]
    pub(super) fn start(&self) -> &'a [u8] {
        self.start
    }

    /// Its last bytes without the carriage return, the last 9 at least if there are as many.
    #[inline(always)]
    pub(super) fn end(&self) -> &'a [u8] {
        without_return(self.end)
    }

    /// With its carriage return. Of a long line it may be less, but not less than 255.
    #[inline(always)]
    pub(super) fn length(&self) -> usize {
        self.length
    }
}

/// A line of which the end has not come yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Kept {
    /// Of the line; 255 if it is longer.
    length: u8,
    start: [u8; LONGEST_KEPT],
    /// As many bytes as there are, at the right edge.
    end: [u8; END],
}

impl Kept {
    pub(super) const EMPTY: Self = Self { length: 0, start: [0; LONGEST_KEPT], end: [0; END] };

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let used = usize::from(self.length);
        for (to, from) in self.start.iter_mut().skip(used).zip(bytes) {
            *to = *from;
        }
        self.end.rotate_left(bytes.len().min(END));
        for (to, from) in self.end.iter_mut().rev().zip(bytes.iter().rev()) {
            *to = *from;
        }
        self.length = u8::try_from(used + bytes.len()).unwrap_or(u8::MAX);
    }

    pub(super) fn start(&self) -> &[u8] {
        self.start.get(..usize::from(self.length)).unwrap_or(&self.start)
    }

    pub(super) fn line(&self) -> Line<'_> {
        let length = usize::from(self.length);
        Line { start: self.start(), end: self.end.get(END.saturating_sub(length)..).unwrap_or_default(), length }
    }
}

/// The places of the line feeds in some bytes, in order.
pub(super) struct LineFeeds<'a> {
    bytes: &'a [u8],
    /// What comes after the current block.
    rest: &'a [u8],
    /// Where the current block is.
    base: usize,
    /// The places in the current block that have not been given out.
    found: u32,
}

impl<'a> LineFeeds<'a> {
    #[inline(always)]
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, rest: bytes, base: 0, found: 0 }
    }

    /// Goes on to another block. False: there is none.
    #[inline(always)]
    fn advance(&mut self) -> bool {
        self.base = self.bytes.len() - self.rest.len();
        if let Some((block, rest)) = self.rest.split_first_chunk() {
            self.found = places_of(b'\n', block);
            self.rest = rest;
            return true;
        }
        if self.rest.is_empty() {
            return false;
        }
        // The last few bytes.
        self.found = match self.bytes.last_chunk() {
            Some(block) => places_of(b'\n', block) >> (BLOCK - self.rest.len()),
            None => self.rest.iter().rev().fold(0, |places, byte| places << 1 | u32::from(*byte == b'\n')),
        };
        self.rest = &[];
        true
    }
}

impl Iterator for LineFeeds<'_> {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        while self.found == 0 {
            if !self.advance() {
                return None;
            }
        }
        let at = self.base + self.found.trailing_zeros() as usize;
        self.found &= self.found - 1;
        Some(at)
    }
}

#[inline(always)]
pub(super) fn without_return(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}
