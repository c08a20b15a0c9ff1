//! Request bodies: every framing, `Expect: 100-continue`, and workers that answer before they have read.

use crate::support::{Backend, Client, Message, Thrust, wait_until};
use std::{sync::mpsc, time::Duration};

#[test]
fn a_body_with_a_length_arrives_with_it() {
    for method in ["POST", "PUT", "PATCH", "DELETE", "GET", "OPTIONS"] {
        let request = forwarded(&format!(
            "{method} / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 11\r\n\r\nhello world"
        ));
        assert_eq!(request.header("content-length"), Some("11"), "{method}");
        assert!(request.header("transfer-encoding").is_none(), "{method}");
        assert_eq!(request.text(), "hello world", "{method}");
    }
}

#[test]
fn a_chunked_body_arrives_whole_whatever_the_method() {
    for method in ["POST", "PUT", "PATCH", "DELETE", "GET", "HEAD"] {
        let request = forwarded(&format!(
            "{method} / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
        ));
        assert_eq!(request.text(), "hello world", "{method}");
        assert!(request.has_token("transfer-encoding", "chunked"), "{method}");
        assert!(request.header("content-length").is_none(), "{method}");
    }
}

#[test]
fn trailers_of_a_request_reach_the_worker() {
    let request = forwarded(concat!(
        "POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n",
        "5\r\nhello\r\n0\r\nX-Sum: abc\r\n\r\n",
    ));
    assert_eq!(request.trailers.len(), 1, "{:?}", request.trailers);
    assert!(request.trailers[0].0.eq_ignore_ascii_case("x-sum") && request.trailers[0].1 == "abc");
}

#[test]
fn trailers_that_pose_as_headers_are_dropped() {
    let request = forwarded(concat!(
        "POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n",
        "Trailer: X-Forwarded-For, Host, Content-Length, Authorization, Cookie, X-Sum\r\n\r\n",
        "5\r\nhello\r\n0\r\nX-Forwarded-For: 9.9.9.9\r\nHost: evil.test\r\nContent-Length: 3\r\n",
        "Authorization: x\r\nCookie: x\r\nTransfer-Encoding: x\r\nX-Sum: abc\r\n\r\n",
    ));
    let names: Vec<_> = request.trailers.iter().map(|(name, _)| name.to_lowercase()).collect();
    assert_eq!(names, ["x-sum"]);
}

#[test]
fn a_request_without_a_body_gets_none() {
    for (request, length) in [
        ("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n", None),
        ("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 0\r\n\r\n", Some("0")),
    ] {
        let request = forwarded(request);
        assert!(request.header("transfer-encoding").is_none());
        assert_eq!(request.header("content-length"), length);
    }
}

