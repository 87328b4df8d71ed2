//! The fake kernel's listening sockets, their queues, and the clients' requests; and who holds the sockets.

use super::choices::What;
use super::kernel::{Act, Said, Stage};
use super::program::Home;
use super::*;

#[derive(Debug)]
pub(super) struct Socket {
    slot: u8,
    home: Home,
    /// Whether the master holds it.
    kept: bool,
    brought_by: ProcessKey,
    users: Vec<ProcessKey>,
    /// The requests of connections that nobody has accepted.
    queue: Vec<u32>,
    is_open: bool,
    refuses_newcomers: bool,
    /// Whether those in its queue may be lost with it.
    may_lose: bool,
    /// Since when its slot listens nowhere while another serves; and how long the master had slept by then.
    unattended: Option<(Time, Duration)>,
}

/// One client's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Waits,
    InHand,
    Answered,
    /// Nobody listened.
    Refused,
    /// Lost, with a reason.
    Gone,
}

impl World {
    /// A client connects, to one of the sockets that listen there, and sends its request.
    pub(super) fn connect(&mut self) {
        let request = u32::try_from(self.requests.len()).unwrap();
        let takes = |socket: &&Socket| socket.is_open && socket.home == Home::V4 && !socket.refuses_newcomers;
        let count = self.sockets.iter().filter(takes).count();
        if count == 0 {
            return self.requests.push(Request::Refused);
        }
        let nth = request as usize % count;
        let socket = self.sockets.iter().enumerate().filter(|(_, socket)| takes(socket)).nth(nth).unwrap().0;
        self.requests.push(Request::Waits);
        self.sockets[socket].queue.push(request);
        self.serve_queue(socket);
    }

    /// Whoever listens on the socket accepts what waits there.
    fn serve_queue(&mut self, socket: usize) {
        let is_able = |process: &kernel::Process| process.accepts() && process.holds.contains(&socket);
        if let Some(index) = self.processes.iter().position(is_able) {
            self.serve(index, socket);
        }
    }

    fn serve(&mut self, index: usize, socket: usize) {
        for request in std::mem::take(&mut self.sockets[socket].queue) {
            self.requests[request as usize] = Request::InHand;
            self.processes[index].hands.push(request);
            let takes = [5, 200, 3000, 60_000][self.choices.ask(What::Serve, request, &[12, 3, 2, 1])];
            self.later(takes, Act::Answer(index, request));
        }
    }

    pub(super) fn answer(&mut self, index: usize, request: u32) {
        self.requests[request as usize] = Request::Answered;
        let process = &mut self.processes[index];
        process.hands.retain(|other| *other != request);
        if process.stage == Stage::Draining && process.hands.is_empty() {
            self.later(1, Act::SayDrained(index));
        }
    }

    pub(super) fn listen(&mut self, index: usize, home: Home) {
        let process = &mut self.processes[index];
        if process.stage == Stage::Draining {
            return;
        }
        process.stage = Stage::Listening;
        let key = process.key;
        let given = process.given.iter().position(|socket| self.sockets[*socket].home == home);
        let socket = given.map(|position| process.given.remove(position)).unwrap_or(self.sockets.len());
        process.holds.push(socket);
        if socket == self.sockets.len() {
            self.sockets.push(Socket {
                slot: key.slot(),
                home,
                kept: false,
                brought_by: key,
                users: Vec::new(),
                queue: Vec::new(),
                is_open: true,
                refuses_newcomers: false,
                // The master does not know of it.
                may_lose: true,
                unattended: None,
            });
        }
        self.say(index, Said::Listening(home, socket));
        self.serve_queue(socket);
    }

    /// The program closes a listener of its own accord.
    pub(super) fn close_own(&mut self, index: usize) {
        if !self.processes[index].accepts() {
            return;
        }
        let socket = self.processes[index].holds.remove(0);
        if self.processes[index].holds.is_empty() {
            self.processes[index].stage = Stage::Joined;
        }
        // Its program has decided that, and not the master.
        self.sockets[socket].may_lose = true;
        self.say(index, Said::Closed(self.sockets[socket].home, socket));
        self.close_if_unheld(socket);
    }

