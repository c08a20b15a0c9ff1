//! Workers that fail in one way each, and what becomes of the client's request.

use crate::support::{Backend, Client, Connection, Thrust, free_port, get, wait_until};
use socket2::SockRef;
use std::{
    fs,
    net::Ipv6Addr,
    thread,
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
        let sent =
            |method| backend.requests().iter().filter(|sent| sent.start_line().starts_with(method)).count();
        assert_eq!(sent("POST"), 1, "it {fault}");
        assert!(sent("GET") <= 2, "it {fault}");
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
fn a_worker_that_contradicts_itself_on_the_framing_splits_no_response() {
    let backend = Backend::respond_and_close(concat!(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray",
    ));
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    for _ in 0..3 {
        let response = client.get("/");
        assert!(
            matches!((response.status, &*response.text()), (200, "ok") | (502, _)),
            "{}",
            response.text()
        );
        let framed = (response.header("content-length"), response.header("transfer-encoding"));
        assert!(framed.0.is_none() || framed.1.is_none(), "{framed:?}");
    }
}

#[test]
fn a_transfer_coding_that_nobody_asked_for_is_no_body() {
    let backend = Backend::respond_and_close(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n4\r\n\x1f\u{8}\0\0\r\n0\r\n\r\n",
    );
    let thrust = Thrust::in_front_of(&backend);
    assert_eq!(get(thrust.port(), "/").status, 502, "the client could not tell that the body is encoded");
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
fn a_response_without_a_length_that_is_reset_is_broken_off_visibly() {
    for request in
        ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"]
    {
        let backend = Backend::start(|connection| {
            if connection.request().is_some() {
                connection.send("HTTP/1.1 200 OK\r\n\r\nhalf");
                thread::sleep(Duration::from_millis(50));
                SockRef::from(connection.stream()).set_linger(Some(Duration::ZERO)).unwrap();
            }
        });
        let thrust = Thrust::in_front_of(&backend);
        let mut client = Client::connect(thrust.port());
        let mut response = client.send(request).head();
        assert_eq!(response.status, 200);
        assert!(client.body(&mut response).is_err(), "it looks whole: {}", response.text());
        let record = thrust.await_log(|record| record["path"] == "/");
        assert_eq!(record["reason"], "worker broke off", "{record}");
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
fn a_bad_gateway_page_that_is_asked_for_and_missing_is_a_warning() {
    let backend = Backend::respond("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let builder = Thrust::builder().upstream(backend.url()).env("BAD_GATEWAY_PAGE", "/nowhere/502.html");
    builder.start().await_stderr("BAD_GATEWAY_PAGE names a file that is not there");
}

#[test]
fn folders_of_files_that_are_asked_for_and_missing_are_warnings() {
    let backend = Backend::respond("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let folder = tempfile::tempdir().unwrap();
    let roots = format!("{}:/nowhere/storage", folder.path().display());
    let builder = Thrust::builder().upstream(backend.url()).env("THRUST_PUBLIC_PATH", "/nowhere/public");
    let thrust = builder.env("THRUST_SEND_FILE_ROOT", &roots).start();
    thrust.await_stderr("THRUST_PUBLIC_PATH names a folder that is not there");
    thrust.await_stderr("THRUST_SEND_FILE_ROOT names a folder that is not there");
    assert_eq!(thrust.stderr().matches("names a folder").count(), 2, "{}", thrust.stderr());
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

#[test]
fn requests_wait_where_the_queue_of_a_unix_socket_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    socket.listen(0).unwrap();
    let thrust = Thrust::builder().upstream(format!("unix:{}", path.display())).start();
    let mut clients: Vec<Client> = (0..5).map(|_| Client::connect(thrust.port())).collect();
    for client in &mut clients {
        client.send_get("/");
    }
    assert!(clients.iter_mut().all(|client| client.is_silent_for(Duration::from_millis(100))));
    thread::spawn(move || {
        while let Ok((accepted, _)) = socket.accept() {
            let mut connection = Connection::standalone(accepted.into());
            thread::spawn(move || while connection.request().is_some() && connection.respond_with("ok") {});
        }
    });
    for client in &mut clients {
        assert_eq!(client.response().text(), "ok");
    }
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
