//! What a `*.peer` file says.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;

/// How a graceful restart is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restart {
    /// By a signal to the master.
    Signal(Signal),
    /// By a command.
    Command(String),
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(signal) => write!(f, "{signal}"),
            Self::Command(command) => f.write_str(command),
        }
    }
}

/// One server. The strings may have words in braces.
#[derive(Debug, Clone)]
pub struct Peer {
    /// As in the tables.
    pub name: String,
    /// A line about it, and where its documentation is.
    pub about: String,
    /// Programs that must be there.
    pub needs: Vec<String>,
    /// The command that prints its version.
    pub version: String,
    /// Words in braces that are this server's own.
    pub words: Vec<(String, String)>,
    /// Files of its configuration.
    pub configs: Vec<String>,
    /// The master's command.
    pub start: String,
    /// Without it, there is no graceful restart.
    pub restart: Option<Restart>,
    /// Asks it to stop.
    pub stop: Signal,
    /// Workers are the master's children that have this in their command line.
    pub worker_word: String,
    /// It has so many worker processes, whatever is asked for.
    pub processes: Option<usize>,
    /// A command for after the end.
    pub cleanup: Option<String>,
}

/// Where things are.
#[derive(Debug, Clone)]
pub struct Places {
    /// The folder of the descriptions.
    pub here: PathBuf,
    /// What was installed for them.
    pub tools: PathBuf,
    /// The C servers.
    pub servers: PathBuf,
}

impl Places {
    /// What stands for these in braces.
    pub fn words(&self) -> Vec<(String, String)> {
        [("here", &self.here), ("tools", &self.tools), ("servers", &self.servers)]
            .map(|(name, path)| (name.to_owned(), path.display().to_string()))
            .to_vec()
    }
}

impl Peer {
    /// Reads a description.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        let mut peer = Self {
            name: String::new(),
            about: String::new(),
            needs: Vec::new(),
            version: String::new(),
            words: Vec::new(),
            configs: Vec::new(),
            start: String::new(),
            restart: None,
            stop: Signal::SIGTERM,
            worker_word: String::new(),
            processes: None,
            cleanup: None,
        };
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (key, value) =
                line.split_once(char::is_whitespace).with_context(|| format!("{line:?} has no value"))?;
            peer.set(key, value.trim())?;
        }
        ensure!(!peer.name.is_empty() && !peer.start.is_empty(), "name or start is missing");
        Ok(peer)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        match key {
            "name" => value.clone_into(&mut self.name),
            "about" => value.clone_into(&mut self.about),
            "needs" => self.needs = value.split_whitespace().map(str::to_owned).collect(),
            "version" => value.clone_into(&mut self.version),
            "set" => {
                // The second word may be missing, and then is empty.
                let (name, rest) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
                let rest = rest.trim();
                self.words.push((name.to_owned(), if rest.is_empty() { String::new() } else { format!(" {rest}") }));
            }
            "config" => self.configs.push(value.to_owned()),
            "start" => value.clone_into(&mut self.start),
            "restart" => {
                self.restart = Some(match value.strip_prefix("signal ") {
                    Some(name) => Restart::Signal(signal(name)?),
                    None => Restart::Command(value.to_owned()),
                });
            }
            "stop" => self.stop = signal(value)?,
            "workers" => {
                let word = value.strip_prefix("children").with_context(|| format!("workers {value:?}"))?;
                word.trim().clone_into(&mut self.worker_word);
            }
            "processes" => self.processes = Some(value.parse()?),
            "cleanup" => self.cleanup = Some(value.to_owned()),
            _ => bail!("unknown key {key:?}"),
        }
        Ok(())
    }

    /// The first program that it needs and this machine does not have.
    pub fn missing(&self, places: &Places) -> Option<String> {
        self.needs.iter().map(|program| fill(program, &places.words())).find(|program| !is_there(program))
    }
}

/// Replaces the words in braces. Other braces stay.
pub fn fill(text: &str, words: &[(String, String)]) -> String {
    words.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// Folders of programs; those of the administrator are not in everybody's path.
pub fn search_path() -> String {
    format!("{}:/usr/local/sbin:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

fn is_there(program: &str) -> bool {
    program.contains('/') && Path::new(program).exists()
        || search_path().split(':').any(|folder| Path::new(folder).join(program).is_file())
}

fn signal(name: &str) -> Result<Signal> {
    format!("SIG{name}").parse().with_context(|| format!("no signal {name:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description() {
        let text = "name x\n# why\nneeds sh no-such-program\nset a\nset b  c d\nstart run {port}\nrestart signal HUP\nstop QUIT\nworkers children w\nprocesses 1";
        let peer = Peer::parse(text).unwrap();
        assert_eq!(peer.restart, Some(Restart::Signal(Signal::SIGHUP)));
        assert_eq!((peer.stop, peer.worker_word.as_str(), peer.processes), (Signal::SIGQUIT, "w", Some(1)));
        assert_eq!(fill("{a}|{b}|{other}", &peer.words), "| c d|{other}");
        let places = Places { here: "/h".into(), tools: "/t".into(), servers: "/s".into() };
        assert_eq!(peer.missing(&places).as_deref(), Some("no-such-program"));
        assert!(Peer::parse("name x\nstart y\nrestart signal NONE").is_err());
        assert!(Peer::parse("name x\nstart y\nwords z").is_err());
        assert!(Peer::parse("name x").is_err());
    }

    #[test]
    fn every_description_here_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/peers");
        let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let read =
            all.filter(|path| path.extension().is_some_and(|end| end == "peer")).map(|path| Peer::read(&path).unwrap());
        assert!(read.filter(|peer| !peer.about.is_empty() && !peer.version.is_empty()).count() >= 10);
    }
}
