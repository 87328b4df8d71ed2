//! The section of docs/benchmarks.md that is generated.

use std::fmt::Write as _;

use anyhow::{Context, Result};

use super::results::{Results, summary};

const BEGIN: &str = "<!-- begin of what `make bench` writes -->";
const END: &str = "<!-- end of what `make bench` writes -->";

/// A column: its title, the measurement, the value, and how many digits.
type Column = (&'static str, &'static str, &'static str, usize);

struct Table {
    title: &'static str,
    text: &'static str,
    columns: &'static [Column],
}

const TABLES: [Table; 7] = [
    Table {
        title: "Start",
        text: "From the start of the process to the first answer, and until each of 2 workers has given one.",
        columns: &[("first answer, ms", "start", "first_ms", 1), ("all, ms", "start", "all_ms", 1)],
    },
    Table {
        title: "Rolling restart, new connections",
        text: "16 clients, each request on a new connection. Over when the last old process is gone.",
        columns: &[
            ("lost", "restart-new", "lost", 0),
            ("retried", "restart-new", "retried", 0),
            ("requests", "restart-new", "requests", 0),
            ("p99, ms", "restart-new", "p99_ms", 1),
            ("largest, ms", "restart-new", "max_ms", 1),
            ("duration, ms", "restart-new", "restart_ms", 0),
        ],
    },
    Table {
        title: "Rolling restart, kept-alive connections",
        text: "16 clients that ask again at once.",
        columns: &[
            ("lost", "restart-kept", "lost", 0),
            ("retried", "restart-kept", "retried", 0),
            ("requests", "restart-kept", "requests", 0),
            ("p99, ms", "restart-kept", "p99_ms", 1),
            ("largest, ms", "restart-kept", "max_ms", 1),
            ("duration, ms", "restart-kept", "restart_ms", 0),
        ],
    },
    Table {
        title: "SIGKILL of a worker",
        text: "Under 16 clients on new connections; recovered with the first answer of its replacement.",
        columns: &[
            ("lost", "kill", "lost", 0),
            ("of these refused", "kill", "refused", 0),
            ("requests", "kill", "requests", 0),
            ("largest latency, ms", "kill", "max_ms", 1),
            ("recovered, ms", "kill", "recovered_ms", 0),
        ],
    },
    Table {
        title: "When something is wrong",
        text: "SIGKILL of the master: how long until the last worker is gone, and how many are left after 2 s. A worker that hangs \
               (SIGSTOP): how long until all are gone after the master was told to stop, 4 s at most; time-outs are set to 2 s where \
               the server has one.",
        columns: &[
            ("workers gone, ms", "master-killed", "gone_ms", 0),
            ("left", "master-killed", "orphans", 0),
            ("stopped with a hanging one, ms", "stuck", "stopped_ms", 0),
            ("left", "stuck", "left", 0),
        ],
    },
    Table {
        title: "An idle master",
        text: "PSS of the master and of all its processes; system calls (strace) and wake-ups (voluntary context switches) of the \
               master, all its threads.",
        columns: &[
            ("PSS of the master, KiB", "idle", "master_pss_kib", 0),
            ("of all, KiB", "idle", "all_pss_kib", 0),
            ("calls/s", "idle", "calls_per_s", 1),
            ("wake-ups/s", "idle", "wakeups_per_s", 1),
        ],
    },
    Table {
        title: "Spread of connections over 8 workers",
        text: "64 clients on new connections for 1 s: the largest share of a worker, divided by the mean.",
        columns: &[
            ("largest to mean", "spread", "largest_to_mean", 2),
            ("workers that got any", "spread", "processes", 0),
            ("connections", "spread", "connections", 0),
        ],
    },
];

const THROUGHPUT: [Column; 8] = [
    ("1 worker: requests/s", "throughput-1", "per_second", 0),
    ("µs of processor a request", "throughput-1", "cpu_us", 2),
    ("p50, ms", "throughput-1", "p50_ms", 2),
    ("p99, ms", "throughput-1", "p99_ms", 2),
    ("2 workers: requests/s", "throughput-2", "per_second", 0),
    ("µs of processor a request", "throughput-2", "cpu_us", 2),
    ("p50, ms", "throughput-2", "p50_ms", 2),
    ("p99, ms", "throughput-2", "p99_ms", 2),
];

const RATIOS: [Column; 4] = [
    ("1 worker: requests/s", "throughput-1", "ratio", 3),
    ("processor time", "throughput-1", "cpu_ratio", 3),
    ("2 workers: requests/s", "throughput-2", "ratio", 3),
    ("processor time", "throughput-2", "cpu_ratio", 3),
];

const CHECK: [Column; 2] =
    [("this load generator: requests/s", "check", "own", 0), ("wrk: requests/s", "check", "wrk", 0)];

/// The whole section.
pub fn section(results: &Results) -> String {
    let mut text =
        format!("## Side by side\n\n`make bench`; medians of {} rounds, (smallest to largest). ", results.rounds);
    text += "A dash: not measured. \"Never\": not within the time in at least half of the rounds.\n\n";
    for (name, value) in &results.machine {
        let _ = writeln!(text, "- {name}: {value}");
    }
    let names: Vec<&str> = results.peers.iter().map(|peer| peer.name.as_str()).collect();
    for table in &TABLES {
        let _ = write!(text, "\n### {}\n\n{}\n\n", table.title, table.text);
        text += &rows(results, &names, table.columns);
    }
    text += "\n### What the library costs\n\n32 kept-alive clients that ask again at once, as many for each worker. Both servers run, \
             their clients stay connected, and the two work in turns: 256 turns of 30 ms each in a round, of which the medians \
             count. After 32 turns both are started anew. Each worker stays on a processor of its own, and the clients go \
             where there is room: whether two workers share a processor makes up to a factor of two, whatever the server. \
             The workers of both lead sessions of \
             their own. Where the kernel schedules by session (`kernel.sched_autogroup_enabled`), that alone costs two workers \
             some 20 % beside clients on the same two processors: without it in the plain server, the library's had 0.76 and \
             0.84 of its throughput in two rounds, and 1.01 and 1.02 with that switched off.\n\n";
    text += &rows(results, &["ecewo-cluster", "plain"], &THROUGHPUT);
    text += "\nWith the library divided by without it, in turns beside one another (aim for the requests: 0.99 at least):\n\n";
    text += &rows(results, &["ecewo-cluster"], &RATIOS);
    if !results.of("plain", "check", "own").is_empty() {
        text += "\n### The load generator beside wrk\n\nThe plain server with 2 workers, 32 kept-alive connections, one thread each.\n\n";
        text += &rows(results, &["plain"], &CHECK);
    }
    text += &appendix(results);
    text
}

fn appendix(results: &Results) -> String {
    let mut text = "\n### Versions and configurations\n".to_owned();
    for peer in &results.peers {
        let _ = write!(
            text,
            "\n**{}**: {}. {}\n\n```\n{}\n```\n",
            peer.name,
            peer.version,
            peer.about,
            peer.configuration.trim_end()
        );
    }
    if !results.left_out.is_empty() {
        text += "\n### Left out\n\n";
    }
    for left in &results.left_out {
        let _ = writeln!(text, "- {}: {}", left.what, left.why.lines().next().unwrap_or_default());
    }
    text
}

/// Servers of which nothing in this table was measured are not in it.
fn rows(results: &Results, peers: &[&str], columns: &[Column]) -> String {
    let titles: Vec<&str> = columns.iter().map(|(title, ..)| *title).collect();
    let mut text = format!("| server | {} |\n|---|{}\n", titles.join(" | "), "---|".repeat(columns.len()));
    for peer in peers {
        let cells: Vec<String> = columns
            .iter()
            .map(|(_, measure, value, digits)| cell(&results.of(peer, measure, value), *digits))
            .collect();
        if cells.iter().any(|cell| cell != "-") {
            let _ = writeln!(text, "| {peer} | {} |", cells.join(" | "));
        }
    }
    text
}

fn cell(values: &[Option<f64>], digits: usize) -> String {
    let Some(summary) = summary(values) else { return "-".to_owned() };
    let (smallest, largest) = (number(summary.smallest, digits), number(summary.largest, digits));
    match summary.median.map(|median| number(median, digits)) {
        Some(median) if summary.missing > 0 => {
            format!("{median} ({smallest} to {largest}; {} of {} never)", summary.missing, summary.all)
        }
        Some(median) if smallest == largest => median,
        Some(median) => format!("{median} ({smallest} to {largest})"),
        None if summary.missing < summary.all => {
            format!("never ({} of {}; {smallest} to {largest})", summary.missing, summary.all)
        }
        None => "never".to_owned(),
    }
}

fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    rest.map_or(grouped.clone(), |rest| format!("{grouped}.{rest}"))
}

