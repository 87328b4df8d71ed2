//! What happens to the server in each case.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;

use crate::case::Act;
use crate::outcome::Loss;
use crate::plan::Kind;
use crate::scene::{HANDLED, Kill, Scene};
use crate::server::counts;

/// What may become of a request when the server goes down on purpose.
const GOING_DOWN: [Loss; 4] = [Loss::Refused, Loss::NoConnection, Loss::Fresh, Loss::RetryFailed];

/// Performs the case from the clients' start to the server's end.
pub fn perform(scene: &mut Scene) -> Result<()> {
    scene.start_clients()?;
    match scene.case.act {
        Act::Restarts => restarts(scene)?,
        Act::Storm => storm(scene)?,
        Act::Kill => kill(scene)?,
        Act::KillQueued => kill_queued(scene)?,
        Act::CrashInRestart => crash_in_restart(scene)?,
        Act::RestartInCrash => restart_in_crash(scene)?,
        Act::ShutdownInRestart => return shutdown_in_restart(scene),
        Act::HungOldWorker => hung_old_worker(scene)?,
        Act::OperatorTerm => operator_term(scene)?,
        Act::FailedDeploys => failed_deploys(scene, &["missing", "not-executable", "exit", "crash"])?,
        Act::Chaos => crate::chaos::chaos(scene)?,
        Act::ManyKills => crate::chaos::many_kills(scene)?,
        Act::HangingDeploys => failed_deploys(scene, &["hang", "elsewhere"])?,
    }
    // Whoever waits for an answer still gets one now, or never.
    pause(50, 100);
    scene.stop_clients()?;
    match scene.case.act {
        Act::Chaos | Act::ManyKills => crate::chaos::requests_add_up(scene)?,
        Act::Restarts
        | Act::Storm
        | Act::Kill
        | Act::KillQueued
        | Act::CrashInRestart
        | Act::RestartInCrash
        | Act::ShutdownInRestart
        | Act::HungOldWorker
        | Act::OperatorTerm
        | Act::FailedDeploys
        | Act::HangingDeploys => {}
    }
    let port = scene.server.port;
    scene.shut_down()?;
    let left = crate::chaos::listening_sockets(port)?;
    ensure!(left == 0, "{left} sockets listen on the port of a cluster that has ended");
    Ok(())
}

pub(crate) fn pause(from_ms: u64, to_ms: u64) {
    std::thread::sleep(Duration::from_micros(fastrand::u64(from_ms * 1000..=to_ms * 1000)));
}

fn restarts(scene: &mut Scene) -> Result<()> {
    let workers = usize::from(scene.setting.workers);
    if scene.setting.restarts == 0 {
        // What the clients have without one, for comparison.
        std::thread::sleep(Duration::from_secs_f64(scene.setting.seconds));
    }
    while scene.goes_on() {
        pause(scene.case.gap_ms.0, scene.case.gap_ms.1);
        scene.restart(workers)?;
    }
    Ok(())
}

fn storm(scene: &mut Scene) -> Result<()> {
    while scene.goes_on() {
        pause(20, 60);
        scene.restarts.push((Instant::now(), Duration::ZERO));
        for _ in 0..fastrand::u32(2..6) {
            scene.server.signal(Signal::SIGUSR2)?;
            pause(0, 15);
        }
        let limit = scene.restart_limit(usize::from(scene.setting.workers) * 3);
        scene.server.wait_until_settled(scene.setting.workers, limit)?;
        scene.took_until_now();
    }
    scene.stop_clients()?;
    scene.nothing_left_over(scene.setting.workers)
}

fn kill(scene: &mut Scene) -> Result<()> {
    while scene.goes_on() {
        pause(20, 80);
        let (starts, exits) = scene.server.counts();
        let stats = scene.server.stats()?;
        let pid = *stats.pids.get(fastrand::usize(0..stats.pids.len())).context("no workers")?;
        scene.restarts.push((Instant::now(), Duration::ZERO));
        // Half of them are stopped first: what comes then is in its queue for certain, and must survive it.
        let stopped = if fastrand::bool() {
            scene.server.stop_worker(pid)?;
            let at = Instant::now();
            pause(30, 60);
            Some(at)
        } else {
            None
        };
        let (at, gone) = scene.server.kill_worker(pid)?;
        scene.kills.push(Kill { stopped, at, gone, excused: &HANDLED });
        scene.server.wait_for(Duration::from_secs(10), "a killed worker's replacement", |events| {
            let (now_starts, now_exits) = counts(events);
            now_starts > starts && now_exits > exits
        })?;
        scene.took_until_now();
    }
    Ok(())
}