    pub(super) fn kept_of(&self, slot: u8) -> Vec<usize> {
        let of_slot = self.sockets.iter().enumerate().filter(|(_, socket)| socket.kept && socket.slot == slot);
        of_slot.map(|(index, _)| index).collect()
    }

    /// The master gets a duplicate.
    pub(super) fn keep(&mut self, key: ProcessKey, socket: usize) {
        if self.handoff() {
            let socket = &mut self.sockets[socket];
            if !std::mem::replace(&mut socket.kept, true) {
                // What was let go is forgotten: one that has adopted it in time brings it anew.
                socket.brought_by = key;
                socket.users.clear();
            }
            socket.may_lose = false;
            socket.users.push(key);
        }
        self.close_if_unheld(socket);
    }

    pub(super) fn let_go_of_all(&mut self, index: usize) {
        let process = &mut self.processes[index];
        let mut sockets = std::mem::take(&mut process.holds);
        sockets.append(&mut process.given);
        for socket in sockets {
            self.close_if_unheld(socket);
            // Another process of its slot may have been waiting for connections.
            self.serve_queue(socket);
        }
    }

    /// The last holder of a socket closes it: what waits in its queue is cut off.
    pub(super) fn close_if_unheld(&mut self, socket: usize) {
        let is_holder = |process: &kernel::Process| {
            let is_sent = |said: &Said| matches!(said, Said::Listening(_, sent) if *sent == socket);
            (process.is_alive() && (process.holds.contains(&socket) || process.given.contains(&socket)))
                || (!process.end_known && process.said.iter().any(is_sent))
        };
        if !self.sockets[socket].is_open || self.sockets[socket].kept || self.processes.iter().any(is_holder) {
            return;
        }
        self.sockets[socket].is_open = false;
        let lawful = !self.handoff() || self.is_stopping() || self.sockets[socket].may_lose;
        let queue = std::mem::take(&mut self.sockets[socket].queue);
        assert!(
            lawful || queue.is_empty(),
            "invariant 7, a request is lost: in the queue of {:?}",
            self.sockets[socket]
        );
        for request in queue {
            self.requests[request as usize] = Request::Gone;
        }
    }

    /// What the master does for [`Effect::Release`].
    pub(super) fn release(&mut self, what: Released) {
        let released = self.take_released(what);
        for socket in &released {
            self.check_release(what, *socket);
            let core = &self.driver.core;
            let is_used = |process: &kernel::Process| self.is_known(process) && core.may_yet_use(what, process.key);
            let is_used = self.processes.iter().any(is_used);
            let is_inherited = what != Released::Everything && !is_used;
            // It is with the one that may listen there yet.
            self.sockets[*socket].may_lose |= is_used;
            if is_inherited {
                self.bequeath(what, *socket);
            }
        }
        for index in 0..self.processes.len() {
            let process = &self.processes[index];
            let is_concerned = self.is_known(process)
                && process.is_alive()
                && match what {
                    Released::Everything => true,
                    Released::Slot(slot) => process.key.slot() == slot,
                    Released::NotAdoptedBy(key) => process.key == key,
                    Released::One(..) | Released::BroughtBy(_) => false,
                };
            if is_concerned {
                for socket in std::mem::take(&mut self.processes[index].given) {
                    self.close_if_unheld(socket);
                }
            }
        }
        for socket in released {
            self.close_if_unheld(socket);
        }
    }

