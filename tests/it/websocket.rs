//! Upgrades: bytes in both directions until both sides have ended.

use crate::support::{Backend, Client, Connection, Thrust, wait_until};
use std::time::Duration;

const HANDSHAKE: &str = concat!(
    "GET /cable?a=b HTTP/1.1\r\nHost: app.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
    "Sec-WebSocket-Protocol: actioncable-v1-json\r\nOrigin: http://app.test\r\n\r\n",
);
const SWITCH: &str = concat!(
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: actioncable-v1-json\r\n\r\n",
);

#[test]
fn both_sides_see_the_other_s_handshake() {
    let backend = switching(echo);
    let (thrust, mut client) = in_front_of(&backend);
    let response = client.send(HANDSHAKE).head();
    assert_eq!(response.status, 101);
    assert!(response.has_token("connection", "upgrade") && response.has_token("upgrade", "websocket"));
    assert_eq!(response.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(response.header("sec-websocket-protocol"), Some("actioncable-v1-json"));
    assert!(response.header("content-length").is_none() && response.header("transfer-encoding").is_none());
    let request = &backend.requests()[0];
    assert_eq!(request.start_line(), "GET /cable?a=b HTTP/1.1");
    assert!(request.has_token("connection", "upgrade") && request.has_token("upgrade", "websocket"));
    assert_eq!(request.header("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
    assert_eq!(request.header("origin"), Some("http://app.test"));
    assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(thrust.access_log().len(), 0, "it has not ended yet");
}

#[test]
fn bytes_go_both_ways() {
    let backend = switching(echo);
    let (_thrust, mut client) = in_front_of(&backend);
    assert_eq!(client.send(HANDSHAKE).head().status, 101);
    for message in ["\u{1}ping", "GET / HTTP/1.1\r\n\r\n", "\r\n\0\r\n"] {
        client.send(message).read_until(message);
    }
    let large: Vec<u8> = (0..1_000_000).map(|index| (index % 251) as u8).collect();
    let mut returned = vec![0; large.len()];
    let mut writer = client.stream().try_clone().unwrap();
    let sent = large.clone();
    let sending = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &sent).unwrap());
    client.read_exact(&mut returned).unwrap();
    sending.join().unwrap();
    assert!(returned == large);
}

#[test]
fn bytes_that_come_together_with_the_client_s_handshake_reach_the_worker() {
    let backend = switching(echo);
    for early in ["early".to_owned(), "x".repeat(100_000)] {
        let (_thrust, mut client) = in_front_of(&backend);
        client.send(format!("{HANDSHAKE}{early}"));
        assert_eq!(client.head().status, 101);
        let mut returned = vec![0; early.len()];
        client.read_exact(&mut returned).unwrap();
        assert!(returned == early.as_bytes());
        client.send("late").read_until("late");
    }
}

#[test]
fn bytes_behind_a_handshake_that_itself_is_behind_another_request_reach_the_worker() {
    let backend = Backend::start(|connection| {
        while let Some(request) = connection.request() {
            if request.header("upgrade").is_some() {
                connection.send(SWITCH);
                return echo(connection);
            }
            connection.respond_with("first");
        }
    });
    let (_thrust, mut client) = in_front_of(&backend);
    client.send(format!("GET /first HTTP/1.1\r\nHost: app.test\r\n\r\n{HANDSHAKE}\u{1}early"));
    assert_eq!(client.response().text(), "first");
    assert_eq!(client.head().status, 101);
    let mut returned = [0; 6];
    client.read_exact(&mut returned).unwrap();
    assert_eq!(&returned, b"\x01early");
}

#[test]
fn bytes_that_come_together_with_the_worker_s_handshake_reach_the_client() {
    for early in ["early".to_owned(), "x".repeat(100_000)] {
        let both = format!("{SWITCH}{early}");
        let backend = Backend::start(move |connection| {
            if connection.request().is_some() {
                connection.send(&both);
                echo(connection);
            }
        });
        let (_thrust, mut client) = in_front_of(&backend);
        assert_eq!(client.send(HANDSHAKE).head().status, 101);
        let mut came = vec![0; early.len()];
        client.read_exact(&mut came).unwrap();
        assert!(came == early.as_bytes());
        client.send("late").read_until("late");
    }
}

#[test]
fn a_client_that_has_ended_its_side_still_hears_the_worker() {
    let backend = switching(|connection| {
        assert_eq!(connection.read(&mut [0; 16]), 4);
        assert_eq!(connection.read(&mut [0; 16]), 0, "the end is passed on");
        connection.send("bye");
    });
    let (_thrust, mut client) = in_front_of(&backend);
    assert_eq!(client.send(HANDSHAKE).head().status, 101);
    client.send("last").finish_sending();
    assert_eq!(client.read_to_end(), b"bye");
}

#[test]
fn a_worker_that_has_ended_its_side_still_hears_the_client() {
    let backend = switching(|connection| {
        connection.send("last");
        connection.finish_sending();
        let mut word = [0; 3];
        assert!(connection.read_exact(&mut word));
        let mut heard = connection.head().unwrap_or_default();
        heard.body = word.to_vec();
        connection.record(&heard);
    });
    let (_thrust, mut client) = in_front_of(&backend);
    assert_eq!(client.send(HANDSHAKE).head().status, 101);
    assert_eq!(client.read_to_end(), b"last", "the end is passed on");
    client.send("bye").finish_sending();
    assert_eq!(backend.await_requests(2)[1].body, b"bye");
}

#[test]
fn the_tunnel_ends_with_the_worker() {
    let backend = switching(|_| {});
    let (thrust, mut client) = in_front_of(&backend);
    assert_eq!(client.send(HANDSHAKE).head().status, 101);
    client.expect_closed();
    drop(client);
    thrust.await_log(|record| record["status"] == 101);
}

#[test]
fn the_tunnel_ends_with_the_worker_though_the_client_goes_on_sending() {
    let backend = switching(|_| {});
    let (_thrust, mut client) = in_front_of(&backend);
    assert_eq!(client.send(HANDSHAKE).head().status, 101);
    client.expect_closed();
    wait_until("nothing more is taken", || client.try_send("more").is_err());
}

#[test]
fn the_tunnel_ends_with_the_client() {
    let backend = switching(echo);
    let (thrust, mut client) = in_front_of(&backend);
    assert_eq!(client.send(HANDSHAKE).head().status, 101);
    drop(client);
    wait_until("the worker's connection is closed", || backend.open_connections() == 0);
    thrust.await_log(|record| record["status"] == 101);
}

#[test]
fn a_tunnel_is_logged_once_at_its_end() {
    let backend = switching(echo);
    let (thrust, mut client) = in_front_of(&backend);
    assert_eq!(client.send(HANDSHAKE).head().status, 101);
    client.send("hello").read_until("hello");
    assert_eq!(thrust.access_log().len(), 0);
    drop(client);
    let record = thrust.await_log(|record| record["path"] == "/cable");
    assert_eq!(record["resp_content_length"], 5, "{record}");
    assert_eq!(record["query"], "a=b");
    // The next request's line comes behind whatever else the tunnel might have written.
    assert_eq!(Client::connect(thrust.port()).send("GET /x HTTP/1.1\r\n\r\n").response().status, 400);
    thrust.await_log(|record| record["path"] == "/x");
    assert_eq!(thrust.access_log().len(), 2);
}

#[test]
fn a_tunnel_that_the_shutdown_closes_is_logged_with_what_was_sent() {
    let backend = switching(echo);
    let (thrust, mut client) = in_front_of(&backend);
    assert_eq!(client.send(HANDSHAKE).head().status, 101);
    client.send("hello").read_until("hello");
    thrust.signal(libc::SIGTERM);
    let record = thrust.await_log(|record| record["path"] == "/cable");
    assert_eq!((&record["status"], &record["resp_content_length"]), (&101.into(), &5.into()), "{record}");
}

#[test]
fn a_worker_may_decline() {
    for (response, status) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage", 200),
        ("HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npage\r\n0\r\n\r\n", 400),
        ("HTTP/1.1 404 Not Found\r\nUpgrade: websocket\r\nContent-Length: 4\r\n\r\npage", 404),
    ] {
        let backend = Backend::respond(response);
        let (_thrust, mut client) = in_front_of(&backend);
        let declined = client.send(HANDSHAKE).response();
        assert_eq!((declined.status, declined.text().as_str()), (status, "page"));
        assert_eq!(client.get("/next").text(), "page", "HTTP goes on");
    }
}

