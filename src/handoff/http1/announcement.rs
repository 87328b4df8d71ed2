//! `Connection: close` in the last answer that is due (contract 6.3).

use super::field::{self, KEEP_ALIVE_BYTES};
use super::rules::AnswerRules;
use super::{Answers, Edit, Requests};

impl Answers {
    /// How to change `bytes`, which the program is about to write, so that the last answer that is due announces the end.
    /// `None` if the empty line after the head of that answer does not begin in them, or the answer announces the end
    /// already, or another request is on its way.
    pub(crate) fn close_announcement(&self, bytes: &[u8], requests: &Requests) -> Option<Edit> {
        if !requests.is_at_boundary() {
            return None;
        }
        let mut after = *self;
        let (mut at, mut keep_alive) = (0, None);
        while let Some(rest @ [_, ..]) = bytes.get(at..) {
            let before = after;
            let mut rules = AnswerRules::new(requests, &mut after.has_announced_close);
            if !rules.can_follow(before.whole()) {
                return None;
            }
            let used = after.side.step(rest, &mut rules);
            if !before.side.is_in_fields() {
                keep_alive = None;
            } else if after.side.is_in_fields() {
                if before.side.is_at_line_start() && keep_alive.is_none() {
                    let token = rest.get(..used).and_then(field::keep_alive_token);
                    keep_alive = token.map(|token| Edit::Overwrite { at: at + token, length: KEEP_ALIVE_BYTES });
                }
            } else if before.whole().wrapping_add(1) == requests.whole() && !before.was_interim(&after) {
                let is_possible = before.side.is_at_line_start() && !after.is_opaque() && !after.has_announced_close;
                return is_possible.then_some(keep_alive.unwrap_or(Edit::Insert { at }));
            }
            if rest == b"\r" && before.side.is_in_fields() && before.side.is_at_line_start() {
                // The rest of the empty line comes with the next write, and then it is too late.
                let mut end = after;
                let mut rules = AnswerRules::new(requests, &mut end.has_announced_close);
                end.side.step(b"\n", &mut rules);
                let is_last = before.whole().wrapping_add(1) == requests.whole() && !before.was_interim(&end);
                let is_possible = is_last && !end.is_opaque() && !end.has_announced_close;
                return is_possible.then_some(keep_alive.unwrap_or(Edit::Insert { at }));
            }
            at += used;
        }
        None
    }

    /// Whether the head that ended between here and `after` was one of an answer 1xx.
    fn was_interim(&self, after: &Self) -> bool {
        after.is_at_boundary() && after.whole() == self.whole()
    }
}
