//! The strict reading of a request line (RFC 9112 §3).

use super::{Refusal, head::all, host};
use http::{Method, StatusCode};

/// Longest method in bytes; the longest registered one has 17.
const MAX_METHOD: usize = 32;
const MALFORMED_LINE: Refusal = Refusal::bad("malformed request line");

/// Method and target of a request line, as far as they can be made out: for the log of a refused request.
pub fn method_and_target(bytes: &[u8]) -> (Option<Method>, &[u8]) {
    let line = &bytes[..memchr::memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len())];
    let mut words = line.splitn(3, |&b| b == b' ');
    let method = words.next().and_then(|word| Method::from_bytes(word).ok());
    (method, words.next().unwrap_or(b""))
}

/// Checks that a method ends in time, however much of the line has arrived.
pub(super) fn check_start(bytes: &[u8]) -> Result<(), Refusal> {
    let end = memchr::memchr(b' ', &bytes[..bytes.len().min(MAX_METHOD + 1)]);
    if bytes.len() > MAX_METHOD && end.is_none_or(|end| end == 0) { Err(MALFORMED_LINE) } else { Ok(()) }
}

/// A request line whose end has not arrived: garbage is told apart at once instead of at the deadline.
pub(super) fn check_partial(bytes: &[u8]) -> Result<(), Refusal> {
    let line = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    match bytes {
        [0x16, ..] => Err(Refusal::bad("TLS on the plain port")),
        _ if line.iter().all(|b| (b' '..=b'~').contains(b)) => Ok(()),
        _ => Err(MALFORMED_LINE),
    }
}

/// The words of a request line: how long the first two are, and whether the third is HTTP/1.1 instead of HTTP/1.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestLine {
    pub(super) method: usize,
    pub(super) target: usize,
    pub(super) version_11: bool,
}

/// Checks `method SP target SP version`.
pub(super) fn check(line: &[u8]) -> Result<RequestLine, Refusal> {
    let mut words = line.split(|&b| b == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(MALFORMED_LINE);
    };
    check_method(method)?;
    let version_11 = check_version(version)?;
    check_target(method, target)?;
    Ok(RequestLine { method: method.len(), target: target.len(), version_11 })
}

/// Checks method and path of a request that came in another form than a line of text (HTTP/2), by the same rules.
pub(super) fn check_words(method: &[u8], path: &[u8]) -> Result<(), Refusal> {
    if method.len() > MAX_METHOD {
        return Err(Refusal::bad("malformed method"));
    }
    check_method(method)?;
    check_target(method, path)?;
    // An authority has a place of its own there.
    if matches!(path, [b'/', ..] | b"*") { Ok(()) } else { Err(Refusal::bad("malformed request target")) }
}

fn check_method(method: &[u8]) -> Result<(), Refusal> {
    let sound = !method.is_empty() && method.iter().all(|&b| is_method_byte(b));
    if sound { Ok(()) } else { Err(Refusal::bad("malformed method")) }
}

fn check_version(version: &[u8]) -> Result<bool, Refusal> {
    match version {
        b"HTTP/1.1" => Ok(true),
        b"HTTP/1.0" => Ok(false),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Refusal::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "unsupported HTTP version"))
        }
        _ => Err(Refusal::bad("malformed HTTP version")),
    }
}

/// RFC 9112 §3.2: origin-form, absolute-form with an http(s) URI, or `*` for OPTIONS. A fragment is never part of it.
/// CONNECT is for forward proxies; TRACE would show a client the headers that proxies before us have added.
fn check_target(method: &[u8], target: &[u8]) -> Result<(), Refusal> {
    if method == b"CONNECT" || method == b"TRACE" {
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed"));
    }
    let path = match target {
        [b'/', ..] => target,
        b"*" if method == b"OPTIONS" => return Ok(()),
        _ => absolute_form_path(target).ok_or(Refusal::bad("malformed request target"))?,
    };
    let (path, query) = path.split_at(memchr::memchr(b'?', path).unwrap_or(path.len()));
    let sound = all(path, is_path_byte) && all(query, is_query_byte);
    if sound { Ok(()) } else { Err(Refusal::bad("malformed request target")) }
}

