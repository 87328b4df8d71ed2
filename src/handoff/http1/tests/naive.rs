//! A parser of answers as a client has one, made independently and without a care for speed.

/// An answer, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) first_line: String,
    /// Names in small letters, and values.
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The tokens of all `Connection` fields, in small letters.
    pub(super) fn connection(&self) -> Vec<String> {
        let values = self.fields.iter().filter(|(name, _)| name == "connection").map(|(_, value)| value);
        values.flat_map(|value| value.split(',').map(|token| token.trim().to_lowercase())).collect()
    }

    pub(super) fn says_close(&self) -> bool {
        let tokens = self.connection();
        let says = |token: &str| tokens.iter().any(|it| it == token);
        says("close") || self.first_line.starts_with("HTTP/1.0") && !says("keep-alive")
    }

    /// All fields but `Connection`.
    pub(super) fn other_fields(&self) -> Vec<&(String, String)> {
        self.fields.iter().filter(|(name, _)| name != "connection").collect()
    }
}

/// All answers, answers 1xx too. What is asked for by these methods.
pub(super) fn answers(bytes: &[u8], methods: &[&str]) -> Vec<Answer> {
    let mut rest = bytes;
    let mut answers = Vec::new();
    let mut methods = methods.iter();
    while !rest.is_empty() {
        let first_line = line(&mut rest);
        assert!(first_line.starts_with("HTTP/1."), "{first_line:?}");
        let fields = fields(&mut rest);
        let status: u32 = first_line[9..12].parse().unwrap();
        let method = if status < 200 { "GET" } else { methods.next().unwrap() };
        let field = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        let body = if status < 200 || status == 204 || status == 304 || method == "HEAD" {
            Vec::new()
        } else if field("transfer-encoding").is_some() {
            chunks(&mut rest)
        } else if let Some(length) = field("content-length") {
            take(&mut rest, length.parse().unwrap())
        } else {
            take(&mut rest, usize::MAX)
        };
        answers.push(Answer { first_line, fields, body });
    }
    answers
}

fn line(rest: &mut &[u8]) -> String {
    let end = rest.iter().position(|&byte| byte == b'\n').expect("a line feed");
    let line = String::from_utf8(take(rest, end + 1)).unwrap();
    line.trim_end_matches(['\r', '\n']).to_string()
}

fn fields(rest: &mut &[u8]) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    loop {
        let line = line(rest);
        if line.is_empty() {
            return fields;
        }
        if line.starts_with([' ', '\t']) {
            fields.last_mut().unwrap().1 += &line;
        } else {
            let (name, value) = line.split_once(':').unwrap();
            fields.push((name.to_lowercase(), value.trim().to_string()));
        }
    }
}

fn chunks(rest: &mut &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let size = line(rest);
        let size = usize::from_str_radix(size.split(';').next().unwrap().trim(), 16).unwrap();
        if size == 0 {
            fields(rest);
            return body;
        }
        body.extend(take(rest, size));
        assert_eq!(line(rest), "");
    }
}

fn take(rest: &mut &[u8], count: usize) -> Vec<u8> {
    let (taken, after) = rest.split_at(count.min(rest.len()));
    *rest = after;
    taken.to_vec()
}
