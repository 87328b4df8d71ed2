//! Everything that a new worker is made from.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::keeper::Kept;
use crate::core::{Image, ProcessKey};
use crate::sys::fd::FileIdentity;
use crate::sys::image::{self, Birthplace};
use crate::sys::limits::DescriptorLimit;
use crate::sys::pidfd::PidFd;
use crate::sys::process::{self, Pid};
use crate::sys::{socket, spawn};
use crate::wire::{FromMaster, Welcome};
use crate::worker;

/// A program as it was deployed at one time: its file, and the directory that it starts in. Both are held, so that a
/// path that leads to another release by now changes neither.
#[derive(Debug)]
pub(crate) struct Release {
    file: OwnedFd,
    directory: Option<OwnedFd>,
}

/// Makes worker processes, and knows which release each slot runs.
#[derive(Debug)]
pub(crate) struct Launcher {
    /// What a slot runs, if it is not what the master runs.
    releases: BTreeMap<u8, Rc<Release>>,
    own_release: Rc<Release>,
    program_path: PathBuf,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    directory: Option<PathBuf>,
    null: OwnedFd,
    descriptor_limit: DescriptorLimit,
    /// A pidfd of the master's own, given to each worker; `None` where the kernel gives none.
    own_pidfd: Option<PidFd>,
    /// What each worker is told; its id and the number of its listeners differ.
    welcome: Welcome,
}

impl Release {
    fn identity(&self) -> (Option<FileIdentity>, Option<FileIdentity>) {
        let directory = self.directory.as_ref().and_then(|directory| FileIdentity::of(directory.as_raw_fd()));
        (FileIdentity::of(self.file.as_raw_fd()), directory)
    }
}

fn hold_directory(path: Option<&Path>) -> Option<OwnedFd> {
    // Without it workers start where the master is.
    path.and_then(|path| image::hold(path).ok())
}

/// A process just made, and the master's end of its channel.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) child: spawn::Child,
    pub(crate) channel: OwnedFd,
    pub(crate) release: Rc<Release>,
}

/// What could not be done, and why.
pub(crate) type LaunchError = (&'static str, io::Error);

impl Launcher {
    pub(crate) fn new(
        arguments: Vec<CString>,
        birthplace: &Birthplace,
        descriptor_limit: DescriptorLimit,
        welcome: Welcome,
    ) -> Result<Self, LaunchError> {
        let own_image = image::hold_running(birthplace).map_err(|error| ("opening the program file", error))?;
        let null = image::hold_null().map_err(|error| ("opening /dev/null", error))?;
        let environment = image::environment()
            .into_iter()
            .filter(|entry| {
                let removed = [worker::PLUGIN_VARIABLE, worker::ID_VARIABLE, worker::CHANNEL_VARIABLE];
                !removed.iter().any(|name| image::names(entry, name))
            })
            .collect();
        let directory = birthplace.directory.clone();
        Ok(Self {
            releases: BTreeMap::new(),
            program_path: birthplace.program.clone(),
            own_release: Rc::new(Release { file: own_image, directory: hold_directory(directory.as_deref()) }),
            arguments,
            environment,
            directory,
            null,
            descriptor_limit,
            own_pidfd: Pid::new(process::own_pid()).and_then(|pid| PidFd::open(pid).ok()),
            welcome,
        })
    }

    /// The program file that a restart would run.
    pub(crate) fn program(&self) -> &Path {
        &self.program_path
    }

    /// Whether listening sockets are kept (contract 6.6).
    pub(crate) fn hands_over(&self) -> bool {
        self.welcome.handoff
    }

    /// Makes a process for a slot.
    pub(crate) fn launch(&self, key: ProcessKey, image: Image, listeners: &[Kept]) -> Result<Launched, LaunchError> {
        let release = match image {
            Image::Held => self.held(key.slot()),
            Image::Deployed => self.deployed().map_err(|error| ("opening the program file", error))?,
        };
        let (ours, theirs) = socket::pair().map_err(|error| ("making its channel", error))?;
        self.welcome(key.slot(), &ours, listeners).map_err(|error| ("making its channel", error))?;
        let environment = self.environment_of(key.slot(), &theirs).map_err(|error| ("making its channel", error))?;
        let child = spawn::spawn(&spawn::Command {
            image: release.file.as_fd(),
            arguments: &self.arguments,
            environment: &environment,
            directory: release.directory.as_ref().map(AsFd::as_fd),
            stdin: self.null.as_fd(),
            inherited: theirs.as_fd(),
            descriptor_limit: self.descriptor_limit,
        })
        .map_err(|error| ("making its process", error))?;
        Ok(Launched { child, channel: ours, release })
    }

    /// The slot runs this release from now on.
    pub(crate) fn promote(&mut self, slot: u8, release: &Rc<Release>) {
        self.releases.insert(slot, Rc::clone(release));
    }

    fn held(&self, slot: u8) -> Rc<Release> {
        Rc::clone(self.releases.get(&slot).unwrap_or(&self.own_release))
    }

    /// What is on disk; where some slot runs that already, without more descriptors for it.
    fn deployed(&self) -> io::Result<Rc<Release>> {
        let file = image::hold(&self.program_path)?;
        let release = Release { file, directory: hold_directory(self.directory.as_deref()) };
        let known = self.releases.values().chain([&self.own_release]);
        let same = known.into_iter().find(|held| held.identity() == release.identity());
        Ok(same.map_or_else(|| Rc::new(release), Rc::clone))
    }

    /// Waits in the socket until the worker's constructor reads it.
    fn welcome(&self, id: u8, channel: &OwnedFd, kept: &[Kept]) -> io::Result<()> {
        let send = |message: FromMaster, descriptor| {
            socket::send(channel.as_raw_fd(), message.encode().bytes(), descriptor)
                .map_err(io::Error::from_raw_os_error)
        };
        let listeners = u16::try_from(kept.len()).unwrap_or(u16::MAX);
        let pidfd = self.own_pidfd.as_ref().map(AsRawFd::as_raw_fd);
        send(FromMaster::Welcome(Welcome { id, listeners, ..self.welcome }), pidfd)?;
        for kept in kept {
            // One that cannot be sent (the channel is full, too many descriptors are in flight) is opened anew by the program. So
            // many messages were announced: without one in its place, the worker would take a later one for it.
            send(FromMaster::Adopt(kept.address), Some(kept.socket.as_raw_fd()))
                .or_else(|_| send(FromMaster::Adopt(kept.address), None))
                .unwrap_or(());
        }
        Ok(())
    }

    fn environment_of(&self, id: u8, channel: &OwnedFd) -> io::Result<Vec<CString>> {
        let number = channel.as_raw_fd();
        let inode = FileIdentity::of(number).ok_or_else(io::Error::last_os_error)?.inode();
        let mut environment = self.environment.clone();
        environment.push(CString::new(format!("{}={number}:{inode}", worker::CHANNEL_VARIABLE))?);
        environment.push(CString::new(format!("{}={id}", worker::ID_VARIABLE))?);
        Ok(environment)
    }
}
