//! The most frequent messages of all, known for what they are at little cost: a GET that was read alone and whole, and an
//! answer with a `Content-Length` that was written whole. Everything else is for the parser, which comes to the same
//! result for these.

use crate::handoff::block::{BLOCK, places_of};

/// Longer heads are left to the parser.
const LONGEST_HEAD: usize = 2048;
const HTTP_1_1: u64 = u64::from_ne_bytes(*b"HTTP/1.1");
const FIELD: &[u8; 16] = b"content-length: ";
/// A connection whose answers are of another kind each time is left to the parser.
const MOST_SEARCHES: u8 = 8;

/// Whether this is one GET request without a body, its head whole, and nothing else.
#[inline]
pub(super) fn is_one_get(bytes: &[u8]) -> bool {
    bytes.len() <= LONGEST_HEAD
        && bytes.starts_with(b"GET /")
        && bytes.ends_with(b"\r\n\r\n")
        && !has_blank_line_or_length(without_end(bytes))
}

/// Where the answers of a connection have their `Content-Length`: servers write the same fields again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// Of the first digit; 0 while that is not known.
    at: u16,
    searches: u8,
}

impl Shape {
    pub(super) const UNKNOWN: Self = Self { at: 0, searches: 0 };

    /// Whether `bytes`, the first of a write of `total`, begin with the head of one final answer that ends with this
    /// write. One answer is due: so it is no beginning of several, and what stands behind the field need not be searched
    /// for an earlier end of the head.
    #[inline]
    pub(super) fn is_whole(self, bytes: &[u8], total: usize) -> bool {
        let at = usize::from(self.at);
        if at == 0 || !has_body(bytes) || !is_field_before(bytes, at) {
            return false;
        }
        let Some(length) = bytes.get(at..).and_then(number) else { return false };
        let Some(head) = total.checked_sub(length).filter(|end| *end <= LONGEST_HEAD).and_then(|end| bytes.get(..end))
        else {
            return false;
        };
        let before = head.get(..at).unwrap_or_default();
        head.len() > at && head.ends_with(b"\r\n\r\n") && !has_blank_line(before)
    }

    /// Looks where this answer has its length, for the next one.
    #[cold]
    pub(super) fn learn(&mut self, bytes: &[u8]) {
        if self.searches < MOST_SEARCHES {
            self.searches += 1;
            let head = bytes.get(..bytes.len().min(LONGEST_HEAD)).unwrap_or_default();
            let found = (FIELD.len() + 1..head.len()).find(|at| is_field_before(head, *at));
            self.at = found.and_then(|at| u16::try_from(at).ok()).unwrap_or(0);
        }
    }
}

/// Whether a final answer with this first line has a body as long as it says.
fn has_body(bytes: &[u8]) -> bool {
    match bytes.first_chunk::<13>() {
        // At once: letter by letter takes as many instructions as there are letters.
        Some([version @ .., b' ', a @ b'2'..=b'5', b, c, b' ']) if u64::from_ne_bytes(*version) == HTTP_1_1 => {
            !matches!([*a, *b, *c], [b'2', b'0', b'4'] | [b'3', b'0', b'4'])
        }
        Some(_) | None => false,
    }
}

#[inline]
fn is_field_before(bytes: &[u8], at: usize) -> bool {
    /// Makes small letters of capitals, and leaves the other characters of the name as they are.
    const SMALL: u128 = u128::from_ne_bytes([0x20; 16]);
    let field = at.checked_sub(FIELD.len() + 1).and_then(|from| bytes.get(from..at));
    match field {
        Some([b'\n', name @ ..]) => {
            name.first_chunk().is_some_and(|name| u128::from_ne_bytes(*name) | SMALL == u128::from_ne_bytes(*FIELD))
        }
        Some(_) | None => false,
    }
}

/// Up to seven digits and a line end.
fn number(bytes: &[u8]) -> Option<usize> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(8).enumerate() {
        match byte {
            b'0'..=b'9' => value = value * 10 + usize::from(byte - b'0'),
            b'\r' if index > 0 => return Some(value),
            _ => return None,
        }
    }
    None
}

/// All but the last line feed: the last blank line is no blank line then.
#[inline]
fn without_end(head: &[u8]) -> &[u8] {
    head.get(..head.len().saturating_sub(1)).unwrap_or_default()
}

/// Whether a head ends in these bytes, by CRLF or by bare line feeds, or a line of one byte is in them.
#[inline(always)]
fn has_blank_line(bytes: &[u8]) -> bool {
    has_blank_line_or(bytes, |_| false)
}

/// The same, or the name of a field that announces a body may be in there.
#[inline(always)]
fn has_blank_line_or_length(bytes: &[u8]) -> bool {
    has_blank_line_or(bytes, |window| {
        let [_, _, next_but_one @ .., _] = window;
        let mut hyphens = places_of(b'-', next_but_one);
        while hyphens != 0 {
            let around = window.get(hyphens.trailing_zeros() as usize..).and_then(|rest| rest.first_chunk());
            // Of Content-Length and of Transfer-Encoding.
            if matches!(around, Some([b'n' | b'N', _, _, b'l' | b'L'] | [b'e' | b'E', b'r' | b'R', _, b'e' | b'E'])) {
                return true;
            }
            hyphens &= hyphens - 1;
        }
        false
    })
}

