//! How somebody could have others see what is not the page: errors, halves, another's header, or somebody's own page. Each
//! attack by its name.

use crate::support::{Backend, Client, Thrust, backend::ok};

const PUBLIC: &str = "Cache-Control: public, max-age=60";

#[test]
fn head_poisoning_get() {
    for head in [
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 100\r\n\r\n",
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n\r\n",
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nCache-Control: max-age=60\r\nContent-Length: 9\r\n\r\n",
        "HTTP/1.1 301 Moved Permanently\r\nCache-Control: max-age=60\r\nLocation: //evil.test/\r\n\r\n",
    ] {
        let backend = Backend::answer(move |request| match request.start_line().starts_with("HEAD") {
            true => head.into(),
            false => ok(PUBLIC, "page"),
        });
        let thrust = Thrust::in_front_of(&backend);
        let mut client = Client::connect(thrust.port());
        client.request("HEAD", "/", "");
        for cache in ["miss", "hit"] {
            let page = client.get("/");
            assert_eq!((page.status, page.text().as_str(), page.x_cache()), (200, "page", cache), "{head}");
        }
        let stored = client.request("HEAD", "/", "");
        assert_eq!(
            (stored.status, stored.x_cache(), stored.header("content-length")),
            (200, "hit", Some("4"))
        );
        assert_eq!(client.get("/").text(), "page");
    }
}

#[test]
fn response_splitting() {
    for field in
        ["X-A: a\rX-Evil: 1", "X-A: a\n X-Evil: 1", "X-A: a\r\n X-Evil: 1", "X-A: a\0\rX-Evil: 1", "X-A\r: 1"]
    {
        let backend = Backend::mirror(&format!("{PUBLIC}\r\n{field}"));
        let thrust = Thrust::in_front_of(&backend);
        for _ in 0..2 {
            let response = Client::connect(thrust.port()).get("/");
            let head = String::from_utf8_lossy(&response.raw_head).into_owned();
            let lines = head.split(['\r', '\n', '\0']);
            assert!(
                lines.clone().all(|line| !line.trim_start().starts_with("X-Evil")),
                "{field:?}: {head:?}"
            );
            assert_eq!(lines.count(), head.matches("\r\n").count() * 2 + 1, "{field:?}: {head:?}");
        }
    }
}

#[test]
fn connection_hides_nothing_that_speaks_of_caching() {
    for (hidden, fields) in [
        ("Cache-Control", "Cache-Control: private\r\nExpires: Thu, 01 Jan 2099 00:00:00 GMT"),
        ("Cache-Control", "Cache-Control: no-store\r\nCDN-Cache-Control: "),
        ("CDN-Cache-Control", "CDN-Cache-Control: no-store\r\nCache-Control: max-age=60"),
        ("Set-Cookie", "Set-Cookie: a=b\r\nCache-Control: max-age=60"),
        ("Age", "Age: 60\r\nCache-Control: max-age=60"),
        ("Vary", "Vary: *\r\nCache-Control: max-age=60"),
        ("Pragma", "Pragma: no-cache"),
        ("Expires", "Expires: 0"),
    ] {
        let backend = Backend::mirror(&format!("Connection: {hidden}\r\n{fields}"));
        let thrust = Thrust::in_front_of(&backend);
        for _ in 0..2 {
            let asset = Client::connect(thrust.port()).get("/assets/app-0f9e8d7c6b5a.js");
            assert_eq!(asset.x_cache(), "miss", "{hidden}: {fields}");
        }
    }
}

#[test]
fn what_is_between_the_worker_and_us_is_not_stored() {
    for field in
        ["Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Connection", "Proxy-Anything", "X-Hop"]
    {
        let backend =
            Backend::mirror(&format!("{PUBLIC}\r\nConnection: X-Hop, keep-alive\r\n{field}: secret"));
        let thrust = Thrust::in_front_of(&backend);
        assert_eq!(Client::connect(thrust.port()).get("/").x_cache(), "miss");
        let stored = Client::connect(thrust.port()).get("/");
        assert_eq!((stored.x_cache(), stored.header(field)), ("hit", None));
    }
}

