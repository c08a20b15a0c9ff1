//! Attempts to make thrust and the worker disagree on where a request ends. The worker must never see the hidden one.

use crate::support::{Backend, Client, Thrust};
use std::time::Duration;

const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: app.test\r\n\r\n";

/// What is refused: the worker sees nothing at all of it.
#[test]
fn ambiguous_framing_reaches_no_worker() {
    for (attack, headers, body) in [
        ("CL.TE", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n"),
        ("CL.CL", "Content-Length: 0\r\nContent-Length: 44\r\n", ""),
        ("CL.CL the same", "Content-Length: 0\r\nContent-Length: 0\r\n", ""),
        ("CL list", "Content-Length: 0, 0\r\n", ""),
        ("CL with a sign", "Content-Length: +0\r\n", ""),
        ("CL with a leading zero", "Content-Length: 00\r\n", ""),
        ("CL in hexadecimal", "Content-Length: 0x0\r\n", ""),
        ("CL with a space before the colon", "Content-Length : 44\r\n", ""),
        ("CL too large", "Content-Length: 18446744073709551616\r\n", ""),
        ("TE.TE", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
        ("TE twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("TE unknown", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        ("TE identity", "Transfer-Encoding: identity\r\n", ""),
        ("TE list", "Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n"),
        ("TE quoted", "Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"),
        ("TE with vertical tab", "Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"),
        ("TE with NUL", "Transfer-Encoding: chunked\0\r\n", "0\r\n\r\n"),
        ("TE with a space before the colon", "Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
        ("TE folded", "Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"),
        ("TE behind a folded line", "X: y\r\n Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("TE behind a bare CR", "X: y\rTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("TE behind a bare LF", "X: y\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("TE with underscore", "Content-Length: 0\r\nTransfer_Encoding: chunked\r\n", "0\r\n\r\n"),
        ("CL with underscore", "Content_Length: 44\r\n", ""),
        ("CL empty", "Content-Length:\r\n", ""),
        ("TE empty", "Transfer-Encoding:\r\n", ""),
    ] {
        let backend = Backend::echo_request();
        let thrust = Thrust::in_front_of(&backend);
        let mut client = Client::connect(thrust.port());
        client.send(format!("POST / HTTP/1.1\r\nHost: app.test\r\n{headers}\r\n{body}{HIDDEN}"));
        let response = client.response();
        assert!(matches!(response.status, 400 | 501), "{attack}: {}", response.status);
        client.expect_closed();
        assert_eq!(seen(&backend), [""; 0], "{attack}");
    }
}

#[test]
fn transfer_encoding_in_http_1_0_reaches_no_worker() {
    let backend = Backend::echo_request();
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    client.send(format!(
        "POST / HTTP/1.0\r\nHost: app.test\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}"
    ));
    assert_eq!(client.response().status, 400);
    client.expect_closed();
    assert_eq!(seen(&backend), [""; 0]);
}

/// Chunks that two parsers could read in two ways: the worker may see the request begin, never another one.
#[test]
fn malformed_chunks_hide_no_request() {
    for (attack, body) in [
        ("size with a sign", "+0\r\n\r\n"),
        ("size with a prefix", "0x0\r\n\r\n"),
        ("size with a space", "0 \r\n\r\n"),
        ("size that overflows", "10000000000000000\r\n\r\n"),
        ("size with an underscore", "0_0\r\n\r\n"),
        ("empty size", "\r\n\r\n"),
        ("size ends in LF", "0\n\r\n"),
        ("size ends in CR", "0\r\r\n"),
        ("extension ends in LF", "2;\nxx\r\n0\r\n\r\n"),
        ("extension with a bare CR", "2;a\rb\r\nxx\r\n0\r\n\r\n"),
        ("extension with a NUL", "2;a\0\r\nxx\r\n0\r\n\r\n"),
        ("data ends in LF", "2\r\nxx\n0\r\n\r\n"),
        ("data longer than its size", "2\r\nxxxx\r\n0\r\n\r\n"),
        ("data without line end", "2\r\nxx0\r\n\r\n"),
        ("last chunk ends in LF", "0\r\n\n"),
        ("trailer with a space", "0\r\nX : y\r\n\r\n"),
        ("trailer folded", "0\r\nX: y\r\n z\r\n\r\n"),
        ("trailer without colon", "0\r\nX\r\n\r\n"),
    ] {
        let backend = Backend::echo_request();
        let thrust = Thrust::in_front_of(&backend);
        let mut client = Client::connect(thrust.port());
        let head = "POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.send(format!("{head}{body}{HIDDEN}"));
        let answer = client.read_to_end();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{attack}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), answer.len().min(1), "{attack}: {answer}");
        assert_eq!(seen(&backend), [""; 0], "{attack}: no complete request");
    }
}

#[test]
fn a_request_in_the_body_of_a_get_stays_a_body() {
    let backend = Backend::echo_request();
    let thrust = Thrust::in_front_of(&backend);
    for framed in [
        format!("Content-Length: {}\r\n\r\n{HIDDEN}", HIDDEN.len()),
        format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", HIDDEN.len()),
    ] {
        for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
            let mut client = Client::connect(thrust.port());
            client.send(format!("{method} / HTTP/1.1\r\nHost: app.test\r\n{framed}"));
            assert_eq!(client.response_to(method).status, 200);
            assert_eq!(backend.requests().pop().unwrap().text(), HIDDEN);
        }
    }
    assert_eq!(backend.requests().len(), 8);
    assert!(!seen(&backend).iter().any(|line| line.contains("hidden")));
}

#[test]
fn connection_cannot_remove_the_framing() {
    let backend = Backend::echo_request();
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: app.test\r\nConnection: Content-Length, Transfer-Encoding, Host\r\nContent-Length: {}\r\n\r\n{HIDDEN}",
        HIDDEN.len()
    ));
    assert_eq!(client.response().status, 200);
    assert_eq!(seen(&backend), ["POST / HTTP/1.1"]);
}

#[test]
fn the_body_of_a_refused_expectation_is_no_request() {
    let backend = Backend::start(|connection| {
        while let Some(request) = connection.head() {
            connection.record(&request);
            connection.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    for length in [HIDDEN.len(), 100_000] {
        let mut client = Client::connect(thrust.port());
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: app.test\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        ));
        assert_eq!(client.response().status, 403);
        let _ = client.try_send(HIDDEN);
        client.expect_closed();
    }
    assert_eq!(seen(&backend), ["POST / HTTP/1.1"; 2]);
}

#[test]
fn the_rest_of_a_body_that_was_answered_early_is_no_request() {
    let backend = Backend::start(|connection| {
        while let Some(request) = connection.head() {
            connection.record(&request);
            connection.respond_with("early");
            // The connection stays, and what comes is read: the rest of the body, or an attacker's request.
            if request.start_line().starts_with("POST") {
                connection.await_close();
            }
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 100000\r\n\r\nbegun");
    assert_eq!(client.response().text(), "early");
    // Longer than a connection keeps its buffers while it is idle.
    client.is_silent_for(Duration::from_millis(1500));
    let _ = client.try_send(HIDDEN);
    client.expect_closed();
    assert_eq!(seen(&backend), ["POST / HTTP/1.1"]);
}

#[test]
fn what_follows_a_declined_upgrade_is_checked_like_any_request() {
    let backend = Backend::start(|connection| {
        while let Some(request) = connection.request() {
            connection.send("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n");
            drop(request);
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    client.send(concat!(
        "GET /ws HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
        "Sec-WebSocket-Version: 777\r\n\r\n",
        "GET /hidden HTTP/1.1\r\nHost: a\r\nHost: b\r\nX-Forwarded_For: 9.9.9.9\r\n\r\n",
    ));
    assert_eq!(client.response().status, 426);
    assert_eq!(client.response().status, 400, "it is not tunnelled");
    client.expect_closed();
    assert_eq!(seen(&backend), ["GET /ws HTTP/1.1"]);
}

#[test]
fn a_response_that_poses_as_an_upgrade_nobody_asked_for_opens_no_tunnel() {
    let backend = Backend::start(|connection| {
        while let Some(request) = connection.head() {
            connection.record(&request);
            connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    assert_eq!(client.get("/").status, 502);
    assert_eq!(seen(&backend), ["GET / HTTP/1.1"]);
}

/// The request lines that the worker saw.
fn seen(backend: &Backend) -> Vec<String> {
    backend.requests().iter().map(|request| request.start_line()).collect()
}
