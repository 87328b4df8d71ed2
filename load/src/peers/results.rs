//! What was measured, as it is kept beside the tables.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Numbers by their names; `None`: it did not happen within the time.
pub type Values = BTreeMap<String, Option<f64>>;

/// One measurement of one server in one round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// The server.
    pub peer: String,
    /// Counted from 1.
    pub round: usize,
    /// What was done.
    pub measure: String,
    /// What came out.
    pub values: Values,
}

/// A server that took part.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Taken {
    /// Its name.
    pub name: String,
    /// A line about it.
    pub about: String,
    /// What it says its version is.
    pub version: String,
    /// How it was started, and its files.
    pub configuration: String,
}

/// What was left out, and why.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LeftOut {
    /// Of this server, or of one measurement of it.
    pub what: String,
    /// Why.
    pub why: String,
}

/// All of it.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Results {
    /// Kernel, processor, how many of them, and the load average before the first measurement.
    pub machine: BTreeMap<String, String>,
    /// Rounds.
    pub rounds: usize,
    /// Who took part.
    pub peers: Vec<Taken>,
    /// Who did not, and measurements that failed.
    pub left_out: Vec<LeftOut>,
    /// The numbers.
    pub records: Vec<Record>,
}

impl Results {
    /// Reads them.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| path.display().to_string())
    }

    /// Writes them.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// One value of all rounds of one server.
    pub fn of(&self, peer: &str, measure: &str, value: &str) -> Vec<Option<f64>> {
        let records = self.records.iter().filter(|record| record.peer == peer && record.measure == measure);
        records.filter_map(|record| record.values.get(value).copied()).collect()
    }
}

/// The middle one, the smallest and the largest; and how many of all did not happen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Of those that happened; `None`: fewer than half did.
    pub median: Option<f64>,
    /// The smallest.
    pub smallest: f64,
    /// The largest.
    pub largest: f64,
    /// So many did not happen ...
    pub missing: usize,
    /// ... of so many.
    pub all: usize,
}

/// `None` if there is nothing to sum up.
pub fn summary(values: &[Option<f64>]) -> Option<Summary> {
    let mut sorted: Vec<f64> = values.iter().copied().flatten().collect();
    sorted.sort_by(f64::total_cmp);
    let (all, missing) = (values.len(), values.len() - sorted.len());
    if all == 0 {
        return None;
    }
    // What did not happen would have been longer than all the others.
    let (lower, upper) = (sorted.get((all - 1) / 2), sorted.get(all / 2));
    let median = lower.zip(upper).map(|(lower, upper)| (lower + upper) / 2.0);
    let (smallest, largest) = (sorted.first().copied(), sorted.last().copied());
    Some(Summary { median, smallest: smallest.unwrap_or(0.0), largest: largest.unwrap_or(0.0), missing, all })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_happen_is_not_left_out_of_the_median() {
        let three = summary(&[Some(3.0), None, Some(1.0)]).unwrap();
        assert_eq!((three.median, three.smallest, three.largest, three.missing), (Some(3.0), 1.0, 3.0, 1));
        assert_eq!(summary(&[None, None, Some(1.0)]).unwrap().median, None);
        assert_eq!(summary(&[Some(1.0), Some(2.0)]).unwrap().median, Some(1.5));
        assert_eq!(summary(&[]), None);
    }

    #[test]
    fn written_and_read_again() {
        let path = std::env::temp_dir().join(format!("peers-results-{}", std::process::id()));
        let mut results = Results { rounds: 5, ..Results::default() };
        let values = Values::from([("a".to_owned(), Some(1.5)), ("b".to_owned(), None)]);
        results.records.push(Record { peer: "x".to_owned(), round: 1, measure: "m".to_owned(), values });
        results.write(&path).unwrap();
        let read = Results::read(&path);
        std::fs::remove_file(path).unwrap();
        let read = read.unwrap();
        assert_eq!((read.of("x", "m", "a"), read.of("x", "m", "b")), (vec![Some(1.5)], vec![None]));
        assert!(read.of("y", "m", "a").is_empty());
    }
}
