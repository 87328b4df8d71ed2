//! Who a worker is: read once, before `main`, from an environment entry and the descriptor that it names.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;
use std::time::Duration;

use super::entry;
use crate::handoff;
use crate::sys::fd::{self, FileIdentity};
use crate::sys::{process, socket};
use crate::wire::{Decoded, Encoded, FromMaster, FromWorker, MAX_LENGTH};

/// Names the inherited descriptor: `<number>:<inode>`. The inode tells that it is still the channel.
pub(crate) const CHANNEL_VARIABLE: &str = "ECEWO_CLUSTER_CHANNEL";
/// The worker's id, for programs that want to know before `cluster_init` that they are a worker (contract 2.2).
pub(crate) const ID_VARIABLE: &str = "ECEWO_WORKER_ID";

/// A worker's identity.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) id: u8,
    pub(crate) count: u8,
    pub(crate) port: u16,
    pub(crate) shutdown_timeout: Duration,
    /// Whether its listeners are handed over.
    pub(crate) handoff: bool,
    /// The process that the master started.
    pub(crate) pid: i32,
    pub(crate) master_pid: i32,
    channel: RawFd,
    channel_file: FileIdentity,
    /// A pidfd of the master; -1 if the kernel gave none.
    master: RawFd,
}

/// How this process stands to a cluster.
#[derive(Debug)]
pub(crate) enum Standing {
    /// It was started as a worker.
    Worker(Identity),
    /// It was started as a worker, but its channel was gone before it could be read: closed, or left behind by an `exec`.
    Stray,
    /// It is no worker.
    Stranger,
}

static STANDING: OnceLock<Standing> = OnceLock::new();

/// What the constructor found. Signal-safe once the constructor has run, which is before `main`.
pub(crate) fn standing() -> &'static Standing {
    STANDING.get().unwrap_or(&Standing::Stranger)
}

/// Takes the identity over. The entry is removed and the descriptor made close-on-exec, so that a
/// worker's own children are no workers.
pub(super) fn take() -> &'static Standing {
    STANDING.get_or_init(|| {
        let Ok(entry) = std::env::var(CHANNEL_VARIABLE) else {
            // A worker that runs its program anew with `exec` has lost its channel, but not the mark that its making left.
            if process::wakes_when_parent_ends() && process::leads_session() {
                return Standing::Stray;
            }
            forget(ID_VARIABLE);
            return Standing::Stranger;
        };
        forget(CHANNEL_VARIABLE);
        entry::parse(&entry).and_then(receive).map_or(Standing::Stray, Standing::Worker)
    })
}

impl Identity {
    /// Whether the channel is still the channel, and the master at its other end. Signal-safe.
    pub(crate) fn is_channel_live(&self) -> bool {
        self.owns_channel() && !socket::is_hung_up(self.channel)
    }

    /// Whether nobody has closed the channel's descriptor and put something else in its place. Signal-safe.
    pub(super) fn owns_channel(&self) -> bool {
        FileIdentity::of(self.channel) == Some(self.channel_file)
    }

    pub(super) fn channel(&self) -> RawFd {
        self.channel
    }

    pub(super) fn master(&self) -> RawFd {
        self.master
    }

    /// Tells the master. The error is an errno. Signal-safe, but sets errno.
    pub(crate) fn send(&self, message: FromWorker) -> Result<(), i32> {
        self.send_with(message, None)
    }

    /// The same with a duplicate of a descriptor.
    pub(crate) fn send_with(&self, message: FromWorker, descriptor: Option<RawFd>) -> Result<(), i32> {
        if !self.owns_channel() {
            return Err(libc::EBADF);
        }
        let message: Encoded = message.encode();
        socket::send(self.channel, message.bytes(), descriptor)
    }
}

fn receive((number, inode): (RawFd, u64)) -> Option<Identity> {
    let file = FileIdentity::of(number).filter(|file| file.inode() == inode)?;
    if !socket::is_channel(number) {
        return None;
    }
    // Out of the way of programs that count on the lowest numbers; and it grows the descriptor table once, while
    // there is one thread: later that would cost every thread milliseconds.
    let high =
        fd::duplicate_from(number, handoff::out_of_the_way()).or_else(|_| fd::duplicate_from(number, number)).ok()?;
    fd::close_inherited(number);
    let mut buffer = [0; MAX_LENGTH];
    let socket::Received::Message { length, truncated: false, mut descriptors } =
        socket::receive(high.as_raw_fd(), &mut buffer)
    else {
        return None;
    };
    let Decoded::Message(FromMaster::Welcome(welcome)) = FromMaster::decode(buffer.get(..length)?) else {
        return None;
    };
    if welcome.handoff {
        handoff::prepare(handoff::out_of_the_way());
        handoff::inherit(receive_listeners(high.as_raw_fd(), welcome.listeners));
    }
    let master =
        descriptors.pop().and_then(|pidfd| fd::duplicate_from(pidfd.as_raw_fd(), handoff::out_of_the_way()).ok());
    Some(Identity {
        id: welcome.id,
        count: welcome.count,
        port: welcome.port,
        shutdown_timeout: Duration::from_millis(welcome.shutdown_timeout_ms.into()),
        handoff: welcome.handoff,
        pid: process::own_pid(),
        master_pid: process::parent_pid(),
        // They belong to the process as a whole from here on, and are closed when it ends.
        channel: high.into_raw_fd(),
        channel_file: file,
        master: master.map_or(-1, OwnedFd::into_raw_fd),
    })
}

/// The listeners of the slot's earlier workers, out of the way like the channel. Those that there is no room for are
/// not adopted.
fn receive_listeners(channel: RawFd, count: u16) -> Vec<(SocketAddr, OwnedFd)> {
    (0..count)
        .filter_map(|_| {
            let mut buffer = [0; MAX_LENGTH];
            let socket::Received::Message { length, mut descriptors, .. } = socket::receive(channel, &mut buffer)
            else {
                return None;
            };
            match FromMaster::decode(buffer.get(..length)?) {
                Decoded::Message(FromMaster::Adopt(address)) => {
                    let listener = descriptors.pop()?;
                    let high = fd::duplicate_from(listener.as_raw_fd(), handoff::out_of_the_way()).unwrap_or(listener);
                    Some((address, high))
                }
                Decoded::Message(_) | Decoded::Unknown | Decoded::Malformed => None,
            }
        })
        .collect()
}

fn forget(variable: &str) {
    if std::env::var_os(variable).is_none() {
        return;
    }
    // SAFETY: before `main` there is one thread, so nobody else reads or writes the environment. (In a library that
    // is loaded later, the entries are not there, and nothing is removed.)
    unsafe { std::env::remove_var(variable) };
}
