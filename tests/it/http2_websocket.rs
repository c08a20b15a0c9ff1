//! WebSockets over HTTP/2 (RFC 8441).

use crate::support::{
    Backend, Connection, Thrust,
    http2::{Http2, request},
    wait_until,
};
use bytes::Bytes;
use h2::{RecvStream, SendStream, ext::Protocol};
use http::{HeaderValue, Method, Request, Response};

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: chat\r\n\r\n";

fn in_front_of(backend: &Backend) -> (Thrust, Http2) {
    let thrust = Thrust::builder().upstream(backend.url()).env("THRUST_H2C", "1").start();
    let client = Http2::connect(thrust.port());
    (thrust, client)
}

fn switching(then: impl Fn(&mut Connection) + Send + Sync + 'static) -> Backend {
    Backend::start(move |connection| {
        while let Some(request) = connection.request() {
            if request.header("upgrade").is_none() {
                connection.respond_with("page");
                continue;
            }
            connection.send(SWITCH);
            return then(connection);
        }
    })
}

fn echo(connection: &mut Connection) {
    let mut buffer = [0; 4096];
    loop {
        let read = connection.read(&mut buffer);
        if read == 0 || !connection.send(&buffer[..read]) {
            return;
        }
    }
}

fn handshake() -> Request<()> {
    let mut request = request(Method::CONNECT, "/cable");
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    request.headers_mut().insert("sec-websocket-version", HeaderValue::from_static("13"));
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("chat"));
    request
}

/// Opens a tunnel; the settings that allow it must have come.
fn open(client: &mut Http2) -> (Response<RecvStream>, SendStream<Bytes>) {
    client.get("/page");
    let (response, body) = client.begin(handshake(), false);
    (client.run(response).unwrap(), body)
}

fn read(client: &Http2, stream: &mut RecvStream, length: usize) -> Vec<u8> {
    client.run(async {
        let mut all = Vec::new();
        while all.len() < length {
            let data = stream.data().await.expect("more comes").unwrap();
            stream.flow_control().release_capacity(data.len()).unwrap();
            all.extend_from_slice(&data);
        }
        all
    })
}

/// Whether nothing more comes but the end.
fn ends(client: &Http2, stream: &mut RecvStream) -> bool {
    client.run(async {
        loop {
            match stream.data().await {
                None => return true,
                Some(Ok(data)) if data.is_empty() => {}
                Some(_) => return false,
            }
        }
    })
}

#[test]
fn a_websocket_is_an_upgrade_for_the_worker() {
    let backend = switching(echo);
    let (thrust, mut client) = in_front_of(&backend);
    let (response, mut body) = open(&mut client);
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    for name in ["connection", "upgrade", "sec-websocket-accept"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
    let worker = backend.requests().pop().unwrap();
    assert_eq!(worker.start_line(), "GET /cable HTTP/1.1");
    assert!(worker.has_token("connection", "upgrade") && worker.has_token("upgrade", "websocket"));
    assert_eq!(worker.header("sec-websocket-key").unwrap().len(), 24);
    assert_eq!(worker.header("sec-websocket-version"), Some("13"));
    let mut stream = response.into_body();
    for message in [&b"\x01ping"[..], &[7; 300_000]] {
        body.send_data(Bytes::copy_from_slice(message), false).unwrap();
        assert!(read(&client, &mut stream, message.len()) == message);
    }
    assert_eq!(client.get("/page").text(), "page", "beside it other requests go on");
    body.send_data(Bytes::new(), true).unwrap();
    assert!(ends(&client, &mut stream), "the worker closes too");
    let record = thrust.await_log(|record| record["path"] == "/cable");
    assert_eq!(record["resp_content_length"], 300_005, "{record}");
}

#[test]
fn a_worker_may_decline() {
    for (response, status) in [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\npage", 404),
        ("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", 302),
        // A success would be a tunnel to the client.
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage", 502),
    ] {
        let backend = Backend::respond(response);
        let (_thrust, mut client) = in_front_of(&backend);
        assert_eq!(open(&mut client).0.status(), status);
    }
}

#[test]
fn other_protocols_are_not_for_us() {
    let backend = switching(echo);
    let (_thrust, mut client) = in_front_of(&backend);
    client.get("/page");
    let mut asked = handshake();
    asked.extensions_mut().insert(Protocol::from_static("connect-udp"));
    let (response, _body) = client.begin(asked, false);
    assert_eq!(client.run(response).unwrap().status(), 501);
}

#[test]
fn a_tunnel_ends_with_either_side() {
    let backend = switching(|connection| assert_eq!(connection.read(&mut [0; 8]), 4));
    let (_thrust, mut client) = in_front_of(&backend);
    let (response, mut body) = open(&mut client);
    body.send_data(Bytes::from_static(b"last"), false).unwrap();
    assert!(ends(&client, &mut response.into_body()), "the worker has ended it");

    let backend = switching(echo);
    let (_thrust, mut client) = in_front_of(&backend);
    let (response, mut body) = open(&mut client);
    wait_until("it is open", || backend.open_connections() == 1);
    body.send_reset(h2::Reason::CANCEL);
    drop(response);
    wait_until("the worker's connection is closed", || backend.open_connections() == 0);
}

#[test]
fn a_tunnel_is_closed_when_the_server_goes() {
    let backend = switching(echo);
    let (mut thrust, mut client) = in_front_of(&backend);
    let (response, mut body) = open(&mut client);
    let mut stream = response.into_body();
    body.send_data(Bytes::from_static(b"ping"), false).unwrap();
    assert_eq!(read(&client, &mut stream, 4), b"ping");
    thrust.signal(libc::SIGTERM);
    assert!(ends(&client, &mut stream));
    assert_eq!(thrust.wait().code(), Some(0));
}
