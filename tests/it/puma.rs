//! In front of a real Puma with a Rack application, `tests/puma/config.ru`.

use crate::support::{
    Client, Response, Thrust, get,
    load::{Load, Mode},
    thrust::{Builder, is_alive, kill},
    wait_until,
};
use std::{fs, path::Path, process::Command};

#[test]
fn puma_boots_and_answers() {
    let thrust = puma().start();
    let response = get(thrust.port(), "/");
    assert_eq!((response.status, response.text().as_str()), (200, "hello\n"));
    let peer = get(thrust.port(), "/peer").text();
    let words: Vec<_> = peer.split(' ').collect();
    assert_eq!(words[..2], ["app.test", "127.0.0.1"]);
    assert_eq!(words[2].len(), 36, "no request id: {peer}");
    assert_eq!(get(thrust.port(), "/nothing").status, 404);
    thrust.await_log(|record| record["path"] == "/nothing" && record["status"] == 404);
}

#[test]
fn puma_is_reached_by_a_unix_socket_as_well() {
    let mut thrust = puma().env("THRUST_WORKER_SOCKET", "auto").start();
    assert_eq!(get(thrust.port(), "/").text(), "hello\n");
    let boot = get(thrust.port(), "/boot").text();
    thrust.signal(libc::SIGUSR2);
    wait_until("Puma has restarted", || get(thrust.port(), "/boot").text() != boot);
    assert_eq!(get(thrust.port(), "/").status, 200);
    thrust.signal(libc::SIGTERM);
    assert_eq!(thrust.wait().code(), Some(128 + libc::SIGTERM));
}

#[test]
fn a_connection_is_kept_for_more_requests_than_puma_allows_on_one() {
    let thrust = puma().start();
    let mut client = Client::connect(thrust.port());
    for number in 0..1200 {
        assert_eq!(client.get("/").status, 200, "request {number}");
    }
}

#[test]
fn the_first_piece_of_an_event_stream_arrives_before_the_second_exists() {
    let dir = tempfile::tempdir().unwrap();
    let go_on = dir.path().join("go-on");
    let thrust = puma().start();
    let mut client = Client::connect(thrust.port());
    let mut response = client.send_get(&format!("/events?{}", go_on.display())).head();
    assert_eq!(response.header("content-type"), Some("text/event-stream"));
    assert!(client.read_until("data: one\n\n").contains("data: one"));
    fs::write(&go_on, "").unwrap();
    // The rest of the first chunk's frame comes before the second chunk.
    client.read_until("\r\n");
    client.body(&mut response).unwrap();
    assert_eq!(response.text(), "data: two\n\n");
}

#[test]
fn a_hijacked_socket_is_a_tunnel_both_ways() {
    let thrust = puma().start();
    let mut client = Client::connect(thrust.port());
    client.send(
        "GET /echo HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly ",
    );
    let head = client.head();
    assert_eq!((head.status, head.header("upgrade")), (101, Some("websocket")));
    client.read_until("early ");
    for text in ["one", "two", &"x".repeat(100_000)] {
        client.send(text).read_until(text);
    }
    client.send("last");
    client.finish_sending();
    assert_eq!(client.read_to_end(), b"last");
}

#[test]
fn a_response_that_ends_with_the_connection_arrives_whole() {
    let thrust = puma().start();
    let response = get(thrust.port(), "/until-close");
    assert_eq!(response.text(), "until close");
}

#[test]
fn a_large_upload_and_a_large_download_arrive_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("large");
    let mut bytes = vec![0; 48 << 20];
    fastrand::Rng::with_seed(1).fill(&mut bytes);
    fs::write(&file, &bytes).unwrap();
    let expected = sha256(&file);
    let thrust = puma().start();

    let with_length = upload(&thrust, &format!("Content-Length: {}", bytes.len()), &[&bytes]);
    assert_eq!(with_length.text(), expected);
    let pieces: Vec<_> = bytes.chunks(1_000_003).map(chunk).collect();
    let pieces: Vec<_> = pieces.iter().map(Vec::as_slice).chain([&b"0\r\n\r\n"[..]]).collect();
    assert_eq!(upload(&thrust, "Transfer-Encoding: chunked", &pieces).text(), expected);

    let download = get(thrust.port(), &format!("/download?{}", file.display()));
    assert!(download.body == bytes, "{} bytes came instead of {}", download.body.len(), bytes.len());
}