/// Bytes of which [`BLOCK`] places and the three after each are looked at together.
const WINDOW: usize = BLOCK + 3;

#[inline(always)]
fn has_blank_line_or(bytes: &[u8], is_it: impl Fn(&[u8; WINDOW]) -> bool) -> bool {
    let Some(last) = bytes.len().checked_sub(WINDOW) else {
        // There is no room for such a field.
        return bytes.windows(3).any(|window| matches!(window, [b'\n', _, b'\n'] | [b'\n', b'\n', _]));
    };
    let mut at = 0;
    loop {
        // The last window overlaps the one before.
        let from = at.min(last);
        let Some(window) = bytes.get(from..).and_then(|rest| rest.first_chunk::<WINDOW>()) else { return true };
        let ([these @ .., _, _, _], [_, next @ .., _, _], [_, _, next_but_one @ .., _]) = (window, window, window);
        let line_feeds = places_of(b'\n', next) | places_of(b'\n', next_but_one);
        if places_of(b'\n', these) & line_feeds != 0 || is_it(window) {
            return true;
        }
        if from == last {
            return false;
        }
        at += BLOCK;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Answers, Requests};
    use super::*;

    fn parsed(request: &[u8]) -> Requests {
        let mut requests = Requests::new();
        requests.take(request);
        requests
    }

    #[test]
    fn one_get_is_what_the_parser_finds_contract_6_3() {
        let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "y".repeat(1500));
        for request in ["GET / HTTP/1.1\r\n\r\n", "GET /a?b HTTP/1.1\r\nHost: x\r\nAccept-Language: de\r\n\r\n", &long]
        {
            assert!(is_one_get(request.as_bytes()), "{request}");
            assert_eq!((parsed(request.as_bytes()).whole(), parsed(request.as_bytes()).is_at_boundary()), (1, true));
        }
        for request in [
            "",
            "\r\n\r\n",
            "GET / HTTP/1.1\r\n",
            "GET / HTTP/1.1\r\n\r\nG",
            "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\n\nGET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\n\nGET / HTTP/1.1\r\n\r\n",
            "GET /\n\nGET /\r\n\r\n",
            "HEAD / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
            "GET / HTTP/1.1\r\nCONTENT-LENGTH: 5\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET http://x/ HTTP/1.1\r\n\r\n",
            &format!("GET /{} HTTP/1.1\r\n\r\n", "y".repeat(3000)),
        ] {
            assert!(!is_one_get(request.as_bytes()), "{request}");
        }
    }

    #[test]
    fn pipelined_requests_are_found_wherever_the_first_ends_contract_6_4() {
        for length in 0..400 {
            let first = format!("GET /{} HTTP/1.1\r\n\r\n", "y".repeat(length));
            assert!(is_one_get(first.as_bytes()));
            let two = format!("{first}GET / HTTP/1.1\r\n\r\n");
            assert!(!is_one_get(two.as_bytes()), "{length}");
            let body = format!("GET /{} HTTP/1.1\r\nContent-Length: 1\r\n\r\n", "y".repeat(length));
            assert!(!is_one_get(body.as_bytes()), "{length}");
        }
    }

    fn is_whole(answer: &str, learned_from: &str) -> bool {
        let mut shape = Shape::UNKNOWN;
        shape.learn(learned_from.as_bytes());
        let is_whole = shape.is_whole(answer.as_bytes(), answer.len());
        if is_whole {
            let requests = parsed(b"GET / HTTP/1.1\r\n\r\n");
            let mut answers = Answers::new();
            answers.take(answer.as_bytes(), &requests);
            assert_eq!((answers.whole(), answers.is_at_boundary()), (1, true), "the parser does not agree: {answer}");
        }
        is_whole
    }

    #[test]
    fn whole_answers_are_what_the_parser_finds_contract_6_3() {
        let usual = "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nhi";
        assert!(is_whole(usual, usual));
        assert!(is_whole("HTTP/1.1 404 No\r\nServer: x\r\ncontent-length: 3\r\n\r\nhi!", usual));
        assert!(is_whole("HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 0\r\n\r\n", usual));
        for answer in [
            "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nh",
            "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nhi!",
            "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n",
            "HTTP/1.1 100 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nhi",
            "HTTP/1.1 204 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nhi",
            "HTTP/1.1 304 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nhi",
            "HTTP/1.0 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\n\r\nrver: x\r\nContent-Length: 2\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\nServer: xx\r\nContent-Length: 2\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: -\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 99999999\r\n\r\nhi",
            "",
        ] {
            assert!(!is_whole(answer, usual), "{answer}");
        }
        assert!(!is_whole(usual, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
    }

    #[test]
    fn a_body_written_beside_its_head_counts() {
        let mut shape = Shape::UNKNOWN;
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
        shape.learn(head);
        assert!(shape.is_whole(head, head.len() + 100_000));
        assert!(!shape.is_whole(head, head.len() + 99_999));
        assert!(!shape.is_whole(head, 10));
    }
}
