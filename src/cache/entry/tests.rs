use super::{
    super::{
        head::{compact, strip_cookies},
        status::X_CACHE,
        testing::*,
    },
    *,
};
use http::HeaderValue;

fn second(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Without what every hit is told.
fn without_told(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in [header::AGE, X_CACHE, CACHE_STATUS] {
        headers.remove(name);
    }
    headers
}

/// A response's fields in their order, one a line.
fn lines(headers: &HeaderMap) -> Vec<String> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
    };
    headers.iter().map(line).collect()
}

#[test]
fn it_ages_from_its_arrival() {
    let arrived = Instant::now();
    let entry = entry("", 200, "cache-control: max-age=60 | age: 10", "", arrived);
    // RFC 9111 §4.2, §4.2.3
    for (after, age, ttl, fresh) in [
        (Duration::ZERO, 10, 50, true),
        (second(49), 59, 1, true),
        (Duration::from_millis(49_999), 59, 1, true),
        (second(50), 60, 0, false),
        (second(75), 85, -25, false),
    ] {
        let now = arrived + after;
        assert_eq!(entry.age(now).as_secs(), age, "{after:?}");
        assert_eq!((entry.ttl(entry.age(now)), entry.is_fresh(now)), (ttl, fresh), "{after:?}");
        let expected = if fresh { Use::Fresh } else { Use::Validate };
        assert_eq!(entry.use_for(&RequestControl::default(), now), expected, "{after:?}");
    }
    // A clock that stands still or is asked too late
    assert_eq!(entry.age(arrived - second(5)), second(10));
}

#[test]
fn what_is_validated_always_is_never_fresh() {
    let arrived = Instant::now();
    let entry = entry("", 200, "cache-control: max-age=60, no-cache | etag: a", "", arrived);
    assert!(!entry.is_fresh(arrived) && !entry.head().is_reusable());
    assert_eq!(entry.use_for(&RequestControl::default(), arrived), Use::Validate);
}

#[test]
fn use_where_the_worker_has_failed() {
    const GRACE: &str = "max-age=60, stale-if-error=30";
    // The response's Cache-Control, the request's, the worker's status, and the first age at which it is of no use
    for (section, response, request, status, end) in [
        ("RFC 5861 §4", GRACE, "", Some(503), 90),
        ("RFC 5861 §4", GRACE, "min-fresh=10", Some(503), 90),
        ("RFC 5861 §4", GRACE, "stale-if-error=40", Some(503), 100),
        ("RFC 5861 §4", "max-age=60", "stale-if-error=40", Some(503), 100),
        ("RFC 5861 §4", "max-age=60", "", Some(503), 60),
        ("RFC 5861 §4", "s-maxage=60, stale-if-error=30", "", Some(503), 90),
        ("RFC 9111 §5.2.2.10", "s-maxage=60", "stale-if-error=40", Some(503), 60),
        (
            "RFC 9111 §5.2.2.2",
            "max-age=60, must-revalidate, stale-if-error=30",
            "stale-if-error=40",
            Some(503),
            60,
        ),
        ("RFC 9111 §5.2.2.4", "max-age=60, no-cache, stale-if-error=30", "", Some(503), 0),
        ("RFC 9111 §5.2.1.4", GRACE, "no-cache", Some(503), 0),
        ("RFC 9111 §5.2.1.1", GRACE, "max-age=70", Some(503), 71),
        ("RFC 9111 §4.2.4: no answer", "max-age=60", "", None, 120),
        ("RFC 9111 §4.2.4: no answer", "max-age=60, stale-if-error=90", "", None, 150),
        ("RFC 9111 §4.2.4: no answer", "max-age=60, must-revalidate", "", None, 60),
        ("RFC 9111 §4.2.4: no answer", "max-age=60, proxy-revalidate", "", None, 60),
        ("RFC 9111 §4.2.4: no answer", "s-maxage=60", "", None, 60),
        ("RFC 9111 §4.2.4: no answer", "max-age=60, no-cache", "", None, 0),
        ("RFC 9111 §4.2.4: no answer", "max-age=0", "", None, 0),
        ("RFC 9111 §4.2.4: no answer", "max-age=60", "max-age=70", None, 71),
    ] {
        let arrived = Instant::now();
        let entry = entry("", 200, &format!("etag: a | cache-control: {response}"), "", arrived);
        let control = RequestControl::of(&fields(&format!("cache-control: {request}")));
        let status = status.map(|status| StatusCode::from_u16(status).unwrap());
        for age in [0, 59, 60, 69, 70, 71, 89, 90, 99, 100, 119, 120, 149, 150] {
            let usable = entry.is_usable_on_error(&control, status, arrived + second(age));
            assert_eq!(usable, age < end, "{section}: {response}, {request}, {status:?}, {age} s");
        }
    }
}

