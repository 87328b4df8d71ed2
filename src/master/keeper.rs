//! The listening sockets that outlive their workers (contract 6.1): one more holder of each, so that the kernel goes on
//! queueing connections while one worker ends and the next begins.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::core::{ProcessKey, Released};
use crate::sys::fd::{self, FileIdentity};
use crate::sys::tcp;
use crate::wire::ListenerId;

/// Most sockets that are kept for one slot. A worker gets as many descriptors beside its program's own.
const MOST_PER_SLOT: usize = 256;

/// A listening socket that is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) address: SocketAddr,
    pub(crate) socket: OwnedFd,
    id: ListenerId,
    /// The process that brought it first.
    brought_by: ProcessKey,
    /// The process that listened on it last.
    used_by: ProcessKey,
}

/// All that is kept, by slot, in the order in which it came: the n-th of equal addresses goes to the n-th.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    slots: BTreeMap<u8, Vec<Kept>>,
}

/// What is wrong with a socket that a worker wants to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAListener;

impl Keeper {
    /// Keeps a socket that a worker listens on, unless it is kept already.
    pub(crate) fn keep(&mut self, key: ProcessKey, address: SocketAddr, socket: OwnedFd) -> Result<(), NotAListener> {
        let id =
            FileIdentity::of(socket.as_raw_fd()).map(|identity| ListenerId(identity.inode())).ok_or(NotAListener)?;
        let kept = self.slots.entry(key.slot()).or_default();
        if let Some(known) = kept.iter_mut().find(|known| known.id == id) {
            known.used_by = key;
            return Ok(());
        }
        if !tcp::is_listener(socket.as_raw_fd()) || tcp::local_address(socket.as_raw_fd()) != Some(address) {
            return Err(NotAListener);
        }
        if kept.len() < MOST_PER_SLOT {
            // Not one of stdin, stdout and stderr, should the program have closed those.
            if let Ok(socket) = fd::above_stdio(socket) {
                kept.push(Kept { address, socket, id, brought_by: key, used_by: key });
            }
        }
        Ok(())
    }

    /// What a new worker of the slot is to adopt.
    pub(crate) fn of_slot(&self, slot: u8) -> &[Kept] {
        self.slots.get(&slot).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn release(&mut self, what: Released) {
        match what {
            Released::Everything => self.slots.clear(),
            Released::Slot(slot) => drop(self.slots.remove(&slot)),
            Released::One(slot, id) => self.retain(slot, |kept| kept.id != id),
            Released::NotAdoptedBy(key) => self.retain(key.slot(), |kept| kept.used_by == key),
            Released::BroughtBy(key) => self.retain(key.slot(), |kept| kept.brought_by != key),
        }
    }

    fn retain(&mut self, slot: u8, wanted: impl FnMut(&Kept) -> bool) {
        if let Some(kept) = self.slots.get_mut(&slot) {
            kept.retain(wanted);
        }
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
    fn only_listeners_are_kept_contract_7_3() {
        let mut keeper = Keeper::default();
        let (address, socket) = listener();
        let elsewhere = "127.0.0.1:1".parse().unwrap();
        assert_eq!(keeper.keep(key(1), elsewhere, socket), Err(NotAListener), "another address");
        let event = fd::eventfd().unwrap();
        assert_eq!(keeper.keep(key(1), address, event), Err(NotAListener), "no socket");
        let unheard = tcp::open(address).unwrap();
        tcp::bind(&unheard, "127.0.0.1:0".parse().unwrap()).unwrap();
        let bound = tcp::local_address(unheard.as_raw_fd()).unwrap();
        assert_eq!(keeper.keep(key(1), bound, unheard), Err(NotAListener), "bound, but it does not listen");
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
