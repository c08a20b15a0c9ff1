//! HTTP/2 clients that take their time, ask for too much, or make noise; and the server's end.

use crate::support::{
    Backend, DEADLINE, Thrust, backend,
    http2::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, Http2, PING, RST_STREAM, Raw, SETTINGS,
        WINDOW_UPDATE, frame, head, request,
    },
    thrust::Builder,
    wait_until,
};
use http::Method;
use std::time::{Duration, Instant};

const SECOND: &str = "1";

fn with_h2c(backend: &Backend) -> Builder {
    Thrust::builder().upstream(backend.url()).env("THRUST_H2C", "1")
}

#[test]
fn an_idle_connection_is_told_to_go_and_closed() {
    let backend = Backend::echo_request();
    let thrust = with_h2c(&backend).env("THRUST_IDLE_TIMEOUT", SECOND).start();
    for asks in [false, true] {
        let mut raw = Raw::connect(thrust.port());
        if asks {
            raw.get(1, "/");
        }
        let began = Instant::now();
        assert_eq!(raw.await_frame(GOAWAY).payload[4..8], [0; 4], "for no fault");
        raw.await_close();
        assert!(began.elapsed() >= Duration::from_millis(900) && began.elapsed() < DEADLINE);
    }
}

#[test]
fn a_head_that_dribbles_is_cut_off() {
    let backend = Backend::echo_request();
    let thrust = with_h2c(&backend).env("THRUST_READ_TIMEOUT", SECOND).start();
    let block = head("GET", "/", &[]);
    let whole = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block);
    for begun in [&whole[..5], &whole[..20], &frame(HEADERS, END_STREAM, 1, &block)] {
        let mut raw = Raw::connect(thrust.port());
        raw.send(begun);
        raw.await_close();
    }
    let mut silent = Raw::silent(thrust.port());
    silent.send(&crate::support::http2::PREFACE[..10]);
    silent.await_close();
    assert_eq!(backend.requests().len(), 0);
}

#[test]
fn who_takes_nothing_is_cut_off_and_who_takes_little_is_not() {
    let backend = Backend::respond(backend::ok("", &"x".repeat(3_000_000)));
    let thrust = with_h2c(&backend).env("THRUST_WRITE_TIMEOUT", SECOND).start();
    // Its windows are never opened.
    let mut closed = Raw::connect(thrust.port());
    closed.get(1, "/closed");
    closed.await_close();
    let record = thrust.await_log(|record| record["path"] == "/closed");
    assert_eq!(record["reason"], "client write timeout", "{record}");
    // Its windows are open, but it does not read.
    let mut deaf = Raw::connect(thrust.port());
    for stream in [0, 1] {
        if stream == 1 {
            deaf.get(1, "/deaf");
        }
        deaf.send(frame(WINDOW_UPDATE, 0, stream, &[0x70, 0, 0, 0]));
    }
    for stream in (3..60).step_by(2) {
        deaf.get(stream, "/deaf");
        deaf.send(frame(WINDOW_UPDATE, 0, stream, &[0x70, 0, 0, 0]));
    }
    let record = thrust.await_log(|record| record["path"] == "/deaf" && record["reason"] != "");
    assert_eq!(record["reason"], "client write timeout", "{record}");
    // Its windows open again and again, in time.
    let mut slow = Raw::connect(thrust.port());
    slow.get(1, "/slow");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        assert_ne!(slow.next().expect("it goes on").kind, GOAWAY);
        slow.socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut peeked = [0];
        if slow.socket.peek(&mut peeked).is_err() {
            slow.send(frame(WINDOW_UPDATE, 0, 0, &[0, 0, 4, 0]));
            slow.send(frame(WINDOW_UPDATE, 0, 1, &[0, 0, 4, 0]));
        }
        slow.socket.set_read_timeout(Some(DEADLINE)).unwrap();
    }
}

#[test]
fn a_video_that_is_paused_costs_nobody_a_request_that_takes_long() {
    let backend = Backend::start(|connection| {
        while let Some(request) = connection.request() {
            if request.target() == "/slow" {
                std::thread::sleep(Duration::from_secs(3));
            }
            connection.respond_with(vec![b'x'; 200_000]);
        }
    });
    let thrust = with_h2c(&backend).env("THRUST_WRITE_TIMEOUT", SECOND).start();
    let mut raw = Raw::connect(thrust.port());
    raw.get(1, "/video");
    raw.post(3, "/slow");
    while raw.await_frame(HEADERS).stream != 3 {}
    // Now it has had its time, and there is nothing else to be lost.
    raw.await_close();
}

