//! What is stored, and how it is served again.

use crate::support::{Answer, Stage, stage::dated};

#[test]
fn a_response_is_fetched_once_and_then_served_from_memory() {
    let mut stage = Stage::new();
    let fields = ["Cache-Control: max-age=60", "Content-Type: text/css", "ETag: \"v1\"", "X-Own: 1"];
    stage.script("/a", [Answer::ok(&fields, "body")]);
    let miss = stage.get("/a");
    assert_eq!((miss.x_cache(), miss.cache_status()), ("miss", "thrust; fwd=uri-miss; stored"));
    assert_eq!((miss.age(), miss.text().as_str()), (None, "body"));
    for _ in 0..2 {
        let hit = stage.get("/a");
        let ttl: u64 = hit.cache_status().strip_prefix("thrust; hit; ttl=").unwrap().parse().unwrap();
        assert!(hit.x_cache() == "hit" && hit.age().unwrap() + ttl == 60, "{:?}", hit.headers);
        assert_eq!((hit.status, hit.text().as_str()), (200, "body"));
        for name in ["cache-control", "content-type", "content-length", "date", "etag", "x-own"] {
            assert_eq!(hit.all(name), miss.all(name), "{name}");
        }
    }
    assert_eq!(stage.asked("/a").len(), 1);
}

#[test]
fn the_log_tells_what_the_cache_did() {
    let mut stage = Stage::new();
    stage.script("/kept", [Answer::ok(&["Cache-Control: max-age=60"], "a")]);
    stage.script("/private", [Answer::ok(&["Cache-Control: private"], "b")]);
    for line in ["GET /kept", "GET /kept", "GET /private", "POST /private"] {
        stage.ask(line, &["X-Request-Id: name-1"]);
    }
    stage.thrust.await_log(|record| record["method"] == "POST");
    let log = stage.thrust.access_log();
    let words: Vec<_> = log.iter().map(|record| (&record["cache"], record.get("cache_reason"))).collect();
    assert_eq!(words.len(), 4, "{words:?}");
    assert_eq!((words[0].0, words[0].1), (&"miss".into(), None));
    assert_eq!((words[1].0, words[1].1), (&"hit".into(), None));
    assert_eq!((words[2].0, words[2].1), (&"miss".into(), Some(&"private".into())));
    assert_eq!((words[3].0, words[3].1), (&"bypass".into(), Some(&"method".into())));
    assert!(log.iter().all(|record| record["request_id"] == "name-1"), "{log:?}");
    assert!(log[0]["upstream_us"].is_u64() && log[1].get("upstream_us").is_none(), "{log:?}");
}

/// RFC 9111 §3, §5.2.2, §5.3; RFC 9213 §2.2. The response's status and fields, and why it is not stored.
const RESPONSES: &[(&str, &[&str], Option<&str>)] = &[
    ("200 OK", &["Cache-Control: max-age=60"], None),
    ("200 OK", &["cache-control: MAX-AGE=\"60\""], None),
    ("200 OK", &["Cache-Control: max-age=99999999999999999999"], None),
    ("200 OK", &["Cache-Control: x=\"no-store, private\", max-age=60"], None),
    ("200 OK", &["Cache-Control: max-age=0, s-maxage=60"], None),
    ("200 OK", &["Cache-Control: max-age=60, max-age=0"], None),
    ("200 OK", &["Cache-Control: no-store", "CDN-Cache-Control: max-age=60"], None),
    ("200 OK", &["Cache-Control: must-understand, no-store, max-age=60"], None),
    ("200 OK", &["Cache-Control: max-age=60", "CDN-Cache-Control: =?"], None),
    ("203 Non-Authoritative Information", &["Cache-Control: max-age=60"], None),
    ("204 No Content", &["Cache-Control: max-age=60"], None),
    ("301 Moved Permanently", &["Cache-Control: max-age=60", "Location: /b"], None),
    ("302 Found", &["Cache-Control: max-age=60", "Location: /b"], None),
    ("404 Not Found", &["Cache-Control: max-age=60"], None),
    ("299 Own", &["Cache-Control: max-age=60"], None),
    ("200 OK", &["Set-Cookie: a=b", "Cache-Control: public, max-age=60"], None),
    ("200 OK", &["Set-Cookie: a=b", "Cache-Control: s-maxage=60"], None),
    ("200 OK", &[], Some("no-lifetime")),
    ("200 OK", &["ETag: \"v1\"", "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"], Some("no-lifetime")),
    ("404 Not Found", &[], Some("no-lifetime")),
    ("200 OK", &["Cache-Control: public"], Some("no-lifetime")),
    ("200 OK", &["Cache-Control: max-age=60", "Cache-Control: no-store"], Some("no-store")),
    ("200 OK", &["Cache-Control: max-age=60, No-Store"], Some("no-store")),
    ("200 OK", &["Cache-Control: max-age=60", "CDN-Cache-Control: no-store"], Some("no-store")),
    ("200 OK", &["Cache-Control: private=\"x\", max-age=60"], Some("private")),
    ("200 OK", &["Cache-Control: max-age=60", "CDN-Cache-Control: private"], Some("private")),
    ("200 OK", &["Cache-Control: no-cache, max-age=60"], Some("stale")),
    ("200 OK", &["Cache-Control: max-age=0"], Some("stale")),
    ("200 OK", &["Cache-Control: max-age=-1"], Some("stale")),
    ("200 OK", &["Cache-Control: max-age=60, s-maxage=0"], Some("stale")),
    ("200 OK", &["Expires: 0"], Some("stale")),
    ("200 OK", &["Cache-Control: max-age=60", "Age: 60"], Some("stale")),
    ("200 OK", &["Cache-Control: max-age=60", "Vary: *"], Some("vary")),
    ("200 OK", &["Cache-Control: max-age=60", "Set-Cookie: a=b"], Some("set-cookie")),
    ("206 Partial Content", &["Cache-Control: max-age=60", "Content-Range: bytes 0-3/9"], Some("status")),
    ("500 Internal Server Error", &["Cache-Control: max-age=60"], Some("status")),
    ("503 Service Unavailable", &["Cache-Control: public, max-age=60"], Some("status")),
];

