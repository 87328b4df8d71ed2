//! When a connection of another protocol may end: a worker that is being replaced keeps it until half of the shutdown
//! time-out is over (contract 6.3, 6.4), and not beyond the whole of it.

use std::time::{Duration, Instant};

use crate::outcome::{Loss, LostRequest};
use crate::scene::Scene;
use crate::server::{Event, Said};

/// The server's lines reach us late, the client's end-of-file too.
const TOLERANCE: Duration = Duration::from_millis(60);
const LATE: Duration = Duration::from_millis(1500);

/// Counts every end at another time as a loss.
pub(crate) fn judge(scene: &mut Scene) {
    let whole = Duration::from_millis(u64::from(scene.case.shutdown_ms));
    for cut in std::mem::take(&mut scene.tally.cuts) {
        let replaced = replaced_at(&scene.server.events, cut.pid, cut.at);
        let after = replaced.map(|at| cut.at.saturating_duration_since(at));
        let fine = after.is_some_and(|after| after + TOLERANCE >= whole / 2 && after <= whole + LATE);
        if !fine {
            let detail = match after {
                Some(after) => format!("{after:?} after its worker's replacement was ready; time-out {whole:?}"),
                None => "its worker was not being replaced".to_owned(),
            };
            let lost = LostRequest {
                at: cut.at,
                looked: cut.at,
                sent: cut.at,
                loss: Loss::OpaqueCut,
                client: "opaque",
                pid: cut.pid,
                detail,
            };
            scene.tally.lose(lost, 1);
        }
    }
}

/// When another process became the worker that `pid` was, before `limit`.
fn replaced_at(events: &[Event], pid: u32, limit: Instant) -> Option<Instant> {
    let mut starts = events.iter().filter_map(|event| match event.said {
        Said::Start { worker, pid } => Some((event.at, worker, pid)),
        Said::Exit { .. } | Said::Ready | Said::End | Said::Stats(_) => None,
    });
    let (_, worker, _) = starts.find(|(_, _, started)| *started == pid)?;
    let (at, _, _) = starts.find(|(_, other, _)| *other == worker)?;
    (at <= limit).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_replacement_is_the_next_process_of_the_same_worker() {
        let zero = Instant::now();
        let at = |ms, worker, pid| Event { at: zero + Duration::from_millis(ms), said: Said::Start { worker, pid } };
        let events = [at(0, 0, 10), at(0, 1, 11), at(5, 0, 12), at(9, 1, 13)];
        let limit = zero + Duration::from_millis(8);
        assert_eq!(replaced_at(&events, 10, limit), Some(zero + Duration::from_millis(5)));
        assert_eq!(replaced_at(&events, 11, limit), None, "not yet");
        assert_eq!(replaced_at(&events, 12, limit), None);
        assert_eq!(replaced_at(&events, 99, limit), None);
    }
}
