//! Connections to the worker that are used more than once: what may be tried again, and what must not be mixed up.

use crate::support::{Backend, Client, DEADLINE, Thrust, get, wait_until};
use std::{
    sync::{Barrier, Mutex, mpsc::channel},
    thread,
    time::Duration,
};

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
        client.send(format!("POST /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"));
        assert_eq!(client.response().status, 200);
        wait_until("the connection is closed", || backend.open_connections() == 0);
    }
    assert_eq!(backend.requests().len(), 30);
}

#[test]
fn a_get_that_kills_whoever_reads_it_is_tried_twice_at_most() {
    const CLIENTS: usize = 8;
    let together = Barrier::new(CLIENTS);
    let backend = Backend::start(move |connection| {
        while let Some(request) = connection.request() {
            if request.start_line().contains("/poison") {
                return;
            }
            // Held until all are here, so that each has a connection of its own.
            together.wait();
            connection.respond_with("ok");
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| Client::connect(thrust.port())).collect();
    for client in &mut clients {
        client.send_get("/");
    }
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(clients[0].get("/poison").status, 502);
    assert_eq!(seen(&backend, "/poison"), 2, "once on a connection that was kept, once on a new one");
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
fn a_body_that_a_worker_sends_to_head_is_nobody_s() {
    let backend = Backend::start(|connection| {
        while let Some(request) = connection.request() {
            connection.respond_with(request.start_line());
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    for number in 0..10 {
        client.send(format!("HEAD /{number} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(client.response_to("HEAD").status, 200);
        let path = format!("/{number}");
        assert_eq!(client.get(&path).text(), format!("GET {path} HTTP/1.1"));
    }
}

#[test]
fn what_a_worker_sends_while_it_has_nothing_to_do_is_nobody_s() {
    let (stray, go_on) = channel();
    let stray = Mutex::new(stray);
    let backend = Backend::start(move |connection| {
        while let Some(request) = connection.request() {
            connection.respond_with(request.start_line());
            thread::sleep(Duration::from_millis(20));
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray");
            stray.lock().unwrap().send(()).unwrap();
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    for method in ["GET", "POST", "GET", "POST", "DELETE"] {
        assert_eq!(client.request(method, "/", "").text(), format!("{method} / HTTP/1.1"));
        go_on.recv_timeout(DEADLINE).unwrap();
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_request_is_the_same_when_it_is_tried_again() {
    for before in ["", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "HTTP/1.1 200 OK\r\nX-Half: a\r\n"] {
        let backend = Backend::start(move |connection| {
            let mut first = false;
            while let Some(request) = connection.request() {
                if first {
                    connection.send(before);
                    return;
                }
                first = request.start_line().contains("/first");
                connection.respond_with("ok");
            }
        });
        let thrust = Thrust::in_front_of(&backend);
        let mut client = Client::connect(thrust.port());
        assert_eq!(client.get("/first").status, 200);
        let fields = "X-One: 1\r\nCookie: a=b\r\nAuthorization: Basic YTpi\r\n";
        assert_eq!(client.request("GET", "/second?x", fields).status, 200);
        let sent = backend.requests();
        assert_eq!(sent.len(), 3, "{before:?}");
        assert_eq!(String::from_utf8_lossy(&sent[1].raw_head), String::from_utf8_lossy(&sent[2].raw_head));
        assert_eq!(sent[2].header("authorization"), Some("Basic YTpi"));
    }
}

#[test]
fn connections_that_the_worker_has_closed_are_given_up_in_time() {
    const CLIENTS: usize = 200;
    let together = Barrier::new(CLIENTS);
    let backend = Backend::start(move |connection| {
        if connection.request().is_some() {
            together.wait();
            connection.respond_with("ok");
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let before = thrust.open_files();
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| Client::connect(thrust.port())).collect();
    for client in &mut clients {
        client.send_get("/");
    }
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    drop(clients);
    wait_until("they are closed here, too", || thrust.open_files() <= before + 1);
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
