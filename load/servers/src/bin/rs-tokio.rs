//! tokio alone: a task for each connection, and the drain notice as a descriptor.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use ecewo_cluster::{DrainNotice, Worker};
use ecewo_cluster_rust_servers::{Answered, Options, RequestReader, body_of};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// As in `rs-threads`.
const GRACE: Duration = Duration::from_millis(200);

/// To wait for, and to look at.
struct Notice {
    signal: UnixStream,
    state: DrainNotice,
}

fn main() -> ExitCode {
    ecewo_cluster_rust_servers::main(serve)
}

fn serve(worker: Worker, options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(options.threads).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(worker.nonblocking_listener(options.address())?)?;
        let notice = worker.drain_notice()?;
        let notice = Arc::new(Notice { signal: UnixStream::from_std(notice.try_clone()?.into())?, state: notice });
        // Ends when the last task has dropped its end.
        let (alive, mut all_gone) = mpsc::channel::<()>(1);
        loop {
            tokio::select! {
                _ = notice.signal.readable() => break,
                accepted = listener.accept() => match accepted {
                    Ok((connection, _)) => {
                        let (notice, alive) = (Arc::clone(&notice), alive.clone());
                        tokio::spawn(async move {
                            // What goes wrong with a client concerns that client.
                            let _ = serve_client(connection, &notice).await;
                            drop(alive);
                        });
                    }
                    Err(error) => {
                        eprintln!("accept: {error}");
                        sleep(Duration::from_millis(10)).await;
                    }
                }
            }
        }
        drop((listener, alive));
        all_gone.recv().await;
        Ok(())
    })
}

async fn serve_client(mut connection: TcpStream, notice: &Notice) -> Result<()> {
    connection.set_nodelay(true)?;
    let mut reader = RequestReader::default();
    let mut room = [0; 4096];
    loop {
        while let Some(request) = reader.take() {
            match request.path.as_str() {
                "/slow" => sleep(Duration::from_millis(request.ms)).await,
                "/crash" => std::process::abort(),
                "/hang" => std::future::pending().await,
                _ => {}
            }
            let close = request.close || (notice.state.has_come() && reader.is_empty());
            let body = body_of(Answered::to(&request), 20);
            let head = format!(
                "HTTP/1.1 200 OK\r\nX-Id: {}\r\nX-Pid: {}\r\nConnection: {}\r\nContent-Length: {}\r\n\r\n",
                request.id,
                std::process::id(),
                if close { "close" } else { "keep-alive" },
                body.len()
            );
            connection.write_all(&[head.as_bytes(), &body].concat()).await?;
            if close {
                return Ok(());
            }
        }
        let count = tokio::select! {
            biased;
            count = connection.read(&mut room) => count?,
            _ = notice.signal.readable() => match timeout(GRACE, connection.read(&mut room)).await {
                Ok(count) => count?,
                // In the middle of a request nobody is sent away.
                Err(_) if !reader.is_empty() => connection.read(&mut room).await?,
                Err(_) => 0,
            },
        };
        if count == 0 {
            return Ok(());
        }
        reader.feed(room.get(..count).unwrap_or_default());
    }
}
