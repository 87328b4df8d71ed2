//! Reading answers: HTTP/1 from whatever pieces arrive, and whether it is the answer that was asked for.
//!
//! The servers of `c-tests/zero-loss` answer with a body of this form, so that one lost, doubled or foreign byte shows:
//! `id=7 pid=42 size=120 got=0 sum=0\n`, then the letters a to z by position, then `end=7\n`; `size` is all of it.
//! The servers of `benches/peers` answer with a greeting, for not all of them can do that much.

use anyhow::{Context, Result, bail, ensure};

/// Room that an answer's head may take.
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 32;
const MAX_FIRST_LINE: usize = 256;
/// The whole body of an answer to /hello.
const GREETING: &[u8] = b"Hello, world!\n";

/// What is known of an answer when its last byte has been read.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200, 100, 101, ...
    pub status: u16,
    /// Of the header `X-Id`: the id that the request carried.
    pub id: Option<u64>,
    /// Of the header `X-Pid`: the process that answered.
    pub pid: u32,
    /// No further request may be sent on this connection.
    pub close: bool,
    /// What the body said; `None` if there was none.
    pub body: Option<BodyReport>,
    /// The body was the greeting.
    pub greeting: bool,
}

/// What a whole and undamaged body said.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct BodyReport {
    /// The request's id.
    pub id: u64,
    /// The process that answered.
    pub pid: u32,
    /// How many bytes of body the server had from us.
    pub got: u64,
    /// Their checksum.
    pub sum: u32,
}

#[derive(Debug)]
enum State {
    Head,
    Length(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    UntilEnd,
}

/// Reads the answers of one connection.
#[derive(Debug)]
pub struct AnswerReader {
    state: State,
    /// Of a head, a chunk's first line or a trailer: what of it has come.
    line: Vec<u8>,
    answer: Answer,
    body: BodyCheck,
    started: bool,
}

impl Default for AnswerReader {
    fn default() -> Self {
        Self {
            state: State::Head,
            line: Vec::new(),
            answer: Answer::default(),
            body: BodyCheck::default(),
            started: false,
        }
    }
}

impl AnswerReader {
    /// Whether a part of an answer has been read, and not all of it.
    pub fn in_the_middle(&self) -> bool {
        self.started
    }

    /// Takes bytes up to the end of the answer that is being read: how many it took, and the answer if it is whole.
    /// `to_head`: the answer is one to a HEAD request, which has no body whatever its head says.
    pub fn feed(&mut self, data: &[u8], to_head: bool) -> Result<(usize, Option<Answer>)> {
        let mut taken = 0;
        while let Some(rest) = data.get(taken..).filter(|rest| !rest.is_empty()) {
            self.started = true;
            let (used, whole) = self.step(rest, to_head)?;
            taken += used;
            if whole {
                return Ok((taken, Some(self.finish()?)));
            }
        }
        Ok((taken, None))
    }

    /// The connection has ended: the answer, if it was one that ends this way.
    pub fn end_of_file(&mut self) -> Result<Option<Answer>> {
        if matches!(self.state, State::UntilEnd) { self.finish().map(Some) } else { Ok(None) }
    }

    fn step(&mut self, data: &[u8], to_head: bool) -> Result<(usize, bool)> {
        match self.state {
            State::Head => self.head(data, to_head),
            State::Length(left) => {
                let used = self.body_bytes(data, left)?;
                self.state = State::Length(left - used as u64);
                Ok((used, left == used as u64))
            }
            State::Chunk(left) => {
                let used = self.body_bytes(data, left)?;
                self.state = if left == used as u64 { State::ChunkEnd } else { State::Chunk(left - used as u64) };
                Ok((used, false))
            }
            State::UntilEnd => {
                self.body.add(data)?;
                Ok((data.len(), false))
            }
            State::ChunkSize | State::ChunkEnd | State::Trailer => self.chunk_line(data),
        }
    }

    fn body_bytes(&mut self, data: &[u8], left: u64) -> Result<usize> {
        let used = data.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.body.add(data.get(..used).unwrap_or_default())?;
        Ok(used)
    }

