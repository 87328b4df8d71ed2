//! One connection of a client, and where it leads.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use crate::answer::AnswerReader;

/// Where the server listens.
#[derive(Debug, Clone)]
pub struct Targets {
    /// Addresses, taken in turn.
    pub addresses: Vec<SocketAddr>,
    /// The server listens on every address: 127.0.0.1 stands for many addresses of the loopback network. Otherwise a
    /// test that opens and closes tens of thousands of connections would run out of local ports.
    pub spread: bool,
}

impl Targets {
    /// One server on every address.
    pub fn everywhere(port: u16) -> Self {
        Self { addresses: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))], spread: true }
    }

    fn pick(&self, turn: usize) -> SocketAddr {
        let fallback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let address = self.addresses.get(turn % self.addresses.len().max(1)).copied().unwrap_or(fallback);
        if self.spread && address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST) {
            return SocketAddr::from((
                Ipv4Addr::new(127, 0, (turn / 250 % 250) as u8, (turn % 250) as u8 + 1),
                address.port(),
            ));
        }
        address
    }
}

/// How many connections each of the server's processes may have. Which process gets one is chance: with few clients, one
/// process has often twice as many as another, and what the server gives depends on that. A place that was taken is not given
/// back: this is for connections that last.
#[derive(Debug)]
pub(crate) struct Shares {
    most: usize,
    taken: HashMap<u32, usize>,
}

impl Shares {
    /// So many each.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, taken: HashMap::new() }
    }

    /// Whether this process may keep one more.
    pub(crate) fn take(&mut self, pid: u32) -> bool {
        let taken = self.taken.entry(pid).or_default();
        *taken += 1;
        *taken <= self.most
    }
}

/// An open connection, or one that is being opened.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    pub(crate) target: SocketAddr,
    pub(crate) connecting: bool,
    pub(crate) reader: AnswerReader,
    /// Final answers that it brought.
    pub(crate) served: u32,
    pub(crate) last_pid: u32,
    /// Bytes read since the last pause, and the end of the present one.
    pub(crate) read_since_pause: usize,
    pub(crate) paused_until: Option<Instant>,
}

/// What a look at a connection gave.
pub(crate) enum Got {
    Bytes(usize),
    NothingYet,
    EndOfFile,
    Error(io::Error),
}

impl Connection {
    /// Begins to connect. A small receive buffer keeps a slow reader's server waiting.
    pub(crate) fn open(
        registry: &Registry,
        token: Token,
        targets: &Targets,
        turn: usize,
        small_buffer: bool,
    ) -> Result<Self, (SocketAddr, io::Error)> {
        let target = targets.pick(turn);
        let stream = connect(target, small_buffer).and_then(|mut stream| {
            registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
            Ok(stream)
        });
        Ok(Self {
            stream: stream.map_err(|error| (target, error))?,
            target,
            connecting: true,
            reader: AnswerReader::default(),
            served: 0,
            last_pid: 0,
            read_since_pause: 0,
            paused_until: None,
        })
    }

    /// Whether it is made by now.
    pub(crate) fn is_made(&mut self) -> io::Result<bool> {
        if !self.connecting {
            return Ok(true);
        }
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        self.connecting = match self.stream.peer_addr() {
            Ok(_) => false,
            Err(error) if error.kind() == io::ErrorKind::NotConnected => true,
            // The peer has reset it already; what it sent before can be read.
            Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => false,
            Err(error) => return Err(error),
        };
        Ok(!self.connecting)
    }

    pub(crate) fn read(&mut self, room: &mut [u8]) -> Got {
        loop {
            match self.stream.read(room) {
                Ok(0) => return Got::EndOfFile,
                Ok(count) => return Got::Bytes(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Got::NothingYet,
                Err(error) => return Got::Error(error),
            }
        }
    }

    /// Writes what it can; 0 if it must wait.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.stream.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
                other => return other,
            }
        }
    }
}

fn connect(target: SocketAddr, small_buffer: bool) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(target), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    // Its local port stays in use for a minute after it: servers that are started meanwhile may listen there all the same.
    socket.set_reuse_address(true)?;
    if small_buffer {
        socket.set_recv_buffer_size(64 * 1024)?;
    }
    match socket.connect(&target.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}
