//! First lines: which protocol this is, what is asked for and what kind of answer is given.

use super::field::{Facts, is_token};
use super::line::Line;

const LONGEST_METHOD: usize = 32;

/// What a request line says.
pub(super) struct Request {
    pub(super) is_head: bool,
    pub(super) is_connect: bool,
    pub(super) facts: Facts,
}

/// `METHOD SP … SP HTTP/1.x`; anything else is another protocol.
#[inline(always)]
pub(super) fn request(line: &Line<'_>) -> Option<Request> {
    let (is_head, is_connect) = match Method::of(line.start()) {
        Method::Head => (true, false),
        Method::Connect => (false, true),
        Method::Other => (false, false),
        Method::Cut | Method::Wrong => return None,
    };
    let [b' ', version @ ..] = line.end().last_chunk::<9>()? else { return None };
    Some(Request { is_head, is_connect, facts: of_version(version)? })
}

/// Whether a request can start with this, its first line or less of it.
pub(super) fn may_be_request(start: &[u8]) -> bool {
    match Method::of(start) {
        Method::Head | Method::Connect | Method::Other | Method::Cut => true,
        // The empty line that may stand before it.
        Method::Wrong => start == b"\r",
    }
}

/// `HTTP/1.x SP 200`, with a reason or without. `None` too if it ends HTTP on this connection.
#[inline(always)]
pub(super) fn status(line: &Line<'_>) -> Option<Facts> {
    let (version, rest) = line.start().split_first_chunk()?;
    let version = of_version(version)?;
    let ([b' ', status @ ..], b"" | b"\r" | [b' ', ..]) = rest.split_first_chunk::<4>()? else { return None };
    let facts = match status {
        b"101" => return None,
        b"204" => Facts::SUCCESS.with(Facts::BODILESS),
        b"304" => Facts::BODILESS,
        [b'1', b'0'..=b'9', b'0'..=b'9'] => Facts::INTERIM,
        [b'2', b'0'..=b'9', b'0'..=b'9'] => Facts::SUCCESS,
        [b'3'..=b'9', b'0'..=b'9', b'0'..=b'9'] => Facts::NONE,
        [_, _, _] => return None,
    };
    Some(facts.with(version))
}

/// Whether an answer can start with this, its first line or less of it.
pub(super) fn may_be_answer(start: &[u8]) -> bool {
    start.iter().zip(b"HTTP/1.").all(|(is, ought)| is == ought)
}

/// `HTTP/1.x`.
#[inline(always)]
fn of_version(version: &[u8; 8]) -> Option<Facts> {
    // Compared as numbers, the last byte on top.
    let (is, ought) = (u64::from_le_bytes(*version), u64::from_le_bytes(*b"HTTP/1.0"));
    if is << 8 != ought << 8 {
        return None;
    }
    match is.wrapping_sub(ought) >> 56 {
        0 => Some(Facts::HTTP_1_0),
        1..=9 => Some(Facts::NONE),
        _ => None,
    }
}

/// Of a request line.
enum Method {
    Head,
    Connect,
    Other,
    /// Its end is not there yet.
    Cut,
    /// None of HTTP/1.
    Wrong,
}

impl Method {
    /// Whatever the case of the letters, which is the safe side: a server may not mind it.
    #[inline(always)]
    fn of(start: &[u8]) -> Self {
        if start.starts_with(b"GET ") { Self::Other } else { Self::of_any(start) }
    }

    fn of_any(start: &[u8]) -> Self {
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
            // So begins HTTP/2.
            Self::Wrong
        } else {
            Self::Other
        }
    }
}
