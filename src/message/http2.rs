//! Requests of HTTP/2 in the form that all the rest works with, that of HTTP/1.1 (RFC 9113 §8), read as strictly.
//!
//! What RFC 9113 calls malformed (pseudo-fields out of place, fields that concern a connection, a body of another length
//! than announced) never comes this far: the library resets such a stream.

use super::{
    Headers, Refusal, Refused,
    head::{self, LONG_LINE, MAX_REQUEST_LINE},
    host,
    request::Parts,
    request_line,
};
use bytes::BytesMut;
use http::{
    HeaderValue, Method, StatusCode, Uri, header,
    uri::{self, PathAndQuery},
};
use hyper::ext::Protocol;

/// Gives a request the form that it would have in HTTP/1.1: the target in origin-form, `Host`, one `Cookie`; an extended
/// CONNECT for a WebSocket (RFC 8441) becomes a request to switch protocols.
///
/// # Errors
/// What would be refused there is refused here, for the same reasons.
pub fn settle(head: &mut Parts) -> Result<(), Refusal> {
    let protocol = head.extensions.remove::<Protocol>();
    if let Some(protocol) = protocol.filter(|_| head.method == Method::CONNECT) {
        become_upgrade(head, &protocol)?;
    }
    let method = head.method.as_str().as_bytes();
    let path = head.uri.path_and_query().map_or("", PathAndQuery::as_str).as_bytes();
    if method.len() + path.len() > MAX_REQUEST_LINE {
        return Err(LONG_LINE);
    }
    request_line::check_words(method, path)?;
    if head.uri.scheme().is_some_and(|scheme| *scheme != uri::Scheme::HTTP && *scheme != uri::Scheme::HTTPS) {
        return Err(Refusal::bad("malformed request target"));
    }
    let size = method.len() + path.len();
    join_cookies(&mut head.headers);
    head::check_fields(&head.headers, size)?;
    settle_host(head)?;
    if head.headers.contains_key(header::EXPECT) {
        expect_nothing(&mut head.headers)?;
    }
    Ok(())
}

/// A request that is refused, for the log.
pub fn refused(head: &Parts, refusal: Refusal) -> Refused {
    let path = head.uri.path_and_query().map_or("", PathAndQuery::as_str);
    Refused { refusal, start: format!("{} {path} HTTP/2", head.method).into_bytes() }
}

/// The response to an extended CONNECT whose request to switch was granted (RFC 8441 §5), from the 101.
pub fn open(headers: &mut Headers) {
    let gone = [header::CONNECTION, header::UPGRADE, header::SEC_WEBSOCKET_ACCEPT];
    headers.retain(|name| !gone.contains(name));
}

/// Removes the fields that only HTTP/1 has (RFC 9113 §8.2.2).
pub fn undress(headers: &mut Headers) {
    headers.retain(|name| !is_for_http_1(name));
}

fn is_for_http_1(name: &header::HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection" | "transfer-encoding" | "upgrade" | "keep-alive" | "proxy-connection" | "te"
    )
}

/// RFC 8441 §5, RFC 6455 §4.1: the key is ours, since in HTTP/2 there is none.
fn become_upgrade(head: &mut Parts, protocol: &Protocol) -> Result<(), Refusal> {
    if !protocol.as_str().eq_ignore_ascii_case("websocket") {
        return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "unknown protocol"));
    }
    head.method = Method::GET;
    let headers = &mut head.headers;
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_KEY, websocket_key());
    headers.insert_if_absent(header::SEC_WEBSOCKET_VERSION, || HeaderValue::from_static("13"));
    Ok(())
}

/// Sixteen random bytes in base64: 21 digits of six bits, one of two, and the padding.
fn websocket_key() -> HeaderValue {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut key = *b"xxxxxxxxxxxxxxxxxxxxxx==";
    for (place, digit) in key[..22].iter_mut().enumerate() {
        *digit = if place < 21 { DIGITS[fastrand::usize(..64)] } else { DIGITS[fastrand::usize(..4) * 16] };
    }
    HeaderValue::from_bytes(&key).unwrap_or_else(|_| HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAA=="))
}

/// RFC 9113 §8.2.3: what compresses better in pieces is one line again.
fn join_cookies(headers: &mut Headers) {
    let mut crumbs = headers.get_all(header::COOKIE);
    let (Some(first), Some(second)) = (crumbs.next(), crumbs.next()) else { return };
    let mut cookie = BytesMut::from(first.as_bytes());
    for crumb in [second].into_iter().chain(crumbs) {
        cookie.extend_from_slice(b"; ");
        cookie.extend_from_slice(crumb.as_bytes());
    }
    // Values with semicolons between them are a value.
    if let Ok(cookie) = HeaderValue::from_maybe_shared(cookie.freeze()) {
        headers.insert(header::COOKIE, cookie);
    }
}

/// RFC 9113 §8.3.1: the authority is the Host. Where there are both they must be the same to the letter, or somebody
/// before us may have understood the request the other way.
fn settle_host(head: &mut Parts) -> Result<(), Refusal> {
    let Some(authority) = head.uri.authority() else {
        return if head.headers.contains_key(header::HOST) { Ok(()) } else { Err(Refusal::bad("no Host")) };
    };
    let authority = authority.as_str();
    if !host::is_valid(authority.as_bytes()) {
        return Err(Refusal::bad("malformed Host"));
    }
    match head.headers.get(header::HOST) {
        Some(host) if !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) => {
            return Err(Refusal::bad("Host and authority disagree"));
        }
        Some(_) => {}
        None => {
            let host = HeaderValue::from_str(authority).map_err(|_| Refusal::bad("malformed Host"))?;
            head.headers.insert(header::HOST, host);
        }
    }
    let mut parts = std::mem::take(&mut head.uri).into_parts();
    (parts.scheme, parts.authority) = (None, None);
    head.uri = Uri::from_parts(parts).map_err(|_| Refusal::bad("malformed request target"))?;
    Ok(())
}