#[test]
fn what_waits_for_a_slow_worker_is_bounded() {
    let backend = Backend::start(|connection| {
        if connection.head().is_some() {
            connection.await_close();
        }
    });
    let thrust = with_h2c(&backend).env("THRUST_READ_TIMEOUT", "60").start();
    let mut raw = Raw::connect(thrust.port());
    raw.send(frame(HEADERS, END_HEADERS, 1, &head("POST", "/", &[])));
    let mut window = i64::from(65_535);
    // What the worker's socket takes, and then what waits for it.
    raw.socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut sent = 0;
    let mut header = [0; 9];
    loop {
        while window >= 16_384 {
            raw.send(frame(DATA, 0, 1, &[0; 16_384]));
            (window, sent) = (window - 16_384, sent + 16_384);
        }
        match std::io::Read::read_exact(&mut raw.socket, &mut header) {
            Ok(()) => {
                let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
                let mut payload = vec![0; length];
                std::io::Read::read_exact(&mut raw.socket, &mut payload).unwrap();
                if header[3] == WINDOW_UPDATE && header[8] == 1 {
                    window += i64::from(u32::from_be_bytes(payload.try_into().unwrap()));
                } else if header[3] == SETTINGS && header[4] == 0 {
                    window += 256 * 1024 - 65_535;
                }
            }
            Err(_) => break,
        }
        assert!(sent < 50_000_000, "everything is taken");
    }
    assert!(sent >= 256 * 1024, "{sent}");
}

/// Gives the next bytes of a flood, to be sent on this stream.
type Make = fn(u32) -> Vec<u8>;