#[test]
fn validators_become_conditions() {
    const CLIENTS: &str =
        "if-none-match: \"mine\" | if-modified-since: x | if-range: y | range: bytes=0-1 | accept: a";
    for (section, validators, request, expected) in [
        ("RFC 9111 §4.3.1", "etag: W/\"a\"", "accept: a", "accept: a | if-none-match: W/\"a\""),
        ("RFC 9111 §4.3.1", "last-modified: b", "accept: a", "accept: a | if-modified-since: b"),
        (
            "RFC 9111 §4.3.1",
            "etag: \"a\" | last-modified: b",
            CLIENTS,
            "accept: a | if-none-match: \"a\" | if-modified-since: b",
        ),
        ("RFC 9111 §4.3.1", "etag: \"a\"", CLIENTS, "accept: a | if-none-match: \"a\""),
        ("RFC 9111 §4.3.1", "last-modified: b", CLIENTS, "accept: a | if-modified-since: b"),
        ("RFC 9111 §4.3.1", "x: y", CLIENTS, CLIENTS),
    ] {
        let entry = entry("", 200, &format!("cache-control: max-age=60 | {validators}"), "", Instant::now());
        let mut request = fields(request);
        assert_eq!(entry.make_conditional(&mut request), validators != "x: y", "{section}: {validators}");
        assert_eq!(request, fields(expected), "{section}: {validators}");
    }
}

#[test]
fn what_is_not_stored() {
    let head = head(
        "",
        200,
        "proxy-authenticate: a | x-b: 2 | set-cookie: a=b | x-a:  one  | proxy-status: b | set-cookie2: c | age: 5 | \
         content-length: 3 | trailer: x-c | x-b: 1 | content-type: image/png | cache-control: public, max-age=60 | \
         x-empty:  | x-b: é | proxy-authentication-info: c | date: yesterday",
    );
    // RFC 9111 §3.1; all others as they came, in their order, duplicates kept
    let expected = [
        "x-b: 2",
        "x-b: 1",
        "x-b: é",
        "x-a: one",
        "content-type: image/png",
        "cache-control: public, max-age=60",
        "x-empty: ",
        "date: yesterday",
    ];
    assert_eq!(lines(&without_told(head.headers())), expected);
}

#[test]
fn a_response_without_a_date_gets_one() {
    // RFC 9110 §6.6.1
    let head = head("", 200, "cache-control: max-age=60");
    let told = ["age: 0", "x-cache: hit", "cache-status: thrust"];
    let expected = ["cache-control: max-age=60", &format!("date: {NOW}")];
    assert_eq!(lines(head.headers()), [&expected[..], &told].concat());
}

#[test]
fn values_share_one_piece_of_memory_and_none_with_what_came() {
    let came = fields("cache-control: max-age=60 | x-a: one | x-b: two | x-b: three | date: d");
    let kept = without_told(&compact(&came, now()));
    assert_eq!(lines(&kept), lines(&came));
    let place = |value: &HeaderValue| value.as_bytes().as_ptr_range();
    let places: Vec<_> = kept.values().map(place).collect();
    assert!(places.windows(2).all(|pair| pair[0].end == pair[1].start), "{places:?}");
    assert!(came.values().all(|value| places.iter().all(|kept| *kept != place(value))));
}

#[test]
fn cookies_are_taken_out() {
    let mut headers = fields("set-cookie: a | x: y | set-cookie: b | set-cookie2: c");
    strip_cookies(&mut headers);
    assert_eq!(lines(&headers), ["x: y"]);
}

#[test]
fn whether_it_can_be_stored_by_its_vary() {
    let headers = fields("cache-control: max-age=60 | vary: accept, *");
    let request = HeaderMap::new();
    let made = Head::new(&asked("/", &request), StatusCode::OK, &headers, None, &options());
    assert_eq!(made.err(), Some(Reason::Vary));
}

/// What was stored, what a 304 says, and what is stored then.
#[test]
fn a_304_changes_fields() {
    const OLD: &str = "cache-control: max-age=60 | etag: \"a\" | date: Sat, 21 Nov 2026 09:00:00 GMT";
    for (section, stored, not_modified, changed) in [
        ("RFC 9111 §3.2: replaced", "x-a: 1 | x-a: 2", "x-a: 3", "x-a: 3"),
        ("RFC 9111 §3.2: all values", "x-a: 1", "x-a: 2 | x-a: 3", "x-a: 2 | x-a: 3"),
        ("RFC 9111 §3.2: added", "x-a: 1", "x-b: 2", "x-a: 1 | x-b: 2"),
        ("RFC 9111 §3.2: left", "x-a: 1 | content-type: text/css", "", "x-a: 1 | content-type: text/css"),
        ("RFC 9111 §3.2", "content-type: text/css", "content-type: text/html", "content-type: text/html"),
        ("RFC 9111 §3.2", "last-modified: a", "last-modified: b", "last-modified: b"),
        (
            "RFC 9111 §3.2: the stored body's own",
            "content-encoding: gzip | content-md5: x",
            "content-encoding: br | content-md5: y | content-length: 0 | content-range: bytes */1",
            "content-encoding: gzip | content-md5: x",
        ),
        ("RFC 9111 §3.1", "x-a: 1", "age: 3 | proxy-status: a | trailer: b | x-cache: MISS", "x-a: 1"),
    ] {
        let old = entry("", 200, &format!("{OLD} | {stored}"), "body", Instant::now());
        let arrived = Instant::now() + second(90);
        let not_modified = fields(not_modified);
        let request = HeaderMap::new();
        let (new, storable) = old.renewed(&asked("/", &request), &not_modified, arrived, &options());
        assert_eq!(storable, Ok(()), "{section}");
        let expected = format!("cache-control: max-age=60 | etag: \"a\" | date: {NOW} | {changed}");
        assert_eq!(without_told(new.head().headers()), fields(&expected), "{section}");
        assert_eq!((new.head().status(), bytes(&new)), (StatusCode::OK, &b"body"[..]), "{section}");
        assert!(new.is_fresh(arrived) && !old.is_fresh(arrived), "{section}");
    }
}

