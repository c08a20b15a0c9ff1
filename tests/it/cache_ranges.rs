//! Ranges, cut from stored bodies.

use crate::support::{Answer, Response, Stage, parts, stage::dated};

const BODY: &str = "0123456789abcdef";
const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// What a range gives: a part with its `Content-Range`, the whole, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Part(&'static str, &'static str),
    Whole,
    Unsatisfiable,
}
use Expected::{Part, Unsatisfiable, Whole};

/// RFC 9110 §14.1.2, §14.2.
const RANGES: &[(&str, Expected)] = &[
    ("bytes=0-0", Part("0-0/16", "0")),
    ("bytes=4-7", Part("4-7/16", "4567")),
    ("bytes=10-", Part("10-15/16", "abcdef")),
    ("bytes=-3", Part("13-15/16", "def")),
    ("bytes=-99", Part("0-15/16", BODY)),
    ("bytes=14-99", Part("14-15/16", "ef")),
    ("bytes=0-3,2-5", Part("0-5/16", "012345")),
    ("bytes=20-30, 1-2", Part("1-2/16", "12")),
    ("BYTES=1-2", Part("1-2/16", "12")),
    ("bytes=16-", Unsatisfiable),
    ("bytes=-0", Unsatisfiable),
    ("bytes=16-20, 99-", Unsatisfiable),
    ("bytes=5-4", Whole),
    ("bytes=a-b", Whole),
    ("lines=1-2", Whole),
    ("bytes", Whole),
];

#[test]
fn one_range() {
    let mut stage = stored(&[]);
    for &(range, expected) in RANGES {
        let response = stage.ask("GET /a", &[&format!("Range: {range}")]);
        assert_eq!(response.x_cache(), "hit", "{range}");
        check(&response, expected, range);
    }
    assert_eq!(stage.asked("/a").len(), 1);
}

#[test]
fn several_ranges_come_as_parts() {
    let mut stage = stored(&[]);
    for (range, expected) in [
        ("bytes=0-1,4-5", &[("bytes 0-1/16", "01"), ("bytes 4-5/16", "45")][..]),
        ("bytes=-2, 0-0", &[("bytes 14-15/16", "ef"), ("bytes 0-0/16", "0")]),
        (
            "bytes=8-9,99-,1-2,12-",
            &[("bytes 8-9/16", "89"), ("bytes 1-2/16", "12"), ("bytes 12-15/16", "cdef")],
        ),
    ] {
        let response = stage.ask("GET /a", &[&format!("Range: {range}")]);
        assert_eq!((response.status, response.header("content-range")), (206, None), "{range}");
        let parts = parts(&response);
        let shown: Vec<_> = parts
            .iter()
            .map(|part| {
                assert_eq!(part.field("content-type"), Some("text/plain; charset=utf-8"), "{part:?}");
                (part.field("content-range").unwrap(), part.body.as_str())
            })
            .collect();
        assert_eq!(shown, expected, "{range}");
    }
}

#[test]
fn a_range_may_depend_on_a_validator() {
    const STRONG: usize = 0;
    const WEAK: usize = 1;
    const CHANGING: usize = 2;
    let young = dated("Last-Modified", 0);
    let sent = young.replace("Last-Modified", "Date");
    let date = format!("Last-Modified: {MODIFIED}");
    let mut stages =
        [stored(&["ETag: \"v1\"", &date]), stored(&["ETag: W/\"v1\""]), stored(&[&young, &sent])];
    let part = Part("0-1/16", "01");
    for (stage, validator, expected) in [
        (STRONG, "\"v1\"", part),
        (STRONG, "\"v2\"", Whole),
        (STRONG, "W/\"v1\"", Whole),
        (STRONG, "*", Whole),
        (STRONG, MODIFIED, part),
        (STRONG, "Sun, 06 Nov 1994 08:49:38 GMT", Whole),
        (STRONG, "tomorrow", Whole),
        (WEAK, "W/\"v1\"", Whole),
        (WEAK, "\"v1\"", Whole),
        // Modified in the second in which it was sent: it may be modified once more (RFC 9110 §8.8.2.2).
        (CHANGING, young.strip_prefix("Last-Modified: ").unwrap(), Whole),
    ] {
        let response = stages[stage].ask("GET /a", &["Range: bytes=0-1", &format!("If-Range: {validator}")]);
        assert_eq!(response.x_cache(), "hit");
        check(&response, expected, validator);
    }
    let both = stages[STRONG].ask("GET /a", &["Range: bytes=0-1", "If-None-Match: \"v1\""]);
    assert_eq!(both.status, 304, "conditions come first (RFC 9110 §13.2.2)");
}

