//! The strict readers against another implementation: what they let through is read in the same way by the parser behind
//! them, whatever is done to a message on its way. (That they refuse what they should is in the tables beside them.)

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Uri, Version};
use std::ops::Range;
use thrust::message::{
    Headers, Request,
    head::{self, Framing, MAX_FIELDS},
    places::Places,
    unread::Unread,
};

const ROUNDS: u32 = 100_000;

const HEADS: [&str; 6] = [
    "GET /a/b?c=d HTTP/1.1\r\nHost: example.com:80\r\nAccept: */*\r\nX-A: b\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nContent-Type: text/plain\r\n\r\n",
    "PUT /x HTTP/1.1\r\nhost: [::1]\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n",
    "GET http://a.b/c HTTP/1.1\r\nHost: a.b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "OPTIONS * HTTP/1.0\r\nCookie: a=b; c=d\r\n\r\n",
    "DELETE /%2F//../ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n",
];

const BODIES: [&str; 3] = [
    "5\r\nhello\r\n0\r\n\r\n",
    "A;name=value\r\n0123456789\r\n1;q=\"a;b\"\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n",
    "00003\r\nabc\r\nf\r\n123456789012345\r\n0\r\n\r\n",
];

/// Bytes that mean something to one parser or another.
const TELLING: &[u8] = b"\r\n\t\0 :;,=+-_0159aAfFxX\"'#?/\\*%@[]\x0b\x0c\x7f\x80\xff";

#[test]
fn a_head_that_is_let_through_is_read_the_same_by_the_library() {
    let mut random = fastrand::Rng::with_seed(9112);
    let mut accepted = 0;
    let mut places = Places::default();
    for _ in 0..ROUNDS {
        let bytes = mutated(HEADS[random.usize(..HEADS.len())], &mut random);
        let Ok(Some(head)) = head::read(&bytes, &mut places) else { continue };
        accepted += 1;
        let shown = String::from_utf8_lossy(&bytes);
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        let status = request.parse(&bytes).unwrap_or_else(|error| panic!("{error}: {shown:?}"));
        assert_eq!(status, httparse::Status::Complete(head.len), "another end: {shown:?}");
        let target = request.path.unwrap();
        assert_eq!(target.parse::<http::Uri>().unwrap().to_string(), absolute_with_path(target), "{shown:?}");
        assert_eq!(framing(request.headers), Some(head.framing), "another framing: {shown:?}");
        let hosts = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("host")).count();
        assert!(hosts == 1 || (hosts == 0 && request.version == Some(0)), "{hosts} hosts: {shown:?}");
        let mut made = Request::new(());
        head.put_into(&mut made, &Bytes::copy_from_slice(&bytes), &places).unwrap();
        assert_eq!(request_of(&request), described(&made), "another request: {shown:?}");
    }
    assert!(accepted > ROUNDS / 20, "too few to learn from: {accepted}");
}

/// Its method, target and fields in the order in which a map has them.
fn request_of(request: &httparse::Request<'_, '_>) -> String {
    let mut fields = Headers::new();
    for field in request.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).unwrap();
        fields.append(name, HeaderValue::from_bytes(field.value).unwrap());
    }
    let target: Uri = request.path.unwrap().parse().unwrap();
    format!("{} {target} {} {fields:?}", request.method.unwrap(), request.version.unwrap())
}

fn described(request: &Request<()>) -> String {
    let version = u8::from(request.version() == Version::HTTP_11);
    format!("{} {} {version} {:?}", request.method(), request.uri(), request.headers())
}

#[test]
fn a_chunked_body_that_is_let_through_ends_where_the_library_sees_its_end() {
    let mut random = fastrand::Rng::with_seed(9112);
    let mut accepted = 0;
    for _ in 0..ROUNDS {
        let mut bytes = mutated(BODIES[random.usize(..BODIES.len())], &mut random);
        bytes.extend_from_slice(b"GET / HTTP/1.1\r\n");
        let (mut body, mut received) = (Unread::chunked(), BytesMut::from(&*bytes));
        while let Ok(Some(_)) = body.next(&mut received) {}
        if body.is_over() {
            accepted += 1;
            let end = bytes.len() - received.len();
            assert_eq!(Some(end), chunked_end(&bytes), "another end: {:?}", String::from_utf8_lossy(&bytes));
        }
    }
    assert!(accepted > ROUNDS / 20, "too few to learn from: {accepted}");
}

/// The text with a few bytes changed, added, taken away or repeated.
fn mutated(text: &str, random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..random.u32(0..3) {
        let at = random.usize(..bytes.len());
        let telling = TELLING[random.usize(..TELLING.len())];
        match random.u32(..5) {
            0 => bytes[at] = telling,
            1 => bytes.insert(at, telling),
            2 => drop(bytes.remove(at)),
            3 => bytes[at] = random.u8(..),
            _ => repeat(&mut bytes, at..random.usize(at..text.len().max(at + 1)).min(at + 40)),
        }
    }
    bytes
}

fn repeat(bytes: &mut Vec<u8>, range: Range<usize>) {
    let range = range.start..range.end.min(bytes.len());
    let copy = bytes[range.clone()].to_vec();
    bytes.splice(range.start..range.start, copy);
}

/// What the fields say about the body, read as the RFC has it; `None` where they contradict each other.
fn framing(fields: &[httparse::Header]) -> Option<Framing> {
    let values =
        |name: &'static str| fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
    let lengths: Vec<_> = values("content-length").collect();
    let codings: Vec<_> = values("transfer-encoding").collect();
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Some(Framing::Length(0)),
        ([length], []) => Some(Framing::Length(std::str::from_utf8(length.value).ok()?.parse().ok()?)),
        ([], [coding]) => coding.value.eq_ignore_ascii_case(b"chunked").then_some(Framing::Chunked),
        _ => None,
    }
}

/// As the URI type writes a target: the scheme in small letters, and a path behind every authority.
fn absolute_with_path(target: &str) -> String {
    let Some((scheme, rest)) = target.split_once("://").filter(|_| !target.starts_with('/')) else {
        return target.to_owned();
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{}://{authority}{slash}{path}", scheme.to_ascii_lowercase())
}

/// Where a chunked body ends, by another reading of it.
fn chunked_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let httparse::Status::Complete((line, size)) = httparse::parse_chunk_size(&bytes[at..]).ok()? else {
            return None;
        };
        at += line;
        if size == 0 {
            break;
        }
        at += usize::try_from(size).ok()?;
        at += bytes.get(at..at + 2)?.eq(b"\r\n").then_some(2)?;
    }
    let mut trailers = [httparse::EMPTY_HEADER; MAX_FIELDS];
    match httparse::parse_headers(&bytes[at..], &mut trailers).ok()? {
        httparse::Status::Complete((end, _)) => Some(at + end),
        httparse::Status::Partial => None,
    }
}
