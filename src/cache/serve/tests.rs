use super::{super::testing::*, *};
use http::HeaderValue;
use std::time::Duration;

const FIELDS: &str = "cache-control: max-age=60 | etag: \"a\" | last-modified: Sat, 21 Nov 2026 09:00:00 GMT | \
     date: Sat, 21 Nov 2026 09:14:09 GMT | content-type: text/css | content-encoding: x | age: 7 | vary: x | \
     content-location: /y | expires: 0 | link: z | link: zz";
const TOLD: &str = "age: 12 | x-cache: hit | cache-status: thrust; hit; ttl=48";
const BODY: &str = "0123456789";

/// The answer with all of its header. What lies ready is as if it had been made.
fn whole(entry: &Entry, wanted: &Wanted) -> Response<Served> {
    let (mut response, prepared) = serve(entry, Some(&Status::hit()), wanted);
    if let Some(prepared) = prepared {
        prepared.spell_out(|name, value| response.headers_mut().append(name, value));
        let made = make(entry, Some(&Status::hit()), wanted);
        assert_eq!((response.status(), response.headers()), (made.status(), made.headers()));
        assert_eq!(text(response.body()), text(made.body()));
    }
    response
}

fn answer(status: u16, method: Method, request: &str) -> Response<Served> {
    let arrived = Instant::now();
    let entry = entry("", status, FIELDS, BODY, arrived);
    let (headers, now) = (fields(request), arrived + Duration::from_secs(5));
    let wanted = Wanted {
        method: &method,
        headers: &headers,
        encoding: None,
        offer: Offer::default(),
        live: true,
        now,
        date: super::super::testing::now(),
    };
    whole(&entry, &wanted)
}

fn text(served: &Served) -> Option<String> {
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    match served {
        Served::Nothing => None,
        Served::Bytes(bytes) => Some(text(bytes)),
        Served::Pieces(pieces) => Some(pieces.iter().map(text).collect()),
        other => panic!("{other:?}"),
    }
}

/// Status, `Content-Range`, and body.
fn told(response: &Response<Served>) -> (u16, Option<&str>, Option<String>) {
    let range = response.headers().get(header::CONTENT_RANGE).map(|value| value.to_str().unwrap());
    (response.status().as_u16(), range, text(response.body()))
}

/// What is left out, and why, is told in the tests of `representation`.
#[test]
fn a_200_is_sent_whole_in_part_or_only_confirmed() {
    let (get, head) = (Method::GET, Method::HEAD);
    let all = Some(BODY);
    for (section, method, request, status, range, body) in [
        ("RFC 9110 §15.3.1", &get, "", 200, None, all),
        ("RFC 9110 §9.3.2", &head, "", 200, None, None),
        ("RFC 9110 §13.1.2", &get, "if-none-match: \"a\"", 304, None, None),
        ("RFC 9110 §14.2", &get, "range: bytes=2-4", 206, Some("bytes 2-4/10"), Some("234")),
        ("RFC 9110 §15.5.17", &get, "range: bytes=10-", 416, Some("bytes */10"), None),
    ] {
        let response = answer(200, method.clone(), request);
        let expected = (status, range, body.map(str::to_owned));
        assert_eq!(told(&response), expected, "{section}: {method} {request}");
        // RFC 9111 §5.1
        assert_eq!(response.headers()[header::AGE], "12", "{section}: {method} {request}");
    }
}

#[test]
fn a_304_keeps_what_concerns_the_stored_response() {
    let response = answer(200, Method::GET, "if-none-match: \"a\"");
    // RFC 9110 §15.4.5
    let mut expected = fields(FIELDS);
    for name in ["content-type", "content-encoding"] {
        expected.remove(name);
    }
    expected.insert_all(fields(TOLD));
    assert_eq!(*response.headers(), expected);
}

#[test]
fn everything_else_keeps_all_fields() {
    let mut expected = fields(FIELDS);
    expected.insert_all(fields(TOLD));
    assert_eq!(*answer(200, Method::GET, "").headers(), expected);
    expected.insert(header::CONTENT_RANGE, HeaderValue::from_static("bytes 0-0/10"));
    assert_eq!(*answer(200, Method::GET, "range: bytes=0-0").headers(), expected);
}

#[test]
fn several_ranges() {
    // RFC 9110 §15.3.7.2
    let response = answer(200, Method::GET, "range: bytes=0-1,8-");
    let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let part = |range, bytes| {
        format!(
            "--{boundary}\r\nContent-Type: text/css\r\nContent-Range: bytes {range}/10\r\n\r\n{bytes}\r\n"
        )
    };
    let body = format!("{}{}--{boundary}--\r\n", part("0-1", "01"), part("8-9", "89"));
    assert_eq!(told(&response), (206, None, Some(body)));
}

/// Asks for a stored script with these fields; says in which form it comes, and in which it is to be made.
fn form(entry: &Entry, request: &str) -> (String, Option<Encoding>) {
    let headers = fields(request);
    let encoding = encoding::choose(&headers, &Offer::new(Encoding::ALL));
    let (method, now, date) = (&Method::GET, Instant::now(), super::super::testing::now());
    let wanted = Wanted {
        method,
        headers: &headers,
        encoding,
        offer: Offer::new(Encoding::ALL),
        live: true,
        now,
        date,
    };
    let response = whole(entry, &wanted);
    let named = response.headers().get(header::CONTENT_ENCODING);
    let shown = match response.body() {
        Served::Bytes(bytes) if bytes.len() < 9 => String::from_utf8(bytes.to_vec()).unwrap(),
        Served::Bytes(_) => "identity".to_owned(),
        Served::Encode(bytes, encoding) if bytes.len() == 2000 => format!("now {}", encoding.name()),
        other => format!("{other:?}"),
    };
    let name = shown.strip_prefix("now ").unwrap_or(&shown).to_owned();
    assert_eq!(named.map_or("identity", |named| named.to_str().unwrap()), name, "{request}");
    assert_eq!(response.headers()[header::VARY], "Accept-Encoding", "{request}");
    assert_eq!(response.headers()[header::ETAG].as_bytes().starts_with(b"W/"), name != "identity");
    (shown, missing(entry, &wanted))
}

