//! A stored response as the answer to a request: in the form that the client wants it, whole, without a body, in part, or
//! only its confirmation.

use super::{
    Entry, Status,
    entry::Content,
    forms::Form,
    status::{Source, X_CACHE},
};
use crate::message::{
    byteranges::Multipart,
    encodable,
    encoding::{self, Encoding, Offer},
    representation::{self, Extent},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use std::{
    collections::VecDeque,
    ops::Range,
    time::{Instant, SystemTime},
};

/// What a GET or HEAD wants of a stored response.
pub struct Wanted<'a> {
    /// One of the two.
    pub method: &'a Method,
    /// Its fields.
    pub headers: &'a HeaderMap,
    /// The encoding that it is best answered in.
    pub encoding: Option<Encoding>,
    /// When it is answered.
    pub now: Instant,
    /// When it arrived.
    pub date: SystemTime,
}

/// What of a stored body is sent.
#[derive(Debug)]
pub enum Served {
    /// Nothing.
    Nothing,
    /// These bytes.
    Bytes(Bytes),
    /// These, one after another.
    Pieces(VecDeque<Bytes>),
    /// These, until they lie ready in an encoding that the client likes better.
    Meanwhile(Bytes, Encoding),
    /// These, in an encoding that they do not lie ready in.
    Encode(Bytes, Encoding),
    /// So much of the file that the body is, in an encoding if one is named.
    File(Extent, Option<Encoding>),
}

/// The form of a body that fits a request best.
enum Chosen<'a> {
    Identity,
    Ready(&'a Form),
    /// The one that lies ready, until the better one does.
    Meanwhile(&'a Form, Encoding),
    /// It is still to be made.
    Missing(Encoding),
}

/// The answer to a request. `status` says what the cache did; a file that is none of its business has none.
pub fn serve(entry: &Entry, status: Option<&Status>, wanted: &Wanted) -> Response<Served> {
    let (head, body) = (entry.head(), entry.body());
    let answer = |headers: &HeaderMap, length: u64| {
        let request = (wanted.method, wanted.headers);
        representation::answer((head.status(), headers), length, request, wanted.date)
    };
    let mut response = match choose(entry, wanted) {
        Chosen::Identity => answer(head.headers(), body.length()).map(|extent| part(body, extent, None)),
        Chosen::Ready(form) => {
            answer(&form.headers, form.body.len() as u64).map(|extent| slice(&form.body, extent))
        }
        Chosen::Meanwhile(form, better) => {
            answer(&form.headers, form.body.len() as u64).map(|extent| match slice(&form.body, extent) {
                Served::Bytes(bytes) => Served::Meanwhile(bytes, better),
                other => other,
            })
        }
        Chosen::Missing(encoding) => {
            let mut headers = head.headers().clone();
            encodable::encode_head(&mut headers, encoding);
            let mut response = answer(&headers, body.length());
            // Of a HEAD's; nobody knows it yet.
            response.headers_mut().remove(header::CONTENT_LENGTH);
            response.map(|extent| part(body, extent, Some(encoding)))
        }
    };
    if let Some(status) = status {
        if status.source == Source::Worker {
            response.headers_mut().insert(X_CACHE, HeaderValue::from_static(status.word()));
        }
        entry.tell(response.headers_mut(), status, wanted.now);
    }
    response
}

/// Ranges are of the identity form: who asks for one gets that, whatever becomes of the range.
fn choose<'a>(entry: &'a Entry, wanted: &Wanted) -> Chosen<'a> {
    let Some(encoding) = wanted.encoding.filter(|_| entry.is_encodable()) else { return Chosen::Identity };
    if wanted.headers.contains_key(header::RANGE) && entry.head().status() == StatusCode::OK {
        return Chosen::Identity;
    }
    let Some(forms) = entry.forms() else { return Chosen::Missing(encoding) };
    if let Some(form) = forms.get(encoding) {
        return Chosen::Ready(form);
    }
    // Another one that the client accepts is better than to make the best one while it waits.
    let ready = Offer::new(Encoding::ALL).only(|encoding| forms.get(encoding).is_some());
    let other = if ready.is_empty() { None } else { encoding::choose(wanted.headers, &ready) };
    match other.and_then(|other| forms.get(other)) {
        Some(form) if forms.are_given() || forms.is_worthless(encoding) => Chosen::Ready(form),
        Some(form) => Chosen::Meanwhile(form, encoding),
        None if forms.is_worthless(encoding) => Chosen::Identity,
        None => Chosen::Missing(encoding),
    }
}

fn part(body: &Content, extent: Extent, encoding: Option<Encoding>) -> Served {
    match (body, encoding) {
        (_, _) if matches!(extent, Extent::Nothing) => Served::Nothing,
        (Content::File(_), _) => Served::File(extent, encoding),
        (Content::Memory(bytes), Some(encoding)) => Served::Encode(bytes.clone(), encoding),
        (Content::Memory(bytes), None) => slice(bytes, extent),
    }
}

