//! Workers without a socket: `cargo run --example job_worker`. Each works on its share of the jobs, and finishes the one
//! that it has before it stops. Ctrl+C ends it, `kill -USR2 <pid>` replaces every worker.

use std::error::Error;
use std::num::NonZeroU8;
use std::time::Duration;

use ecewo_cluster::{Cluster, Role, Worker};

fn main() -> Result<(), Box<dyn Error>> {
    // Nobody listens there, but a cluster has a port.
    let port = std::env::var("PORT").map_or(Ok(3000), |text| text.parse())?;
    let workers = NonZeroU8::new(3).ok_or("at least one worker")?;
    match Cluster::builder().port(port).workers(workers).start()? {
        Role::Master(master) => {
            eprintln!("master {}", std::process::id());
            master.wait();
        }
        Role::Worker(worker) => work(worker)?,
    }
    Ok(())
}

fn work(worker: Worker) -> Result<(), Box<dyn Error>> {
    let notice = worker.drain_notice()?;
    let own_jobs = (u64::from(worker.id())..).step_by(worker.count().into());
    for job in own_jobs {
        if notice.wait_timeout(Duration::from_millis(200)) {
            break;
        }
        println!("worker {} (pid {}) did job {job}", worker.id(), std::process::id());
    }
    println!("worker {} (pid {}) has finished", worker.id(), std::process::id());
    Ok(())
}
