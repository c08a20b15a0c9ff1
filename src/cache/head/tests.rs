use super::{super::testing::*, *};

/// Without what every hit is told.
fn without_told(headers: &Headers) -> Headers {
    let mut headers = headers.clone();
    for name in [header::AGE, X_CACHE, CACHE_STATUS] {
        headers.remove(name);
    }
    headers
}

/// A response's fields in their order, one a line.
fn lines(headers: &Headers) -> Vec<String> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
    };
    headers.iter().map(line).collect()
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
        "x-a: one",
        "x-b: 1",
        "content-type: image/png",
        "cache-control: public, max-age=60",
        "x-empty: ",
        "x-b: é",
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
fn what_came_is_not_held_on_to() {
    let came = fields("cache-control: max-age=60 | x-a: one | x-b: two | x-b: three | date: d");
    let stored = Fields::new(kept(&came, now()), false);
    assert_eq!(lines(&without_told(stored.headers())), lines(&came));
    let place = |(_, value): (_, &HeaderValue)| value.as_bytes().as_ptr_range();
    let places: Vec<_> = stored.headers().iter().map(place).collect();
    assert!(came.iter().map(place).all(|came| !places.contains(&came)));
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
    let request = Headers::new();
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
        let old = head("", 200, &format!("{OLD} | {stored}"));
        let request = Headers::new();
        let (new, storable) = old.renewed(&asked("/", &request), &fields(not_modified), 4, &options());
        assert_eq!((storable, new.status()), (Ok(()), StatusCode::OK), "{section}");
        let expected = format!("cache-control: max-age=60 | etag: \"a\" | date: {NOW} | {changed}");
        assert_eq!(without_told(new.headers()), fields(&expected), "{section}");
    }
}

/// What the worker's `Vary` is, and what the client's will be.
#[test]
fn vary_tells_of_the_encodings_on_offer() {
    let none = Options { offer: Offer::default(), ..options() };
    for (section, response, length, options, negotiated, vary) in [
        ("RFC 9110 §12.5.5", "content-type: text/css", None, &options(), true, "Accept-Encoding"),
        (
            "RFC 9110 §12.5.5",
            "content-type: text/css | vary: a",
            None,
            &options(),
            true,
            "a, Accept-Encoding",
        ),
        (
            "RFC 9110 §12.5.5",
            "content-type: text/css | vary: accept-encoding",
            None,
            &options(),
            true,
            "accept-encoding",
        ),
        ("known to be short", "content-type: text/css | vary: a", Some(9), &options(), false, "a"),
        ("nothing on offer", "content-type: text/css | vary: a", None, &none, false, "a"),
        ("a picture", "content-type: image/png | vary: a", None, &options(), false, "a"),
        (
            "encoded already",
            "content-type: text/css | content-encoding: br | vary: a",
            None,
            &options(),
            false,
            "a",
        ),
        (
            "RFC 9111 §5.2.2.6",
            "content-type: text/css | vary: a | cache-control: no-transform",
            None,
            &options(),
            false,
            "a",
        ),
    ] {
        let headers = fields(&format!("cache-control: max-age=60 | {response}"));
        let request = Headers::new();
        let head = Head::new(&asked("/", &request), StatusCode::OK, &headers, length, options).unwrap();
        assert_eq!(head.is_encodable(SHORTEST), negotiated, "{section}: {response}");
        assert!(!head.is_encodable(SHORTEST - 1), "{section}: {response}");
        assert_eq!(head.headers()[header::VARY], vary, "{section}: {response}");
        // Which requests it fits is what the worker says.
        assert_eq!(head.selector().names().count(), usize::from(response.contains("vary")), "{section}");
    }
}

/// RFC 9111 §3.2: the worker's own `Vary` is what a 304 changes, not what was added to it.
#[test]
fn a_304_changes_vary_and_what_it_tells_of_encodings() {
    const LONG: &str = "cache-control: max-age=60 | etag: \"a\" | content-type: text/css";
    for (stored, not_modified, encodable, vary, selector) in [
        ("x-a: 1", "x-b: 1", true, Some("Accept-Encoding"), ""),
        ("vary: a", "x-b: 1", true, Some("a, Accept-Encoding"), "a"),
        ("vary: a", "vary: b", true, Some("b, Accept-Encoding"), "b"),
        ("vary: accept-encoding", "x-b: 1", true, Some("accept-encoding"), "accept-encoding"),
        ("x-a: 1", "vary: accept-encoding", true, Some("accept-encoding"), "accept-encoding"),
        // It is no longer sent in encodings.
        ("x-a: 1", "cache-control: max-age=60, no-transform", false, None, ""),
        ("vary: a", "cache-control: max-age=60, no-transform", false, Some("a"), "a"),
        ("vary: a", "content-type: image/png", false, Some("a"), "a"),
        // Nor is it for whoever gets it alone; or it still is.
        ("vary: a", "cache-control: private, no-transform", false, Some("a"), "a"),
        ("vary: a", "cache-control: private", true, Some("a, Accept-Encoding"), "a"),
        (
            "vary: accept-encoding",
            "cache-control: private | vary: a",
            true,
            Some("a, Accept-Encoding"),
            "accept-encoding",
        ),
    ] {
        let old = head("", 200, &format!("{LONG} | {stored}"));
        let request = Headers::new();
        let (new, _) = old.renewed(&asked("/", &request), &fields(not_modified), SHORTEST, &options());
        let case = format!("{stored}, {not_modified}");
        assert_eq!(new.is_encodable(SHORTEST), encodable, "{case}");
        assert_eq!(new.headers().get(header::VARY).map(|vary| vary.to_str().unwrap()), vary, "{case}");
        let names: Vec<_> = new.selector().names().map(HeaderName::as_str).collect();
        assert_eq!(names.join(" "), selector, "{case}");
    }
}

#[test]
fn a_file_is_told_to_vary_if_it_is_encoded() {
    let file = |kind: &str, length, offer| {
        let head = Head::of_file(fields(&format!("content-type: {kind} | etag: W/\"a\"")), length, offer);
        assert!(head.selector().is_empty() && !head.is_reusable());
        (head.is_encodable(length), head.headers().contains_key(header::VARY))
    };
    let all = options().offer;
    assert_eq!(file("text/css", SHORTEST, all), (true, true));
    assert_eq!(file("text/css", SHORTEST - 1, all), (false, false));
    assert_eq!(file("image/png", SHORTEST, all), (false, false));
    assert_eq!(file("text/css", SHORTEST, Offer::default()), (false, false));
}
