//! A client whose protocol is not HTTP, or no longer: it begins as TLS or WebSocket does, and then sends small records
//! that the server must send back with its pid.

use std::time::{Duration, Instant};

use mio::Token;

use crate::client::World;
use crate::connection::{Connection, Got};
use crate::outcome::{Loss, LostRequest};
use crate::plan::Kind;
use crate::tally::Cut;

/// The first bytes of a record: as in TLS 1.0's first one.
const TLS_RECORD: [u8; 3] = [0x16, 0x03, 0x01];
/// The first byte of a text frame.
const FRAME: u8 = 0x81;
const PAUSE_AFTER_END: Duration = Duration::from_millis(5);

pub(crate) struct OpaqueClient {
    kind: Kind,
    token: Token,
    random: fastrand::Rng,
    turn: usize,
    connection: Option<Connection>,
    upgraded: bool,
    received: Vec<u8>,
    /// Id of the record that must come back, and when it was sent.
    awaited: Option<(u64, Instant)>,
    echoes: u32,
    rest_until: Instant,
}

impl OpaqueClient {
    pub(crate) fn new(kind: Kind, token: Token, first: Instant, seed: u64) -> Self {
        Self {
            kind,
            token,
            random: fastrand::Rng::with_seed(seed),
            turn: token.0 * 97,
            connection: None,
            upgraded: false,
            received: Vec::new(),
            awaited: None,
            echoes: 0,
            rest_until: first,
        }
    }

    pub(crate) fn is_at_rest(&self) -> bool {
        self.awaited.is_none()
    }

    pub(crate) fn wake(&self) -> Option<Instant> {
        self.awaited.is_none().then_some(self.rest_until)
    }

    pub(crate) fn check_deadline(&mut self, world: &mut World<'_>) {
        if self.awaited.is_some_and(|(_, sent)| world.now >= sent + world.limit) {
            self.lose(world, Loss::TimedOut, "no echo");
        }
    }

    pub(crate) fn drive(&mut self, world: &mut World<'_>) {
        let due = self.awaited.is_none() && world.now >= self.rest_until && !world.stopping;
        if due && self.connection.is_none() {
            self.connect(world);
        }
        let made = match self.connection.as_mut().map(Connection::is_made) {
            Some(Ok(made)) => made,
            Some(Err(error)) => return self.lose(world, Loss::NoConnection, &error.to_string()),
            None => false,
        };
        if made && (due || self.awaited.is_some_and(|(id, _)| id == 0)) {
            self.send(world);
        }
        if made {
            self.read(world);
        }
    }

    fn connect(&mut self, world: &mut World<'_>) {
        world.tally.connections += 1;
        self.turn += 1;
        self.upgraded = self.kind == Kind::TlsLike;
        self.received.clear();
        self.echoes = 0;
        // Id 0: nothing is sent yet.
        self.awaited = Some((0, world.now));
        match Connection::open(world.registry, self.token, world.targets, self.turn, false) {
            Ok(connection) => self.connection = Some(connection),
            Err((target, error)) => self.lose(world, Loss::NoConnection, &format!("connect to {target}: {error}")),
        }
    }

    fn send(&mut self, world: &mut World<'_>) {
        let id = *world.next_id;
        *world.next_id += 1;
        world.tally.requests += 1;
        self.awaited = Some((id, world.now));
        let bytes = if self.upgraded {
            record(self.kind, format!("id={id}").as_bytes())
        } else {
            let key = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13";
            format!("GET /ws?id={id} HTTP/1.1\r\nHost: test\r\n{key}\r\nSec-WebSocket-Key: AAAA\r\n\r\n").into_bytes()
        };
        // So few bytes always fit; an error shows when the answer is read.
        let _ = self.connection.as_mut().map(|connection| connection.write(&bytes));
    }

    fn read(&mut self, world: &mut World<'_>) {
        while let Some(connection) = &mut self.connection {
            match connection.read(world.room) {
                Got::Bytes(count) => {
                    self.received.extend_from_slice(world.room.get(..count).unwrap_or_default());
                    self.understand(world);
                }
                Got::NothingYet => return,
                Got::EndOfFile => self.ended(world, "end-of-file"),
                Got::Error(error) => self.ended(world, &error.to_string()),
            }
        }
    }

    fn understand(&mut self, world: &mut World<'_>) {
        if !self.upgraded {
            let Some(end) = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return };
            if !self.received.starts_with(b"HTTP/1.1 101 ") {
                return self.lose(world, Loss::Wrong, "no 101");
            }
            self.received.drain(..end + 4);
            self.upgraded = true;
            self.awaited = None;
            self.rest_until = world.now;
        }
        let Some((start, length)) = record_at(self.kind, &self.received) else { return };
        let Some(text) = self.received.get(start..start + length) else { return };
        let text = String::from_utf8_lossy(text).into_owned();
        self.received.drain(..start + length);
        let Some((id, sent)) = self.awaited.take() else {
            return self.lose(world, Loss::Wrong, "an echo that nobody asked for");
        };
        let pid = text.strip_prefix(&format!("id={id} pid=")).and_then(|pid| pid.parse().ok());
        let (Some(pid), Some(connection)) = (pid, &mut self.connection) else {
            self.awaited = Some((id, sent));
            return self.lose(world, Loss::Wrong, &format!("the echo of {id} is {text:?}"));
        };
        connection.last_pid = pid;
        self.echoes += 1;
        world.tally.answered(pid, world.now.saturating_duration_since(sent));
        self.rest_until = world.now + self.kind.think(&mut self.random);
    }

    /// The scenario judges later whether it might end at this time; only on a fresh connection it never may.
    fn ended(&mut self, world: &mut World<'_>, reason: &str) {
        if self.echoes == 0 {
            return self.lose(world, Loss::Fresh, reason);
        }
        let pid = self.connection.take().map_or(0, |connection| connection.last_pid);
        world.tally.cuts.push(Cut { at: Instant::now(), pid });
        self.awaited = None;
        self.rest_until = world.now + PAUSE_AFTER_END;
    }

    fn lose(&mut self, world: &mut World<'_>, loss: Loss, reason: &str) {
        let pid = self.connection.take().map_or(0, |connection| connection.last_pid);
        let sent = self.awaited.take().map_or(world.now, |(_, sent)| sent);
        let detail = format!("{reason}, {} echoes on it before", self.echoes);
        let (at, looked, client) = (Instant::now(), world.looked, self.kind.name());
        world.tally.lose(LostRequest { at, looked, sent, loss, client, pid, detail }, 1);
        self.rest_until = world.now + PAUSE_AFTER_END;
    }
}

fn record(kind: Kind, text: &[u8]) -> Vec<u8> {
    let length = text.len() as u8;
    let head = if kind == Kind::TlsLike { [&TLS_RECORD[..], &[0, length]].concat() } else { vec![FRAME, length] };
    [head, text.to_vec()].concat()
}

/// Start and length of the text of the record that `bytes` begin with.
fn record_at(kind: Kind, bytes: &[u8]) -> Option<(usize, usize)> {
    let start = if kind == Kind::TlsLike { 5 } else { 2 };
    let length = usize::from(*bytes.get(start - 1)?);
    (bytes.len() >= start + length).then_some((start, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_again() {
        for kind in [Kind::TlsLike, Kind::WebsocketLike] {
            let bytes = record(kind, b"id=77");
            for cut in 0..bytes.len() {
                assert_eq!(record_at(kind, &bytes[..cut]), None);
            }
            let (start, length) = record_at(kind, &bytes).unwrap();
            assert_eq!(&bytes[start..start + length], b"id=77");
        }
    }
}
