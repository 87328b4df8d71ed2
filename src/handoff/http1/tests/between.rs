//! Contract 6.3: a connection is let go only when it is between requests. Contract 6.4: nothing else is.

use super::*;

/// A connection, told what is read (`<`) and written (`>`), and whether it is between requests now.
#[derive(Default)]
struct Connection {
    requests: Option<Requests>,
    answers: Option<Answers>,
}

impl Connection {
    fn read(&mut self, bytes: &str) -> bool {
        self.requests.get_or_insert(Requests::new()).take(bytes.as_bytes());
        self.is_between()
    }

    fn write(&mut self, bytes: &str) -> bool {
        let requests = *self.requests.get_or_insert(Requests::new());
        self.answers.get_or_insert(Answers::new()).take(bytes.as_bytes(), &requests);
        self.is_between()
    }

    fn is_between(&self) -> bool {
        is_between_requests(&self.requests.unwrap_or(Requests::new()), &self.answers.unwrap_or(Answers::new()))
    }
}

const POST: &str = "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n";

#[test]
fn after_each_whole_answer_contract_6_3() {
    let mut connection = Connection::default();
    assert!(connection.is_between());
    for _ in 0..3 {
        assert!(!connection.read(GET));
        assert!(connection.write(OK));
    }
}

#[test]
fn requests_in_pieces_are_whole_contract_6_4() {
    let mut connection = Connection::default();
    assert!(!connection.read("GET / HT"));
    assert!(!connection.read("TP/1.1\r\n\r\n"));
    assert!(connection.write(OK));
    assert!(!connection.read(POST));
    assert!(!connection.read("bo"));
    assert!(!connection.read("dy"));
    assert!(connection.write(OK));
}

#[test]
fn answers_in_parts_are_whole_contract_6_4() {
    let mut connection = Connection::default();
    assert!(!connection.read(GET));
    assert!(!connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"));
    assert!(!connection.write("o"));
    assert!(connection.write("k"));
    assert!(!connection.read(GET));
    assert!(!connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"));
    assert!(!connection.write("0\r\n"));
    assert!(connection.write("\r\n"));
}

#[test]
fn pipelined_requests_are_whole_contract_6_4() {
    let mut connection = Connection::default();
    assert!(!connection.read(&GET.repeat(3)));
    assert!(!connection.write(OK));
    assert!(!connection.write(&OK[..9]));
    assert!(!connection.write(&OK[9..]));
    assert!(connection.write(OK));
    assert!(!connection.read(&format!("{GET}GET")));
    assert!(!connection.write(OK), "there is a bit of another request");
}

#[test]
fn an_early_answer_is_not_enough_contract_6_3() {
    let mut connection = Connection::default();
    assert!(!connection.read(POST));
    assert!(!connection.write("HTTP/1.1 100 Continue\r\n\r\n"));
    assert!(!connection.write(OK));
    assert!(!connection.read("bod"));
    assert!(connection.read("y"));
}

#[test]
fn interim_answers_are_not_enough_contract_6_3() {
    let mut connection = Connection::default();
    assert!(!connection.read(GET));
    assert!(!connection.write("HTTP/1.1 103 Early Hints\r\n\r\n"));
    assert!(connection.write(OK));
}

#[test]
fn head_contract_6_4() {
    let mut connection = Connection::default();
    assert!(!connection.read("HEAD / HTTP/1.1\r\n\r\n"));
    assert!(connection.write(OK.trim_end_matches("ok")));
}

#[test]
fn never_after_an_announced_end() {
    let mut connection = Connection::default();
    assert!(!connection.read(GET));
    assert!(!connection.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"));
    connection = Connection::default();
    connection.read(GET);
    assert!(connection.write(OK));
    connection.answers.as_mut().unwrap().announced();
    assert!(!connection.is_between());
}

#[test]
fn never_when_the_body_ends_with_the_connection() {
    let mut connection = Connection::default();
    assert!(!connection.read(GET));
    for piece in ["HTTP/1.1 200 OK\r\n\r\n", "x", OK] {
        assert!(!connection.write(piece));
    }
}

#[test]
fn never_in_other_protocols_contract_6_4() {
    for (read, written) in [
        ("\u{16}\u{3}\u{1}", "\u{16}\u{3}\u{3}"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\0\0"),
        ("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        ("CONNECT a:1 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("GET /\r\n", "hello"),
        ("get key\r\n", "END\r\n"),
        ("", "220 ready\r\n"),
    ] {
        let mut connection = Connection::default();
        connection.read(read);
        for _ in 0..2 {
            assert!(!connection.write(written), "{read}");
            assert!(!connection.read(GET), "{read}");
            assert!(!connection.write(OK), "{read}");
        }
    }
}