#[test]
fn what_is_stored() {
    let mut stage = Stage::new();
    let expires = dated("Expires", 60);
    let past = dated("Expires", -60);
    let dates: [(&str, &[&str], Option<&str>); 3] = [
        ("200 OK", &[&expires], None),
        ("200 OK", &[&past], Some("stale")),
        ("200 OK", &[&expires, "Cache-Control: max-age=0"], Some("stale")),
    ];
    for (number, &(status, fields, reason)) in RESPONSES.iter().chain(&dates).enumerate() {
        let path = format!("/{number}");
        let body = if status.starts_with("204") { "" } else { "body" };
        stage.script(&path, [Answer::new(status, fields, body)]);
        let [first, second] = [(); 2].map(|()| stage.get(&path));
        assert_eq!(first.x_cache(), "miss", "{status} {fields:?}");
        let detail = first.cache_status().split_once("detail=").map(|(_, detail)| detail);
        assert_eq!(detail, reason, "{status} {fields:?}");
        let word = if reason.is_some() { "miss" } else { "hit" };
        assert_eq!(second.x_cache(), word, "{status} {fields:?}: {:?}", second.headers);
        assert_eq!((second.status, second.text()), (first.status, first.text()), "{status} {fields:?}");
        let cookies = reason.is_some() && fields.iter().any(|field| field.starts_with("Set-Cookie"));
        assert_eq!([first.all("set-cookie").len(), second.all("set-cookie").len()], [cookies as usize; 2]);
    }
}

#[test]
fn which_requests_are_stored() {
    let mut stage = Stage::new();
    for (number, (line, request, control, reason)) in [
        ("GET", "Authorization: Basic YTpi", "max-age=60", Some("authorization")),
        ("GET", "Authorization: Basic YTpi", "max-age=60, public", None),
        ("GET", "Authorization: Basic YTpi", "s-maxage=60", None),
        ("GET", "Authorization: Basic YTpi", "max-age=60, must-revalidate", None),
        ("GET", "Cookie: user=1", "max-age=60", None),
        ("GET", "Cookie: user=1", "no-cache\r\nETag: \"v1\"", Some("cookie")),
        ("GET", "Cookie: user=1", "no-cache, max-age=60", Some("stale")),
        ("GET", "Cache-Control: no-store", "max-age=60", Some("request-no-store")),
        ("HEAD", "Accept: */*", "max-age=60", Some("head")),
        ("POST", "Accept: */*", "max-age=60", Some("method")),
        ("QUERY", "Accept: */*", "max-age=60", Some("method")),
        ("OPTIONS", "Accept: */*", "max-age=60", Some("method")),
        ("GET", "If-Match: *", "max-age=60", Some("precondition")),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/{number}");
        let control = format!("Cache-Control: {control}");
        stage.script(&path, [Answer::ok(&[&control], "one"), Answer::ok(&[&control], "two")]);
        let first = stage.ask(&format!("{line} {path}"), &[request]);
        let detail = first.cache_status().split_once("detail=").map(|(_, detail)| detail);
        assert_eq!(detail, reason, "{line} {request}, {control}");
        let body = if reason.is_some() { "two" } else { "one" };
        assert_eq!(stage.get(&path).text(), body, "{line} {request}, {control}");
    }
}

#[test]
fn a_body_that_may_not_be_whole_is_not_stored() {
    const OK: &str = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n";
    for (bytes, stored) in [
        ("Content-Length: 4\r\n\r\nbody", true),
        ("Content-Length: 0\r\n\r\n", true),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-T: t\r\n\r\n", true),
        ("Content-Length: 5\r\n\r\nbody", false),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n", false),
        ("\r\nbody", false),
    ] {
        let mut stage = Stage::new();
        // The second answer is given only where the first is not used again.
        stage.script("/", [Answer::raw(format!("{OK}{bytes}")).and_close(), Answer::ok(&[], "asked again")]);
        let _ = stage.client().send_get("/").try_response();
        let again = stage.get("/");
        assert_eq!(again.x_cache(), if stored { "hit" } else { "miss" }, "{bytes:?}");
        assert_eq!(again.text() == "asked again", !stored, "{bytes:?}");
        assert!(again.trailers.is_empty());
    }
}