/// The document with this section in place of the one it has. The rest stays.
pub fn put_into(document: &str, section: &str) -> Result<String> {
    let (before, rest) = document.split_once(BEGIN).with_context(|| format!("the line {BEGIN:?} is missing"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("the line {END:?} is missing"))?;
    Ok(format!("{before}{BEGIN}\n\n{section}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells() {
        assert_eq!(cell(&[], 1), "-");
        assert_eq!(cell(&[Some(1234.5)], 1), "1,234.5");
        assert_eq!(cell(&[Some(0.0), Some(0.0)], 0), "0");
        assert_eq!(cell(&[Some(1.0), Some(3.0), Some(2.0)], 0), "2 (1 to 3)");
        assert_eq!(cell(&[Some(1.0), None, Some(2.0)], 0), "2 (1 to 2; 1 of 3 never)");
        assert_eq!(cell(&[None, None, Some(2.0)], 0), "never (2 of 3; 2 to 2)");
        assert_eq!(cell(&[None], 0), "never");
    }

    #[test]
    fn only_the_part_between_the_marks_is_replaced() {
        let before = format!("# A\n{BEGIN}\nold\n{END}\n# B\n");
        let after = put_into(&before, "new").unwrap();
        assert_eq!(after, format!("# A\n{BEGIN}\n\nnew\n{END}\n# B\n"));
        assert_eq!(put_into(&after, "new").unwrap(), after);
        assert!(put_into("# A", "new").is_err());
    }
}