#[test]
fn what_was_sent_behind_a_declined_handshake_is_the_next_request() {
    let backend = Backend::echo_request();
    let (_thrust, mut client) = in_front_of(&backend);
    client.send(format!("{HANDSHAKE}GET /next HTTP/1.1\r\nHost: app.test\r\n\r\n"));
    assert!(client.response().text().starts_with("GET /cable"));
    assert!(client.response().text().starts_with("GET /next"));
}

#[test]
fn an_idle_tunnel_outlives_every_deadline() {
    let backend = switching(echo);
    let thrust = Thrust::builder()
        .upstream(backend.url())
        .env("THRUST_IDLE_TIMEOUT", "300ms")
        .env("THRUST_READ_TIMEOUT", "300ms")
        .env("THRUST_WRITE_TIMEOUT", "300ms")
        .start();
    let mut client = Client::connect(thrust.port());
    assert_eq!(client.send(HANDSHAKE).head().status, 101);
    assert!(client.is_silent_for(Duration::from_millis(1500)));
    client.send("still").read_until("still");
}

#[test]
fn an_upgrade_to_http_2_is_not_forwarded() {
    for upgrade in ["h2c", "h2c, websocket", "H2C"] {
        let backend = Backend::echo_request();
        let (_thrust, mut client) = in_front_of(&backend);
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        ));
        assert_eq!(client.response().status, 200, "it is served as it is");
        let request = &backend.requests()[0];
        for name in ["upgrade", "http2-settings"] {
            assert!(request.header(name).is_none(), "{upgrade}: {:?}", request.headers);
        }
    }
}

