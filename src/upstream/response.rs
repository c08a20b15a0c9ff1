//! The head of a worker's response (RFC 9112 §4–§6).

use super::UpstreamError;
use crate::message::{
    Headers, Response,
    head::{MAX_FIELDS, has_no_body},
    hop,
    places::Places,
};
use bytes::BytesMut;
use http::{Method, StatusCode, Version, header};
use httparse::ParserConfig;
use hyper::ext::ReasonPhrase;
use std::{cell::RefCell, mem::MaybeUninit};

/// A complete head.
pub(super) struct Head {
    pub(super) response: Response<()>,
    /// How the body is framed.
    pub(super) framing: Framing,
    /// Whether the worker closes the connection behind the body.
    pub(super) is_last: bool,
}

/// How a response's body is framed (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes; 0 where there is no body.
    Length(u64),
    Chunked,
    /// All there is until the connection's end.
    Close,
}

/// Whether there is another response to come (RFC 9110 §15.2); a switch of protocols is final.
pub(super) fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}

/// Takes the head off the front of what was received, if it is complete. A final response's takes the place of `headers`, and
/// the memory of it.
pub(super) fn read(
    received: &mut BytesMut,
    method: &Method,
    headers: &mut Headers,
) -> Result<Option<Head>, UpstreamError> {
    thread_local! {
        /// Room for the places of one head, which is read in one go.
        static PLACES: RefCell<Places> = RefCell::default();
    }
    if received.is_empty() {
        return Ok(None);
    }
    PLACES.with_borrow_mut(|places| read_with(received, method, headers, places))
}

fn read_with(
    received: &mut BytesMut,
    method: &Method,
    headers: &mut Headers,
    places: &mut Places,
) -> Result<Option<Head>, UpstreamError> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let parsing =
        ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, received, &mut fields);
    let length = match parsing {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(UpstreamError::Malformed),
    };
    let status =
        parsed.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(UpstreamError::Malformed)?;
    let version = if parsed.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let reason =
        parsed.reason.filter(|reason| !reason.is_empty() && Some(*reason) != status.canonical_reason());
    let reason = reason.and_then(|reason| ReasonPhrase::try_from(reason.as_bytes()).ok());
    // The values stay where they are, in one piece of memory.
    places.clear();
    for field in parsed.headers.iter() {
        places.add(received, field.name.as_bytes(), field.value).map_err(|_| UpstreamError::Malformed)?;
    }
    let bytes = received.split_to(length).freeze();
    let mut interim = Headers::new();
    let headers = if is_interim(status) { &mut interim } else { headers };
    places.put_into(headers, &bytes).map_err(|_| UpstreamError::Malformed)?;
    let framing = framing(method, status, version, headers)?;
    let is_last = framing == Framing::Close || closes(version, headers);
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.version_mut() = version;
    *response.headers_mut() = std::mem::take(headers);
    reason.and_then(|reason| response.extensions_mut().insert(reason));
    Ok(Some(Head { response, framing, is_last }))
}

/// Leaves one framing, the one that the body is read by (RFC 9112 §6.3).
fn framing(
    method: &Method,
    status: StatusCode,
    version: Version,
    headers: &mut Headers,
) -> Result<Framing, UpstreamError> {
    let is_chunked = is_chunked(headers)?;
    if is_chunked {
        headers.remove(header::CONTENT_LENGTH);
    }
    let length = content_length(headers)?;
    let has_none = method == Method::HEAD || has_no_body(status);
    Ok(match length {
        _ if has_none => Framing::Length(0),
        _ if is_chunked && version == Version::HTTP_10 => return Err(UpstreamError::Malformed),
        _ if is_chunked => Framing::Chunked,
        Some(length) => Framing::Length(length),
        None => Framing::Close,
    })
}

/// A coding other than `chunked` is none that we have asked for: its body would reach the client encoded, and without a
/// word about it.
fn is_chunked(headers: &Headers) -> Result<bool, UpstreamError> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING);
    match (codings.next(), codings.next()) {
        (None, _) => Ok(false),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(true),
        _ => Err(UpstreamError::Malformed),
    }
}

