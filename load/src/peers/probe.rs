//! Asks a server that is just starting, until it answers.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::answer::AnswerReader;

/// So many connections are open at once: one alone would always find the same worker where all wait for one queue.
const AT_ONCE: usize = 8;
const PATIENCE: Duration = Duration::from_millis(500);

/// From the beginning to the first answer, and until so many processes had answered.
#[derive(Debug, Clone, Copy, Default)]
pub struct FirstAnswers {
    /// To the first one.
    pub first: Option<Duration>,
    /// Until the last of the processes had given one.
    pub all: Option<Duration>,
}

/// Asks until so many processes have answered, or there is no hope.
pub fn first_answers(port: u16, since: Instant, processes: usize, limit: Duration) -> FirstAnswers {
    let mut found = FirstAnswers::default();
    let mut pids = BTreeSet::new();
    while since.elapsed() < limit {
        let asked = if found.first.is_none() { 1 } else { AT_ONCE };
        for pid in round(port, asked) {
            found.first.get_or_insert_with(|| since.elapsed());
            if pids.insert(pid) && pids.len() >= processes {
                found.all = Some(since.elapsed());
                return found;
            }
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    found
}

/// Whether anybody answers.
pub fn answers(port: u16) -> bool {
    !round(port, 1).is_empty()
}

fn round(port: u16, count: usize) -> Vec<u32> {
    let mut streams: Vec<_> = (0..count).filter_map(|_| ask(port)).collect();
    streams.iter_mut().filter_map(pid_of_answer).collect()
}

fn ask(port: u16) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(b"GET /hello?id=1 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").ok()?;
    Some(stream)
}

fn pid_of_answer(stream: &mut TcpStream) -> Option<u32> {
    let mut reader = AnswerReader::default();
    let mut room = [0; 2048];
    loop {
        let count = stream.read(&mut room).ok()?;
        if count == 0 {
            let answer = reader.end_of_file().ok()??;
            return answer.greeting.then_some(answer.pid);
        }
        let mut data = room.get(..count)?;
        while !data.is_empty() {
            let (used, answer) = reader.feed(data, false).ok()?;
            if let Some(answer) = answer {
                return answer.greeting.then_some(answer.pid);
            }
            data = data.get(used..)?;
        }
    }
}
