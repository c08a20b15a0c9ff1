//! HTTP/2 by prior knowledge: requests and responses.

use crate::support::{
    Backend, Client, Coding, Latch, Thrust, backend,
    http2::{Http2, PREFACE, Raw, SETTINGS, frame, request},
    thrust::Builder,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use std::process::Command;

fn with_h2c(backend: &Backend) -> Builder {
    Thrust::builder().upstream(backend.url()).env("THRUST_H2C", "1")
}

#[test]
fn a_request_reaches_the_worker_as_one_of_http_1() {
    let backend = Backend::mirror("Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nX-Kept: 1");
    let thrust = with_h2c(&backend).start();
    let mut client = Http2::connect(thrust.port());
    let mut asked = request(Method::GET, "/a?b=%20");
    for crumb in ["a=b", "c=d"] {
        asked.headers_mut().append("cookie", HeaderValue::from_static(crumb));
    }
    asked.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    let response = client.ask(asked);
    assert_eq!((response.status, response.header("x-kept")), (200, Some("1")));
    for name in ["connection", "keep-alive", "transfer-encoding"] {
        assert_eq!(response.header(name), None);
    }
    let worker = &backend.requests()[0];
    assert_eq!(worker.start_line(), "GET /a?b=%20 HTTP/1.1");
    assert_eq!(worker.all("host"), ["app.test"]);
    assert_eq!(worker.all("cookie"), ["a=b; c=d"]);
    assert_eq!(worker.header("x-forwarded-proto"), Some("http"));
    assert_eq!(worker.header("te"), Some("trailers"));
    let record = thrust.await_log(|record| record["path"] == "/a");
    assert_eq!((&record["status"], &record["proto"]), (&200.into(), &"HTTP/2.0".into()), "{record}");
}

#[test]
fn http_1_is_served_beside_it_and_not_held_up() {
    let backend = Backend::echo_request();
    let thrust = with_h2c(&backend).start();
    for method in ["GET", "POST", "PUT", "PROPFIND"] {
        let mut client = Client::connect(thrust.port());
        for piece in [&method[..1], &method[1..], " / HT", "TP/1.1\r\nHost: a\r\n\r\n"] {
            client.send(piece);
        }
        assert_eq!(client.response().status, 200, "{method}");
    }
    // As much as is the same, and then not.
    for text in ["PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "PRI / HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let response = Client::connect(thrust.port()).send(text).response();
        assert!([200, 505].contains(&response.status), "{text:?}: {}", response.status);
    }
    let mut raw = Raw::silent(thrust.port());
    for byte in PREFACE {
        raw.send([*byte]);
    }
    raw.send(frame(SETTINGS, 0, 0, &[]));
    assert_eq!(raw.next().unwrap().kind, SETTINGS);
}

#[test]
fn without_the_setting_there_is_none() {
    let backend = Backend::respond(backend::ok("", "x"));
    let thrust = Thrust::in_front_of(&backend);
    assert_eq!(Client::connect(thrust.port()).send(PREFACE).response().status, 505);
}

#[test]
fn bodies_and_trailers_go_both_ways() {
    let backend = Backend::start(|connection| {
        while let Some(request) = connection.request() {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            connection.send(format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n{:x}\r\n{body}\r\n0\r\nX-Sum: 7\r\nConnection: x\r\n\r\n",
                body.len()
            ));
        }
    });
    let thrust = with_h2c(&backend).start();
    let mut client = Http2::connect(thrust.port());
    let mut asked = request(Method::POST, "/");
    asked.headers_mut().insert("trailer", HeaderValue::from_static("x-sent"));
    asked.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    let (response, mut body) = client.begin(asked, false);
    body.send_data(Bytes::from_static(b"first"), false).unwrap();
    body.send_data(Bytes::from_static(b"-last"), false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sent", HeaderValue::from_static("9"));
    body.send_trailers(trailers).unwrap();
    let response = client.finish(response).unwrap();
    assert_eq!(response.text(), "first-last");
    assert_eq!(response.trailers.len(), 1, "{:?}", response.trailers);
    assert_eq!(response.trailers["x-sum"], "7");
    let request = &backend.requests()[0];
    assert_eq!(request.trailers, [("x-sent".to_owned(), "9".to_owned())]);
}

#[test]
fn responses_without_a_body_have_none() {
    let backend = Backend::answer(|request| {
        let status = if request.target() == "/none" { "204 No Content" } else { "200 OK" };
        let length = if request.target() == "/none" { "" } else { "Content-Length: 5\r\n" };
        let body = if request.start_line().starts_with("GET /some") { "12345" } else { "" };
        format!("HTTP/1.1 {status}\r\n{length}\r\n{body}").into_bytes()
    });
    let thrust = with_h2c(&backend).start();
    let mut client = Http2::connect(thrust.port());
    let whole = client.get("/some");
    assert_eq!((whole.text().as_str(), whole.header("content-length")), ("12345", Some("5")));
    let head = client.ask(request(Method::HEAD, "/some"));
    assert_eq!((head.status, head.text().as_str(), head.header("content-length")), (200, "", Some("5")));
    let none = client.get("/none");
    assert_eq!((none.status, none.text().as_str(), none.header("content-length")), (204, "", None));
    // Our own response has a body, but not to this.
    let refused = client.ask(request(Method::HEAD, "/%\u{5c}"));
    assert_eq!((refused.status, refused.text().as_str()), (400, ""));
}

#[test]
fn many_requests_are_answered_at_the_same_time_and_in_any_order() {
    let latch = Latch::new();
    let gate = latch.clone();
    let backend = Backend::start(move |connection| {
        while let Some(request) = connection.request() {
            if request.target() == "/first" {
                gate.wait();
            }
            connection.respond_with(request.target());
        }
    });
    let thrust = with_h2c(&backend).start();
    let mut client = Http2::connect(thrust.port());
    let (first, _) = client.begin(request(Method::GET, "/first"), true);
    let others: Vec<_> =
        (0..100).map(|index| client.begin(request(Method::GET, &format!("/{index}")), true).0).collect();
    for (index, other) in others.into_iter().enumerate() {
        assert_eq!(client.finish(other).unwrap().text(), format!("/{index}"));
    }
    latch.open();
    assert_eq!(client.finish(first).unwrap().text(), "/first");
}

#[test]
fn large_bodies_pass_whole_through_small_windows() {
    let large: Vec<u8> = (0..5_000_000).map(|index| (index % 251) as u8).collect();
    let backend = Backend::start(|connection| {
        while let Some(request) = connection.request() {
            connection.respond_with(request.body);
        }
    });
    let thrust = with_h2c(&backend).start();
    // Each window is a turn both ways.
    for (window, length) in [(1 << 10, 500_000), (65_535, large.len()), (1 << 24, large.len())] {
        let mut client = Http2::connect_with(thrust.port(), window);
        let (response, mut body) = client.begin(request(Method::PUT, "/"), false);
        body.send_data(Bytes::copy_from_slice(&large[..length]), true).unwrap();
        assert!(client.finish(response).unwrap().body == large[..length], "{window}");
    }
}

#[test]
fn what_is_cached_and_encoded_is_so_for_all() {
    let page = "a page ".repeat(1000);
    let backend =
        Backend::respond(backend::ok("Cache-Control: public, max-age=60\r\nContent-Type: text/html", &page));
    let thrust = with_h2c(&backend).start();
    assert_eq!(Client::connect(thrust.port()).get("/").text(), page);
    let mut client = Http2::connect(thrust.port());
    assert_eq!(client.get("/").header("x-cache"), Some("hit"));
    let mut asked = request(Method::GET, "/");
    asked.headers_mut().insert("accept-encoding", HeaderValue::from_static("gzip"));
    let encoded = client.ask(asked);
    assert_eq!(encoded.header("content-encoding"), Some("gzip"));
    assert!(Coding::Gzip.decode(&encoded.body).content == page.as_bytes());
    assert_eq!(backend.requests().len(), 1);
}

#[test]
fn other_clients_understand_it() {
    let backend = Backend::respond(backend::ok("Content-Type: text/plain", "hello"));
    let thrust = with_h2c(&backend).start();
    let url = format!("http://127.0.0.1:{}/", thrust.port());
    let output = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).arg(&url).output().unwrap();
        assert!(output.status.success(), "{program}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let curl = output("curl", &["-si", "--max-time", "20", "--http2-prior-knowledge"]);
    assert!(curl.starts_with("HTTP/2 200") && curl.ends_with("\r\n\r\nhello"), "{curl}");
    let expecting =
        ["-s", "--max-time", "20", "--http2-prior-knowledge", "-H", "Expect: 100-continue", "-d", "x"];
    assert_eq!(output("curl", &expecting), "hello");
    assert!(output("nghttp", &["-v", "-d", "Cargo.toml", "-t", "20"]).contains(":status: 200"));
    let load = output("h2load", &["-n", "2000", "-c", "4", "-m", "32"]);
    assert!(load.contains("2000 succeeded, 0 failed"), "{load}");
}
