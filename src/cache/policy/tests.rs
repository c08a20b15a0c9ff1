use super::{super::testing::*, *};
use crate::message::Headers;

/// Where it is written, the request's fields, the response's status and fields, and what comes of it: the lifetime in
/// seconds, or why it is not stored.
type Row = (&'static str, &'static str, u16, &'static str, Result<u64, Reason>);

fn check(rows: &[Row]) {
    for &(section, request, status, response, expected) in rows {
        let lifetime =
            judge("/page", request, status, response).map(|freshness| freshness.lifetime.as_secs());
        assert_eq!(lifetime, expected, "{section}: {request} → {status} {response}");
    }
}

#[test]
fn which_statuses_are_stored() {
    for status in 100..600 {
        let final_and_whole = (200..500).contains(&status) && status != 206 && status != 304;
        let expected = match status {
            304 => Err(Reason::NotModified),
            _ if final_and_whole => Ok(60),
            _ => Err(Reason::Status),
        };
        check(&[("RFC 9111 §3", "", status, "cache-control: max-age=60", expected)]);
    }
    check(&[
        // Without a lifetime only what is cacheable by default, or says `public`
        ("RFC 9110 §15.1", "", 200, "cache-control: no-cache | etag: a", Ok(0)),
        ("RFC 9110 §15.1", "", 404, "cache-control: no-cache | etag: a", Ok(0)),
        ("RFC 9110 §15.1", "", 302, "cache-control: no-cache | etag: a", Err(Reason::NoLifetime)),
        ("RFC 9110 §15.1", "", 403, "cache-control: no-cache | etag: a", Err(Reason::NoLifetime)),
        ("RFC 9111 §3", "", 302, "cache-control: no-cache, public | etag: a", Ok(0)),
        ("RFC 9111 §3", "", 302, "cache-control: no-cache, max-age=9 | etag: a", Ok(9)),
        ("RFC 9111 §3", "", 206, "cache-control: public, max-age=60", Err(Reason::Status)),
        ("RFC 9111 §3", "", 304, "cache-control: public, max-age=60", Err(Reason::NotModified)),
        ("RFC 9111 §3", "", 500, "cache-control: public, s-maxage=60", Err(Reason::Status)),
        ("RFC 9111 §3", "", 501, "cache-control: max-age=60", Err(Reason::Status)),
    ]);
}

#[test]
fn directives_that_forbid_storing() {
    check(&[
        ("RFC 9111 §5.2.2.5", "", 200, "cache-control: max-age=60, no-store", Err(Reason::NoStore)),
        (
            "RFC 9111 §5.2.2.5",
            "",
            200,
            "cache-control: max-age=60 | cache-control: No-Store",
            Err(Reason::NoStore),
        ),
        (
            "RFC 9111 §5.2.2.5",
            "",
            200,
            "cache-control: public, no-store=x | expires: 0",
            Err(Reason::NoStore),
        ),
        ("RFC 9111 §5.2.2.7", "", 200, "cache-control: private, max-age=60", Err(Reason::Private)),
        ("RFC 9111 §5.2.2.7", "", 200, "cache-control: private=\"a\", s-maxage=60", Err(Reason::Private)),
        ("RFC 9111 §5.2.2.7", "", 200, "cache-control: public, private, max-age=60", Err(Reason::Private)),
        // What cannot be read might be that.
        ("RFC 9111 §5.2", "", 200, "cache-control: max-age=60, x=\"private", Err(Reason::NoStore)),
        ("RFC 9111 §5.2", "", 200, "cache-control: max-age=60, x=\"private, no-store\"", Ok(60)),
        // Known status codes only
        ("RFC 9111 §5.2.2.3", "", 200, "cache-control: must-understand, no-store, max-age=60", Ok(60)),
        ("RFC 9111 §5.2.2.3", "", 451, "cache-control: must-understand, no-store, max-age=60", Ok(60)),
        (
            "RFC 9111 §5.2.2.3",
            "",
            299,
            "cache-control: must-understand, no-store, max-age=60",
            Err(Reason::Status),
        ),
        ("RFC 9111 §5.2.2.3", "", 418, "cache-control: must-understand, max-age=60", Err(Reason::Status)),
        (
            "RFC 9111 §5.2.2.3",
            "",
            200,
            "cache-control: must-understand, private, max-age=60",
            Err(Reason::Private),
        ),
        (
            "RFC 9111 §5.2.2.3",
            "",
            200,
            "cache-control: must-understand=1, no-store, max-age=60",
            Err(Reason::NoStore),
        ),
    ]);
}

#[test]
fn lifetimes() {
    check(&[
        ("RFC 9111 §4.2.1", "", 200, "cache-control: max-age=60", Ok(60)),
        ("RFC 9111 §4.2.1", "", 200, "cache-control: max-age=60, s-maxage=5", Ok(5)),
        ("RFC 9111 §4.2.1", "", 200, "cache-control: s-maxage=70, max-age=0", Ok(70)),
        ("RFC 9111 §4.2.1", "", 200, "cache-control: max-age=5, max-age=60", Ok(5)),
        ("RFC 9111 §1.2.2", "", 200, "cache-control: max-age=99999999999999999999", Ok(1 << 31)),
        ("RFC 9111 §5.2.2.1", "", 200, "cache-control: max-age=\"60\"", Ok(60)),
        ("RFC 9111 §4.2.1", "", 200, "cache-control: max-age=6x | etag: a", Ok(0)),
        ("RFC 9111 §4.2.1", "", 200, "cache-control: max-age=6x", Err(Reason::Stale)),
        ("RFC 9111 §4.2.1", "", 200, "cache-control: max-age=0 | last-modified: x", Ok(0)),
        ("RFC 9111 §4.2.1", "", 200, "cache-control: max-age=0", Err(Reason::Stale)),
        // No heuristic freshness
        ("RFC 9111 §4.2.2", "", 200, "", Err(Reason::NoLifetime)),
        ("RFC 9111 §4.2.2", "", 200, "etag: a | last-modified: x", Err(Reason::NoLifetime)),
        (
            "RFC 9111 §4.2.2",
            "",
            200,
            "cache-control: must-revalidate, immutable | etag: a",
            Err(Reason::NoLifetime),
        ),
        ("RFC 9111 §5.2.2.9", "", 200, "cache-control: public", Err(Reason::NoLifetime)),
        ("RFC 9111 §5.2.2.9", "", 200, "cache-control: public | etag: a", Ok(0)),
        ("RFC 9111 §5.2.2.9", "", 200, "cache-control: public | last-modified: x", Ok(0)),
        ("RFC 9111 §5.2.2.4", "", 200, "cache-control: no-cache", Err(Reason::NoLifetime)),
        ("RFC 9111 §5.2.2.4", "", 200, "cache-control: no-cache, max-age=60", Err(Reason::Stale)),
        ("RFC 9111 §5.2.2.4", "", 200, "cache-control: no-cache, max-age=60 | etag: a", Ok(60)),
        ("RFC 5861 §3", "", 200, "cache-control: max-age=0, stale-while-revalidate=9", Ok(0)),
        ("RFC 5861 §4", "", 200, "cache-control: max-age=0, stale-if-error=9", Ok(0)),
        (
            "RFC 9111 §5.2.2.2",
            "",
            200,
            "cache-control: max-age=0, stale-if-error=9, must-revalidate",
            Err(Reason::Stale),
        ),
        (
            "RFC 9111 §5.2.2.4",
            "",
            200,
            "cache-control: max-age=0, stale-if-error=9, no-cache",
            Err(Reason::Stale),
        ),
        ("RFC 9111 §5.4", "", 200, "pragma: no-cache | cache-control: max-age=60", Ok(60)),
    ]);
}

#[test]
fn expires() {
    const DATE: &str = "date: Sat, 21 Nov 2026 09:14:00 GMT";
    for (section, response, expected) in [
        ("RFC 9111 §5.3", "expires: Sat, 21 Nov 2026 09:15:09 GMT", Ok(60)),
        ("RFC 9111 §5.3", "expires: sat nov 21 09:15:09 2026", Ok(60)),
        ("RFC 9111 §5.3", "expires: Saturday, 21-Nov-26 09:15:09 GMT", Ok(60)),
        ("RFC 9111 §4.2.1", &format!("expires: Sat, 21 Nov 2026 09:15:09 GMT | {DATE}"), Ok(69)),
        ("RFC 9110 §6.6.1", "expires: Sat, 21 Nov 2026 09:15:09 GMT | date: yesterday", Ok(60)),
        ("RFC 9111 §5.3", "expires: Sat, 21 Nov 2026 09:15:09 GMT | cache-control: max-age=5", Ok(5)),
        ("RFC 9111 §5.3", "expires: Sat, 21 Nov 2026 09:15:09 GMT | cache-control: s-maxage=5", Ok(5)),
        ("RFC 9111 §5.3", "expires: 0 | cache-control: max-age=5", Ok(5)),
        ("RFC 9111 §5.3", "expires: Sat, 21 Nov 2026 09:15:09 GMT | cache-control: must-revalidate", Ok(60)),
        ("RFC 9111 §4.2.1", &format!("expires: {NOW} | date: {NOW}"), Err(Reason::Stale)),
        ("RFC 9111 §4.2.1", &format!("expires: {NOW} | date: {NOW} | etag: a"), Ok(0)),
        ("RFC 9111 §4.2.1", "expires: Fri, 20 Nov 2026 09:15:09 GMT | etag: a", Ok(0)),
        // No date: in the past
        ("RFC 9111 §5.3", "expires: 0", Err(Reason::Stale)),
        ("RFC 9111 §5.3", "expires: 0 | etag: a", Ok(0)),
        ("RFC 9111 §5.3", "expires: -1", Err(Reason::Stale)),
        ("RFC 9111 §5.3", "expires: ", Err(Reason::Stale)),
        ("RFC 9111 §5.3", "expires: 60", Err(Reason::Stale)),
        ("RFC 9111 §5.3", "expires: Sat, 21 Nov 2026 09:15:09 UTC", Err(Reason::Stale)),
        ("RFC 9111 §5.3", "expires: Sat, 21 Nov 2026 09:15:09", Err(Reason::Stale)),
        ("RFC 9111 §5.3", "expires: \"Sat, 21 Nov 2026 09:15:09 GMT\"", Err(Reason::Stale)),
        ("RFC 9111 §5.3", "expires: 2026-11-21T09:15:09Z", Err(Reason::Stale)),
        (
            "RFC 9111 §4.2.1",
            "expires: Sat, 21 Nov 2026 09:15:09 GMT | expires: Sat, 21 Nov 2026 09:15:09 GMT",
            Err(Reason::Stale),
        ),
    ] {
        let lifetime = judge("/page", "", 200, response).map(|freshness| freshness.lifetime.as_secs());
        assert_eq!(lifetime, expected, "{section}: {response}");
    }
}

#[test]
fn what_answers_one_visitor() {
    let auth = "authorization: Basic YQ==";
    check(&[
        ("RFC 9111 §3.5", auth, 200, "cache-control: max-age=60", Err(Reason::Authorization)),
        ("RFC 9111 §3.5", auth, 200, "expires: Sat, 21 Nov 2026 09:15:09 GMT", Err(Reason::Authorization)),
        (
            "RFC 9111 §3.5",
            auth,
            200,
            "cache-control: max-age=60, proxy-revalidate",
            Err(Reason::Authorization),
        ),
        ("RFC 9111 §3.5", auth, 200, "cache-control: max-age=60, public", Ok(60)),
        ("RFC 9111 §3.5", auth, 200, "cache-control: max-age=60, must-revalidate", Ok(60)),
        ("RFC 9111 §3.5", auth, 200, "cache-control: s-maxage=60", Ok(60)),
        ("RFC 9111 §3.5", auth, 200, "cache-control: public=x, max-age=60", Err(Reason::Authorization)),
        (
            "RFC 9213 §2.2",
            auth,
            200,
            "cache-control: public | cdn-cache-control: max-age=60",
            Err(Reason::Authorization),
        ),
        ("RFC 9213 §2.2", auth, 200, "cdn-cache-control: max-age=60, public", Ok(60)),
        ("RFC 9111 §7.3", "", 200, "cache-control: max-age=60 | set-cookie: a=b", Err(Reason::SetCookie)),
        ("RFC 9111 §7.3", "", 200, "cache-control: max-age=60 | set-cookie2: a=b", Err(Reason::SetCookie)),
        ("RFC 9111 §7.3", "", 200, "cache-control: max-age=60, public | set-cookie: a=b", Ok(60)),
        ("RFC 9111 §7.3", "", 200, "cache-control: s-maxage=60 | set-cookie: a=b", Ok(60)),
        (
            "RFC 9111 §7.3",
            "",
            200,
            "cache-control: max-age=60, must-revalidate | set-cookie: a=b",
            Err(Reason::SetCookie),
        ),
        // Made for the network in front of many sites: Cache-Control has to say it itself.
        (
            "RFC 9213 §2.2",
            "",
            200,
            "cdn-cache-control: max-age=60, public | set-cookie: a=b",
            Err(Reason::SetCookie),
        ),
        (
            "RFC 9213 §2.2",
            "",
            200,
            "cdn-cache-control: max-age=9 | cache-control: public | set-cookie: a=b",
            Ok(9),
        ),
        // Somebody's page that is validated each time; the application may not mind whose.
        ("RFC 9111 §3", "cookie: a=b", 200, "cache-control: max-age=0 | etag: a", Err(Reason::Cookie)),
        ("RFC 9111 §3", "cookie: a=b", 200, "cache-control: no-cache | etag: a", Err(Reason::Cookie)),
        ("RFC 9111 §3", "cookie: a=b", 200, "cache-control: public | etag: a", Ok(0)),
        ("RFC 9111 §3", "cookie: a=b", 200, "cache-control: s-maxage=0 | etag: a", Ok(0)),
        ("RFC 9111 §3", "cookie: a=b", 200, "cache-control: max-age=1", Ok(1)),
    ]);
}

#[test]
fn targeted_fields() {
    check(&[
        ("RFC 9213 §2.2", "", 200, "cdn-cache-control: max-age=60", Ok(60)),
        ("RFC 9213 §2.2", "", 200, "cdn-cache-control: max-age=60 | cache-control: no-store", Ok(60)),
        (
            "RFC 9213 §2.2",
            "",
            200,
            "cdn-cache-control: max-age=60 | cache-control: private, max-age=5",
            Ok(60),
        ),
        ("RFC 9213 §2.2", "", 200, "cdn-cache-control: max-age=60 | cache-control: s-maxage=5", Ok(60)),
        (
            "RFC 9213 §2.2",
            "",
            200,
            "cdn-cache-control: no-store | cache-control: max-age=60",
            Err(Reason::NoStore),
        ),
        (
            "RFC 9213 §2.2",
            "",
            200,
            "cdn-cache-control: private | cache-control: max-age=60",
            Err(Reason::Private),
        ),
        (
            "RFC 9213 §2.2",
            "",
            200,
            "cdn-cache-control: none | cache-control: max-age=60",
            Err(Reason::NoLifetime),
        ),
        (
            "RFC 9213 §2.2",
            "",
            200,
            "cdn-cache-control: foo | expires: Sat, 21 Nov 2026 09:15:09 GMT",
            Err(Reason::NoLifetime),
        ),
        ("RFC 9213 §2.2", "", 200, "cdn-cache-control: max-age=60 | expires: 0", Ok(60)),
        ("RFC 9213 §2.1", "", 200, "cdn-cache-control:  | cache-control: max-age=5", Ok(5)),
        ("RFC 9213 §2.1", "", 200, "cdn-cache-control: max-age =60 | cache-control: max-age=5", Ok(5)),
        (
            "RFC 9213 §2.1",
            "",
            200,
            "cdn-cache-control: max-age=60, & | cache-control: private",
            Err(Reason::Private),
        ),
        (
            "RFC 9213 §2.1",
            "",
            200,
            "cdn-cache-control: max-age=\"60\" | cache-control: max-age=5",
            Err(Reason::NoLifetime),
        ),
        ("RFC 9213 §2.1", "", 200, "cdn-cache-control: max-age=1, max-age=60", Ok(60)),
    ]);
}

#[test]
fn fingerprinted_assets() {
    const ASSET: &str = "/assets/app-0f9e8d7c6b5a.js";
    assert_eq!(judge(ASSET, "", 200, "").unwrap().lifetime, Duration::from_secs(31_536_000));
    assert_eq!(judge(ASSET, "", 200, "").unwrap().initial_age, Duration::ZERO);
    assert!(
        judge(ASSET, "cookie: a=b", 200, "etag: a | vary: accept-encoding | content-type: text/css").is_ok()
    );
    assert!(judge("/assets/app-0f9e8d7c6b5a.js.map", "", 200, "content-type: application/json").is_ok());
    for (target, request, status, response, reason) in [
        ("/app-0f9e8d7c6b5a.js", "", 200, "", Reason::NoLifetime),
        ("/assets/app.js", "", 200, "", Reason::NoLifetime),
        ("/assets/app-0f9e8d7c6b5a.html", "", 200, "", Reason::NoLifetime),
        ("/assets/app-0f9e8d7c6b5a.js?", "", 200, "", Reason::NoLifetime),
        ("/assets/app-0f9e8d7c6b5a.js?a=b", "", 200, "", Reason::NoLifetime),
        (ASSET, "", 404, "", Reason::NoLifetime),
        (ASSET, "", 203, "", Reason::NoLifetime),
        (ASSET, "", 206, "", Reason::Status),
        (ASSET, "", 200, "cache-control: ", Reason::NoLifetime),
        (ASSET, "", 200, "cache-control: must-revalidate", Reason::NoLifetime),
        (ASSET, "", 200, "cdn-cache-control: ", Reason::NoLifetime),
        (ASSET, "", 200, "expires: 0", Reason::Stale),
        (ASSET, "", 200, "pragma: x", Reason::NoLifetime),
        (ASSET, "", 200, "set-cookie: a=b", Reason::SetCookie),
        (ASSET, "", 200, "content-type: text/html", Reason::NoLifetime),
        (ASSET, "", 200, "content-type: Application/XHTML+xml", Reason::NoLifetime),
        (
            ASSET,
            "",
            200,
            "content-type: text/css | content-type: application/problem+JSON",
            Reason::NoLifetime,
        ),
        (ASSET, "authorization: a", 200, "", Reason::Authorization),
    ] {
        assert_eq!(judge(target, request, status, response), Err(reason), "{target} {request} {response}");
    }
}

/// Seconds between the request and its response, the response's fields, and its age on arrival.
#[test]
fn ages_on_arrival() {
    for (section, delay, response, age) in [
        ("RFC 9111 §4.2.3", 0, "", 0),
        ("RFC 9111 §4.2.3", 3, "", 3),
        ("RFC 9111 §4.2.3", 0, "age: 7", 7),
        ("RFC 9111 §4.2.3: delay", 3, "age: 7", 10),
        ("RFC 9111 §4.2.3: apparent age", 0, "date: Sat, 21 Nov 2026 09:14:00 GMT", 9),
        ("RFC 9111 §4.2.3: the larger", 0, "date: Sat, 21 Nov 2026 09:14:00 GMT | age: 7", 9),
        ("RFC 9111 §4.2.3: the larger", 3, "date: Sat, 21 Nov 2026 09:14:00 GMT | age: 7", 10),
        ("RFC 9111 §4.2.3: a clock ahead", 0, "date: Sat, 21 Nov 2026 10:14:09 GMT", 0),
        ("RFC 9111 §4.2.3: a clock ahead", 3, "date: Sat, 21 Nov 2026 10:14:09 GMT | age: 7", 10),
        ("RFC 9110 §5.6.7", 0, "date: yesterday | age: 7", 7),
        ("RFC 9111 §5.1: no number", 0, "age: -7", 0),
        ("RFC 9111 §5.1: the first", 0, "age: 7, 9", 7),
        ("RFC 9111 §1.2.2", 0, "age: 99999999999", 1 << 31),
    ] {
        let (request, sent) = (Headers::new(), now() - Duration::from_secs(delay));
        let asked = Asked { sent, ..asked("/", &request) };
        let response = format!("etag: a | cache-control: public, max-age=8 | {response}");
        let response = fields(response.trim_end_matches(" | "));
        let freshness = freshness(&asked, StatusCode::OK, &response, &[]).unwrap();
        assert_eq!(freshness.initial_age, Duration::from_secs(age), "{section}: {delay} s, {response:?}");
        assert_eq!(freshness.is_reusable(), age < 8, "{section}: {delay} s, {response:?}");
    }
    // The clock was set back while the worker thought.
    let request = Headers::new();
    let asked = Asked { sent: now() + Duration::from_secs(60), ..asked("/", &request) };
    let freshness = freshness(&asked, StatusCode::OK, &fields("cache-control: max-age=8"), &[]).unwrap();
    assert_eq!(freshness.initial_age, Duration::ZERO);
}
