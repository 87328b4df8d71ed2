//! The queues of slots that have ended: a worker that listens on the same address serves them, and where that one is replaced or
//! ends meanwhile, the next. Until then the master keeps a copy.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use super::Master;
use super::keeper::Kept;
use super::worker::Worker;
use crate::core::{ProcessKey, Released};
use crate::sys::{clock, socket, tcp};
use crate::wire::{self, FromMaster};

/// How often the master looks whether somebody waits still.
const PERIOD: Duration = Duration::from_millis(50);

/// A queue that a worker serves beside its own.
#[derive(Debug)]
pub(super) struct Bequest {
    address: SocketAddr,
    socket: OwnedFd,
    heir: ProcessKey,
    until: Duration,
    look_at: Duration,
}

impl Master {
    /// Before another process of a slot is given what is kept: it shall not hold sockets that the slot's worker has no need of. A copy
    /// stays a part of the port, and clients would wait in its queue until that process listens.
    pub(super) fn bequeath_leftovers(&mut self, slot: u8) {
        let of_slot = || self.workers.values().map(|worker| worker.key).filter(|key| key.slot() == slot);
        let Some(worker) = of_slot().find(|key| self.core.serves(*key)) else { return };
        let what = Released::NotAdoptedBy(worker);
        if of_slot().all(|key| !self.core.may_yet_use(what, key)) {
            let left = self.keeper.take_left_to(worker);
            left.into_iter().for_each(|kept| self.bequeath(what, slot, kept));
        }
    }

    /// Connections that wait where nobody will accept them any more are served by another worker.
    pub(super) fn bequeath(&mut self, what: Released, slot: u8, kept: Kept) {
        let Kept { address, socket, .. } = kept;
        let Some(heir) = self.heir(address, |key| what.passes_to(slot, key)) else { return };
        // Without the filter newcomers would go on coming, and lose their connections in the end.
        if tcp::refuse_newcomers(socket.as_raw_fd()).is_ok() {
            tell(heir, address, &socket);
            let (heir, now) = (heir.key, clock::monotonic());
            let (look_at, until) = (now + wire::QUEUE_SERVED_FOR, now + wire::QUEUE_SERVED_FOR_AT_MOST);
            self.bequests.push(Bequest { address, socket, heir, until, look_at });
        }
    }

    /// An heir that is being replaced takes no more connections, not from this queue either; and one that has ended has left it behind.
    pub(super) fn pass_on_bequests(&mut self) {
        let mut bequests = std::mem::take(&mut self.bequests);
        for bequest in bequests.iter_mut().filter(|bequest| !self.core.serves(bequest.heir)) {
            if let Some(heir) = self.heir(bequest.address, |_| true) {
                tell(heir, bequest.address, &bequest.socket);
                bequest.heir = heir.key;
            }
        }
        self.bequests = bequests;
    }

    /// Lets go of what its heir has served. As long as anybody holds such a socket, newcomers whom the kernel sends to it wait.
    pub(super) fn end_bequests(&mut self, now: Duration) {
        self.bequests.retain_mut(|bequest| {
            if now < bequest.look_at {
                return true;
            }
            bequest.look_at = now + PERIOD;
            let [news] = socket::poll([bequest.socket.as_raw_fd()], 0);
            news & libc::POLLIN != 0 && now < bequest.until
        });
    }

    /// When [`Self::end_bequests`] is to be called.
    pub(super) fn bequests_deadline(&self) -> Option<Duration> {
        self.bequests.iter().map(|bequest| bequest.look_at).min()
    }

    fn heir(&self, address: SocketAddr, is_able: impl Fn(ProcessKey) -> bool) -> Option<&Worker> {
        let key = self.keeper.user_of(address, |key| is_able(key) && self.core.serves(key))?;
        self.workers.get(&key.serial())
    }
}

/// If it cannot be told, it has lost its channel and will end; then the queue is passed on.
fn tell(heir: &Worker, address: SocketAddr, socket: &OwnedFd) {
    let _ = heir.tell_with(FromMaster::Inherit(address), Some(socket.as_raw_fd()));
}
