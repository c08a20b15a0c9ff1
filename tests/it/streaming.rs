//! Nothing is held back: pieces leave as they come, and large bodies go through a little memory.

use crate::support::{Backend, Client, Connection, Thrust, get, thrust::Builder};
use std::{
    sync::{Mutex, mpsc},
    time::Duration,
};

/// Bytes that are compared at a time.
const BLOCK: usize = 64 * 1024;
/// 64 MB of them.
const BLOCKS: u64 = 1024;
/// What thrust may need for them.
const MEMORY_KB: u64 = 20 * 1024;

#[test]
fn a_response_s_pieces_leave_as_they_come() {
    for head in ["Transfer-Encoding: chunked", "Content-Length: 100", "Content-Type: text/html"] {
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        let backend = Backend::start(move |connection| {
            let Some(_) = connection.request() else { return };
            connection.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n"));
            while released.lock().unwrap().recv().is_ok() {
                connection.send(if head.contains("chunked") { "5\r\npiece\r\n" } else { "piece" });
            }
        });
        let thrust = Thrust::in_front_of(&backend);
        let mut client = Client::connect(thrust.port());
        assert_eq!(client.send_get("/").head().status, 200, "the head leaves at once: {head}");
        for _ in 0..3 {
            release.send(()).unwrap();
            client.read_until("piece");
        }
    }
}

