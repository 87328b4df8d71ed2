//! Random troubles, one after the other, under load (contract 6.4, 7.2); and nothing but kills, thousands of them.
//!
//! Afterwards everything must add up: what the master counted and what it said, its processes, its descriptors, and the sockets that listen.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use crate::acts::{break_deploy, kill_any, mend_deploy, pause, send_request};
use crate::processes;
use crate::scene::{HANDLED, Kill, Scene};
use crate::server::{Said, counts};

/// Something that happens to the cluster.
type Trouble = fn(&mut Scene) -> Result<()>;

/// What can happen; some of it more often.
const TROUBLES: [(&str, Trouble); 11] = [
    ("kill", kill),
    ("kill", kill),
    ("kill", kill),
    ("stop, then kill", stop_and_kill),
    ("stop and go on", stop_and_go_on),
    ("master stopped", stop_master),
    ("restart", restart),
    ("restart", restart),
    ("kill in a restart", kill_in_restart),
    ("hung worker", hang),
    ("broken deploy", broken_deploy),
];

/// A long time to settle, for a machine that is busy.
const SETTLED: Duration = Duration::from_secs(30);
/// So long before its end was told, a worker that somebody else killed may have been dead.
const TOLD: Duration = Duration::from_millis(50);

/// Random troubles until the time is over.
pub fn chaos(scene: &mut Scene) -> Result<()> {
    let before = Footprint::of(scene)?;
    let mut done = BTreeMap::<&str, u32>::new();
    while scene.goes_on() {
        pause(5, 150);
        let Some((name, trouble)) = fastrand::choice(TROUBLES) else { break };
        scene.restarts.push((Instant::now(), Duration::ZERO));
        trouble(scene).with_context(|| format!("{name}, after {done:?}"))?;
        scene.took_until_now();
        *done.entry(name).or_default() += 1;
    }
    let what: Vec<_> = done.iter().map(|(name, count)| format!("{name} {count}")).collect();
    println!("     {}", what.join(", "));
    adds_up(scene, &before)
}

/// Nothing but kills, as fast as the workers come back.
pub fn many_kills(scene: &mut Scene) -> Result<()> {
    let before = Footprint::of(scene)?;
    let mut alive = BTreeMap::new();
    let (mut read, mut kills) = (0, 0);
    while scene.goes_on() {
        scene.server.counts();
        for event in scene.server.events.iter().skip(read) {
            match event.said {
                Said::Start { worker, pid } => drop(alive.insert(worker, pid)),
                Said::Exit { .. } | Said::Ready | Said::End | Said::Stats(_) => {}
            }
        }
        read = scene.server.events.len();
        if alive.len() * 2 < usize::from(scene.setting.workers) {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        let Some(worker) = fastrand::choice(alive.keys().copied()) else { continue };
        let Some(pid) = alive.remove(&worker) else { continue };
        let at = Instant::now();
        scene.server.signal_worker(pid, Signal::SIGKILL)?;
        scene.kills.push(Kill { stopped: None, at, gone: at, excused: &HANDLED });
        scene.restarts.push((at, Duration::ZERO));
        kills += 1;
        pause(0, 4);
    }
    println!("     {kills} kills");
    adds_up(scene, &before)
}

fn random_worker(scene: &mut Scene) -> Result<Option<u32>> {
    let stats = scene.server.stats()?;
    let running: Vec<u32> = stats.pids.into_iter().filter(|pid| *pid != 0).collect();
    Ok(fastrand::choice(running))
}

fn settle(scene: &mut Scene) -> Result<()> {
    // The request and the question are both signals; the question must not overtake.
    pause(10, 10);
    scene.server.wait_until_settled(scene.setting.workers, SETTLED).map(drop)
}

fn kill(scene: &mut Scene) -> Result<()> {
    kill_any(scene);
    Ok(())
}

fn stop_and_kill(scene: &mut Scene) -> Result<()> {
    let Some(pid) = random_worker(scene)? else { return Ok(()) };
    if scene.server.stop_worker(pid).is_err() {
        return Ok(()); // it has ended meanwhile
    }
    let stopped = Some(Instant::now());
    pause(30, 300);
    if let Ok((at, gone)) = scene.server.kill_worker(pid) {
        scene.kills.push(Kill { stopped, at, gone, excused: &HANDLED });
    }
    Ok(())
}

fn stop_and_go_on(scene: &mut Scene) -> Result<()> {
    let Some(pid) = random_worker(scene)? else { return Ok(()) };
    if scene.server.stop_worker(pid).is_ok() {
        pause(30, 300);
        let _ = scene.server.signal_worker(pid, Signal::SIGCONT);
    }
    Ok(())
}

fn stop_master(scene: &mut Scene) -> Result<()> {
    scene.server.signal(Signal::SIGSTOP)?;
    pause(20, 300);
    if fastrand::bool() {
        kill_any(scene);
        pause(0, 50);
    }
    scene.server.signal(Signal::SIGCONT)
}

fn restart(scene: &mut Scene) -> Result<()> {
    for _ in 0..fastrand::u32(1..3) {
        scene.server.signal(Signal::SIGUSR2)?;
        pause(0, 20);
    }
    if fastrand::bool() { settle(scene) } else { Ok(()) }
}

fn kill_in_restart(scene: &mut Scene) -> Result<()> {
    scene.server.signal(Signal::SIGUSR2)?;
    pause(0, 30);
    kill_any(scene);
    settle(scene)
}

/// It is killed in a restart, when its time is over. A restart may be given up, so it may take several.
fn hang(scene: &mut Scene) -> Result<()> {
    settle(scene)?;
    let before = scene.server.stats()?.pids;
    let hung = send_request(scene, "/hang", 1)?;
    pause(30, 60);
    for _ in 0..5 {
        scene.server.signal(Signal::SIGUSR2)?;
        settle(scene)?;
        let after = scene.server.stats()?.pids;
        if after.iter().all(|pid| !before.contains(pid)) {
            drop(hung);
            return Ok(());
        }
    }
    anyhow::bail!("a worker that hangs was not replaced in 5 restarts")
}

fn broken_deploy(scene: &mut Scene) -> Result<()> {
    settle(scene)?;
    let mode = if fastrand::bool() { "missing" } else { "not-executable" };
    let program = scene.server.program().to_owned();
    break_deploy(scene, mode, &program)?;
    scene.server.signal(Signal::SIGUSR2)?;
    // A file that nobody may execute any more is none for those who hold it, either.
    if mode == "missing" && fastrand::bool() {
        pause(0, 20);
        kill_any(scene);
    }
    let settled = settle(scene);
    mend_deploy(scene, mode, &program)?;
    settled
}

/// What a cluster that has nothing to do has of the system.
#[derive(Debug, PartialEq, Eq)]
struct Footprint {
    descriptors_of_master: usize,
    zombies: usize,
    processes: usize,
    listening_sockets: usize,
}

impl Footprint {
    fn of(scene: &Scene) -> Result<Self> {
        let master = scene.server.pid();
        let descriptors_of_master = std::fs::read_dir(format!("/proc/{master}/fd"))?.count();
        let processes = scene.server.ours().len();
        let listening_sockets = listening_sockets(scene.server.port)?;
        Ok(Self { descriptors_of_master, zombies: zombies_of(master.as_raw()), processes, listening_sockets })
    }
}

fn zombies_of(parent: i32) -> usize {
    let stat = |pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    let start = format!(" Z {parent} ");
    let is_zombie = |stat: &String| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(&start));
    processes::pids().into_iter().filter_map(stat).filter(is_zombie).count()
}

