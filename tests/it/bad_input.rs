//! Malformed requests: answered by us, with a status that says what is wrong, and harming nobody.

use crate::support::{Backend, Client, Thrust};

#[test]
fn a_malformed_head_gets_an_answer_and_reaches_no_worker() {
    refused(&[
        ("no Host", 400, "GET / HTTP/1.1\r\n\r\n"),
        ("two Hosts", 400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        ("the same Host twice", 400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        ("an empty Host", 400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
        ("a Host with user information", 400, "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n"),
        ("a Host with a path", 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        ("a Host with a space", 400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
        ("a Host with a bad port", 400, "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n"),
        ("a Host list", 400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
        ("a bad Host in HTTP/1.0", 400, "GET / HTTP/1.0\r\nHost: a/b\r\n\r\n"),
        ("a folded line", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n"),
        ("a folded first line", 400, "GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n"),
        ("a bare CR in a value", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n"),
        ("a bare CR in the request line", 400, "GET /\rx HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("bare LF as line end", 400, "GET / HTTP/1.1\nHost: a\n\n"),
        ("bare LF at the end", 400, "GET / HTTP/1.1\r\nHost: a\r\n\n"),
        ("a NUL in a value", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n"),
        ("a NUL in a name", 400, "GET / HTTP/1.1\r\nHost: a\r\nX\0: y\r\n\r\n"),
        ("a NUL in the target", 400, "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a control character", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: \x07\r\n\r\n"),
        ("DEL in a value", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n"),
        ("non-ASCII in a value", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: é\r\n\r\n"),
        ("non-ASCII in a name", 400, "GET / HTTP/1.1\r\nHost: a\r\né: x\r\n\r\n"),
        ("non-ASCII in the target", 400, "GET /é HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("non-ASCII in the Host", 400, "GET / HTTP/1.1\r\nHost: é\r\n\r\n"),
        ("a space before the colon", 400, "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n"),
        ("no colon", 400, "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"),
        ("no name", 400, "GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n"),
        ("a bracket in a name", 400, "GET / HTTP/1.1\r\nHost: a\r\nX[1]: y\r\n\r\n"),
        ("two spaces", 400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a space at the line's end", 400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
        ("a tab", 400, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a leading space", 400, " GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a space in the target", 400, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a fragment", 400, "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a relative target", 400, "GET index.html HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("an asterisk for GET", 400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a target of another scheme", 400, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a target with user information", 400, "GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a lower-case method", 400, "get / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a method with a bracket", 400, "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a proxy's method", 405, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
        ("a method that shows headers", 405, "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ]);
}

#[test]
fn other_protocols_are_told_so() {
    refused(&[
        ("HTTP/0.9", 400, "GET /\r\n"),
        ("HTTP/0.9 with its version", 505, "GET / HTTP/0.9\r\nHost: a\r\n\r\n"),
        ("HTTP/1.2", 505, "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
        ("HTTP/2.0 by its version", 505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
        ("HTTP/3.0", 505, "GET / HTTP/3.0\r\nHost: a\r\n\r\n"),
        ("the preface of HTTP/2", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("a version in lower case", 400, "GET / http/1.1\r\nHost: a\r\n\r\n"),
        ("a version with two digits", 400, "GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
        ("no version", 400, "GET / HTTP\r\nHost: a\r\n\r\n"),
        ("TLS", 400, "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03"),
        ("SSH", 400, "SSH-2.0-OpenSSH_9.2\r\n"),
        ("binary", 400, "\0\x01\x02\x03"),
    ]);
}

#[test]
fn what_is_too_long_is_told_so() {
    let long = "a".repeat(20_000);
    let head = "GET / HTTP/1.1\r\nHost: a\r\n";
    refused(&[
        ("target", 414, &format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n")),
        ("target without an end", 414, &format!("GET /{long}")),
        ("field", 431, &format!("{head}X: {}\r\n\r\n", long.repeat(4))),
        ("fields together", 431, &format!("{head}{}\r\n", format!("X: {long}\r\n").repeat(4))),
        ("field without an end", 431, &format!("{head}X: {}", long.repeat(4))),
        ("list of fields", 431, &format!("{head}{}\r\n", "X: y\r\n".repeat(101))),
        ("method", 400, &format!("{long} / HTTP/1.1\r\nHost: a\r\n\r\n")),
    ]);
}

#[test]
fn what_is_just_short_enough_is_served() {
    let backend = Backend::echo_request();
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    for (path, fields) in [
        (format!("/{}", "a".repeat(16_000)), String::new()),
        ("/".to_owned(), format!("Cookie: {}\r\n", "c".repeat(60_000))),
        ("/".to_owned(), "X: y\r\n".repeat(99)),
    ] {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        let response = client.response();
        assert_eq!(response.status, 200, "{}", response.text());
        assert!(response.text().contains(&path));
    }
}

#[test]
fn a_transfer_coding_that_nobody_knows_is_501() {
    refused(&[
        ("gzip", 501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
        ("gzip in chunks", 501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
        ("chunks in gzip", 400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n"),
    ]);
}

#[test]
fn empty_lines_before_a_request_are_passed_over_once() {
    let backend = Backend::echo_request();
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    for _ in 0..2 {
        assert_eq!(client.send("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").response().status, 200);
    }
}

#[test]
fn good_requests_before_a_bad_one_are_answered_first() {
    let backend = Backend::echo_request();
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    client.send(concat!(
        "GET /one HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /two HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
        "GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /after HTTP/1.1\r\nHost: a\r\n\r\n",
    ));
    assert!(client.response().text().starts_with("GET /one "));
    assert!(client.response().text().starts_with("POST /two "));
    assert_eq!(client.response().status, 400);
    client.expect_closed();
    assert_eq!(backend.requests().len(), 2, "nothing behind the bad one is served");
}

#[test]
fn the_answer_arrives_although_the_client_goes_on_sending() {
    let backend = Backend::echo_request();
    let thrust = Thrust::in_front_of(&backend);
    for _ in 0..10 {
        let mut client = Client::connect(thrust.port());
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\nContent-Length: 1\r\n\r\n");
        for _ in 0..10 {
            let _ = client.try_send(vec![b'x'; 10_000]);
        }
        let response = client.response();
        assert_eq!(response.status, 400);
        assert!(response.has_token("connection", "close"));
    }
    assert_eq!(backend.requests().len(), 0);
}

#[test]
fn a_refused_request_is_logged_with_its_reason() {
    let backend = Backend::echo_request();
    let thrust = Thrust::in_front_of(&backend);
    Client::connect(thrust.port()).send("GET /bad?q=1 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").response();
    let record = thrust.await_log(|record| record["path"] == "/bad");
    assert_eq!((&record["status"], &record["method"]), (&400.into(), &"GET".into()), "{record}");
    assert_eq!(record["query"], "q=1");
    assert_eq!(record["reason"], "more than one Host");
}

#[test]
fn a_body_that_turns_out_malformed_breaks_off_the_worker_s_request() {
    let backend = Backend::start(|connection| {
        if let Some(mut request) = connection.head() {
            connection.record(&request);
            let whole = connection.body(&mut request).is_ok();
            connection.record(&request);
            assert!(!whole, "the worker took it for whole");
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    backend.await_requests(1);
    client.send("nonsense\r\n");
    let answer = client.read_to_end();
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 400 "),
        "{:?}",
        String::from_utf8_lossy(&answer)
    );
    assert_eq!(backend.await_requests(2)[1].text(), "hello");
    thrust.await_log(|record| record["reason"] == "malformed request body");
}

#[test]
fn a_body_that_is_too_large_by_its_length_is_refused_before_the_worker_is_asked() {
    let (backend, thrust) = limited_to("1KB");
    for expect in ["", "Expect: 100-continue\r\n"] {
        let mut client = Client::connect(thrust.port());
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{expect}Content-Length: 1025\r\n\r\n"));
        let response = client.response();
        assert_eq!(response.status, 413);
        client.expect_closed();
    }
    assert_eq!(backend.requests().len(), 0);
    let mut client = Client::connect(thrust.port());
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1024\r\n\r\n{}", "x".repeat(1024)));
    assert_eq!(client.response().status, 200, "exactly as much is allowed");
}

#[test]
fn a_body_in_chunks_is_refused_as_soon_as_it_is_too_large() {
    let (backend, thrust) = limited_to("1KB");
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("200\r\n{}\r\n", "x".repeat(512));
    let mut client = Client::connect(thrust.port());
    client.send(format!("{head}{chunk}{chunk}"));
    assert!(client.is_silent_for(std::time::Duration::from_millis(50)), "so much is allowed");
    client.send("1\r\nx\r\n");
    assert_eq!(client.response().status, 413, "although the body goes on");
    client.expect_closed();
    assert_eq!(backend.requests().len(), 0, "the worker never got it whole");

    let mut client = Client::connect(thrust.port());
    assert_eq!(client.send(format!("{head}{chunk}{chunk}0\r\n\r\n")).response().status, 200);
}

/// Sends each request on a connection of its own, and expects that status, a closed connection, and an idle worker.
#[track_caller]
fn refused(table: &[(&str, u16, &str)]) {
    let backend = Backend::echo_request();
    let thrust = Thrust::in_front_of(&backend);
    for (what, status, request) in table {
        let mut client = Client::connect(thrust.port());
        let _ = client.try_send(request);
        let response = client.try_response().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(response.status, *status, "{what}: {}", response.text());
        assert!(response.has_token("connection", "close"), "{what}: {:?}", response.headers);
        assert_eq!(String::from_utf8_lossy(&client.read_to_end()), "", "{what}");
    }
    assert_eq!(backend.requests().len(), 0);
}

fn limited_to(size: &str) -> (Backend, Thrust) {
    let backend = Backend::echo_request();
    let thrust = Thrust::builder().upstream(backend.url()).env("THRUST_MAX_REQUEST_BODY", size).start();
    (backend, thrust)
}
