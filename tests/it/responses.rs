//! Every way in which a response's body may end, for every kind of client.

use crate::support::{Backend, Client, Response, Thrust, get, message::Framing};

const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n5;a=b\r\n, two\r\n0\r\n\r\n";
const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\none, two";
const CLOSE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\none, two";
const CLOSE_10: &str = "HTTP/1.0 200 OK\r\n\r\none, two";

#[test]
fn a_length_stays_a_length() {
    let (response, mut client, _thrust) = asked(LENGTH, "HTTP/1.1");
    assert_eq!(response.framing("GET"), Framing::Length(8));
    assert_eq!(response.text(), "one, two");
    assert_eq!(client.get("/").text(), "one, two");
}

#[test]
fn chunks_stay_chunks() {
    let (response, mut client, _thrust) = asked(CHUNKED, "HTTP/1.1");
    assert_eq!(response.framing("GET"), Framing::Chunked);
    assert_eq!(response.text(), "one, two");
    assert_eq!(client.get("/").text(), "one, two");
}

#[test]
fn a_length_that_chunks_override_is_not_passed_on() {
    for length in [3, 8, 100] {
        let both = CHUNKED.replace("\r\n\r\n3", &format!("\r\nContent-Length: {length}\r\n\r\n3"));
        let (response, mut client, _thrust) = asked(&both, "HTTP/1.1");
        assert_eq!(response.framing("GET"), Framing::Chunked, "{:?}", response.headers);
        assert_eq!(response.text(), "one, two");
        assert_eq!(client.get("/").text(), "one, two");
    }
}

#[test]
fn a_body_that_ends_with_the_worker_s_connection_becomes_chunks() {
    for worker in [CLOSE, CLOSE_10] {
        let (response, mut client, _thrust) = asked(worker, "HTTP/1.1");
        assert_eq!(response.framing("GET"), Framing::Chunked, "{:?}", response.headers);
        assert_eq!(response.text(), "one, two");
        assert_eq!(client.get("/").text(), "one, two", "the client's connection is kept");
    }
}

#[test]
fn an_http_1_0_client_gets_no_chunks() {
    for worker in [CHUNKED, CLOSE, CLOSE_10] {
        let (response, mut client, _thrust) = asked(worker, "HTTP/1.0");
        assert_eq!(response.framing("GET"), Framing::Close, "{:?}", response.headers);
        assert_eq!(response.text(), "one, two");
        client.expect_closed();
    }
}

#[test]
fn an_http_1_0_client_that_would_keep_its_connection_learns_the_end_of_chunks_by_its_close() {
    let backend = Backend::respond(CHUNKED);
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    client.send("GET / HTTP/1.0\r\nHost: app.test\r\nConnection: keep-alive\r\n\r\n");
    let response = client.response();
    assert_eq!((response.framing("GET"), response.text().as_str()), (Framing::Close, "one, two"));
    assert!(!response.has_token("connection", "keep-alive"), "{:?}", response.headers);
}

#[test]
fn a_response_without_a_body_leaves_the_connection_in_step() {
    for (worker, status) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200),
        ("HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n", 204),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204),
        ("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", 304),
        ("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 1234\r\n\r\n", 304),
        ("HTTP/1.1 303 See Other\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n", 303),
    ] {
        let backend = Backend::respond(worker);
        let thrust = Thrust::in_front_of(&backend);
        let mut client = Client::connect(thrust.port());
        let mut connections = 0;
        for number in 0..3 {
            let response = client.get("/");
            assert_eq!((response.status, response.text().as_str()), (status, ""), "{worker}");
            if status == 204 {
                assert_eq!(response.declared_framing(), None, "204 has no framing (RFC 9112 section 6.1)");
            }
            if number == 0 {
                connections = backend.connections();
            }
            assert_eq!(backend.connections(), connections, "the worker's connection is kept: {worker}");
        }
    }
}

#[test]
fn a_304_keeps_its_validators() {
    let (response, ..) = asked("HTTP/1.1 304 Not Modified\r\nETag: W/\"x\"\r\nVary: A\r\n\r\n", "HTTP/1.1");
    assert_eq!((response.header("etag"), response.header("vary")), (Some("W/\"x\""), Some("A")));
}