/// A request on a connection of its own, written and not waited for.
pub(crate) fn send_request(scene: &Scene, path: &str, id: u64) -> Result<TcpStream> {
    let address = *scene.targets().addresses.first().context("no address")?;
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(format!("GET {path}?id={id} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").as_bytes())?;
    Ok(stream)
}

/// One worker, which hangs in a handler: what comes then waits in its queue, and survives it.
fn kill_queued(scene: &mut Scene) -> Result<()> {
    ensure!(scene.setting.workers == 1, "this case is for one worker: with more, nobody knows whose queue it is");
    while scene.goes_on() {
        let mut handled = send_request(scene, "/hang", 1)?;
        pause(50, 60);
        let queued: Vec<_> = (100..120).map(|id| send_request(scene, "/", id)).collect::<Result<_>>()?;
        let (starts, _) = scene.server.counts();
        let pid = *scene.server.stats()?.pids.first().context("no worker")?;
        scene.restarts.push((Instant::now(), Duration::ZERO));
        scene.server.signal_worker(pid, Signal::SIGKILL)?;
        let mut answer = String::new();
        let end = handled.read_to_string(&mut answer);
        ensure!(answer.is_empty(), "/hang was answered ({end:?}): {answer}");
        for (mut stream, id) in queued.into_iter().zip(100..) {
            let mut answer = String::new();
            let end = stream.read_to_string(&mut answer);
            ensure!(answer.contains(&format!("\r\nX-Id: {id}\r\n")), "queued request {id}: {end:?} {answer:?}");
        }
        scene.server.wait_for(Duration::from_secs(5), "its replacement", |events| counts(events).0 > starts)?;
        scene.took_until_now();
    }
    Ok(())
}

/// Kills some process of the server that is not the master, if there is one that lives.
pub(crate) fn kill_any(scene: &mut Scene) {
    let mut ours = scene.server.ours();
    let master = scene.server.pid().as_raw() as u32;
    ours.retain(|pid| *pid != master);
    // One that has ended by itself meanwhile is no loss.
    let killed = fastrand::choice(ours).and_then(|pid| scene.server.kill_worker(pid).ok());
    if let Some((at, gone)) = killed {
        scene.kills.push(Kill { stopped: None, at, gone, excused: &HANDLED });
    }
}

fn settle(scene: &mut Scene) -> Result<()> {
    // The request and the question are both signals; the question must not overtake.
    pause(10, 10);
    let limit = scene.restart_limit(usize::from(scene.setting.workers) * 2);
    scene.server.wait_until_settled(scene.setting.workers, limit)?;
    scene.took_until_now();
    Ok(())
}

fn crash_in_restart(scene: &mut Scene) -> Result<()> {
    while scene.goes_on() {
        pause(20, 60);
        scene.restarts.push((Instant::now(), Duration::ZERO));
        scene.server.signal(Signal::SIGUSR2)?;
        pause(0, 12 * u64::from(scene.setting.workers));
        kill_any(scene);
        settle(scene)?;
    }
    // In the end, a restart in peace works as ever.
    scene.restart(usize::from(scene.setting.workers))?;
    scene.nothing_left_over(scene.setting.workers)
}

fn restart_in_crash(scene: &mut Scene) -> Result<()> {
    while scene.goes_on() {
        pause(20, 60);
        scene.restarts.push((Instant::now(), Duration::ZERO));
        kill_any(scene);
        pause(0, 150);
        scene.server.signal(Signal::SIGUSR2)?;
        settle(scene)?;
    }
    scene.restart(usize::from(scene.setting.workers))?;
    scene.nothing_left_over(scene.setting.workers)
}

/// Needs a server for each round: it is down afterwards.
fn shutdown_in_restart(scene: &mut Scene) -> Result<()> {
    scene.allow(&GOING_DOWN, u64::MAX);
    if scene.setting.arguments.iter().any(|argument| argument == "sigterm=die") {
        scene.allow(&[Loss::Broken, Loss::PipelineCut], u64::MAX);
    }
    pause(50, 100);
    let begin = Instant::now();
    scene.server.signal(Signal::SIGUSR2)?;
    pause(0, 12 * u64::from(scene.setting.workers));
    let told = Instant::now();
    scene.shut_down()?;
    scene.restarts.push((begin, begin.elapsed()));
    let (took, limit) = (told.elapsed(), Duration::from_millis(u64::from(scene.case.shutdown_ms) + 1000));
    ensure!(took < limit, "the shutdown took {took:?}");
    scene.stop_clients()
}

