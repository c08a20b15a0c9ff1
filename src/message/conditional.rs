//! Conditional requests (RFC 9110 §13), as a cache evaluates them (RFC 9111 §4.3.2).

use super::{
    Headers, date,
    etag::{members, strong_eq, weak_eq},
    field::single,
};
use http::{HeaderName, HeaderValue, header};
use std::time::SystemTime;

/// Whether a GET or HEAD with these fields is answered 304 (Not Modified) from a response with those: by
/// `If-None-Match`, and only where that is absent by `If-Modified-Since` (RFC 9110 §13.2.2).
///
/// To be asked of a 200 only: preconditions do not apply to other answers (§13.2.1). A response without `Last-Modified`
/// is judged by its `Date` (RFC 9111 §4.3.2): one that came without is stored with the time it was received.
pub fn not_modified(request: &Headers, response: &Headers, now: SystemTime) -> bool {
    if request.contains_key(header::IF_NONE_MATCH) {
        any_matches(request, header::IF_NONE_MATCH, response.get(header::ETAG), weak_eq)
    } else {
        unmodified_since(request, response, now)
    }
}

/// Whether a GET or HEAD with these fields is answered 412 (Precondition Failed) by whoever has the response with those: by
/// `If-Match`, and only where that is absent by `If-Unmodified-Since` (RFC 9110 §13.2.2). To be asked of a 200 only, too.
pub fn has_failed(request: &Headers, response: &Headers, now: SystemTime) -> bool {
    if request.contains_key(header::IF_MATCH) {
        !any_matches(request, header::IF_MATCH, response.get(header::ETAG), strong_eq)
    } else {
        modified_since(request, response, now)
    }
}

/// Whether the request has a precondition of any kind (RFC 9110 §13.1); `If-Range`, which only concerns a `Range`
/// beside it, is one.
pub fn has_precondition(request: &Headers) -> bool {
    let names = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_RANGE];
    names.iter().any(|name| request.contains_key(name)) || is_for_origin(request)
}

/// Whether nothing in the request asks for anything but the whole response, fresh or not: no condition, no range, no
/// wish about caching. Most requests are such, and one look at their names is quicker than a search for each.
pub fn is_plain(request: &Headers) -> bool {
    !request.keys().any(|name| {
        matches!(
            *name,
            header::CACHE_CONTROL
                | header::PRAGMA
                | header::RANGE
                | header::IF_MATCH
                | header::IF_NONE_MATCH
                | header::IF_MODIFIED_SINCE
                | header::IF_UNMODIFIED_SINCE
                | header::IF_RANGE
        )
    })
}

/// Whether the request has a precondition that a cache must not evaluate: `If-Match` and `If-Unmodified-Since` are for
/// the origin server (RFC 9111 §4.3.2).
pub fn is_for_origin(request: &Headers) -> bool {
    request.contains_key(header::IF_MATCH) || request.contains_key(header::IF_UNMODIFIED_SINCE)
}

/// Takes away what could make the answer anything but the whole response: conditions that a cache judges, and ranges.
pub fn ask_for_all(request: &mut Headers) {
    for name in [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::RANGE, header::IF_RANGE] {
        request.remove(name);
    }
}

/// Whether a 304 made from a 200 carries this field of it (RFC 9110 §15.4.5): all but what describes the body that is
/// not sent. `Last-Modified` stays, as nginx and Varnish have it: clients without an entity-tag renew what they hold by it.
pub fn is_kept_in_304(name: &HeaderName) -> bool {
    !matches!(
        name.as_str(),
        "content-digest"
            | "content-encoding"
            | "content-language"
            | "content-length"
            | "content-md5"
            | "content-range"
            | "content-type"
            | "digest"
            | "repr-digest"
            | "trailer"
            | "transfer-encoding"
    )
}

/// `If-None-Match` and `If-Match` (RFC 9110 §13.1.1, §13.1.2): whether a tag in the list is the response's. `*` stands for any
/// tag, and only alone.
fn any_matches(
    request: &Headers,
    condition: HeaderName,
    etag: Option<&HeaderValue>,
    equal: fn(&[u8], &[u8]) -> bool,
) -> bool {
    if single(request, &condition).is_some_and(|line| line.as_bytes().trim_ascii() == b"*") {
        return true;
    }
    let Some(etag) = etag.map(|value| value.as_bytes().trim_ascii()) else { return false };
    let lines = request.get_all(condition);
    lines.flat_map(|line| members(line.as_bytes())).any(|member| equal(member, etag))
}

/// `If-Modified-Since` (RFC 9110 §13.1.3).
fn unmodified_since(request: &Headers, response: &Headers, now: SystemTime) -> bool {
    let modified = response.get(header::LAST_MODIFIED).or_else(|| response.get(header::DATE));
    let since = date_of(single(request, header::IF_MODIFIED_SINCE), now);
    since.zip(date_of(modified, now)).is_some_and(|(since, modified)| modified <= since)
}

/// `If-Unmodified-Since` (RFC 9110 §13.1.4). `Date` says nothing of modification.
fn modified_since(request: &Headers, response: &Headers, now: SystemTime) -> bool {
    let since = date_of(single(request, header::IF_UNMODIFIED_SINCE), now);
    let modified = date_of(response.get(header::LAST_MODIFIED), now);
    since.zip(modified).is_some_and(|(since, modified)| modified > since)
}

/// What is no date, or several lines, is ignored.
fn date_of(value: Option<&HeaderValue>, now: SystemTime) -> Option<SystemTime> {
    date::parse(value?.as_bytes(), now)
}

#[cfg(test)]
mod tests;
