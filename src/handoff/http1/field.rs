//! Fields: what a head says about where its message and the connection end.

use super::line::{LONGEST_KEPT, Line, without_return};

pub(super) const KEEP_ALIVE_BYTES: usize = 10;
const KEEP_ALIVE: Name<KEEP_ALIVE_BYTES> = Name::new(b"keep-alive");
const CONTENT_LENGTH: Name<14> = Name::new(b"content-length");
const CONNECTION: Name<10> = Name::new(b"connection");
const TRANSFER_ENCODING: Name<17> = Name::new(b"transfer-encoding");

/// What a head has said so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Facts(u16);

impl Facts {
    pub(super) const NONE: Self = Self(0);
    /// It is of the version in which the connection ends unless it is said to stay.
    pub(super) const HTTP_1_0: Self = Self(1);
    /// It has a `Content-Length`.
    pub(super) const LENGTH: Self = Self(1 << 1);
    /// It has a `Transfer-Encoding`.
    pub(super) const CODING: Self = Self(1 << 2);
    /// The last of its codings is `chunked`.
    pub(super) const CHUNKED: Self = Self(1 << 3);
    /// `Connection: close`.
    pub(super) const CLOSE: Self = Self(1 << 4);
    /// `Connection: keep-alive`.
    pub(super) const KEEP_ALIVE: Self = Self(1 << 5);
    /// The last line was a field that matters.
    pub(super) const MATTERED: Self = Self(1 << 6);
    /// Status 1xx: the answer is still to come.
    pub(super) const INTERIM: Self = Self(1 << 7);
    /// Status 2xx.
    pub(super) const SUCCESS: Self = Self(1 << 8);
    /// Status 204 or 304: no body, whatever else is said.
    pub(super) const BODILESS: Self = Self(1 << 9);

    #[inline(always)]
    pub(super) fn has(self, fact: Self) -> bool {
        self.0 & fact.0 != 0
    }

    #[inline(always)]
    pub(super) fn with(self, facts: Self) -> Self {
        Self(self.0 | facts.0)
    }

    #[inline(always)]
    pub(super) fn set(&mut self, fact: Self, holds: bool) {
        self.0 = if holds { self.0 | fact.0 } else { self.0 & !fact.0 };
    }
}

/// A head so far.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) facts: Facts,
    /// Its `Content-Length`, or 0.
    pub(super) length: u64,
}

/// What a line of a head turned out to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Other,
    /// A field that matters.
    Matters,
    /// A field that matters, but not as it ought to be.
    Faulty,
}

impl Head {
    /// Takes in a line that is neither the first nor the last. `minds_connection`: `Connection` is a field that matters.
    pub(super) fn line(&mut self, line: &Line<'_>, minds_connection: bool) -> Verdict {
        // The field before goes on. If it matters: servers differ in what they make of that.
        if matches!(line.start(), [b' ' | b'\t', ..]) && self.facts.has(Facts::MATTERED) {
            return Verdict::Faulty;
        }
        let verdict = self.field(line.start(), line.length(), minds_connection);
        self.facts.set(Facts::MATTERED, verdict == Verdict::Matters);
        verdict
    }

    /// The same for the line of this length that starts `bytes`, but [`Facts::MATTERED`] is left to the caller.
    #[inline(always)]
    pub(super) fn field(&mut self, bytes: &[u8], length: usize, minds_connection: bool) -> Verdict {
        // The ninth letters tell the names apart, and most others from them.
        match bytes.get(8) {
            Some(b'l' | b'L') => CONTENT_LENGTH.value(bytes, length).judge(|value| self.content_length(value)),
            Some(b'o' | b'O') if minds_connection => {
                CONNECTION.value(bytes, length).judge(|value| self.connection(value))
            }
            Some(b'-') => TRANSFER_ENCODING.value(bytes, length).judge(|value| self.transfer_encoding(value)),
            Some(_) | None => Verdict::Other,
        }
    }