    fn chunk_line(&mut self, data: &[u8]) -> Result<(usize, bool)> {
        let end = data.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(data.len(), |at| at + 1);
        self.line.extend_from_slice(data.get(..used).unwrap_or_default());
        ensure!(self.line.len() < MAX_FIRST_LINE, "a chunk's first line without end");
        if end.is_none() {
            return Ok((used, false));
        }
        let line = std::mem::take(&mut self.line);
        let text = std::str::from_utf8(&line)?.trim_end();
        match self.state {
            State::ChunkSize => {
                let size = u64::from_str_radix(text, 16).with_context(|| format!("chunk size {text:?}"))?;
                self.state = if size == 0 { State::Trailer } else { State::Chunk(size) };
            }
            State::ChunkEnd => {
                ensure!(text.is_empty(), "{text:?} after a chunk");
                self.state = State::ChunkSize;
            }
            State::Head | State::Length(_) | State::Chunk(_) | State::Trailer | State::UntilEnd => {
                return Ok((used, text.is_empty()));
            }
        }
        Ok((used, false))
    }

    fn head(&mut self, data: &[u8], to_head: bool) -> Result<(usize, bool)> {
        let before = self.line.len();
        self.line.extend_from_slice(data);
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Response::new(&mut headers);
        let length = match parsed.parse(&self.line) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => {
                ensure!(self.line.len() < MAX_HEAD, "an answer's head without end");
                return Ok((data.len(), false));
            }
            Err(error) => bail!("{error}: {:?}", String::from_utf8_lossy(self.line.get(..80).unwrap_or(&self.line))),
        };
        let (answer, body) = read_head(&parsed)?;
        self.answer = answer;
        let no_body = to_head || self.answer.status < 200 || matches!(self.answer.status, 204 | 304);
        self.state = if no_body { State::Length(0) } else { body };
        self.line.clear();
        Ok((length - before, matches!(self.state, State::Length(0))))
    }

    fn finish(&mut self) -> Result<Answer> {
        self.started = false;
        self.state = State::Head;
        let mut answer = std::mem::take(&mut self.answer);
        let body = std::mem::take(&mut self.body);
        if body.length > 0 {
            answer.greeting = body.first_line == GREETING;
            let report = body.finish()?;
            if answer.greeting {
                return Ok(answer);
            }
            ensure!(answer.pid == report.pid, "the head says pid {}, the body {}", answer.pid, report.pid);
            ensure!(answer.id == Some(report.id), "the head says id {:?}, the body {}", answer.id, report.id);
            answer.body = Some(report);
        }
        Ok(answer)
    }
}

fn read_head(head: &httparse::Response<'_, '_>) -> Result<(Answer, State)> {
    let mut answer = Answer { status: head.code.unwrap_or(0), ..Answer::default() };
    let mut keep_alive = head.version == Some(1);
    let mut body = State::UntilEnd;
    for header in head.headers.iter() {
        let value = std::str::from_utf8(header.value)?.trim();
        match header.name.to_ascii_lowercase().as_str() {
            "content-length" => {
                let length = value.parse().with_context(|| format!("Content-Length {value:?}"))?;
                if !matches!(body, State::ChunkSize) {
                    body = State::Length(length);
                }
            }
            "transfer-encoding" => {
                ensure!(value.eq_ignore_ascii_case("chunked"), "Transfer-Encoding {value:?}");
                body = State::ChunkSize;
            }
            "connection" => {
                for option in value.split(',').map(str::trim) {
                    if option.eq_ignore_ascii_case("close") {
                        answer.close = true;
                    } else if option.eq_ignore_ascii_case("keep-alive") {
                        keep_alive = true;
                    }
                }
            }
            "x-id" => answer.id = Some(value.parse().with_context(|| format!("X-Id {value:?}"))?),
            "x-pid" => answer.pid = value.parse().with_context(|| format!("X-Pid {value:?}"))?,
            _ => {}
        }
    }
    answer.close |= !keep_alive || (matches!(body, State::UntilEnd) && answer.status >= 200);
    Ok((answer, body))
}

/// Looks at a body's bytes as they come.
#[derive(Debug, Default)]
struct BodyCheck {
    length: u64,
    first_line: Vec<u8>,
    /// From the first line on: what it said, the whole length, and the last line that must come.
    told: Option<(BodyReport, u64, Vec<u8>)>,
}

