//! The rules for answers.

use super::*;

/// Of these methods, one after another.
fn asked(methods: &[&str]) -> Requests {
    read(methods.iter().map(|method| format!("{method} / HTTP/1.1\r\n\r\n")).collect::<String>())
}

#[test]
fn content_length() {
    let answers = Answers::new();
    assert_answers(&answers, 0);
    assert_one_answer(OK);
    assert_answers(&answered("HTTP/1.1 404\r\ncontent-length:0\r\n\r\n"), 1);
    assert_answers(&written(&asked(&["GET"; 3]), OK.repeat(3)), 3);
    assert_opaque_answers(answered("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"));
    assert_opaque_answers(answered("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"));
    assert_opaque_answers(answered("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 1\r\n\r\n"));
}

#[test]
fn chunked() {
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1;x=y\r\n!\r\n0\r\nETag: x\r\n\r\n";
    assert_one_answer(answer);
    assert_answers(&answered("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 1);
    assert_opaque_answers(answered("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
}

#[test]
fn some_answers_have_no_body() {
    let long = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    for status in ["204 No Content", "204", "304 Not Modified"] {
        assert_answers(&answered(format!("HTTP/1.1 {status}\r\n\r\n")), 1);
        assert_answers(&answered(format!("HTTP/1.1 {status}\r\n{long}\r\n")), 1);
    }
    for method in ["HEAD", "head"] {
        let requests = asked(&["GET", method, "GET"]);
        assert_answers(&written(&requests, format!("{OK}HTTP/1.1 200 OK\r\n{long}\r\n{OK}")), 3);
        assert_answers(&written(&requests, format!("{OK}HTTP/1.1 404 No\r\n\r\n{OK}")), 3);
    }
    assert_in_answer(&written(&asked(&["HEADER"]), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), 0);
    assert_opaque_answers(written(&asked(&["HEAD", "GET"]), OK.repeat(2)));
}

#[test]
fn an_interim_answer_is_none() {
    let interim =
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\nConnection: close\r\n\r\n";
    let answers = answered(interim);
    assert_answers(&answers, 0);
    assert!(!answers.has_announced_close());
    assert_answers(&answered(format!("{interim}{OK}")), 1);
    assert_answers(&written(&asked(&["HEAD", "GET"]), format!("{interim}HTTP/1.1 200 OK\r\n\r\n{interim}{OK}")), 2);
}

#[test]
fn without_length_it_lasts_until_the_connection_ends() {
    for head in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: gzip\r\nConnection: keep-alive\r\n\r\n",
    ] {
        let answers = written(&asked(&["GET"; 9]), format!("{head}{}", OK.repeat(3)));
        assert_in_answer(&answers, 0);
        assert!(answers.has_announced_close());
    }
}

#[test]
fn tunnels_are_opaque_contract_6_4() {
    assert_opaque_answers(answered("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"));
    assert_answers(&written(&read("GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"), OK), 1);
    for method in ["CONNECT", "connect"] {
        assert_opaque_answers(written(&asked(&[method]), "HTTP/1.1 200 OK\r\n\r\n"));
        assert_opaque_answers(written(
            &asked(&["GET", method]),
            format!("{OK}HTTP/1.1 204 OK\r\nContent-Length: 0\r\n\r\n"),
        ));
        assert_answers(&written(&asked(&[method, "GET"]), format!("{}{OK}", OK.replace("200", "407"))), 2);
    }
}

#[test]
fn other_protocols_are_opaque_contract_6_4() {
    for start in [
        "x",
        "\r\n",
        "HTTP/2",
        "HTTP/1 ",
        "HTTP/1.1\r\n",
        "HTTP/1.x 200 OK\r\n",
        "HTTP/1,1 200 OK\r\n",
        "HTTP/1.1  200 OK\r\n",
        "HTTP/1.1 20 OK\r\n",
        "HTTP/1.1 2000 OK\r\n",
        "HTTP/1.1 099 OK\r\n",
        "HTTP/1.1 2x0 OK\r\n",
        "HTTP/1.1 200\rOK\r\n",
        "RTSP/1.0 200 OK\r\n",
        "ICY 200 OK\r\n",
        "<html>",
        "http/1.1 200 OK\r\n",
    ] {
        assert_opaque_answers(written(&asked(&["HEAD", "GET"]), start));
        assert_opaque_answers(answered(format!("HTTP/1.1 100 Continue\r\n\r\n{start}")));
    }
}

#[test]
fn what_answers_nothing_is_opaque() {
    assert_opaque_answers(written(&Requests::new(), "220 ready\r\n"));
    assert_opaque_answers(written(&Requests::new(), OK));
    assert_opaque_answers(written(&Requests::new(), "HTTP/1.1 100 Continue\r\n\r\n"));
    assert_opaque_answers(written(&read("GET / HTTP/1.1\r\nHost"), OK));
    assert_opaque_answers(answered(OK.repeat(2)));
    assert_opaque_answers(answered(format!("{OK}HTTP/1.1 408 Timeout\r\n\r\n")));
    assert_opaque_answers(answered(format!("{OK}H")));
    // But a request may be answered before it has been read whole.
    assert_answers(&written(&read("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n"), OK), 1);
    assert_answers(&written(&read("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"), OK), 1);
}

#[test]
fn announced_closes() {
    let announces = |head: &str| {
        let answers = answered(format!("{head}\r\nContent-Length: 2\r\n\r\nok"));
        assert_answers(&answers, 1);
        answers.has_announced_close()
    };
    for fields in [
        "Connection: close",
        "connection:CLOSE",
        "Connection: a, close",
        "Connection: keep-alive , \tClose\t, b",
        "Connection: ,close",
        "Connection: close\r\nConnection: keep-alive",
        "Connection: keep-alive\r\nA: b\r\nConnection: close",
    ] {
        assert!(announces(&format!("HTTP/1.1 200 OK\r\n{fields}")), "{fields}");
        assert!(announces(&format!("HTTP/1.0 200 OK\r\n{fields}")), "{fields}");
    }
    for fields in [
        "Connection: keep-alive",
        "CONNECTION:Keep-Alive",
        "Connection: Upgrade, keep-alive",
        "Connection: upgrade\r\nConnection: \tkeep-alive ",
    ] {
        assert!(!announces(&format!("HTTP/1.1 200 OK\r\n{fields}")), "{fields}");
        assert!(!announces(&format!("HTTP/1.0 200 OK\r\n{fields}")), "{fields}");
    }
    for fields in [
        "A: b",
        "Connection: closed",
        "Connection: keep-aliv",
        "Connection: ",
        "Connections: close",
        "Proxy-Connection: close",
    ] {
        assert!(!announces(&format!("HTTP/1.1 200 OK\r\n{fields}")), "{fields}");
        assert!(announces(&format!("HTTP/1.0 200 OK\r\n{fields}")), "{fields}");
    }
    assert!(answered("HTTP/1.1 304 X\r\nConnection: close\r\n\r\n").has_announced_close());
    assert!(!answered("HTTP/1.1 200 OK\r\nConnection: close\r\n").has_announced_close(), "not yet said whole");
    assert!(answered("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\n").has_announced_close());
    let mut answers = Answers::new();
    answers.announced();
    for _ in 0..2 {
        assert!(answers.has_announced_close());
        answers.take(OK.as_bytes(), &asked(&["GET"; 2]));
    }
    for line in ["Connection : close", "Connection", &format!("Connection: {}", "a,".repeat(30)), "Connection: a\r\n b"]
    {
        assert_opaque_answers(answered(format!("HTTP/1.1 200 OK\r\n{line}\r\nContent-Length: 2\r\n\r\nok")));
    }
}

#[test]
fn the_methods_of_64_requests_are_remembered() {
    let method = |number: usize| if number % 3 == 1 { "HEAD" } else { "GET" };
    let answer = |number: usize| if number % 3 == 1 { OK.trim_end_matches("ok") } else { OK };
    for base in [0, 1, 40, 63, 64, 200] {
        for count in [1, 63, 64] {
            let mut requests = Requests::new();
            let mut answers = Answers::new();
            for number in 0..base + count {
                requests.take(format!("{} / HTTP/1.1\r\n\r\n", method(number)).as_bytes());
                if number < base {
                    answers.take(answer(number).as_bytes(), &requests);
                }
            }
            for number in base..base + count {
                assert!(!is_between_requests(&requests, &answers));
                answers.take(answer(number).as_bytes(), &requests);
                assert_answers(&answers, number as u32 + 1);
            }
            assert!(is_between_requests(&requests, &answers));
        }
    }
    let mut answers = Answers::new();
    let mut requests = asked(&["CONNECT"]);
    answers.take(b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n", &requests);
    requests.take(GET.repeat(64).as_bytes());
    answers.take(OK.repeat(64).as_bytes(), &requests);
    assert_answers(&answers, 65);

    requests = asked(&["GET"; 65]);
    assert_opaque_answers(written(&requests, OK));
    requests = asked(&["GET"; 64]);
    requests.take(b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n");
    assert_opaque_answers(written(&requests, OK));
}

#[test]
fn counts_go_round() {
    let mut requests = Requests { side: Side::after(u32::MAX - 1), ..Requests::new() };
    let mut answers = Answers { side: Side::after(u32::MAX - 1), ..Answers::new() };
    for whole in [u32::MAX, 0, 1] {
        requests.take(b"HEAD / HTTP/1.1\r\nContent-Length: 1\r\n\r\n");
        answers.take(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", &requests);
        assert_answers(&answers, whole);
        assert!(!is_between_requests(&requests, &answers));
        requests.take(b"x");
        assert!(is_between_requests(&requests, &answers));
    }
}
