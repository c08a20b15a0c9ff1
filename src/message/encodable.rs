//! Which responses may be sent in an encoding, and what changes in their headers then (RFC 9110 §8.4, §12.5.5).

pub use super::compressible::is_compressible;

use super::{
    Headers,
    cache_control::ResponseControl,
    directives::directives,
    encoding::Encoding,
    etag::{self, strong_eq, weak_eq},
    field::single,
    representation::has_body,
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};

/// Bodies of fewer bytes than this are sent as they are: there is little to save.
pub const SHORTEST: u64 = 1024;

/// What is added to `Vary`.
const VARIES_BY_ENCODING: &str = "Accept-Encoding";

const X_CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");

/// What describes the body in one encoding alone (RFC 9110 §8.6, §14.3, RFC 9530 §2, §3, and what these fields were before).
const BOUND_TO_ENCODING: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::ACCEPT_RANGES,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("repr-digest"),
];

/// Why a response is sent as it is, whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// Its status has no body, or only a part of one.
    Status,
    /// It is shorter than [`SHORTEST`].
    Short,
    /// It has no type, or one whose bodies hardly become smaller.
    Type,
    /// It is a part, whatever its status.
    Part,
    /// The worker has encoded it.
    Encoded,
    /// Its `Cache-Control` says `no-transform` (RFC 9111 §5.2.2.6), or cannot be read.
    NoTransform,
}

/// Whether a response with this head can be sent in an encoding that the client has a say in: it has a whole body of a type
/// that is worth it and has not been encoded, long enough where its `length` in bytes is known, and `no-transform` does not
/// forbid it.
pub fn is_encodable(status: StatusCode, headers: &Headers, length: Option<u64>) -> bool {
    obstacle(status, headers, length).is_none()
}

/// What keeps a response from being encoded; the first that is found.
pub fn obstacle(status: StatusCode, headers: &Headers, length: Option<u64>) -> Option<Obstacle> {
    let is_worth_it = |kind: &HeaderValue| is_compressible(kind.as_bytes());
    if !has_body(status) || status == StatusCode::PARTIAL_CONTENT {
        Some(Obstacle::Status)
    } else if length.is_some_and(|length| length < SHORTEST) {
        Some(Obstacle::Short)
    } else if !single(headers, header::CONTENT_TYPE).is_some_and(is_worth_it) {
        Some(Obstacle::Type)
    } else if headers.contains_key(header::CONTENT_RANGE) {
        Some(Obstacle::Part)
    } else if is_encoded(headers) {
        Some(Obstacle::Encoded)
    } else if forbids_transformation(headers) {
        Some(Obstacle::NoTransform)
    } else {
        None
    }
}

/// Makes the head of a response that of the same response in an encoding.
///
/// A strong entity-tag becomes weak, since the bytes are others (RFC 9110 §8.8.3.3). One that is beside the grammar stays as
/// it is: nothing compares it strongly, and only as it is does the client's `If-None-Match` still equal it.
pub fn encode_head(headers: &mut Headers, encoding: Encoding) {
    headers.insert(header::CONTENT_ENCODING, encoding.value());
    headers.get_all_mut(header::ETAG).for_each(weaken);
    for name in &BOUND_TO_ENCODING {
        headers.remove(name);
    }
}

/// Makes a 304 that of the encoded form, if that is the one that the client has: it knows the entity-tag as a weak one alone.
/// The worker may know it as a strong one, which would not renew what the client has stored (RFC 9111 §4.3.4).
pub fn encode_not_modified(headers: &mut Headers, request: &Headers) {
    let Some(etag) = headers.get(header::ETAG).map(|etag| etag.as_bytes().trim_ascii()) else { return };
    let tags = || request.get_all(header::IF_NONE_MATCH).flat_map(|line| etag::members(line.as_bytes()));
    if tags().any(|tag| tag != etag && weak_eq(tag, etag)) && !tags().any(|tag| tag == etag) {
        headers.get_all_mut(header::ETAG).take(1).for_each(weaken);
        add_vary(headers);
    }
}

