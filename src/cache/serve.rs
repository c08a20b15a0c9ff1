//! A stored response as the answer to a request: whole, without a body, in part, or only its confirmation.

use super::{Entry, Status};
use crate::message::{
    byteranges::Multipart,
    cache_control::CDN_CACHE_CONTROL,
    conditional,
    range::{self, Selection},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use std::{
    collections::VecDeque,
    ops::Range,
    time::{Instant, SystemTime},
};

/// What of a stored body is sent.
#[derive(Debug)]
pub enum Served {
    /// Nothing.
    Nothing,
    /// These bytes.
    Bytes(Bytes),
    /// These, one after another.
    Pieces(VecDeque<Bytes>),
}

/// The answer to a GET or HEAD with these fields that arrived at `now`, in the order of RFC 9110 §13.2.2: preconditions, then
/// ranges.
pub fn serve(
    entry: &Entry,
    status: &Status,
    method: &Method,
    request: &HeaderMap,
    now: Instant,
    date: SystemTime,
) -> Response<Served> {
    let head = entry.head();
    let mut response = if head.status() != StatusCode::OK || conditional::is_plain(request) {
        whole(entry)
    } else if conditional::not_modified(request, head.headers(), date) {
        not_modified(head.headers())
    } else if *method == Method::GET && request.contains_key(header::RANGE) {
        in_part(entry, request, date)
    } else {
        whole(entry)
    };
    if *method == Method::HEAD {
        leave_body_out(&mut response);
    }
    entry.tell(response.headers_mut(), status, now);
    response
}

fn respond(status: StatusCode, headers: HeaderMap, served: Served) -> Response<Served> {
    let mut response = Response::new(served);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn whole(entry: &Entry) -> Response<Served> {
    let head = entry.head();
    respond(head.status(), head.headers().clone(), Served::Bytes(entry.body().clone()))
}

fn not_modified(stored: &HeaderMap) -> Response<Served> {
    let kept = stored.iter().filter(|(name, _)| conditional::is_kept_in_304(name));
    let mut headers = HeaderMap::with_capacity(stored.keys_len());
    for (name, value) in kept {
        headers.append(name, value.clone());
    }
    respond(StatusCode::NOT_MODIFIED, headers, Served::Nothing)
}

fn in_part(entry: &Entry, request: &HeaderMap, date: SystemTime) -> Response<Served> {
    let (stored, body) = (entry.head().headers(), entry.body());
    let length = body.len() as u64;
    let slice = |range: &Range<u64>| body.slice(range.start as usize..range.end as usize);
    match range::select(request, stored, length, date) {
        Selection::Whole => whole(entry),
        Selection::One(range) => {
            let headers = with(stored, header::CONTENT_RANGE, range::content_range(&range, length));
            respond(StatusCode::PARTIAL_CONTENT, headers, Served::Bytes(slice(&range)))
        }
        Selection::Several(ranges) => {
            let Multipart { content_type, parts, end } =
                Multipart::new(ranges, length, stored.get(header::CONTENT_TYPE));
            let headers = with(stored, header::CONTENT_TYPE, content_type);
            let pieces = parts.into_iter().flat_map(|part| [part.head, slice(&part.range)]);
            respond(StatusCode::PARTIAL_CONTENT, headers, Served::Pieces(pieces.chain([end]).collect()))
        }
        Selection::Unsatisfiable => {
            let mut headers = with(stored, header::CONTENT_RANGE, range::unsatisfied(length));
            // What is said of storing is about the whole.
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.remove(header::EXPIRES);
            headers.remove(CDN_CACHE_CONTROL);
            respond(StatusCode::RANGE_NOT_SATISFIABLE, headers, Served::Nothing)
        }
    }
}

/// The stored fields, with one of them as it is here.
fn with(stored: &HeaderMap, name: HeaderName, value: HeaderValue) -> HeaderMap {
    let mut headers = stored.clone();
    headers.insert(name, value);
    headers
}

/// A response to HEAD says how long the body would be.
fn leave_body_out(response: &mut Response<Served>) {
    let served = std::mem::replace(response.body_mut(), Served::Nothing);
    if let Served::Bytes(body) = served
        && response.status() != StatusCode::NO_CONTENT
    {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
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
        serve(&entry, &Status::hit(), &method, &fields(request), arrived + Duration::from_secs(5), now())
    }

    fn text(served: &Served) -> Option<String> {
        let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        match served {
            Served::Nothing => None,
            Served::Bytes(bytes) => Some(text(bytes)),
            Served::Pieces(pieces) => Some(pieces.iter().map(text).collect()),
        }
    }

    /// Status, `Content-Range`, and body.
    fn told(response: &Response<Served>) -> (u16, Option<&str>, Option<String>) {
        let range = response.headers().get(header::CONTENT_RANGE).map(|value| value.to_str().unwrap());
        (response.status().as_u16(), range, text(response.body()))
    }

    #[test]
    fn a_200_is_sent_whole_in_part_or_only_confirmed() {
        let (get, head) = (Method::GET, Method::HEAD);
        let all = Some(BODY);
        let part = Some("bytes 2-4/10");
        let old = "Sat, 21 Nov 2026 08:59:59 GMT";
        let same = "Sat, 21 Nov 2026 09:00:00 GMT";
        for (section, method, request, status, range, body) in [
            ("RFC 9110 §15.3.1", &get, "", 200, None, all),
            ("RFC 9110 §9.3.2", &head, "", 200, None, None),
            ("RFC 9110 §13.1.2", &get, "if-none-match: \"a\"", 304, None, None),
            ("RFC 9110 §13.1.2", &get, "if-none-match: \"b\", W/\"a\"", 304, None, None),
            ("RFC 9110 §13.1.2", &get, "if-none-match: *", 304, None, None),
            ("RFC 9110 §13.1.2", &head, "if-none-match: \"a\"", 304, None, None),
            ("RFC 9110 §13.1.2", &get, "if-none-match: \"b\"", 200, None, all),
            ("RFC 9110 §13.1.3", &get, &format!("if-modified-since: {same}"), 304, None, None),
            ("RFC 9110 §13.1.3", &get, &format!("if-modified-since: {old}"), 200, None, all),
            (
                "RFC 9110 §13.2.2",
                &get,
                &format!("if-none-match: \"b\" | if-modified-since: {same}"),
                200,
                None,
                all,
            ),
            ("RFC 9110 §14.2", &get, "range: bytes=2-4", 206, part, Some("234")),
            ("RFC 9110 §14.2", &get, "range: bytes=-3", 206, Some("bytes 7-9/10"), Some("789")),
            ("RFC 9110 §14.2", &get, "range: lines=2-4", 200, None, all),
            ("RFC 9110 §14.2", &head, "range: bytes=2-4", 200, None, None),
            ("RFC 9110 §15.5.17", &get, "range: bytes=10-", 416, Some("bytes */10"), None),
            ("RFC 9110 §13.1.5", &get, "range: bytes=2-4 | if-range: \"a\"", 206, part, Some("234")),
            ("RFC 9110 §13.1.5", &get, "range: bytes=2-4 | if-range: \"b\"", 200, None, all),
            ("RFC 9110 §13.1.5", &get, "range: bytes=10- | if-range: \"b\"", 200, None, all),
            ("RFC 9110 §13.2.2", &get, "range: bytes=2-4 | if-none-match: \"a\"", 304, None, None),
            ("RFC 9110 §13.2.2", &get, "range: bytes=2-4 | if-none-match: \"b\"", 206, part, Some("234")),
        ] {
            let response = answer(200, method.clone(), request);
            let expected = (status, range, body.map(str::to_owned));
            assert_eq!(told(&response), expected, "{section}: {method} {request}");
            // RFC 9111 §5.1
            assert_eq!(response.headers()[header::AGE], "12", "{section}: {method} {request}");
        }
    }

    #[test]
    fn other_statuses_are_sent_as_they_are() {
        // RFC 9110 §13.2.1, §14.2
        for status in [203, 204, 301, 404, 410, 418] {
            for request in
                ["if-none-match: \"a\"", "if-none-match: *", "range: bytes=2-4", "range: bytes=10-"]
            {
                let response = answer(status, Method::GET, request);
                assert_eq!(told(&response), (status, None, Some(BODY.to_owned())), "{request}");
            }
        }
    }

    #[test]
    fn head_is_told_the_length() {
        // RFC 9110 §8.6: not with a 204, and not the length of nothing with a 304
        for (status, request, length) in [
            (200, "", Some("10")),
            (200, "range: bytes=2-4", Some("10")),
            (404, "", Some("10")),
            (204, "", None),
            (200, "if-none-match: \"a\"", None),
        ] {
            let response = answer(status, Method::HEAD, request);
            let found = response.headers().get(header::CONTENT_LENGTH).map(|value| value.to_str().unwrap());
            assert_eq!((found, text(response.body())), (length, None), "{status} {request}");
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
