//! A clustered server with the standard library alone: `cargo run --example hello`, then
//! `curl http://localhost:3000/`. Ctrl+C ends it, `kill -USR2 <pid>` replaces every worker. PORT=8080 for another port.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use ecewo_cluster::{Cluster, Role, Worker};

fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::var("PORT").map_or(Ok(3000), |text| text.parse())?;
    let cluster =
        Cluster::builder().port(port).on_start(|id| eprintln!("worker {id} runs")).on_exit(|id, status, crash| {
            eprintln!("worker {id} ended with {status}{}", if crash { ", a crash" } else { "" })
        });
    match cluster.start()? {
        Role::Master(master) => {
            eprintln!("http://localhost:{port}/, master {}", std::process::id());
            master.wait();
        }
        Role::Worker(worker) => serve(worker)?,
    }
    Ok(())
}

/// Ends when it is time to stop, and every client has been served.
fn serve(worker: Worker) -> Result<(), Box<dyn Error>> {
    let incoming = worker.incoming(("0.0.0.0", worker.port()))?;
    thread::scope(|scope| {
        for connection in incoming {
            match connection {
                Ok(connection) => {
                    scope.spawn(move || {
                        if let Err(error) = answer(connection, worker.id()) {
                            eprintln!("a client is gone: {error}");
                        }
                    });
                }
                Err(error) => eprintln!("accept: {error}"),
            }
        }
    });
    Ok(())
}

fn answer(mut connection: TcpStream, id: u8) -> std::io::Result<()> {
    // A client that says nothing must not keep the worker from stopping.
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut request = [0; 4096];
    if connection.read(&mut request)? == 0 {
        return Ok(());
    }
    let text = format!("worker {id} (pid {})\n", std::process::id());
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", text.len());
    connection.write_all((head + &text).as_bytes())
}