/// Adds `Accept-Encoding` to `Vary`, behind what is there, whose lines become one. False, and nothing is changed, if it is
/// there already, or `*`, which says it too (RFC 9110 §12.5.5).
pub fn add_vary(headers: &mut Headers) -> bool {
    let added = HeaderValue::from_static(VARIES_BY_ENCODING);
    if !headers.contains_key(header::VARY) {
        headers.append(header::VARY, added);
        return true;
    }
    if has_member(headers, header::VARY, "accept-encoding") || has_member(headers, header::VARY, "*") {
        return false;
    }
    let mut vary = Vec::new();
    for line in headers.get_all(header::VARY).filter(|line| !line.is_empty()) {
        vary.extend_from_slice(line.as_bytes());
        vary.extend_from_slice(b", ");
    }
    if !vary.is_empty() {
        vary.extend_from_slice(added.as_bytes());
    }
    headers.insert(header::VARY, if vary.is_empty() { added } else { value(vary) });
    true
}

/// Takes back what an [`add_vary`] that was true has added. What was there before stays in one line; an empty line is gone.
pub fn remove_vary(headers: &mut Headers) {
    let vary = headers.get(header::VARY).map(HeaderValue::as_bytes);
    match vary.and_then(|vary| vary.strip_suffix(VARIES_BY_ENCODING.as_bytes())) {
        Some([]) => _ = headers.remove(header::VARY),
        Some([before @ .., b',', b' ']) => {
            let before = value(before.to_vec());
            headers.insert(header::VARY, before);
        }
        _ => {}
    }
}

/// Whether the request carries somebody's credentials: what answers it could be told from its length, byte by byte, by who
/// makes their browser ask again and again (BREACH).
pub fn request_concerns_auth(request: &Headers) -> bool {
    request.contains_key(header::COOKIE)
        || request.contains_key(header::AUTHORIZATION)
        || request.contains_key(&X_CSRF_TOKEN)
}

/// Whether the response says that it is somebody's own.
pub fn response_concerns_auth(response: &Headers) -> bool {
    response.contains_key(header::SET_COOKIE)
        || ResponseControl::of(response).is_some_and(|control| control.private || control.no_store)
        || has_member(response, header::VARY, "cookie")
}

/// Whether it has a coding other than `identity`, which is none (RFC 9110 §8.4.1).
fn is_encoded(headers: &Headers) -> bool {
    let is_coding = |name: &[u8]| !name.is_empty() && !name.eq_ignore_ascii_case(b"identity");
    members(headers, header::CONTENT_ENCODING).any(is_coding)
}

/// A directive that cannot be read may be that one.
fn forbids_transformation(headers: &Headers) -> bool {
    // Most lines need not be read for that: they have no such letter.
    let lines = headers.get_all(header::CACHE_CONTROL);
    let mut directives =
        directives(lines.filter(|line| memchr::memchr2(b'f', b'F', line.as_bytes()).is_some()));
    directives.any(|directive| directive.is_none_or(|directive| directive.name() == b"no-transform"))
}

/// Only a well-formed strong tag equals itself strongly.
fn weaken(etag: &mut HeaderValue) {
    let tag = etag.as_bytes().trim_ascii();
    if strong_eq(tag, tag) {
        *etag = value([b"W/", tag].concat());
    }
}

/// Whether this is a member of a field's list, in any case.
fn has_member(headers: &Headers, name: HeaderName, member: &str) -> bool {
    members(headers, name).any(|found| found.eq_ignore_ascii_case(member.as_bytes()))
}

fn members(headers: &Headers, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(name);
    lines.flat_map(|line| line.as_bytes().split(|&b| b == b',')).map(<[u8]>::trim_ascii)
}