/// The one length that the header names, be it more than once.
fn content_length(headers: &mut Headers) -> Result<Option<u64>, UpstreamError> {
    let mut lines = headers.get_all(header::CONTENT_LENGTH);
    let Some(first) = lines.next() else { return Ok(None) };
    if lines.clone().any(|line| line != first) {
        return Err(UpstreamError::Malformed);
    }
    let is_repeated = lines.next().is_some();
    let digits = first.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let length = digits.and_then(|digits| digits.parse().ok()).ok_or(UpstreamError::Malformed)?;
    if is_repeated {
        let one = first.clone();
        headers.insert(header::CONTENT_LENGTH, one);
    }
    Ok(Some(length))
}

/// Whether the worker says that this is the connection's last response (RFC 9112 §9.3).
fn closes(version: Version, headers: &Headers) -> bool {
    let says = |option| headers.get_all(header::CONNECTION).any(|line| hop::lists(line, option));
    says("close") || (version == Version::HTTP_10 && !says("keep-alive"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    /// Its status and framing, whether it is the last, and how many bytes are left over.
    fn read_as(method: Method, text: &str) -> Result<Option<(u16, Framing, bool, usize)>, ()> {
        let mut received = BytesMut::from(text);
        let mut headers = Headers::from_iter([(header::HOST, HeaderValue::from_static("of the request"))]);
        let head = read(&mut received, &method, &mut headers).map_err(|_| ())?;
        Ok(head.map(|head| {
            assert!(!head.response.headers().contains_key(header::HOST), "it is not the request's");
            (head.response.status().as_u16(), head.framing, head.is_last, received.len())
        }))
    }

    #[test]
    fn the_framing_of_a_response() {
        use Framing::{Chunked, Close, Length};
        for (method, text, expected) in [
            (Method::GET, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", (200, Length(2), false, 2)),
            (
                Method::GET,
                "HTTP/1.1 200\r\ncontent-length:2\r\nContent-Length: 2\r\n\r\n",
                (200, Length(2), false, 0),
            ),
            (Method::GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0", (200, Chunked, false, 1)),
            (
                Method::GET,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
                (200, Chunked, false, 0),
            ),
            (Method::GET, "HTTP/1.1 200 OK\r\n\r\n", (200, Close, true, 0)),
            (Method::GET, "HTTP/1.1 200 OK\nContent-Length: 0\n\n", (200, Length(0), false, 0)),
            (Method::HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", (200, Length(0), false, 0)),
            (Method::HEAD, "HTTP/1.1 200 OK\r\n\r\n", (200, Length(0), false, 0)),
            (
                Method::GET,
                "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
                (304, Length(0), false, 0),
            ),
            (Method::GET, "HTTP/1.1 204 No Content\r\n\r\n", (204, Length(0), false, 0)),
            (
                Method::GET,
                "HTTP/1.1 205 Reset Content\r\nContent-Length: 1\r\n\r\n",
                (205, Length(1), false, 0),
            ),
            (
                Method::GET,
                "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n",
                (200, Length(0), true, 0),
            ),
            (Method::GET, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", (200, Length(0), true, 0)),
            (
                Method::GET,
                "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
                (200, Length(0), false, 0),
            ),
        ] {
            assert_eq!(read_as(method, text), Ok(Some(expected)), "{text:?}");
        }
    }

    #[test]
    fn heads_that_are_none() {
        for text in [
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: a\0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            &format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(MAX_FIELDS + 1)),
        ] {
            assert_eq!(read_as(Method::GET, text), Err(()), "{text:?}");
        }
        let text = "HTTP/1.1 200 OK\r\nX: y\r\n\r\n";
        for cut in 0..text.len() {
            assert_eq!(read_as(Method::GET, &text[..cut]), Ok(None), "{:?}", &text[..cut]);
        }
    }

    #[test]
    fn a_request_is_as_it_was_after_an_interim_response() {
        let mut received =
            BytesMut::from("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 Fine\r\n\r\n");
        let mut headers = Headers::from_iter([(header::HOST, HeaderValue::from_static("a"))]);
        let interim = read(&mut received, &Method::GET, &mut headers).unwrap().unwrap();
        assert!(is_interim(interim.response.status()));
        assert_eq!((headers.len(), &headers[header::HOST]), (1, &HeaderValue::from_static("a")));
        let last = read(&mut received, &Method::GET, &mut headers).unwrap().unwrap();
        let reason = last.response.extensions().get::<ReasonPhrase>().unwrap();
        assert_eq!((reason.as_bytes(), received.len()), (&b"Fine"[..], 0));
    }
}
