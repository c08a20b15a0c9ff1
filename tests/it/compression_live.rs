//! Responses that are encoded while they are sent.

use crate::support::{Backend, Client, Coding, Connection, Latch, Response, Thrust, coding::prose};

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n";

/// Answers with this head, and then as the script says.
fn live(head: &'static str, script: impl Fn(&mut Connection) + Send + Sync + 'static) -> (Backend, Thrust) {
    let backend = Backend::start(move |connection| {
        while connection.request().is_some() {
            connection.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n"));
            script(connection);
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    (backend, thrust)
}

fn chunk(content: &str) -> String {
    format!("{:x}\r\n{content}\r\n", content.len())
}

/// The content of the next chunk; nothing is the last one's.
fn next_chunk(client: &mut Client) -> Vec<u8> {
    let line = client.read_until("\r\n");
    let mut chunk = vec![0; usize::from_str_radix(line.trim_end(), 16).unwrap() + 2];
    client.read_exact(&mut chunk).unwrap();
    chunk.truncate(chunk.len() - 2);
    chunk
}

#[test]
fn each_piece_can_be_read_before_the_worker_has_the_next() {
    let pieces = [
        "data: one\n\n".to_owned(),
        prose(3000),
        "data: three\n\n".to_owned(),
        prose(40_000),
        "e".to_owned(),
    ];
    for head in [
        "Content-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n",
        "Content-Type: text/html\r\nTransfer-Encoding: chunked\r\n",
        // Stored meanwhile.
        "Content-Type: text/html\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n",
        "Content-Type: text/html\r\nContent-Length: 43025\r\n",
    ] {
        for coding in Coding::ALL {
            let latches: Vec<_> = pieces.iter().map(|_| Latch::new()).collect();
            let (script, held) = (pieces.clone(), latches.clone());
            let is_chunked = head.contains("chunked");
            let (_backend, thrust) = live(head, move |connection| {
                for (piece, latch) in script.iter().zip(&held) {
                    connection.send(if is_chunked { chunk(piece) } else { piece.clone() });
                    latch.wait();
                }
                if is_chunked {
                    connection.send("0\r\n\r\n");
                }
            });
            let mut client = Client::connect(thrust.port());
            let head = client.send_request("GET", "/", &(coding.accepted() + "\r\n")).head();
            assert_eq!((head.coding(), head.varies_by_encoding()), (coding.name(), true));
            let (mut expected, mut encoded) = (String::new(), Vec::new());
            for (piece, latch) in pieces.iter().zip(&latches) {
                expected.push_str(piece);
                // It fails at the deadline where nothing comes.
                while coding.decode_so_far(&encoded) != expected.as_bytes() {
                    encoded.extend(next_chunk(&mut client));
                }
                latch.open();
            }
            loop {
                match next_chunk(&mut client) {
                    chunk if chunk.is_empty() => break,
                    chunk => encoded.extend(chunk),
                }
            }
            let whole = coding.decode(&encoded);
            assert!(whole.complete && whole.content == expected.as_bytes(), "{coding:?}");
        }
    }
}

/// Nobody knows how long it becomes, and whether it is worth encoding, but the client has its head.
#[test]
fn the_head_of_a_body_that_takes_its_time_arrives() {
    let latch = Latch::new();
    let held = latch.clone();
    let (_backend, thrust) =
        live("Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n", move |connection| {
            held.wait();
            connection.send(chunk("data: one\n\n") + "0\r\n\r\n");
        });
    let mut client = Client::connect(thrust.port());
    let mut response = client.send_request("GET", "/", "Accept-Encoding: gzip\r\n").head();
    assert_eq!((response.status, response.coding()), (200, "gzip"));
    latch.open();
    client.body(&mut response).unwrap();
    assert_eq!(response.decoded(), b"data: one\n\n");
}

#[test]
fn a_worker_that_breaks_off_is_seen_by_the_client() {
    for (head, body) in [
        ("Content-Length: 100000\r\n\r\n", prose(50_000)),
        ("Content-Length: 100000\r\n\r\n", prose(10)),
        (CHUNKED, chunk(&prose(50_000))),
        (CHUNKED, chunk(&prose(5_000)) + "ffff\r\nnot all of it"),
        (CHUNKED, chunk(&prose(100))),
        (CHUNKED, chunk(&prose(2_000)) + "no chunk\r\n"),
    ] {
        for control in ["private", "max-age=60"] {
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nCache-Control: {control}\r\n{head}{body}"
            );
            let backend = Backend::respond_and_close(&answer);
            let thrust = Thrust::in_front_of(&backend);
            for coding in Coding::ALL {
                let mut client = Client::connect(thrust.port());
                let response = client.send_request("GET", "/", &(coding.accepted() + "\r\n")).try_response();
                assert!(response.is_err(), "{coding:?} {control} {head:?} {}: {response:?}", body.len());
            }
        }
    }
}

/// The library drops a body that says it has ended, without asking once more.
#[test]
fn one_that_was_sent_whole_is_logged_without_a_complaint() {
    let long = prose(20_000);
    let (chunked, with_length) =
        (format!("{CHUNKED}{}0\r\n\r\n", chunk(&long)), format!("Content-Length: 20000\r\n\r\n{long}"));
    for rest in [chunked, with_length] {
        for control in ["private", "max-age=60"] {
            let answer =
                format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nCache-Control: {control}\r\n{rest}");
            let backend = Backend::respond(&answer);
            let thrust = Thrust::in_front_of(&backend);
            for coding in Coding::ALL {
                let mut client = Client::connect(thrust.port());
                let response = client
                    .send_request("GET", &format!("/{}", coding.name()), &(coding.accepted() + "\r\n"))
                    .response();
                assert_eq!(response.coding(), coding.name());
                let record = thrust.await_log(|record| record["path"] == format!("/{}", coding.name()));
                assert!(record.get("reason").is_none(), "{control}: {record}");
            }
        }
    }
}

#[test]
fn trailers_follow_an_encoded_body() {
    let (_backend, thrust) =
        live("Content-Type: text/html\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n", |connection| {
            connection.send(chunk(&prose(5_000)) + "0\r\nX-Sum: 42\r\n\r\n");
        });
    let mut client = Client::connect(thrust.port());
    for coding in Coding::ALL {
        let response = client.ask("GET /", &[&coding.accepted(), "TE: trailers", "Connection: TE"]);
        assert_eq!(response.coding(), coding.name());
        assert!(response.decoded() == prose(5_000).as_bytes());
        assert_eq!(response.trailers, [("X-Sum".to_lowercase(), "42".to_owned())], "{coding:?}");
    }
}

#[test]
fn a_client_of_http_1_0_gets_an_encoded_body_that_ends_with_the_connection() {
    let (_backend, thrust) =
        live("Content-Type: text/html\r\nTransfer-Encoding: chunked\r\n", |connection| {
            connection.send(chunk(&prose(5_000)) + "0\r\n\r\n");
        });
    for coding in Coding::ALL {
        let mut client = Client::connect(thrust.port());
        client.send(format!("GET / HTTP/1.0\r\nHost: app.test\r\n{}\r\n\r\n", coding.accepted()));
        let response: Response = client.response();
        assert_eq!((response.coding(), response.length()), (coding.name(), None));
        assert_eq!(response.header("transfer-encoding"), None);
        assert!(response.decoded() == prose(5_000).as_bytes());
        client.expect_closed();
    }
}

/// A worker that speaks HTTP/1.0, or closes, ends its body with the connection.
#[test]
fn a_body_that_ends_with_the_worker_s_connection() {
    let answer = format!("HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n{}", prose(5_000));
    let backend = Backend::respond_and_close(&answer);
    let thrust = Thrust::in_front_of(&backend);
    for coding in Coding::ALL {
        let response = Client::connect(thrust.port()).ask("GET /", &[&coding.accepted()]);
        assert_eq!(response.coding(), coding.name());
        assert!(response.decoded() == prose(5_000).as_bytes());
    }
}

#[test]
fn answers_to_other_methods_are_encoded_as_well() {
    let answer = format!(
        "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{}",
        prose(5_000)
    );
    let backend = Backend::respond(&answer);
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    client.send("POST / HTTP/1.1\r\nHost: app.test\r\nAccept-Encoding: br\r\nContent-Length: 2\r\n\r\nab");
    let response = client.response();
    assert_eq!((response.status, response.coding()), (201, "br"));
    assert!(response.decoded() == prose(5_000).as_bytes());
}
