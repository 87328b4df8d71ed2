//! From the core's state and the master's processes to what the statistics show.

use super::{Master, published};
use crate::core::Status;

impl Master {
    pub(super) fn publish(&mut self) {
        let (workers, start_times) = (&self.workers, &mut self.start_times);
        let snapshots: Vec<published::WorkerSnapshot> = self
            .core
            .workers()
            .map(|view| {
                let process = view.process.and_then(|(key, _)| workers.get(&key.serial()));
                if let Some(worker) = process {
                    start_times.insert(view.id, worker.start_time);
                }
                let start_time = start_times.get(&view.id).copied().unwrap_or(0);
                published::WorkerSnapshot::new(&view, process.map_or(0, |worker| worker.pid.raw()), start_time)
            })
            .collect();
        let count = |status: Status| {
            u8::try_from(snapshots.iter().filter(|worker| worker.status == status).count()).unwrap_or(u8::MAX)
        };
        let cluster = published::ClusterSnapshot {
            total: u8::try_from(snapshots.len()).unwrap_or(u8::MAX),
            active: count(Status::Active),
            crashed: count(Status::Crashed),
            disabled: count(Status::Disabled),
            shutdown_requested: self.core.is_stopping(),
            restart_requested: self.core.is_restarting(),
            total_restarts: self.core.total_restarts(),
        };
        published::publish(cluster, snapshots.iter().copied());
    }
}
