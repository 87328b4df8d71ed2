//! First lines and fields: what a head says about where its message ends.

use super::line::Line;

/// The token of a `Connection` field that [`super::Edit::Overwrite`] overwrites.
pub(super) const KEEP_ALIVE: Name = Name::new(b"keep-alive");
const LONGEST_METHOD: usize = 32;
const ANSWER: &[u8] = b"HTTP/1.";

/// What a head has said so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Facts(u16);

impl Facts {
    pub(super) const NONE: Self = Self(0);
    /// The message is of the version in which the connection ends unless something else is said.
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
    /// The last line was a field that matters: it must not go on in the next.
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
    pub(super) fn with(self, fact: Self) -> Self {
        Self(self.0 | fact.0)
    }

    #[inline(always)]
    pub(super) fn without(self, fact: Self) -> Self {
        Self(self.0 & !fact.0)
    }

    fn of_version(minor: u8) -> Self {
        if minor == b'0' { Self::HTTP_1_0 } else { Self::NONE }
    }
}

/// What a request line says.
pub(super) struct Request {
    pub(super) is_head: bool,
    pub(super) is_connect: bool,
    pub(super) facts: Facts,
}

/// `METHOD SP … SP HTTP/1.x`; anything else is another protocol.
pub(super) fn request_line(line: &Line<'_>) -> Option<Request> {
    let method = Method::of(line.start);
    let [b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'9'] = line.end.last_chunk()? else {
        return None;
    };
    method.is_whole().then_some(Request {
        is_head: method == Method::Head,
        is_connect: method == Method::Connect,
        facts: Facts::of_version(*minor),
    })
}

/// Whether a request can start with this, its whole first line or less.
pub(super) fn may_be_request(start: &[u8]) -> bool {
    start == b"\r" || Method::of(start) != Method::Wrong
}

/// `HTTP/1.x SP 200`, and a reason or not. None for a status that ends HTTP on this connection.
pub(super) fn status_line(line: &Line<'_>) -> Option<Facts> {
    let (version, rest) = line.start.split_first_chunk::<9>()?;
    let [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'9', b' '] = version else { return None };
    let (status, rest) = rest.split_first_chunk::<3>()?;
    if !matches!(rest.first(), None | Some(b' ')) {
        return None;
    }
    let facts = match status {
        b"101" => return None,
        b"204" => Facts::SUCCESS.with(Facts::BODILESS),
        b"304" => Facts::BODILESS,
        [b'1', b'0'..=b'9', b'0'..=b'9'] => Facts::INTERIM,
        [b'2', b'0'..=b'9', b'0'..=b'9'] => Facts::SUCCESS,
        [b'3'..=b'9', b'0'..=b'9', b'0'..=b'9'] => Facts::NONE,
        [_, _, _] => return None,
    };
    Some(facts.with(Facts::of_version(*minor)))
}

/// Whether an answer can start with this, its whole first line or less.
pub(super) fn may_be_answer(start: &[u8]) -> bool {
    start.iter().zip(ANSWER).all(|(is, ought)| is == ought)
}

/// A head so far.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) facts: Facts,
    pub(super) length: u64,
}

impl Head {
    /// Takes in a line of the head that is neither the first nor the last. False: it makes no sense.
    pub(super) fn field(&mut self, line: &Line<'_>, minds_connection: bool) -> bool {
        let mut facts = self.facts.with(Facts::MATTERED);
        match field(line, minds_connection) {
            Field::ContentLength(value) => {
                let Some(length) = length(value) else { return false };
                if facts.has(Facts::LENGTH) && length != self.length {
                    return false;
                }
                self.length = length;
                facts = facts.with(Facts::LENGTH);
            }
            Field::TransferEncoding(value) => {
                facts = facts.with(Facts::CODING);
                if let Some(last) = elements(value).last() {
                    let is_chunked = last.eq_ignore_ascii_case(b"chunked");
                    facts = if is_chunked { facts.with(Facts::CHUNKED) } else { facts.without(Facts::CHUNKED) };
                }
            }
            Field::Connection(value) if KEEP_ALIVE.is(trim(value)) => facts = facts.with(Facts::KEEP_ALIVE),
            Field::Connection(value) => {
                for token in elements(value) {
                    if token.eq_ignore_ascii_case(b"close") {
                        facts = facts.with(Facts::CLOSE);
                    } else if KEEP_ALIVE.is(token) {
                        facts = facts.with(Facts::KEEP_ALIVE);
                    }
                }
            }
            // It goes on from the line before: not with a field that matters, of which servers make different things.
            Field::Continued if self.facts.has(Facts::MATTERED) => return false,
            Field::Continued | Field::Other => facts = facts.without(Facts::MATTERED),
            Field::Faulty => return false,
        }
        self.facts = facts;
        true
    }
}

/// A field that matters for where the message or the connection ends.
pub(super) enum Field<'a> {
    ContentLength(&'a [u8]),
    TransferEncoding(&'a [u8]),
    Connection(&'a [u8]),
    Other,
    /// The rest of the field before it.
    Continued,
    /// One of the first three, but not as it ought to be.
    Faulty,
}

/// `minds_connection`: `Connection` is not just another field.
pub(super) fn field<'a>(line: &Line<'a>, minds_connection: bool) -> Field<'a> {
    const LENGTH: Name = Name::new(b"content-length");
    const CODING: Name = Name::new(b"transfer-encoding");
    const CONNECTION: Name = Name::new(b"connection");
    if let Some(b' ' | b'\t') = line.start.first() {
        return Field::Continued;
    }
    let Some(start) = line.start.first_chunk() else { return Field::Other };
    if LENGTH.start.is(start) {
        value(line, LENGTH, Field::ContentLength)
    } else if CODING.start.is(start) {
        value(line, CODING, Field::TransferEncoding)
    } else if minds_connection && CONNECTION.start.is(start) {
        value(line, CONNECTION, Field::Connection)
    } else {
        Field::Other
    }
}

