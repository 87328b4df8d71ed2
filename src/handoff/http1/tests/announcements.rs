//! Contract 6.3: the last answer of a connection announces `Connection: close`.

use super::generated::conversation;
use super::random::Random;
use super::*;

/// What the client gets.
fn edited(bytes: &[u8], edit: Edit) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    match edit {
        Edit::Overwrite { at, length } => {
            assert!(bytes[at..at + length].eq_ignore_ascii_case(b"keep-alive"));
            bytes[at..at + length].copy_from_slice(b"close     ");
        }
        Edit::Insert { at } => {
            assert!(at < bytes.len(), "a byte of the program's follows");
            bytes.splice(at..at, *b"Connection: close\r\n");
        }
    }
    bytes
}

/// Writes these pieces with announcements, and gives what the client gets and where the edit was.
fn announce(requests: &Requests, pieces: &[&[u8]]) -> (Vec<u8>, Option<(usize, Edit)>) {
    let mut answers = Answers::new();
    let mut sent = Vec::new();
    let mut made = None;
    for (number, piece) in pieces.iter().enumerate() {
        match answers.close_announcement(piece, requests) {
            Some(edit) => {
                assert_eq!(made, None, "once is enough");
                assert!(!answers.has_announced_close());
                made = Some((number, edit));
                sent.extend(edited(piece, edit));
                answers.take(piece, requests);
                answers.announced();
            }
            None => {
                sent.extend(*piece);
                answers.take(piece, requests);
            }
        }
    }
    (sent, made)
}

/// The edit in a write of this, the answer to one request.
fn edit(answer: &str) -> Option<Edit> {
    let made = announce(&read(GET), &[answer.as_bytes()]).1;
    made.map(|(_, edit)| edit)
}

fn after_edit(answer: &str) -> String {
    String::from_utf8(announce(&read(GET), &[answer.as_bytes()]).0).unwrap()
}

#[test]
fn keep_alive_becomes_close_contract_6_3() {
    for (fields, after) in [
        ("Connection: keep-alive", "Connection: close     "),
        ("CONNECTION:KEEP-ALIVE", "CONNECTION:close     "),
        ("Connection: keep-alive, Upgrade", "Connection: close     , Upgrade"),
        ("connection: a,Keep-Alive\t,b", "connection: a,close     \t,b"),
        ("Connection: a\r\nConnection: \t keep-alive ", "Connection: a\r\nConnection: \t close      "),
        ("Connection: keep-alive\r\nConnection: keep-alive", "Connection: close     \r\nConnection: keep-alive"),
    ] {
        for end in ["\r\n", "\n"] {
            let with = |fields: &str| {
                format!("HTTP/1.1 200 OK\r\nA: b\r\n{fields}\r\nContent-Length: 2\r\n\r\nok").replace("\r\n", end)
            };
            assert!(matches!(edit(&with(fields)), Some(Edit::Overwrite { length: 10, .. })));
            assert_eq!(after_edit(&with(fields)), with(after));
        }
    }
}

