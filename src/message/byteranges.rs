//! Several ranges of a body in one response: `multipart/byteranges` (RFC 9110 §14.6).

use super::range::{content_range, value};
use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use std::{iter, ops::Range};

/// A `multipart/byteranges` body without the bytes of the ranges: each part's head and then its range of the body, and
/// behind all of them the end.
#[derive(Debug)]
pub struct Multipart {
    /// `Content-Type` of the response.
    pub content_type: HeaderValue,
    /// Heads and ranges, in order.
    pub parts: Vec<Part>,
    /// The closing delimiter.
    pub end: Bytes,
}

/// A part of a [`Multipart`].
#[derive(Debug)]
pub struct Part {
    /// What comes before the bytes of the range: delimiter, fields, blank line.
    pub head: Bytes,
    /// The bytes of the body that follow.
    pub range: Range<u64>,
}

impl Multipart {
    /// For these ranges of a body of `length` bytes, whose own `Content-Type` each part repeats.
    pub fn new(ranges: Vec<Range<u64>>, length: u64, content_type: Option<&HeaderValue>) -> Self {
        let boundary: String = iter::repeat_with(fastrand::alphanumeric).take(24).collect();
        let mut delimiter = format!("--{boundary}\r\n");
        let mut parts = Vec::with_capacity(ranges.len());
        for range in ranges {
            parts.push(Part { head: head(&delimiter, content_type, &range, length), range });
            // The line break before a delimiter belongs to it (RFC 2046 §5.1.1); the first one has nothing before it.
            delimiter = format!("\r\n--{boundary}\r\n");
        }
        Self {
            content_type: value(format!("multipart/byteranges; boundary={boundary}")),
            parts,
            end: Bytes::from(format!("\r\n--{boundary}--\r\n")),
        }
    }
}

fn head(delimiter: &str, content_type: Option<&HeaderValue>, range: &Range<u64>, length: u64) -> Bytes {
    let mut head = BytesMut::from(delimiter);
    if let Some(content_type) = content_type {
        head.extend_from_slice(b"Content-Type: ");
        head.extend_from_slice(content_type.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"Content-Range: ");
    head.extend_from_slice(content_range(range, length).as_bytes());
    head.extend_from_slice(b"\r\n\r\n");
    head.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9110 §14.6, RFC 2046 §5.1.1.
    #[test]
    fn a_multipart_body() {
        let body = b"0123456789";
        for (content_type, line) in
            [(Some(HeaderValue::from_static("text/css")), "Content-Type: text/css\r\n"), (None, "")]
        {
            let multipart = Multipart::new(vec![8..10, 0..2], 10, content_type.as_ref());
            let own = multipart.content_type.to_str().unwrap();
            let boundary = own.strip_prefix("multipart/byteranges; boundary=").unwrap();
            assert!(
                boundary.len() == 24 && boundary.bytes().all(|b| b.is_ascii_alphanumeric()),
                "{boundary}"
            );
            let mut sent = Vec::new();
            for part in &multipart.parts {
                sent.extend_from_slice(&part.head);
                sent.extend_from_slice(&body[part.range.start as usize..part.range.end as usize]);
            }
            sent.extend_from_slice(&multipart.end);
            let expected = format!(
                "--{boundary}\r\n{line}Content-Range: bytes 8-9/10\r\n\r\n89\r\n\
                 --{boundary}\r\n{line}Content-Range: bytes 0-1/10\r\n\r\n01\r\n--{boundary}--\r\n"
            );
            assert_eq!(String::from_utf8(sent).unwrap(), expected);
        }
        let boundary = || Multipart::new(vec![0..1, 2..3], 10, None).content_type;
        assert_ne!(boundary(), boundary());
    }
}