/// What follows the authority of an absolute-form target, if it is one.
fn absolute_form_path(target: &[u8]) -> Option<&[u8]> {
    let rest = [&b"http://"[..], b"https://"].iter().find_map(|scheme| {
        let (head, rest) = target.split_at_checked(scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then_some(rest)
    })?;
    let end = rest.iter().position(|&b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
    host::is_valid(&rest[..end]).then_some(&rest[end..])
}

/// Methods are case-sensitive tokens (RFC 9110 §9.1), and all that exist are in capitals: `get` is an attempt to be read
/// differently by two servers.
fn is_method_byte(b: u8) -> bool {
    b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_')
}

/// Visible ASCII without what browsers encode and the library's URI type refuses.
fn is_path_byte(b: u8) -> bool {
    is_query_byte(b) & !matches!(b, b'`' | b'\\')
}

/// More than RFC 3986 §3.4 allows, but all that browsers send as it is. `#` would be cut off by the library.
fn is_query_byte(b: u8) -> bool {
    b.is_ascii_graphic() & !matches!(b, b'"' | b'#' | b'<' | b'>')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{
        head::{self, MAX_REQUEST_LINE},
        places::Places,
    };

    fn status_of(text: &str) -> u16 {
        head::read(text.as_bytes(), &mut Places::default())
            .err()
            .map_or(200, |refusal| refusal.status.as_u16())
    }

    #[test]
    fn every_target_that_passes_is_one_the_library_takes_as_it_is() {
        for b in 0..=255u8 {
            for target in [[b"/x".as_slice(), &[b]].concat(), [b"/?x".as_slice(), &[b]].concat()] {
                let taken = http::Uri::try_from(target.as_slice());
                let same = taken.is_ok_and(|uri| uri.to_string().as_bytes() == target);
                assert!(check_target(b"GET", &target).is_err() || same, "{target:?}");
            }
        }
    }

    #[test]
    fn malformed_request_lines() {
        for (line, status) in [
            ("GET  / HTTP/1.1", 400),
            ("GET\t/ HTTP/1.1", 400),
            (" GET / HTTP/1.1", 400),
            ("GET / HTTP/1.1 ", 400),
            ("GET /", 400),
            ("GET HTTP/1.1", 400),
            ("GET / x HTTP/1.1", 400),
            ("get / HTTP/1.1", 400),
            ("G(T / HTTP/1.1", 400),
            ("GET /a#b HTTP/1.1", 400),
            ("GET /a\\b HTTP/1.1", 400),
            ("GET /\u{e9} HTTP/1.1", 400),
            ("GET /\0 HTTP/1.1", 400),
            ("GET /\x7f HTTP/1.1", 400),
            ("GET * HTTP/1.1", 400),
            ("GET a HTTP/1.1", 400),
            ("GET ftp://a/ HTTP/1.1", 400),
            ("GET http://u@a/ HTTP/1.1", 400),
            ("GET http:///x HTTP/1.1", 400),
            ("CONNECT a:443 HTTP/1.1", 405),
            ("TRACE / HTTP/1.1", 405),
            ("GET / HTTP/0.9", 505),
            ("GET / HTTP/1.2", 505),
            ("GET / HTTP/2.0", 505),
            ("GET / HTTP/1", 400),
            ("GET / HTTP/01.1", 400),
            ("GET / http/1.1", 400),
            ("GET / HTTP/1.1\rX", 400),
        ] {
            assert_eq!(status_of(&format!("{line}\r\nHost: a\r\n\r\n")), status, "{line:?}");
        }
        assert_eq!(status_of(&"A".repeat(100)), 400, "a method without end");
        assert_eq!(status_of(&format!("GET /{}", "a".repeat(MAX_REQUEST_LINE))), 414);
        assert_eq!(status_of("\x16\x03\x01\x02\x00"), 400, "a TLS handshake");
        assert_eq!(status_of("GET / HTTP/1.1\nHost: a\n\n"), 400, "bare LF");
    }
}
