//! Random bytes and spoilt conversations: nothing panics, and how they are cut makes no difference.

use super::generated::conversation;
use super::random::Random;
use super::*;

/// Feeds both ways whole, in random pieces, and line by line, and compares.
fn compare(random: &mut Random, read: &[u8], written: &[u8]) {
    let mut requests = Requests::new();
    requests.take(read);
    let mut cut = Requests::new();
    for piece in pieces(random, read) {
        cut.take(piece);
    }
    assert_eq!(cut, requests, "{:?}", String::from_utf8_lossy(read));
    let mut slow = Requests::new();
    let mut at = 0;
    while at < read.len() {
        at += slow.side.step(&read[at..], &mut slow.methods);
    }
    assert_eq!(slow, requests, "{:?}", String::from_utf8_lossy(read));

    let mut answers = Answers::new();
    answers.take(written, &requests);
    let mut cut = Answers::new();
    for piece in pieces(random, written) {
        let _ = cut.close_announcement(piece, &requests);
        cut.take(piece, &requests);
        assert!(!is_between_requests(&requests, &cut) || requests.whole() == cut.whole());
    }
    assert_eq!(cut, answers, "{:?}", String::from_utf8_lossy(written));
    if requests.is_opaque() || answers.is_opaque() {
        assert!(!is_between_requests(&requests, &answers));
    }
}

fn pieces<'a>(random: &mut Random, bytes: &'a [u8]) -> Vec<&'a [u8]> {
    let mut rest = bytes;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(random.piece(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Changes a few bytes.
fn spoil(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..1 + random.below(3) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] = random.number() as u8,
            1 => bytes[at] = random.pick(&["\r", "\n", " ", "\t", ":", ",", ";", "0", "f", "\0"]).as_bytes()[0],
            2 => drop(bytes.remove(at)),
            3 => bytes.insert(at, random.pick(&["\r", "\n", " ", ":", "1", "x"]).as_bytes()[0]),
            4 => drop(bytes.drain(at..bytes.len().min(at + 20))),
            _ => {
                let copy = bytes[at..bytes.len().min(at + 30)].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, copy);
            }
        }
        if bytes.is_empty() {
            return;
        }
    }
}

#[test]
fn spoilt_conversations() {
    for seed in 0..600 {
        let mut random = Random::new(seed);
        let count = 1 + random.below(4);
        let talk = conversation(&mut random, count, true);
        let (mut read, mut written) = (talk.requests.bytes, talk.answers.bytes);
        if random.one_in(2) {
            spoil(&mut random, &mut read);
        }
        spoil(&mut random, &mut written);
        compare(&mut random, &read, &written);
    }
}

#[test]
fn random_bytes() {
    let words = [
        "GET ",
        "POST / HTTP/1.1\r\n",
        " HTTP/1.0",
        "HTTP/1.1 200 OK\r\n",
        "Content-Length:",
        "Transfer-Encoding:",
        "chunked",
        "\r\n",
        "\r\n\r\n",
        "\n",
        "\r",
        " ",
        "\t",
        "5",
        "0",
        "ffff",
        ";",
        ":",
        "Connection:",
        "close",
        "keep-alive",
        ",",
        "x",
        "\0",
        "cc",
        "TT",
    ];
    for seed in 0..600 {
        let mut random = Random::new(seed);
        let mut noise = |start: &str| {
            let mut bytes = start.as_bytes().to_vec();
            for _ in 0..random.below(30) {
                if random.one_in(6) {
                    bytes.push(random.number() as u8);
                } else {
                    bytes.extend(random.pick(&words).bytes());
                }
            }
            bytes
        };
        let start = seed as usize % 3;
        let read = noise(["", "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"][start]);
        let written =
            noise(["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"][start]);
        compare(&mut random, &read, &written);
        compare(&mut random, &[GET.repeat(3).as_bytes(), &read].concat(), &written);
    }
}

#[test]
fn all_bytes_at_the_start() {
    for byte in 0..=u8::MAX {
        let mut random = Random::new(byte.into());
        compare(&mut random, &[byte], &[byte]);
        compare(&mut random, &[b"GET / HTTP/1.1\r\n".as_slice(), &[byte], b"\r\n\r\n"].concat(), &[byte]);
        let answer = [b"HTTP/1.1 200 OK\r\nContent-Length: 0".as_slice(), &[byte], b"\r\n\r\n"].concat();
        compare(&mut random, GET.as_bytes(), &answer);
    }
}

/// The search for line feeds against the obvious one.
#[test]
fn line_feeds() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let length = random.below(70);
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                if random.one_in(4) {
                    *random.pick(&[b"\n", b"\x0b", b"\x8a", b"\x09"]).first().unwrap()
                } else {
                    random.number() as u8
                }
            })
            .collect();
        let found: Vec<usize> = line::LineFeeds::new(&bytes).collect();
        let ought: Vec<usize> = (0..length).filter(|&at| bytes[at] == b'\n').collect();
        assert_eq!(found, ought, "{bytes:?}");
    }
}