#[test]
fn a_form_that_is_ready_is_sent_and_the_best_is_made_for_the_next() {
    use Encoding::{Brotli, Gzip, Zstd};
    const ALL: &str = "accept-encoding: gzip, deflate, br, zstd";
    let bytes = |encoding: Encoding| Some(Bytes::from_static(encoding.name().as_bytes()));
    // In which encodings it is ready, those that are worthless, and what is sent to whom then
    for (ready, worthless, request, sent, made) in [
        (&[][..], &[][..], "", "identity", None),
        (&[], &[], ALL, "now zstd", Some(Zstd)),
        (&[], &[], "accept-encoding: br", "now br", Some(Brotli)),
        (&[], &[], "accept-encoding: gzip;q=0.5, identity", "identity", None),
        (&[Zstd], &[], ALL, "zstd", None),
        (&[Zstd], &[], "accept-encoding: br", "now br", Some(Brotli)),
        (&[Zstd], &[], "", "identity", None),
        (&[Gzip], &[], ALL, "gzip", Some(Zstd)),
        (&[Gzip, Brotli], &[], ALL, "br", Some(Zstd)),
        (&[Gzip, Brotli], &[], "accept-encoding: zstd, br;q=0.1, gzip;q=0.2", "gzip", Some(Zstd)),
        (&[Gzip], &[], "accept-encoding: zstd, gzip;q=0", "now zstd", Some(Zstd)),
        (&[], &[Zstd], ALL, "identity", None),
        (&[Gzip], &[Zstd], ALL, "gzip", None),
        (&[], &[Zstd], "accept-encoding: br", "now br", Some(Brotli)),
    ] {
        let entry = script("", "etag: \"a\"");
        ready.iter().for_each(|encoding| entry.add_form(*encoding, bytes(*encoding)));
        worthless.iter().for_each(|encoding| entry.add_form(*encoding, None));
        assert_eq!(form(&entry, request), (sent.to_owned(), made), "{ready:?} {worthless:?} {request}");
        // RFC 9110 §14.2: whatever is ready, and whether or not the range can be satisfied.
        assert_eq!(form(&entry, &format!("{request} | range: x=1")), ("identity".to_owned(), None));
    }
    let given = |kind: &str| {
        let head = head(
            "",
            200,
            &format!("cache-control: max-age=60 | etag: \"a\" | vary: Accept-Encoding | {kind}"),
        );
        Entry::new(head, vec![b'x'; 2000].into(), Instant::now()).with_given([(
            Gzip,
            Headers::new(),
            bytes(Gzip).unwrap(),
        )])
    };
    for (kind, request, sent, made) in [
        ("content-type: text/css", ALL, "gzip", None),
        ("content-type: text/css", "accept-encoding: br", "now br", Some(Brotli)),
        ("content-type: image/png", ALL, "gzip", None),
        ("content-type: image/png", "accept-encoding: br", "identity", None),
    ] {
        assert_eq!(form(&given(kind), request), (sent.to_owned(), made), "given: {kind} {request}");
    }
}

/// RFC 9110 §8.6, §13.1.2, §15.4.5.
#[test]
fn forms_are_confirmed_and_asked_for_without_a_body() {
    let ready = script("", "etag: \"a\"");
    ready.add_form(Encoding::Gzip, Some(Bytes::from_static(b"gzip")));
    for (entry, method, request, status, length) in [
        (&ready, Method::HEAD, "", 200, Some("2000")),
        (&ready, Method::HEAD, "accept-encoding: gzip", 200, Some("4")),
        (&script("", "etag: \"a\""), Method::HEAD, "accept-encoding: gzip", 200, None),
        (&ready, Method::GET, "accept-encoding: gzip | if-none-match: W/\"a\"", 304, None),
        (&ready, Method::GET, "accept-encoding: gzip | if-none-match: \"a\"", 304, None),
        (&ready, Method::GET, "accept-encoding: br | if-none-match: W/\"a\"", 304, None),
        (&ready, Method::GET, "if-none-match: W/\"a\"", 304, None),
    ] {
        let headers = fields(request);
        let encoding = encoding::choose(&headers, &Offer::new(Encoding::ALL));
        let (now, date) = (Instant::now(), super::super::testing::now());
        let wanted = Wanted {
            method: &method,
            headers: &headers,
            encoding,
            offer: Offer::default(),
            live: true,
            now,
            date,
        };
        let response = whole(entry, &wanted);
        let found = response.headers().get(header::CONTENT_LENGTH).map(|length| length.to_str().unwrap());
        assert_eq!((response.status().as_u16(), found), (status, length), "{method} {request}");
        assert!(matches!(response.body(), Served::Nothing), "{method} {request}");
        assert!(status != 304 || !response.headers().contains_key(header::CONTENT_ENCODING));
        assert_eq!(response.headers()[header::VARY], "Accept-Encoding", "{method} {request}");
    }
}
