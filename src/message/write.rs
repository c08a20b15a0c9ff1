//! Parts of messages of HTTP/1 as they are written (RFC 9112 §5, §7.1).

use super::Headers;
use std::io::Write as _;

/// A field's line.
pub fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.reserve(field_size(name, value));
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The line of a field whose value is a list of these members (RFC 9110 §5.6.1).
pub fn list<'a>(out: &mut Vec<u8>, name: &str, members: impl Iterator<Item = &'a [u8]>) {
    out.extend_from_slice(name.as_bytes());
    for (number, member) in members.enumerate() {
        out.extend_from_slice(if number == 0 { b": " } else { b", " });
        out.extend_from_slice(member);
    }
    out.extend_from_slice(b"\r\n");
}

/// How many bytes a field's line has.
pub fn field_size(name: &str, value: &[u8]) -> usize {
    name.len() + b": ".len() + value.len() + b"\r\n".len()
}

/// How long the body is.
pub fn content_length(out: &mut Vec<u8>, length: u64) {
    field(out, "content-length", itoa::Buffer::new().format(length).as_bytes());
}

/// What is in front of a chunk of so many bytes.
pub fn chunk_size(out: &mut Vec<u8>, size: usize) {
    // A vector takes whatever is written.
    let _ = write!(out, "{size:x}\r\n");
}

/// The end of a chunked body.
pub fn last_chunk(out: &mut Vec<u8>, trailers: &Headers) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        field(out, name.as_str(), value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}
