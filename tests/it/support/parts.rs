//! Bodies of several parts, as ranges are sent in.

use super::Response;

/// One part of a `multipart/byteranges` body.
#[derive(Debug)]
pub struct Part {
    fields: Vec<(String, String)>,
    /// What is between its head and the next boundary.
    pub body: String,
}

impl Part {
    /// The first field of that name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }
}

/// The parts of a `multipart/byteranges` body (RFC 2046 §5.1.1), which must be nothing but parts.
#[track_caller]
pub fn parts(response: &Response) -> Vec<Part> {
    let kind = response.header("content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let body = format!("\r\n{}", response.text());
    let delimiter = format!("\r\n--{boundary}");
    let mut pieces = body.split(&delimiter);
    assert_eq!(pieces.next(), Some(""), "a preamble: {body:?}");
    let mut pieces: Vec<_> = pieces.collect();
    assert_eq!(pieces.pop(), Some("--\r\n"), "an end: {body:?}");
    let part = |piece: &str| {
        let (head, body) = piece.strip_prefix("\r\n").unwrap().split_once("\r\n\r\n").unwrap();
        let field = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_owned(), value.to_owned())
        };
        Part { fields: head.split("\r\n").map(field).collect(), body: body.to_owned() }
    };
    pieces.into_iter().map(part).collect()
}
