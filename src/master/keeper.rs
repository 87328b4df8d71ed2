//! The listening sockets that outlive their workers (contract 6.1): one more holder of each, so that the kernel goes on
//! queueing connections while one worker ends and the next begins.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::core::{ProcessKey, Released};
use crate::sys::errno;
use crate::sys::fd::{self, FileIdentity};
use crate::sys::tcp::{self, Listens};
use crate::wire::ListenerId;

/// Most sockets that are kept for one slot. All of them have to fit into a new worker's channel before it runs.
const MOST_PER_SLOT: usize = 128;

/// A listening socket that is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) address: SocketAddr,
    pub(crate) socket: OwnedFd,
    id: ListenerId,
    /// The process that brought it first.
    brought_by: ProcessKey,
    /// The processes that listen on it, or did, and have not ended.
    users: Vec<ProcessKey>,
}

/// All that is kept, by slot, in the order in which it came: the n-th of equal addresses goes to the n-th.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    slots: BTreeMap<u8, Vec<Kept>>,
}

/// Why a socket is not kept that a worker listens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotKept {
    /// It is no such socket.
    NotAListener,
    /// The master lacks what it takes; the errno.
    Refused(i32),
    /// The slot has so many already.
    TooMany,
}

impl Keeper {
    /// Keeps a socket that a worker listens on, unless it is kept already.
    pub(crate) fn keep(&mut self, key: ProcessKey, address: SocketAddr, socket: OwnedFd) -> Result<(), NotKept> {
        let identity = FileIdentity::of(socket.as_raw_fd()).ok_or_else(|| NotKept::Refused(errno()))?;
        let id = ListenerId(identity.inode());
        let kept = self.slots.entry(key.slot()).or_default();
        if let Some(known) = kept.iter_mut().find(|known| known.id == id) {
            // It may say so as often as it likes (contract 7.3).
            if !known.users.contains(&key) {
                known.users.push(key);
            }
            return Ok(());
        }
        match tcp::listens(socket.as_raw_fd()) {
            Listens::On(found) if found == address => {}
            Listens::On(_) | Listens::Not => return Err(NotKept::NotAListener),
            Listens::Unknown(errno) => return Err(NotKept::Refused(errno)),
        }
        if kept.len() >= MOST_PER_SLOT {
            return Err(NotKept::TooMany);
        }
        // Not one of stdin, stdout and stderr, should the program have closed those.
        let socket = fd::above_stdio(socket).map_err(|error| NotKept::Refused(error.raw_os_error().unwrap_or(0)))?;
        kept.push(Kept { address, socket, id, brought_by: key, users: vec![key] });
        Ok(())
    }

    /// What a new worker of the slot is to adopt.
    pub(crate) fn of_slot(&self, slot: u8) -> &[Kept] {
        self.slots.get(&slot).map_or(&[], Vec::as_slice)
    }

    /// Gives what is not kept any longer: dropped, it is closed.
    pub(crate) fn release(&mut self, what: Released) -> Vec<Kept> {
        match what {
            Released::Everything => std::mem::take(&mut self.slots).into_values().flatten().collect(),
            Released::Slot(slot) => self.slots.remove(&slot).unwrap_or_default(),
            Released::One(slot, id) => self.take(slot, |kept| kept.id == id),
            Released::NotAdoptedBy(key) => {
                // Its predecessors are on their way out. A replacement of its own may have adopted the socket already, or brought it.
                let released = self.take(key.slot(), |kept| !kept.users.iter().any(|user| *user >= key));
                self.each(key.slot(), |kept| kept.users.retain(|user| *user >= key));
                released
            }
            Released::BroughtBy(key) => {
                self.forget_user(key);
                self.take(key.slot(), |kept| kept.brought_by == key)
            }
        }
    }