#[test]
fn request_smuggling_by_a_body() {
    for framing in [
        "Content-Length: 24\r\n\r\nGET /evil HTTP/1.1\r\nA: b",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
    ] {
        for method in ["GET", "HEAD"] {
            let backend = Backend::answer(|request| match request.start_line().starts_with("HEAD") {
                true => format!("HTTP/1.1 200 OK\r\n{PUBLIC}\r\nContent-Length: 9\r\n\r\n").into(),
                false => ok(PUBLIC, &String::from_utf8_lossy(&request.body)),
            });
            let thrust = Thrust::in_front_of(&backend);
            let mut client = Client::connect(thrust.port());
            client.send(format!("{method} /page HTTP/1.1\r\nHost: app.test\r\n{framing}\r\n"));
            assert_eq!(client.response_to(method).x_cache(), "bypass", "{method} {framing:?}");
            let page = Client::connect(thrust.port()).get("/page");
            assert_eq!((page.x_cache(), page.text().as_str()), ("miss", ""), "{method} {framing:?}");
            assert!(backend.requests().iter().all(|request| request.target() == "/page"));
        }
    }
}

#[test]
fn cache_deception() {
    let backend = Backend::mirror("Content-Type: text/javascript");
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    for target in [
        "/account",
        "/account/x.css",
        "/account/app-0f9e8d7c6b5a.js",
        "/account;app-0f9e8d7c6b5a.js",
        "/account%2Fapp-0f9e8d7c6b5a.js",
        "/account?/assets/app-0f9e8d7c6b5a.js",
        "/assets/../account",
        "/assets/../account-0f9e8d7c6b5a.js",
        "/assets/app-0f9e8d7c6b5a.js/../../account",
        "/assets/app-0f9e8d7c6b5a.js/..%2f..%2faccount-0f9e8d7c6b5a.js",
        "/assets/%2e%2e/account-0f9e8d7c6b5a.js",
        "/assets/..;/account-0f9e8d7c6b5a.js",
        "/assets/..%5caccount-0f9e8d7c6b5a.js",
        "/assets//account-0f9e8d7c6b5a.js",
        "/assets/.account-0f9e8d7c6b5a.js",
        "/assets/account%00-0f9e8d7c6b5a.js",
        "/assets/account%3fx-0f9e8d7c6b5a.js",
        "/assets/account?-0f9e8d7c6b5a.js",
        "/assets/account-0f9e8d7c6b5a.html",
        "/assets/account-0f9e8d7c6b5a.json",
        "/assets/account.js",
        "//assets/account-0f9e8d7c6b5a.js",
        "/x/assets/account-0f9e8d7c6b5a.js",
        "/assetsx/account-0f9e8d7c6b5a.js",
        "/ASSETS/account-0f9e8d7c6b5a.js",
    ] {
        for _ in 0..2 {
            let page = client.get(target);
            assert_eq!((page.status, page.x_cache()), (200, "miss"), "{target}");
        }
    }
    assert_eq!([(); 2].map(|()| client.get("/assets/app-0f9e8d7c6b5a.js").x_cache() == "hit"), [false, true]);
}

#[test]
fn error_poisoning() {
    let long = |length| "x".repeat(length);
    let errors = [
        (400, "GET", "/page", "Bad Name: 1\r\n".to_owned()),
        (400, "GET", "/page", "Content_Length: 1\r\n".to_owned()),
        (400, "GET", "/page", "X-A: \u{7}\r\n".to_owned()),
        (413, "POST", "/page", "Content-Length: 1001\r\n".to_owned()),
        (414, "GET", &*format!("/page?{}", long(20_000)), String::new()),
        (417, "GET", "/page", "Expect: wonders\r\n".to_owned()),
        (431, "GET", "/page", format!("X-Long: {}\r\n", long(70_000))),
        (431, "GET", "/page", (0..200).map(|n| format!("X-{n}: 1\r\n")).collect()),
        (504, "GET", "/page", "Cache-Control: only-if-cached\r\n".to_owned()),
    ];
    for (status, method, target, fields) in errors {
        let backend = Backend::answer(|_| ok(PUBLIC, "page"));
        let thrust = Thrust::builder().upstream(backend.url()).env("THRUST_MAX_REQUEST_BODY", "1000").start();
        for _ in 0..2 {
            let request = format!("{method} {target} HTTP/1.1\r\nHost: app.test\r\n{fields}\r\n");
            let mut client = Client::connect(thrust.port());
            let _ = client.try_send(request);
            let refused = client.response();
            assert_eq!((refused.status, refused.header("age")), (status, None), "{fields:.80}");
        }
        let page = Client::connect(thrust.port()).get("/page");
        assert_eq!((page.status, page.x_cache(), backend.requests().len()), (200, "miss", 1), "{fields:.80}");
    }
}

