//! What somebody could try in order to see another's page, or to have others see theirs. Each by its name.

use crate::support::{Backend, Client, Response, Thrust, backend::ok};

const PUBLIC: &str = "Cache-Control: public, max-age=60";

/// One request after another to one thrust in front of a backend; each row is a request line's method and target, its
/// other lines (Host among them), and whether it is answered from memory.
type Row = (&'static str, &'static str, &'static str, bool);

#[test]
fn key_confusion() {
    let a = "Host: a.test\r\n";
    // Each two of these are two pages, but for those that are a hit.
    let rows: &[Row] = &[
        ("GET", "/foo?a=1", a, false),
        ("GET", "/fooa=1", a, false),
        ("GET", "/foo", a, false),
        ("GET", "/foo?", a, false),
        ("GET", "/foo?a", a, false),
        ("GET", "/foo?a=", a, false),
        ("GET", "/foo?a=1&", a, false),
        ("GET", "/foo?A=1", a, false),
        ("GET", "/foo%3Fa=1", a, false),
        ("GET", "/a%2Fb", a, false),
        ("GET", "/a%2fb", a, false),
        ("GET", "/a/b", a, false),
        ("GET", "/a//b", a, false),
        ("GET", "/a/b/", a, false),
        ("GET", "/a/./b", a, false),
        ("GET", "/a/x/../b", a, false),
        ("GET", "/a/b;x", a, false),
        ("GET", "/A/b", a, false),
        ("GET", "/", a, false),
        ("GET", "//", a, false),
        ("GET", "/?", a, false),
        ("GET", "//a.test/foo", a, false),
        ("GET", "/foo", "Host: b.test\r\n", false),
        ("GET", "/foo", "Host: a.test:80\r\n", false),
        ("GET", "/foo", "Host: a.test.\r\n", false),
        ("GET", "/test/foo", "Host: a\r\n", false),
        ("GET", "/a.test/foo", a, false),
        // The same in other words.
        ("GET", "/foo", a, true),
        ("GET", "http://a.test/foo", a, true),
        ("GET", "http://b.test/foo", "Host: b.test\r\n", true),
        ("GET", "http://c.test/foo", "Host: c.test\r\n", false),
    ];
    play(rows);
}

#[test]
fn another_case_of_the_host_never_shows_another_page() {
    // Applications may tell them apart: that each asks for itself is allowed, that one gets the other's is not.
    play(&[("GET", "/", "Host: a.test\r\n", false), ("GET", "/", "Host: A.test\r\n", false)]);
}

/// Fields by which somebody could have a page made for another URL.
const CLAIMS: &[&str] = &[
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Protocol",
    "X-Forwarded-Prefix",
    "X-Forwarded-Port",
    "X-Forwarded-Scheme",
    "X-Forwarded-Ssl",
    "X-Forwarded-Path",
    "X-Forwarded-Server",
    "X-Forwarded-Uri",
    "X-Host",
    "X-Original-Host",
    "X-Original-URL",
    "X-Original-URI",
    "X-Rewrite-URL",
    "X-Url-Scheme",
    "X-Script-Name",
    "X-HTTP-Method-Override",
    "X-Method-Override",
    "X-HTTP-Method",
    "X-HTTP-Host-Override",
    "Front-End-Https",
];

#[test]
fn header_poisoning_by_a_claim() {
    for trusted in ["0", "1"] {
        let backend = Backend::mirror(PUBLIC);
        let thrust = Thrust::builder().upstream(backend.url()).env("THRUST_FORWARD_HEADERS", trusted).start();
        for name in CLAIMS {
            let target = format!("/{name}");
            let ask = |value: &str| {
                let fields = if value.is_empty() { String::new() } else { format!("{name}: {value}\r\n") };
                Client::connect(thrust.port()).request("GET", &target, &fields)
            };
            for value in ["evil.test", "worse.test", ""] {
                let (first, second) = (ask(value), ask(value));
                for other in ["evil.test", "worse.test"].into_iter().filter(|other| *other != value) {
                    assert!(!first.text().contains(other), "{name}: {other} is told to {value:?}");
                }
                assert_eq!(second.x_cache(), "hit", "{name}: {value}");
                assert_eq!(first.body, second.body, "{name}: {value}");
            }
        }
        // Of those who are not trusted the worker is told nothing, and it is all one page.
        for name in CLAIMS {
            let asked =
                backend.requests().into_iter().filter(|request| request.target() == format!("/{name}"));
            let believed = trusted == "1" || !name.starts_with("X-Forwarded-");
            assert_eq!(asked.count(), if believed { 3 } else { 1 }, "{name}, trusted: {trusted}");
        }
    }
}

#[test]
fn header_poisoning_by_a_disguised_name() {
    for trusted in ["0", "1"] {
        for name in
            ["X_Forwarded_Host", "X-Forwarded_Host", "X_FORWARDED_PROTO", "X_Forwarded-Prefix", "Forwarded"]
        {
            let backend = Backend::mirror(PUBLIC);
            let thrust =
                Thrust::builder().upstream(backend.url()).env("THRUST_FORWARD_HEADERS", trusted).start();
            let fields = format!("{name}: evil.test\r\n");
            let poisoned = Client::connect(thrust.port()).request("GET", "/", &fields);
            assert!(!poisoned.text().contains("evil.test"), "{name}");
            assert_eq!(
                Client::connect(thrust.port()).get("/").x_cache(),
                "hit",
                "it is the same page: {name}"
            );
        }
    }
}

#[test]
fn a_cookie_is_nobody_else_s() {
    for (control, stored) in [
        ("Cache-Control: public, max-age=60", true),
        ("Cache-Control: s-maxage=60", true),
        ("Cache-Control: max-age=60", false),
        ("Cache-Control: max-age=60, must-revalidate\r\nETag: \"v\"", false),
        ("Expires: Thu, 01 Jan 2099 00:00:00 GMT", false),
        ("CDN-Cache-Control: max-age=60", false),
        ("ETag: \"v\"", false),
    ] {
        for cookie in
            ["Set-Cookie: session=secret", "set-cookie: session=secret", "Set-Cookie2: session=secret"]
        {
            let backend = Backend::mirror(&format!("{control}\r\n{cookie}"));
            let thrust = Thrust::in_front_of(&backend);
            // Of an asset by its name too.
            for target in ["/page", "/assets/app-0f9e8d7c6b5a.js"] {
                let [first, second] = [(); 2].map(|()| Client::connect(thrust.port()).get(target));
                let told =
                    |response: &Response| String::from_utf8_lossy(&response.raw_head).contains("secret");
                assert_eq!((told(&first), told(&second)), (!stored, !stored), "{control} {cookie}");
                assert_eq!(
                    second.x_cache(),
                    if stored { "hit" } else { "miss" },
                    "{control} {cookie} {target}"
                );
            }
        }
    }
}

#[test]
fn a_cookie_in_a_304_is_nobody_else_s() {
    for (control, kept) in [("public, max-age=60", true), ("max-age=60", false)] {
        let backend = Backend::answer(move |request| {
            let secret = format!("Cache-Control: {control}\r\nSet-Cookie: session=secret\r\nETag: \"v\"");
            match request.header("if-none-match") {
                Some(_) => format!("HTTP/1.1 304 Not Modified\r\n{secret}\r\n\r\n").into(),
                None => ok("Cache-Control: public, no-cache\r\nETag: \"v\"", "page"),
            }
        });
        let thrust = Thrust::in_front_of(&backend);
        let mut client = Client::connect(thrust.port());
        assert_eq!(client.get("/").x_cache(), "miss");
        let validated = client.get("/");
        assert_eq!((validated.status, validated.text().as_str()), (200, "page"));
        assert_eq!(validated.header("set-cookie").is_some(), !kept, "{control}");
        let other = client.get("/");
        assert_eq!(other.header("set-cookie"), None, "{control}");
        assert_eq!(backend.requests().len(), if kept { 2 } else { 3 }, "{control}");
    }
}

#[test]
fn a_page_for_credentials_is_nobody_else_s() {
    for (control, stored) in [
        ("Cache-Control: max-age=60", false),
        ("Expires: Thu, 01 Jan 2099 00:00:00 GMT", false),
        ("ETag: \"v\"\r\nCache-Control: no-cache", false),
        ("Cache-Control: private, max-age=60", false),
        ("Cache-Control: public, max-age=60", true),
        ("Cache-Control: s-maxage=60", true),
        ("Cache-Control: must-revalidate, max-age=60", true),
    ] {
        let backend = Backend::mirror(control);
        let thrust = Thrust::in_front_of(&backend);
        for target in ["/page", "/assets/app-0f9e8d7c6b5a.js"] {
            let mut client = Client::connect(thrust.port());
            let first = client.request("GET", target, "Authorization: Basic YTpi\r\n");
            assert!(first.text().contains("YTpi"));
            let other = client.get(target);
            assert_eq!(other.text().contains("YTpi"), stored, "{control} {target}");
        }
    }
}

#[test]
fn a_page_that_depends_on_a_cookie_is_validated_by_its_own_visitor() {
    // Two visitors' pages with two tags, as Rails makes them for everything it renders.
    for control in ["max-age=0, must-revalidate", "no-cache", "max-age=0"] {
        let backend = Backend::answer(move |request| {
            let user = request.header("cookie").unwrap_or("nobody").to_owned();
            ok(&format!("Cache-Control: {control}\r\nETag: \"same\""), &user)
        });
        let thrust = Thrust::in_front_of(&backend);
        for user in ["alice", "bob", "alice"] {
            let fields = format!("Cookie: {user}\r\n");
            let response = Client::connect(thrust.port()).request("GET", "/", &fields);
            assert_eq!((response.text().as_str(), response.x_cache()), (user, "miss"), "{control}");
        }
        assert!(
            backend.requests().iter().all(|request| request.header("if-none-match").is_none()),
            "{control}"
        );
    }
}

/// Plays the rows against one thrust and a backend that answers with the request as it came.
#[track_caller]
fn play(rows: &[Row]) {
    let backend = Backend::mirror(PUBLIC);
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    for (method, target, lines, hit) in rows {
        client.send(format!("{method} {target} HTTP/1.1\r\n{lines}\r\n"));
        let response = client.response_to(method);
        assert_eq!(response.x_cache(), if *hit { "hit" } else { "miss" }, "{method} {target} {lines}");
        let path = target.split_once("://").map_or(*target, |(_, rest)| &rest[rest.find('/').unwrap()..]);
        let page = response.text();
        assert!(page.starts_with(&format!("{method} {path} HTTP/1.1\r\n")), "{target}: {page}");
        assert!(page.to_lowercase().contains(&format!("\n{}", lines.to_lowercase())), "{lines}: {page}");
    }
}

#[test]
fn a_page_that_depends_on_the_visitor_s_address_is_nobody_else_s() {
    // What the worker is told of the visitor is no field of the request as it came.
    for name in ["X-Forwarded-For", "X-Real-IP", "X-Request-Id", "X-Request-Start"] {
        for trusted in ["0", "1"] {
            let backend = Backend::mirror(&format!("{PUBLIC}\r\nVary: {name}"));
            let thrust =
                Thrust::builder().upstream(backend.url()).env("THRUST_FORWARD_HEADERS", trusted).start();
            for _ in 0..2 {
                let page = Client::connect(thrust.port()).get("/");
                assert_eq!(page.x_cache(), "miss", "{name}");
            }
        }
    }
}

#[test]
fn header_poisoning_by_a_disguised_url() {
    // Applications that follow CGI read `X_Rewrite_Url` as `X-Rewrite-Url`.
    for name in CLAIMS {
        let disguised = name.replace('-', "_");
        let backend = Backend::mirror(PUBLIC);
        let thrust = Thrust::in_front_of(&backend);
        let fields = format!("{disguised}: evil.test\r\n");
        Client::connect(thrust.port()).request("GET", "/", &fields);
        let page = Client::connect(thrust.port()).get("/");
        assert!(!page.text().contains("evil.test"), "{disguised}");
    }
}

#[test]
fn overflow_by_numbers_beyond_all_bounds() {
    const NUMBERS: [&str; 4] =
        ["2147483648", "4294967296", "18446744073709551616", "99999999999999999999999999"];
    const DATES: [&str; 3] =
        ["Sat, 01 Jan 0000 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:60 GMT", "Friday, 31-Dec-99 23:59:59 GMT"];
    let mut fields: Vec<_> = DATES
        .iter()
        .flat_map(|date| {
            let expires = DATES.iter().map(move |end| format!("Date: {date}\r\nExpires: {end}"));
            expires.chain([format!("Cache-Control: max-age=60\r\nDate: {date}\r\nLast-Modified: {date}")])
        })
        .collect();
    for number in NUMBERS {
        fields.push(format!(
            "Cache-Control: max-age={number}, stale-while-revalidate={number}\r\nAge: {number}"
        ));
        fields.push(format!(
            "Cache-Control: s-maxage=1, stale-if-error={number}\r\nAge: {number}\r\nETag: \"a\""
        ));
        fields.push(format!("CDN-Cache-Control: max-age={number}\r\nAge: {number}"));
    }
    let backend = Backend::answer(move |request| {
        let place: usize = request.target()[1..].parse().unwrap();
        ok(&fields[place], "0123456789")
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    let asked = NUMBERS.iter().flat_map(|number| {
        [
            format!("Cache-Control: min-fresh={number}, max-age={number}, max-stale={number}"),
            format!("Cache-Control: max-stale, stale-if-error={number}"),
            format!("Range: bytes={number}-{number}, -{number}, 0-{number}, {number}-"),
            format!("Range: bytes=1-{number}\r\nIf-Range: {}", DATES[1]),
            format!("If-Modified-Since: {}", DATES[0]),
        ]
    });
    for field in asked.collect::<Vec<_>>() {
        for place in 0..24 {
            for _ in 0..2 {
                let response = client.request("GET", &format!("/{place}"), &format!("{field}\r\n"));
                assert!(matches!(response.status, 200 | 206 | 304 | 416), "{}: {field}", response.status);
            }
        }
    }
}