fn slice(body: &Bytes, extent: Extent) -> Served {
    let slice = |range: &Range<u64>| body.slice(range.start as usize..range.end as usize);
    match extent {
        Extent::Nothing => Served::Nothing,
        Extent::Whole => Served::Bytes(body.clone()),
        Extent::Part(range) => Served::Bytes(slice(&range)),
        Extent::Parts(Multipart { parts, end, .. }) => {
            let pieces = parts.into_iter().flat_map(|part| [part.head, slice(&part.range)]);
            Served::Pieces(pieces.chain([end]).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use std::time::Duration;

    const FIELDS: &str = "cache-control: max-age=60 | etag: \"a\" | last-modified: Sat, 21 Nov 2026 09:00:00 GMT | \
         date: Sat, 21 Nov 2026 09:14:09 GMT | content-type: text/css | content-encoding: x | age: 7 | vary: x | \
         content-location: /y | expires: 0 | link: z | link: zz";
    const TOLD: &str = "age: 12 | x-cache: hit | cache-status: thrust; hit; ttl=48";
    const BODY: &str = "0123456789";

    fn answer(status: u16, method: Method, request: &str) -> Response<Served> {
        let arrived = Instant::now();
        let entry = entry("", status, FIELDS, BODY, arrived);
        let (headers, now) = (fields(request), arrived + Duration::from_secs(5));
        let wanted = Wanted {
            method: &method,
            headers: &headers,
            encoding: None,
            now,
            date: super::super::testing::now(),
        };
        serve(&entry, Some(&Status::hit()), &wanted)
    }

    fn text(served: &Served) -> Option<String> {
        let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        match served {
            Served::Nothing => None,
            Served::Bytes(bytes) => Some(text(bytes)),
            Served::Pieces(pieces) => Some(pieces.iter().map(text).collect()),
            other => panic!("{other:?}"),
        }
    }

    /// Status, `Content-Range`, and body.
    fn told(response: &Response<Served>) -> (u16, Option<&str>, Option<String>) {
        let range = response.headers().get(header::CONTENT_RANGE).map(|value| value.to_str().unwrap());
        (response.status().as_u16(), range, text(response.body()))
    }

    /// What is left out, and why, is told in the tests of `representation`.
    #[test]
    fn a_200_is_sent_whole_in_part_or_only_confirmed() {
        let (get, head) = (Method::GET, Method::HEAD);
        let all = Some(BODY);
        for (section, method, request, status, range, body) in [
            ("RFC 9110 §15.3.1", &get, "", 200, None, all),
            ("RFC 9110 §9.3.2", &head, "", 200, None, None),
            ("RFC 9110 §13.1.2", &get, "if-none-match: \"a\"", 304, None, None),
            ("RFC 9110 §14.2", &get, "range: bytes=2-4", 206, Some("bytes 2-4/10"), Some("234")),
            ("RFC 9110 §15.5.17", &get, "range: bytes=10-", 416, Some("bytes */10"), None),
        ] {
            let response = answer(200, method.clone(), request);
            let expected = (status, range, body.map(str::to_owned));
            assert_eq!(told(&response), expected, "{section}: {method} {request}");
            // RFC 9111 §5.1
            assert_eq!(response.headers()[header::AGE], "12", "{section}: {method} {request}");
        }
    }

    #[test]
    fn a_304_keeps_what_concerns_the_stored_response() {
        let response = answer(200, Method::GET, "if-none-match: \"a\"");
        // RFC 9110 §15.4.5
        let mut expected = fields(FIELDS);
        for name in ["content-type", "content-encoding"] {
            expected.remove(name);
        }
        expected.extend(fields(TOLD));
        assert_eq!(*response.headers(), expected);
    }

    #[test]
    fn everything_else_keeps_all_fields() {
        let mut expected = fields(FIELDS);
        expected.extend(fields(TOLD));
        assert_eq!(*answer(200, Method::GET, "").headers(), expected);
        expected.insert(header::CONTENT_RANGE, HeaderValue::from_static("bytes 0-0/10"));
        assert_eq!(*answer(200, Method::GET, "range: bytes=0-0").headers(), expected);
    }

    #[test]
    fn several_ranges() {
        // RFC 9110 §15.3.7.2
        let response = answer(200, Method::GET, "range: bytes=0-1,8-");
        let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap();
        let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
        let part = |range, bytes| {
            format!(
                "--{boundary}\r\nContent-Type: text/css\r\nContent-Range: bytes {range}/10\r\n\r\n{bytes}\r\n"
            )
        };
        let body = format!("{}{}--{boundary}--\r\n", part("0-1", "01"), part("8-9", "89"));
        assert_eq!(told(&response), (206, None, Some(body)));
    }
}