    fn content_length(&mut self, value: &[u8]) -> Verdict {
        match number(trim(value)) {
            Some(length) if length == self.length || !self.facts.has(Facts::LENGTH) => {
                self.length = length;
                self.facts.set(Facts::LENGTH, true);
                Verdict::Matters
            }
            Some(_) | None => Verdict::Faulty,
        }
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Verdict {
        self.facts.set(Facts::CODING, true);
        if let Some(last) = elements(value).last() {
            self.facts.set(Facts::CHUNKED, last.eq_ignore_ascii_case(b"chunked"));
        }
        Verdict::Matters
    }

    fn connection(&mut self, value: &[u8]) -> Verdict {
        if matches!(value, [b' ', token @ ..] if KEEP_ALIVE.is(token)) {
            // As nearly every server writes it.
            self.facts.set(Facts::KEEP_ALIVE, true);
            return Verdict::Matters;
        }
        for token in elements(value) {
            if token.eq_ignore_ascii_case(b"close") {
                self.facts.set(Facts::CLOSE, true);
            } else if KEEP_ALIVE.is(token) {
                self.facts.set(Facts::KEEP_ALIVE, true);
            }
        }
        Verdict::Matters
    }
}

/// Where in a line of a head, which has its line feed, a `Connection` field has the token `keep-alive`.
pub(super) fn keep_alive_token(line: &[u8]) -> Option<usize> {
    let line = line.strip_suffix(b"\n")?;
    let Value::Is(value) = CONNECTION.value(line, line.len()) else { return None };
    let mut at = CONNECTION.length() + 1;
    for element in value.split(|&byte| byte == b',') {
        if KEEP_ALIVE.is(trim(element)) {
            return Some(at + element.iter().take_while(|&&byte| is_space(byte)).count());
        }
        at += element.len() + 1;
    }
    None
}

/// The number at the start of a chunk. What follows it is an extension.
pub(super) fn chunk_size(line: &Line<'_>) -> Option<u64> {
    const MOST_DIGITS: usize = 32;
    let mut size = 0u64;
    let text = without_return(line.start());
    for (at, byte) in text.iter().enumerate().take(MOST_DIGITS + 1) {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b';' | b' ' | b'\t' => return (at > 0).then_some(size),
            _ => return None,
        };
        size = size.checked_mul(16)? | u64::from(digit);
    }
    (1..=MOST_DIGITS).contains(&text.len()).then_some(size)
}

/// Of which methods and names are made (RFC 9110 5.6.2).
pub(super) fn is_token(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
        || byte.is_ascii_alphanumeric()
}

/// A name, to compare with in any case of letters. Of one with 17 bytes, the ninth is not compared.
struct Name<const LENGTH: usize> {
    start: Word,
    end: Word,
}

impl<const LENGTH: usize> Name<LENGTH> {
    /// `name` in small letters and hyphens.
    const fn new(name: &[u8; LENGTH]) -> Self {
        const { assert!(8 <= LENGTH && LENGTH <= 17) };
        match (name.first_chunk(), name.last_chunk()) {
            (Some(start), Some(end)) => Self { start: Word::new(*start), end: Word::new(*end) },
            _ => Self { start: Word::new([0; 8]), end: Word::new([0; 8]) },
        }
    }

    const fn length(&self) -> usize {
        LENGTH
    }

    fn is(&self, name: &[u8]) -> bool {
        name.len() == LENGTH && self.starts(name)
    }

    #[inline(always)]
    fn starts(&self, bytes: &[u8]) -> bool {
        let Some(name) = bytes.first_chunk::<LENGTH>() else { return false };
        name.first_chunk().is_some_and(|start| self.start.is(start))
            && name.last_chunk().is_some_and(|end| self.end.is(end))
    }

    /// The value of the field of this name in the line of this length that starts `bytes`.
    #[inline(always)]
    fn value<'a>(&self, bytes: &'a [u8], line: usize) -> Value<'a> {
        if !self.starts(bytes) {
            return Value::Other;
        }
        match bytes.get(LENGTH) {
            // A long one may not be there to its end.
            Some(b':') if line <= LONGEST_KEPT => match bytes.get(LENGTH + 1..line) {
                Some(value) => Value::Is(without_return(value)),
                None => Value::Faulty,
            },
            Some(byte) if is_token(*byte) => Value::Other,
            Some(_) | None => Value::Faulty,
        }
    }
}

/// What [`Name::value`] finds.
enum Value<'a> {
    Is(&'a [u8]),
    /// It is another field.
    Other,
    /// It is this field, but it cannot be read.
    Faulty,
}

impl<'a> Value<'a> {
    #[inline(always)]
    fn judge(self, judge: impl FnOnce(&'a [u8]) -> Verdict) -> Verdict {
        match self {
            Self::Is(value) => judge(value),
            Self::Other => Verdict::Other,
            Self::Faulty => Verdict::Faulty,
        }
    }
}

/// Eight bytes, to compare with in any case of letters.
struct Word {
    text: u64,
    /// The bit that makes a letter small, for each letter.
    case: u64,
}

impl Word {
    const fn new(text: [u8; 8]) -> Self {
        let text = u64::from_le_bytes(text);
        // Small letters have the bit above it, too, and hyphens have not.
        Self { text, case: (text & (u64::MAX / 255 * 0x40)) >> 1 }
    }

    #[inline(always)]
    fn is(&self, bytes: &[u8; 8]) -> bool {
        u64::from_le_bytes(*bytes) | self.case == self.text
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    (!digits.is_empty()).then_some(number)
}

/// The elements of a list, but no empty ones.
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim).filter(|element| !element.is_empty())
}

fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}
