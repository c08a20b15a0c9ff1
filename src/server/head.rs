//! The head of a response in HTTP/1 (RFC 9112 §4–§6).

use crate::message::{Headers, Prepared, head::has_no_body, response::Parts, write};
use http::{Method, Version, header};
use hyper::ext::ReasonPhrase;
use std::{
    cell::RefCell,
    io::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

/// How a response's body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none, whatever the header says of its length.
    Nothing,
    /// So many bytes.
    Length(u64),
    Chunked,
    /// All until the end of the connection: HTTP/1.0 has no chunks.
    Close,
}

impl Framing {
    /// Of the response to such a request, whose body is as long as this, if that is known.
    pub(super) fn of(method: &Method, version: Version, response: &Parts, length: Option<u64>) -> Self {
        if *method == Method::HEAD || has_no_body(response.status) {
            return Self::Nothing;
        }
        match length.or_else(|| content_length(&response.headers)) {
            Some(length) => Self::Length(length),
            None if version == Version::HTTP_10 => Self::Close,
            None => Self::Chunked,
        }
    }
}

fn content_length(headers: &Headers) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Writes a response's head, whose fields may lie ready in part. `length` is that of the body, as far as it is known;
/// `connection` is what the field of that name says, which the response itself does not have.
pub(super) fn write(
    out: &mut Vec<u8>,
    version: Version,
    response: &Parts,
    prepared: Option<&Prepared>,
    framing: Framing,
    length: Option<u64>,
    connection: Option<&'static str>,
) {
    write_status(out, version, response);
    let mut is_dated = prepared.is_some_and(Prepared::is_dated);
    if let Some(prepared) = prepared {
        prepared.write(out);
    }
    for (name, value) in &response.headers {
        if *name == header::CONTENT_LENGTH || *name == header::TRANSFER_ENCODING {
            continue;
        }
        if *name == header::TRAILER && framing != Framing::Chunked {
            continue;
        }
        is_dated |= *name == header::DATE;
        write::field(out, name.as_str(), value.as_bytes());
    }
    if let Some(option) = connection {
        write::field(out, "connection", option.as_bytes());
    }
    match framing {
        Framing::Length(length) => write::content_length(out, length),
        Framing::Chunked => write::field(out, "transfer-encoding", b"chunked"),
        // The response to HEAD says how long it would be.
        Framing::Nothing if !has_no_body(response.status) => {
            if let Some(length) = content_length(&response.headers).or(length.filter(|length| *length > 0)) {
                write::content_length(out, length);
            }
        }
        Framing::Nothing | Framing::Close => {}
    }
    if !is_dated {
        write_date(out);
    }
    out.extend_from_slice(b"\r\n");
}

fn write_status(out: &mut Vec<u8>, version: Version, response: &Parts) {
    out.extend_from_slice(if version == Version::HTTP_10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    out.extend_from_slice(response.status.as_str().as_bytes());
    out.push(b' ');
    let own = response.extensions.get::<ReasonPhrase>().map(ReasonPhrase::as_bytes);
    let usual = || response.status.canonical_reason().unwrap_or_default().as_bytes();
    out.extend_from_slice(own.unwrap_or_else(usual));
    out.extend_from_slice(b"\r\n");
}

/// Writes the time as it is now; it is made once a second.
fn write_date(out: &mut Vec<u8>) {
    thread_local! {
        static LAST: RefCell<(u64, Vec<u8>)> = const { RefCell::new((0, Vec::new())) };
    }
    let now = SystemTime::now();
    let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    LAST.with_borrow_mut(|(at, line)| {
        if *at != second || line.is_empty() {
            line.clear();
            // A vector takes whatever is written.
            let _ = write!(line, "date: {}\r\n", httpdate::HttpDate::from(now));
            *at = second;
        }
        out.extend_from_slice(line);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Response;
    use http::HeaderValue;

    fn written(method: Method, version: Version, response: Response<Option<u64>>) -> (Framing, String) {
        let (parts, length) = response.into_parts();
        let framing = Framing::of(&method, version, &parts, length);
        let mut out = Vec::new();
        write(&mut out, version, &parts, None, framing, length, None);
        (framing, String::from_utf8(out).unwrap())
    }

    fn response(
        status: u16,
        fields: &[(&'static str, &'static str)],
        length: Option<u64>,
    ) -> Response<Option<u64>> {
        let mut response = Response::new(length);
        *response.status_mut() = status.try_into().unwrap();
        *response.headers_mut() = Headers::of(fields);
        response.headers_mut().append(header::DATE, HeaderValue::from_static("now"));
        response
    }

    #[test]
    fn every_response_has_the_framing_that_its_reader_expects() {
        use Framing::{Chunked, Close, Length, Nothing};
        let (get, head) = (Method::GET, Method::HEAD);
        let (v10, v11) = (Version::HTTP_10, Version::HTTP_11);
        for (method, version, response, framing, text) in [
            (
                &get,
                v11,
                response(200, &[], Some(5)),
                Length(5),
                "HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 5\r\n\r\n",
            ),
            (
                &get,
                v11,
                response(200, &[], Some(0)),
                Length(0),
                "HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 0\r\n\r\n",
            ),
            (
                &get,
                v11,
                response(200, &[], None),
                Chunked,
                "HTTP/1.1 200 OK\r\ndate: now\r\ntransfer-encoding: chunked\r\n\r\n",
            ),
            (&get, v10, response(200, &[], None), Close, "HTTP/1.0 200 OK\r\ndate: now\r\n\r\n"),
            (
                &get,
                v11,
                response(200, &[("content-length", "5")], None),
                Length(5),
                "HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 5\r\n\r\n",
            ),
            (
                &head,
                v11,
                response(200, &[], Some(5)),
                Nothing,
                "HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 5\r\n\r\n",
            ),
            (
                &head,
                v11,
                response(200, &[("content-length", "7")], Some(0)),
                Nothing,
                "HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 7\r\n\r\n",
            ),
            (&head, v11, response(200, &[], Some(0)), Nothing, "HTTP/1.1 200 OK\r\ndate: now\r\n\r\n"),
            (&head, v11, response(200, &[], None), Nothing, "HTTP/1.1 200 OK\r\ndate: now\r\n\r\n"),
            (
                &get,
                v11,
                response(204, &[("content-length", "0")], Some(0)),
                Nothing,
                "HTTP/1.1 204 No Content\r\ndate: now\r\n\r\n",
            ),
            (
                &get,
                v11,
                response(304, &[("content-length", "5")], Some(5)),
                Nothing,
                "HTTP/1.1 304 Not Modified\r\ndate: now\r\n\r\n",
            ),
            (
                &get,
                v11,
                response(599, &[], Some(0)),
                Length(0),
                "HTTP/1.1 599 \r\ndate: now\r\ncontent-length: 0\r\n\r\n",
            ),
            (
                &get,
                v10,
                response(200, &[("trailer", "x"), ("transfer-encoding", "x")], Some(1)),
                Length(1),
                "HTTP/1.0 200 OK\r\ndate: now\r\ncontent-length: 1\r\n\r\n",
            ),
        ] {
            assert_eq!(written(method.clone(), version, response), (framing, text.to_owned()));
        }
    }

    #[test]
    fn a_response_says_when_it_was_made() {
        let undated = Response::new(Some(0));
        let (_, text) = written(Method::GET, Version::HTTP_11, undated);
        let date = text.lines().find_map(|line| line.strip_prefix("date: ")).unwrap();
        assert!(httpdate::parse_http_date(date).is_ok(), "{date}");
    }
}