impl BodyCheck {
    fn add(&mut self, mut data: &[u8]) -> Result<()> {
        if self.told.is_none() {
            let end = data.iter().position(|byte| *byte == b'\n');
            let (line, rest) = data.split_at(end.map_or(data.len(), |at| at + 1));
            self.first_line.extend_from_slice(line);
            self.length += line.len() as u64;
            ensure!(self.first_line.len() < MAX_FIRST_LINE, "the body has no first line");
            if end.is_none() {
                return Ok(());
            }
            self.told = Some(read_first_line(&self.first_line)?);
            data = rest;
        }
        let Some((_, size, last_line)) = &self.told else { return Ok(()) };
        let filler_end = size.saturating_sub(last_line.len() as u64);
        for (position, byte) in (self.length..).zip(data) {
            let expected = if position < filler_end {
                b'a' + (position % 26) as u8
            } else {
                last_line.get((position - filler_end) as usize).copied().context("the body goes on after its end")?
            };
            ensure!(*byte == expected, "byte {position} of the body is {byte:#x}, not {expected:#x}");
        }
        self.length += data.len() as u64;
        Ok(())
    }

    fn finish(self) -> Result<BodyReport> {
        let (report, size, _) = self.told.context("the body ends in its first line")?;
        ensure!(self.length == size, "the body has {} bytes and says {size}", self.length);
        Ok(report)
    }
}

