//! What is refused over HTTP/1 is refused over HTTP/2, and what HTTP/2 itself calls malformed.

use crate::support::{
    Backend, Thrust,
    http2::{
        DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, Http2, RST_STREAM, Raw, frame, head, head_of, request,
    },
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};

const PROTOCOL_ERROR: [u8; 4] = [0, 0, 0, 1];

fn in_front_of(backend: &Backend) -> Thrust {
    Thrust::builder().upstream(backend.url()).env("THRUST_H2C", "1").start()
}

#[test]
fn requests_that_could_be_read_in_two_ways_are_refused_and_logged() {
    let backend = Backend::echo_request();
    let thrust = in_front_of(&backend);
    let mut client = Http2::connect(thrust.port());
    let long = format!("/{}", "a".repeat(17_000));
    let large = "x".repeat(30_000);
    for (path, fields, status) in [
        ("/host", &[("host", "other.test")][..], 400),
        ("/hosts", &[("host", "app.test"), ("host", "app.test")], 400),
        ("/length", &[("content_length", "5")], 400),
        ("/coding", &[("transfer_encoding", "chunked")], 400),
        ("/types", &[("content-type", "a/b"), ("content-type", "c/d")], 400),
        ("/space", &[("x", "y ")], 400),
        ("/latin", &[("x", "\u{e9}")], 400),
        ("/expect", &[("expect", "more")], 417),
        ("/a\\b", &[], 400),
        (&long, &[], 414),
        ("/large", &[("x", &large), ("y", &large), ("z", &large[..6000])], 431),
        ("/fields", &[("x", "y"); 101], 431),
    ] {
        let mut asked = request(Method::GET, path);
        for (name, value) in fields {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            asked.headers_mut().append(HeaderName::from_static(name), value);
        }
        let response = client.ask(asked);
        assert_eq!(response.status, status, "{path:.20} {:.60}", response.text());
        assert_eq!(response.header("connection"), None);
        let target = path.split('?').next().unwrap();
        thrust.await_log(|record| record["path"] == target && record["status"] == status);
    }
    for (method, status) in [("TRACE", 405), ("get", 400)] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(client.ask(request(method, "/method")).status, status);
    }
    assert_eq!(backend.requests().len(), 0);
    assert_eq!(client.get("/sound").status, 200, "the connection goes on");
}

#[test]
fn a_plain_connect_is_not_for_us() {
    let backend = Backend::echo_request();
    let thrust = in_front_of(&backend);
    let mut client = Http2::connect(thrust.port());
    let asked = http::Request::connect("app.test:443").body(()).unwrap();
    let (response, _body) = client.begin(asked, false);
    assert_eq!(client.finish(response).unwrap().status, 405);
}

#[test]
fn what_is_malformed_resets_its_stream_alone() {
    let backend = Backend::echo_request();
    let thrust = in_front_of(&backend);
    for fields in [
        &[("connection", "close")][..],
        &[("transfer-encoding", "chunked")],
        &[("upgrade", "websocket")],
        &[("keep-alive", "1")],
        &[("proxy-connection", "close")],
        &[("te", "gzip")],
        &[("te", "trailers, gzip")],
        &[(":path", "/other")],
        &[("x", "y"), (":authority", "b")],
        &[(":status", "200")],
        &[("content-length", "5")],
        &[("content-length", "x")],
    ] {
        let mut raw = Raw::connect(thrust.port());
        raw.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, &head("GET", "/bad", fields)));
        let reset = raw.await_frame(RST_STREAM);
        assert_eq!((reset.stream, &reset.payload[..]), (1, &PROTOCOL_ERROR[..]), "{fields:?}");
        raw.get(3, "/good");
        assert_eq!(raw.await_frame(HEADERS).stream, 3, "{fields:?}");
    }
    assert!(backend.requests().iter().all(|request| request.target() == "/good"));
}