/// The library can send no 100 on HTTP/2. A client that waits for it sends its body after a while all the same; the worker
/// would only hold it up a second time.
fn expect_nothing(headers: &mut Headers) -> Result<(), Refusal> {
    let known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if !headers.get_all(header::EXPECT).all(known) {
        return Err(Refusal::new(StatusCode::EXPECTATION_FAILED, "unknown expectation"));
    }
    headers.remove(header::EXPECT);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Request;

    fn head(method: &str, uri: &str, fields: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        Request::from(request.body(()).unwrap()).into_parts().0
    }

    fn status_of(method: &str, uri: &str, fields: &[(&str, &str)]) -> u16 {
        settle(&mut head(method, uri, fields)).err().map_or(200, |refusal| refusal.status.as_u16())
    }

    #[test]
    fn a_request_takes_the_form_of_http_1() {
        let fields = [("cookie", "a=b"), ("accept", "x"), ("cookie", "c=d; e=f"), ("cookie", "g=h")];
        let mut head = head("GET", "https://app.test:81/a?b", &fields);
        settle(&mut head).unwrap();
        assert_eq!(head.uri, "/a?b");
        assert_eq!(head.headers["host"], "app.test:81");
        assert_eq!(head.headers["cookie"], "a=b; c=d; e=f; g=h");
        assert_eq!(head.headers.len(), 3);
    }

    #[test]
    fn what_http_1_would_refuse_is_refused() {
        let long = format!("http://a/{}", "x".repeat(MAX_REQUEST_LINE));
        let large = "y".repeat(head::MAX_HEAD);
        for (method, uri, fields, status) in [
            ("GET", "http://a/", &[][..], 200),
            ("GET", "http://a/", &[("host", "A")], 200),
            ("OPTIONS", "*", &[("host", "a")], 200),
            ("GET", "*", &[("host", "a")], 400),
            ("GET", "/", &[], 400),
            ("GET", "http://a/", &[("host", "b")], 400),
            ("GET", "http://a/", &[("host", "a"), ("host", "a")], 400),
            ("GET", "http://u@a/", &[], 400),
            ("GET", "/", &[("host", "u@a")], 400),
            ("GET", "ftp://a/", &[], 400),
            ("get", "http://a/", &[], 400),
            ("TRACE", "http://a/", &[], 405),
            ("CONNECT", "a:443", &[], 405),
            ("GET", "http://a/", &[("x", " y")], 400),
            ("GET", "http://a/", &[("x", "\u{e9}")], 400),
            ("GET", "http://a/\u{e9}", &[], 400),
            ("GET", "http://a/\\", &[], 400),
            ("POST", "http://a/", &[("content-length", "05")], 400),
            ("POST", "http://a/", &[("content-length", "5"), ("content-length", "5")], 400),
            ("POST", "http://a/", &[("content-type", "a/b"), ("content-type", "a/b")], 400),
            ("POST", "http://a/", &[("expect", "100-continue")], 200),
            ("POST", "http://a/", &[("expect", "more")], 417),
            ("GET", &long, &[], 414),
            ("GET", "http://a/", &[("x", &large)], 431),
            ("GET", "http://a/", &[("x", "y"); head::MAX_FIELDS + 1], 431),
        ] {
            assert_eq!(status_of(method, uri, fields), status, "{method} {uri:.80} {} fields", fields.len());
        }
    }

    #[test]
    fn a_head_of_many_cookies_is_one_of_few_fields() {
        assert_eq!(status_of("GET", "http://a/", &[("cookie", "a=b"); 500]), 200);
    }

    #[test]
    fn a_websocket_becomes_an_upgrade() {
        let mut head = head("CONNECT", "http://a/cable", &[("sec-websocket-key", "theirs")]);
        head.extensions.insert(Protocol::from_static("websocket"));
        settle(&mut head).unwrap();
        assert_eq!((head.method.as_str(), head.uri.path()), ("GET", "/cable"));
        for (name, value) in
            [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")]
        {
            assert_eq!(head.headers[name], value);
        }
        let key = head.headers["sec-websocket-key"].to_str().unwrap();
        assert!(key.len() == 24 && key.ends_with("==") && key.find(['A', 'Q', 'g', 'w']).is_some(), "{key}");
        assert!("AQgw".contains(&key[21..22]), "{key}");
        let mut other = super::tests::head("CONNECT", "http://a/", &[]);
        other.extensions.insert(Protocol::from_static("connect-udp"));
        assert_eq!(settle(&mut other).unwrap_err().status, 501);
    }
}
