//! Conditional requests (RFC 9110 §13), as a cache evaluates them (RFC 9111 §4.3.2).

use super::{date, field::single};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::time::SystemTime;

/// Whether a GET or HEAD with these fields is answered 304 (Not Modified) from a response with those: by
/// `If-None-Match`, and only where that is absent by `If-Modified-Since` (RFC 9110 §13.2.2).
///
/// To be asked of a 200 only: preconditions do not apply to other answers (§13.2.1). A response without `Last-Modified`
/// is judged by its `Date` (RFC 9111 §4.3.2): one that came without is stored with the time it was received.
pub fn not_modified(request: &HeaderMap, response: &HeaderMap, now: SystemTime) -> bool {
    if request.contains_key(header::IF_NONE_MATCH) {
        any_matches(request, header::IF_NONE_MATCH, response.get(header::ETAG), weak_eq)
    } else {
        unmodified_since(request, response, now)
    }
}

/// Whether a request with these fields is answered 412 (Precondition Failed) by whoever has the response with those: by
/// `If-Match`, and only where that is absent by `If-Unmodified-Since` (RFC 9110 §13.2.2).
pub fn has_failed(request: &HeaderMap, response: &HeaderMap, now: SystemTime) -> bool {
    if request.contains_key(header::IF_MATCH) {
        return !any_matches(request, header::IF_MATCH, response.get(header::ETAG), strong_eq);
    }
    let date = |value: &HeaderValue| date::parse(value.as_bytes(), now);
    let since = single(request, header::IF_UNMODIFIED_SINCE).and_then(date);
    let modified = response.get(header::LAST_MODIFIED).and_then(date);
    // What is no date is ignored, and so is the condition where no date is known (RFC 9110 §13.1.4).
    since.zip(modified).is_some_and(|(since, modified)| modified > since)
}

/// The weak comparison of entity-tags (RFC 9110 §8.8.3.2): the same, whether or not either is weak.
///
/// Some applications send tags without quotes, or otherwise beside the grammar: these equal only themselves, byte for
/// byte.
pub fn weak_eq(a: &[u8], b: &[u8]) -> bool {
    match (opaque(a), opaque(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a == b && !a.is_empty(),
        _ => false,
    }
}

/// The strong comparison of entity-tags (RFC 9110 §8.8.3.2): the same, well-formed, and neither is weak.
pub fn strong_eq(a: &[u8], b: &[u8]) -> bool {
    a == b && opaque(a) == Some(a)
}

/// Whether the request has a precondition of any kind (RFC 9110 §13.1); `If-Range`, which only concerns a `Range`
/// beside it, is one.
pub fn has_precondition(request: &HeaderMap) -> bool {
    let names = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_RANGE];
    names.iter().any(|name| request.contains_key(name)) || is_for_origin(request)
}

/// Whether nothing in the request asks for anything but the whole response, fresh or not: no condition, no range, no
/// wish about caching. Most requests are such, and one look at their names is quicker than a search for each.
pub fn is_plain(request: &HeaderMap) -> bool {
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
pub fn is_for_origin(request: &HeaderMap) -> bool {
    request.contains_key(header::IF_MATCH) || request.contains_key(header::IF_UNMODIFIED_SINCE)
}

/// Takes away what could make the answer anything but the whole response: conditions that a cache judges, and ranges.
pub fn ask_for_all(request: &mut HeaderMap) {
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
    request: &HeaderMap,
    condition: HeaderName,
    etag: Option<&HeaderValue>,
    equal: fn(&[u8], &[u8]) -> bool,
) -> bool {
    if single(request, &condition).is_some_and(|line| line.as_bytes().trim_ascii() == b"*") {
        return true;
    }
    let Some(etag) = etag.map(|value| value.as_bytes().trim_ascii()) else { return false };
    let lines = request.get_all(condition).iter();
    lines.flat_map(|line| members(line.as_bytes())).any(|member| equal(member, etag))
}

/// `If-Modified-Since` (RFC 9110 §13.1.3). What is no date, or several lines, is ignored.
fn unmodified_since(request: &HeaderMap, response: &HeaderMap, now: SystemTime) -> bool {
    let date = |value: &HeaderValue| date::parse(value.as_bytes(), now);
    let Some(since) = single(request, header::IF_MODIFIED_SINCE).and_then(date) else { return false };
    let modified = response.get(header::LAST_MODIFIED).or_else(|| response.get(header::DATE)).and_then(date);
    modified.is_some_and(|modified| modified <= since)
}

/// The members of a list of entity-tags: a comma within one separates nothing, one within anything else does.
fn members(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = line.trim_ascii();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let tag = leading_tag(rest);
        let end = memchr::memchr(b',', &rest[tag..]).map_or(rest.len(), |comma| tag + comma);
        let member = rest[..end].trim_ascii_end();
        rest = rest[end..].strip_prefix(b",").unwrap_or_default().trim_ascii_start();
        Some(member)
    })
}