    /// Gives what this worker's predecessors have left, and it has no need of: on the same address it has a socket of its own, for it
    /// was made before they listened there. Not kept any longer.
    pub(crate) fn take_left_to(&mut self, worker: ProcessKey) -> Vec<Kept> {
        let all = self.of_slot(worker.slot()).iter();
        let own: Vec<SocketAddr> = all.filter(|kept| kept.brought_by == worker).map(|kept| kept.address).collect();
        self.take(worker.slot(), |kept| kept.users.is_empty() && own.contains(&kept.address))
    }

    /// A process has ended: it uses nothing any more. What it used stays.
    pub(crate) fn forget_user(&mut self, key: ProcessKey) {
        self.each(key.slot(), |kept| kept.users.retain(|user| *user != key));
    }

    /// The process that listens on this address in another slot.
    pub(crate) fn user_of(&self, address: SocketAddr, is_able: impl Fn(ProcessKey) -> bool) -> Option<ProcessKey> {
        let all = self.slots.values().flatten().filter(|kept| kept.address == address);
        all.flat_map(|kept| &kept.users).copied().find(|key| is_able(*key))
    }

    fn each(&mut self, slot: u8, change: impl FnMut(&mut Kept)) {
        self.slots.get_mut(&slot).into_iter().flatten().for_each(change);
    }

    fn take(&mut self, slot: u8, unwanted: impl FnMut(&Kept) -> bool) -> Vec<Kept> {
        let Some(kept) = self.slots.get_mut(&slot) else { return Vec::new() };
        let (released, left) = std::mem::take(kept).into_iter().partition(unwanted);
        *kept = left;
        released
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn listener() -> (SocketAddr, OwnedFd) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        (listener.local_addr().unwrap(), listener.into())
    }

    fn key(serial: u64) -> ProcessKey {
        ProcessKey::new(3, serial)
    }

    #[test]
    fn a_socket_is_kept_once_contract_6_1() {
        let (address, socket) = listener();
        let mut keeper = Keeper::default();
        keeper.keep(key(1), address, socket.try_clone().unwrap()).unwrap();
        keeper.keep(key(2), address, socket).unwrap();
        assert_eq!(keeper.of_slot(3).len(), 1);
        assert_eq!(keeper.of_slot(2).len(), 0);
        keeper.release(Released::NotAdoptedBy(key(2)));
        assert_eq!(keeper.of_slot(3).len(), 1, "its successor has adopted it");
        keeper.release(Released::BroughtBy(key(2)));
        assert_eq!(keeper.of_slot(3).len(), 1, "its predecessor brought it");
        keeper.release(Released::NotAdoptedBy(key(3)));
        assert_eq!(keeper.of_slot(3).len(), 0);
    }

    #[test]
    fn what_a_worker_and_its_replacement_both_use_stays_contract_6_1() {
        let (address, socket) = listener();
        let mut keeper = Keeper::default();
        for user in [1, 2, 3] {
            keeper.keep(key(user), address, socket.try_clone().unwrap()).unwrap();
        }
        keeper.release(Released::NotAdoptedBy(key(2)));
        assert_eq!(keeper.of_slot(3).len(), 1, "the replacement's replacement has adopted it, too");
        assert_eq!(keeper.user_of(address, |user| user == key(2)), Some(key(2)));
        assert_eq!(keeper.user_of(address, |user| user == key(1)), None, "that one has been replaced");
        keeper.release(Released::BroughtBy(key(3)));
        assert_eq!(keeper.user_of(address, |user| user == key(3)), None, "that one has failed");
        assert_eq!(keeper.of_slot(3).len(), 1);
    }

    #[test]
    fn what_a_replacement_has_brought_itself_stays_contract_6_1() {
        let ((old_address, old), (address, new)) = (listener(), listener());
        let mut keeper = Keeper::default();
        keeper.keep(key(1), old_address, old).unwrap();
        // The worker's own replacement listens already when the worker's time to adopt is over.
        keeper.keep(key(3), address, new).unwrap();
        let released = keeper.release(Released::NotAdoptedBy(key(2)));
        assert_eq!(released.iter().map(|kept| kept.address).collect::<Vec<_>>(), [old_address]);
        assert_eq!(keeper.of_slot(3).iter().map(|kept| kept.address).collect::<Vec<_>>(), [address]);
    }

