//! What is printed about a run.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::scene::Scene;

/// So many lost requests are shown.
const SHOWN: usize = 30;

/// The one line: case, server, workers, restarts, requests, retried, lost, milliseconds of a restart, latencies.
pub fn line(scene: &mut Scene, passed: bool) -> String {
    let mut took: Vec<_> = scene.restarts.iter().map(|(_, took)| milliseconds(*took)).collect();
    took.sort_by(f64::total_cmp);
    let (median, largest) = (took.get(took.len() / 2).copied().unwrap_or(0.0), took.last().copied().unwrap_or(0.0));
    let latencies = scene.tally.latencies(&[0.5, 0.99, 0.999, 1.0]);
    let latencies: Vec<_> = latencies.into_iter().map(|latency| format!("{:.1}", milliseconds(latency))).collect();
    format!(
        "{:4} {:19} {:34} {} w {:3} r {:7} req {:3} retried {:3} lost  restart {:.0}/{:.0} ms  p50/99/99.9/max {} ms  {:.1} s",
        if passed { "ok" } else { "FAIL" },
        scene.case.name,
        server_name(scene),
        scene.setting.workers,
        scene.restarts.len(),
        scene.tally.requests,
        scene.tally.retried,
        scene.tally.all_lost(),
        median,
        largest,
        latencies.join("/"),
        scene.elapsed().as_secs_f64(),
    )
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The program and its arguments, short.
pub fn server_name(scene: &Scene) -> String {
    let program = scene.setting.program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut name = program.trim_start_matches("zl-").to_owned();
    for argument in &scene.setting.arguments {
        let _ = write!(name, " {argument}");
    }
    name
}

/// What is known of a failure.
pub fn details(scene: &Scene) -> String {
    let mut text = String::new();
    let tally = &scene.tally;
    let _ = writeln!(
        text,
        "  {} answers, {} connections, {} closed while idle, {} announced; lost: {:?}; by pid: {:?}",
        tally.answers(),
        tally.connections,
        tally.closed_idle,
        tally.announced,
        tally.lost,
        tally.by_pid,
    );
    for lost in tally.details.iter().take(SHOWN) {
        let waited = lost.at.saturating_duration_since(lost.sent);
        let _ = writeln!(
            text,
            "  {}, {:.1} ms after it was sent, {}: {} client, pid {}: {}",
            relative(scene, lost.at),
            milliseconds(waited),
            lost.loss,
            lost.client,
            lost.pid,
            lost.detail,
        );
    }
    if tally.details.len() > SHOWN {
        let _ = writeln!(text, "  ... and {} more", tally.details.len() - SHOWN);
    }
    for retried in tally.retries.iter().take(SHOWN) {
        let _ = writeln!(
            text,
            "  retried: {}, {:.1} ms after it was sent, which was {:.1} ms after the answer before it: {} client, pid {}",
            relative(scene, retried.sent + retried.waited),
            milliseconds(retried.waited),
            milliseconds(retried.thought),
            retried.client,
            retried.pid,
        );
    }
    let _ = writeln!(text, "  What the master said last:");
    for event in scene.server.events.iter().rev().take(12).rev() {
        let _ = writeln!(text, "    {}: {:?}", relative(scene, event.at), event.said);
    }
    let complaints = scene.server.complaints();
    let lines: Vec<_> = complaints.lines().collect();
    let _ = writeln!(text, "  The end of its stderr:");
    for line in lines.iter().skip(lines.len().saturating_sub(25)) {
        let _ = writeln!(text, "    {line}");
    }
    text
}

/// "restart 3 + 12.5 ms".
fn relative(scene: &Scene, at: Instant) -> String {
    let before = scene.restarts.iter().enumerate().rev().find(|(_, (begin, _))| *begin <= at);
    before.map_or_else(
        || "before the first restart".to_owned(),
        |(index, (begin, _))| format!("restart {} + {:.1} ms", index + 1, milliseconds(at - *begin)),
    )
}