fn hung_old_worker(scene: &mut Scene) -> Result<()> {
    let workers = usize::from(scene.setting.workers);
    for _ in 0..2 {
        pause(400, 500);
        // Its kept-alive clients will need a retry; those in its queue, none.
        let hung = send_request(scene, "/hang", 1)?;
        pause(50, 60);
        let load = crate::engine::Load::start(&[(Kind::New, 6)], scene.targets())?;
        pause(100, 150);
        scene.restart(workers)?;
        ensure!(scene.restarts.last().is_some_and(|(_, took)| took.as_millis() >= 900), "nothing hung");
        pause(100, 150);
        let tally = load.stop()?;
        drop(hung);
        if tally.all_lost() > 0 || tally.answers() == 0 {
            let first = tally.details.first();
            bail!("new connections: {} answered, lost {:?}; the first: {first:?}", tally.answers(), tally.lost);
        }
    }
    Ok(())
}

fn operator_term(scene: &mut Scene) -> Result<()> {
    let workers = scene.setting.workers;
    ensure!(workers > 1, "this case is for more than one worker: with one, the cluster ends");
    pause(100, 200);
    let pid = *scene.server.stats()?.pids.last().context("no worker")?;
    let (_, exits) = scene.server.counts();
    scene.restarts.push((Instant::now(), Duration::ZERO));
    // The program itself closes a connection that it has just accepted and not read from: for it, that one is idle. The
    // time is taken first: a client may notice before this thread runs on.
    let at = Instant::now();
    scene.server.signal_worker(pid, Signal::SIGTERM)?;
    let limit = Duration::from_secs(5);
    scene.server.wait_for(limit, "the end of the worker", |events| counts(events).1 > exits)?;
    scene.kills.push(Kill { stopped: None, at, gone: Instant::now(), excused: &[Loss::Fresh] });
    scene.took_until_now();
    while scene.goes_on() {
        pause(50, 100);
        scene.restart(usize::from(workers) - 1)?;
    }
    scene.nothing_left_over(workers - 1)
}

fn failed_deploys(scene: &mut Scene, modes: &[&str]) -> Result<()> {
    let before = scene.server.stats()?.pids;
    let program = scene.server.program().to_owned();
    for mode in modes {
        pause(100, 150);
        break_deploy(scene, mode, &program)?;
        let errors = count_errors(scene);
        scene.restarts.push((Instant::now(), Duration::ZERO));
        scene.server.signal(Signal::SIGUSR2)?;
        let deadline = Instant::now() + Duration::from_secs(20);
        while count_errors(scene) == errors {
            ensure!(Instant::now() < deadline, "no [ERROR] line about the failed deploy ({mode}) after 20 s");
            std::thread::sleep(Duration::from_millis(5));
        }
        let stats = scene.server.wait_until_settled(scene.setting.workers, Duration::from_secs(20))?;
        scene.took_until_now();
        ensure!(stats.pids == before, "{mode}: the pids were {before:?} and are {:?}", stats.pids);
        mend_deploy(scene, mode, &program)?;
    }
    for _ in 0..3 {
        pause(50, 100);
        scene.restart(usize::from(scene.setting.workers))?;
    }
    let after = scene.server.stats()?.pids;
    ensure!(after.iter().all(|pid| !before.contains(pid)), "not all are replaced: {before:?}, {after:?}");
    scene.nothing_left_over(scene.setting.workers)
}

fn count_errors(scene: &Scene) -> usize {
    scene.server.complaints().matches("[ERROR]").count()
}

pub(crate) fn break_deploy(scene: &Scene, mode: &str, program: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    match mode {
        "missing" => std::fs::rename(program, program.with_extension("away"))?,
        "not-executable" => std::fs::set_permissions(program, PermissionsExt::from_mode(0o644))?,
        _ => scene.server.set_mode(Some(mode))?,
    }
    Ok(())
}

pub(crate) fn mend_deploy(scene: &Scene, mode: &str, program: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    match mode {
        "missing" => std::fs::rename(program.with_extension("away"), program)?,
        "not-executable" => std::fs::set_permissions(program, PermissionsExt::from_mode(0o755))?,
        _ => scene.server.set_mode(None)?,
    }
    Ok(())
}
