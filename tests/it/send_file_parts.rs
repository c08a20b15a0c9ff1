//! Files that the worker names, in part and under conditions.

use crate::support::{Answer, Folder, Response, Stage, parts};

const BODY: &str = "0123456789abcdef";
const ALL: (u16, Option<&str>, &str) = (200, None, BODY);

/// With [`BODY`] under `/a`, changed an hour ago, and these fields of the worker's.
fn stage(fields: &[&str]) -> (Folder, Stage) {
    let folder = Folder::new();
    let stage = Stage::new();
    stage.script("/a", [Answer::file(&folder.write("a.txt", BODY), fields)]);
    (folder, stage)
}

#[track_caller]
fn check(response: &Response, (status, range, body): (u16, Option<&str>, &str), what: &str) {
    assert_eq!((response.status, response.text().as_str()), (status, body), "{what}");
    assert_eq!(response.header("content-range"), range, "{what}");
    assert_eq!(response.header("x-sendfile"), None, "{what}");
    let length = if status == 304 { vec![] } else { vec![body.len().to_string()] };
    assert_eq!(response.all("content-length"), length, "{what}");
}

#[test]
fn one_range() {
    // RFC 9110 §14.1.2, §14.2
    let (_folder, mut stage) = stage(&["Content-Disposition: inline"]);
    for (range, expected) in [
        ("bytes=0-0", (206, Some("bytes 0-0/16"), "0")),
        ("bytes=4-7", (206, Some("bytes 4-7/16"), "4567")),
        ("bytes=10-", (206, Some("bytes 10-15/16"), "abcdef")),
        ("bytes=0-", (206, Some("bytes 0-15/16"), BODY)),
        ("bytes=-3", (206, Some("bytes 13-15/16"), "def")),
        ("bytes=-99", (206, Some("bytes 0-15/16"), BODY)),
        ("bytes=14-99", (206, Some("bytes 14-15/16"), "ef")),
        ("bytes=0-3,2-5", (206, Some("bytes 0-5/16"), "012345")),
        ("bytes=16-", (416, Some("bytes */16"), "")),
        ("bytes=-0", (416, Some("bytes */16"), "")),
        ("bytes=99-100", (416, Some("bytes */16"), "")),
        ("bytes=5-4", ALL),
        ("lines=1-2", ALL),
    ] {
        let response = stage.ask("GET /a", &[&format!("Range: {range}")]);
        check(&response, expected, range);
        assert_eq!(response.header("content-disposition"), Some("inline"), "{range}");
    }
}

#[test]
fn several_ranges_come_as_parts() {
    let (_folder, mut stage) = stage(&[]);
    let response = stage.ask("GET /a", &["Range: bytes=0-1, 8-9, 99-, -2"]);
    assert_eq!((response.status, response.header("content-range")), (206, None));
    assert_eq!(response.all("content-length"), [response.body.len().to_string()]);
    let parts = parts(&response);
    let shown: Vec<_> = parts.iter().map(|part| (part.field("content-range"), &*part.body)).collect();
    let expected = [("bytes 0-1/16", "01"), ("bytes 8-9/16", "89"), ("bytes 14-15/16", "ef")];
    assert_eq!(shown, expected.map(|(range, body)| (Some(range), body)));
    assert!(parts.iter().all(|part| part.field("content-type") == Some("text/plain; charset=utf-8")));
}

