//! Progress deadlines: what stands still is cut off, what moves never is.

use crate::support::{Backend, Client, Thrust, wait_until};
use std::{
    thread,
    time::{Duration, Instant},
};

/// The deadline under test.
const SECOND: &str = "1";
/// Between two signs of life of somebody who is slow.
const PAUSE: Duration = Duration::from_millis(250);

#[test]
fn a_header_that_is_dribbled_is_cut_off_with_408() {
    let (backend, thrust) = with("THRUST_READ_TIMEOUT");
    let mut client = Client::connect(thrust.port());
    client.send("GET / HTTP/1.1\r\nHost: a\r\n");
    let start = Instant::now();
    let mut number = 0;
    // Each byte is progress, but the header as a whole has to arrive in time.
    while client.is_silent_for(PAUSE) && start.elapsed() < Duration::from_secs(10) {
        number += 1;
        let _ = client.try_send(format!("X-{number}: y\r\n"));
    }
    assert_eq!(client.response().status, 408);
    client.expect_closed();
    assert_eq!(backend.requests().len(), 0);
    thrust.await_log(|record| record["status"] == 408 && record["reason"] == "request header timeout");
}

#[test]
fn a_header_that_is_dribbled_on_a_used_connection_is_cut_off_too() {
    let (_backend, thrust) = with("THRUST_READ_TIMEOUT");
    let mut client = Client::connect(thrust.port());
    assert_eq!(client.get("/").status, 200);
    client.send("GET / HT");
    assert_eq!(client.response().status, 408);
    client.expect_closed();
}

#[test]
fn the_read_timeout_is_no_limit_for_a_client_that_is_idle() {
    let (_backend, thrust) = with("THRUST_READ_TIMEOUT");
    let mut client = Client::connect(thrust.port());
    for _ in 0..2 {
        assert!(client.is_silent_for(Duration::from_millis(1300)));
        assert_eq!(client.get("/").status, 200);
    }
}

#[test]
fn a_request_body_that_stands_still_is_cut_off_with_408() {
    let (backend, thrust) = with("THRUST_READ_TIMEOUT");
    for head in ["Content-Length: 100\r\n\r\nbegun", "Transfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n"] {
        let mut client = Client::connect(thrust.port());
        client.send(format!("POST /still HTTP/1.1\r\nHost: a\r\n{head}"));
        assert_eq!(client.response().status, 408, "{head}");
        client.expect_closed();
    }
    assert_eq!(backend.requests().len(), 0);
    wait_until("the worker's connections are closed", || backend.open_connections() == 0);
    thrust.await_log(|record| record["path"] == "/still" && record["reason"] == "request body timeout");
}

#[test]
fn a_request_body_that_moves_is_not_cut_off() {
    let (_backend, thrust) = with("THRUST_READ_TIMEOUT");
    let mut client = Client::connect(thrust.port());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n");
    for _ in 0..8 {
        thread::sleep(PAUSE);
        client.send("x");
    }
    assert!(client.response().text().ends_with("\r\n\r\nxxxxxxxx"));
}

#[test]
fn a_worker_may_take_longer_than_any_deadline_for_clients() {
    let backend = Backend::start(|connection| {
        while connection.request().is_some() {
            thread::sleep(Duration::from_millis(1500));
            connection.respond_with("at last");
        }
    });
    let thrust = Thrust::builder()
        .upstream(backend.url())
        .env("THRUST_READ_TIMEOUT", SECOND)
        .env("THRUST_WRITE_TIMEOUT", SECOND)
        .env("THRUST_IDLE_TIMEOUT", SECOND)
        .start();
    let mut client = Client::connect(thrust.port());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
    assert_eq!(client.response().text(), "at last");
}

#[test]
fn an_idle_connection_is_closed() {
    let (_backend, thrust) = with("THRUST_IDLE_TIMEOUT");
    let (mut fresh, mut used) = (Client::connect(thrust.port()), Client::connect(thrust.port()));
    for _ in 0..3 {
        assert_eq!(used.get("/").status, 200);
        assert!(used.is_silent_for(PAUSE), "it is not idle for long enough");
    }
    fresh.expect_closed();
    used.expect_closed();
    assert_eq!(thrust.access_log().len(), 3, "a connection that is closed is no request");
}

#[test]
fn a_client_that_reads_nothing_of_a_large_response_is_cut_off() {
    let (backend, thrust) = with_endless_response();
    let mut client = Client::connect(thrust.port());
    client.send_get("/endless");
    let record = thrust.await_log(|record| record["path"] == "/endless");
    assert_eq!(record["reason"], "client write timeout");
    wait_until("the worker's connection is closed", || backend.open_connections() == 0);
}

#[test]
fn a_client_that_reads_slowly_is_not_cut_off() {
    let (_backend, thrust) = with_endless_response();
    let mut client = Client::connect(thrust.port());
    client.send_get("/endless").head();
    // Far slower than the kernel's buffers are large: for many deadlines nothing can be added to them.
    let mut piece = [0; 16 * 1024];
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(4) {
        client.read_exact(&mut piece).expect("it still comes");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(thrust.access_log().len(), 0, "it was cut off though it moves: {:?}", thrust.access_log());
}

fn with(timeout: &str) -> (Backend, Thrust) {
    let backend = Backend::echo_request();
    let thrust = Thrust::builder().upstream(backend.url()).env(timeout, SECOND).start();
    (backend, thrust)
}

fn with_endless_response() -> (Backend, Thrust) {
    let backend = Backend::start(|connection| {
        if connection.request().is_some() {
            connection.send("HTTP/1.1 200 OK\r\n\r\n");
            while connection.send([b'x'; 65536]) {}
        }
    });
    let thrust = Thrust::builder().upstream(backend.url()).env("THRUST_WRITE_TIMEOUT", SECOND).start();
    (backend, thrust)
}
