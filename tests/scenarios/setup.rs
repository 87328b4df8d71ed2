//! How a driver is started.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Arguments, environment and limits of a run.
#[derive(Clone)]
pub(crate) struct Setup {
    arguments: Vec<(&'static str, String)>,
    /// After the others, word by word.
    pub(crate) more: Vec<String>,
    pub(crate) variables: Vec<(&'static str, &'static str)>,
    pub(crate) most_descriptors: Option<u64>,
    pub(crate) is_on_one_cpu: bool,
    pub(crate) is_manual: bool,
    pub(crate) port: u16,
}

/// Two workers on a port of their own, and little patience after a crash.
pub(crate) fn setup() -> Setup {
    let plain = Setup {
        arguments: Vec::new(),
        more: Vec::new(),
        variables: Vec::new(),
        most_descriptors: None,
        is_on_one_cpu: false,
        is_manual: false,
        port: 0,
    };
    plain.port(free_port()).with("workers", 2).with("respawn", "yes").with("respawn-ms", 20)
}

impl Setup {
    /// An argument of the driver, in place of an earlier one of that name.
    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.arguments.retain(|(other, _)| *other != name);
        self.arguments.push((name, value.to_string()));
        self
    }

    pub(crate) fn port(mut self, port: u16) -> Self {
        self.port = port;
        self.with("port", port)
    }

    /// So many crashes within a minute disable a worker: a minute has no scenario.
    pub(crate) fn max_crashes(self, count: u8) -> Self {
        self.with("max-crashes", count).with("window-s", 60)
    }

    pub(crate) fn more(mut self, words: &[&str]) -> Self {
        self.more.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    pub(crate) fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    pub(crate) fn most_descriptors(mut self, limit: u64) -> Self {
        self.most_descriptors = Some(limit);
        self
    }

    pub(crate) fn on_one_cpu(mut self) -> Self {
        self.is_on_one_cpu = true;
        self
    }

    /// The workers listen and accept when they are told to.
    pub(crate) fn manual(mut self) -> Self {
        self.is_manual = true;
        self
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.arguments.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn words(&self) -> Vec<String> {
        let named = self.arguments.iter().map(|(name, value)| format!("{name}={value}"));
        named.chain(self.more.iter().cloned()).collect()
    }
}

/// A process that is just being started has what this one has open, until it runs its program: a port that is tried meanwhile would
/// be in use.
pub(crate) fn not_beside_a_start() -> MutexGuard<'static, ()> {
    static STARTING: Mutex<()> = Mutex::new(());
    STARTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One that no other run here has, outside of those that the system chooses for connections.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let _alone = not_beside_a_start();
    let first = std::process::id() % 12_000;
    for _ in 0..12_000 {
        let number = (first + u32::from(NEXT.fetch_add(1, Ordering::Relaxed))) % 12_000;
        let port = 20_000 + u16::try_from(number).expect("below 12,000");
        if std::net::TcpListener::bind((std::net::Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}