#[test]
fn nothing_makes_two_requests_of_one() {
    const NEXT: &str = "x\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: app.test";
    let backend = Backend::echo_request();
    let thrust = in_front_of(&backend);
    let ending = |end: &str| format!("x{end}x-injected: 1");
    let mut pairs = vec![
        ("x".to_owned(), NEXT.to_owned()),
        (NEXT.to_owned(), "y".to_owned()),
        ("transfer-encoding".to_owned(), "chunked".to_owned()),
        ("te".to_owned(), "trailers\r\ntransfer-encoding: chunked".to_owned()),
    ];
    for end in ["\r\n", "\n", "\r", "\0", "\r\n "] {
        pairs.extend([("x".to_owned(), ending(end)), (ending(end), "y".to_owned())]);
    }
    for name in ["", " ", "x y", "x:", ":", "x\t", "x\u{e9}"] {
        pairs.push((name.to_owned(), "y".to_owned()));
    }
    for (name, value) in &pairs {
        assert_refused(&thrust, &head("GET", "/bad", &[(name, value)]));
    }
    for text in [NEXT, "GET\r\nx: y", "GET /bad HTTP/1.1\r\nx: y", " ", "G T", ""] {
        assert_refused(&thrust, &head(text, "/bad", &[]));
    }
    for text in
        [NEXT, "/bad HTTP/1.1\r\nx: y", "/bad y", "/bad\ty", "/bad\0", "bad", "http://other.test/bad", ""]
    {
        assert_refused(&thrust, &head("GET", text, &[]));
    }
    for text in [
        NEXT,
        "app.test\r\nx: y",
        "user@app.test",
        "app.test/bad",
        "app.test,b",
        "app.test y",
        "app.test:",
        "app.test:y",
        "",
    ] {
        assert_refused(&thrust, &head_of("GET", "http", text, "/bad", &[]));
    }
    for text in ["ftp", "http\r\nx: y", "http://other.test/", ""] {
        assert_refused(&thrust, &head_of("GET", text, "app.test", "/bad", &[]));
    }
    let requests = backend.requests();
    assert!(requests.iter().all(|request| request.target() == "/good"), "{requests:#?}");
}

/// The request is refused, by a reset or by a 400; the next one is answered, if it is not too late for one.
#[track_caller]
fn assert_refused(thrust: &Thrust, block: &[u8]) {
    let mut raw = Raw::connect(thrust.port());
    raw.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, block));
    let refused = raw.next_of(&[RST_STREAM, GOAWAY, HEADERS]);
    // The first field of a response is its status: 400 is entry 12 of the static table.
    let is_refusal = refused.kind != HEADERS || refused.payload[0] == 0x8c;
    assert!(is_refusal, "{:?}: {refused:?}", String::from_utf8_lossy(block));
    if refused.kind != GOAWAY {
        raw.get(3, "/good");
        assert_eq!(raw.await_frame(HEADERS).stream, 3);
    }
}

#[test]
fn names_in_capitals_are_malformed() {
    let backend = Backend::echo_request();
    let thrust = in_front_of(&backend);
    let mut raw = Raw::connect(thrust.port());
    raw.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, &head("GET", "/", &[("X-Y", "z")])));
    let refused = raw.next_of(&[RST_STREAM, GOAWAY]);
    assert!(refused.payload.ends_with(&PROTOCOL_ERROR) || refused.kind == GOAWAY, "{refused:?}");
    assert_eq!(backend.requests().len(), 0);
}

#[test]
fn a_body_of_another_length_than_announced_reaches_no_worker_whole() {
    for (sent, ends) in [(4, true), (6, true), (6, false)] {
        let backend = Backend::echo_request();
        let thrust = in_front_of(&backend);
        let mut raw = Raw::connect(thrust.port());
        raw.send(frame(HEADERS, END_HEADERS, 1, &head("POST", "/", &[("content-length", "5")])));
        raw.send(frame(DATA, if ends { END_STREAM } else { 0 }, 1, &vec![b'x'; sent]));
        let reset = raw.await_frame(RST_STREAM);
        assert_eq!((reset.stream, &reset.payload[..]), (1, &PROTOCOL_ERROR[..]), "{sent}");
        assert_eq!(backend.requests().len(), 0, "{sent}");
    }
}

#[test]
fn a_body_that_is_too_large_is_refused_and_the_connection_goes_on() {
    let backend = Backend::echo_request();
    let thrust = Thrust::builder()
        .upstream(backend.url())
        .env("THRUST_H2C", "1")
        .env("THRUST_MAX_REQUEST_BODY", "1000")
        .start();
    let mut client = Http2::connect(thrust.port());
    let (response, mut body) = client.begin(request(Method::POST, "/"), false);
    body.send_data(Bytes::from(vec![b'x'; 2000]), false).unwrap();
    assert_eq!(client.finish(response).unwrap().status, 413);
    assert_eq!(client.get("/next").status, 200);
}
