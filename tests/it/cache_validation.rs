//! Conditional requests of clients, and how stored responses are validated or served although they are stale.

use crate::support::{Answer, Crowd, Latch, Stage, holds_within};
use std::{
    thread,
    time::{Duration, Instant},
};

const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
/// Stale as soon as it is stored.
const OLD: [&str; 2] = ["Cache-Control: max-age=60", "Age: 100"];

#[test]
fn conditions_of_clients_are_answered_from_memory() {
    let mut stage = Stage::new();
    let (tag, date) = ("ETag: W/\"v,1\"".to_owned(), format!("Last-Modified: {MODIFIED}"));
    let fields = ["Cache-Control: max-age=60", "Content-Type: text/css", "Vary: Accept", "X-Own: 1"];
    for (path, validators) in [("/both", &[&*tag, &*date][..]), ("/date", &[&*date]), ("/none", &[])] {
        stage.script(path, [Answer::ok(&[&fields[..], validators].concat(), "body")]);
        stage.get(path);
    }
    for (path, conditions, status) in [
        // RFC 9110 §13.1.2: weak comparison, lists, lines, `*`.
        ("/both", &["If-None-Match: W/\"v,1\""][..], 304),
        ("/both", &["If-None-Match: \"v,1\""], 304),
        ("/both", &["If-None-Match: \"v\", \"1\""], 200),
        ("/both", &["If-None-Match: \"x\", W/\"v,1\" , \"y\""], 304),
        ("/both", &["If-None-Match: \"x\"", "If-None-Match: \"v,1\""], 304),
        ("/both", &["If-None-Match: *"], 304),
        ("/both", &["If-None-Match: \"*\""], 200),
        ("/none", &["If-None-Match: *"], 304),
        ("/date", &["If-None-Match: \"v,1\""], 200),
        // RFC 9110 §13.1.3
        ("/both", &["If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"], 304),
        ("/both", &["If-Modified-Since: Sunday, 06-Nov-94 08:49:38 GMT"], 304),
        ("/both", &["If-Modified-Since: Sun Nov  6 08:49:36 1994"], 200),
        ("/both", &["If-Modified-Since: yesterday"], 200),
        ("/none", &["If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"], 200),
        // RFC 9110 §13.2.2: the tag decides where there is one.
        ("/both", &["If-None-Match: \"x\"", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"], 200),
        ("/both", &["If-None-Match: \"v,1\"", "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT"], 304),
    ] {
        let response = stage.ask(&format!("GET {path}"), conditions);
        assert_eq!((response.status, response.x_cache()), (status, "hit"), "{path} {conditions:?}");
        assert_eq!(response.text(), if status == 304 { "" } else { "body" });
        for kept in ["cache-control", "vary", "x-own", "date", "age"] {
            assert!(response.header(kept).is_some(), "{kept}: {:?}", response.headers);
        }
        assert_eq!(response.header("etag").is_some(), path == "/both");
        assert_eq!(response.header("content-type").is_some(), status == 200, "{:?}", response.headers);
    }
    assert_eq!(stage.backend.requests().len(), 3);
}

#[test]
fn only_a_200_is_answered_with_a_304() {
    let mut stage = Stage::new();
    stage.script("/gone", [Answer::new("410 Gone", &["Cache-Control: max-age=60", "ETag: \"v1\""], "")]);
    stage.get("/gone");
    let response = stage.ask("GET /gone", &["If-None-Match: \"v1\""]);
    assert_eq!((response.status, response.x_cache()), (410, "hit"));
}

#[test]
fn what_only_the_worker_can_judge_goes_there() {
    let mut stage = Stage::new();
    let kept = Answer::ok(&["Cache-Control: max-age=60", "ETag: \"v1\""], "body");
    stage.script("/a", [kept, Answer::new("412 Precondition Failed", &[], "")]);
    stage.get("/a");
    for field in ["If-Match: \"v1\"", &format!("If-Unmodified-Since: {MODIFIED}")] {
        let response = stage.ask("GET /a", &[field]);
        assert_eq!((response.status, response.x_cache()), (412, "bypass"), "{field}");
        let (name, value) = field.split_once(": ").unwrap();
        assert_eq!(stage.asked("/a").last().unwrap().header(name), Some(value));
    }
    assert_eq!(stage.get("/a").x_cache(), "hit", "what was stored stays");
}

#[test]
fn what_is_stale_is_validated_with_the_stored_validators_and_renewed() {
    let mut stage = Stage::new();
    let date = format!("Last-Modified: {MODIFIED}");
    let fields = [&OLD[..], &["ETag: \"v1\"", &date, "X-Old: 1", "X-Both: 1", "Content-Type: a/b"]].concat();
    let renewal = ["Cache-Control: max-age=90", "X-Both: 2", "X-New: 2", "Content-Encoding: gzip"];
    stage.script("/a", [Answer::ok(&fields, "body"), Answer::not_modified(&renewal)]);
    assert_eq!(stage.get("/a").x_cache(), "miss");
    // The client's own condition is another one, and so is its range.
    let renewed = stage.ask("GET /a", &["If-None-Match: \"x\"", "Range: bytes=0-1", "If-Range: \"y\""]);
    let asked = &stage.asked("/a")[1];
    assert_eq!(asked.all("if-none-match"), ["\"v1\""]);
    assert_eq!(asked.all("if-modified-since"), [MODIFIED]);
    assert_eq!([asked.header("range"), asked.header("if-range")], [None, None]);
    assert!(renewed.cache_status().starts_with("thrust; fwd=stale; fwd-status=304; ttl="), "{renewed:?}");
    assert!(renewed.cache_status().ends_with("; stored"), "{renewed:?}");
    let hit = stage.get("/a");
    assert!(hit.cache_status().starts_with("thrust; hit; ttl="), "{hit:?}");
    for response in [renewed, hit] {
        assert_eq!((response.status, response.text().as_str()), (200, "body"), "{response:?}");
        assert!(response.age().unwrap() < 10, "the old age counts no longer: {response:?}");
        assert_eq!(response.header("content-encoding"), None, "the body is as it was: {response:?}");
        for (name, value) in [
            ("cache-control", "max-age=90"),
            ("x-old", "1"),
            ("x-both", "2"),
            ("x-new", "2"),
            ("etag", "\"v1\""),
            ("content-type", "a/b"),
            ("content-length", "4"),
        ] {
            assert_eq!(response.all(name), [value], "{name}: {response:?}");
        }
    }
    assert_eq!(stage.asked("/a").len(), 2);
}

#[test]
fn the_client_s_own_condition_is_answered_after_validation() {
    let mut stage = Stage::new();
    let first = Answer::ok(&[&OLD[..], &["ETag: \"v1\""]].concat(), "one");
    let second = Answer::ok(&["Cache-Control: max-age=60", "ETag: \"v2\""], "two");
    stage.script("/a", [first, Answer::not_modified(&OLD), second]);
    stage.get("/a");
    let response = stage.ask("GET /a", &["If-None-Match: \"v1\""]);
    assert_eq!((response.status, response.x_cache()), (304, "hit"));
    let response = stage.get("/a");
    assert_eq!((response.status, response.text().as_str(), response.x_cache()), (200, "two", "miss"));
    assert_eq!(stage.get("/a").text(), "two", "a new response takes the old one's place");
    assert_eq!(stage.asked("/a").len(), 3);
}

#[test]
fn what_has_no_lifetime_is_validated_each_time() {
    for fields in [
        &["Cache-Control: public", "ETag: \"v1\""][..],
        &["Cache-Control: max-age=60, no-cache", "ETag: \"v1\""],
        &["Cache-Control: no-cache=\"x\"", "ETag: \"v1\""],
    ] {
        let mut stage = Stage::new();
        stage.script("/a", [Answer::ok(fields, "body"), Answer::not_modified(&[])]);
        for number in 0..4 {
            let response = stage.get("/a");
            assert_eq!((response.status, response.text().as_str()), (200, "body"), "{fields:?}");
            let requests = stage.asked("/a");
            assert_eq!(requests.len(), number + 1, "{fields:?}");
            let condition = requests[number].header("if-none-match");
            assert_eq!(condition, (number > 0).then_some("\"v1\""), "{fields:?}");
        }
    }
}

#[test]
fn a_304_that_forbids_storing_takes_the_entry_away() {
    let mut stage = Stage::new();
    let first = Answer::ok(&[&OLD[..], &["ETag: \"v1\""]].concat(), "one");
    stage.script("/a", [first, Answer::not_modified(&["Cache-Control: no-store"]), Answer::ok(&[], "two")]);
    assert_eq!([(); 3].map(|()| stage.get("/a").text()), ["one", "one", "two"]);
    assert_eq!(stage.asked("/a")[2].header("if-none-match"), None);
}

/// RFC 9111 §5.2.1, §5.4: what is stored, what the client says, and how often the worker is asked then.
const WISHES: &[(&[&str], &str, usize, u16)] = &[
    (&["Cache-Control: max-age=60"], "Accept: */*", 0, 200),
    (&["Cache-Control: max-age=60"], "Cache-Control: no-cache", 1, 200),
    (&["Cache-Control: max-age=60"], "Cache-Control: No-Cache, x", 1, 200),
    (&["Cache-Control: max-age=60"], "Pragma: no-cache", 1, 200),
    (&["Cache-Control: max-age=60"], "Cache-Control: no-store", 1, 200),
    (&["Cache-Control: max-age=60"], "Cache-Control: only-if-cached", 0, 200),
    (&["Cache-Control: max-age=60", "Age: 30"], "Cache-Control: max-age=40", 0, 200),
    (&["Cache-Control: max-age=60", "Age: 30"], "Cache-Control: max-age=20", 1, 200),
    (&["Cache-Control: max-age=60", "Age: 30"], "Cache-Control: max-age=0", 1, 200),
    (&["Cache-Control: max-age=60", "Age: 30"], "Cache-Control: min-fresh=20", 0, 200),
    (&["Cache-Control: max-age=60", "Age: 30"], "Cache-Control: min-fresh=40", 1, 200),
    (&["Cache-Control: max-age=60", "Age: 30"], "Cache-Control: max-age=20, only-if-cached", 0, 504),
    (&["Cache-Control: max-age=60", "Age: 70"], "Accept: */*", 1, 200),
    (&["Cache-Control: max-age=60", "Age: 70"], "Cache-Control: max-stale", 0, 200),
    (&["Cache-Control: max-age=60", "Age: 70"], "Cache-Control: max-stale=20", 0, 200),
    (&["Cache-Control: max-age=60", "Age: 70"], "Cache-Control: max-stale=5", 1, 200),
    (&["Cache-Control: max-age=60", "Age: 70"], "Cache-Control: only-if-cached", 0, 504),
    (&["Cache-Control: max-age=60, must-revalidate", "Age: 70"], "Cache-Control: max-stale", 1, 200),
    (&["Cache-Control: max-age=60, proxy-revalidate", "Age: 70"], "Cache-Control: max-stale", 1, 200),
    (&["Cache-Control: s-maxage=60", "Age: 70"], "Cache-Control: max-stale", 1, 200),
    (&["Cache-Control: no-cache, max-age=60"], "Cache-Control: max-stale", 1, 200),
];

#[test]
fn what_clients_want_of_freshness_is_heeded() {
    let mut stage = Stage::new();
    for (number, &(fields, wish, asked, status)) in WISHES.iter().enumerate() {
        let path = format!("/{number}");
        let fields = [fields, &["ETag: \"v1\""]].concat();
        stage.script(&path, [Answer::ok(&fields, "body")]);
        stage.get(&path);
        assert_eq!(stage.ask(&format!("GET {path}"), &[wish]).status, status, "{fields:?} {wish}");
        let requests = stage.asked(&path);
        assert_eq!(requests.len(), 1 + asked, "{fields:?} {wish}");
        let condition = requests[asked].header("if-none-match");
        assert_eq!(condition.is_some(), asked == 1 && !wish.contains("no-store"), "{fields:?} {wish}");
    }
    let nothing = stage.ask("GET /nothing", &["Cache-Control: only-if-cached"]);
    assert_eq!((nothing.status, stage.asked("/nothing").len()), (504, 0));
}

#[test]
fn what_may_be_stale_meanwhile_is_served_and_validated_behind_once() {
    let mut stage = Stage::new();
    let latch = Latch::default();
    let old = "Cache-Control: max-age=60, stale-while-revalidate=60";
    let new = Answer::ok(&["Cache-Control: max-age=60"], "new").behind(&latch);
    // Nothing to validate it by: it is fetched anew, and whole, whatever the client wants that causes it.
    stage.script("/a", [Answer::ok(&[old, "Age: 90"], "old"), new, Answer::ok(&[], "too much")]);
    stage.get("/a");
    for (line, field, status) in [
        ("HEAD /a", "Range: bytes=0-1", 200),
        ("GET /a", "Range: bytes=0-1", 206),
        ("GET /a", "If-None-Match: *", 304),
    ] {
        let response = stage.ask(line, &[field, "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"]);
        assert_eq!((response.status, response.x_cache()), (status, "hit"), "{line} {field}");
        assert!(response.cache_status().starts_with("thrust; hit; ttl=-"), "{response:?}");
    }
    stage.await_asked("/a", 2);
    let behind = &stage.asked("/a")[1];
    assert_eq!(behind.start_line(), "GET /a HTTP/1.1");
    for name in ["range", "if-none-match", "if-modified-since"] {
        assert_eq!(behind.header(name), None, "{name}");
    }
    assert_eq!(stage.get("/a").text(), "old");
    latch.open();
    assert!(holds_within(Duration::from_secs(10), || stage.get("/a").text() == "new"));
    assert_eq!(stage.asked("/a").len(), 2);
}

#[test]
fn behind_means_behind_and_only_within_its_time() {
    let mut stage = Stage::new();
    for (control, age, stale) in [
        ("max-age=60, stale-while-revalidate=60", 90, true),
        ("s-maxage=60, stale-while-revalidate=60", 90, true),
        ("max-age=60, stale-while-revalidate=60", 130, false),
        ("max-age=60, stale-while-revalidate=60, must-revalidate", 90, false),
        ("max-age=60, stale-while-revalidate=60, no-cache", 30, false),
    ] {
        let path = format!("/{}", control.replace(", ", "/")) + &age.to_string();
        let fields = [&*format!("Cache-Control: {control}"), &*format!("Age: {age}"), "ETag: \"v1\""];
        stage.script(&path, [Answer::ok(&fields, "old"), Answer::ok(&[], "new")]);
        stage.get(&path);
        assert_eq!(stage.get(&path).text(), if stale { "old" } else { "new" }, "{control}, {age}");
        stage.await_asked(&path, 2);
        assert_eq!(stage.asked(&path)[1].header("if-none-match"), Some("\"v1\""), "{control}, {age}");
    }
}

#[test]
fn what_is_served_if_the_worker_fails() {
    let mut stage = Stage::new();
    let fails = |status: &str| Answer::new(status, &[], "failed");
    let failed = fails("503 Service Unavailable");
    for (control, age, wish, failure, stale) in [
        ("max-age=60, stale-if-error=60", 90, "", &failed, true),
        ("max-age=60, stale-if-error=60", 90, "", &fails("500 Oops"), true),
        ("max-age=60, stale-if-error=60", 90, "", &fails("502 Bad Gateway"), true),
        ("max-age=60, stale-if-error=60", 90, "", &fails("504 Gateway Timeout"), true),
        ("max-age=60, stale-if-error=60", 90, "", &fails("404 Not Found"), false),
        ("max-age=60, stale-if-error=60", 90, "", &fails("501 Not Implemented"), false),
        ("max-age=60, stale-if-error=60", 90, "", &Answer::none(), true),
        ("s-maxage=60, stale-if-error=60", 90, "", &failed, true),
        ("max-age=60, stale-if-error=60", 130, "", &failed, false),
        ("max-age=60, stale-if-error=60", 130, "", &Answer::none(), false),
        ("max-age=60, stale-if-error=60", 90, "Cache-Control: no-cache", &failed, false),
        ("max-age=60, stale-if-error=60", 90, "Cache-Control: max-age=70", &failed, false),
        ("max-age=60", 90, "Cache-Control: stale-if-error=60", &failed, true),
        ("max-age=60", 90, "", &failed, false),
        ("max-age=60, must-revalidate, stale-if-error=60", 90, "", &failed, false),
        ("max-age=60, proxy-revalidate, stale-if-error=60", 90, "", &Answer::none(), false),
        ("max-age=60, must-revalidate", 90, "Cache-Control: stale-if-error=60", &failed, false),
        ("no-cache, stale-if-error=60", 0, "", &failed, false),
    ] {
        let path = format!("/{}", fastrand::u64(..));
        let fields = [&*format!("Cache-Control: {control}"), &*format!("Age: {age}"), "ETag: \"v1\""];
        stage.script(&path, [Answer::ok(&fields, "old"), failure.clone()]);
        stage.get(&path);
        let wish: &[&str] = if wish.is_empty() { &[] } else { &[wish] };
        let response = stage.ask(&format!("GET {path}"), wish);
        let served = (response.status, response.text().as_str()) == (200, "old");
        assert_eq!(served, stale, "{control}, {age}, {wish:?}, {failure:?}: {response:?}");
        assert_eq!(response.x_cache() == "hit", stale, "{response:?}");
        assert!(stage.asked(&path).len() >= 2, "the worker was not asked: {control}, {age}, {wish:?}");
    }
}

#[test]
fn a_worker_that_gives_no_answer_is_stood_in_for() {
    let mut stage = Stage::new();
    // Soon stale, but not before it is stored: `Date` alone knows whole seconds only.
    let kept = |control: &str| Answer::ok(&[control, "Age: 58"], "old");
    let controls = ["max-age=60", "max-age=60, must-revalidate", "s-maxage=60", "max-age=60, public"];
    for control in controls {
        let path = format!("/{control}").replace(", ", "/");
        stage.script(&path, [kept(&format!("Cache-Control: {control}")), Answer::none()]);
        assert_eq!(stage.get(&path).x_cache(), "miss");
    }
    for control in controls {
        let path = format!("/{control}").replace(", ", "/");
        stage.await_stale(&path);
        let response = stage.get(&path);
        let forbidden = control.contains("must-revalidate") || control.contains("s-maxage");
        assert_eq!(response.status, if forbidden { 502 } else { 200 }, "{control}");
    }
}

#[test]
fn what_the_worker_no_longer_wants_stored_does_not_come_back() {
    let mut stage = Stage::new();
    let page =
        Answer::ok(&["Cache-Control: max-age=60, stale-if-error=600", "Age: 60", "ETag: \"a\""], "page");
    for (target, answer) in [
        ("/private", Answer::ok(&["Cache-Control: private"], "private")),
        ("/deleted", Answer::new("404 Not Found", &[], "deleted")),
    ] {
        stage.script(target, [page.clone(), answer, Answer::new("503 Service Unavailable", &[], "down")]);
        let statuses = [stage.get(target).status, stage.get(target).status, stage.get(target).status];
        assert_eq!((statuses[0], statuses[2]), (200, 503), "{target}");
    }
}

#[test]
fn a_304_for_another_representation_renews_nothing() {
    // RFC 9111 §4.3.4
    for (stored, confirmed) in [("\"v1\"", "\"v2\""), ("W/\"v1\"", "\"v2\""), ("W/\"v1\"", "W/\"v2\"")] {
        let mut stage = Stage::new();
        let confirmed = format!("ETag: {confirmed}");
        let stale = Answer::ok(&["Cache-Control: max-age=60", "Age: 90", &format!("ETag: {stored}")], "old");
        let wrong = Answer::not_modified(&["Cache-Control: max-age=60", &confirmed]);
        let new = Answer::ok(&["Cache-Control: max-age=60", &confirmed], "new");
        stage.script("/a", [stale, wrong, new]);
        stage.get("/a");
        assert_eq!(stage.get("/a").text(), "new", "{stored} {confirmed}");
        let asked = stage.asked("/a");
        assert_eq!(asked[1].header("if-none-match"), Some(stored));
        assert_eq!(asked[2].header("if-none-match"), None);
        assert_eq!((stage.get("/a").text().as_str(), stage.asked("/a").len()), ("new", 3));
    }
}

#[test]
fn what_is_wrongly_confirmed_is_not_stored_any_longer() {
    let mut stage = Stage::new();
    let fields = ["Cache-Control: max-age=60, stale-if-error=60", "Age: 90", "ETag: \"v1\""];
    stage.script(
        "/a",
        [
            Answer::ok(&fields, "old"),
            Answer::not_modified(&["ETag: \"v2\""]),
            Answer::new("500 Internal Server Error", &[], "failed"),
        ],
    );
    stage.get("/a");
    assert_eq!((stage.get("/a").status, stage.get("/a").status), (500, 500));
}

#[test]
fn a_304_to_a_client_s_own_condition_ends_nobody_s_waiting_for_the_next_minute() {
    let mut stage = Stage::new();
    let latch = Latch::new();
    let page = Answer::ok(&["Cache-Control: max-age=60", "ETag: \"v1\""], "page").behind(&latch);
    stage.script("/a", [Answer::not_modified(&["ETag: \"v1\""]), page]);
    assert_eq!(stage.ask("GET /a", &["If-None-Match: \"v1\""]).status, 304);
    let mut crowd = Crowd::ask(stage.thrust.port(), 5, "/a", "");
    stage.await_asked("/a", 2);
    latch.open();
    assert!(crowd.responses().iter().all(|response| response.text() == "page"));
    assert_eq!(stage.asked("/a").len(), 2);
}

#[test]
fn the_age_of_what_stands_in_for_a_failure_counts_the_wait_for_it() {
    let mut stage = Stage::new();
    let latch = Latch::new();
    let failure = Answer::new("500 Internal Server Error", &[], "").behind(&latch);
    stage.script(
        "/a",
        [Answer::ok(&["Cache-Control: max-age=60, stale-if-error=600", "Age: 90"], "old"), failure],
    );
    stage.get("/a");
    let mut client = stage.client();
    client.send_get("/a");
    stage.await_asked("/a", 2);
    let start = Instant::now();
    thread::sleep(Duration::from_millis(2100));
    let waited = start.elapsed().as_secs();
    latch.open();
    let response = client.response();
    assert!(response.age().unwrap() >= 90 + waited, "{:?} after {waited} s", response.age());
}