#[test]
fn an_event_stream_s_head_and_events_leave_at_once() {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let backend = Backend::start(move |connection| {
        let Some(_) = connection.request() else { return };
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
        while released.lock().unwrap().recv().is_ok() {
            connection.send("data: x\n\n");
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    let head = client.send_get("/events").head();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    for _ in 0..3 {
        assert!(client.is_silent_for(Duration::from_millis(20)));
        release.send(()).unwrap();
        // The event and the end of its chunk.
        client.read_until("data: x\n\n\r\n");
    }
}

#[test]
fn a_request_s_pieces_leave_as_they_come() {
    for framing in ["Transfer-Encoding: chunked", "Content-Length: 15"] {
        let (got, gets) = mpsc::channel();
        let backend = Backend::start(move |connection| {
            if connection.head().is_none() {
                return;
            }
            let mut piece = [0; 64];
            for _ in 0..3 {
                let mut text = String::new();
                while !text.contains("piece") {
                    match connection.read(&mut piece) {
                        0 => return,
                        read => text.push_str(&String::from_utf8_lossy(&piece[..read])),
                    }
                }
                got.send(()).unwrap();
            }
            connection.respond_with("thanks");
            connection.await_close();
        });
        let thrust = Thrust::in_front_of(&backend);
        let mut client = Client::connect(thrust.port());
        client.send(format!("POST / HTTP/1.1\r\nHost: app.test\r\n{framing}\r\n\r\n"));
        for _ in 0..3 {
            client.send(if framing.contains("chunked") { "5\r\npiece\r\n" } else { "piece" });
            gets.recv_timeout(crate::support::DEADLINE).expect("the piece reaches the worker");
        }
        if framing.contains("chunked") {
            client.send("0\r\n\r\n");
        }
        assert_eq!(client.response().text(), "thanks");
    }
}

#[test]
fn a_worker_may_answer_while_it_reads() {
    let backend = Backend::start(|connection| {
        let Some(_) = connection.head() else { return };
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let mut piece = [0; 4];
        while connection.read_exact(&mut piece) {
            connection.send([b"4\r\n", &piece[..], b"\r\n"].concat());
            if &piece == b"last" {
                connection.send("0\r\n\r\n");
            }
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 12\r\n\r\n");
    assert_eq!(client.head().status, 200);
    for piece in ["one.", "two.", "last"] {
        client.send(piece).read_until(piece);
    }
}

#[test]
fn a_large_download_needs_little_memory() {
    for head in [format!("Content-Length: {}", BLOCKS * BLOCK as u64), "Content-Type: a/b".to_owned()] {
        let backend = Backend::start(move |connection| {
            if connection.request().is_some_and(|request| request.start_line().contains("/large")) {
                connection.send(format!("HTTP/1.1 200 OK\r\n{head}\r\nConnection: close\r\n\r\n"));
                let mut block = block();
                let _ = (0..BLOCKS).all(|number| connection.send(stamp(&mut block, number)));
            } else {
                connection.respond_with("");
            }
        });
        let thrust = quiet(&backend).start();
        let before = warm(&thrust);
        let mut client = Client::connect(thrust.port());
        // In HTTP/1.0, so that no chunks are to be taken off.
        assert_eq!(client.send("GET /large HTTP/1.0\r\n\r\n").head().status, 200);
        let (mut block, mut read) = (block(), vec![0; BLOCK]);
        for number in 0..BLOCKS {
            client.read_exact(&mut read).unwrap();
            assert!(read == stamp(&mut block, number), "block {number} differs");
        }
        client.expect_closed();
        assert_memory(&thrust, before);
    }
}

#[test]
fn a_large_upload_needs_little_memory() {
    for chunked in [false, true] {
        let backend = Backend::start(receive);
        let thrust = quiet(&backend).start();
        let before = warm(&thrust);
        let mut client = Client::connect(thrust.port());
        let framing = match chunked {
            true => "Transfer-Encoding: chunked".to_owned(),
            false => format!("Content-Length: {}", BLOCKS * BLOCK as u64),
        };
        client.send(format!("POST / HTTP/1.1\r\nHost: app.test\r\n{framing}\r\n\r\n"));
        let mut block = block();
        for number in 0..BLOCKS {
            if chunked {
                client.send(format!("{BLOCK:x}\r\n"));
            }
            client.send(stamp(&mut block, number));
            if chunked {
                client.send("\r\n");
            }
        }
        if chunked {
            client.send("0\r\n\r\n");
        }
        assert_eq!(client.response().text(), "all the same");
        assert_memory(&thrust, before);
    }
}

#[test]
fn a_slow_reader_does_not_make_a_response_pile_up_in_memory() {
    let backend = Backend::start(|connection| {
        if connection.request().is_some_and(|request| request.start_line().contains("/large")) {
            connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            let block = block();
            connection.record(&Default::default());
            let _ = (0..BLOCKS).all(|_| connection.send(&block));
        } else {
            connection.respond_with("");
        }
    });
    let thrust = quiet(&backend).start();
    let before = warm(&thrust);
    let mut client = Client::connect(thrust.port());
    client.send_get("/large").head();
    assert!(client.stream().peek(&mut [0]).is_ok());
    // The worker sends as fast as it can; what could pile up would do so by now.
    std::thread::sleep(Duration::from_millis(300));
    assert_memory(&thrust, before);
}

#[test]
fn a_slow_worker_does_not_make_an_upload_pile_up_in_memory() {
    let (_until_the_end, waits) = mpsc::channel::<()>();
    let waits = Mutex::new(waits);
    let backend = Backend::start(move |connection| {
        while let Some(request) = connection.head() {
            if request.start_line().starts_with("GET") {
                connection.respond_with("");
            } else {
                let _ = waits.lock().unwrap().recv();
                return;
            }
        }
    });
    let thrust = quiet(&backend).start();
    let before = warm(&thrust);
    let mut client = Client::connect(thrust.port());
    client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 67108864\r\n\r\n");
    client.stream().set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let block = block();
    let taken = (0..BLOCKS).take_while(|_| client.try_send(&block).is_ok()).count();
    assert!((taken as u64) < BLOCKS, "all of it was taken, though nobody wants it");
    assert_memory(&thrust, before);
}

/// Receives a large upload and says whether it is the one that was sent.
fn receive(connection: &mut Connection) {
    let Some(mut request) = connection.head() else { return };
    if request.start_line().starts_with("GET") {
        connection.respond_with("");
        return receive(connection);
    }
    let same = if request.header("content-length").is_some() {
        let (mut block, mut read) = (block(), vec![0; BLOCK]);
        (0..BLOCKS).all(|number| connection.read_exact(&mut read) && read == stamp(&mut block, number))
    } else {
        connection.body(&mut request).is_ok()
            && request.body.len() as u64 == BLOCKS * BLOCK as u64
            && (0..BLOCKS)
                .zip(request.body.chunks(BLOCK))
                .all(|(number, read)| read[..8] == number.to_le_bytes())
    };
    connection.respond_with(if same { "all the same" } else { "something else" });
    connection.await_close();
}

fn quiet(backend: &Backend) -> Builder {
    Thrust::builder().upstream(backend.url())
}

/// The most memory used so far, in kB, once everything that is set up at first use is there.
fn warm(thrust: &Thrust) -> u64 {
    assert_eq!(get(thrust.port(), "/").status, 200);
    peak_kb(thrust)
}

#[track_caller]
fn assert_memory(thrust: &Thrust, before_kb: u64) {
    let grown = peak_kb(thrust) - before_kb;
    assert!(grown < MEMORY_KB, "{grown} kB more than before");
}

fn peak_kb(thrust: &Thrust) -> u64 {
    let peak = thrust.proc_status("VmHWM").unwrap();
    peak.trim_end_matches(" kB").parse().unwrap()
}

/// Bytes that repeat with no power of two.
fn block() -> Vec<u8> {
    (0..BLOCK).map(|index| (index % 251) as u8).collect()
}

/// The block as the `number`-th of its kind.
fn stamp(block: &mut [u8], number: u64) -> &[u8] {
    block[..8].copy_from_slice(&number.to_le_bytes());
    block
}