fn read_first_line(line: &[u8]) -> Result<(BodyReport, u64, Vec<u8>)> {
    if line == GREETING {
        return Ok((BodyReport::default(), GREETING.len() as u64, Vec::new()));
    }
    let text = std::str::from_utf8(line)?.trim_end();
    let mut numbers = text.split(' ').zip(["id=", "pid=", "size=", "got=", "sum="]).map(|(word, name)| {
        let number = word.strip_prefix(name).and_then(|number| number.parse::<u64>().ok());
        number.with_context(|| format!("the body's first line is {text:?}"))
    });
    let mut next = || numbers.next().with_context(|| format!("the body's first line is {text:?}"))?;
    let (id, pid, size, got, sum) = (next()?, next()?, next()?, next()?, next()?);
    let report = BodyReport { id, pid: u32::try_from(pid)?, got, sum: u32::try_from(sum)? };
    Ok((report, size, format!("end={id}\n").into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(id: u64, filler: usize) -> Vec<u8> {
        let end = format!("end={id}\n");
        let first = |size: usize| format!("id={id} pid=42 size={size} got=3 sum=9\n");
        let mut size = first(0).len() + filler + end.len();
        while first(size).len() + filler + end.len() != size {
            size = first(size).len() + filler + end.len();
        }
        let mut all = first(size).into_bytes();
        while all.len() < size - end.len() {
            all.push(b'a' + (all.len() % 26) as u8);
        }
        all.extend(end.into_bytes());
        all
    }

    fn with_length(id: u64, filler: usize, extra: &str) -> Vec<u8> {
        let body = body(id, filler);
        let head =
            format!("HTTP/1.1 200 OK\r\nX-Id: {id}\r\nX-Pid: 42\r\n{extra}Content-Length: {}\r\n\r\n", body.len());
        [head.into_bytes(), body].concat()
    }

    /// Feeds `bytes` in pieces of `piece` bytes.
    fn read_all(bytes: &[u8], piece: usize) -> Result<Vec<Answer>> {
        let mut reader = AnswerReader::default();
        let mut answers = Vec::new();
        for mut data in bytes.chunks(piece) {
            while !data.is_empty() {
                let (taken, answer) = reader.feed(data, false)?;
                data = &data[taken..];
                answers.extend(answer);
            }
        }
        assert!(!reader.in_the_middle());
        Ok(answers)
    }

    #[test]
    fn answers_are_found_however_they_are_cut() {
        let bytes = [with_length(7, 100, ""), with_length(8, 0, "Connection: close     \r\n")].concat();
        for piece in 1..bytes.len() {
            let answers = read_all(&bytes, piece).unwrap();
            assert_eq!(answers.len(), 2, "in pieces of {piece}");
            assert_eq!(answers[0].body, Some(BodyReport { id: 7, pid: 42, got: 3, sum: 9 }));
            assert!(!answers[0].close);
            assert_eq!(answers[1].id, Some(8));
            assert!(answers[1].close, "the value of Connection is trimmed");
        }
    }

    #[test]
    fn chunks_are_put_together() {
        let body = body(5, 200);
        let mut bytes = b"HTTP/1.1 200 OK\r\nX-Id: 5\r\nX-Pid: 42\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for part in body.chunks(50) {
            bytes.extend(format!("{:x}\r\n", part.len()).into_bytes());
            bytes.extend(part);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        for piece in [1, 2, 3, 60, bytes.len()] {
            assert_eq!(read_all(&bytes, piece).unwrap()[0].body.unwrap().id, 5);
        }
        let damaged = String::from_utf8(bytes).unwrap().replace("0\r\n\r\n", "x\r\n\r\n");
        assert!(read_all(damaged.as_bytes(), 1000).is_err());
    }

    #[test]
    fn an_interim_answer_has_no_body() {
        let bytes = [b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), with_length(3, 10, "")].concat();
        let answers = read_all(&bytes, 10).unwrap();
        assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [100, 200]);
        assert!(!answers[0].close);
    }

    #[test]
    fn an_answer_to_head_ends_with_its_head() {
        let mut reader = AnswerReader::default();
        let head = b"HTTP/1.1 200 OK\r\nX-Id: 9\r\nX-Pid: 42\r\nContent-Length: 1000\r\n\r\n";
        let (taken, answer) = reader.feed(head, true).unwrap();
        assert_eq!((taken, answer.unwrap().id), (head.len(), Some(9)));
    }

    #[test]
    fn an_answer_without_length_ends_with_the_connection() {
        let mut reader = AnswerReader::default();
        let bytes = [b"HTTP/1.0 200 OK\r\nX-Id: 9\r\nX-Pid: 42\r\n\r\n".to_vec(), body(9, 70)].concat();
        assert_eq!(reader.feed(&bytes, false).unwrap(), (bytes.len(), None));
        assert!(reader.end_of_file().unwrap().unwrap().close);
        assert!(AnswerReader::default().end_of_file().unwrap().is_none());

        let mut cut = AnswerReader::default();
        cut.feed(&bytes[..bytes.len() - 1], false).unwrap();
        assert!(cut.end_of_file().is_err(), "one byte is missing");
    }

    #[test]
    fn every_byte_of_a_body_counts() {
        let good = with_length(7, 100, "");
        for (at, wrong) in [(good.len() - 1, b'x'), (good.len() - 20, b'!'), (good.len() - 8, b' ')] {
            let mut bad = good.clone();
            bad[at] = wrong;
            assert!(read_all(&bad, 64).is_err(), "byte {at} changed");
        }
        let mut foreign = good.clone();
        let at = foreign.windows(3).position(|bytes| bytes == b"id=").unwrap();
        foreign[at + 3] = b'8';
        assert!(read_all(&foreign, 1000).is_err(), "head and body name different requests");
    }

    #[test]
    fn http_1_0_closes_unless_it_says_otherwise() {
        let old = String::from_utf8(with_length(7, 0, "")).unwrap().replace("HTTP/1.1", "HTTP/1.0");
        assert!(read_all(old.as_bytes(), 1000).unwrap()[0].close);
        let kept = old.replace("X-Id", "Connection: keep-alive\r\nX-Id");
        assert!(!read_all(kept.as_bytes(), 1000).unwrap()[0].close);
    }

    #[test]
    fn a_greeting_is_told_from_a_report() {
        let head = "HTTP/1.1 200 OK\r\nX-Id: 7\r\nX-Pid: 42\r\nContent-Length: ";
        let read = |rest: &str| AnswerReader::default().feed(format!("{head}{rest}").as_bytes(), false);
        let answer = read("14\r\n\r\nHello, world!\n").unwrap().1.unwrap();
        assert!(answer.greeting && answer.body.is_none() && answer.pid == 42 && answer.id == Some(7));
        assert!(read("15\r\n\r\nHello, world!\n\n").is_err());
        assert!(read("14\r\n\r\nHello, World!\n").is_err());
    }
}