    #[test]
    fn what_is_left_to_a_worker_that_has_its_own_contract_6_1() {
        // Two sockets on one address, as workers have on the cluster's port.
        let open = |address: SocketAddr| {
            let socket = tcp::open(address).unwrap();
            tcp::share_port(socket.as_raw_fd());
            tcp::bind(&socket, address).unwrap();
            tcp::listen(&socket).unwrap();
            (tcp::local_address(socket.as_raw_fd()).unwrap(), socket)
        };
        let (address, old) = open("127.0.0.1:0".parse().unwrap());
        let ((elsewhere, other), (_, new)) = (listener(), open(address));
        let mut keeper = Keeper::default();
        keeper.keep(key(1), address, old).unwrap();
        keeper.keep(key(1), elsewhere, other).unwrap();
        keeper.keep(key(2), address, new).unwrap();
        assert_eq!(keeper.take_left_to(key(2)).len(), 0, "the predecessor is there still");
        keeper.forget_user(key(1));
        assert_eq!(keeper.take_left_to(key(3)).len(), 0, "one that has none of its own may adopt it");
        let left = keeper.take_left_to(key(2));
        assert_eq!(left.iter().map(|kept| (kept.address, kept.brought_by)).collect::<Vec<_>>(), [(address, key(1))]);
        assert_eq!(keeper.of_slot(3).len(), 2, "its own, and what it may adopt yet");
    }

    #[test]
    fn users_of_a_socket_do_not_pile_up_contract_7_3() {
        let (address, socket) = listener();
        let mut keeper = Keeper::default();
        for serial in 0..1000 {
            keeper.keep(key(serial), address, socket.try_clone().unwrap()).unwrap();
            keeper.keep(key(serial), address, socket.try_clone().unwrap()).unwrap();
            assert_eq!(keeper.of_slot(3)[0].users, [key(serial)], "once, however often it says so");
            keeper.forget_user(key(serial));
        }
        assert_eq!(keeper.of_slot(3)[0].users, [], "the last one has ended, too");
        assert_eq!(keeper.of_slot(3).len(), 1, "the socket is its slot's");
    }

    #[test]
    fn only_listeners_are_kept_contract_7_3() {
        let mut keeper = Keeper::default();
        let (address, socket) = listener();
        let elsewhere = "127.0.0.1:1".parse().unwrap();
        assert_eq!(keeper.keep(key(1), elsewhere, socket), Err(NotKept::NotAListener), "another address");
        let event = fd::eventfd().unwrap();
        assert_eq!(keeper.keep(key(1), address, event), Err(NotKept::NotAListener), "no socket");
        let unheard = tcp::open(address).unwrap();
        tcp::bind(&unheard, "127.0.0.1:0".parse().unwrap()).unwrap();
        let bound = tcp::local_address(unheard.as_raw_fd()).unwrap();
        assert_eq!(keeper.keep(key(1), bound, unheard), Err(NotKept::NotAListener), "bound, but it does not listen");
    }

    #[test]
    fn what_is_released_is_closed_contract_6_5() {
        let mut keeper = Keeper::default();
        for slot in [1, 2] {
            let (address, socket) = listener();
            keeper.keep(ProcessKey::new(slot, 1), address, socket).unwrap();
        }
        let addresses: Vec<SocketAddr> = [1, 2].map(|slot| keeper.of_slot(slot)[0].address).to_vec();
        let id = keeper.of_slot(1)[0].id;
        keeper.release(Released::One(2, id));
        assert_eq!(keeper.of_slot(1).len() + keeper.of_slot(2).len(), 2, "another slot's");
        keeper.release(Released::One(1, id));
        assert!(std::net::TcpStream::connect(addresses[0]).is_err());
        assert!(std::net::TcpStream::connect(addresses[1]).is_ok());
        keeper.release(Released::Everything);
        assert!(std::net::TcpStream::connect(addresses[1]).is_err());
    }
}
