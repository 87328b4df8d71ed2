//! Making a worker: from the core's wish to a process that the loop watches.

use std::os::fd::AsRawFd;

use super::event_loop::{CHANNEL, EXEC_REPORT, PIDFD, spawn_error, token};
use super::launcher::LaunchError;
use super::worker::{Allowance, Worker};
use super::{Master, targets};
use crate::core::{Event, Image, ProcessKey};
use crate::sys::{clock, pidfd};

impl Master {
    pub(super) fn spawn(&mut self, key: ProcessKey, image: Image) {
        if let Err((step, error)) = self.try_spawn(key, image) {
            let errno = error.raw_os_error().unwrap_or(0);
            self.queue.push_back(Event::SpawnFailed(key, spawn_error(step, errno)));
        }
    }

    fn try_spawn(&mut self, key: ProcessKey, image: Image) -> Result<(), LaunchError> {
        self.bequeath_leftovers(key.slot());
        let launched = self.launcher.launch(key, image, self.keeper.of_slot(key.slot()))?;
        let child = launched.child;
        let mut worker = Worker {
            key,
            pid: child.pid,
            target: targets::add(child.pidfd.as_raw_fd()),
            pidfd: child.pidfd,
            channel: Some(launched.channel),
            exec_report: Some(child.exec_report),
            start_error: None,
            release: launched.release,
            start_time: i64::try_from(clock::calendar().as_secs()).unwrap_or(0),
            allowance: Allowance::new(clock::monotonic()),
            is_unkept_told: false,
        };
        let watched = self.watch(&worker);
        if watched.is_err() {
            // A process that cannot be watched must not live; it is reaped with the others. Should it not be killed (it has
            // another user already), it ends for want of a channel.
            let _ = pidfd::send(worker.pidfd.as_raw_fd(), libc::SIGKILL);
            worker.channel = None;
            targets::remove(worker.target);
            self.ended.push(worker);
        } else {
            self.workers.insert(key.serial(), worker);
        }
        watched.map_err(|error| ("watching its process", error))
    }

    fn watch(&self, worker: &Worker) -> std::io::Result<()> {
        if worker.target.is_none() {
            return Err(std::io::Error::from_raw_os_error(libc::EMFILE));
        }
        self.epoll.add(&worker.pidfd, token(PIDFD, worker.key))?;
        let also = [(CHANNEL, &worker.channel), (EXEC_REPORT, &worker.exec_report)];
        also.into_iter()
            .filter_map(|(kind, descriptor)| Some((kind, descriptor.as_ref()?)))
            .try_for_each(|(kind, descriptor)| self.epoll.add(descriptor, token(kind, worker.key)))
    }
}
