use super::*;

const EARLIER: &str = "Tue, 15 Nov 1994 12:45:25 GMT";
const MODIFIED: &str = "Tue, 15 Nov 1994 12:45:26 GMT";
const LATER: &str = "Tue, 15 Nov 1994 12:45:27 GMT";

fn map(fields: &[(&'static str, &str)]) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
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

/// RFC 9110 §13.1.1, with the strong comparison of §8.8.3.2.
#[test]
fn if_match() {
    for (lines, etag, failed) in [
        (&[r#""a""#][..], Some(r#""a""#), false),
        (&[r#""b""#], Some(r#""a""#), true),
        (&[r#""1", "a""#], Some(r#""a""#), false),
        (&[r#""1""#, r#""a""#], Some(r#""a""#), false),
        (&[r#""1,a", "2""#], Some(r#""1,a""#), false),
        // Neither may be weak.
        (&[r#"W/"a""#], Some(r#""a""#), true),
        (&[r#""a""#], Some(r#"W/"a""#), true),
        (&[r#"W/"a""#], Some(r#"W/"a""#), true),
        (&[r#"W/"a", "a""#], Some(r#""a""#), false),
        // What is beside the grammar equals nothing, not even itself.
        (&["a"], Some("a"), true),
        (&[r#"junk, "a""#], Some(r#""a""#), false),
        (&[""], Some(r#""a""#), true),
        // Any, as there is one.
        (&["*"], Some(r#""a""#), false),
        (&["*"], None, false),
        (&[r#"*, "b""#], Some(r#""a""#), true),
        (&[r#""a""#], None, true),
    ] {
        let request: Vec<_> = lines.iter().map(|line| ("if-match", *line)).collect();
        let response: Vec<_> = etag.iter().map(|etag| ("etag", *etag)).collect();
        let found = has_failed(&map(&request), &map(&response), SystemTime::now());
        assert_eq!(found, failed, "{lines:?} {etag:?}");
    }
}

/// RFC 9110 §13.1.4.
#[test]
fn if_unmodified_since() {
    for (since, response, failed) in [
        (&[MODIFIED][..], &[("last-modified", MODIFIED)][..], false),
        (&[LATER], &[("last-modified", MODIFIED)], false),
        (&[EARLIER], &[("last-modified", MODIFIED)], true),
        (&["Tue Nov 15 12:45:25 1994"], &[("last-modified", MODIFIED)], true),
        // No valid single date is none.
        (&["yesterday"], &[("last-modified", MODIFIED)], false),
        (&[""], &[("last-modified", MODIFIED)], false),
        (&[EARLIER, EARLIER], &[("last-modified", MODIFIED)], false),
        (&[], &[("last-modified", MODIFIED)], false),
        // Where nobody knows when it was modified, the condition is ignored; `Date` says nothing of that.
        (&[EARLIER], &[("date", MODIFIED)], false),
        (&[EARLIER], &[("last-modified", "0")], false),
        (&[EARLIER], &[("etag", "\"a\"")], false),
    ] {
        let request: Vec<_> = since.iter().map(|since| ("if-unmodified-since", *since)).collect();
        let found = has_failed(&map(&request), &map(response), SystemTime::now());
        assert_eq!(found, failed, "{since:?} {response:?}");
    }
}

/// RFC 9110 §13.2.2.
#[test]
fn if_match_alone_decides_where_it_is_there() {
    let response = map(&[("etag", "\"a\""), ("last-modified", MODIFIED)]);
    for (tag, since, failed) in
        [("\"a\"", EARLIER, false), ("\"b\"", LATER, true), ("", LATER, true), ("*", EARLIER, false)]
    {
        let request = map(&[("if-match", tag), ("if-unmodified-since", since)]);
        assert_eq!(has_failed(&request, &response, SystemTime::now()), failed, "{tag} {since}");
    }
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
    for name in ["Content-Type", "Content-Length", "Content-Encoding", "Content-Language", "Content-Range"] {
        assert!(!kept(name), "{name}");
    }
}
