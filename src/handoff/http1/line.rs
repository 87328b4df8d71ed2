//! Lines, whole or in pieces.

/// So much is kept of the start of a line that comes in pieces. What matters has to fit, however it is cut.
pub(super) const LONGEST: usize = 48;
/// So much is kept of its end: ` HTTP/1.1` and a carriage return.
const END: usize = 10;

/// The places of the line feeds in some bytes, found 16 bytes at a time.
pub(super) struct LineFeeds<'a> {
    bytes: &'a [u8],
    /// Behind the current block.
    rest: &'a [u8],
    /// Where the current block is.
    base: usize,
    /// A bit for each line feed of the current block that has not been given out.
    found: u32,
}

impl<'a> LineFeeds<'a> {
    #[inline(always)]
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, rest: bytes, base: 0, found: 0 }
    }

    /// Goes on to the next block that has one. False: there is none.
    #[inline(always)]
    fn advance(&mut self) -> bool {
        while let Some((block, after)) = self.rest.split_first_chunk() {
            self.base = self.bytes.len() - self.rest.len();
            self.rest = after;
            if has_line_feed(block) {
                self.found = line_feeds(block);
                return true;
            }
        }
        self.base = self.bytes.len() - self.rest.len();
        self.found = match self.bytes.last_chunk() {
            // What is left, and bytes before it.
            Some(block) if has_line_feed(block) => line_feeds(block) >> (BLOCK - self.rest.len()),
            Some(_) => 0,
            None => self.rest.iter().rev().fold(0, |found, byte| found << 1 | u32::from(*byte == b'\n')),
        };
        self.rest = &[];
        self.found != 0
    }
}

impl Iterator for LineFeeds<'_> {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        if self.found == 0 && !self.advance() {
            return None;
        }
        let at = self.base + self.found.trailing_zeros() as usize;
        self.found &= self.found - 1;
        Some(at)
    }
}

const BLOCK: usize = 16;

/// Written so that the compiler makes vector instructions of it.
#[inline(always)]
fn has_line_feed(block: &[u8; BLOCK]) -> bool {
    block.iter().fold(false, |found, byte| found | (*byte == b'\n'))
}

/// A bit for each byte that is one.
#[inline(always)]
fn line_feeds(block: &[u8; BLOCK]) -> u32 {
    let block = u128::from_le_bytes(*block);
    line_feeds_in_word(block as u64) | line_feeds_in_word((block >> 64) as u64) << 8
}

#[inline(always)]
fn line_feeds_in_word(word: u64) -> u32 {
    const ONES: u64 = u64::MAX / 255;
    const LOW_BITS: u64 = ONES * 0x7f;
    let difference = word ^ ONES * b'\n' as u64;
    // The top bit of each byte without difference, then these bits side by side.
    let found = !((difference & LOW_BITS) + LOW_BITS | difference | LOW_BITS);
    ((found >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
}

/// A line without its end. If it is long, only the first [`LONGEST`] bytes of `start` and the last 9 of `end` mean
/// anything.
pub(super) struct Line<'a> {
    pub(super) start: &'a [u8],
    pub(super) end: &'a [u8],
    pub(super) is_long: bool,
}

impl<'a> Line<'a> {
    /// Of all that stands before the line feed.
    #[inline(always)]
    pub(super) fn whole(bytes: &'a [u8]) -> Self {
        let text = without_return(bytes);
        Self { start: text, end: text, is_long: bytes.len() > LONGEST }
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.start.is_empty()
    }
}

/// The line of which the end has not come yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Kept {
    /// Of the line; 255 if longer.
    length: u8,
    start: [u8; LONGEST],
    /// As many as there are, at the right edge.
    end: [u8; END],
}

impl Kept {
    pub(super) const EMPTY: Self = Self { length: 0, start: [0; LONGEST], end: [0; END] };

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

    /// Without a carriage return at its end, unless the line is long.
    pub(super) fn start(&self) -> &[u8] {
        self.start.get(..usize::from(self.length)).unwrap_or(&self.start)
    }

    pub(super) fn line(&self) -> Line<'_> {
        let is_long = usize::from(self.length) > LONGEST;
        let start = if is_long { self.start() } else { without_return(self.start()) };
        let end = self.end.get(END.saturating_sub(usize::from(self.length))..).unwrap_or_default();
        Line { start, end: without_return(end), is_long }
    }
}

#[inline(always)]
fn without_return(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}