#[test]
fn an_upgrade_that_connection_does_not_name_is_not_forwarded() {
    let backend = Backend::echo_request();
    let (_thrust, mut client) = in_front_of(&backend);
    client.send(HANDSHAKE.replace("Connection: keep-alive, Upgrade", "Connection: keep-alive"));
    assert_eq!(client.response().status, 200);
    assert!(backend.requests()[0].header("upgrade").is_none());
}

#[test]
fn a_worker_that_cannot_be_reached_is_a_502() {
    let (thrust, port) = (Thrust::builder().env("THRUST_BOOT_TIMEOUT", "0"), crate::support::free_port());
    let thrust = thrust.upstream(format!("http://127.0.0.1:{port}")).start();
    let mut client = Client::connect(thrust.port());
    assert_eq!(client.send(HANDSHAKE).response().status, 502);
    assert_eq!(client.send(HANDSHAKE).response().status, 502, "HTTP goes on");
}

/// Agrees to every upgrade, then runs the script.
fn switching(script: impl Fn(&mut Connection) + Send + Sync + 'static) -> Backend {
    Backend::start(move |connection| {
        if connection.request().is_some() {
            connection.send(SWITCH);
            script(connection);
        }
    })
}

fn echo(connection: &mut Connection) {
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = connection.read(&mut buffer);
        if read == 0 || !connection.send(&buffer[..read]) {
            return;
        }
    }
}

fn in_front_of(backend: &Backend) -> (Thrust, Client) {
    let thrust = Thrust::in_front_of(backend);
    let client = Client::connect(thrust.port());
    (thrust, client)
}