#[test]
fn a_restart_by_usr2_under_load_fails_no_request() {
    for mode in [Mode::KeepAlive, Mode::OneRequestEach] {
        let thrust = puma().env("THRUST_LOG_REQUESTS", "0").start();
        let (boot, pid) = (get(thrust.port(), "/boot").text(), get(thrust.port(), "/pid").text());
        let load = Load::start(thrust.port(), "/slow?0.005", 4, mode);
        load.await_more(20);
        thrust.signal(libc::SIGUSR2);
        wait_until("Puma has restarted", || {
            let response = get(thrust.port(), "/boot");
            assert_eq!(response.status, 200, "{mode:?}: {}", response.text());
            response.text() != boot
        });
        load.await_more(20);
        let report = load.finish();
        assert!(report.failures.is_empty(), "{mode:?}: {report:?}");
        assert_eq!(get(thrust.port(), "/pid").text(), pid, "it was to restart under the same process id");
    }
}

#[test]
fn term_in_mid_request_lets_it_finish() {
    let mut thrust = puma().start();
    let pid: i32 = get(thrust.port(), "/pid").text().parse().unwrap();
    let mut client = Client::connect(thrust.port());
    client.send_get("/slow?1");
    // Puma has threads to spare: the second request is answered while the first is in flight.
    assert_eq!(get(thrust.port(), "/").text(), "hello\n");
    thrust.signal(libc::SIGTERM);
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (200, "slow\n"));
    assert!(response.has_token("connection", "close"));
    // Puma raises TERM again when it has stopped.
    assert_eq!(thrust.wait().code(), Some(128 + libc::SIGTERM));
    assert!(!is_alive(pid));
}

#[test]
fn term_under_load_fails_no_request() {
    for mode in [Mode::KeepAlive, Mode::OneRequestEach] {
        let mut thrust = puma().env("THRUST_LOG_REQUESTS", "0").start();
        get(thrust.port(), "/");
        let load = Load::start(thrust.port(), "/slow?0.005", 8, mode);
        load.await_more(50);
        thrust.signal(libc::SIGTERM);
        assert_eq!(thrust.wait().code(), Some(128 + libc::SIGTERM));
        let report = load.finish();
        assert!(report.failures.is_empty(), "{mode:?}: {report:?}");
    }
}

#[test]
fn when_puma_is_killed_those_who_wait_get_502() {
    let mut thrust = puma().start();
    let pid: i32 = get(thrust.port(), "/pid").text().parse().unwrap();
    let mut client = Client::connect(thrust.port());
    client.send_get("/slow?100");
    assert_eq!(get(thrust.port(), "/").text(), "hello\n");
    kill(pid, libc::SIGKILL);
    assert_eq!(client.response().status, 502);
    assert_eq!(thrust.wait().code(), Some(128 + libc::SIGKILL));
}

/// Puma as thrust's worker.
fn puma() -> Builder {
    let installed =
        Command::new("puma").arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(installed, "these tests need Puma, and there is none: bin/test installs it");
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/puma");
    Thrust::builder().dir(dir).env("THRUST_SHUTDOWN_TIMEOUT", "60").command([
        "puma",
        "-C",
        "puma.rb",
        "config.ru",
    ])
}

/// Sends the pieces as the body while the response is awaited.
fn upload(thrust: &Thrust, framing: &str, pieces: &[&[u8]]) -> Response {
    let mut client = Client::connect(thrust.port());
    client.send(format!("POST /upload HTTP/1.1\r\nHost: app.test\r\n{framing}\r\n\r\n"));
    for piece in pieces {
        client.send(piece);
    }
    client.response()
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn sha256(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}