#[test]
fn floods_end_the_connection() {
    let backend = Backend::start(|connection| while connection.request().is_some() {});
    let thrust = with_h2c(&backend).start();
    let rapid_reset = |stream| {
        let asked = frame(HEADERS, END_STREAM | END_HEADERS, stream, &head("GET", "/", &[]));
        [asked, frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    };
    let floods: [(&str, Make); 6] = [
        ("ping", |_| frame(PING, 0, 0, &[0; 8])),
        ("settings", |_| frame(SETTINGS, 0, 0, &[])),
        ("priority", |stream| frame(2, 0, stream, &[0, 0, 0, 0, 1])),
        ("unknown", |_| frame(0x42, 0, 0, &[0; 8])),
        ("reset", rapid_reset),
        ("continuation", |stream| match stream {
            1 => frame(HEADERS, 0, 1, &head("GET", "/", &[])),
            _ => frame(CONTINUATION, 0, 1, &[]),
        }),
    ];
    for (name, make) in floods {
        let mut raw = Raw::connect(thrust.port());
        raw.socket.set_write_timeout(Some(DEADLINE)).unwrap();
        let mut reading = Raw { socket: raw.socket.try_clone().unwrap() };
        let drained = std::thread::spawn(move || reading.await_close());
        // On a busy machine all of it may be on its way before anybody looks at it.
        let _ = (0..100_000).any(|count| raw.try_send(make(2 * count + 1)).is_err());
        assert!(drained.join().is_ok(), "{name} goes on for ever");
    }
    assert_eq!(Http2::connect(thrust.port()).get("/%\\").status, 400, "others are served");
}

#[test]
fn resets_of_what_has_reached_the_worker_end_the_connection_too() {
    let backend = Backend::start(|connection| {
        while connection.request().is_some() {
            connection.await_close();
        }
    });
    let thrust = with_h2c(&backend).start();
    let mut raw = Raw::connect(thrust.port());
    let mut reading = Raw { socket: raw.socket.try_clone().unwrap() };
    let drained = std::thread::spawn(move || reading.await_close());
    let ended = (0..2000).any(|count| {
        let stream = 2 * count as u32 + 1;
        let _ = raw.try_send(frame(HEADERS, END_STREAM | END_HEADERS, stream, &head("POST", "/", &[])));
        wait_until("it is there", || backend.requests().len() > count || drained.is_finished());
        let _ = raw.try_send(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
        drained.is_finished()
    });
    assert!(ended, "it goes on for ever");
}

#[test]
fn who_makes_room_for_much_by_little_is_no_flood() {
    let backend = Backend::respond(backend::ok("X: y", &"x".repeat(6_000_000)));
    let thrust = with_h2c(&backend).start();
    let mut raw = Raw::connect(thrust.port());
    raw.get(1, "/");
    loop {
        let data = raw.await_frame(DATA);
        if data.flags & END_STREAM != 0 {
            break;
        }
        // As many clients do, for every piece that was read.
        for piece in data.payload.chunks(1024) {
            let size = (piece.len() as u32).to_be_bytes();
            raw.send([frame(WINDOW_UPDATE, 0, 0, &size), frame(WINDOW_UPDATE, 0, 1, &size)].concat());
        }
    }
}

#[test]
fn more_streams_than_allowed_are_refused() {
    let backend = Backend::start(|connection| while connection.request().is_some() {});
    let thrust = with_h2c(&backend).start();
    let mut raw = Raw::connect(thrust.port());
    for stream in (1..=257).step_by(2) {
        raw.get(stream, "/");
    }
    let reset = raw.await_frame(RST_STREAM);
    assert_eq!((reset.stream, reset.payload), (257, vec![0, 0, 0, 7]), "REFUSED_STREAM");
}

#[test]
fn streams_are_bounded_by_the_files_that_may_be_open() {
    let backend = Backend::start(|connection| {
        while let Some(request) = connection.request() {
            if request.target() != "/never" {
                connection.respond_with("x");
            }
        }
    });
    // Room for eight requests, one of them that of a connection that is yet to come.
    let thrust = with_h2c(&backend).open_files(48, 48).start();
    let mut raw = Raw::connect(thrust.port());
    for stream in (1..=201).step_by(2) {
        raw.post(stream, "/never");
    }
    backend.await_requests(7);
    raw.send(frame(PING, 0, 0, &[1; 8]));
    raw.await_frame(PING);
    assert_eq!(backend.requests().len(), 7);
    drop(raw);
    let mut client = Http2::connect(thrust.port());
    let asked: Vec<_> = (0..100).map(|_| client.begin(request(Method::POST, "/"), true).0).collect();
    for response in asked {
        assert_eq!(client.finish(response).unwrap().status, 200);
    }
    assert!(!thrust.stderr().contains("pausing"), "{}", thrust.stderr());
}

#[test]
fn a_drain_lets_streams_finish_and_then_closes() {
    let latch = crate::support::Latch::new();
    let gate = latch.clone();
    let backend = Backend::start(move |connection| {
        while connection.request().is_some() {
            gate.wait();
            connection.respond_with("done");
        }
    });
    let mut thrust = with_h2c(&backend).env("THRUST_SHUTDOWN_TIMEOUT", "10m").start();
    let mut client = Http2::connect(thrust.port());
    let (response, _) = client.begin(request(Method::GET, "/"), true);
    let mut idle = Raw::connect(thrust.port());
    backend.await_requests(1);
    thrust.signal(libc::SIGTERM);
    assert_eq!(idle.await_frame(GOAWAY).payload[4..8], [0; 4]);
    idle.await_close();
    latch.open();
    let whole = client.finish(response).unwrap();
    assert_eq!((whole.text().as_str(), whole.header("connection")), ("done", None));
    client.end().unwrap();
    assert_eq!(thrust.wait().code(), Some(0));
}

#[test]
fn a_drain_closes_event_streams_when_only_they_are_left() {
    let backend = Backend::start(|connection| {
        while let Some(request) = connection.request() {
            match request.target().as_str() {
                "/page" => drop(connection.respond_with("page")),
                _ => {
                    connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
                    connection.await_close();
                    return;
                }
            }
        }
    });
    let mut thrust = with_h2c(&backend).env("THRUST_SHUTDOWN_TIMEOUT", "10m").start();
    let mut client = Http2::connect(thrust.port());
    let streams: Vec<_> = (0..3).map(|_| client.begin(request(Method::GET, "/events"), true).0).collect();
    let streams: Vec<_> = streams.into_iter().map(|stream| client.run(stream).unwrap()).collect();
    assert_eq!(client.get("/page").text(), "page");
    thrust.signal(libc::SIGTERM);
    for stream in streams {
        let mut body = stream.into_body();
        client.run(async { while let Some(Ok(_)) = body.data().await {} });
    }
    assert_eq!(thrust.wait().code(), Some(0));
    wait_until("all are logged", || {
        thrust.access_log().iter().filter(|record| record["path"] == "/events").count() == 3
    });
}

#[test]
fn a_client_that_leaves_takes_its_requests_along() {
    let backend = Backend::start(|connection| {
        while connection.request().is_some() {
            connection.await_close();
        }
    });
    let thrust = with_h2c(&backend).start();
    let mut raw = Raw::connect(thrust.port());
    raw.post(1, "/reset");
    raw.post(3, "/gone");
    backend.await_requests(2);
    raw.send(frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]));
    wait_until("one is given up", || backend.open_connections() == 1);
    drop(raw);
    wait_until("all are given up", || backend.open_connections() == 0);
    for path in ["/reset", "/gone"] {
        thrust.await_log(|record| record["path"] == path && record["reason"] == "client gone");
    }
}