/// A value made of such that have been values before, which cannot fail.
fn value(text: Vec<u8>) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Option<u64> = Some(SHORTEST);

    /// The values of a field's lines.
    fn lines(headers: &Headers, name: HeaderName) -> Vec<&str> {
        headers.get_all(name).map(|line| line.to_str().unwrap()).collect()
    }

    #[test]
    fn statuses_and_lengths() {
        let html = Headers::of(&[("content-type", "text/html")]);
        let is = |status: u16, length| is_encodable(StatusCode::from_u16(status).unwrap(), &html, length);
        for (status, expected) in [
            (101, false),
            (103, false),
            (200, true),
            (201, true),
            (203, true),
            (204, false),
            (205, false),
            (206, false),
            (301, true),
            (304, false),
            (404, true),
            (416, true),
            (422, true),
            (500, true),
        ] {
            assert_eq!(is(status, LONG), expected, "{status}");
        }
        for (length, expected) in
            [(None, true), (Some(0), false), (Some(1023), false), (Some(1024), true), (Some(u64::MAX), true)]
        {
            assert_eq!(is(200, length), expected, "{length:?}");
        }
    }

    #[test]
    fn what_a_head_says_against_it() {
        for (fields, expected) in [
            (&[][..], true),
            (&[("content-encoding", "identity")], true),
            (&[("content-encoding", "Identity, ")], true),
            (&[("content-encoding", "")], true),
            (&[("content-encoding", "gzip")], false),
            (&[("content-encoding", "identity, br")], false),
            (&[("content-encoding", "identity"), ("content-encoding", "x-own")], false),
            (&[("content-range", "bytes 0-1/2")], false),
            (&[("cache-control", "public, max-age=60")], true),
            (&[("cache-control", "No-Transform")], false),
            (&[("cache-control", "public"), ("cache-control", "max-age=1,no-transform")], false),
            (&[("cache-control", "x=\"no-transform\"")], true),
            (&[("cache-control", "x=\"no-transform")], false),
            (&[("content-type", "image/png")], false),
        ] {
            let mut headers = Headers::of(&[("content-type", "text/html")]);
            headers.extend(Headers::of(fields));
            assert_eq!(is_encodable(StatusCode::OK, &headers, LONG), expected, "{fields:?}");
        }
        assert!(!is_encodable(StatusCode::OK, &Headers::new(), LONG), "no type");
        let twice = Headers::of(&[("content-type", "text/html"), ("content-type", "text/html")]);
        assert!(!is_encodable(StatusCode::OK, &twice, LONG), "two types");
    }

    #[test]
    fn each_obstacle_is_told() {
        use Obstacle::*;
        for (status, field, length, expected) in [
            (200, ("vary", "a"), LONG, None),
            (304, ("vary", "a"), LONG, Some(Status)),
            (206, ("vary", "a"), LONG, Some(Status)),
            (200, ("vary", "a"), Some(1), Some(Short)),
            (200, ("content-type", "image/png"), LONG, Some(Type)),
            (200, ("content-range", "bytes 0-1/2"), LONG, Some(Part)),
            (200, ("content-encoding", "br"), LONG, Some(Encoded)),
            (200, ("cache-control", "no-transform"), LONG, Some(NoTransform)),
        ] {
            let mut headers = Headers::of(&[("content-type", "text/html")]);
            headers.extend(Headers::of(&[field]));
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(obstacle(status, &headers, length), expected, "{status} {field:?}");
        }
    }

    #[test]
    fn what_is_bound_to_the_bytes_goes() {
        let mut headers = Headers::of(&[
            ("content-type", "text/html"),
            ("content-length", "2000"),
            ("content-encoding", "identity"),
            ("accept-ranges", "bytes"),
            ("content-md5", "x"),
            ("content-digest", "x"),
            ("digest", "x"),
            ("repr-digest", "x"),
            ("last-modified", "x"),
            ("vary", "origin"),
        ]);
        encode_head(&mut headers, Encoding::Brotli);
        let expected = [
            ("content-type", "text/html"),
            ("content-encoding", "br"),
            ("last-modified", "x"),
            ("vary", "origin"),
        ];
        assert_eq!(headers, Headers::of(&expected));
    }

    /// RFC 9110 §8.8.3.
    #[test]
    fn a_strong_entity_tag_becomes_weak() {
        for (tags, expected) in [
            (&["\"a\""][..], &["W/\"a\""][..]),
            (&["\"\""], &["W/\"\""]),
            (&["W/\"a\""], &["W/\"a\""]),
            // Beside the grammar
            (&["a"], &["a"]),
            (&["\"a"], &["\"a"]),
            (&["\"a b\""], &["\"a b\""]),
            (&["w/\"a\""], &["w/\"a\""]),
            (&[""], &[""]),
            (&["\"a\"", "\"b\""], &["W/\"a\"", "W/\"b\""]),
            (&[], &[]),
        ] {
            let fields: Vec<_> = tags.iter().map(|tag| ("etag", *tag)).collect();
            let mut headers = Headers::of(&fields);
            encode_head(&mut headers, Encoding::Gzip);
            assert_eq!(lines(&headers, header::ETAG), expected, "{tags:?}");
        }
    }

    /// Lines of `Vary`, what they become, or nothing if they stay, and what is left when that is taken back.
    #[test]
    fn vary_gains_a_member_and_loses_it_again() {
        for (before, added, back) in [
            (&[][..], Some("Accept-Encoding"), &[][..]),
            (&[""], Some("Accept-Encoding"), &[]),
            (&["Origin"], Some("Origin, Accept-Encoding"), &["Origin"]),
            (
                &["Origin", "", "Accept,Cookie"],
                Some("Origin, Accept,Cookie, Accept-Encoding"),
                &["Origin, Accept,Cookie"],
            ),
            (&["Origin,"], Some("Origin,, Accept-Encoding"), &["Origin,"]),
            (&["X-Accept-Encoding"], Some("X-Accept-Encoding, Accept-Encoding"), &["X-Accept-Encoding"]),
            (&["Accept-Encoding"], None, &[]),
            (&["Origin", "Cookie ,ACCEPT-ENCODING"], None, &[]),
            (&["*"], None, &[]),
            (&["Origin, *"], None, &[]),
        ] {
            let fields: Vec<_> = before.iter().map(|line| ("vary", *line)).collect();
            let mut headers = Headers::of(&fields);
            assert_eq!(add_vary(&mut headers), added.is_some(), "{before:?}");
            assert_eq!(lines(&headers, header::VARY), added.map_or(before.to_vec(), |line| vec![line]));
            if added.is_some() {
                remove_vary(&mut headers);
                assert_eq!(lines(&headers, header::VARY), back, "{before:?}");
            }
        }
        let mut other = Headers::of(&[("vary", "Origin")]);
        remove_vary(&mut other);
        assert_eq!(lines(&other, header::VARY), ["Origin"]);
    }

    #[test]
    fn credentials_on_either_side() {
        for (name, expected) in [
            ("cookie", true),
            ("authorization", true),
            ("x-csrf-token", true),
            ("set-cookie", false),
            ("x-xsrf-token", false),
        ] {
            assert_eq!(request_concerns_auth(&Headers::of(&[("host", "a"), (name, "")])), expected, "{name}");
        }
        for (name, line, expected) in [
            ("set-cookie", "a=b", true),
            ("cache-control", "max-age=0, Private", true),
            ("cache-control", "private=\"x\"", true),
            ("cache-control", "No-Store", true),
            ("cache-control", "no-cache", false),
            ("cache-control", "public, max-age=60", false),
            ("vary", "Cookie", true),
            ("vary", "Origin,cookie", true),
            ("vary", "Origin, X-Cookie", false),
            ("vary", "Accept-Encoding", false),
            ("cookie", "a=b", false),
        ] {
            assert_eq!(response_concerns_auth(&Headers::of(&[(name, line)])), expected, "{name}: {line}");
        }
    }

    #[test]
    fn a_304_names_the_tag_that_the_client_knows() {
        for (tag, named, expected) in [
            ("\"a\"", "W/\"a\"", "W/\"a\""),
            ("\"a\"", "\"b\", W/\"a\"", "W/\"a\""),
            ("\"a\"", "\"a\"", "\"a\""),
            ("\"a\"", "W/\"a\", \"a\"", "\"a\""),
            ("\"a\"", "W/\"b\"", "\"a\""),
            ("\"a\"", "*", "\"a\""),
            ("W/\"a\"", "W/\"a\"", "W/\"a\""),
        ] {
            let mut headers = Headers::new();
            headers.insert(header::ETAG, HeaderValue::from_static(tag));
            let request = Headers::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(named))]);
            encode_not_modified(&mut headers, &request);
            assert_eq!(headers[header::ETAG], expected, "{named}");
            assert_eq!(headers.contains_key(header::VARY), tag != expected, "{named}");
        }
    }
}
