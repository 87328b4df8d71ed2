//! The standard library alone: threads that accept, and a thread for each connection.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use ecewo_cluster::{DrainNotice, Incoming, Worker};
use ecewo_cluster_rust_servers::{Answered, Options, RequestReader, body_of};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// So many threads accept.
const ACCEPTING: usize = 2;
/// So long a connection may be quiet once it is time to stop: a client that is in the middle of its work has the next
/// request answered, with the news that it is the last one.
const GRACE_MS: u16 = 200;

fn main() -> ExitCode {
    ecewo_cluster_rust_servers::main(serve)
}

fn serve(worker: Worker, options: &Options) -> Result<()> {
    let notice = worker.drain_notice()?;
    let incoming = worker.incoming(options.address())?;
    let (incoming, notice) = (&incoming, &notice);
    std::thread::scope(|scope| {
        for _ in 0..ACCEPTING {
            scope.spawn(move || accept_from(scope, incoming.clone(), notice));
        }
    });
    Ok(())
}

fn accept_from<'scope>(scope: &'scope std::thread::Scope<'scope, '_>, incoming: Incoming, notice: &'scope DrainNotice) {
    for connection in incoming {
        match connection {
            Ok(connection) => {
                // What goes wrong with a client concerns that client.
                scope.spawn(move || serve_client(connection, notice));
            }
            Err(error) => {
                eprintln!("accept: {error}");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

fn serve_client(mut connection: TcpStream, notice: &DrainNotice) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut reader = RequestReader::default();
    let mut room = [0; 4096];
    loop {
        while let Some(request) = reader.take() {
            match request.path.as_str() {
                "/slow" => std::thread::sleep(Duration::from_millis(request.ms)),
                "/crash" => std::process::abort(),
                "/hang" => loop {
                    std::thread::park();
                },
                _ => {}
            }
            let close = request.close || (notice.has_come() && reader.is_empty());
            let body = body_of(Answered::to(&request), 20);
            let head = format!(
                "HTTP/1.1 200 OK\r\nX-Id: {}\r\nX-Pid: {}\r\nConnection: {}\r\nContent-Length: {}\r\n\r\n",
                request.id,
                std::process::id(),
                if close { "close" } else { "keep-alive" },
                body.len()
            );
            connection.write_all(&[head.as_bytes(), &body].concat())?;
            if close {
                return Ok(());
            }
        }
        if reader.is_empty() && !has_more(&connection, notice)? {
            return Ok(());
        }
        match connection.read(&mut room)? {
            0 => return Ok(()),
            count => reader.feed(room.get(..count).unwrap_or_default()),
        }
    }
}

/// Waits for a request; false if there is none, and it is time to stop.
fn has_more(connection: &TcpStream, notice: &DrainNotice) -> std::io::Result<bool> {
    let mut entries =
        [PollFd::new(connection.as_fd(), PollFlags::POLLIN), PollFd::new(notice.as_fd(), PollFlags::POLLIN)];
    loop {
        match poll(&mut entries, PollTimeout::NONE) {
            Ok(_) => break,
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let is_readable = |entry: &PollFd<'_>| entry.any().unwrap_or(true);
    if is_readable(&entries[0]) {
        return Ok(true);
    }
    let mut alone = [PollFd::new(connection.as_fd(), PollFlags::POLLIN)];
    loop {
        match poll(&mut alone, GRACE_MS) {
            Ok(count) => return Ok(count > 0),
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
