//! The arguments, `name=value` each, as the C servers of the scenarios have them.

use std::num::NonZeroU8;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// What the program is told.
#[derive(Debug, Clone)]
pub struct Options {
    /// The cluster's port.
    pub port: u16,
    /// So many workers.
    pub workers: NonZeroU8,
    /// Their time to end.
    pub shutdown: Duration,
    /// Threads of an event loop's runtime.
    pub threads: usize,
    /// Listen where nobody looks for a worker: a bad deploy.
    pub elsewhere: bool,
}

impl Options {
    /// Reads the command line.
    pub fn read() -> Result<Self> {
        let two = NonZeroU8::MIN.saturating_add(1);
        let mut options =
            Self { port: 0, workers: two, shutdown: Duration::from_secs(5), threads: 1, elsewhere: false };
        for argument in std::env::args().skip(1) {
            let (name, value) = argument.split_once('=').with_context(|| format!("{argument}: no name=value"))?;
            match name {
                "port" => options.port = value.parse()?,
                "workers" => options.workers = value.parse()?,
                "shutdown" => options.shutdown = Duration::from_millis(value.parse()?),
                "threads" => options.threads = value.parse()?,
                _ => bail!("unknown argument {argument}"),
            }
        }
        Ok(options)
    }

    /// What a bad deploy does: the file named in the environment says it.
    pub(crate) fn misbehave_as_told(&mut self) {
        let Some(path) = std::env::var_os("ZERO_LOSS_MODE_FILE") else { return };
        match std::fs::read_to_string(path).unwrap_or_default().trim() {
            "exit" => std::process::exit(3),
            "crash" => std::process::abort(),
            "hang" => loop {
                std::thread::park();
            },
            "elsewhere" => self.elsewhere = true,
            _ => {}
        }
    }

    /// Where to listen.
    pub fn address(&self) -> (&'static str, u16) {
        if self.elsewhere { ("127.0.0.1", 0) } else { ("0.0.0.0", self.port) }
    }
}