#[test]
fn a_304_changes_how_long_it_is_fresh() {
    let old = entry("", 200, "cache-control: max-age=60 | etag: \"a\"", "", Instant::now());
    let arrived = Instant::now() + second(90);
    // The age is the 304's, not that of what was stored (RFC 9111 §4.3.4).
    for (not_modified, age, lifetime) in [
        ("", 0, 60),
        ("cache-control: max-age=5", 0, 5),
        ("cache-control: max-age=500 | age: 20", 20, 500),
        ("date: Sat, 21 Nov 2026 09:14:00 GMT", 9, 60),
        ("cdn-cache-control: max-age=9", 0, 9),
    ] {
        let request = HeaderMap::new();
        let (new, storable) = old.renewed(&asked("/", &request), &fields(not_modified), arrived, &options());
        assert_eq!(storable, Ok(()), "{not_modified}");
        let found = (new.age(arrived).as_secs(), new.ttl(new.age(arrived)));
        assert_eq!(found, (age, lifetime - age as i64), "{not_modified}");
    }
}

#[test]
fn a_304_may_take_it_away_from_others() {
    let old = entry("", 200, "cache-control: max-age=60 | etag: \"a\" | x-a: 1", "body", Instant::now());
    for (request, not_modified, reason) in [
        ("", "cache-control: no-store", Reason::NoStore),
        ("", "cache-control: private", Reason::Private),
        ("", "set-cookie: a=b", Reason::SetCookie),
        ("", "vary: *", Reason::Vary),
        ("authorization: a", "", Reason::Authorization),
        ("cookie: a", "cache-control: max-age=0", Reason::Cookie),
    ] {
        let (arrived, request, not_modified) = (Instant::now(), fields(request), fields(not_modified));
        let (new, storable) = old.renewed(&asked("/", &request), &not_modified, arrived, &options());
        assert_eq!(storable, Err(reason), "{not_modified:?}");
        // Whoever asked gets it all the same, with what the 304 says.
        assert_eq!(
            (bytes(&new), &new.head().headers()["x-a"]),
            (&b"body"[..], &HeaderValue::from_static("1"))
        );
        assert!(not_modified.iter().all(|(name, value)| new.head().headers().get(name) == Some(value)));
        assert_eq!(new.use_for(&RequestControl::default(), arrived), Use::Validate);
    }
}

#[test]
fn weight_counts_what_is_held() {
    let weight = |request: &str, response: &str, body: &'static str| {
        let response = format!("cache-control: max-age=60 | vary: accept | {response}");
        entry(request, 200, &response, body, Instant::now()).weight()
    };
    let empty = weight("accept: a", "x-a: ", "");
    assert_eq!(weight("accept: a", "x-a: ", "12345"), empty + 5);
    assert_eq!(weight("accept: a", "x-a: 12345", ""), empty + 5);
    // A request's value is held as it was sent, and in its canonical form.
    assert_eq!(weight("accept: abc", "x-a: ", ""), empty + 2 * 2);
    assert!(weight("accept: a", "x-a:  | x-a: ", "") >= empty + size_of::<HeaderValue>());
}

#[test]
fn what_a_hit_is_told() {
    // RFC 9211 §2, RFC 9111 §5.1: a cache nearer to the origin has said its own before.
    for (response, expected) in [
        ("x-cache: MISS", &["thrust; hit; ttl=55"][..]),
        ("cache-status: origin; hit", &["origin; hit", "thrust; hit; ttl=55"]),
    ] {
        let arrived = Instant::now();
        let entry = entry("", 200, &format!("cache-control: max-age=60 | {response}"), "", arrived);
        let mut headers = entry.head().headers().clone();
        let now = arrived + second(5);
        entry.tell(&mut headers, &Status::hit(), now);
        assert_eq!(headers.get_all(CACHE_STATUS).iter().collect::<Vec<_>>(), expected);
        assert_eq!(
            (&headers[header::AGE], &headers[X_CACHE]),
            (&HeaderValue::from(5), &HeaderValue::from_static("hit"))
        );
    }
}