/// An entity-tag without its mark of weakness, quotes included; `None` for what is no entity-tag.
fn opaque(tag: &[u8]) -> Option<&[u8]> {
    let is_tag = !tag.is_empty() && leading_tag(tag) == tag.len();
    is_tag.then(|| tag.strip_prefix(b"W/").unwrap_or(tag))
}

/// The length of the entity-tag that the text begins with, or 0 (RFC 9110 §8.8.3).
fn leading_tag(text: &[u8]) -> usize {
    let quoted = text.strip_prefix(b"W/").unwrap_or(text);
    let Some(inner) = quoted.strip_prefix(b"\"") else { return 0 };
    match inner.iter().position(|byte| !matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)) {
        Some(end) if inner[end] == b'"' => text.len() - inner.len() + end + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EARLIER: &str = "Tue, 15 Nov 1994 12:45:25 GMT";
    const MODIFIED: &str = "Tue, 15 Nov 1994 12:45:26 GMT";
    const LATER: &str = "Tue, 15 Nov 1994 12:45:27 GMT";

    fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    /// RFC 9110 §8.8.3.2, the table there and what is beside the grammar.
    #[test]
    fn entity_tags_compare_weakly_and_strongly() {
        for (a, b, strong, weak) in [
            (r#"W/"1""#, r#"W/"1""#, false, true),
            (r#"W/"1""#, r#"W/"2""#, false, false),
            (r#"W/"1""#, r#""1""#, false, true),
            (r#""1""#, r#""1""#, true, true),
            (r#""1""#, r#""2""#, false, false),
            (r#""""#, r#""""#, true, true),
            (r#""a,b""#, r#""a,b""#, true, true),
            (r#""é""#, r#""é""#, true, true),
            (r#"w/"1""#, r#""1""#, false, false),
            (r#"w/"1""#, r#"w/"1""#, false, true),
            (r#"W/1"#, "1", false, false),
            ("abc", "abc", false, true),
            ("abc", r#""abc""#, false, false),
            ("abc", "ABC", false, false),
            (r#""a b""#, r#""a b""#, false, true),
            (r#""a"b""#, r#""a""#, false, false),
            ("\"", "\"", false, true),
            ("", "", false, false),
        ] {
            assert_eq!(strong_eq(a.as_bytes(), b.as_bytes()), strong, "{a} = {b}, strongly");
            assert_eq!(weak_eq(a.as_bytes(), b.as_bytes()), weak, "{a} = {b}, weakly");
            assert_eq!(weak_eq(b.as_bytes(), a.as_bytes()), weak, "{b} = {a}, weakly");
        }
    }

    /// RFC 9110 §13.1.2.
    #[test]
    fn if_none_match() {
        for (lines, etag, expected) in [
            (&[r#""a""#][..], Some(r#""a""#), true),
            (&[r#""b""#], Some(r#""a""#), false),
            (&[r#"W/"a""#], Some(r#""a""#), true),
            (&[r#""a""#], Some(r#"W/"a""#), true),
            (&[r#""1", "2", "a""#], Some(r#""a""#), true),
            (&[r#""1","a","2""#], Some(r#""a""#), true),
            (&[r#", ,"1" ,, "a" ,"#], Some(r#""a""#), true),
            (&[r#""1""#, r#""2", "a""#], Some(r#""a""#), true),
            (&[r#""1""#, r#""2""#], Some(r#""a""#), false),
            // A comma within a tag.
            (&[r#""1,a", "2""#], Some(r#""1,a""#), true),
            (&[r#""x,","a,","b""#], Some(r#""a,""#), true),
            (&[r#""1,","a",",2""#], Some(r#"",""#), false),
            // Malformed members match nothing and do no harm to the others.
            (&[r#""a"x"#], Some(r#""a""#), false),
            (&[r#"x"a""#], Some(r#""a""#), false),
            (&[r#""a"#], Some(r#""a""#), false),
            (&[r#"junk, "a""#], Some(r#""a""#), true),
            (&[r#""x y, "a""#], Some(r#""a""#), true),
            (&[""], Some(""), false),
            (&[",,"], Some(""), false),
            // Without quotes on both sides.
            (&["a"], Some("a"), true),
            (&["1, a"], Some("a"), true),
            (&["a"], Some(r#""a""#), false),
            (&[r#""a""#], Some("a"), false),
            (&[r#"W\"a""#], Some(r#"W\"a""#), true),
            // Any.
            (&["*"], Some(r#""a""#), true),
            (&["*"], None, true),
            (&[r#"*, "b""#], Some(r#""a""#), false),
            (&["*", r#""b""#], Some(r#""a""#), false),
            (&[r#""*""#], Some(r#""a""#), false),
            (&[r#""a""#], None, false),
        ] {
            let request: Vec<_> = lines.iter().map(|line| ("if-none-match", *line)).collect();
            let response: Vec<_> = etag.iter().map(|etag| ("etag", *etag)).collect();
            assert_eq!(
                not_modified(&map(&request), &map(&response), SystemTime::now()),
                expected,
                "{lines:?} {etag:?}"
            );
        }
    }

    /// RFC 9110 §13.1.3, RFC 9111 §4.3.2.
    #[test]
    fn if_modified_since() {
        for (since, response, expected) in [
            (&[MODIFIED][..], &[("last-modified", MODIFIED)][..], true),
            (&[LATER], &[("last-modified", MODIFIED)], true),
            (&[EARLIER], &[("last-modified", MODIFIED)], false),
            (&["Tuesday, 15-Nov-94 12:45:26 GMT"], &[("last-modified", MODIFIED)], true),
            (&["Tue Nov 15 12:45:26 1994"], &[("last-modified", MODIFIED)], true),
            // No valid single date is none.
            (&["yesterday"], &[("last-modified", MODIFIED)], false),
            (&[""], &[("last-modified", MODIFIED)], false),
            (&[LATER, LATER], &[("last-modified", MODIFIED)], false),
            (&[], &[("last-modified", MODIFIED)], false),
            // Date stands in for a Last-Modified that is absent, not for one that is malformed.
            (&[LATER], &[("date", MODIFIED)], true),
            (&[MODIFIED], &[("date", MODIFIED)], true),
            (&[EARLIER], &[("date", MODIFIED)], false),
            (&[MODIFIED], &[("date", LATER), ("last-modified", MODIFIED)], true),
            (&[MODIFIED], &[("date", EARLIER), ("last-modified", LATER)], false),
            (&[LATER], &[("date", MODIFIED), ("last-modified", "0")], false),
            (&[LATER], &[("etag", "\"a\"")], false),
        ] {
            let request: Vec<_> = since.iter().map(|since| ("if-modified-since", *since)).collect();
            assert_eq!(
                not_modified(&map(&request), &map(response), SystemTime::now()),
                expected,
                "{since:?} {response:?}"
            );
        }
    }

    /// RFC 9110 §13.2.2.
    #[test]
    fn if_none_match_alone_decides_where_it_is_there() {
        let response = map(&[("etag", "\"a\""), ("last-modified", MODIFIED)]);
        let match_only = map(&[("if-none-match", "\"a\""), ("if-modified-since", EARLIER)]);
        assert!(not_modified(&match_only, &response, SystemTime::now()));
        let date_only = map(&[("if-none-match", "\"b\""), ("if-modified-since", LATER)]);
        assert!(!not_modified(&date_only, &response, SystemTime::now()));
        let malformed = map(&[("if-none-match", ""), ("if-modified-since", LATER)]);
        assert!(!not_modified(&malformed, &response, SystemTime::now()));
    }

    /// RFC 9110 §13.1, RFC 9111 §4.3.2.
    #[test]
    fn what_is_plain_wants_nothing_special() {
        for (name, plain) in [
            ("accept", true),
            ("cookie", true),
            ("authorization", true),
            ("if-match", false),
            ("if-none-match", false),
            ("if-modified-since", false),
            ("if-unmodified-since", false),
            ("if-range", false),
            ("range", false),
            ("cache-control", false),
            ("pragma", false),
        ] {
            assert_eq!(is_plain(&map(&[("host", "a"), (name, "b")])), plain, "{name}");
        }
    }

    #[test]
    fn preconditions_and_who_they_are_for() {
        for (name, precondition, origin) in [
            ("if-none-match", true, false),
            ("if-modified-since", true, false),
            ("if-range", true, false),
            ("if-match", true, true),
            ("if-unmodified-since", true, true),
            ("range", false, false),
        ] {
            let request = map(&[(name, "x")]);
            assert_eq!(has_precondition(&request), precondition, "{name}");
            assert_eq!(is_for_origin(&request), origin, "{name}");
        }
    }

    /// RFC 9110 §15.4.5.
    #[test]
    fn a_304_describes_no_body() {
        let kept = |name: &str| is_kept_in_304(&HeaderName::from_bytes(name.as_bytes()).unwrap());
        for name in [
            "Content-Location",
            "Date",
            "ETag",
            "Expires",
            "Cache-Control",
            "Vary",
            "Last-Modified",
            "Age",
            "Access-Control-Allow-Origin",
            "Content-Security-Policy",
            "X-Frame-Options",
        ] {
            assert!(kept(name), "{name}");
        }
        for name in
            ["Content-Type", "Content-Length", "Content-Encoding", "Content-Language", "Content-Range"]
        {
            assert!(!kept(name), "{name}");
        }
    }
}
