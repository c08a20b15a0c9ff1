//! A whole response as the answer to a request: all of it, a part, or only its confirmation.

use super::{
    byteranges::Multipart,
    cache_control::CDN_CACHE_CONTROL,
    conditional,
    range::{self, Selection},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use std::{ops::Range, time::SystemTime};

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
    (status, headers): (StatusCode, &HeaderMap),
    length: u64,
    (method, request): (&Method, &HeaderMap),
    now: SystemTime,
) -> Response<Extent> {
    let mut response = if status != StatusCode::OK || conditional::is_plain(request) {
        respond(status, headers.clone(), Extent::Whole)
    } else if conditional::has_failed(request, headers, now) {
        precondition_failed(headers)
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
pub fn not_modified(headers: &HeaderMap) -> Response<Extent> {
    let mut kept = HeaderMap::with_capacity(headers.keys_len());
    for (name, value) in headers.iter().filter(|(name, _)| conditional::is_kept_in_304(name)) {
        kept.append(name, value.clone());
    }
    respond(StatusCode::NOT_MODIFIED, kept, Extent::Nothing)
}

fn respond(status: StatusCode, headers: HeaderMap, extent: Extent) -> Response<Extent> {
    let mut response = Response::new(extent);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn in_part(headers: &HeaderMap, length: u64, request: &HeaderMap, now: SystemTime) -> Response<Extent> {
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
            let headers = with(headers, header::CONTENT_RANGE, range::unsatisfied(length));
            respond(StatusCode::RANGE_NOT_SATISFIABLE, of_refusal(headers), Extent::Nothing)
        }
    }
}

fn precondition_failed(headers: &HeaderMap) -> Response<Extent> {
    respond(StatusCode::PRECONDITION_FAILED, of_refusal(headers.clone()), Extent::Nothing)
}

/// What is said of storing is about the whole, not about the refusal to send it.
fn of_refusal(mut headers: HeaderMap) -> HeaderMap {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.remove(header::EXPIRES);
    headers.remove(CDN_CACHE_CONTROL);
    headers
}

/// The fields, with one of them as it is here.
fn with(headers: &HeaderMap, name: HeaderName, value: HeaderValue) -> HeaderMap {
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
