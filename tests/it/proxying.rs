//! What the worker sees of a request's head, and the client of a response's.

use crate::support::{Backend, Client, Message, Thrust};

#[test]
fn the_target_reaches_the_worker_byte_for_byte() {
    let backend = Backend::respond("HTTP/1.1 204 No Content\r\n\r\n");
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    let targets = [
        "/",
        "//",
        "//evil.test/path",
        "/a//b///",
        "/../etc/passwd",
        "/a/../b",
        "/./a/.",
        "/a%2Fb%2fc",
        "/%2e%2E/%2E",
        "/%00%ff%FF%7f",
        "/%",
        "/%zz",
        "/!$&'()*+,;=:@-._~",
        "/a;b=c,d",
        "/{a}|[b]^",
        "/http://other.test/",
        "/?",
        "/??",
        "/?a=1?b=2/../%2F",
        "/a?",
        "/?q=a+b%20c&q=&=&&",
        "/?q={a}[b]|c^`\\d'",
        "/*",
    ];
    for target in targets {
        assert_eq!(client.get(target).status, 204, "{target}");
        let request = backend.requests().pop().unwrap();
        assert_eq!(request.start_line(), format!("GET {target} HTTP/1.1"));
    }
}

#[test]
fn every_method_reaches_the_worker() {
    let backend = Backend::respond("HTTP/1.1 204 No Content\r\n\r\n");
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "M-SEARCH", "QUERY"] {
        client.send(format!("{method} / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(client.response().status, 204, "{method}");
        assert_eq!(backend.requests().pop().unwrap().start_line(), format!("{method} / HTTP/1.1"));
    }
}

#[test]
fn options_of_the_server_as_a_whole_keep_their_asterisk() {
    let request = forwarded("OPTIONS * HTTP/1.1\r\nHost: app.test\r\n\r\n");
    assert_eq!(request.start_line(), "OPTIONS * HTTP/1.1");
}

#[test]
fn absolute_form_becomes_origin_form() {
    for (target, host, expected) in [
        ("http://app.test/a//b?c=%2F", "app.test", "/a//b?c=%2F"),
        ("http://app.test", "app.test", "/"),
        ("http://app.test?", "app.test", "/?"),
        ("http://app.test:3000/a", "app.test:3000", "/a"),
        ("HTTPS://APP.test/a", "app.test", "/a"),
        ("http://[::1]:80/", "[::1]:80", "/"),
    ] {
        let request = forwarded(&format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(request.start_line(), format!("GET {expected} HTTP/1.1"), "{target}");
        assert_eq!(request.all("host").len(), 1);
        assert!(request.header("host").unwrap().eq_ignore_ascii_case(host), "{target}");
    }
}

#[test]
fn an_absolute_form_that_names_another_host_is_refused() {
    let backend = Backend::echo_request();
    let thrust = Thrust::in_front_of(&backend);
    for host in ["other.test", "app.test:81", "app.test.other.test"] {
        let mut client = Client::connect(thrust.port());
        client.send(format!("GET http://app.test/ HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.response().status, 400, "{host}");
    }
    assert_eq!(backend.requests().len(), 0);
}

#[test]
fn host_is_kept_as_it_came() {
    for host in ["app.test", "APP.test:8080", "127.0.0.1", "[2001:db8::1]:3000", "my_app.internal."] {
        let request = forwarded(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(request.all("host"), [host]);
    }
}

#[test]
fn request_headers_keep_order_repetition_and_value() {
    let request = forwarded(concat!(
        "GET / HTTP/1.1\r\nX-First: 1\r\nHost: app.test\r\nCookie: a=1\r\nX-Twice: one\r\n",
        "Accept: text/html;q=0.9, */*\r\nX-Twice: two, three\r\nCookie: b=\"2 3\"\r\nX-Empty:\r\n",
        "X_Custom: kept\r\nX-Tab: a\tb\r\nAuthorization: Basic YTpi\r\nRange: bytes=0-1\r\n\r\n",
    ));
    let firsts = ["x-first", "host", "cookie", "x-twice", "accept", "x-empty", "x_custom", "x-tab"];
    assert_eq!(names(&request)[..firsts.len()], firsts, "{:?}", request.headers);
    assert_eq!(request.all("cookie"), ["a=1", "b=\"2 3\""]);
    assert_eq!(request.all("x-twice"), ["one", "two, three"]);
    assert_eq!(request.all("accept"), ["text/html;q=0.9, */*"]);
    assert_eq!(request.all("x-empty"), [""]);
    assert_eq!(request.all("x-tab"), ["a\tb"]);
    assert_eq!(request.all("authorization"), ["Basic YTpi"]);
    assert_eq!(request.all("range"), ["bytes=0-1"]);
}

#[test]
fn response_headers_keep_order_repetition_and_value() {
    let response = answered(concat!(
        "HTTP/1.1 200 OK\r\nX-First: 1\r\nSet-Cookie: a=1; Path=/; HttpOnly\r\nX-Second: 2\r\n",
        "Set-Cookie: b=2; Expires=Thu, 01 Jan 2026 00:00:00 GMT\r\nServer: puma\r\nX-Empty:\r\n",
        "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nLink: </a>; rel=preload, </b>\r\nContent-Length: 0\r\n\r\n",
    ));
    let cookies = ["a=1; Path=/; HttpOnly", "b=2; Expires=Thu, 01 Jan 2026 00:00:00 GMT"];
    assert_eq!(response.all("set-cookie"), cookies);
    assert_eq!(names(&response)[..5], ["x-first", "set-cookie", "x-second", "server", "x-empty"]);
    assert_eq!(response.all("date"), ["Thu, 01 Jan 2026 00:00:00 GMT"]);
    assert_eq!(response.all("link"), ["</a>; rel=preload, </b>"]);
    assert_eq!(response.all("server"), ["puma"]);
}

#[test]
fn bytes_above_127_in_a_response_header_are_kept() {
    let backend =
        Backend::respond(b"HTTP/1.1 200 OK\r\nX-Name: caf\xe9 \xc3\xa9\r\nContent-Length: 0\r\n\r\n");
    let thrust = Thrust::in_front_of(&backend);
    let response = Client::connect(thrust.port()).get("/");
    let kept = response.raw_head.windows(7).any(|bytes| bytes == b"caf\xe9 \xc3\xa9");
    assert!(kept, "{:?}", String::from_utf8_lossy(&response.raw_head));
}

#[test]
fn hop_by_hop_headers_of_a_request_stay_here() {
    let request = forwarded(concat!(
        "GET / HTTP/1.1\r\nHost: app.test\r\nConnection: keep-alive, X-Named,x-other\r\nKeep-Alive: timeout=5\r\n",
        "X-Named: 1\r\nConnection: X-Third\r\nX-Other: 1\r\nX-Third: 1\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\n",
        "Upgrade: h2c\r\nHTTP2-Settings: AAMA\r\nX-Kept: 1\r\n\r\n",
    ));
    for name in ["keep-alive", "x-named", "x-other", "x-third", "proxy-connection", "te", "upgrade"] {
        assert!(request.header(name).is_none(), "{name}: {:?}", request.headers);
    }
    for name in ["http2-settings", "transfer-encoding"] {
        assert!(request.header(name).is_none(), "{name}: {:?}", request.headers);
    }
    assert!(!request.has_token("connection", "x-named"));
    assert_eq!(request.header("x-kept"), Some("1"));
}

#[test]
fn hop_by_hop_headers_of_a_response_stay_here() {
    let response = answered(concat!(
        "HTTP/1.1 200 OK\r\nConnection: X-Internal, keep-alive\r\nKeep-Alive: timeout=20\r\nX-Internal: 1\r\n",
        "Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\nX-Kept: 1\r\nContent-Length: 0\r\n\r\n",
    ));
    for name in ["keep-alive", "x-internal", "proxy-connection", "upgrade"] {
        assert!(response.header(name).is_none(), "{name}: {:?}", response.headers);
    }
    assert!(!response.has_token("connection", "x-internal"));
    assert_eq!(response.header("x-kept"), Some("1"));
}

#[test]
fn a_worker_that_closes_its_connection_does_not_close_the_client_s() {
    let backend =
        Backend::respond_and_close("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    for _ in 0..3 {
        let response = client.get("/");
        assert_eq!(response.text(), "ok");
        assert!(!response.has_token("connection", "close"));
    }
}

#[test]
fn a_client_that_closes_its_connection_does_not_close_the_worker_s() {
    let backend = Backend::echo_request();
    let thrust = Thrust::in_front_of(&backend);
    for _ in 0..3 {
        let mut client = Client::connect(thrust.port());
        client.send("GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n");
        let response = client.response();
        assert!(response.has_token("connection", "close"));
        assert!(!response.text().to_lowercase().contains("connection: close"), "{}", response.text());
        client.expect_closed();
    }
}

#[test]
fn headers_that_an_application_takes_for_our_own_word_stay_here() {
    let request = forwarded(concat!(
        "GET / HTTP/1.1\r\nHost: app.test\r\nProxy: http://evil.test\r\nForwarded: for=1.2.3.4\r\n",
        "X-Sendfile-Type: X-Accel-Redirect\r\nX-Accel-Mapping: /=/\r\nX-Accel-Redirect: /etc/passwd\r\n",
        "X_Sendfile_Type: X-Sendfile\r\nX-Sendfile_Type: X-Sendfile\r\nX_Accel_Mapping: /=/\r\n",
        "X_Forwarded_For: 9.9.9.9\r\nX_Forwarded-Proto: https\r\nX_Real_IP: 9.9.9.9\r\nClient_IP: 9.9.9.9\r\n",
        "X-Kept: 1\r\n\r\n",
    ));
    for (name, value) in &request.headers {
        let name = name.to_lowercase().replace('_', "-");
        let ours = !matches!(&*name, "proxy" | "forwarded" | "client-ip");
        assert!(ours && !name.starts_with("x-accel-"), "{name}: {value}");
        // Our own word, not the client's.
        assert!(name != "x-sendfile-type" || value == "X-Sendfile", "{value}");
        assert!(!value.contains("9.9.9.9"), "{name}: {value}");
    }
    assert_eq!(request.header("x-forwarded-proto"), Some("http"));
    assert_eq!(request.header("x-kept"), Some("1"));
}

#[test]
fn an_http_1_0_client_s_connection_is_closed_after_the_response() {
    let backend = Backend::echo_request();
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    let response = client.send("GET /old HTTP/1.0\r\n\r\n").response();
    assert_eq!(response.status, 200);
    assert!(response.header("transfer-encoding").is_none());
    client.expect_closed();
    let request = &backend.requests()[0];
    assert_eq!(request.start_line(), "GET /old HTTP/1.1");
    let ours = format!("127.0.0.1:{}", thrust.port());
    assert_eq!(request.header("host"), Some(ours.as_str()), "no host was asked for: ours is the best guess");
}

#[test]
fn an_http_1_0_client_may_keep_its_connection() {
    let backend = Backend::echo_request();
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nHost: app.test\r\nConnection: keep-alive\r\n\r\n");
        let response = client.response();
        assert_eq!(response.status, 200);
        assert!(response.has_token("connection", "keep-alive"), "{:?}", response.headers);
    }
    assert_eq!(backend.requests()[1].header("host"), Some("app.test"));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::echo_request();
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    let request = |number: usize| match number % 3 {
        0 => format!("GET /{number} HTTP/1.1\r\nHost: app.test\r\n\r\n"),
        1 => format!("POST /{number} HTTP/1.1\r\nHost: app.test\r\nContent-Length: 4\r\n\r\nbody"),
        _ => format!(
            "POST /{number} HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
        ),
    };
    client.send((0..30).map(request).collect::<String>());
    for number in 0..30 {
        let text = client.response().text();
        assert!(text.contains(&format!(" /{number} HTTP/1.1")), "{number}: {text}");
        assert_eq!(text.ends_with("\r\n\r\nbody"), number % 3 > 0, "{number}: {text}");
    }
}

/// The request as the worker gets it.
#[track_caller]
fn forwarded(request: &str) -> Message {
    let backend = Backend::respond("HTTP/1.1 204 No Content\r\n\r\n");
    let thrust = Thrust::in_front_of(&backend);
    assert_eq!(Client::connect(thrust.port()).send(request).response().status, 204, "{request}");
    backend.requests().pop().unwrap()
}

/// The response as the client gets it.
#[track_caller]
fn answered(response: &str) -> Message {
    let backend = Backend::respond(response);
    let thrust = Thrust::in_front_of(&backend);
    Client::connect(thrust.port()).get("/").message
}

/// The names of the header fields, each where it first occurs.
fn names(message: &Message) -> Vec<String> {
    let mut names = Vec::new();
    for (name, _) in &message.headers {
        let name = name.to_lowercase();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
