//! A server, its clients, and what happened so far: what every scenario works with.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;

use crate::case::{Act, Case};
use crate::connection::Targets;
use crate::engine::Load;
use crate::outcome::{Loss, LostRequest};
use crate::plan::Kind;
use crate::server::{Said, Server, Start, counts};
use crate::tally::Tally;

/// How a case is run.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The server program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// So many workers.
    pub workers: u8,
    /// At most so many restarts (or kills, or whatever the case does) ...
    pub restarts: usize,
    /// ... and at most for so long, but at least [`AT_LEAST`].
    pub seconds: f64,
    /// Retries are only counted, also where the case forbids them.
    pub allow_retries: bool,
}

/// So many restarts or rounds there are, however long they take.
pub const AT_LEAST: usize = 3;

/// A run of one case.
pub struct Scene {
    /// The case.
    pub case: Case,
    /// How.
    pub setting: Setting,
    /// The server.
    pub server: Server,
    /// When each restart (or kill) began, and how long it took.
    pub restarts: Vec<(Instant, Duration)>,
    /// What the clients counted, once they have stopped.
    pub tally: Tally,
    load: Option<Load>,
    /// Losses that the case permits.
    pub allowed: BTreeMap<Loss, u64>,
    /// Processes that were killed.
    pub kills: Vec<Kill>,
    born: Instant,
    started: Instant,
}

/// A process that was killed, perhaps after it had been stopped for a while.
#[derive(Debug, Clone, Copy)]
pub struct Kill {
    /// Whatever came to it from then on was in its queue.
    pub stopped: Option<Instant>,
    /// The signal that ended it.
    pub at: Instant,
    /// When it was gone, or the same where nobody has looked.
    pub gone: Instant,
    /// What it excuses.
    pub excused: &'static [Loss],
}

/// The clients notice a death within this time, as far as they have a processor to look.
const NOTICED: Duration = Duration::from_millis(60);

impl Kill {
    /// Whether it may be the cause of this loss: the request was being handled in the killed process.
    fn excuses(&self, lost: &LostRequest) -> bool {
        let was_queued = self.stopped.is_some_and(|stopped| lost.sent > stopped);
        self.excused.contains(&lost.loss) && lost.at >= self.at && lost.looked <= self.gone + NOTICED && !was_queued
    }
}

/// What may become of a request that a killed process was handling.
pub const HANDLED: [Loss; 4] = [Loss::Fresh, Loss::Broken, Loss::PipelineCut, Loss::RetryFailed];

/// Room for what a machine is slow at, beside the times that the contract names.
const SLACK: Duration = Duration::from_secs(5);

impl Scene {
    /// Starts the server; no clients yet.
    pub fn start(case: Case, setting: Setting) -> Result<Self> {
        let mut arguments = setting.arguments.clone();
        if case.multi {
            arguments.push("multi=yes".to_owned());
        }
        let born = Instant::now();
        let server = Server::start(&Start {
            program: &setting.program,
            arguments: &arguments,
            workers: setting.workers,
            ports_after: if case.multi { u16::from(setting.workers) + 1 } else { 0 },
            shutdown_ms: case.shutdown_ms,
            handoff_off: case.handoff_off,
        })?;
        Ok(Self {
            case,
            setting,
            server,
            restarts: Vec::new(),
            tally: Tally::default(),
            load: None,
            allowed: BTreeMap::new(),
            kills: Vec::new(),
            born,
            started: Instant::now(),
        })
    }

    /// Where this server listens.
    pub fn targets(&self) -> Targets {
        let port = self.server.port;
        if !self.case.multi {
            return Targets::everywhere(port);
        }
        let local = |last, port| SocketAddr::from(([127, 0, 0, last], port));
        let mut addresses = vec![local(1, port), local(2, port), local(1, port + 1)];
        addresses.extend((0..u16::from(self.setting.workers)).map(|id| local(1, port + 2 + id)));
        addresses.extend([port, port + 1].map(|port| SocketAddr::from((Ipv6Addr::LOCALHOST, port))));
        Targets { addresses, spread: false }
    }

    /// Starts the case's clients and waits until they are at work.
    pub fn start_clients(&mut self) -> Result<()> {
        let clients = self.case.clients.clone();
        let load = self.start_more_clients(&clients)?;
        self.load = Some(load);
        self.started = Instant::now();
        Ok(())
    }

