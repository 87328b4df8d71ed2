//! What each kind of client asks for, and how.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::answer::Answer;

/// A kind of client. See `ALL` for what each does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Each request on a new connection; half of them with `Connection: close`.
    New,
    /// Kept-alive, the next request at once.
    Busy,
    /// Kept-alive, a request every 100 to 375 ms.
    Idle,
    /// Kept-alive, a handler that takes 400 ms.
    Slow,
    /// A handler that takes 400 ms, each request on a new connection.
    SlowNew,
    /// Answers in three parts, with pauses.
    Parts,
    /// Answers in chunks, with pauses.
    Chunked,
    /// Three requests written at once.
    Pipelined,
    /// Three slow requests written at once.
    PipelinedSlow,
    /// Head and body of the request in pieces.
    Pieces,
    /// 6 MB, read slowly.
    SlowReader,
    /// `Expect: 100-continue`.
    Expect,
    /// HEAD.
    Head,
    /// Request bodies, with a length and in chunks.
    Post,
    /// HTTP/1.0 without keep-alive: the connection's end is the answer's end.
    Http10,
    /// Starts like TLS; then records of its own.
    TlsLike,
    /// Upgrades; then frames of its own.
    WebsocketLike,
    /// As `New`, and the answer is the greeting that every server of benches/peers gives.
    HelloNew,
    /// As `Busy`, with this answer.
    HelloBusy,
}

impl Kind {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Busy => "busy",
            Self::Idle => "idle",
            Self::Slow => "slow",
            Self::SlowNew => "slow-new",
            Self::Parts => "parts",
            Self::Chunked => "chunked",
            Self::Pipelined => "pipelined",
            Self::PipelinedSlow => "pipelined-slow",
            Self::Pieces => "pieces",
            Self::SlowReader => "slow-reader",
            Self::Expect => "expect",
            Self::Head => "head",
            Self::Post => "post",
            Self::Http10 => "http10",
            Self::TlsLike => "tls-like",
            Self::WebsocketLike => "websocket-like",
            Self::HelloNew => "hello-new",
            Self::HelloBusy => "hello-busy",
        }
    }

    /// Not HTTP, or no longer.
    pub fn is_opaque(self) -> bool {
        matches!(self, Self::TlsLike | Self::WebsocketLike)
    }

    /// Opens a connection for each request.
    pub fn wants_new_connections(self) -> bool {
        matches!(self, Self::New | Self::SlowNew | Self::Http10 | Self::HelloNew)
    }

    /// Pause before the next request.
    pub fn think(self, random: &mut fastrand::Rng) -> Duration {
        match self {
            Self::New
            | Self::Busy
            | Self::Slow
            | Self::Parts
            | Self::Chunked
            | Self::Pipelined
            | Self::PipelinedSlow
            | Self::Head
            | Self::Post
            | Self::Http10
            | Self::Expect
            | Self::HelloNew
            | Self::HelloBusy => Duration::ZERO,
            Self::Idle => Duration::from_millis(random.u64(100..=375)),
            Self::SlowNew | Self::Pieces | Self::SlowReader => Duration::from_micros(random.u64(0..3000)),
            Self::TlsLike | Self::WebsocketLike => Duration::from_millis(20),
        }
    }

    /// How many bytes of an answer are read before a pause, and how long that is.
    pub fn reading_pace(self) -> Option<(usize, Duration)> {
        matches!(self, Self::SlowReader).then_some((128 * 1024, Duration::from_millis(12)))
    }
}

/// A part of what is sent.
#[derive(Debug, Clone)]
pub struct Piece {
    /// What.
    pub bytes: Vec<u8>,
    /// How long after the piece before it.
    pub pause: Duration,
    /// Not before the answer `100 Continue`.
    pub after_continue: bool,
}

/// The answer that must come.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// Id of the request.
    pub id: u64,
    /// The request is HEAD.
    pub to_head: bool,
    /// The body is the greeting, whose request is known by the head alone.
    pub greeting: bool,
    /// Bytes of the request's body, and their checksum.
    pub upload: (u64, u32),
}

