//! A stored response as the answer to a request: whole, without a body, in part, or only its confirmation.

use super::{Entry, Status};
use crate::message::{
    byteranges::Multipart,
    conditional,
    range::{self, Selection},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
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
    let ok = head.status() == StatusCode::OK;
    let mut response = if ok && conditional::not_modified(request, head.headers(), date) {
        not_modified(head.headers())
    } else if ok && *method == Method::GET && request.contains_key(header::RANGE) {
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
    let mut headers = HeaderMap::with_capacity(stored.keys_len() + 3);
    for (name, value) in kept {
        headers.append(name, value.clone());
    }
    respond(StatusCode::NOT_MODIFIED, headers, Served::Nothing)
}

fn in_part(entry: &Entry, request: &HeaderMap, date: SystemTime) -> Response<Served> {
    let (stored, body) = (entry.head().headers(), entry.body());
    let length = body.len() as u64;
    let slice = |range: &Range<u64>| body.slice(range.start as usize..range.end as usize);
    let mut headers = stored.clone();
    match range::select(request, stored, length, date) {
        Selection::Whole => whole(entry),
        Selection::One(range) => {
            headers.insert(header::CONTENT_RANGE, range::content_range(&range, length));
            respond(StatusCode::PARTIAL_CONTENT, headers, Served::Bytes(slice(&range)))
        }
        Selection::Several(ranges) => {
            let Multipart { content_type, parts, end, .. } =
                Multipart::new(ranges, length, stored.get(header::CONTENT_TYPE));
            headers.insert(header::CONTENT_TYPE, content_type);
            let pieces = parts.into_iter().flat_map(|part| [part.head, slice(&part.range)]);
            respond(StatusCode::PARTIAL_CONTENT, headers, Served::Pieces(pieces.chain([end]).collect()))
        }
        Selection::Unsatisfiable => {
            headers.insert(header::CONTENT_RANGE, range::unsatisfied(length));
            respond(StatusCode::RANGE_NOT_SATISFIABLE, headers, Served::Nothing)
        }
    }
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