#[test]
fn age_and_date_of_the_worker_are_added_to() {
    let mut stage = Stage::new();
    let (date, long_ago, future) = (dated("Date", -30), dated("Date", -50), dated("Date", 30));
    let rows: [(&[&str], u64); 7] = [
        (&["Age: 30"], 30),
        (&[&date], 30),
        (&[&long_ago, "Age: 30"], 50),
        (&[&date, "Age: 50"], 50),
        (&[&future], 0),
        (&["Age: 30, 10"], 30),
        (&["Age: -3"], 0),
    ];
    for (number, (fields, age)) in rows.into_iter().enumerate() {
        let path = format!("/{number}");
        stage.script(&path, [Answer::ok(&[&["Cache-Control: max-age=100"], fields].concat(), "")]);
        let [miss, hit] = [(); 2].map(|()| stage.get(&path));
        assert_eq!((miss.x_cache(), hit.x_cache()), ("miss", "hit"), "{fields:?}");
        assert!((age..age + 3).contains(&hit.age().unwrap()), "{fields:?}: {:?}", hit.headers);
        assert_eq!(hit.all("age").len(), 1);
        assert_eq!(miss.all("date"), hit.all("date"), "{fields:?}");
        let sent = fields.iter().filter_map(|field| field.strip_prefix("Date: ")).next();
        assert!(sent.is_none() || sent == hit.header("date"), "{fields:?}: {:?}", hit.headers);
    }
}

#[test]
fn head_is_answered_from_a_get() {
    let mut stage = Stage::new();
    stage.script("/a", [Answer::ok(&["Cache-Control: max-age=60", "ETag: \"v1\""], "twelve bytes")]);
    let head = stage.ask("HEAD /a", &[]);
    assert_eq!((head.x_cache(), head.cache_status()), ("miss", "thrust; fwd=uri-miss; detail=head"));
    let get = stage.get("/a");
    assert_eq!((get.x_cache(), get.text().as_str()), ("miss", "twelve bytes"), "HEAD has stored something");
    let head = stage.ask("HEAD /a", &[]);
    assert_eq!((head.status, head.x_cache(), head.header("content-length")), (200, "hit", Some("12")));
    assert_eq!((head.all("etag"), head.all("date")), (get.all("etag"), get.all("date")));
    assert_eq!(stage.ask("HEAD /a", &["If-None-Match: \"v1\""]).status, 304);
    assert_eq!(stage.ask("HEAD /a", &["Range: bytes=0-1"]).status, 200, "a range is for GET alone");
    assert_eq!(stage.get("/a").text(), "twelve bytes");
    assert_eq!(stage.asked("/a").len(), 2);
}

#[test]
fn what_is_between_two_servers_is_not_stored() {
    let mut stage = Stage::new();
    let fields = ["Connection: X-Hop", "X-Hop: 1", "Proxy-Authenticate: a", "Keep-Alive: b", "X-Kept: c"];
    stage.script("/a", [Answer::ok(&[&fields[..], &["Cache-Control: max-age=60"]].concat(), "")]);
    stage.get("/a");
    let hit = stage.get("/a");
    assert_eq!((hit.x_cache(), hit.header("x-kept")), ("hit", Some("c")));
    for name in ["connection", "x-hop", "proxy-authenticate", "keep-alive"] {
        assert_eq!(hit.header(name), None, "{name}");
    }
}

#[test]
fn caches_behind_are_told_of_first() {
    let mut stage = Stage::new();
    let fields = ["Cache-Control: max-age=60", "Cache-Status: origin; hit", "X-Cache: HIT"];
    stage.script("/a", [Answer::ok(&fields, "")]);
    let [miss, hit] = [(); 2].map(|()| stage.get("/a"));
    assert_eq!(miss.all("cache-status"), ["origin; hit", "thrust; fwd=uri-miss; stored"]);
    assert_eq!(hit.all("cache-status")[0], "origin; hit");
    assert!(hit.all("cache-status")[1].starts_with("thrust; hit"), "{:?}", hit.headers);
    assert_eq!((miss.all("x-cache"), hit.all("x-cache")), (vec!["miss"], vec!["hit"]));
}

#[test]
fn what_was_not_for_the_cache_is_stored_once_it_is() {
    let mut stage = Stage::new();
    let private = Answer::ok(&["Cache-Control: private"], "mine");
    let public = Answer::ok(&["Cache-Control: max-age=60"], "ours");
    stage.script("/a", [private.clone(), private, public]);
    let told: Vec<_> = (0..5).map(|_| stage.get("/a").cache_status().to_owned()).collect();
    let details = ["detail=private", "detail=private", "detail=remembered", "stored", "hit"];
    for (status, detail) in told.iter().zip(details) {
        assert!(status.contains(detail), "{told:?}");
    }
}
