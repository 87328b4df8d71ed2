//! Crash protection: too many crashes in too short a time (contract 3.3).

use std::collections::VecDeque;
use std::time::Duration;

use super::Time;

/// The crashes of one worker that a window of time can still hold.
#[derive(Clone, Debug)]
pub(crate) struct CrashWindow {
    length: Duration,
    max_crashes: u8,
    crashes: VecDeque<Time>,
}

/// What one more crash means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Tolerable,
    /// So many crashes, the first and the last so far apart.
    TooFast {
        crashes: u8,
        within: Duration,
    },
}

impl CrashWindow {
    pub(crate) fn new(length: Duration, max_crashes: u8) -> Self {
        Self { length, max_crashes, crashes: VecDeque::new() }
    }

    /// Counts a crash. The window ends with it; a crash as old as the window is long is outside.
    pub(crate) fn record(&mut self, now: Time) -> Verdict {
        self.crashes.push_back(now);
        while self.crashes.front().is_some_and(|first| now.saturating_sub(*first) >= self.length) {
            self.crashes.pop_front();
        }
        let within = self.crashes.front().map_or(Duration::ZERO, |first| now.saturating_sub(*first));
        match self.count() {
            crashes if crashes >= self.max_crashes => Verdict::TooFast { crashes, within },
            _ => Verdict::Tolerable,
        }
    }

    /// The crashes in the window that ended with the latest one. Time alone does not lower it.
    pub(crate) fn count(&self) -> u8 {
        u8::try_from(self.crashes.len()).unwrap_or(u8::MAX)
    }

    pub(crate) fn clear(&mut self) {
        self.crashes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window() -> CrashWindow {
        CrashWindow::new(Duration::from_secs(5), 3)
    }

    fn at(ms: u64) -> Time {
        Duration::from_millis(ms)
    }

    #[test]
    fn three_within_the_window_are_too_fast_contract_3_3() {
        let mut crashes = window();
        assert_eq!(crashes.record(at(1000)), Verdict::Tolerable);
        assert_eq!(crashes.record(at(3000)), Verdict::Tolerable);
        assert_eq!(crashes.record(at(5999)), Verdict::TooFast { crashes: 3, within: at(4999) });
    }

    #[test]
    fn exactly_the_window_apart_is_slow_enough_contract_3_3() {
        let mut crashes = window();
        crashes.record(at(1000));
        crashes.record(at(3000));
        assert_eq!(crashes.record(at(6000)), Verdict::Tolerable);
        assert_eq!(crashes.count(), 2);
    }

    #[test]
    fn one_crash_is_too_fast_if_one_is_too_many_contract_3_3() {
        let mut crashes = CrashWindow::new(at(1), 1);
        assert_eq!(crashes.record(at(7)), Verdict::TooFast { crashes: 1, within: at(0) });
    }

    #[test]
    fn a_window_shorter_than_the_crashes_forgets_all_but_the_last() {
        let mut crashes = CrashWindow::new(at(10), 2);
        for time in [0, 10, 20, 30] {
            assert_eq!(crashes.record(at(time)), Verdict::Tolerable);
        }
        assert_eq!(crashes.count(), 1);
    }
}
