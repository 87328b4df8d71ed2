//! A worker's part: where it listens, and how it learns that it is time to stop.

use std::io;
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::handoff::{self, notice};
use crate::role;
use crate::sys::socket;

/// A worker's part. In C: `cluster_is_worker` and what goes with it.
#[derive(Clone, Copy, Debug)]
pub struct Worker(());

/// Tells when it is time to stop: its descriptor is readable from then on, for good. See [`Worker::drain_notice`].
#[derive(Debug)]
pub struct DrainNotice(OwnedFd);

/// A worker's connections, until it is time to stop. See [`Worker::incoming`].
///
/// Clones share one listener: each thread that accepts has one.
#[derive(Clone, Debug)]
pub struct Incoming(Arc<Source>);

#[derive(Debug)]
struct Source {
    listener: TcpListener,
    notice: DrainNotice,
}

impl Worker {
    pub(crate) fn new() -> Self {
        Self(())
    }

    /// This worker's id, from 0 on. In C: `cluster_worker_id`.
    ///
    /// ```no_run
    /// # fn example(worker: ecewo_cluster::Worker) {
    /// println!("worker {} of {}", worker.id(), worker.count());
    /// # }
    /// ```
    pub fn id(&self) -> u8 {
        role::worker_id()
    }

    /// The cluster's port, to listen on. In C: `cluster_get_port`. There is an example at [`listener`](Self::listener).
    pub fn port(&self) -> u16 {
        role::port()
    }

    /// The number of workers of the cluster. In C: `cluster_worker_count`. There is an example at [`id`](Self::id).
    pub fn count(&self) -> u8 {
        role::worker_count()
    }

    /// A listener, known to the master: listening is what makes a worker ready. On the cluster's port every worker
    /// has one of its own, and the kernel spreads connections over them. The first address that works is taken.
    ///
    /// It is the listener of the slot's last worker, with all that waits in its queue, if there was one on this address.
    /// Like one of [`TcpListener::bind`] it is blocking.
    ///
    /// With the assisted calls (feature `assist`, which is on by default) any way to accept will do. Without them a
    /// thread that blocks in an `accept` of the standard library's cannot be kept from taking a connection during
    /// a restart: use [`incoming`](Self::incoming), or [`nonblocking_listener`](Self::nonblocking_listener) and an event
    /// loop.
    ///
    /// ```no_run
    /// # fn example(worker: ecewo_cluster::Worker) -> std::io::Result<()> {
    /// let listener = worker.listener(("0.0.0.0", worker.port()))?;
    /// let (connection, client) = listener.accept()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of socket(2), bind(2) and listen(2), and of the look-up.
    pub fn listener(&self, addresses: impl ToSocketAddrs) -> io::Result<TcpListener> {
        open_listener(addresses, false)
    }

    /// The same for an event loop: non-blocking from its first moment on.
    ///
    /// The open file of a listener is shared with the slot's last worker, which may be accepting still. One that came
    /// from [`listener`](Self::listener) and is made non-blocking afterwards was blocking for a moment, also for that
    /// one, and could stop its loop.
    ///
    /// ```no_run
    /// # async fn example(worker: ecewo_cluster::Worker) -> std::io::Result<()> {
    /// let listener = worker.nonblocking_listener(("0.0.0.0", worker.port()))?;
    /// let listener = tokio::net::TcpListener::from_std(listener)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`listener`](Self::listener).
    pub fn nonblocking_listener(&self, addresses: impl ToSocketAddrs) -> io::Result<TcpListener> {
        open_listener(addresses, true)
    }

    /// Listens, and gives one connection after the other, until it is time to stop: then the iteration ends. The
    /// connections themselves are blocking.
    ///
    /// Finish those that there are before `main` returns: with a scope, for example.
    ///
    /// ```no_run
    /// # use std::net::TcpStream;
    /// # fn serve(connection: TcpStream) {}
    /// # fn example(worker: ecewo_cluster::Worker) -> std::io::Result<()> {
    /// std::thread::scope(|scope| {
    ///     for connection in worker.incoming(("0.0.0.0", worker.port()))? {
    ///         let connection = connection?;
    ///         scope.spawn(|| serve(connection));
    ///     }
    ///     Ok(())
    /// })
    /// # }
    /// ```
    ///
    /// Several threads may share the work, each with a clone. It takes the [drain notice](Self::drain_notice), with all
    /// that is said there.
    ///
    /// # Errors
    /// As [`listener`](Self::listener) and [`drain_notice`](Self::drain_notice).
    pub fn incoming(&self, addresses: impl ToSocketAddrs) -> io::Result<Incoming> {
        let notice = self.drain_notice()?;
        Ok(Incoming(Arc::new(Source { listener: self.nonblocking_listener(addresses)?, notice })))
    }

    /// Asks to be told when it is time to stop, and gives what tells it.
    ///
    /// That is so in a graceful restart, when this worker has been replaced, and when SIGTERM comes: from then on that
    /// signal does nothing else, unless the program has a handler of its own for it before or afterwards. By the time of the notice
    /// in a restart the worker takes no more connections: its listener has left every event loop, and what waits in the
    /// queue is the replacement's. With the assisted calls it has also finished every request and let every connection go, if
    /// half of the [shutdown time-out](crate::Builder::shutdown_timeout) was enough for that; without them, it has begun to read each
    /// connection's first request.
    ///
    /// A program that asks has to act: finish what it has, and return from `main`. When the whole time-out is over it is
    /// killed.
    ///
    /// A thread can [wait](DrainNotice::wait). An event loop waits for the descriptor to become readable: it is a socket
    /// whose input ends then. With tokio:
    ///
    /// ```no_run
    /// # async fn example(worker: ecewo_cluster::Worker) -> std::io::Result<()> {
    /// let notice = tokio::net::UnixStream::from_std(worker.drain_notice()?.into())?;
    /// notice.readable().await?; // It is time to stop.
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Too few descriptors.
    pub fn drain_notice(&self) -> io::Result<DrainNotice> {
        notice::take().map(DrainNotice)
    }

