//! Clients of the workers.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use crate::DEADLINE;
use crate::run::Worker;

/// A client that has sent its request.
pub(crate) struct Visitor(TcpStream);

impl Visitor {
    pub(crate) fn come(port: u16) -> std::io::Result<Self> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        Ok(Self(stream))
    }

    pub(crate) fn answer(mut self) -> std::io::Result<Worker> {
        let mut answer = String::new();
        self.0.read_to_string(&mut answer)?;
        let understood = answer.strip_prefix("HTTP/1.1 200 OK\r\n").and_then(|rest| {
            let (_, body) = rest.split_once("\r\n\r\n")?;
            let (id, pid) = body.split_once(' ')?;
            Some(Worker { id: id.parse().ok()?, pid: pid.parse().ok()? })
        });
        understood.ok_or_else(|| std::io::Error::other(format!("no answer, but {answer:?}")))
    }
}

/// Who answers a request on a new connection.
pub(crate) fn ask(port: u16) -> std::io::Result<Worker> {
    Visitor::come(port)?.answer()
}

/// How many connections wait in each queue of this port.
pub(crate) fn queues(port: u16) -> Vec<u32> {
    /// The state of a socket that listens. These come first in the table, before thousands of connections perhaps.
    const LISTENS: &str = "0A";
    let table = BufReader::new(File::open("/proc/net/tcp").expect("the kernel's table of sockets"));
    let local = format!(":{port:04X}");
    let mut waiting = Vec::new();
    for row in table.lines().skip(1).map_while(Result::ok) {
        let words: Vec<&str> = row.split_whitespace().take(5).collect();
        let [_, address, _, LISTENS, queues] = words[..] else { break };
        let queue = queues.split(':').nth(1).and_then(|queue| u32::from_str_radix(queue, 16).ok());
        waiting.extend(queue.filter(|_| address.ends_with(&local)));
    }
    waiting
}