/// Sockets that listen on this port, on whatever address.
pub fn listening_sockets(port: u16) -> Result<usize> {
    let table = std::fs::read_to_string("/proc/net/tcp")?;
    Ok(count_listening(&table, port))
}

fn count_listening(table: &str, port: u16) -> usize {
    let is_listening = |line: &&str| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let ends = format!(":{port:04X}");
        fields.next().is_some_and(|local| local.ends_with(&ends)) && fields.nth(1) == Some("0A")
    };
    table.lines().filter(is_listening).count()
}

/// Everything is as it was before the first trouble, and the numbers agree.
fn adds_up(scene: &mut Scene, before: &Footprint) -> Result<()> {
    // In peace, a restart replaces every worker, whatever they went through.
    settle(scene)?;
    let old = scene.server.stats()?.pids;
    scene.server.signal(Signal::SIGUSR2)?;
    settle(scene)?;
    let stats = scene.server.stats()?;
    ensure!(stats.pids.iter().all(|pid| !old.contains(pid)), "not all are replaced: {old:?}, {:?}", stats.pids);
    let deadline = Instant::now() + SETTLED;
    loop {
        let now = Footprint::of(scene)?;
        if now == *before {
            break;
        }
        ensure!(Instant::now() < deadline, "at the start {before:?}, in the end {now:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let (starts, exits) = scene.server.counts();
    let workers = usize::from(scene.setting.workers);
    ensure!(starts - exits == workers, "{starts} starts and {exits} exits were told of, and {workers} workers run");
    let replaced = (starts - workers) as u64;
    ensure!(stats.total_restarts == replaced, "{} replacements are counted, {replaced} told of", stats.total_restarts);
    ensure!(counts(&scene.server.events).0 == starts, "it goes on starting workers");
    // Those that the master had to kill are as dead as the others.
    for event in scene.server.events.iter().filter(|event| event.said.is_death_by_sigkill()) {
        let at = event.at.checked_sub(TOLD).unwrap_or(event.at);
        scene.kills.push(Kill { stopped: None, at, gone: at, excused: &HANDLED });
    }
    scene.nothing_left_over(scene.setting.workers)
}

/// Each request was answered, or lost and told of, or was under way when the clients were stopped: one of each client.
pub fn requests_add_up(scene: &Scene) -> Result<()> {
    let (all, known) = (scene.tally.requests, scene.tally.answers() as u64 + scene.tally.all_lost());
    let clients: usize = scene.case.clients.iter().map(|(_, count)| count).sum();
    let open = all.checked_sub(known).with_context(|| format!("{all} requests, and {known} ends of requests"))?;
    ensure!(open <= clients as u64, "{open} requests have neither been answered nor lost");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_in_the_kernels_table() {
        let table = "  sl  local_address rem_address   st tx_queue\n\
                     0: 00000000:0BB8 00000000:0000 0A 0:0\n\
                     1: 0100007F:0BB8 00000000:0000 0A 0:0\n\
                     2: 0100007F:0BB8 0100007F:9999 01 0:0\n\
                     3: 0100007F:0BB9 00000000:0000 0A 0:0\n";
        assert_eq!(count_listening(table, 3000), 2);
        assert_eq!(count_listening(table, 3002), 0);
    }
}
