//! Clients over TLS that are slow, silent or in the way, and the end of a connection.

use crate::support::{Backend, Client, Latch, Secure, Thrust, TlsClient, tls::trusting, wait_until};
use std::{
    io,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

/// The deadline under test.
const SECOND: &str = "1";
/// So long a deadline that nothing in these tests can be its doing.
const NEVER: &str = "10m";

#[test]
fn a_handshake_has_a_deadline() {
    let secure =
        Secure::start(|thrust| thrust.env("THRUST_READ_TIMEOUT", SECOND).env("THRUST_IDLE_TIMEOUT", NEVER));
    let hello = client_hello(&secure);
    let mut silent = Client::connect(secure.port);
    let mut half = Client::connect(secure.port);
    half.send(&hello[..hello.len() / 2]);
    let mut done = Client::connect(secure.port);
    done.send(&hello);
    let mut trickling = Client::connect(secure.port);
    let begun = Instant::now();
    // Each byte is progress, but the whole has to arrive in time.
    for byte in &hello {
        if trickling.try_send([*byte]).is_err() || !trickling.is_silent_for(Duration::from_millis(100)) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "it may go on for ever");
    }
    trickling.expect_closed();
    silent.expect_closed();
    half.expect_closed();
    done.read_to_end();
    assert_eq!(secure.client().get("/").status, 200);
    assert!(!secure.thrust.stderr().contains("ERROR"), "{}", secure.thrust.stderr());
}

#[test]
fn who_does_not_finish_a_handshake_is_in_nobody_s_way() {
    let secure = Secure::start(|thrust| thrust.env("THRUST_READ_TIMEOUT", NEVER));
    let hello = client_hello(&secure);
    let stalled: Vec<_> = (0..500)
        .map(|number| {
            let mut client = Client::connect(secure.port);
            client.send(&hello[..number % hello.len()]);
            client
        })
        .collect();
    for _ in 0..10 {
        assert_eq!(secure.client().get("/").status, 200);
    }
    assert_eq!(stalled.len(), 500);
}

#[test]
fn handshakes_count_among_the_connections_that_may_be_open() {
    let secure = Secure::start(|thrust| thrust.open_files(64, 64).env("THRUST_READ_TIMEOUT", SECOND));
    let stalled: Vec<_> = (0..60).map(|_| Client::connect(secure.port)).collect();
    // Those before it have to run into their deadline first.
    assert_eq!(secure.client().get("/").status, 200);
    assert!(!secure.thrust.stderr().contains("cannot accept"), "{}", secure.thrust.stderr());
    drop(stalled);
}

#[test]
fn plain_http_on_the_tls_port_ends_cleanly() {
    let secure = Secure::start(|thrust| thrust.env("THRUST_READ_TIMEOUT", NEVER));
    for sent in
        ["GET / HTTP/1.1\r\nHost: app.test\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\0\0\0\0\0\0\0\0"]
    {
        let mut client = Client::connect(secure.port);
        client.send(sent);
        let answer = client.read_to_end();
        // Nothing, or one record with an alert.
        assert!(matches!(answer[..], [] | [21, 3, _, 0, 2, 2, _]), "{answer:?}");
    }
    assert_eq!(secure.client().get("/").status, 200);
    let log = secure.thrust.stderr();
    assert!(!log.contains("ERROR") && !log.contains("WARN"), "{log}");
}

#[test]
fn an_idle_connection_is_closed_with_a_word() {
    let secure = Secure::start(|thrust| thrust.env("THRUST_IDLE_TIMEOUT", SECOND));
    let (mut fresh, mut used) = (secure.client(), secure.client());
    assert_eq!(used.get("/").status, 200);
    fresh.expect_close_notify();
    used.expect_close_notify();
}

#[test]
fn a_client_that_reads_nothing_is_cut_off_and_costs_little() {
    let backend = Backend::start(|connection| {
        if connection.request().is_some() {
            connection.send("HTTP/1.1 200 OK\r\n\r\n");
            while connection.send([b'x'; 65536]) {}
        }
    });
    let secure = Secure::in_front_of(backend, |thrust| {
        thrust.env("THRUST_WRITE_TIMEOUT", SECOND).env("THRUST_COMPRESSION", "0")
    });
    let before = peak(&secure.thrust);
    let mut clients: Vec<_> = (0..10).map(|_| secure.client()).collect();
    for client in &mut clients {
        client.send_get("/endless").head();
    }
    wait_until("they are cut off", || {
        let log = secure.thrust.access_log();
        log.iter().filter(|record| record["reason"] == "client write timeout").count() == 10
    });
    wait_until("the worker's connections are closed", || secure.backend.open_connections() == 0);
    let more = peak(&secure.thrust) - before;
    assert!(more < 10 * 1024, "{more} KB more");
}