#[test]
fn conditions_upon_what_is_known_of_the_file() {
    let (folder, mut stage) = stage(&[]);
    let etag = stage.get("/a").header("etag").unwrap().to_owned();
    let strong = etag.strip_prefix("W/").unwrap();
    let modified = folder.modified("a.txt");
    let part = (206, Some("bytes 0-1/16"), "01");
    let (same, failed) = ((304, None, ""), (412, None, ""));
    const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (fields, expected) in [
        (vec![format!("If-None-Match: {etag}")], same),
        (vec![format!("If-None-Match: {strong}")], same),
        (vec![format!("If-None-Match: \"x\", {etag}")], same),
        (vec!["If-None-Match: *".to_owned()], same),
        (vec!["If-None-Match: \"x\"".to_owned()], ALL),
        (vec![format!("If-Modified-Since: {modified}")], same),
        (vec![format!("If-Modified-Since: {OLD}")], ALL),
        (vec!["If-None-Match: \"x\"".to_owned(), format!("If-Modified-Since: {modified}")], ALL),
        (vec![format!("If-Unmodified-Since: {modified}")], ALL),
        (vec![format!("If-Unmodified-Since: {OLD}")], failed),
        (vec!["If-Match: *".to_owned()], ALL),
        (vec!["If-Match: \"x\"".to_owned()], failed),
        // A weak one never matches strongly.
        (vec![format!("If-Match: {etag}")], failed),
        (vec!["Range: bytes=0-1".to_owned(), format!("If-Range: {modified}")], part),
        (vec!["Range: bytes=0-1".to_owned(), format!("If-Range: {OLD}")], ALL),
        (vec!["Range: bytes=0-1".to_owned(), format!("If-Range: {etag}")], ALL),
        (vec!["Range: bytes=0-1".to_owned(), format!("If-Range: {strong}")], ALL),
        (vec!["Range: bytes=99-".to_owned(), format!("If-Range: {OLD}")], ALL),
        (vec!["Range: bytes=0-1".to_owned(), format!("If-None-Match: {etag}")], same),
        (vec!["Range: bytes=0-1".to_owned(), "If-Match: \"x\"".to_owned()], failed),
    ] {
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        check(&stage.ask("GET /a", &fields), expected, &format!("{fields:?}"));
    }
}

#[test]
fn conditions_upon_the_worker_s_validators() {
    let (folder, mut stage) =
        stage(&["ETag: \"own\"", "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT", "Cache-Control: no-store"]);
    let part = (206, Some("bytes 0-1/16"), "01");
    let file = format!("If-Modified-Since: {}", folder.modified("a.txt"));
    for (fields, expected) in [
        (&["If-None-Match: \"own\""][..], (304, None, "")),
        (&["If-None-Match: W/\"own\""], (304, None, "")),
        (&["If-None-Match: \"other\"", &file], ALL),
        (&["If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"], (304, None, "")),
        (&["If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT"], ALL),
        (&["If-Match: \"own\""], ALL),
        (&["If-Match: W/\"own\""], (412, None, "")),
        (&["If-Match: \"own\"", "Range: bytes=0-1"], part),
        (&["If-Range: \"own\"", "Range: bytes=0-1"], part),
        (&["If-Range: W/\"own\"", "Range: bytes=0-1"], ALL),
        (&["If-Range: \"other\"", "Range: bytes=0-1"], ALL),
        (&["If-Range: Sun, 06 Nov 1994 08:49:37 GMT", "Range: bytes=0-1"], part),
        (&["If-Range: Sun, 06 Nov 1994 08:49:38 GMT", "Range: bytes=0-1"], ALL),
    ] {
        check(&stage.ask("GET /a", fields), expected, &format!("{fields:?}"));
    }
    let weak = ["ETag: W/\"own\""];
    stage.script("/a", [Answer::file(&folder.at("a.txt"), &weak)]);
    check(&stage.ask("GET /a", &["If-Range: W/\"own\"", "Range: bytes=0-1"]), ALL, "weak");
    check(&stage.ask("GET /a", &["If-None-Match: W/\"own\""]), (304, None, ""), "weak");
}

#[test]
fn a_304_says_what_concerns_the_file_but_does_not_describe_a_body() {
    let (_folder, mut stage) = stage(&["ETag: \"own\"", "Content-Location: /b", "X-Own: 1"]);
    let response = stage.ask("GET /a", &["If-None-Match: \"own\""]);
    assert_eq!(response.header("etag"), Some("\"own\""));
    assert_eq!((response.header("content-location"), response.header("x-own")), (Some("/b"), Some("1")));
    assert!(response.header("last-modified").is_some());
    for name in ["content-type", "content-length", "x-sendfile"] {
        assert_eq!(response.header(name), None);
    }
}

#[test]
fn a_refused_range_is_no_more_than_a_refusal() {
    let (_folder, mut stage) = stage(&["Cache-Control: public, max-age=60"]);
    for field in ["Range: bytes=99-", "If-Match: \"x\""] {
        let response = stage.ask("GET /a", &[field]);
        assert_eq!(response.header("cache-control"), Some("no-store"), "{field}");
    }
}
