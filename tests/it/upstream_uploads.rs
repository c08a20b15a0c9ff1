//! Requests whose body is still being sent when the worker answers, and what becomes of its connection.

use crate::support::{Backend, Client, Thrust, wait_until};
use std::{net::Shutdown, sync::mpsc::channel, thread, time::Duration};

const UPLOAD: &str = "POST /upload HTTP/1.1\r\nHost: app.test\r\nContent-Length: 100000000\r\n\r\n";

#[test]
fn a_switch_of_protocols_that_nobody_asked_for_ends_the_upload() {
    let backend = Backend::start(|connection| {
        if connection.head().is_some() {
            connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
            assert!(connection.await_close(), "the worker was not told");
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    assert_eq!(client.send(UPLOAD).send("half of it").response().status, 502);
    wait_until("the worker's connection is closed", || backend.open_connections() == 0);
}

#[test]
fn an_upload_that_the_worker_has_answered_leaves_nothing_behind() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 2000 None\r\n\r\n",
    ] {
        // It never reads what is sent, and keeps the connection until the end of the test.
        let (kept, all) = channel();
        let backend = Backend::start(move |connection| {
            if connection.head().is_some() {
                kept.send(connection.stream().try_clone().unwrap()).unwrap();
                connection.send(answer);
            }
        });
        let thrust = Thrust::in_front_of(&backend);
        let before = thrust.open_files();
        for _ in 0..20 {
            let mut client = Client::connect(thrust.port());
            client.send(UPLOAD);
            client.stream().set_write_timeout(Some(Duration::from_millis(50))).unwrap();
            while client.try_send([b'x'; 65536]).is_ok() {}
            assert!(client.head().status >= 200, "{answer:?}");
        }
        wait_until("nothing is left open", || thrust.open_files() <= before);
        assert_eq!(all.try_iter().count(), 20);
    }
}

#[test]
fn a_worker_that_answers_early_and_goes_on_reading_is_heard() {
    let backend = Backend::start(|connection| {
        if connection.head().is_some() {
            connection.respond_with("early");
            connection.await_close();
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    for _ in 0..5 {
        let mut client = Client::connect(thrust.port());
        client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 1000000\r\n\r\n");
        let _ = client.try_send(vec![b'x'; 200_000]);
        assert_eq!(client.response().text(), "early");
    }
}

#[test]
fn a_connection_that_takes_no_more_is_not_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let backend = Backend::start_unix(&dir.path().join("app.sock"), |connection| {
        if connection.head().is_some_and(|head| head.start_line().contains("/upload")) {
            connection.stream().shutdown(Shutdown::Read).unwrap();
            thread::sleep(Duration::from_millis(200));
            connection.respond_with("refused");
            thread::sleep(Duration::from_secs(1));
        } else {
            connection.respond_with("ok");
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    client.send("POST /upload HTTP/1.1\r\nHost: app.test\r\nContent-Length: 7\r\n\r\nhal");
    thread::sleep(Duration::from_millis(100));
    assert_eq!(client.send("f of").response().text(), "refused");
    assert_eq!(client.request("POST", "/next", "Content-Length: 0\r\n").text(), "ok");
}
