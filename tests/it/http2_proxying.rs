//! What is left to a proxy between HTTP/2 and HTTP/1.1: framing, trailers, fields of one connection, ends that are none. Each
//! both by prior knowledge and over TLS.

use crate::support::{
    Backend, Coding, DEADLINE, Folder, Latch, Thrust, backend,
    certificate::write_pair,
    free_port,
    http2::{Http2, request},
};
use bytes::Bytes;
use h2::{Reason, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use std::{future::poll_fn, time::Duration};
use tokio::time::timeout;

/// How HTTP/2 begins.
#[derive(Debug, Clone, Copy)]
enum Way {
    PriorKnowledge,
    Tls,
}

const WAYS: [Way; 2] = [Way::PriorKnowledge, Way::Tls];

impl Way {
    /// A server in front of the backend, and a client.
    fn start(self, backend: &Backend) -> (Thrust, Http2) {
        let builder = Thrust::builder().upstream(backend.url());
        match self {
            Way::PriorKnowledge => {
                let thrust = builder.env("THRUST_H2C", "1").start();
                let client = Http2::connect(thrust.port());
                (thrust, client)
            }
            Way::Tls => {
                let (folder, port) = (Folder::new(), free_port());
                write_pair(&folder);
                let thrust = builder.tls(&folder, port).env("THRUST_HTTP2", "1").start();
                (thrust, Http2::connect_tls(port, &folder))
            }
        }
    }
}

/// A server for each way, both in front of the same backend.
fn both(backend: &Backend) -> [(Thrust, Http2); 2] {
    WAYS.map(|way| way.start(backend))
}

fn asking(method: Method, path: &str, fields: &[(&'static str, &'static str)]) -> Request<()> {
    let mut request = request(method, path);
    for (name, value) in fields {
        request.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    request
}

#[test]
fn fields_of_one_connection_stay_on_it() {
    let backend = Backend::mirror(concat!(
        "Connection: close, X-Named\r\nX-Named: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n",
        "Upgrade: h2c, websocket\r\nTE: trailers\r\nX-Kept: 1",
    ));
    for ((_thrust, mut client), scheme) in both(&backend).into_iter().zip(["http", "https"]) {
        let fields = [("te", "trailers"), ("cookie", "a=b"), ("cookie", "c=d"), ("x-sent", "1")];
        let response = client.ask(asking(Method::GET, "/", &fields));
        assert_eq!((response.status, response.header("x-kept")), (200, Some("1")));
        for name in ["connection", "x-named", "keep-alive", "proxy-connection", "upgrade", "te"] {
            assert_eq!(response.header(name), None, "{name}");
        }
        let worker = backend.requests().pop().unwrap();
        for (name, value) in
            [("te", "trailers"), ("cookie", "a=b; c=d"), ("host", "app.test"), ("x-forwarded-proto", scheme)]
        {
            assert_eq!(worker.all(name), [value], "{name}");
        }
        assert_eq!(worker.header("x-sent"), Some("1"));
        assert_eq!((worker.header("connection"), worker.header("transfer-encoding")), (None, None));
    }
}

#[test]
fn a_body_is_framed_for_the_worker_as_it_was_announced() {
    let backend = Backend::respond(backend::ok("X: 1", "x"));
    for (_thrust, mut client) in both(&backend) {
        for (fields, pieces, length, coding) in [
            (&[][..], &["one", "two"][..], None, Some("chunked")),
            (&[("content-length", "6")], &["one", "two"], Some("6"), None),
            (&[("content-length", "0")], &[""], Some("0"), None),
        ] {
            let (response, mut body) = client.begin(asking(Method::POST, "/", fields), false);
            for (index, piece) in pieces.iter().enumerate() {
                let is_last = index + 1 == pieces.len();
                let sent = body.send_data(Bytes::from_static(piece.as_bytes()), is_last);
                assert!(
                    sent.is_ok() || piece.is_empty(),
                    "only where there is no body may the answer be first"
                );
            }
            assert_eq!(client.finish(response).unwrap().status, 200);
            let worker = backend.requests().pop().unwrap();
            assert_eq!(worker.body, pieces.concat().as_bytes());
            assert_eq!(
                (worker.header("content-length"), worker.header("transfer-encoding")),
                (length, coding)
            );
        }
        client.ask(request(Method::POST, "/"));
        let worker = backend.requests().pop().unwrap();
        assert_eq!((worker.body.len(), worker.header("transfer-encoding")), (0, None), "there is none");
    }
}

#[test]
fn trailers_behind_a_length_have_no_place_and_leave_the_connection_in_step() {
    let backend = Backend::echo_request();
    for (_thrust, mut client) in both(&backend) {
        for fields in [&[("content-length", "4"), ("trailer", "x-sum")][..], &[("content-length", "4")]] {
            let (response, mut body) = client.begin(asking(Method::POST, "/", fields), false);
            body.send_data(Bytes::from_static(b"body"), false).unwrap();
            let trailers = [(HeaderName::from_static("x-sum"), HeaderValue::from_static("1"))];
            // The body was whole before them, so that the answer may be here already.
            let _ = body.send_trailers(HeaderMap::from_iter(trailers));
            assert!(client.finish(response).unwrap().text().ends_with("\r\n\r\nbody"));
            assert_eq!(client.get("/next").status, 200);
            assert_eq!(backend.requests().pop().unwrap().start_line(), "GET /next HTTP/1.1");
        }
    }
}

#[test]
fn trailers_that_pose_as_headers_are_dropped() {
    const POSING: [&str; 6] =
        ["x-forwarded-for", "host", "content-length", "authorization", "cookie", "x_forwarded_for"];
    let backend = Backend::echo_request();
    for (_thrust, mut client) in both(&backend) {
        let (response, mut body) = client.begin(asking(Method::POST, "/", &[("trailer", "x-sum")]), false);
        body.send_data(Bytes::from_static(b"body"), false).unwrap();
        let names = POSING.into_iter().chain(["x-sum"]).map(HeaderName::from_static);
        body.send_trailers(names.map(|name| (name, HeaderValue::from_static("9"))).collect()).unwrap();
        assert_eq!(client.finish(response).unwrap().status, 200);
        let worker = backend.requests().pop().unwrap();
        assert_eq!(worker.trailers, [("x-sum".to_owned(), "9".to_owned())]);
    }
}

#[test]
fn trailers_of_the_worker_arrive_behind_a_body_in_any_form() {
    let page = "a page ".repeat(1000);
    let backend = Backend::respond(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n{:x}\r\n{page}\r\n0\r\nX-Sum: 7\r\n\r\n",
        page.len()
    ));
    for (_thrust, mut client) in both(&backend) {
        for accepted in ["identity", "gzip"] {
            let fields = [("te", "trailers"), ("accept-encoding", accepted)];
            let response = client.ask(asking(Method::GET, "/", &fields));
            let is_encoded = response.header("content-encoding") == Some("gzip");
            assert_eq!(is_encoded, accepted == "gzip");
            let body = if is_encoded { Coding::Gzip.decode(&response.body).content } else { response.body };
            assert!(body == page.as_bytes(), "{accepted}");
            assert_eq!(response.trailers.get("x-sum").unwrap(), "7", "{accepted}");
        }
    }
}

#[test]
fn what_the_worker_breaks_off_never_looks_whole() {
    let page = "a page ".repeat(1000);
    for bytes in [
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 7001\r\n\r\n{page}"),
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n1b58\r\n{page}\r\n"
        ),
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n1b59\r\n{page}"
        ),
        format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 7001\r\n\r\n{page}"),
    ] {
        let backend = Backend::start(move |connection| {
            while let Some(request) = connection.request() {
                match request.target().as_str() {
                    "/whole" => drop(connection.respond_with("whole")),
                    _ => {
                        connection.send(&bytes);
                        return;
                    }
                }
            }
        });
        for (thrust, mut client) in both(&backend) {
            for accepted in ["identity", "gzip"] {
                let (response, _) =
                    client.begin(asking(Method::GET, "/broken", &[("accept-encoding", accepted)]), true);
                let error = client.finish(response).expect_err("it is broken off");
                assert!(error.is_reset() && error.reason() != Some(Reason::NO_ERROR), "{error:?}");
                assert_eq!(client.get("/whole").text(), "whole", "the connection goes on");
            }
            thrust.await_log(|record| record["path"] == "/broken" && record["reason"] == "worker broke off");
        }
    }
}