    /// As `master::keeper` does it.
    fn take_released(&mut self, what: Released) -> Vec<usize> {
        let mut released = Vec::new();
        for (index, socket) in self.sockets.iter_mut().enumerate().filter(|(_, socket)| socket.kept) {
            let is_released = match what {
                Released::Everything => true,
                Released::Slot(slot) => socket.slot == slot,
                Released::One(slot, id) => socket.slot == slot && id == listener_id(index),
                Released::NotAdoptedBy(key) => {
                    socket.slot == key.slot() && !socket.users.iter().any(|user| *user >= key)
                }
                Released::BroughtBy(key) => socket.brought_by == key,
            };
            match what {
                Released::NotAdoptedBy(key) if socket.slot == key.slot() => socket.users.retain(|user| *user >= key),
                Released::BroughtBy(key) => socket.users.retain(|user| *user != key),
                Released::Everything | Released::Slot(_) | Released::One(..) | Released::NotAdoptedBy(_) => {}
            }
            if is_released {
                socket.kept = false;
                released.push(index);
            }
        }
        released
    }

    /// Whether the queue may end here, should nobody inherit it.
    fn check_release(&mut self, what: Released, socket: usize) {
        let (slot, home) = (self.sockets[socket].slot, self.sockets[socket].home);
        // As far as the master has heard.
        let is_other = |(index, p): (usize, &kernel::Process)| {
            p.key.slot() != slot && self.is_known(p) && self.truth.listens(index)
        };
        let others = self.processes.iter().enumerate().any(is_other);
        let is_down = self.truth.is_down(slot) || self.is_stopping();
        if let Released::Slot(_) = what {
            assert!(is_down || others, "invariant 7, a request is lost: the only queue is let go, of slot {slot}");
        }
        self.sockets[socket].may_lose |= match what {
            Released::Everything | Released::Slot(_) | Released::One(..) | Released::BroughtBy(_) => true,
            // It serves elsewhere now; or its own socket is there, and this one's queue has to be served, too.
            Released::NotAdoptedBy(key) => {
                let new = &self.processes[usize::try_from(key.serial()).unwrap()];
                !new.holds.iter().any(|own| self.sockets[*own].home == home) || !new.accepts()
            }
        };
    }

    /// As `Master::bequeath` does it.
    fn bequeath(&mut self, what: Released, socket: usize) {
        let (slot, home) = (self.sockets[socket].slot, self.sockets[socket].home);
        let others = self.sockets.iter().filter(|other| other.kept && other.home == home);
        let users = others.flat_map(|other| &other.users);
        let heir = users.copied().find(|key| what.passes_to(slot, *key) && self.driver.core.serves(*key));
        let Some(heir) = heir else { return };
        let index = usize::try_from(heir.serial()).unwrap();
        self.sockets[socket].refuses_newcomers = true;
        // If it hangs, or is dead and the master has not heard of it, that is not the master's doing.
        self.sockets[socket].may_lose = true;
        if self.processes[index].accepts() {
            self.serve(index, socket);
        }
    }

    /// After every turn of the master's loop: nobody waits in vain while others serve. A process that has been made in the 5 s
    /// has 5 s more to listen.
    pub(super) fn check_waiting(&mut self) {
        if !self.handoff() || self.is_stopping() {
            return;
        }
        let (now, slept) = (self.driver.now, self.slept);
        let sockets = self.sockets.iter_mut().enumerate().filter(|(_, socket)| socket.is_open && !socket.may_lose);
        for (number, socket) in sockets {
            let core = &self.driver.core;
            // Of one that listens and is not ready yet it is not known what it will adopt.
            let may_adopt =
                |p: &kernel::Process| p.key.slot() == socket.slot && !p.holds.is_empty() && !core.serves(p.key);
            let is_used = |p: &kernel::Process| !p.end_known && (p.holds.contains(&number) || may_adopt(p));
            let others_serve = |p: &kernel::Process| p.key.slot() != socket.slot && p.accepts() && core.serves(p.key);
            let waits = !socket.queue.is_empty() && self.processes.iter().any(others_serve);
            if !waits || self.processes.iter().any(is_used) {
                socket.unattended = None;
                continue;
            }
            let (since, slept_before) = *socket.unattended.get_or_insert((now, slept));
            let waited = (now - since).saturating_sub(slept - slept_before);
            assert!(waited <= secs(11), "invariant 7, a request waits in vain: for {waited:?} at {socket:?}");
        }
    }
}

pub(super) fn listener_id(socket: usize) -> ListenerId {
    ListenerId(socket as u64)
}
