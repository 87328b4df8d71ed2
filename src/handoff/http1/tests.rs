//! Tests of the counting. [`read`] and [`written`] cut what they are given in every way that could matter, so each rule
//! that is tested by them is tested for all cuts.

mod announcements;
mod answers;
mod between;
mod generated;
mod naive;
mod noise;
mod random;
mod requests;

use super::*;

/// What there is after reading this. However it is cut, it is the same.
fn read(bytes: impl AsRef<[u8]>) -> Requests {
    let bytes = bytes.as_ref();
    let mut whole = Requests::new();
    whole.take(bytes);
    for pieces in cuts(bytes) {
        let mut cut = Requests::new();
        pieces.iter().for_each(|piece| cut.take(piece));
        assert_eq!(cut, whole, "{:?} cut into {pieces:?}", String::from_utf8_lossy(bytes));
    }
    let mut slow = Requests::new();
    let mut at = 0;
    while at < bytes.len() {
        at += slow.side.step(&bytes[at..], &mut slow.methods);
    }
    assert_eq!(slow, whole, "{:?} line by line", String::from_utf8_lossy(bytes));
    whole
}

/// What there is after answering these requests so. However it is cut, it is the same.
fn written(requests: &Requests, bytes: impl AsRef<[u8]>) -> Answers {
    let bytes = bytes.as_ref();
    let mut whole = Answers::new();
    whole.take(bytes, requests);
    for pieces in cuts(bytes) {
        let mut cut = Answers::new();
        pieces.iter().for_each(|piece| cut.take(piece, requests));
        assert_eq!(cut, whole, "{:?} cut into {pieces:?}", String::from_utf8_lossy(bytes));
    }
    whole
}

/// The same as [`written`] after one ordinary request.
fn answered(bytes: impl AsRef<[u8]>) -> Answers {
    written(&read(GET), bytes)
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// All ways to cut these bytes in two, and the cut into single bytes.
fn cuts(bytes: &[u8]) -> Vec<Vec<&[u8]>> {
    let in_two = (0..=bytes.len().min(400)).map(|at| vec![&bytes[..at], &bytes[at..]]);
    in_two.chain([bytes.chunks(1).collect()]).collect()
}

/// So many whole requests, and at a boundary.
#[track_caller]
fn assert_requests(bytes: impl AsRef<[u8]>, whole: u32) {
    let requests = read(bytes);
    assert!(!requests.is_opaque());
    assert!(requests.is_at_boundary());
    assert_eq!(requests.whole(), whole);
}

/// So many whole requests, and in the middle of another.
#[track_caller]
fn assert_in_request(bytes: impl AsRef<[u8]>, whole: u32) {
    let requests = read(bytes);
    assert!(!requests.is_opaque());
    assert!(!requests.is_at_boundary());
    assert_eq!(requests.whole(), whole);
}

/// One request, which has not ended before its last byte.
#[track_caller]
fn assert_one_request(bytes: &str) {
    let mut requests = Requests::new();
    for (at, byte) in bytes.bytes().enumerate() {
        assert_eq!(requests.is_at_boundary(), at == 0, "{:?}", &bytes[..at]);
        assert_eq!(requests.whole(), 0);
        requests.take(&[byte]);
    }
    assert_requests(bytes, 1);
}

/// Opaque, and so it stays.
#[track_caller]
fn assert_opaque_requests(bytes: impl AsRef<[u8]>) {
    let mut requests = read(bytes);
    for _ in 0..2 {
        assert!(requests.is_opaque());
        assert!(!requests.is_at_boundary());
        requests.take(GET.as_bytes());
    }
}

/// So many whole answers, and at a boundary.
#[track_caller]
fn assert_answers(answers: &Answers, whole: u32) {
    assert!(!answers.is_opaque());
    assert!(answers.is_at_boundary());
    assert_eq!(answers.whole(), whole);
}

/// So many whole answers, and in the middle of another.
#[track_caller]
fn assert_in_answer(answers: &Answers, whole: u32) {
    assert!(!answers.is_opaque());
    assert!(!answers.is_at_boundary());
    assert_eq!(answers.whole(), whole);
}

/// One answer, which has not ended before its last byte.
#[track_caller]
fn assert_one_answer(bytes: &str) {
    let mut answers = Answers::new();
    for (at, byte) in bytes.bytes().enumerate() {
        assert_eq!(answers.is_at_boundary(), at == 0, "{:?}", &bytes[..at]);
        assert_eq!(answers.whole(), 0);
        answers.take(&[byte], &read(GET));
    }
    assert_answers(&answered(bytes), 1);
}

/// Opaque, and so it stays.
#[track_caller]
fn assert_opaque_answers(mut answers: Answers) {
    let requests = read(GET);
    for _ in 0..2 {
        assert!(answers.is_opaque());
        assert!(!answers.is_at_boundary());
        answers.take(OK.as_bytes(), &requests);
    }
}

#[test]
fn small_and_made_without_work() {
    const _: (Requests, Answers) = (Requests::new(), Answers::new());
    assert!(size_of::<Requests>() <= 96);
    assert!(size_of::<Answers>() <= 96);
}
