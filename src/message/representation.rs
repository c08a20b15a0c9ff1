//! A whole response as the answer to a request: all of it, a part, or only its confirmation.

use super::{
    Headers, Response,
    byteranges::Multipart,
    cache_control::CDN_CACHE_CONTROL,
    conditional,
    range::{self, Selection},
};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use std::{ops::Range, time::SystemTime};

/// Whether a response with this status comes with a body, where the method allows it (RFC 9110 §6.4.1, §15.3.6).
pub fn has_body(status: StatusCode) -> bool {
    !status.is_informational()
        && !matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

/// What of a body is sent.
#[derive(Debug)]
pub enum Extent {
    /// Nothing.
    Nothing,
    /// All of it.
    Whole,
    /// These bytes. They are some, and are there.
    Part(Range<u64>),
    /// Several parts, each with a head of its own. They are there, too.
    Parts(Multipart),
}

/// The answer to a GET or HEAD with these fields that arrived at `now`, from a response of which the whole body of `length`
/// bytes is at hand, in the order of RFC 9110 §13.2.2: preconditions, then ranges. Neither applies but to a 200 (§13.2.1,
/// §14.2).
pub fn answer(
    (status, headers): (StatusCode, &Headers),
    length: u64,
    (method, request): (&Method, &Headers),
    now: SystemTime,
) -> Response<Extent> {
    let mut response = if status != StatusCode::OK || conditional::is_plain(request) {
        respond(status, headers.clone(), Extent::Whole)
    } else if conditional::has_failed(request, headers, now) {
        refuse(StatusCode::PRECONDITION_FAILED, headers)
    } else if conditional::not_modified(request, headers, now) {
        not_modified(headers)
    } else if *method == Method::GET && request.contains_key(header::RANGE) {
        in_part(headers, length, request, now)
    } else {
        respond(status, headers.clone(), Extent::Whole)
    };
    if *method == Method::HEAD {
        leave_body_out(&mut response, length);
    }
    response
}

/// The 304 that a response with these fields would be, did the client have it already (RFC 9110 §15.4.5).
pub fn not_modified(headers: &Headers) -> Response<Extent> {
    respond(StatusCode::NOT_MODIFIED, without_body(headers), Extent::Nothing)
}

fn respond(status: StatusCode, headers: Headers, extent: Extent) -> Response<Extent> {
    let mut response = Response::new(extent);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn in_part(headers: &Headers, length: u64, request: &Headers, now: SystemTime) -> Response<Extent> {
    match range::select(request, headers, length, now) {
        Selection::Whole => respond(StatusCode::OK, headers.clone(), Extent::Whole),
        Selection::One(range) => {
            let headers = with(headers, header::CONTENT_RANGE, range::content_range(&range, length));
            respond(StatusCode::PARTIAL_CONTENT, headers, Extent::Part(range))
        }
        Selection::Several(ranges) => {
            let parts = Multipart::new(ranges, length, headers.get(header::CONTENT_TYPE));
            let headers = with(headers, header::CONTENT_TYPE, parts.content_type.clone());
            respond(StatusCode::PARTIAL_CONTENT, headers, Extent::Parts(parts))
        }
        Selection::Unsatisfiable => {
            let mut refusal = refuse(StatusCode::RANGE_NOT_SATISFIABLE, headers);
            refusal.headers_mut().insert(header::CONTENT_RANGE, range::unsatisfied(length));
            refusal
        }
    }
}

/// The response, but for its body. What is said of that is not true of the refusal to send it, nor what is said of storing:
/// an empty body is in no encoding.
fn refuse(status: StatusCode, headers: &Headers) -> Response<Extent> {
    let mut headers = without_body(headers);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.remove(header::EXPIRES);
    headers.remove(CDN_CACHE_CONTROL);
    respond(status, headers, Extent::Nothing)
}

/// The fields that do not describe the body.
fn without_body(headers: &Headers) -> Headers {
    let mut kept = Headers::with_capacity(headers.len());
    kept.extend(headers.copies(conditional::is_kept_in_304));
    kept
}

/// The fields, with one of them as it is here.
fn with(headers: &Headers, name: HeaderName, value: HeaderValue) -> Headers {
    let mut headers = headers.clone();
    headers.insert(name, value);
    headers
}

/// A response to HEAD says how long the body would be.
fn leave_body_out(response: &mut Response<Extent>, length: u64) {
    let extent = std::mem::replace(response.body_mut(), Extent::Nothing);
    if matches!(extent, Extent::Whole) && response.status() != StatusCode::NO_CONTENT {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODIFIED: &str = "Sat, 21 Nov 2026 09:00:00 GMT";
    const EARLIER: &str = "Sat, 21 Nov 2026 08:59:59 GMT";
    const LENGTH: u64 = 10;

    /// What is said of a response with a body of ten bytes.
    fn stored() -> Headers {
        Headers::of(&[
            ("cache-control", "max-age=60"),
            ("cdn-cache-control", "max-age=90"),
            ("expires", "0"),
            ("etag", "\"a\""),
            ("last-modified", MODIFIED),
            ("date", "Sat, 21 Nov 2026 09:14:09 GMT"),
            ("content-type", "text/css"),
            ("content-encoding", "gzip"),
            ("content-language", "en"),
            ("content-location", "/y"),
            ("vary", "accept-encoding"),
            ("link", "z"),
            ("link", "zz"),
        ])
    }

    fn ask(status: u16, method: &Method, request: &[(&'static str, &'static str)]) -> Response<Extent> {
        let (status, headers) = (StatusCode::from_u16(status).unwrap(), stored());
        answer((status, &headers), LENGTH, (method, &Headers::of(request)), SystemTime::now())
    }

    /// The status, and what of the body is sent: the word for it, or positions as `Content-Range` has them.
    fn told(response: &Response<Extent>) -> (u16, String) {
        let shown = |range: &Range<u64>| format!("{}-{}", range.start, range.end - 1);
        let extent = match response.body() {
            Extent::Nothing => "nothing".to_owned(),
            Extent::Whole => "whole".to_owned(),
            Extent::Part(range) => shown(range),
            Extent::Parts(parts) => {
                parts.parts.iter().map(|part| shown(&part.range)).collect::<Vec<_>>().join(",")
            }
        };
        (response.status().as_u16(), extent)
    }

    /// The names of the stored fields that a response has not, and those of its fields that are new or others.
    fn changes(response: &Response<Extent>) -> (String, Headers) {
        let (before, mut after) = (stored(), response.headers().clone());
        let gone = before.keys().filter(|name| !after.contains_key(*name)).map(HeaderName::as_str);
        let gone = gone.collect::<Vec<_>>().join(" ");
        for name in before.keys() {
            if before.get_all(name).eq(after.get_all(name)) {
                after.remove(name);
            }
        }
        (gone, after)
    }

    #[test]
    fn a_200_is_sent_whole_in_part_or_not_at_all() {
        let (get, head) = (&Method::GET, &Method::HEAD);
        let range = ("range", "bytes=2-4");
        for (section, method, request, status, extent) in [
            ("RFC 9110 §15.3.1", get, &[][..], 200, "whole"),
            ("RFC 9110 §9.3.2", head, &[], 200, "nothing"),
            ("RFC 9110 §13.1.1", get, &[("if-match", "\"a\"")], 200, "whole"),
            ("RFC 9110 §13.1.1", get, &[("if-match", "*")], 200, "whole"),
            ("RFC 9110 §13.1.1", get, &[("if-match", "\"b\"")], 412, "nothing"),
            ("RFC 9110 §13.1.1", head, &[("if-match", "\"b\"")], 412, "nothing"),
            ("RFC 9110 §13.1.2", get, &[("if-none-match", "\"a\"")], 304, "nothing"),
            ("RFC 9110 §13.1.2", get, &[("if-none-match", "\"b\", W/\"a\"")], 304, "nothing"),
            ("RFC 9110 §13.1.2", get, &[("if-none-match", "*")], 304, "nothing"),
            ("RFC 9110 §13.1.2", head, &[("if-none-match", "\"a\"")], 304, "nothing"),
            ("RFC 9110 §13.1.2", get, &[("if-none-match", "\"b\"")], 200, "whole"),
            ("RFC 9110 §13.1.3", get, &[("if-modified-since", MODIFIED)], 304, "nothing"),
            ("RFC 9110 §13.1.3", get, &[("if-modified-since", EARLIER)], 200, "whole"),
            ("RFC 9110 §13.1.4", get, &[("if-unmodified-since", MODIFIED)], 200, "whole"),
            ("RFC 9110 §13.1.4", get, &[("if-unmodified-since", EARLIER)], 412, "nothing"),
            ("RFC 9110 §14.2", get, &[range], 206, "2-4"),
            ("RFC 9110 §14.2", get, &[("range", "bytes=-3")], 206, "7-9"),
            ("RFC 9110 §14.2", get, &[("range", "bytes=7-")], 206, "7-9"),
            ("RFC 9110 §14.2", get, &[("range", "lines=2-4")], 200, "whole"),
            ("RFC 9110 §14.2", head, &[range], 200, "nothing"),
            ("RFC 9110 §15.3.7.2", get, &[("range", "bytes=0-1,8-")], 206, "0-1,8-9"),
            ("RFC 9110 §15.5.17", get, &[("range", "bytes=10-")], 416, "nothing"),
            ("RFC 9110 §15.5.17", head, &[("range", "bytes=10-")], 200, "nothing"),
            ("RFC 9110 §13.1.5", get, &[range, ("if-range", "\"a\"")], 206, "2-4"),
            ("RFC 9110 §13.1.5", get, &[range, ("if-range", "\"b\"")], 200, "whole"),
            ("RFC 9110 §13.1.5", get, &[("range", "bytes=10-"), ("if-range", "\"b\"")], 200, "whole"),
            // One after another: 412, 304, then ranges.
            ("RFC 9110 §13.2.2", get, &[("if-match", "\"b\""), ("if-none-match", "\"a\"")], 412, "nothing"),
            ("RFC 9110 §13.2.2", get, &[("if-match", "\"a\""), ("if-none-match", "\"a\"")], 304, "nothing"),
            ("RFC 9110 §13.2.2", get, &[("if-match", "\"b\""), range], 412, "nothing"),
            ("RFC 9110 §13.2.2", get, &[("if-match", "\"a\""), range], 206, "2-4"),
            ("RFC 9110 §13.2.2", get, &[("if-none-match", "\"a\""), range], 304, "nothing"),
            ("RFC 9110 §13.2.2", get, &[("if-none-match", "\"b\""), range], 206, "2-4"),
            (
                "RFC 9110 §13.2.2",
                get,
                &[("if-none-match", "\"b\""), ("if-modified-since", MODIFIED)],
                200,
                "whole",
            ),
        ] {
            let response = ask(200, method, request);
            assert_eq!(told(&response), (status, extent.to_owned()), "{section}: {method} {request:?}");
        }
    }

    /// RFC 9110 §13.2.1, §14.2.
    #[test]
    fn other_statuses_are_sent_as_they_are() {
        for status in [203, 204, 301, 404, 410, 418, 500] {
            for request in [
                ("if-none-match", "\"a\""),
                ("if-none-match", "*"),
                ("if-match", "\"b\""),
                ("if-unmodified-since", EARLIER),
                ("range", "bytes=2-4"),
                ("range", "bytes=10-"),
            ] {
                let response = ask(status, &Method::GET, &[request]);
                assert_eq!(told(&response), (status, "whole".to_owned()), "{request:?}");
                assert_eq!(*response.headers(), stored(), "{request:?}");
            }
        }
    }

    /// RFC 9110 §8.6: not with a 204, and not the length of nothing.
    #[test]
    fn head_is_told_the_length() {
        for (status, request, length) in [
            (200, ("accept", "*/*"), Some("10")),
            (200, ("range", "bytes=2-4"), Some("10")),
            (404, ("accept", "*/*"), Some("10")),
            (204, ("accept", "*/*"), None),
            (200, ("if-none-match", "\"a\""), None),
            (200, ("if-match", "\"b\""), None),
        ] {
            let response = ask(status, &Method::HEAD, &[request]);
            let found = response.headers().get(header::CONTENT_LENGTH).map(|value| value.to_str().unwrap());
            assert_eq!(found, length, "{status} {request:?}");
            assert!(matches!(response.body(), Extent::Nothing), "{status} {request:?}");
        }
    }

    #[test]
    fn each_status_has_the_fields_that_are_true_of_it() {
        let body = "content-type content-encoding content-language";
        let refusal = "cdn-cache-control expires content-type content-encoding content-language";
        let unstored = ("cache-control", "no-store");
        for (section, request, status, gone, new) in [
            ("RFC 9110 §15.4.5", ("if-none-match", "\"a\""), 304, body, &[][..]),
            ("RFC 9110 §15.5.13", ("if-match", "\"b\""), 412, refusal, &[unstored]),
            (
                "RFC 9110 §15.5.17",
                ("range", "bytes=10-"),
                416,
                refusal,
                &[unstored, ("content-range", "bytes */10")],
            ),
            ("RFC 9110 §15.3.7.1", ("range", "bytes=0-0"), 206, "", &[("content-range", "bytes 0-0/10")]),
        ] {
            let response = ask(200, &Method::GET, &[request]);
            assert_eq!(response.status().as_u16(), status, "{section}");
            assert_eq!(changes(&response), (gone.to_owned(), Headers::of(new)), "{section}");
        }
    }

    /// RFC 9110 §15.3.7.2: where each part lies is said in its own head.
    #[test]
    fn several_ranges_have_a_type_of_their_own() {
        let response = ask(200, &Method::GET, &[("range", "bytes=0-1,8-")]);
        let (gone, new) = changes(&response);
        assert!(gone.is_empty() && new.len() == 1, "{gone:?} {new:?}");
        assert!(new["content-type"].to_str().unwrap().starts_with("multipart/byteranges; boundary="));
        let Extent::Parts(parts) = response.body() else { panic!("{response:?}") };
        assert_eq!(response.headers()["content-type"], parts.content_type);
        assert!(parts.parts[0].head.windows(8).any(|text| text == b"text/css"));
    }

    /// RFC 9110 §15.
    #[test]
    fn some_statuses_have_no_body() {
        for (status, expected) in
            [(100, true), (204, true), (304, true), (200, false), (206, false), (404, false)]
        {
            assert_eq!(!has_body(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }
}
