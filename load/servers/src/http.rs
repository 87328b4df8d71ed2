//! Just enough of HTTP/1.1 for servers that are written by hand: requests without bodies, one after the other.

/// A request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Without the query.
    pub path: String,
    /// `id=` of the query.
    pub id: u64,
    /// `ms=` of the query.
    pub ms: u64,
    /// The client wants no further answer on this connection.
    pub close: bool,
}

impl Request {
    /// Of a path with a query.
    pub fn of_target(target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let number = |name: &str| {
            let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            value.and_then(|digits| digits.parse().ok()).unwrap_or(0)
        };
        Self { path: path.to_owned(), id: number("id"), ms: number("ms"), close: false }
    }
}

/// Reads the requests of one connection from whatever pieces arrive.
#[derive(Debug, Default)]
pub struct RequestReader(Vec<u8>);

impl RequestReader {
    /// Takes bytes in.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Whether nothing of a request is there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next request, if its head is there.
    pub fn take(&mut self) -> Option<Request> {
        const END: &[u8] = b"\r\n\r\n";
        let end = self.0.windows(END.len()).position(|bytes| bytes == END)? + END.len();
        let head: Vec<u8> = self.0.drain(..end).collect();
        let text = String::from_utf8_lossy(&head);
        let target = text.split(' ').nth(1).unwrap_or_default();
        let close = text.lines().any(|line| line.eq_ignore_ascii_case("connection: close"));
        Some(Request { close, ..Request::of_target(target) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_in_pieces_and_together() {
        let mut reader = RequestReader::default();
        reader.feed(b"GET /slow?ms=40&id=7 HTTP/1.1\r\nHost: x\r\n");
        assert_eq!(reader.take(), None);
        reader.feed(b"\r\nGET /?id=8 HTTP/1.1\r\nConnection: close\r\n\r\n");
        let first = Request { path: "/slow".to_owned(), id: 7, ms: 40, close: false };
        assert_eq!(reader.take(), Some(first));
        assert_eq!(reader.take(), Some(Request { path: "/".to_owned(), id: 8, ms: 0, close: true }));
        assert!(reader.is_empty());
    }
}