#[test]
fn what_a_worker_sends_behind_its_response_is_nobody_s() {
    let backend = Backend::respond(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray",
    );
    for (_thrust, mut client) in both(&backend) {
        for _ in 0..5 {
            let response = client.get("/");
            assert_eq!((response.status, response.text().as_str()), (200, "ok"));
        }
    }
}

#[test]
fn responses_without_a_body_end_cleanly_whatever_they_announce() {
    let backend = Backend::answer(|request| {
        let head = match request.target().as_str() {
            "/204" => "204 No Content\r\nContent-Length: 5",
            "/304" => "304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 5",
            "/205" => "205 Reset Content\r\nContent-Length: 0",
            _ => "200 OK\r\nContent-Length: 1234\r\nX-Sum: 1",
        };
        format!("HTTP/1.1 {head}\r\n\r\n").into_bytes()
    });
    for (_thrust, mut client) in both(&backend) {
        for (method, path, status, length) in [
            (Method::GET, "/204", 204, None),
            (Method::GET, "/304", 304, Some("5")),
            (Method::GET, "/205", 205, Some("0")),
            (Method::HEAD, "/200", 200, Some("1234")),
        ] {
            let response = client.ask(request(method, path));
            assert_eq!((response.status, response.body.len()), (status, 0), "{path}");
            assert_eq!(response.header("content-length"), length, "{path}");
        }
    }
}