impl Expected {
    /// Whether it is the right one.
    pub fn check(&self, answer: &Answer) -> Result<()> {
        ensure!(answer.status == 200, "status {}", answer.status);
        ensure!(answer.id == Some(self.id), "an answer to request {:?}, not to {}", answer.id, self.id);
        if self.to_head {
            return Ok(());
        }
        if self.greeting {
            ensure!(answer.greeting, "the body is not the greeting");
            return Ok(());
        }
        ensure!(answer.body.is_some(), "no body");
        let got = answer.body.map(|body| (body.got, body.sum)).unwrap_or_default();
        ensure!(got == self.upload, "the server had {got:?} as length and checksum, we sent {:?}", self.upload);
        Ok(())
    }
}

/// One or more requests that are sent together.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// What is sent.
    pub pieces: Vec<Piece>,
    /// What must come back.
    pub expected: Vec<Expected>,
    /// Do not use the connection again, whatever the answer says.
    pub then_close: bool,
}

/// The same checksum as the servers'.
pub fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |sum: u32, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)))
}

impl Plan {
    /// The next requests of a client of this kind. `first_id` and the two after it are theirs.
    pub fn new(kind: Kind, first_id: u64, random: &mut fastrand::Rng) -> Self {
        match kind {
            Kind::New => Self::get_once("/", first_id, random),
            Kind::HelloNew => Self::get_once("/hello", first_id, random).greeted(),
            Kind::HelloBusy => Self::get("/hello", first_id, "").greeted(),
            Kind::Busy | Kind::Idle => Self::get("/", first_id, ""),
            Kind::Slow => Self::get("/slow?ms=400", first_id, ""),
            Kind::SlowNew => Self { then_close: true, ..Self::get("/slow?ms=400", first_id, "") },
            Kind::Parts => Self::get("/parts", first_id, ""),
            Kind::Chunked => Self::get("/chunked", first_id, ""),
            Kind::Pipelined => Self::group(&["/", "/echo", "/"], first_id),
            Kind::PipelinedSlow => Self::group(&["/", "/slow?ms=100", "/"], first_id),
            Kind::SlowReader => Self::get("/big", first_id, ""),
            Kind::Head => {
                let mut plan = Self::default();
                plan.send(request("HEAD", "/", first_id, ""));
                plan.expect(first_id, true, &[]);
                plan
            }
            Kind::Http10 => {
                let mut plan = Self { then_close: true, ..Self::default() };
                plan.send(format!("GET /until-end?id={first_id} HTTP/1.0\r\nHost: test\r\n\r\n").into_bytes());
                plan.expect(first_id, false, &[]);
                plan
            }
            Kind::Pieces => Self::pieces(first_id, random),
            Kind::Expect => Self::expecting(first_id, random),
            Kind::Post => Self::post(first_id, random),
            Kind::TlsLike | Kind::WebsocketLike => Self::default(),
        }
    }

    /// One GET.
    pub fn get(target: &str, id: u64, headers: &str) -> Self {
        let mut plan = Self::default();
        plan.send(request("GET", target, id, headers));
        plan.expect(id, false, &[]);
        plan
    }

    /// One GET for a connection of its own; half of them say so.
    fn get_once(target: &str, id: u64, random: &mut fastrand::Rng) -> Self {
        let headers = if random.bool() { "Connection: close\r\n" } else { "" };
        Self { then_close: true, ..Self::get(target, id, headers) }
    }

    fn greeted(mut self) -> Self {
        self.expected.iter_mut().for_each(|expected| expected.greeting = true);
        self
    }

    fn group(targets: &[&str], first_id: u64) -> Self {
        let mut plan = Self::default();
        let mut all = Vec::new();
        for (target, id) in targets.iter().zip(first_id..) {
            all.extend(request("GET", target, id, ""));
            plan.expect(id, false, &[]);
        }
        plan.send(all);
        plan
    }

    /// Head in two pieces, body in two, 50 ms apart.
    fn pieces(id: u64, random: &mut fastrand::Rng) -> Self {
        let mut plan = Self::default();
        let body = random_body(random, 300);
        let head = request("POST", "/upload", id, &format!("Content-Length: {}\r\n", body.len()));
        let (first, second) = head.split_at(random.usize(1..head.len()));
        let (third, fourth) = body.split_at(body.len() / 2);
        for piece in [first, second, third, fourth].into_iter().filter(|piece| !piece.is_empty()) {
            plan.later(piece.to_vec(), Duration::from_millis(50));
        }
        if let Some(first) = plan.pieces.first_mut() {
            first.pause = Duration::ZERO;
        }
        plan.expect(id, false, &body);
        plan
    }

