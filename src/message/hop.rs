//! Hop-by-hop header fields (RFC 9110 §7.6.1): they concern one connection and are not passed on.

use super::Headers;
use http::{HeaderName, HeaderValue, header};

/// Removes the hop-by-hop fields, those that `Connection` names, and those for which `also` is true, in one pass; the
/// others keep their order.
///
/// `Trailer` stays: it announces fields that are passed on. `TE` stays as `trailers`, the only value a proxy may
/// pass on, which allows the worker to send trailers.
pub fn remove(headers: &mut Headers, also: impl Fn(&str) -> bool) {
    if concerns(headers, &also) {
        take_out(headers, also);
    }
}

/// Whether [`remove`] has anything to remove.
pub fn concerns(headers: &Headers, also: impl Fn(&str) -> bool) -> bool {
    headers.keys().any(|name| is_hop_by_hop(name.as_str()) || also(name.as_str()))
}

/// What [`remove`] does where it [`concerns`] the header.
pub fn take_out(headers: &mut Headers, also: impl Fn(&str) -> bool) {
    let trailers = headers.get(header::TE).is_some_and(|te| lists(te, "trailers"));
    let named = connection_options(headers);
    headers.retain(|name| !is_hop_by_hop(name.as_str()) && !also(name.as_str()) && !named.contains(name));
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// Whether a header's comma-separated values contain this token, in any case.
pub fn lists(value: &HeaderValue, token: &str) -> bool {
    tokens(value).any(|member| member.eq_ignore_ascii_case(token))
}

/// The fields that `Connection` names, that are there, and that can be removed that way. Only what is there counts: every
/// other field is compared with all of these, and a list can name thousands.
fn connection_options(headers: &Headers) -> Vec<HeaderName> {
    let options = headers.get_all(header::CONNECTION).flat_map(tokens);
    // What most of them say, and a field that is removed in any case.
    let options = options.filter(|option| !option.eq_ignore_ascii_case("keep-alive"));
    let mut named = Vec::new();
    for name in options.filter_map(|option| HeaderName::from_bytes(option.as_bytes()).ok()) {
        if headers.contains_key(&name) && !is_for_everybody(name.as_str()) && !named.contains(&name) {
            named.push(name);
        }
    }
    named
}

/// Fields that are for every recipient, whatever `Connection` says of them. Without Host and the like the worker would see
/// another request than we do; without those about caching, which are never appropriate there (RFC 9110 §7.6.1), a private
/// response would look like one that says nothing.
fn is_for_everybody(name: &str) -> bool {
    matches!(
        name,
        "host"
            | "content-length"
            | "cookie"
            | "cache-control"
            | "cdn-cache-control"
            | "pragma"
            | "expires"
            | "age"
            | "vary"
            | "set-cookie"
            | "set-cookie2"
    )
}

fn tokens(value: &HeaderValue) -> impl Iterator<Item = &str> {
    value.to_str().unwrap_or("").split(',').map(str::trim)
}

fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "transfer-encoding"
            | "upgrade"
            | "te"
            | "keep-alive"
            | "proxy-connection"
            | "http2-settings"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remaining(fields: &[(&'static str, &'static str)]) -> Vec<(String, String)> {
        let mut headers = Headers::of(fields);
        remove(&mut headers, |name| name == "x-also");
        headers.iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_string())).collect()
    }

    #[test]
    fn removes_hop_by_hop_and_named_fields_and_keeps_the_order() {
        let left = remaining(&[
            ("host", "a"),
            ("connection", "close, X-Secret"),
            ("x-one", "1"),
            ("x-also", "0"),
            ("keep-alive", "timeout=5"),
            ("x-secret", "s"),
            ("cookie", "a"),
            ("cookie", "b"),
            ("te", "trailers, deflate;q=0.5"),
            ("x-two", "2"),
        ]);
        let names: Vec<_> = left.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(names, ["host=a", "x-one=1", "cookie=a", "cookie=b", "x-two=2", "te=trailers"]);
    }

    #[test]
    fn connection_cannot_take_away_what_the_message_depends_on() {
        let left = remaining(&[
            ("host", "a"),
            ("content-length", "3"),
            ("cookie", "c"),
            ("cache-control", "private"),
            ("set-cookie", "c"),
            ("connection", "host, content-length, cookie, Cache-Control, Set-Cookie"),
        ]);
        assert_eq!(left.len(), 5);
    }
}
