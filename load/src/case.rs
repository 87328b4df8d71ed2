//! The table of cases.

use crate::plan::Kind;

/// What happens to the server while the clients work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Graceful restarts, one after the other.
    Restarts,
    /// SIGUSR2 several times during a restart.
    Storm,
    /// SIGKILL of workers.
    Kill,
    /// SIGKILL of a worker that has connections in its queue.
    KillQueued,
    /// SIGKILL of any process during a restart.
    CrashInRestart,
    /// A restart while a killed worker is being replaced.
    RestartInCrash,
    /// SIGTERM to the master in a restart.
    ShutdownInRestart,
    /// An old worker that hangs.
    HungOldWorker,
    /// SIGTERM to one worker.
    OperatorTerm,
    /// Deploys that fail at once.
    FailedDeploys,
    /// Deploys that fail by the time limit: more than 10 s each.
    HangingDeploys,
    /// Kills, stops, hangs, restarts and broken deploys at random.
    Chaos,
    /// Kills, as fast as the workers come back.
    ManyKills,
}

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// The clients.
    pub clients: Vec<(Kind, usize)>,
    /// What happens.
    pub act: Act,
    /// Pause before each restart, in milliseconds: idle clients have to come back in between.
    pub gap_ms: (u64, u64),
    /// The cluster's `shutdown_timeout_ms`.
    pub shutdown_ms: u32,
    /// The server listens on several addresses (argument multi=yes).
    pub multi: bool,
    /// `ECEWO_CLUSTER_HANDOFF=off`: losses are only counted.
    pub handoff_off: bool,
    /// Clients that always have a request under way need no retry (contract 6.4).
    pub no_retries: bool,
}

fn case(name: &'static str, act: Act, clients: &[(Kind, usize)], about: &'static str) -> Case {
    Case {
        name,
        about,
        clients: clients.to_vec(),
        act,
        gap_ms: if clients.iter().any(|(kind, _)| *kind == Kind::Idle) { (100, 250) } else { (20, 60) },
        // Half of it is the time of a drain. A process that could run may wait for a processor for seconds where other processes keep
        // all of them busy: 2.9 s were seen with Linux 6.18 (perf sched).
        shutdown_ms: 20_000,
        multi: false,
        handoff_off: false,
        no_retries: false,
    }
}

/// All cases.
pub fn all() -> Vec<Case> {
    let mut cases = kinds();
    cases.extend(mixes());
    cases.extend(troubles());
    cases
}

/// A kind of client alone.
fn kinds() -> Vec<Case> {
    use Kind::{
        Busy, Chunked, Expect, Head, Http10, Idle, New, Parts, Pieces, Pipelined, PipelinedSlow, Post, Slow, SlowNew,
        SlowReader, TlsLike, WebsocketLike,
    };
    let alone = |kind: Kind, count, about| case(kind.name(), Act::Restarts, &[(kind, count)], about);
    // An opaque connection holds a worker for half of the time-out.
    let opaque = |kind: Kind, about| Case {
        shutdown_ms: 1000,
        ..case(kind.name(), Act::Restarts, &[(kind, 6), (New, 2)], about)
    };
    vec![
        alone(New, 8, "each request on a new connection"),
        Case { no_retries: true, ..alone(Busy, 8, "kept alive, the next request at once") },
        alone(Idle, 60, "kept alive, a request every 100 to 375 ms"),
        Case { no_retries: true, ..alone(Slow, 8, "the handler takes 400 ms") },
        alone(SlowNew, 8, "the same on new connections"),
        Case { no_retries: true, ..alone(Parts, 8, "answers in 3 parts, 300 ms apart") },
        Case { no_retries: true, ..alone(Chunked, 8, "answers in 3 chunks, 200 ms apart") },
        Case { no_retries: true, ..alone(Pipelined, 8, "3 requests written at once") },
        Case { no_retries: true, ..alone(PipelinedSlow, 8, "3 requests at once, one of 100 ms among them") },
        alone(Pieces, 8, "head and body of the request in 4 pieces, 50 ms apart"),
        // The end of its answer waits in the server's send buffer: for the server, the connection is idle then.
        alone(SlowReader, 4, "6 MB, read in half a second"),
        Case { no_retries: true, ..alone(Expect, 6, "Expect: 100-continue") },
        Case { no_retries: true, ..alone(Head, 6, "HEAD") },
        Case { no_retries: true, ..alone(Post, 6, "request bodies, with a length and in chunks") },
        alone(Http10, 6, "HTTP/1.0: the connection's end is the answer's"),
        opaque(TlsLike, "begins as TLS: lives until half of the time-out is over"),
        opaque(WebsocketLike, "Upgrade, 101, frames: lives until half of the time-out is over"),
    ]
}