#[test]
fn a_range_of_nothing_is_nothing() {
    let mut stage = Stage::new();
    stage.script("/a", [Answer::ok(&["Cache-Control: max-age=60"], "")]);
    stage.get("/a");
    let response = stage.ask("GET /a", &["Range: bytes=0-"]);
    assert_eq!((response.status, response.x_cache(), response.text().as_str()), (200, "hit", ""));
}

#[test]
fn a_range_of_nothing_poisons_no_cache_before_us() {
    // A 416 with an explicit lifetime may be stored, and served to whoever asks for the whole.
    let mut stage = stored(&["Expires: Fri, 31 Dec 2100 23:59:59 GMT", "CDN-Cache-Control: max-age=60"]);
    let response = stage.ask("GET /a", &["Range: bytes=99-"]);
    assert_eq!((response.status, response.header("cache-control")), (416, Some("no-store")));
    assert_eq!((response.header("expires"), response.header("cdn-cache-control")), (None, None));
}

#[test]
fn other_statuses_are_not_cut() {
    let mut stage = Stage::new();
    stage.script("/a", [Answer::new("404 Not Found", &["Cache-Control: max-age=60"], BODY)]);
    stage.get("/a");
    let response = stage.ask("GET /a", &["Range: bytes=0-1"]);
    assert_eq!((response.status, response.x_cache(), response.text().as_str()), (404, "hit", BODY));
}

#[test]
fn a_range_of_what_is_not_stored_is_the_worker_s_business() {
    let mut stage = Stage::new();
    let partial = ["Cache-Control: max-age=60", "Content-Range: bytes 4-7/16", "ETag: \"v1\""];
    let part = Answer::new("206 Partial Content", &partial, "4567");
    let whole = Answer::ok(&["Cache-Control: max-age=60", "Content-Type: text/plain; charset=utf-8"], BODY);
    stage.script("/a", [part.clone(), part, whole]);
    for range in ["bytes=4-7", "bytes=4-7,9-"] {
        let field = format!("Range: {range}");
        let response = stage.ask("GET /a", &[&field, "If-Range: \"v1\""]);
        assert_eq!((response.status, response.text().as_str()), (206, "4567"));
        assert_eq!(response.cache_status(), "thrust; fwd=uri-miss; detail=range");
        let asked = stage.asked("/a");
        assert_eq!(asked.last().unwrap().header("range"), Some(range));
        assert_eq!(asked.last().unwrap().header("if-range"), Some("\"v1\""));
    }
    let whole = stage.get("/a");
    assert_eq!((whole.status, whole.text().as_str(), whole.x_cache()), (200, BODY, "miss"));
    check(&stage.ask("GET /a", &["Range: bytes=4-7"]), Part("4-7/16", "4567"), "stored by now");
    assert_eq!(stage.asked("/a").len(), 3);
}

#[test]
fn what_is_stale_is_cut_once_it_is_validated() {
    let mut stage = Stage::new();
    let old =
        ["Cache-Control: max-age=60", "Age: 90", "ETag: \"v1\"", "Content-Type: text/plain; charset=utf-8"];
    stage.script(
        "/a",
        [Answer::ok(&old, BODY), Answer::not_modified(&[]), Answer::ok(&["ETag: \"v2\""], "new")],
    );
    stage.get("/a");
    let response = stage.ask("GET /a", &["Range: bytes=1-2"]);
    check(&response, Part("1-2/16", "12"), "validated");
    let response = stage.ask("GET /a", &["Range: bytes=1-2", "Cache-Control: no-cache"]);
    assert_eq!((response.status, response.text().as_str()), (200, "new"), "a server may ignore a range");
    let [second, third] = [1, 2].map(|number| stage.asked("/a")[number].clone());
    for request in [second, third] {
        assert_eq!((request.header("range"), request.header("if-none-match")), (None, Some("\"v1\"")));
    }
}

/// With [`BODY`] stored under `/a`.
fn stored(fields: &[&str]) -> Stage {
    let mut stage = Stage::new();
    let own = ["Cache-Control: max-age=60", "Content-Type: text/plain; charset=utf-8", "X-Own: 1"];
    stage.script("/a", [Answer::ok(&[&own[..], fields].concat(), BODY)]);
    assert_eq!(stage.get("/a").x_cache(), "miss");
    stage
}

#[track_caller]
fn check(response: &Response, expected: Expected, what: &str) {
    let (status, range, body) = match expected {
        Part(range, body) => (206, Some(format!("bytes {range}")), body),
        Whole => (200, None, BODY),
        Unsatisfiable => (416, Some("bytes */16".to_owned()), ""),
    };
    assert_eq!((response.status, response.text().as_str()), (status, body), "{what}");
    assert_eq!(response.header("content-range").map(str::to_owned), range, "{what}");
    assert_eq!(response.all("content-length"), [body.len().to_string()], "{what}");
    if status != 416 {
        assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"), "{what}");
    }
}