    /// Closes a listener before it is time to stop: nobody queues there any more. Whoever waits is served by another worker on the
    /// same address; refused if there is none, or without the assisted calls.
    ///
    /// Without the assisted calls the library does not see it when a listener is dropped: the master would keep the
    /// queue, and a share of the clients would wait in it in vain. Listeners that live as long as their worker need not be
    /// closed, nor an [`Incoming`].
    ///
    /// ```no_run
    /// # fn example(worker: ecewo_cluster::Worker) -> std::io::Result<()> {
    /// let admin = worker.listener("127.0.0.1:9000")?;
    /// worker.close(admin);
    /// # Ok(()) }
    /// ```
    pub fn close(&self, listener: TcpListener) {
        closing(&listener);
        drop(listener);
    }
}

impl DrainNotice {
    /// Waits until it is time to stop.
    ///
    /// ```no_run
    /// # fn example(worker: ecewo_cluster::Worker) -> std::io::Result<()> {
    /// let notice = worker.drain_notice()?;
    /// std::thread::spawn(move || {
    ///     notice.wait();
    ///     // Tell the others.
    /// });
    /// # Ok(()) }
    /// ```
    pub fn wait(&self) {
        while !notice::wait(self.as_raw_fd(), -1) {}
    }

    /// Waits until it is time to stop, for at most so long. Gives whether it is.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn work() {}
    /// # fn example(worker: ecewo_cluster::Worker) -> std::io::Result<()> {
    /// let notice = worker.drain_notice()?;
    /// while !notice.wait_timeout(Duration::from_secs(10)) {
    ///     work();
    /// }
    /// # Ok(()) }
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        let Some(end) = Instant::now().checked_add(timeout) else {
            self.wait();
            return true;
        };
        loop {
            let left = end.saturating_duration_since(Instant::now());
            // Rounded up: not again and again for less than a millisecond.
            let left_ms = i32::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX);
            if notice::wait(self.as_raw_fd(), left_ms) {
                return true;
            }
            if left.is_zero() {
                return false;
            }
        }
    }

    /// Whether it is time to stop. Cheap enough to ask after each request.
    ///
    /// ```no_run
    /// # fn example(notice: &ecewo_cluster::DrainNotice) {
    /// let connection_header = if notice.has_come() { "close" } else { "keep-alive" };
    /// # }
    /// ```
    pub fn has_come(&self) -> bool {
        notice::is_given()
    }

    /// Another one that tells the same.
    ///
    /// ```no_run
    /// # fn example(notice: &ecewo_cluster::DrainNotice) -> std::io::Result<()> {
    /// let for_another_thread = notice.try_clone()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Too few descriptors.
    pub fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }
}

impl AsFd for DrainNotice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for DrainNotice {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl From<DrainNotice> for OwnedFd {
    fn from(notice: DrainNotice) -> Self {
        notice.0
    }
}

/// For event loops that know sockets: a stream that never blocks, and whose input ends when it is time to stop.
impl From<DrainNotice> for UnixStream {
    fn from(notice: DrainNotice) -> Self {
        notice.0.into()
    }
}

impl Iterator for Incoming {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<Self::Item> {
        let Source { listener, notice } = &*self.0;
        while !notice.has_come() {
            if is_gate_closed() {
                notice.wait();
                return None;
            }
            match listener.accept() {
                Ok((connection, _)) => return Some(Ok(connection)),
                Err(error) if !is_nobody_there(&error) => return Some(Err(error)),
                Err(_) => {}
            }
            let (other, patience) = beside(listener.as_raw_fd());
            let patience_ms = patience.map_or(-1, |time| i32::try_from(time.as_millis()).unwrap_or(i32::MAX));
            socket::poll([listener.as_raw_fd(), notice.as_raw_fd(), other], patience_ms);
        }
        None
    }
}

/// Another worker or thread was faster, or the client has gone again.
fn is_nobody_there(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionAborted)
}

impl Drop for Source {
    fn drop(&mut self) {
        closing(&self.listener);
    }
}

fn open_listener(addresses: impl ToSocketAddrs, is_non_blocking: bool) -> io::Result<TcpListener> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses.to_socket_addrs()? {
        match handoff::open_listener(address, is_non_blocking) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// With the assisted calls the gate is in `accept` itself, and closing is noticed there.
#[cfg(feature = "assist")]
fn is_gate_closed() -> bool {
    false
}

#[cfg(feature = "assist")]
use handoff::beside;

/// A thread that waits for a connection has to hear when the gate closes.
#[cfg(not(feature = "assist"))]
fn beside(_listener: RawFd) -> (RawFd, Option<Duration>) {
    (closing_descriptor(), None)
}

#[cfg(feature = "assist")]
fn closing(_listener: &TcpListener) {}

#[cfg(not(feature = "assist"))]
use handoff::{closing_descriptor, is_gate_closed};

#[cfg(not(feature = "assist"))]
fn closing(listener: &TcpListener) {
    handoff::closing(listener.as_fd());
}