#[test]
fn interim_responses_are_not_taken_for_the_response() {
    let backend = Backend::respond(concat!(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    ));
    for (_thrust, mut client) in both(&backend) {
        for _ in 0..2 {
            let response = client.get("/");
            assert_eq!((response.status, response.text().as_str()), (200, "ok"));
            assert_eq!(response.header("link"), None);
        }
    }
}

#[test]
fn a_worker_that_answers_before_the_end_of_an_upload_is_heard() {
    let backend = Backend::start(|connection| {
        while let Some(request) = connection.head() {
            if request.start_line().starts_with("GET") {
                connection.respond_with("next");
                continue;
            }
            connection.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
            return;
        }
    });
    for (_thrust, mut client) in both(&backend) {
        let (response, mut body) = client.begin(request(Method::POST, "/"), false);
        // The answer may be here already, and with it the stream's end.
        let _ = body.send_data(Bytes::from(vec![0; 4_000_000]), false);
        let response = client.finish(response).unwrap();
        assert_eq!((response.status, response.text().as_str()), (403, "no"));
        assert_eq!(client.get("/next").text(), "next");
    }
}

#[test]
fn an_upload_waits_for_a_slow_worker_and_arrives_whole() {
    const LENGTH: usize = 32 << 20;
    for way in WAYS {
        let latch = Latch::new();
        let gate = latch.clone();
        let backend = Backend::start(move |connection| {
            while let Some(mut request) = connection.head() {
                gate.wait();
                connection.body(&mut request).unwrap();
                connection.respond_with(request.body.len().to_string());
            }
        });
        let (_thrust, mut client) = way.start(&backend);
        let (response, mut body) = client.begin(request(Method::POST, "/"), false);
        let left = send(&client, &mut body, LENGTH, Duration::from_millis(300));
        assert!(left > LENGTH / 2, "{way:?}: all but {left} was taken, though nobody wants it");
        latch.open();
        assert_eq!(send(&client, &mut body, left, DEADLINE), 0);
        assert_eq!(client.finish(response).unwrap().text(), LENGTH.to_string());
    }
}