#[inline(always)]
fn value<'a>(line: &Line<'a>, name: Name, field: impl FnOnce(&'a [u8]) -> Field<'a>) -> Field<'a> {
    match line.start.split_at_checked(name.length) {
        Some((start, rest)) if name.is(start) => match rest.split_first() {
            Some((b':', value)) if !line.is_long => field(value),
            Some((byte, _)) if is_token(*byte) => Field::Other,
            Some(_) | None => Field::Faulty,
        },
        Some(_) | None => Field::Other,
    }
}

/// The number that a `Content-Length` gives.
pub(super) fn length(value: &[u8]) -> Option<u64> {
    let digits = trim(value);
    let number = digits.iter().try_fold(0u64, |number, byte| match byte {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })?;
    (!digits.is_empty()).then_some(number)
}

/// The number at the start of a chunk; what follows it is an extension.
pub(super) fn chunk_size(line: &Line<'_>) -> Option<u64> {
    const MOST_DIGITS: usize = 32;
    let mut size = 0u64;
    for (at, byte) in line.start.iter().enumerate().take(MOST_DIGITS + 1) {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b';' | b' ' | b'\t' => return (at > 0).then_some(size),
            _ => return None,
        };
        size = size.checked_mul(16)? | u64::from(digit);
    }
    (1..=MOST_DIGITS).contains(&line.start.len()).then_some(size)
}

/// The elements of a list, without empty ones.
pub(super) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim).filter(|element| !element.is_empty())
}

/// Where in a line of a head a `Connection` field has the token `keep-alive`.
pub(super) fn keep_alive_token(line: &[u8]) -> Option<usize> {
    let Field::Connection(value) = field(&Line::whole(line.strip_suffix(b"\n")?), true) else { return None };
    let name = line.iter().position(|&byte| byte == b':')? + 1;
    let mut at = name;
    for element in value.split(|&byte| byte == b',') {
        let token = trim(element);
        if KEEP_ALIVE.is(token) {
            return Some(at + element.iter().position(|byte| !is_space(*byte))?);
        }
        at += element.len() + 1;
    }
    None
}

/// Of a request line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    /// Its end is not there yet.
    Cut,
    /// No method of HTTP/1.
    Wrong,
    Head,
    Connect,
    Other,
}

impl Method {
    /// In any case of letters, which is the safe side: a server may not mind the case.
    fn of(start: &[u8]) -> Self {
        if start.starts_with(b"GET ") || start.starts_with(b"POST ") {
            return Self::Other;
        }
        let Some(length) = start.iter().take(LONGEST_METHOD + 1).position(|&byte| !is_token(byte)) else {
            return if start.len() <= LONGEST_METHOD { Self::Cut } else { Self::Wrong };
        };
        let method = start.get(..length).unwrap_or_default();
        if method.is_empty() || start.get(length) != Some(&b' ') {
            Self::Wrong
        } else if method.eq_ignore_ascii_case(b"HEAD") {
            Self::Head
        } else if method.eq_ignore_ascii_case(b"CONNECT") {
            Self::Connect
        } else if method.eq_ignore_ascii_case(b"PRI") {
            // HTTP/2 begins like this.
            Self::Wrong
        } else {
            Self::Other
        }
    }

    fn is_whole(self) -> bool {
        match self {
            Self::Head | Self::Connect | Self::Other => true,
            Self::Cut | Self::Wrong => false,
        }
    }
}

/// The name of a field, to compare with in any case of letters: 9 to 17 bytes.
pub(super) struct Name {
    start: Word,
    middle: u8,
    end: Word,
    pub(super) length: usize,
}

impl Name {
    /// `name` in small letters.
    const fn new(name: &[u8]) -> Self {
        match (name.first_chunk(), name, name.last_chunk()) {
            (Some(start), [_, _, _, _, _, _, _, _, middle, ..], Some(end)) => {
                Self { start: Word::new(start), middle: *middle, end: Word::new(end), length: name.len() }
            }
            _ => Self { start: Word::new(&[0; 8]), middle: 0, end: Word::new(&[0; 8]), length: 0 },
        }
    }

    #[inline(always)]
    fn is(&self, name: &[u8]) -> bool {
        name.len() == self.length
            && name.first_chunk().is_some_and(|start| self.start.is(start))
            && name.last_chunk().is_some_and(|end| self.end.is(end))
            && name.get(8).is_some_and(|middle| middle.eq_ignore_ascii_case(&self.middle))
    }
}

/// Eight bytes to compare with in any case of letters.
#[derive(Clone, Copy)]
struct Word {
    text: u64,
    /// The bit that makes a letter small, for each letter.
    case: u64,
}

impl Word {
    const fn new(text: &[u8; 8]) -> Self {
        let text = u64::from_le_bytes(*text);
        // Of small letters and hyphens, only the letters have this bit.
        Self { text, case: (text & u64::MAX / 255 * 0x40) >> 1 }
    }

    #[inline(always)]
    fn is(self, bytes: &[u8; 8]) -> bool {
        u64::from_le_bytes(*bytes) | self.case == self.text
    }
}

/// RFC 9110 5.6.2.
fn is_token(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
        || byte.is_ascii_alphanumeric()
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