#[test]
fn without_keep_alive_a_line_is_added_contract_6_3() {
    for fields in [
        "A: b",
        "Connection: Upgrade",
        "Connection: keep-alive-not",
        "X-Connection: keep-alive",
        "Keep-Alive: timeout=5",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\nContent-Length: 2\r\n\r\nok");
        let after = format!("HTTP/1.1 200 OK\r\n{fields}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        assert_eq!(after_edit(&answer), after);
    }
    assert_eq!(after_edit("HTTP/1.1 204 X\n\n"), "HTTP/1.1 204 X\nConnection: close\r\n\n");
}

#[test]
fn none_where_none_is_due() {
    assert_eq!(edit("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"), None);
    assert_eq!(edit("HTTP/1.1 200 OK\r\nConnection: keep-alive, close\r\nContent-Length: 2\r\n\r\nok"), None);
    assert_eq!(edit("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"), None);
    assert_eq!(edit("HTTP/1.1 200 OK\r\n\r\nuntil the end"), None);
    assert_eq!(edit("HTTP/1.1 101 Switching Protocols\r\n\r\n"), None);
    assert_eq!(edit("HTTP/1.1 100 Continue\r\n\r\n"), None);
    assert_eq!(edit("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), None);
    assert_eq!(edit("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"), None);
    assert_eq!(edit("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r"), Some(Edit::Insert { at: 36 }), "it cannot wait");
    assert_eq!(edit("HTTP/1.1 100 Continue\r\n\r"), None);
    assert_eq!(edit("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r"), None);
    assert_eq!(edit("hello"), None);
    assert_eq!(edit(""), None);

    let ok = OK.as_bytes();
    let after = |read: &str| Answers::new().close_announcement(ok, &self::read(read));
    assert_eq!(after(GET), Some(Edit::Insert { at: ok.len() - 4 }));
    assert_eq!(after(""), None, "nothing has been asked");
    assert_eq!(after(&GET.repeat(2)), None, "another answer is due");
    assert_eq!(after(&format!("{GET}GET")), None, "another request is on its way");
    assert_eq!(after("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"), None, "its body is on its way");
    assert_eq!(after(&format!("{GET}\u{16}")), None, "opaque");
    assert_eq!(after(&GET.repeat(65)), None, "opaque");
    assert_eq!(after("CONNECT a:1 HTTP/1.1\r\n\r\n"), None, "a tunnel");
    let mut answers = Answers::new();
    answers.announced();
    assert_eq!(answers.close_announcement(ok, &read(GET)), None);
    let mut answers = answered(OK);
    assert_eq!(answers.close_announcement(ok, &read(GET)), None, "it has its answer");
    answers.take(b"x", &read(GET));
    assert_eq!(answers.close_announcement(ok, &read(GET.repeat(2))), None, "opaque");
}

#[test]
fn of_answers_written_together_only_the_last() {
    let requests = read(GET.repeat(3));
    let keep = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok";
    let interim = "HTTP/1.1 103 Early Hints\r\nConnection: keep-alive\r\n\r\n";
    let at = |answers: &str| Answers::new().close_announcement(answers.as_bytes(), &requests);
    assert_eq!(at(&keep.repeat(3)), Some(Edit::Overwrite { at: 2 * keep.len() + 29, length: 10 }));
    assert_eq!(at(&format!("{keep}{keep}{OK}")), Some(Edit::Insert { at: 2 * keep.len() + OK.len() - 4 }));
    let answers = format!("{interim}{keep}{interim}{keep}{interim}{OK}");
    assert_eq!(at(&answers), Some(Edit::Insert { at: answers.len() - 4 }));
    assert_eq!(at(&keep.repeat(2)), None);
    assert_eq!(at(&keep.replace("keep-alive", "close").repeat(3)), None);
}

/// The rest of a line is not a line.
#[test]
fn what_looks_like_the_field_after_a_cut() {
    let pieces = [&b"HTTP/1.1 204 X\r\nX-"[..], b"Connection: keep-alive\r\n\r\n"];
    let made = announce(&read(GET), &pieces).1;
    assert_eq!(made, Some((1, Edit::Insert { at: 24 })));
}

/// Every cut of an answer across two writes.
#[test]
fn heads_in_two_writes_contract_6_3() {
    for connection in ["", "Connection: keep-alive\r\n", "Connection: a, Keep-Alive\r\n"] {
        for (prefix, count) in [(String::new(), 1), (OK.repeat(2), 3), ("HTTP/1.1 100 Continue\r\n\r\n".to_string(), 1)]
        {
            let head = format!("HTTP/1.1 200 OK\r\nA: b\r\n{connection}Content-Length: 2\r\n");
            let bytes = format!("{prefix}{head}\r\nok").into_bytes();
            let empty_line = prefix.len() + head.len();
            let original = naive::answers(&bytes, &["GET"; 3]);
            let requests = read(GET.repeat(count));
            for cut in 0..=bytes.len() {
                let (sent, made) = announce(&requests, &[&bytes[..cut], &bytes[cut..]]);
                let got = naive::answers(&sent, &["GET"; 3]);
                check(&original, &got, made.is_some());
                assert!(made.is_some(), "wherever it is cut");
                let (number, edit) = made.unwrap_or((9, Edit::Insert { at: 0 }));
                assert!(number == 9 || number == usize::from(cut < empty_line + 1));
                let field = prefix.len() + 23;
                let has_field = !connection.is_empty() && (cut <= field || cut >= field + connection.len());
                let has_field = has_field && (number == 0 || cut <= field);
                assert!(number == 9 || has_field == matches!(edit, Edit::Overwrite { .. }), "{cut} {edit:?}");
            }
        }
    }
}

/// The same answers, and the last one announces the end if `is_announced`, and no other.
fn check(original: &[naive::Answer], got: &[naive::Answer], is_announced: bool) {
    assert_eq!(original.len(), got.len());
    let last = original.len() - 1;
    for (number, (original, got)) in original.iter().zip(got).enumerate() {
        assert_eq!(original.first_line, got.first_line);
        assert_eq!(original.body, got.body);
        assert_eq!(original.other_fields(), got.other_fields());
        if number == last && is_announced {
            assert!(!original.says_close() && got.says_close(), "{original:?} {got:?}");
            let others = |answer: &naive::Answer| -> Vec<String> {
                let no = ["keep-alive", "close", ""];
                answer.connection().into_iter().filter(|token| !no.contains(&token.as_str())).collect()
            };
            assert_eq!(others(original), others(got));
        } else {
            assert_eq!(original, got);
        }
    }
}

#[test]
fn random_conversations_are_whole_and_end_announced_contract_6_3_and_6_4() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let count = 1 + random.below(5);
        let talk = conversation(&mut random, count, true);
        let bytes = &talk.answers.bytes;
        let original = naive::answers(bytes, &talk.methods);
        let mut pieces = Vec::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(random.piece(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        let mut requests = Requests::new();
        requests.take(&talk.requests.bytes);
        let (sent, made) = announce(&requests, &pieces);
        check(&original, &naive::answers(&sent, &talk.methods), made.is_some());
        // The only reason for none: it announces the end itself.
        assert_eq!(made.is_none(), original.last().unwrap().says_close() || has_no_end(&talk));
    }
}

fn has_no_end(talk: &generated::Conversation) -> bool {
    talk.answers.ends.len() < talk.answers.heads.len()
}
