use crate::handoff::http1::{Answers, Exchange, Requests};

/// A conversation in turns: the first byte says how it is cut, `\0` ends a turn, and the turns are read and written by turns.
///
/// - How bytes are cut into calls makes no difference.
/// - The shortcuts count as the parser does.
/// - An edit of an answer is where it says it is (contract 6.3).
pub fn http1(data: &[u8]) {
    let Some((&seed, talk)) = data.split_first() else { return };
    let (mut whole, mut pieces) = ((Requests::new(), Answers::new()), (Requests::new(), Answers::new()));
    let mut exchange = Exchange::new();
    // Where a head tells of two lengths, or the program has said that it is the last, the shortcut need not look so closely.
    let mut is_plain = true;
    for (number, turn) in talk.split(|byte| *byte == 0).enumerate() {
        if number % 2 == 0 {
            whole.0.take(turn);
            cut(seed, turn).for_each(|piece| pieces.0.take(piece));
            exchange.received(turn);
        } else {
            if let Some(edit) = whole.1.close_announcement(turn, &whole.0) {
                check_edit(edit, turn);
            }
            is_plain =
                is_plain && !says(turn, b"transfer-encoding") && !says(turn, b"connection") && !says(turn, b"upgrade");
            whole.1.take(turn, &whole.0);
            cut(seed, turn).for_each(|piece| pieces.1.take(piece, &pieces.0));
            if !exchange.sent_whole(turn, turn.len()) {
                exchange.answers.take(turn, &exchange.requests);
            }
        }
        assert_eq!(whole, pieces, "cut with {seed}");
        // A GET that is faulty in its form is still one request, and gets one answer (400, perhaps). The parser gives such a connection up.
        if whole.0.is_opaque() {
            return;
        }
        assert_eq!(whole.0, exchange.requests, "the shortcut for requests");
        is_plain = is_plain && !whole.1.is_opaque();
        if is_plain {
            let state = |answers: &Answers| (answers.whole(), answers.is_at_boundary(), answers.is_opaque());
            assert_eq!(state(&whole.1), state(&exchange.answers), "the shortcut for answers");
        }
    }
}

/// Pieces of sizes that follow from the seed; with 0, of one byte each.
fn cut(seed: u8, bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut state = u32::from(seed);
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        state = state.wrapping_mul(1_103_515_245).wrapping_add(if seed == 0 { 0 } else { 12345 });
        let (piece, after) = rest.split_at(((state >> 16) as usize % 40 + 1).min(rest.len()));
        rest = after;
        Some(piece)
    })
}

fn says(bytes: &[u8], name: &[u8]) -> bool {
    bytes.windows(name.len()).any(|window| window.eq_ignore_ascii_case(name))
}

fn check_edit(edit: crate::handoff::http1::Edit, turn: &[u8]) {
    use crate::handoff::http1::Edit;
    match edit {
        Edit::Overwrite { at, length } => {
            let token = turn.get(at..at + length).expect("the token is in these bytes");
            assert!(token.eq_ignore_ascii_case(b"keep-alive"), "{token:?}");
        }
        Edit::Insert { at } => assert!(matches!(turn.get(at), Some(b'\r' | b'\n')), "{at}"),
    }
}
