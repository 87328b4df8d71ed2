//! What can become of a request, and which of it a client may call lost.

use std::fmt;
use std::io;
use std::time::Instant;

/// How a request was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loss {
    /// The connection was refused.
    Refused,
    /// The connection could not be made for another reason.
    NoConnection,
    /// Reset or end-of-file before the first byte of an answer, on a connection that had brought no answer yet.
    Fresh,
    /// The same on a reused connection, and what followed on a new one failed, too.
    RetryFailed,
    /// Reset or end-of-file in the middle of an answer.
    Broken,
    /// Reset or end-of-file between the answers to requests that were sent together.
    PipelineCut,
    /// A whole answer, but not the right one; or no HTTP.
    Wrong,
    /// No answer in time.
    TimedOut,
    /// A connection of another protocol ended before it might.
    OpaqueCut,
}

impl Loss {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 9] = [
        Self::Refused,
        Self::NoConnection,
        Self::Fresh,
        Self::RetryFailed,
        Self::Broken,
        Self::PipelineCut,
        Self::Wrong,
        Self::TimedOut,
        Self::OpaqueCut,
    ];
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused",
            Self::NoConnection => "no connection",
            Self::Fresh => "reset or end-of-file on a fresh connection",
            Self::RetryFailed => "retry failed",
            Self::Broken => "broken in the middle of an answer",
            Self::PipelineCut => "cut between pipelined answers",
            Self::Wrong => "wrong answer",
            Self::TimedOut => "timed out",
            Self::OpaqueCut => "opaque connection cut too early",
        })
    }
}

/// What a connection was doing when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// It was being made.
    pub connecting: bool,
    /// Answers that it had brought before these requests were sent.
    pub served_before: u32,
    /// Answers to these requests that had come whole.
    pub answered: usize,
    /// Some of the next answer had come.
    pub in_the_middle: bool,
    /// These requests have been sent on another connection before.
    pub is_retry: bool,
}

/// What to do about requests whose connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Send them once more on a new connection (RFC 9110, section 9.2.2).
    Retry,
    /// They are lost.
    Lost(Loss),
}

/// Judges the end of a connection on which answers are due. `error`: `None` for end-of-file.
pub fn judge(moment: Moment, error: Option<io::ErrorKind>) -> Verdict {
    let loss = if moment.connecting {
        match error {
            Some(io::ErrorKind::ConnectionRefused) => Loss::Refused,
            Some(io::ErrorKind::ConnectionReset) | None => Loss::Fresh,
            Some(_) => Loss::NoConnection,
        }
    } else if moment.in_the_middle {
        Loss::Broken
    } else if moment.answered > 0 {
        Loss::PipelineCut
    } else if moment.served_before == 0 {
        Loss::Fresh
    } else if moment.is_retry {
        Loss::RetryFailed
    } else {
        return Verdict::Retry;
    };
    Verdict::Lost(if moment.is_retry && loss == Loss::Fresh { Loss::RetryFailed } else { loss })
}

/// One lost request, for the report.
#[derive(Debug, Clone)]
pub struct LostRequest {
    /// When it was noticed.
    pub at: Instant,
    /// When the clients had begun to look, the last time before that: what had happened then, they would have noticed.
    pub looked: Instant,
    /// When the request was first sent.
    pub sent: Instant,
    /// How.
    pub loss: Loss,
    /// The kind of client.
    pub client: &'static str,
    /// The worker that had answered last on this connection; 0 if none had.
    pub pid: u32,
    /// What else is known.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Moment =
        Moment { connecting: false, served_before: 0, answered: 0, in_the_middle: false, is_retry: false };
    const RESET: Option<io::ErrorKind> = Some(io::ErrorKind::ConnectionReset);

    #[test]
    fn only_a_reused_connection_without_a_byte_of_an_answer_may_be_retried_once() {
        let reused = Moment { served_before: 1, ..FIRST };
        for error in [RESET, None, Some(io::ErrorKind::BrokenPipe)] {
            assert_eq!(judge(reused, error), Verdict::Retry);
            assert_eq!(judge(FIRST, error), Verdict::Lost(Loss::Fresh));
            assert_eq!(judge(Moment { in_the_middle: true, ..reused }, error), Verdict::Lost(Loss::Broken));
            assert_eq!(judge(Moment { answered: 1, ..reused }, error), Verdict::Lost(Loss::PipelineCut));
            assert_eq!(judge(Moment { is_retry: true, ..reused }, error), Verdict::Lost(Loss::RetryFailed));
            assert_eq!(judge(Moment { is_retry: true, ..FIRST }, error), Verdict::Lost(Loss::RetryFailed));
        }
    }

    #[test]
    fn a_connection_that_is_not_made_is_lost_by_its_reason() {
        let connecting = Moment { connecting: true, ..FIRST };
        assert_eq!(judge(connecting, Some(io::ErrorKind::ConnectionRefused)), Verdict::Lost(Loss::Refused));
        assert_eq!(judge(connecting, RESET), Verdict::Lost(Loss::Fresh));
        assert_eq!(judge(connecting, Some(io::ErrorKind::AddrNotAvailable)), Verdict::Lost(Loss::NoConnection));
        let again = Moment { is_retry: true, ..connecting };
        assert_eq!(judge(again, Some(io::ErrorKind::ConnectionRefused)), Verdict::Lost(Loss::Refused));
    }

    #[test]
    fn every_loss_is_in_the_list() {
        let mut all = Loss::ALL.to_vec();
        all.dedup();
        assert_eq!(all.len(), 9);
    }
}
