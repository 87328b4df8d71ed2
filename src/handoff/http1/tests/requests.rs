//! The rules for requests.

use super::*;

#[test]
fn a_request_without_body_ends_with_its_head() {
    let requests = Requests::new();
    assert!(requests.is_at_boundary());
    assert_eq!(requests.whole(), 0);
    assert_one_request(GET);
    assert_requests(GET.repeat(3), 3);
    assert_in_request(format!("{GET}{GET}G"), 2);
    assert_requests("DELETE /x HTTP/1.0\r\n\r\n", 1);
    assert_requests("M-SEARCH * HTTP/1.1\r\nA: b\r\n\r\n", 1);
    assert_requests("GET /a b c HTTP/1.1\r\n\r\n", 1);
}

#[test]
fn content_length() {
    let head = "POST / HTTP/1.1\r\nContent-Length: 28\r\n\r\n";
    assert_eq!(GET.len(), 28 - 1, "one less than the body");
    assert_one_request(&format!("{head}{GET}G"));
    assert_requests(format!("{head}{GET}G{GET}"), 2);
    assert_requests("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 1);
    for line in
        ["content-length:1", "CONTENT-LENGTH: \t 1 \t ", "cONTENT-lENGTH:01", "Content-Length: 1\r\nContent-Length: 1"]
    {
        assert_in_request(format!("POST / HTTP/1.1\r\n{line}\r\n\r\n"), 0);
        assert_requests(format!("POST / HTTP/1.1\r\n{line}\r\n\r\nx"), 1);
    }
    assert_in_request(format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{GET}", u64::MAX), 0);
}

#[test]
fn a_content_length_that_makes_no_sense_is_opaque() {
    let too_large = "18446744073709551616";
    let larger = "99999999999999999999";
    let padded = format!("{}1", " ".repeat(40));
    for value in [
        "",
        " ",
        "-1",
        "+1",
        "1.0",
        "0x1",
        "1 1",
        "1, 1",
        "1;",
        "a",
        "1\r",
        too_large,
        larger,
        &too_large.repeat(2),
        &padded,
    ] {
        assert_opaque_requests(format!("POST / HTTP/1.1\r\nContent-Length: {value}\r\n\r\n"));
    }
    assert_opaque_requests("POST / HTTP/1.1\r\nContent-Length: 1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
    assert_opaque_requests("POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 2\r\n\r\n");
    assert_opaque_requests("POST / HTTP/1.1\r\nContent-Length : 1\r\n\r\n");
    assert_opaque_requests("POST / HTTP/1.1\r\nContent-Length\t: 1\r\n\r\n");
    assert_opaque_requests("POST / HTTP/1.1\r\nContent-Length\r\n\r\n");
    assert_opaque_requests("POST / HTTP/1.1\nContent-Length\n\n");
}

/// Of a line in pieces only so much is kept, and whole lines must not be treated differently.
#[test]
fn a_field_that_matters_has_to_be_short() {
    for spaces in (0..60).chain(235..255) {
        let line = format!("Content-Length:{}1", " ".repeat(spaces));
        for end in ["\r\n", "\n"] {
            let request = format!("POST / HTTP/1.1{end}{line}{end}{end}");
            if line.len() + end.len() - 1 <= line::LONGEST_KEPT {
                assert_in_request(request, 0);
            } else {
                assert_opaque_requests(request);
            }
        }
    }
}

#[test]
fn other_fields_do_not_matter() {
    for line in [
        "Content-Lengthy: 5",
        "Content-Length-: x",
        "Content-Lengt: 5",
        "Content_Length: 5",
        "X-Content-Length: 5",
        "Content-Type: text/plain",
        "Content: 5",
        "C: 5",
        "c",
        "t",
        "Cookie: Content-Length: 5",
        "Transfer-Encodings: gzip",
        "Transfer_Encoding: gzip",
        "TransferXEncoding: gzip",
        "TE: chunked",
        "Trailer: Content-Length",
        "Upgrade: websocket",
        "Connection: close",
        "Connection : close",
        "Expect: 100-continue",
        ": 5",
        "\u{7f}\u{80}",
    ] {
        for end in ["\r\n", "\n"] {
            assert_requests(format!("POST / HTTP/1.1{end}{line}{end}Host: a{end}{end}"), 1);
            assert_in_request(format!("POST / HTTP/1.1{end}Content-Length: 1{end}{line}{end}{end}"), 0);
        }
    }
    assert_requests(format!("GET / HTTP/1.1\r\nCookie: {}\r\nC: {}\r\n\r\n", "x".repeat(9000), "y".repeat(300)), 1);
}

#[test]
fn chunked() {
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let body = "5\r\nhello\r\n0010;name=\"a;b\"\r\n0\r\n\r\nGET / HTTP/\r\nA;x\r\n1234567890\r\n0;last\r\nContent-Length: 9\r\nT: x\r\n\r\n";
    let request = format!("{head}{body}");
    assert_one_request(&request);
    assert_requests(request.repeat(2), 2);
    assert_requests(format!("{head}0\r\n\r\n"), 1);
    assert_requests(format!("{head}3 \r\nabc\r\n1\t;x\n1\n0\n\n{GET}"), 2);
    assert_in_request(format!("{head}{:x}\r\n{GET}", u64::MAX), 0);
    assert_in_request(format!("{head}{}1\r\n", "0".repeat(31)), 0);
    assert_in_request(format!("{head}{}1;x\r\n", "0".repeat(31)), 0);
    assert_requests(format!("{head}1;{}\r\nx\r\n0\r\nT: {}\r\n\r\n", "e".repeat(500), "t".repeat(500)), 1);
}

#[test]
fn chunks_that_make_no_sense_are_opaque() {
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let too_large = "10000000000000000";
    let too_long = format!("{}1", "0".repeat(32));
    for size in ["", " 1", ";", "g", "-1", "0x1", "1\r", "1g", too_large, &too_long, &"0".repeat(100)] {
        assert_opaque_requests(format!("{head}{size}\r\n"));
    }
    assert_opaque_requests(format!("{head}1\r\nxy"));
    assert_opaque_requests(format!("{head}1\r\nx\r\r\n"));
    assert_opaque_requests(format!("{head}1\r\nx\rx"));
}

#[test]
fn transfer_encodings() {
    let with = |lines: &str| format!("POST / HTTP/1.1\r\n{lines}\r\n\r\n0\r\n\r\n");
    for lines in [
        "Transfer-Encoding: chunked",
        "TRANSFER-ENCODING:CHUNKED",
        "transfer-encoding: \t gzip ,, Chunked , ",
        "Transfer-Encoding: gzip\r\nA: b\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: ",
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
    ] {
        assert_requests(with(lines), 1);
    }
    for lines in [
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: identity",
        "Transfer-Encoding:",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding",
        "Content-Length: 3\r\nTransfer-Encoding: gzip",
        "Transfer-Encoding:                               chunked",
    ] {
        assert_opaque_requests(with(lines));
    }
    assert_opaque_requests("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

#[test]
fn empty_lines_before_a_request_and_bare_line_feeds() {
    assert_requests(format!("\r\n\n\r\n{GET}\r\n\n{GET}\r\n"), 2);
    assert_in_request("\r", 0);
    assert_in_request(format!("{GET}\r"), 1);
    assert_requests("GET / HTTP/1.1\nA: b\n\n".repeat(2), 2);
    assert_requests(format!("{}{GET}", "\r\n".repeat(200)), 1);
    assert_opaque_requests("\r\r\n");
    assert_opaque_requests(format!("\r{GET}"));
    assert_opaque_requests(format!(" \r\n{GET}"));
}

#[test]
fn lines_that_go_on() {
    assert_requests("GET / HTTP/1.1\r\nA: b\r\n c\r\n\td\r\n Content-Length: 5\r\n\r\n", 1);
    assert_requests("GET / HTTP/1.1\r\n A: b\r\n\r\n", 1);
    assert_requests("GET / HTTP/1.1\r\nA: b\r\n \r\n\r\n", 1);
    assert_in_request("GET / HTTP/1.1\r\nContent-Length: 1\r\nA: b\r\n c\r\n\r\n", 0);
    for line in ["Content-Length: 1", "Transfer-Encoding: chunked"] {
        assert_opaque_requests(format!("POST / HTTP/1.1\r\n{line}\r\n 1\r\n\r\n"));
        assert_opaque_requests(format!("POST / HTTP/1.1\r\n{line}\r\n\t, chunked\r\n\r\n"));
        assert_opaque_requests(format!("POST / HTTP/1.1\n{line}\n \n\n"));
    }
}

#[test]
fn other_protocols_are_opaque_at_once_contract_6_4() {
    for start in [
        &b"\x16"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI ",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\0",
        b"\xff\xff",
        b" GET",
        b"GET\t/",
        b"GET/",
        b"(",
        b"SSH-2.0-x\r",
        b"PING\r",
        b"*1\r",
        b"\x80",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        b"GET /\r\n",
        b"GET /\n",
        b"GET / HTTP/2.0\r\n",
        b"GET / HTTP/1.\r\n",
        b"GET / HTTP/1.x\r\n",
        b"GET / HTTP/1,1\r\n",
        b"GET / HTTP/1.1 \r\n",
        b"GET / HTTP/1.10\r\n",
        b"GET /HTTP/1.1\r\n",
        b"GET / http/1.1\r\n",
        b"OPTIONS * RTSP/1.0\r\n",
        b"EHLO example.org\r\n",
        b"HTTP/1.1\r\n",
    ] {
        assert_opaque_requests(start);
        assert_opaque_requests([GET.as_bytes(), start].concat());
    }
    assert_in_request("A".repeat(32), 0);
    assert_in_request(format!("{} ", "A".repeat(32)), 0);
    assert_opaque_requests("A".repeat(33));
}

#[test]
fn what_looks_like_other_protocols_in_a_body_does_not_matter() {
    let body = b"\x16\x03\x01PRI * HTTP/2.0\r\n\r\n\0\xff";
    let head = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
    assert_requests([head.as_bytes(), body].concat(), 1);
}

#[test]
fn a_head_has_a_limit_and_a_body_has_none() {
    let head_of = |bytes: usize| {
        let (start, end) = ("GET / HTTP/1.1\r\nA: ", "\r\n\r\n");
        format!("{start}{}{end}", "x".repeat(bytes - start.len() - end.len()))
    };
    let feed = |bytes: &str, piece: usize| {
        let mut requests = Requests::new();
        bytes.as_bytes().chunks(piece).for_each(|piece| requests.take(piece));
        requests
    };
    let limit = side::LONGEST_HEAD_BYTES as usize;
    assert_eq!(feed(&format!("{}{GET}", "\r\n".repeat(limit / 2)), 9999).whole(), 1);
    for piece in [usize::MAX, 1000] {
        let twice = head_of(limit).repeat(2);
        assert_eq!(feed(&twice, piece).whole(), 2);
        assert!(feed(&head_of(limit + 1), piece).is_opaque());
        assert!(feed(&head_of(2 * limit)[..limit + 1], piece).is_opaque());
        let many = format!("GET / HTTP/1.1\r\n{}", "A: b\r\n".repeat(limit));
        assert!(feed(&many, piece).is_opaque());
        let post = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{}", 3 * limit, "x".repeat(3 * limit));
        assert_eq!(feed(&post.repeat(2), piece).whole(), 2);
        let chunk = format!("{:x}\r\n{}\r\n", 2 * limit, "x".repeat(2 * limit));
        let post = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n");
        assert_eq!(feed(&post.repeat(2), piece).whole(), 2);
        let extension = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;{}", "x".repeat(limit));
        assert!(feed(&extension, piece).is_opaque());
        let trailers =
            format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}", "A: b\r\n".repeat(limit));
        assert!(feed(&trailers, piece).is_opaque());
    }
}