#[test]
fn the_answer_to_head_has_the_length_but_not_the_body() {
    for (worker, length) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", Some("1234")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", None),
        ("HTTP/1.1 200 OK\r\n\r\n", None),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n", Some("9")),
    ] {
        let backend = Backend::respond(worker);
        let thrust = Thrust::in_front_of(&backend);
        let mut client = Client::connect(thrust.port());
        for _ in 0..3 {
            let response = client.send("HEAD / HTTP/1.1\r\nHost: app.test\r\n\r\n").response_to("HEAD");
            assert_eq!(response.header("content-length"), length, "{worker}");
        }
        assert!(backend.requests().iter().all(|request| request.start_line() == "HEAD / HTTP/1.1"));
    }
}

#[test]
fn trailers_of_a_response_reach_a_client_that_wants_them() {
    let worker = concat!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, X-More\r\n\r\n",
        "3\r\none\r\n0\r\nX-Sum: abc\r\nX-More: 1\r\n\r\n",
    );
    let backend = Backend::respond(worker);
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    client.send("GET / HTTP/1.1\r\nHost: app.test\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
    let response = client.response();
    assert_eq!(response.text(), "one");
    let trailers = response.trailers.iter().map(|(name, value)| (name.to_lowercase(), value.clone()));
    let expected = [("x-sum", "abc"), ("x-more", "1")].map(|(name, value)| (name.into(), value.into()));
    assert_eq!(trailers.collect::<Vec<(String, String)>>(), expected);
    assert_eq!(backend.requests()[0].header("te"), Some("trailers"));

    let response = client.get("/");
    assert_eq!((response.text().as_str(), response.trailers.len()), ("one", 0), "nobody asked for trailers");
}

#[test]
fn trailers_end_a_response_like_any_other() {
    let backend = Backend::respond(format!("{}X-Sum: abc\r\n\r\n", CHUNKED.strip_suffix("\r\n").unwrap()));
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    for path in ["/one", "/two"] {
        client
            .send(format!("GET {path} HTTP/1.1\r\nHost: app.test\r\nTE: trailers\r\nConnection: TE\r\n\r\n"));
        assert_eq!(client.response().text(), "one, two");
        let record = thrust.await_log(|record| record["path"] == path);
        assert!(record.get("reason").is_none(), "{record}");
    }
    assert_eq!(backend.connections(), 1, "the worker's connection is kept");
}

#[test]
fn interim_responses_do_not_take_the_place_of_the_response() {
    let worker = concat!(
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    );
    let backend = Backend::respond(worker);
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    for _ in 0..2 {
        let mut response = client.send_get("/").head();
        while response.status < 200 {
            response = client.head();
        }
        client.body(&mut response).unwrap();
        assert_eq!((response.status, response.text().as_str()), (200, "ok"));
    }
}

#[test]
fn statuses_without_a_name_and_reasons_without_a_text_are_passed_on() {
    for (line, status) in
        [("HTTP/1.1 299 Own", 299), ("HTTP/1.1 200 ", 200), ("HTTP/1.1 200", 200), ("HTTP/1.1 599 X", 599)]
    {
        let backend = Backend::respond(format!("{line}\r\nContent-Length: 2\r\n\r\nok"));
        let thrust = Thrust::in_front_of(&backend);
        let response = get(thrust.port(), "/");
        assert_eq!((response.status, response.text().as_str()), (status, "ok"), "{line}");
    }
}

/// The response to a GET of that version, on a connection that is still there.
#[track_caller]
fn asked(worker: &str, version: &str) -> (Response, Client, (Thrust, Backend)) {
    let length = worker.contains("Content-Length") || worker.contains("chunked") || worker.contains("304");
    let backend = if length { Backend::respond(worker) } else { Backend::respond_and_close(worker) };
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    let response = client.send(format!("GET / {version}\r\nHost: app.test\r\n\r\n")).response();
    (response, client, (thrust, backend))
}
