//! What single calls of the C interface cost in a running master: `benches/run calls`.
//!
//! The program is a cluster, so its workers run it, too: they only sleep.

#![allow(missing_docs, clippy::expect_used, clippy::redundant_closure)] // A benchmark reports by panicking.

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::num::NonZeroU8;
use std::time::Duration;

use criterion::Criterion;
use ecewo_cluster::ffi::{
    cluster_get_all_workers, cluster_get_stats, cluster_get_worker_stats, cluster_graceful_restart, cluster_is_master,
    cluster_signal_workers, cluster_stats_t, worker_stats_t,
};
use ecewo_cluster::{Cluster, Role};

/// Ignored by the workers.
const SIGWINCH: i32 = 28;

fn main() {
    for workers in [2, 255] {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let workers = NonZeroU8::new(workers).expect("not 0");
        let cluster = Cluster::builder().port(port).workers(workers).startup_delay(Duration::from_millis(1));
        match cluster.start().expect("a cluster") {
            Role::Worker(_) => loop {
                std::thread::park();
            },
            Role::Master(master) => {
                measure(workers.get());
                master.handle().stop();
                master.wait();
            }
        }
    }
}

fn measure(workers: u8) {
    let mut criterion = Criterion::default().configure_from_args();
    let mut bench = |name: &str, call: &mut dyn FnMut()| {
        criterion.bench_function(&format!("{name}, {workers} workers"), |bencher| bencher.iter(&mut *call));
    };
    bench("cluster_is_master", &mut || {
        black_box(cluster_is_master());
    });
    bench("cluster_get_stats", &mut || {
        let mut stats = MaybeUninit::<cluster_stats_t>::uninit();
        // SAFETY: the place is valid for the write.
        black_box(unsafe { cluster_get_stats(stats.as_mut_ptr()) });
        black_box(&stats);
    });
    bench("cluster_get_worker_stats", &mut || {
        let mut stats = MaybeUninit::<worker_stats_t>::uninit();
        // SAFETY: the place is valid for the write.
        black_box(unsafe { cluster_get_worker_stats(workers - 1, stats.as_mut_ptr()) });
        black_box(&stats);
    });
    let mut all = Vec::<worker_stats_t>::with_capacity(255);
    bench("cluster_get_all_workers", &mut || {
        // SAFETY: the vector has room for 255.
        black_box(unsafe { cluster_get_all_workers(all.as_mut_ptr(), 255) });
        black_box(&all);
    });
    bench("cluster_signal_workers", &mut || cluster_signal_workers(SIGWINCH));
    bench("cluster_graceful_restart", &mut || cluster_graceful_restart());
}
