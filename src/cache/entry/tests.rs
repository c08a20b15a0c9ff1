use super::{
    super::{
        forms::Form,
        status::{CACHE_STATUS, Forward, X_CACHE},
        testing::*,
    },
    *,
};
use crate::message::file::NamedFile;
use http::HeaderValue;
use std::time::SystemTime;

fn second(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
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
        let request = Headers::new();
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

fn ready(entry: &Entry) -> [Option<Form>; 3] {
    Encoding::ALL.map(|encoding| entry.forms()?.get(encoding))
}

#[test]
fn a_304_keeps_the_body_and_its_forms_under_new_heads() {
    let old = script("", "etag: \"a\" | x-a: 1");
    let gzip = Bytes::from_static(b"gzip");
    old.add_form(Encoding::Gzip, Some(gzip.clone()));
    old.add_form(Encoding::Brotli, None);
    assert!(old.forms().unwrap().claim(Encoding::Zstd));
    let request = Headers::new();
    let (new, storable) =
        old.renewed(&asked("/", &request), &fields("x-a: 2"), Instant::now() + second(90), &options());
    assert_eq!(storable, Ok(()));
    assert!(new.shares_body_with(&old) && !new.shares_body_with(&script("", "etag: \"a\"")));
    let [zstd, brotli, form] = ready(&new);
    assert!(zstd.is_none() && brotli.is_none());
    let form = form.unwrap();
    assert_eq!(
        (form.body.as_ptr(), &form.fields.headers()["x-a"]),
        (gzip.as_ptr(), &HeaderValue::from_static("2"))
    );
    // RFC 9110 §8.8.3.3
    assert_eq!(
        (&form.fields.headers()["etag"], &form.fields.headers()["content-encoding"]),
        (&HeaderValue::from_static("W/\"a\""), &HeaderValue::from_static("gzip"))
    );
    let forms = new.forms().unwrap();
    assert!(forms.is_worthless(Encoding::Brotli) && !forms.claim(Encoding::Brotli));
    assert!(!forms.claim(Encoding::Gzip) && forms.claim(Encoding::Zstd));
}

/// RFC 9111 §5.2.2.6, §3.2.
#[test]
fn a_304_changes_whether_it_is_encoded() {
    let request = Headers::new();
    let renewed = |old: &Entry, not_modified: &str| {
        old.renewed(&asked("/", &request), &fields(not_modified), Instant::now(), &options()).0
    };
    let encoded = script("", "etag: \"a\"");
    encoded.add_form(Encoding::Gzip, Some(Bytes::from_static(b"gzip")));
    let forbidden = renewed(&encoded, "cache-control: max-age=60, no-transform");
    assert!(!forbidden.is_encodable() && forbidden.forms().is_none());
    let allowed = renewed(&forbidden, "cache-control: max-age=60");
    assert!(allowed.is_encodable() && allowed.forms().is_some_and(|forms| forms.claim(Encoding::Gzip)));
}

#[test]
fn only_what_is_in_memory_has_forms_and_only_if_it_is_long_enough() {
    let origin = || Origin::new([], Instant::now());
    let head = || head("", 200, "cache-control: max-age=60 | content-type: text/css");
    let file = Entry::of_file(head(), Content::File(5000), origin(), Instant::now());
    assert!(file.is_encodable() && file.forms().is_none());
    file.add_form(Encoding::Gzip, Some(Bytes::from_static(b"x")));
    let short = Entry::new(head(), Bytes::from_static(&[0; 1023]), Instant::now());
    assert!(!short.is_encodable() && short.forms().is_none());
    // What somebody has encoded is there whatever its length.
    let given = short.with_given([(Encoding::Gzip, Headers::new(), Bytes::from_static(b"gzip"))]);
    assert!(!given.is_encodable() && given.forms().is_some_and(Forms::are_given));
    assert_eq!(ready(&given).map(|form| form.is_some()), [false, false, true]);
}

#[test]
fn weight_counts_what_is_held() {
    let weight = |request: &str, response: &str, body: &'static str| {
        let response = format!("cache-control: max-age=60 | vary: accept | {response}");
        entry(request, 200, &response, body, Instant::now()).weight()
    };
    let empty = weight("accept: a", "x-a: ", "");
    assert_eq!(weight("accept: a", "x-a: ", "12345"), empty + 5);
    // In its line.
    assert_eq!(weight("accept: a", "x-a: 12345", ""), empty + 5);
    // A request's value is held as it was sent, and in its canonical form.
    assert_eq!(weight("accept: abc", "x-a: ", ""), empty + 2 * 2);
    assert!(weight("accept: a", "x-a:  | x-a: ", "") >= empty + size_of::<HeaderValue>());
    // Forms hold their fields, too.
    let entry = script("", "etag: \"a\"");
    let before = entry.weight();
    entry.add_form(Encoding::Brotli, None);
    assert_eq!(entry.weight(), before);
    entry.add_form(Encoding::Gzip, Some(vec![0; 100].into()));
    assert!(entry.weight() > before + 100 + weight_of(entry.head().fields()));
}

/// Of a file is held where it is, and of what is in memory the bytes, too.
#[test]
fn weight_of_a_file() {
    let named = |path: &str| NamedFile {
        path: path.into(),
        length: 100,
        modified: SystemTime::UNIX_EPOCH,
        changed: 0,
        inode: (0, 0),
    };
    let weight = |content, path| {
        let origin = Origin::new([named(path)], Instant::now());
        Entry::of_file(head("", 200, "cache-control: max-age=60"), content, origin, Instant::now()).weight()
    };
    let on_disk = weight(Content::File(100), "/a");
    assert_eq!(weight(Content::File(100), "/abc"), on_disk + 2);
    assert_eq!(weight(Content::Memory(vec![0; 100].into()), "/a"), on_disk + 100);
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
        assert_eq!(headers.get_all(CACHE_STATUS).collect::<Vec<_>>(), expected);
        assert_eq!(
            (&headers[header::AGE], &headers[X_CACHE]),
            (&HeaderValue::from(5), &HeaderValue::from_static("hit"))
        );
    }
}

#[test]
fn what_is_stored_only_now_goes_out_as_the_worker_s() {
    let status = Status { stored: true, ..Status::forwarded(Some(Forward::UriMiss)) };
    for (relayed, expected) in [
        ("", "x-cache: miss | cache-status: thrust; fwd=uri-miss; stored"),
        (
            "cache-status: origin; hit",
            "x-cache: miss | cache-status: origin; hit | cache-status: thrust; fwd=uri-miss; stored",
        ),
    ] {
        let entry = entry("", 200, &format!("cache-control: max-age=60 | {relayed}"), "", Instant::now());
        let mut headers = entry.head().headers().clone();
        entry.tell(&mut headers, &status, Instant::now());
        headers.remove(header::CACHE_CONTROL);
        headers.remove(header::DATE);
        assert_eq!(headers, fields(expected));
    }
}
