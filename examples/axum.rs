//! axum in a cluster: `cargo run --example axum`, then `curl http://localhost:3000/`. Ctrl+C ends it,
//! `kill -USR2 <pid>` replaces every worker, and no client notices. PORT=8080 for another port.

use std::error::Error;

use axum::{Router, routing::get};
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
            Ok(())
        }
        // The runtime is a worker's alone: the master needs none.
        Role::Worker(worker) => tokio::runtime::Runtime::new()?.block_on(serve(worker)),
    }
}

async fn serve(worker: Worker) -> Result<(), Box<dyn Error>> {
    let text = format!("worker {} (pid {})\n", worker.id(), std::process::id());
    let app = Router::new().route("/", get(async || text));
    let listener = worker.nonblocking_listener(("0.0.0.0", worker.port()))?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let notice = tokio::net::UnixStream::from_std(worker.drain_notice()?.into())?;
    let stop = async move { notice.readable().await.unwrap_or_default() };
    axum::serve(listener, app).with_graceful_shutdown(stop).await?;
    Ok(())
}