    fn expecting(id: u64, random: &mut fastrand::Rng) -> Self {
        let mut plan = Self::default();
        let body = random_body(random, 5000);
        let headers = format!("Expect: 100-continue\r\nContent-Length: {}\r\n", body.len());
        plan.send(request("POST", "/upload", id, &headers));
        plan.expect(id, false, &body);
        plan.pieces.push(Piece { bytes: body, pause: Duration::ZERO, after_continue: true });
        plan
    }

    fn post(id: u64, random: &mut fastrand::Rng) -> Self {
        let mut plan = Self::default();
        let body = random_body(random, 20_000);
        plan.expect(id, false, &body);
        if random.bool() {
            let head = request("POST", "/upload", id, &format!("Content-Length: {}\r\n", body.len()));
            plan.send([head, body].concat());
            return plan;
        }
        let mut all = request("POST", "/upload", id, "Transfer-Encoding: chunked\r\n");
        for part in body.chunks(7000) {
            all.extend(format!("{:X}\r\n", part.len()).into_bytes());
            all.extend(part);
            all.extend(b"\r\n");
        }
        all.extend(b"0\r\n\r\n");
        plan.send(all);
        plan
    }

    fn send(&mut self, bytes: Vec<u8>) {
        self.later(bytes, Duration::ZERO);
    }

    fn later(&mut self, bytes: Vec<u8>, pause: Duration) {
        self.pieces.push(Piece { bytes, pause, after_continue: false });
    }

    fn expect(&mut self, id: u64, to_head: bool, body: &[u8]) {
        self.expected.push(Expected { id, to_head, greeting: false, upload: (body.len() as u64, checksum(body)) });
    }
}

fn request(method: &str, target: &str, id: u64, headers: &str) -> Vec<u8> {
    let mark = if target.contains('?') { '&' } else { '?' };
    format!("{method} {target}{mark}id={id} HTTP/1.1\r\nHost: test\r\n{headers}\r\n").into_bytes()
}

fn random_body(random: &mut fastrand::Rng, longest: usize) -> Vec<u8> {
    let length = random.usize(1..=longest);
    std::iter::repeat_with(|| random.alphanumeric() as u8).take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::BodyReport;

    #[test]
    fn an_answer_to_another_request_is_wrong() {
        let plan = Plan::get("/", 7, "");
        let body = Some(BodyReport { id: 7, pid: 1, got: 0, sum: 0 });
        let right = Answer { status: 200, id: Some(7), pid: 1, close: false, body, greeting: false };
        assert!(plan.expected[0].check(&right).is_ok());
        assert!(plan.expected[0].check(&Answer { id: Some(8), ..right.clone() }).is_err());
        assert!(plan.expected[0].check(&Answer { status: 503, ..right.clone() }).is_err());
        assert!(plan.expected[0].check(&Answer { body: None, ..right.clone() }).is_err());
        assert!(Expected { greeting: true, ..plan.expected[0] }.check(&right).is_err());
        let damaged = Some(BodyReport { id: 7, pid: 1, got: 1, sum: 0 });
        assert!(plan.expected[0].check(&Answer { body: damaged, ..right }).is_err());
    }

    #[test]
    fn every_http_kind_sends_something_and_expects_an_answer() {
        let mut random = fastrand::Rng::with_seed(1);
        for kind in [Kind::New, Kind::HelloNew, Kind::Pieces, Kind::Expect, Kind::Post, Kind::Head, Kind::Http10] {
            for _ in 0..50 {
                let plan = Plan::new(kind, 100, &mut random);
                assert_eq!(plan.expected[0].id, 100);
                assert!(plan.pieces.iter().all(|piece| !piece.bytes.is_empty()), "{}", kind.name());
            }
        }
        assert_eq!(Plan::new(Kind::Pipelined, 5, &mut random).expected.len(), 3);
    }
}