fn mixes() -> Vec<Case> {
    use Kind::{
        Busy, Chunked, Expect, Head, Http10, Idle, New, Parts, Pieces, Pipelined, Post, Slow, SlowNew, SlowReader,
    };
    let everything = [
        (New, 4),
        (Busy, 4),
        (Idle, 20),
        (Slow, 3),
        (SlowNew, 2),
        (Parts, 3),
        (Chunked, 3),
        (Pipelined, 2),
        (Pieces, 3),
        (SlowReader, 1),
        (Expect, 2),
        (Head, 2),
        (Post, 2),
        (Http10, 2),
    ];
    let quick = [(New, 4), (Busy, 4), (Idle, 20)];
    vec![
        case("mix", Act::Restarts, &everything, "all kinds of HTTP clients together"),
        case("quick-mix", Act::Restarts, &quick, "new, busy and idle together"),
        case("idle-1000", Act::Restarts, &[(Idle, 1000)], "1,000 idle connections that are kept alive"),
        case("storm", Act::Storm, &quick, "SIGUSR2 several times in each restart"),
        Case {
            multi: true,
            ..case("multi", Act::Restarts, &quick, "IPv4, IPv6, dual stack, a worker's own port, one address")
        },
        Case { handoff_off: true, ..case("handoff-off", Act::Restarts, &quick, "ECEWO_CLUSTER_HANDOFF=off") },
    ]
}

fn troubles() -> Vec<Case> {
    use Kind::{Busy, Idle, New};
    let quick = [(New, 4), (Busy, 4), (Idle, 20)];
    vec![
        case("sigkill", Act::Kill, &[(New, 8)], "workers are killed: only what they handled is lost"),
        case("sigkill-kept", Act::Kill, &[(Busy, 4), (Idle, 20)], "the same with kept-alive connections"),
        case("sigkill-queued", Act::KillQueued, &[], "connections in a killed worker's queue are served"),
        case("crash-in-restart", Act::CrashInRestart, &quick, "any process is killed during a restart"),
        case("restart-in-crash", Act::RestartInCrash, &quick, "a restart while a crashed worker is replaced"),
        case("shutdown-in-restart", Act::ShutdownInRestart, &quick, "SIGTERM to the master in a restart"),
        Case {
            shutdown_ms: 1000,
            ..case(
                "hung-old-worker",
                Act::HungOldWorker,
                &[(Idle, 20)],
                "an old worker that hangs is killed in the end",
            )
        },
        case("operator-term", Act::OperatorTerm, &quick, "SIGTERM to one worker, which drains itself"),
        case("deploy-fails", Act::FailedDeploys, &quick, "missing, not executable, exits, crashes"),
        Case {
            shutdown_ms: 1000,
            ..case("chaos", Act::Chaos, &quick, "kills, stops, hangs, restarts, broken deploys at random")
        },
        case("many-kills", Act::ManyKills, &[(New, 4), (Busy, 4)], "kills, as fast as the workers come back"),
        case("deploy-hangs", Act::HangingDeploys, &quick, "hangs before it listens, listens elsewhere"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = all().iter().map(|case| case.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
