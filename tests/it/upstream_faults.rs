//! Workers that fail in one way each, and what becomes of the client's request.

use crate::support::{Backend, Client, Thrust, free_port, get, wait_until};
use std::{
    fs,
    net::Ipv6Addr,
    time::{Duration, Instant},
};

#[test]
fn a_worker_that_gives_no_response_is_a_502() {
    for (fault, bytes) in [
        ("closes before it responds", ""),
        ("closes within the status line", "HTTP/1.1 20"),
        ("closes within the head", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-A"),
        ("closes before the head's end", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n"),
        ("sends garbage", "\u{1}\u{2}nonsense\r\n\r\n"),
        ("speaks another protocol", "SSH-2.0-OpenSSH_9.2\r\n"),
        ("speaks another version", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("sends a status that is none", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"),
        ("folds a header line", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n"),
        ("puts a NUL in a header", "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n"),
        (
            "contradicts itself on the length",
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody",
        ),
        ("sends a length that is none", "HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nbody"),
    ] {
        let backend = Backend::respond_and_close(bytes);
        let thrust = Thrust::in_front_of(&backend);
        let mut client = Client::connect(thrust.port());
        for request in
            ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"]
        {
            let response = client.send(request).response();
            assert_eq!(response.status, 502, "it {fault}: {}", response.text());
        }
        let record = thrust.await_log(|record| record["method"] == "POST");
        assert!(
            matches!(record["reason"].as_str(), Some("worker broke off" | "malformed response")),
            "{record}"
        );
        assert_eq!(
            backend.requests().len(),
            2,
            "a fresh connection that fails is not tried again: it {fault}"
        );
    }
}

#[test]
fn a_worker_s_endless_header_is_a_502() {
    let backend = Backend::start(|connection| {
        if connection.request().is_some() {
            connection.send("HTTP/1.1 200 OK\r\n");
            while connection.send("X-Filler: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n") {}
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    assert_eq!(get(thrust.port(), "/").status, 502);
    wait_until("the worker's connection is closed", || backend.open_connections() == 0);
}

#[test]
fn a_worker_s_large_header_is_passed_on() {
    let cookie = "c".repeat(60_000);
    let backend =
        Backend::respond(format!("HTTP/1.1 200 OK\r\nSet-Cookie: {cookie}\r\nContent-Length: 0\r\n\r\n"));
    let thrust = Thrust::in_front_of(&backend);
    assert_eq!(get(thrust.port(), "/").header("set-cookie"), Some(&*cookie));
}

#[test]
fn a_body_that_the_worker_breaks_off_is_broken_off_visibly() {
    for bytes in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nbegun",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nbegun",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\nnonsense\r\n",
    ] {
        let backend = Backend::respond_and_close(bytes);
        let thrust = Thrust::in_front_of(&backend);
        let mut client = Client::connect(thrust.port());
        let mut response = client.send_get("/").head();
        assert_eq!(response.status, 200);
        assert!(client.body(&mut response).is_err(), "it looks whole: {bytes:?}");
        assert!("begun".starts_with(&response.text()), "{:?}", response.text());
        let record = thrust.await_log(|record| record["path"] == "/");
        assert_eq!(
            (&record["status"], &record["reason"]),
            (&200.into(), &"worker broke off".into()),
            "{record}"
        );
    }
}

#[test]
fn a_worker_that_refuses_connections_is_a_502_at_once() {
    let (thrust, _dir) = in_front_of_nothing();
    let start = Instant::now();
    for _ in 0..3 {
        assert_eq!(get(thrust.port(), "/").status, 502);
    }
    assert!(start.elapsed() < Duration::from_secs(10));
    thrust.await_log(|record| record["status"] == 502 && record["reason"].is_string());
}

#[test]
fn a_502_shows_nothing_of_what_went_wrong_behind() {
    let backend = Backend::respond_and_close("HTTP/1.1 secret nonsense\r\n\r\n");
    let thrust = Thrust::in_front_of(&backend);
    let response = get(thrust.port(), "/");
    assert_eq!(response.status, 502);
    let shown = format!("{}{}", String::from_utf8_lossy(&response.raw_head), response.text());
    for word in ["secret", "127.0.0.1", &backend.port().to_string(), "worker"] {
        assert!(!shown.contains(word), "{word}: {shown}");
    }
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

#[test]
fn the_bad_gateway_page_is_for_those_who_take_html() {
    let (thrust, dir) = in_front_of_nothing();
    let page = |accept: &str| {
        let mut client = Client::connect(thrust.port());
        let response = client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{accept}\r\n")).response();
        assert_eq!(response.status, 502);
        response.text()
    };
    let browser = "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n";
    fs::write(dir.path().join("502.html"), "<p>one</p>").unwrap();
    assert_eq!(page(browser), "<p>one</p>");
    assert_ne!(page("Accept: application/json\r\n"), "<p>one</p>");
    fs::write(dir.path().join("502.html"), "<p>another</p>").unwrap();
    wait_until("the new page is shown", || page(browser) == "<p>another</p>");
}

#[test]
fn connections_to_the_worker_are_used_again() {
    let backend = Backend::respond("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let thrust = Thrust::in_front_of(&backend);
    for number in 0..20 {
        let method = if number % 2 == 0 { "GET" } else { "POST" };
        let mut client = Client::connect(thrust.port());
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(client.response().text(), "ok");
    }
    assert!(backend.connections() <= 3, "{} connections for 20 requests", backend.connections());
}

#[test]
fn a_get_on_a_stale_connection_is_tried_again_unseen() {
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
        let (backend, thrust) = in_front_of_a_worker_that_hangs_up_on_the_second_request();
        let mut client = Client::connect(thrust.port());
        assert_eq!(client.get("/first").status, 200);
        client.send(format!("{method} /second HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(client.response_to(method).status, 200, "{method}");
        assert_eq!(seen(&backend, "/second"), 2, "{method}");
    }
}

#[test]
fn a_post_that_was_sent_is_never_sent_twice() {
    for (method, body) in
        [("POST", "body"), ("POST", ""), ("PATCH", "body"), ("PUT", "body"), ("DELETE", "body")]
    {
        let (backend, thrust) = in_front_of_a_worker_that_hangs_up_on_the_second_request();
        let mut client = Client::connect(thrust.port());
        assert_eq!(client.get("/first").status, 200);
        let length = body.len();
        client
            .send(format!("{method} /second HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"));
        assert_eq!(client.response().status, 502, "{method}");
        assert_eq!(seen(&backend, "/second"), 1, "{method} with {length} bytes");
    }
}

#[test]
fn a_request_that_fails_every_time_is_not_tried_for_ever() {
    let backend = Backend::start(|connection| {
        if let Some(request) = connection.request().filter(|request| request.start_line().contains("/first"))
        {
            connection.respond_with(request.body);
            connection.request();
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    assert_eq!(client.get("/first").status, 200);
    assert_eq!(client.get("/second").status, 502);
    assert_eq!(seen(&backend, "/second"), 2);
}

#[test]
fn a_post_after_the_worker_has_closed_its_idle_connections_is_no_502() {
    let backend = Backend::start(|connection| {
        if connection.request().is_some() {
            connection.respond_with("ok");
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    for number in 0..30 {
        wait_until("the idle connection is closed", || backend.open_connections() == 0);
        client.send(format!("POST /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"));
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(backend.requests().len(), 30);
}

#[test]
fn a_client_that_is_gone_in_mid_response_closes_the_worker_s_connection() {
    let backend = Backend::start(|connection| {
        if connection.request().is_some() {
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n");
            assert!(connection.await_close(), "the worker was not told");
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    client.send_get("/left").read_until("begun");
    drop(client);
    wait_until("the worker's connection is closed", || backend.open_connections() == 0);
    let record = thrust.await_log(|record| record["path"] == "/left");
    assert_eq!((&record["status"], &record["reason"]), (&200.into(), &"client gone".into()), "{record}");
}

#[test]
fn a_client_that_is_gone_while_it_waits_closes_the_worker_s_connection() {
    for body in
        ["Content-Length: 0\r\n\r\n", "Content-Length: 4\r\n\r\nbody", "Content-Length: 9\r\n\r\nhalf"]
    {
        let backend = Backend::start(|connection| {
            if let Some(request) = connection.head() {
                connection.record(&request);
                assert!(connection.await_close(), "the worker was not told");
            }
        });
        let thrust = Thrust::in_front_of(&backend);
        let mut client = Client::connect(thrust.port());
        client.send(format!("POST /left HTTP/1.1\r\nHost: a\r\n{body}"));
        backend.await_requests(1);
        drop(client);
        wait_until("the worker's connection is closed", || backend.open_connections() == 0);
        let record = thrust.await_log(|record| record["path"] == "/left");
        assert_eq!(record["reason"], "client gone", "{record}");
    }
}

#[test]
fn what_is_left_of_an_aborted_response_is_in_nobody_else_s() {
    let backend = Backend::start(|connection| {
        while let Some(request) = connection.request() {
            if request.start_line().contains("/secret") {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nsecret");
                connection.send("secret ".repeat(100_000));
            }
            connection.respond_with(request.start_line());
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    for number in 0..20 {
        let mut leaving = Client::connect(thrust.port());
        leaving.send_get("/secret").read_until("secret");
        drop(leaving);
        let path = format!("/{number}");
        assert_eq!(get(thrust.port(), &path).text(), format!("GET {path} HTTP/1.1"));
    }
}

#[test]
fn what_a_worker_sends_behind_a_response_is_nobody_s() {
    let backend = Backend::start(|connection| {
        if let Some(request) = connection.request() {
            let line = request.start_line();
            let stray = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray";
            connection
                .send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{line}{stray}", line.len()));
            connection.request();
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    for number in 0..10 {
        let path = format!("/{number}");
        assert_eq!(client.get(&path).text(), format!("GET {path} HTTP/1.1"));
    }
}

#[test]
fn a_backend_on_ipv6_alone_is_found() {
    let backend = Backend::start_at((Ipv6Addr::LOCALHOST, 0).into(), |connection| {
        while connection.request().is_some() && connection.respond_with("six") {}
    });
    let thrust = Thrust::in_front_of(&backend);
    assert_eq!(get(thrust.port(), "/").text(), "six");
}

#[test]
fn a_worker_that_listens_on_ipv6_alone_is_found() {
    let port = free_port();
    let _backend = Backend::start_at((Ipv6Addr::LOCALHOST, port).into(), |connection| {
        while connection.request().is_some() && connection.respond_with("six") {}
    });
    let thrust =
        Thrust::builder().env("THRUST_WORKER_PORT", port.to_string()).command(["sleep", "60"]).start();
    assert_eq!(get(thrust.port(), "/").text(), "six");
}

#[test]
fn a_backend_at_a_unix_socket_is_reached() {
    let dir = tempfile::tempdir().unwrap();
    let backend = Backend::start_unix(&dir.path().join("app.sock"), |connection| {
        while let Some(request) = connection.request() {
            connection.respond_with(request.body);
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    let body = "x".repeat(300_000);
    for _ in 0..3 {
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        assert!(client.response().text() == body);
    }
    assert_eq!(backend.requests()[0].header("host"), Some("app.test"));
    assert_eq!(backend.requests()[0].header("x-forwarded-for"), Some("127.0.0.1"));
}

/// Answers the first request of a connection, reads the next, and hangs up; other connections go on.
fn in_front_of_a_worker_that_hangs_up_on_the_second_request() -> (Backend, Thrust) {
    let backend = Backend::start(|connection| {
        let mut first = false;
        while let Some(request) = connection.request() {
            if first {
                return;
            }
            first = request.start_line().contains("/first");
            if request.start_line().starts_with("HEAD") {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
            } else {
                connection.respond_with("ok");
            }
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    (backend, thrust)
}

/// How often the worker got a request for this path.
fn seen(backend: &Backend, path: &str) -> usize {
    backend.requests().iter().filter(|request| request.start_line().contains(path)).count()
}

fn in_front_of_nothing() -> (Thrust, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let thrust = Thrust::builder()
        .upstream(format!("http://127.0.0.1:{}", free_port()))
        .env("THRUST_BOOT_TIMEOUT", "0")
        .env("BAD_GATEWAY_PAGE", dir.path().join("502.html"))
        .start();
    (thrust, dir)
}