#[test]
fn error_poisoning_by_the_worker_s_failures() {
    for failure in [
        "",
        "nonsense\r\n\r\n",
        "HTTP/1.1 500 Oh\r\nCache-Control: public, max-age=60\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 503 No\r\nCache-Control: public, max-age=60\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 206 Partial Content\r\nCache-Control: max-age=60\r\nContent-Range: bytes 0-1/4\r\nContent-Length: 2\r\n\r\npa",
        "HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\n\r\n",
    ] {
        let backend = Backend::start(move |connection| {
            while connection.request().is_some() {
                if connection.index == 0 {
                    connection.send(failure);
                    return;
                }
                connection.send(ok(PUBLIC, "page"));
            }
        });
        let thrust = Thrust::in_front_of(&backend);
        assert_ne!(Client::connect(thrust.port()).get("/").status, 200, "{failure}");
        let page = Client::connect(thrust.port()).get("/");
        assert_eq!((page.status, page.text().as_str(), page.x_cache()), (200, "page", "miss"), "{failure}");
    }
}

#[test]
fn range_poisoning() {
    for ignores_range in [true, false] {
        let backend = Backend::answer(move |request| {
            match request.header("range") {
            Some(_) if !ignores_range => {
                format!("HTTP/1.1 206 Partial Content\r\n{PUBLIC}\r\nContent-Range: bytes 0-1/4\r\nContent-Length: 2\r\n\r\npa").into()
            }
            _ => ok(PUBLIC, "page"),
        }
        });
        let thrust = Thrust::in_front_of(&backend);
        let mut client = Client::connect(thrust.port());
        for range in ["bytes=0-1", "bytes=0-1, 0-1, 0-1", "bytes=9-", "nonsense"] {
            client.request("GET", "/", &format!("Range: {range}\r\n"));
        }
        for cache in ["miss", "hit"] {
            let page = client.get("/");
            assert_eq!((page.status, page.text().as_str(), page.x_cache()), (200, "page", cache));
        }
    }
}

#[test]
fn vary_bomb() {
    let backend = Backend::answer(|request| {
        let language = request.header("accept-language").unwrap_or("none").to_owned();
        let many: String = (0..17).map(|n| format!("X-{n},")).collect();
        match request.target().as_str() {
            "/many" => ok(&format!("{PUBLIC}\r\nVary: {many} Accept-Language"), &language),
            "/any" => ok(&format!("{PUBLIC}\r\nVary: *"), &language),
            "/bomb" => ok(&format!("{PUBLIC}\r\nVary: Accept-Language"), &language),
            _ => ok(PUBLIC, "hot"),
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    assert_eq!(client.get("/hot").x_cache(), "miss");
    for target in ["/many", "/any", "/bomb"] {
        for number in 0..200 {
            let fields = format!("Accept-Language: l{number}\r\n");
            let response = client.request("GET", target, &fields);
            assert_eq!((response.text(), response.x_cache()), (format!("l{number}"), "miss"), "{target}");
        }
        assert_eq!(client.get("/hot").x_cache(), "hit");
    }
    // The newest are kept, the oldest are not.
    let mut ask = |number: u32| client.request("GET", "/bomb", &format!("Accept-Language: l{number}\r\n"));
    assert_eq!((ask(199).x_cache(), ask(199).text()), ("hit", "l199".to_owned()));
    assert_eq!((ask(0).x_cache(), ask(0).text()), ("miss", "l0".to_owned()));
}