/// Sends so much of a body, and its end, as long as room comes in time; how much is left.
fn send(client: &Http2, body: &mut SendStream<Bytes>, mut left: usize, patience: Duration) -> usize {
    client.run(async {
        while left > 0 {
            body.reserve_capacity(left.min(64 * 1024));
            let Ok(room) = timeout(patience, poll_fn(|cx| body.poll_capacity(cx))).await else { break };
            let room = room.expect("the stream is open").unwrap();
            left -= room;
            body.send_data(Bytes::from(vec![0; room]), left == 0).unwrap();
        }
        left
    })
}

#[test]
fn a_server_that_goes_finishes_what_it_has_begun() {
    for way in WAYS {
        let latch = Latch::new();
        let gate = latch.clone();
        let backend = Backend::start(move |connection| {
            while let Some(mut request) = connection.head() {
                if request.target() == "/download" {
                    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nbegun ");
                    gate.wait();
                    connection.send("ended.");
                } else {
                    connection.body(&mut request).unwrap();
                    connection.respond_with(&request.body);
                }
            }
        });
        let (mut thrust, mut client) = way.start(&backend);
        let (download, _) = client.begin(request(Method::GET, "/download"), true);
        let (upload, mut body) = client.begin(request(Method::POST, "/upload"), false);
        body.send_data(Bytes::from_static(b"begun "), false).unwrap();
        let download = client.run(download).unwrap();
        thrust.signal(libc::SIGTERM);
        thrust.await_stderr("stopping");
        latch.open();
        body.send_data(Bytes::from_static(b"ended."), true).unwrap();
        assert_eq!(client.finish(upload).unwrap().text(), "begun ended.");
        let mut rest = download.into_body();
        let mut text = Vec::new();
        while let Some(data) = client.run(rest.data()) {
            text.extend_from_slice(&data.unwrap());
        }
        assert_eq!(text, b"begun ended.");
        client.end().unwrap();
        assert_eq!(thrust.wait().code(), Some(0));
    }
}

#[test]
fn what_is_stored_is_served_in_parts_and_confirmed() {
    let backend = Backend::respond(backend::ok("Cache-Control: max-age=60\r\nETag: \"v1\"", "0123456789"));
    for (_thrust, mut client) in both(&backend) {
        assert_eq!(client.get("/").header("x-cache"), Some("miss"));
        for (fields, status, text, range) in [
            (&[][..], 200, "0123456789", None),
            (&[("range", "bytes=2-4")], 206, "234", Some("bytes 2-4/10")),
            (&[("range", "bytes=-1"), ("if-range", "\"v1\"")], 206, "9", Some("bytes 9-9/10")),
            (&[("range", "bytes=2-4"), ("if-range", "\"v0\"")], 200, "0123456789", None),
            (&[("range", "bytes=10-")], 416, "", Some("bytes */10")),
            (&[("if-none-match", "\"v1\"")], 304, "", None),
        ] {
            let response = client.ask(asking(Method::GET, "/", fields));
            assert_eq!((response.status, response.header("content-range")), (status, range), "{fields:?}");
            assert!(response.status == 416 || response.text() == text, "{fields:?}: {}", response.text());
            assert_eq!(response.header("x-cache"), Some("hit"), "{fields:?}");
        }
        let head = client.ask(request(Method::HEAD, "/"));
        assert_eq!((head.header("x-cache"), head.header("content-length")), (Some("hit"), Some("10")));
        assert!(head.body.is_empty());
    }
    assert_eq!(backend.requests().len(), 2, "each server has asked once");
}
