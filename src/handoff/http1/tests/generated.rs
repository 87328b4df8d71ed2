//! Random conversations of all kinds, of which the generator knows where each message ends, cut at random places.

use super::random::Random;
use super::*;

/// One side of a conversation and what is known of it.
#[derive(Default)]
pub(super) struct Stream {
    pub(super) bytes: Vec<u8>,
    /// Where the head of each message ends (not of answers 1xx).
    pub(super) heads: Vec<usize>,
    /// Where each message ends (not answers 1xx).
    pub(super) ends: Vec<usize>,
    /// Where each message begins, answers 1xx too, and whose number it has.
    begins: Vec<(usize, usize)>,
    /// Boundaries that are no ends: after empty lines before requests, after answers 1xx, at the start.
    boundaries: Vec<usize>,
}

impl Stream {
    /// Messages that have ended here.
    fn whole(&self, at: usize) -> usize {
        self.ends.iter().filter(|&&end| end <= at).count()
    }

    fn heads(&self, at: usize) -> usize {
        self.heads.iter().filter(|&&end| end <= at).count()
    }

    fn is_boundary(&self, at: usize) -> bool {
        self.ends.contains(&at) || self.boundaries.contains(&at)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// A conversation.
#[derive(Default)]
pub(super) struct Conversation {
    pub(super) requests: Stream,
    pub(super) answers: Stream,
    pub(super) methods: Vec<&'static str>,
    /// Where the head of the answer ends that announces the end.
    announced: Option<usize>,
}

/// `count` requests and their answers. `may_close`: the last answer may announce the end.
pub(super) fn conversation(random: &mut Random, count: usize, may_close: bool) -> Conversation {
    let mut talk = Conversation::default();
    talk.requests.boundaries.push(0);
    talk.answers.boundaries.push(0);
    for number in 0..count {
        let method = random.pick(&["GET", "GET", "HEAD", "POST", "PUT", "OPTIONS", "M-SEARCH", "CONNECT"]);
        talk.methods.push(method);
        request(random, &mut talk.requests, method, number);
        while random.one_in(6) {
            interim(random, &mut talk.answers, number);
        }
        let may_close = may_close && number + 1 == count;
        if answer(random, &mut talk.answers, method, number, may_close) {
            talk.announced = talk.answers.heads.last().copied();
        }
    }
    talk
}

fn request(random: &mut Random, stream: &mut Stream, method: &str, number: usize) {
    while random.one_in(8) {
        stream.bytes.extend(random.pick(&["\r\n", "\n"]).bytes());
        stream.boundaries.push(stream.bytes.len());
    }
    stream.begins.push((stream.bytes.len(), number));
    let most = if random.one_in(4) { 60 } else { 5 };
    let path = "/path".repeat(random.below(most));
    let has_body = random.one_in(if matches!(method, "POST" | "PUT") { 1 } else { 5 });
    let is_chunked = has_body && random.one_in(2);
    let version = if is_chunked || !random.one_in(5) { "1.1" } else { "1.0" };
    let body = if has_body { body(random) } else { Vec::new() };
    let mut lines = decoys(random);
    lines.extend(
        ["Connection: close", "Connection: keep-alive"].iter().filter(|_| random.one_in(5)).map(|s| s.to_string()),
    );
    if has_body {
        framing(random, &mut lines, is_chunked, body.len());
    }
    head(random, stream, &format!("{method} /{path} HTTP/{version}"), &lines);
    stream.heads.push(stream.bytes.len());
    put_body(random, stream, is_chunked, &body);
    stream.ends.push(stream.bytes.len());
}

fn interim(random: &mut Random, stream: &mut Stream, number: usize) {
    stream.begins.push((stream.bytes.len(), number));
    let lines = decoys(random);
    let first = random.pick(&["HTTP/1.1 100 Continue", "HTTP/1.1 103 Early Hints", "HTTP/1.1 102"]);
    head(random, stream, first, &lines);
    stream.boundaries.push(stream.bytes.len());
}

/// Whether it announces the end.
fn answer(random: &mut Random, stream: &mut Stream, method: &str, number: usize, may_close: bool) -> bool {
    stream.begins.push((stream.bytes.len(), number));
    let status = random.pick(&["200 OK", "200", "201 Created", "404 Not Found", "500 ", "204 No Content", "304"]);
    // It would make a tunnel.
    let status = if method == "CONNECT" { "405 Method Not Allowed" } else { status };
    let is_bodiless = method == "HEAD" || status.starts_with("204") || status.starts_with("304");
    let version = random.pick(&["1.1", "1.1", "1.0"]);
    let is_chunked = version != "1.0" && random.one_in(3);
    let is_endless = may_close && !is_bodiless && random.one_in(6);
    let says_close = may_close && random.one_in(3);
    let mut lines = decoys(random);
    if says_close {
        lines.push(random.pick(&["Connection: close", "connection:x, CLOSE"]).to_string());
    }
    if version == "1.0" && !says_close || random.one_in(3) {
        lines.push(
            random
                .pick(&["Connection: keep-alive", "connection:Keep-Alive", "CONNECTION: a,keep-alive , b"])
                .to_string(),
        );
    }
    let body = body(random);
    let has_length = !is_bodiless || random.one_in(2);
    if has_length && !is_endless {
        framing(random, &mut lines, is_chunked, body.len());
    }
    head(random, stream, &format!("HTTP/{version} {status}"), &lines);
    stream.heads.push(stream.bytes.len());
    if is_endless {
        stream.bytes.extend(body);
    } else {
        if !is_bodiless {
            put_body(random, stream, is_chunked, &body);
        }
        stream.ends.push(stream.bytes.len());
    }
    says_close || is_endless
}

/// Lines that do not matter, though some look as if they did.
fn decoys(random: &mut Random) -> Vec<String> {
    let long = "x".repeat(random.below(200));
    let mut lines = Vec::new();
    for _ in 0..random.below(6) {
        lines.push(match random.below(12) {
            0 => "Host: example.org".to_string(),
            1 => format!("Cookie: {long}"),
            2 => "Content-Type: text/plain; charset=utf-8".to_string(),
            3 => "content-lengthy: 7".to_string(),
            4 => format!("X-Transfer-Encoding: chunked{long}"),
            5 => "A: b\r\n Content-Length: 9\r\n\tc".to_string(),
            6 => format!("T{long}: x"),
            7 => format!("c{long}: Connection: close"),
            8 => "Upgrade: websocket".to_string(),
            9 => "Date: Tue, 01 Jan 2030 00:00:00 GMT".to_string(),
            10 => ": ".to_string(),
            _ => "Transfer-Encodings: gzip".to_string(),
        });
    }
    lines
}

fn framing(random: &mut Random, lines: &mut Vec<String>, is_chunked: bool, length: usize) {
    let name = |random: &mut Random, name: &str| match random.below(3) {
        0 => name.to_lowercase(),
        1 => name.to_uppercase(),
        _ => name.to_string(),
    };
    let space = random.pick(&["", " ", "\t ", "   "]);
    if is_chunked {
        let name = name(random, "Transfer-Encoding");
        let value = random.pick(&["chunked", "Chunked ", "gzip, chunked", "gzip,,chunked,"]);
        lines.insert(random.below(lines.len() + 1), format!("{name}:{space}{value}"));
    }
    if !is_chunked || random.one_in(3) {
        // Chunked wins.
        let length = if is_chunked { random.below(99) } else { length };
        let name = name(random, "Content-Length");
        lines.insert(random.below(lines.len() + 1), format!("{name}:{space}{length}{space}"));
    }
    // A line that goes on must not follow these.
    lines.push("Z: z".to_string());
}

fn head(random: &mut Random, stream: &mut Stream, first: &str, lines: &[String]) {
    for line in [first].into_iter().chain(lines.iter().map(String::as_str)).chain([""]) {
        stream.bytes.extend(line.bytes());
        stream.bytes.extend(if random.one_in(10) { "\n" } else { "\r\n" }.bytes());
    }
}

/// What looks like messages, so that a wrong boundary shows.
fn body(random: &mut Random) -> Vec<u8> {
    let mut body = Vec::new();
    for _ in 0..random.below(8) {
        let part = random.pick(&[
            GET,
            OK,
            "\r\n",
            "0\r\n\r\n",
            "\0\u{16}\u{3}",
            "hello",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "\n",
        ]);
        body.extend(part.bytes());
    }
    body
}

fn put_body(random: &mut Random, stream: &mut Stream, is_chunked: bool, body: &[u8]) {
    if !is_chunked {
        stream.bytes.extend(body);
        return;
    }
    let mut rest = body;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(random.piece(rest.len()));
        let size = if random.one_in(2) { format!("{:X}", chunk.len()) } else { format!("{:04x}", chunk.len()) };
        let extension =
            random.pick(&["", "", ";a=b", " ; a=\"b;c\"", ";ffffffffffffffffffffffffffffffffffffffffffffffffffffffff"]);
        stream.bytes.extend(format!("{size}{extension}\r\n").bytes());
        stream.bytes.extend(chunk);
        stream.bytes.extend(random.pick(&["\r\n", "\r\n", "\n"]).bytes());
        rest = after;
    }
    stream.bytes.extend(
        random.pick(&["0\r\n\r\n", "000;x\r\n\r\n", "0\nContent-Length: 3\r\nTransfer-Encoding: x\n\n"]).bytes(),
    );
}

/// Reads and writes a conversation in random pieces. After each, everything has to be as the generator knows it.
fn hold(random: &mut Random, talk: &Conversation, piece: impl Fn(&mut Random, usize) -> usize) {
    let (mut requests, mut answers) = (Requests::new(), Answers::new());
    let (mut read_to, mut written_to) = (0, 0);
    loop {
        // No answer begins before its request's head has been read.
        let may_write_to = talk.answers.begins.iter().find(|begin| begin.1 >= talk.requests.heads(read_to));
        let may_write_to = may_write_to.map_or(talk.answers.bytes.len(), |begin| begin.0);
        let (can_read, can_write) = (read_to < talk.requests.bytes.len(), written_to < may_write_to);
        if can_read && (!can_write || random.one_in(2)) {
            let to = read_to + piece(random, talk.requests.bytes.len() - read_to);
            requests.take(&talk.requests.bytes[read_to..to]);
            read_to = to;
        } else if can_write {
            let to = written_to + piece(random, may_write_to - written_to);
            answers.take(&talk.answers.bytes[written_to..to], &requests);
            written_to = to;
        } else {
            break;
        }
        let shown = || format!("{}\n-- answered --\n{}", talk.requests.text(), talk.answers.text());
        assert_eq!(requests.whole() as usize, talk.requests.whole(read_to), "{}", shown());
        assert_eq!(requests.is_at_boundary(), talk.requests.is_boundary(read_to), "{read_to} {}", shown());
        assert_eq!(answers.whole() as usize, talk.answers.whole(written_to), "{}", shown());
        assert_eq!(answers.is_at_boundary(), talk.answers.is_boundary(written_to), "{written_to} {}", shown());
        let has_announced = talk.announced.is_some_and(|at| at <= written_to);
        assert_eq!(answers.has_announced_close(), has_announced, "{}", shown());
        let is_between = requests.is_at_boundary()
            && answers.is_at_boundary()
            && talk.requests.whole(read_to) == talk.answers.whole(written_to)
            && !has_announced;
        assert_eq!(is_between_requests(&requests, &answers), is_between);
        assert!(!requests.is_opaque() && !answers.is_opaque());
    }
    assert_eq!((read_to, written_to), (talk.requests.bytes.len(), talk.answers.bytes.len()));
    let mut uncut = (Requests::new(), Answers::new());
    uncut.0.take(&talk.requests.bytes);
    uncut.1.take(&talk.answers.bytes, &uncut.0);
    assert_eq!((requests, answers), uncut);
}

#[test]
fn counts_and_boundaries_are_right_after_every_cut_contract_6_3_and_6_4() {
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let count = 1 + random.below(6);
        let talk = conversation(&mut random, count, true);
        hold(&mut random, &talk, |random, most| random.piece(most));
    }
}

#[test]
fn counts_and_boundaries_are_right_after_every_byte_contract_6_3_and_6_4() {
    for seed in 1000..1020 {
        let mut random = Random::new(seed);
        let talk = conversation(&mut random, 3, true);
        hold(&mut random, &talk, |_, _| 1);
    }
}

#[test]
fn long_pipelines_contract_6_4() {
    for seed in 2000..2006 {
        let mut random = Random::new(seed);
        let talk = conversation(&mut random, 64, false);
        hold(&mut random, &talk, |_, most| most);
        hold(&mut random, &talk, |random, most| (500 + random.below(2000)).min(most));
    }
}