#[test]
fn continue_is_said_when_the_worker_wants_the_body() {
    let backend = Backend::start(|connection| {
        while let Some(mut request) = connection.head() {
            connection.send("HTTP/1.1 100 Continue\r\n\r\n");
            connection.body(&mut request).unwrap();
            connection.respond_with(request.body);
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    for _ in 0..2 {
        client.send(expecting(4));
        assert_eq!(client.head().status, 100);
        assert_eq!(client.send("body").response().text(), "body");
    }
}

#[test]
fn continue_is_not_said_before_the_worker_wants_the_body() {
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let backend = Backend::start(move |connection| {
        let Some(mut request) = connection.head() else { return };
        connection.record(&request);
        let _ = released.lock().unwrap().recv();
        connection.send("HTTP/1.1 100 Continue\r\n\r\n");
        let _ = connection.body(&mut request);
        connection.respond_with(request.body);
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    client.send(expecting(4));
    let request = &backend.await_requests(1)[0];
    assert_eq!(request.header("expect"), Some("100-continue"), "the worker can only refuse what it is asked");
    assert!(client.is_silent_for(Duration::from_millis(200)), "it was asked too early");
    release.send(()).unwrap();
    assert_eq!(client.head().status, 100);
    assert_eq!(client.send("body").response().text(), "body");
}

#[test]
fn continue_is_said_after_a_while_where_the_worker_does_not_know_of_it() {
    let backend = Backend::echo_request();
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    client.send(expecting(4));
    assert_eq!(client.head().status, 100);
    assert!(client.send("body").response().text().ends_with("\r\n\r\nbody"));
    assert_eq!(client.get("/next").status, 200);
}

#[test]
fn a_client_that_does_not_wait_for_continue_is_served() {
    let backend = Backend::echo_request();
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    for _ in 0..2 {
        let mut response = client.send(format!("{}body", expecting(4))).head();
        while response.status == 100 {
            response = client.head();
        }
        client.body(&mut response).unwrap();
        assert!(response.text().ends_with("\r\n\r\nbody"));
    }
}

#[test]
fn a_worker_that_refuses_the_body_is_heard_without_continue() {
    let backend = Backend::start(|connection| {
        if connection.head().is_some() {
            connection.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
            connection.await_close();
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    let response = client.send(expecting(1_000_000)).response();
    assert_eq!((response.status, response.text().as_str()), (403, "no"));
    assert_eq!(response.header("connection"), Some("close"), "the client may never send it");
    client.expect_closed();
}

#[test]
fn a_client_that_leaves_is_noticed_where_its_body_was_not_wanted() {
    let backend = Backend::start(|connection| {
        if connection.head().is_some() {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst");
            connection.await_close();
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    for body in ["", "ab", "abcd"] {
        let mut client = Client::connect(thrust.port());
        client.send(format!("{}{body}", expecting(4))).read_until("first");
        drop(client);
        wait_until("the worker is told", || backend.open_connections() == 0);
    }
}

#[test]
fn an_http_1_0_client_is_not_told_to_continue() {
    let backend = Backend::echo_request();
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    client.send("POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody");
    let response = client.response();
    assert_eq!(response.status, 200, "it does not know interim responses (RFC 9110 section 15.2)");
    assert!(response.text().ends_with("\r\n\r\nbody"));
}

#[test]
fn a_connection_on_which_a_body_was_refused_is_closed() {
    let backend = Backend::start(|connection| {
        let Some(head) = connection.head() else { return };
        connection.respond_with("");
        if head.header("expect").is_some() {
            // It would still take the body, if there were one.
            connection.await_close();
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    assert_eq!(Client::connect(thrust.port()).send(expecting(4)).response().status, 200);
    assert_eq!(Client::connect(thrust.port()).get("/next").status, 200);
    wait_until("it is closed", || backend.open_connections() == 0);
}

#[test]
fn an_expectation_that_nobody_knows_is_417() {
    let backend = Backend::echo_request();
    let thrust = Thrust::in_front_of(&backend);
    for expectation in ["200-ok", "100-continue, other", "100-continued", ""] {
        let mut client = Client::connect(thrust.port());
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: app.test\r\nExpect: {expectation}\r\nContent-Length: 4\r\n\r\nbody"
        ));
        assert_eq!(client.response().status, 417, "{expectation:?}");
    }
    assert_eq!(backend.requests().len(), 0);
}

#[test]
fn a_response_before_the_request_s_end_reaches_the_client() {
    for framing in ["Content-Length: 1000000", "Transfer-Encoding: chunked"] {
        let backend = Backend::start(|connection| {
            if connection.head().is_some() {
                connection.send("HTTP/1.1 422 Unprocessable Content\r\nContent-Length: 5\r\n\r\nearly");
                connection.await_close();
            }
        });
        let thrust = Thrust::in_front_of(&backend);
        let mut client = Client::connect(thrust.port());
        client.send(format!("POST / HTTP/1.1\r\nHost: app.test\r\n{framing}\r\n\r\n4\r\nbody\r\n"));
        let response = client.response();
        assert_eq!((response.status, response.text().as_str()), (422, "early"), "{framing}");
    }
}

#[test]
fn a_worker_that_answers_early_and_closes_is_heard_by_a_client_that_goes_on_sending() {
    let backend = Backend::start(|connection| {
        if connection.head().is_some() {
            let early =
                "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 5\r\n\r\nearly";
            connection.send(early);
            connection.finish_sending();
            // Closing with unread data resets the connection; what was answered must survive that.
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    for _ in 0..5 {
        let mut client = Client::connect(thrust.port());
        client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 1000000\r\n\r\n");
        let _ = client.try_send(vec![b'x'; 200_000]);
        assert_eq!(client.response().status, 413);
    }
}

#[test]
fn a_body_that_comes_in_single_bytes_arrives_whole() {
    let backend = Backend::echo_request();
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    let request = concat!(
        "POST /dribbled HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n",
        "4\r\nbody\r\n3\r\n, x\r\n0\r\n\r\nGET /next HTTP/1.1\r\nHost: app.test\r\n\r\n",
    );
    for byte in request.bytes() {
        client.send([byte]);
    }
    assert!(client.response().text().ends_with("\r\n\r\nbody, x"));
    assert!(client.response().text().starts_with("GET /next "));
}

/// The request as the worker gets it.
#[track_caller]
fn forwarded(request: &str) -> Message {
    let backend = Backend::respond("HTTP/1.1 204 No Content\r\n\r\n");
    let thrust = Thrust::in_front_of(&backend);
    assert_eq!(Client::connect(thrust.port()).send(request).response().status, 204, "{request}");
    backend.requests().pop().unwrap()
}

fn expecting(length: usize) -> String {
    format!("POST / HTTP/1.1\r\nHost: app.test\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n")
}