    /// Starts clients beside the case's own.
    pub fn start_more_clients(&self, clients: &[(Kind, usize)]) -> Result<Load> {
        let all: usize = clients.iter().map(|(_, count)| count).sum();
        let load = Load::start(clients, self.targets())?;
        let deadline = Instant::now() + Duration::from_secs(10);
        // On the average, each of them has had an answer.
        while load.answers() < all as u64 {
            ensure!(Instant::now() < deadline, "{} clients have {} answers after 10 s", all, load.answers());
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(load)
    }

    /// Whether to do it once more.
    pub fn goes_on(&self) -> bool {
        let done = self.restarts.len();
        done < self.setting.restarts && (done < AT_LEAST || self.started.elapsed().as_secs_f64() < self.setting.seconds)
    }

    /// Losses of these kinds are permitted: so many more, together for each kind.
    pub fn allow(&mut self, losses: &[Loss], more: u64) {
        for loss in losses {
            let allowed = self.allowed.entry(*loss).or_default();
            *allowed = allowed.saturating_add(more);
        }
    }

    /// How long a restart of so many workers may take.
    pub fn restart_limit(&self, workers: usize) -> Duration {
        SLACK + Duration::from_millis(u64::from(self.case.shutdown_ms) + 500) * workers as u32
    }

    /// One graceful restart, from the request to the end of the last old process.
    pub fn restart(&mut self, workers: usize) -> Result<()> {
        let (starts, exits) = self.server.counts();
        let begin = Instant::now();
        self.server.signal(Signal::SIGUSR2)?;
        let limit = self.restart_limit(workers);
        let number = self.restarts.len() + 1;
        self.restarts.push((begin, Duration::ZERO));
        self.server.wait_for(limit, &format!("the end of restart {number}"), |events| {
            let (now_starts, now_exits) = counts(events);
            now_starts >= starts + workers && now_exits >= exits + workers
        })?;
        self.took_until_now();
        Ok(())
    }

    /// The last restart is over with what the server said last.
    pub fn took_until_now(&mut self) {
        let end = self.server.events.last().map_or_else(Instant::now, |event| event.at);
        if let Some((begin, took)) = self.restarts.last_mut() {
            *took = end.saturating_duration_since(*begin);
        }
    }

    /// Exactly the master and the workers run, and the master has nothing to do.
    pub fn nothing_left_over(&mut self, workers: u8) -> Result<()> {
        self.server.wait_until_settled(workers, self.restart_limit(1))?;
        let ours = self.server.ours();
        ensure!(ours.len() == usize::from(workers) + 1, "{workers} workers and a master, but these run: {ours:?}");
        let before = self.master_ticks()?;
        std::thread::sleep(Duration::from_millis(200));
        let ticks = self.master_ticks()? - before;
        ensure!(ticks <= 4, "the master used {ticks} ticks of the processor in 200 ms");
        Ok(())
    }

    fn master_ticks(&self) -> Result<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.server.pid()))?;
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let mut fields = after_name.split_whitespace().skip(11);
        let mut next = || fields.next().and_then(|field| field.parse::<u64>().ok()).context("stat of the master");
        Ok(next()? + next()?)
    }

    /// Old workers that did not end when they were told to, if there were any.
    fn killed_after_all(&self) -> Option<usize> {
        let killed = Said::is_death_by_sigkill;
        Some(self.server.events.iter().filter(|event| killed(&event.said)).count()).filter(|count| *count > 0)
    }

    /// How long the run has taken so far.
    pub fn elapsed(&self) -> Duration {
        self.born.elapsed()
    }

    /// Stops the case's clients and keeps what they counted.
    pub fn stop_clients(&mut self) -> Result<()> {
        if let Some(load) = self.load.take() {
            self.tally = load.stop()?;
        }
        Ok(())
    }

    /// SIGTERM to the master, which must end with 0 and leave nothing.
    pub fn shut_down(&mut self) -> Result<()> {
        self.server.signal(Signal::SIGTERM)?;
        self.server.wait_for_end(Duration::from_millis(u64::from(self.case.shutdown_ms)) + SLACK)
    }

    /// Whether nothing was lost that the case does not permit.
    pub fn judge(&mut self) -> Result<()> {
        crate::opaque_ends::judge(self);
        let mut faults = Vec::new();
        let (kills, details) = (&self.kills, &self.tally.details);
        let excused = |loss| {
            let of_kind = details.iter().filter(|lost| lost.loss == loss);
            of_kind.filter(|lost| kills.iter().any(|kill| kill.excuses(lost))).count() as u64
        };
        for loss in Loss::ALL {
            let (lost, allowed) = (self.tally.lost_by(loss), self.allowed.get(&loss).copied().unwrap_or(0));
            let allowed = allowed.saturating_add(excused(loss));
            if lost > allowed && !self.case.handoff_off {
                faults.push(format!("{lost} {loss} ({allowed} allowed)"));
            }
        }
        if self.case.no_retries && self.tally.retried > 0 && !self.setting.allow_retries && !self.case.handoff_off {
            faults.push(format!("{} retried, although they always had a request under way", self.tally.retried));
        }
        if let (Act::Restarts, Some(killed)) = (self.case.act, self.killed_after_all()) {
            faults.push(format!("{killed} old workers had to be killed with SIGKILL"));
        }
        if self.tally.answers() == 0 && !self.case.clients.is_empty() {
            faults.push("no request was answered".to_owned());
        }
        if faults.is_empty() { Ok(()) } else { bail!("{}", faults.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_excuses_what_was_being_handled_and_nothing_else() {
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let lost = |loss, sent, noticed| LostRequest {
            at: at(noticed),
            looked: at(noticed - 1),
            sent: at(sent),
            loss,
            client: "new",
            pid: 0,
            detail: String::new(),
        };
        let kill = Kill { stopped: Some(at(100)), at: at(150), gone: at(160), excused: &HANDLED };
        assert!(kill.excuses(&lost(Loss::Fresh, 99, 151)));
        assert!(!kill.excuses(&lost(Loss::Fresh, 120, 151)), "it was in the queue");
        assert!(!kill.excuses(&lost(Loss::Fresh, 99, 140)), "it was lost before");
        assert!(!kill.excuses(&lost(Loss::Fresh, 99, 300)), "it was lost later");
        let busy = LostRequest { looked: at(155), ..lost(Loss::Fresh, 99, 300) };
        assert!(kill.excuses(&busy), "nobody could look before");
        assert!(!kill.excuses(&lost(Loss::Refused, 99, 151)));
        assert!(Kill { stopped: None, ..kill }.excuses(&lost(Loss::Broken, 120, 151)));
    }
}
