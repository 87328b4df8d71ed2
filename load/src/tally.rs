//! What the clients counted.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use crate::outcome::{Loss, LostRequest};

/// A request that was sent once more.
#[derive(Debug, Clone, Copy)]
pub struct Retried {
    /// What sent it.
    pub client: &'static str,
    /// When it was sent first.
    pub sent: Instant,
    /// From the answer before it to that.
    pub thought: Duration,
    /// From that to the connection's end.
    pub waited: Duration,
    /// Who had answered last.
    pub pid: u32,
}

/// So many lost and so many repeated requests are kept with their details; all are counted.
const KEPT: usize = 50_000;

/// A connection of another protocol that ended.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// When.
    pub at: Instant,
    /// The process at its other end.
    pub pid: u32,
}

/// Everything that was counted.
#[derive(Debug, Default)]
pub struct Tally {
    /// Requests that were begun (a retry is not one more).
    pub requests: u64,
    /// Connections that were begun.
    pub connections: u64,
    /// Requests sent once more on a new connection, as RFC 9110 section 9.2.2 allows.
    pub retried: u64,
    /// The first of these.
    pub retries: Vec<Retried>,
    /// Connections that the server ended while no answer was due.
    pub closed_idle: u64,
    /// Connections that ended because an answer said `Connection: close`.
    pub announced: u64,
    /// Lost requests by kind.
    pub lost: BTreeMap<Loss, u64>,
    /// The first of them.
    pub details: Vec<LostRequest>,
    /// Whole answers by process.
    pub by_pid: HashMap<u32, u64>,
    /// When each of these gave its first.
    pub first_by_pid: HashMap<u32, Instant>,
    /// Who gave a first answer last; 0: nobody.
    pub newest_pid: u32,
    /// Ends of connections of another protocol.
    pub cuts: Vec<Cut>,
    latencies_us: Vec<u32>,
}

impl Tally {
    /// Counts a right answer.
    pub fn answered(&mut self, pid: u32, latency: Duration) {
        *self.by_pid.entry(pid).or_insert_with(|| {
            self.first_by_pid.insert(pid, Instant::now());
            self.newest_pid = pid;
            0
        }) += 1;
        self.latencies_us.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    /// Counts `count` requests that are sent once more.
    pub fn retry(&mut self, retried: Retried, count: u64) {
        self.retried += count;
        if self.retries.len() < KEPT {
            self.retries.push(retried);
        }
    }

    /// Counts `count` requests lost for one reason.
    pub fn lose(&mut self, lost: LostRequest, count: u64) {
        *self.lost.entry(lost.loss).or_default() += count;
        if self.details.len() < KEPT {
            self.details.push(lost);
        }
    }

    /// All that were lost.
    pub fn all_lost(&self) -> u64 {
        self.lost.values().sum()
    }

    /// How many were lost in this way.
    pub fn lost_by(&self, loss: Loss) -> u64 {
        self.lost.get(&loss).copied().unwrap_or(0)
    }

    /// Right answers.
    pub fn answers(&self) -> usize {
        self.latencies_us.len()
    }

    /// The given percentiles of the latencies (0.5 is the median, 1.0 the longest).
    pub fn latencies(&mut self, percentiles: &[f64]) -> Vec<Duration> {
        self.latencies_us.sort_unstable();
        let last = self.latencies_us.len().saturating_sub(1);
        let at = |percentile: f64| self.latencies_us.get((last as f64 * percentile).round() as usize).copied();
        percentiles.iter().map(|each| Duration::from_micros(u64::from(at(*each).unwrap_or(0)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_the_latencies() {
        let mut tally = Tally::default();
        for ms in (0..=100).rev() {
            tally.answered(7, Duration::from_millis(ms));
        }
        let expected = [50, 99, 100].map(Duration::from_millis);
        assert_eq!(tally.latencies(&[0.5, 0.99, 1.0]), expected);
        assert_eq!(Tally::default().latencies(&[0.5]), [Duration::ZERO]);
        assert_eq!((tally.by_pid.get(&7), tally.newest_pid), (Some(&101), 7));
    }
}