#[test]
fn what_a_client_is_slow_to_read_all_arrives() {
    // So much that the rest of one or the other is all held back by TLS while the client rests.
    let secure = with_bodies("THRUST_IDLE_TIMEOUT", NEVER);
    let config = trusting(&[secure.folder.at("cert.pem")]);
    let mut clients: Vec<_> = (1..=24)
        .map(|number| {
            let length = number * 16 * 1024;
            let mut client = TlsClient::connect_with_buffer(secure.port, &config, 4096);
            client.send_get(&format!("/{length}"));
            (client, length)
        })
        .collect();
    // Longer than a connection has to be idle to give its buffers back.
    thread::sleep(Duration::from_secs(1));
    for (client, length) in &mut clients {
        client.head();
        client.read_slowly(*length, *length, Duration::ZERO);
        assert_eq!(client.get("/1").text(), "x", "it is still of use");
    }
}

#[test]
fn a_client_that_reads_slowly_is_not_cut_off() {
    let secure = with_bodies("THRUST_WRITE_TIMEOUT", "3");
    let config = trusting(&[secure.folder.at("cert.pem")]);
    let mut client = TlsClient::connect_with_buffer(secure.port, &config, 4096);
    client.send_get("/200000").head();
    client.read_slowly(200_000, 4096, Duration::from_millis(100));
    client.send_get("/1").head();
}

#[test]
fn stopping_lets_a_response_end() {
    let latch = Latch::new();
    let wait = latch.clone();
    let backend = Backend::start(move |connection| {
        if connection.request().is_some() {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
            wait.wait();
            connection.send("-last");
        }
    });
    let mut secure = Secure::in_front_of(backend, |thrust| thrust.env("THRUST_SHUTDOWN_TIMEOUT", NEVER));
    let (mut busy, mut idle) = (secure.client(), secure.client());
    let mut response = busy.send_get("/").head();
    secure.thrust.signal(libc::SIGTERM);
    idle.expect_close_notify();
    wait_until("nobody is accepted any more", || is_refused(secure.port));
    latch.open();
    busy.body(&mut response).unwrap();
    assert_eq!(response.text(), "first-last");
    busy.expect_close_notify();
    assert_eq!(secure.thrust.wait().code(), Some(0));
}

#[test]
fn stopping_does_not_wait_for_who_does_not_finish_a_handshake() {
    let mut secure = Secure::start(|thrust| {
        thrust.env("THRUST_SHUTDOWN_TIMEOUT", NEVER).env("THRUST_READ_TIMEOUT", NEVER)
    });
    let hello = client_hello(&secure);
    let mut stalled = [Client::connect(secure.port), Client::connect(secure.port)];
    stalled[0].send(&hello[..20]);
    // Whoever comes behind them has been accepted later.
    assert_eq!(secure.client().get("/").status, 200);
    secure.thrust.signal(libc::SIGTERM);
    assert_eq!(secure.thrust.wait().code(), Some(0));
}

/// What a client says first.
fn client_hello(secure: &Secure) -> Vec<u8> {
    let config = trusting(&[secure.folder.at("cert.pem")]);
    let name = "localhost".try_into().unwrap();
    let mut hello = Vec::new();
    rustls::ClientConnection::new(config, name).unwrap().write_tls(&mut hello).unwrap();
    hello
}

/// In front of a worker that sends as many bytes as the path says.
fn with_bodies(timeout: &str, value: &str) -> Secure {
    let backend = Backend::answer(|request| {
        let length = request.target()[1..].parse().unwrap();
        crate::support::backend::ok("Content-Type: image/png", &"x".repeat(length))
    });
    Secure::in_front_of(backend, |thrust| thrust.env(timeout, value))
}

fn is_refused(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port))
        .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// The most that was ever resident, in kilobytes.
fn peak(thrust: &Thrust) -> u64 {
    thrust.proc_status("VmHWM").unwrap().trim_end_matches(" kB").parse().unwrap()
}
