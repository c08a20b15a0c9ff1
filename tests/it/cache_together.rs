//! One fetch for all who want the same at the same time, whatever becomes of the one who asked first.

use crate::support::{
    Backend, Client, Connection, Crowd, Latch, Response, TestWorker, Thrust, backend::ok, holds_within,
    wait_until, worker::Gate,
};
use socket2::SockRef;
use std::time::{Duration, Instant};

/// A whole response that everybody may have, and its body.
const SHARED: &str = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 6\r\n\r\nshared";

/// Less than anybody waits for somebody else's fetch.
const SOON: Duration = Duration::from_secs(4);

#[test]
fn a_cold_key_is_fetched_once() {
    let latch = Latch::new();
    let backend = held(&latch, SHARED);
    let thrust = Thrust::in_front_of(&backend);
    let mut crowd = Crowd::ask(thrust.port(), 100, "/a", "");
    backend.await_requests(1);
    latch.open();
    let responses = crowd.responses();
    assert_shared(&responses);
    let collapsed = |response: &&Response| response.header("cache-status").unwrap().contains("collapsed");
    assert_eq!(responses.iter().filter(|response| response.x_cache() == "miss").count(), 1);
    assert!(responses.iter().filter(collapsed).count() > 50, "they have not asked at once");
    assert_eq!(backend.requests().len(), 1);
}

#[test]
fn an_expired_key_is_validated_once() {
    let renewed = "HTTP/1.1 304 Not Modified\r\nETag: \"v\"\r\nCache-Control: max-age=60\r\n\r\n";
    for (stored, answer) in [("shared", renewed), ("before", SHARED)] {
        let latch = Latch::new();
        let held = latch.clone();
        let backend = Backend::answer(move |request| {
            if request.header("if-none-match").is_none() {
                return ok("Cache-Control: max-age=60\r\nAge: 59\r\nETag: \"v\"", stored);
            }
            held.wait();
            answer.into()
        });
        let thrust = Thrust::in_front_of(&backend);
        expire(&thrust, "/a");
        let mut crowd = Crowd::ask(thrust.port(), 100, "/a", "");
        backend.await_requests(2);
        latch.open();
        assert_shared(&crowd.responses());
        assert_eq!(backend.requests().len(), 2, "{answer}");
    }
}

#[test]
fn the_first_client_s_leaving_takes_nothing_from_the_others() {
    for before_leaving in [0, SHARED.find("\r\n\r\n").unwrap() + 4, SHARED.len() - 3] {
        let latch = Latch::new();
        let backend = held_after(before_leaving, &latch);
        let thrust = Thrust::in_front_of(&backend);
        let mut leader = Client::connect(thrust.port());
        leader.send_get("/a");
        backend.await_requests(1);
        if before_leaving > 0 {
            leader.head();
        }
        let mut crowd = Crowd::ask(thrust.port(), 10, "/a", "");
        drop(leader);
        thrust.await_log(|record| record["reason"] == "client gone");
        latch.open();
        assert_shared(&crowd.responses());
        assert_eq!(Client::connect(thrust.port()).get("/a").x_cache(), "hit");
        assert_eq!(backend.requests().len(), 1, "{before_leaving} bytes");
    }
}

#[test]
fn what_only_the_client_wanted_that_left_is_stored_all_the_same() {
    let latch = Latch::new();
    let backend = held(&latch, SHARED);
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    client.send_get("/a");
    backend.await_requests(1);
    drop(client);
    thrust.await_log(|record| record["reason"] == "client gone");
    latch.open();
    wait_until("it is stored", || Client::connect(thrust.port()).get("/a").x_cache() == "hit");
    assert_eq!(backend.requests().len(), 1);
}

#[test]
fn a_slow_first_client_holds_nobody_up() {
    // More than all the buffers on the way take.
    const LENGTH: usize = 24 << 20;
    let backend = Backend::answer(|_| {
        let head =
            format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {LENGTH}\r\n\r\n");
        [head.into_bytes(), vec![b'x'; LENGTH]].concat()
    });
    let thrust = Thrust::builder()
        .upstream(backend.url())
        .env("THRUST_CACHE_SIZE", "128MB")
        .env("THRUST_MAX_CACHE_ITEM_SIZE", "32MB")
        .start();
    let mut leader = Client::connect(thrust.port());
    leader.send_get("/a").head();
    let mut crowd = Crowd::ask(thrust.port(), 2, "/a", "");
    assert!(crowd.responses().iter().all(|response| response.body.len() == LENGTH));
    assert_eq!(backend.requests().len(), 1);
    let mut body = vec![0; LENGTH];
    leader.read_exact(&mut body).unwrap();
    assert!(body.iter().all(|byte| *byte == b'x'));
}

#[test]
fn an_answer_that_is_not_for_everybody_releases_all_at_its_head() {
    for (status, field) in [
        ("200 OK", "Cache-Control: private, max-age=60"),
        ("200 OK", "Cache-Control: no-store"),
        ("200 OK", "Cache-Control: max-age=60\r\nSet-Cookie: a=b"),
        ("200 OK", "Content-Type: text/html"),
        ("200 OK", "Cache-Control: max-age=60\r\nVary: *"),
        ("500 Internal Server Error", "Cache-Control: max-age=60"),
    ] {
        let (first, all, end) = (Latch::new(), Latch::new(), Latch::new());
        let (first_held, all_held, ended) = (first.clone(), all.clone(), end.clone());
        let backend = Backend::start(move |connection| {
            let Some(request) = connection.request() else { return };
            if connection.index == 0 {
                first_held.wait();
            } else if request.header("x-turn") == Some("2") {
                all_held.wait();
            }
            connection.send(format!(
                "HTTP/1.1 {status}\r\n{field}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
            ));
            ended.wait();
        });
        let thrust = Thrust::in_front_of(&backend);
        let mut crowd = Crowd::ask(thrust.port(), 6, "/a", "");
        backend.await_requests(1);
        first.open();
        let begun = Instant::now();
        assert!(crowd.heads().iter().all(|head| head.x_cache() == "miss"), "{status} {field}");
        assert!(begun.elapsed() < SOON, "they have waited in vain: {status} {field}");
        assert_eq!(backend.requests().len(), 6, "{status} {field}");
        let mut again = Crowd::ask(thrust.port(), 6, "/a", "X-Turn: 2\r\n");
        // Nobody waits for another one's answer: the backend has not sent any.
        let sent = holds_within(SOON, || backend.requests().len() == 12);
        assert!(sent, "{} of 12 are sent: {status} {field}", backend.requests().len());
        all.open();
        again.heads();
        end.open();
    }
}

#[test]
fn a_body_that_breaks_off_is_not_stored_and_the_others_ask_for_themselves() {
    type BreakOff = fn(&Connection);
    let close: BreakOff = |_| {};
    let reset: BreakOff =
        |connection| SockRef::from(connection.stream()).set_linger(Some(Duration::ZERO)).unwrap();
    for (begun, break_off) in [
        ("Content-Length: 6\r\n\r\nsha", close),
        ("Content-Length: 6\r\n\r\nsha", reset),
        ("Content-Length: 6\r\n\r\n", close),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nsha\r\n", close),
        ("Transfer-Encoding: chunked\r\n\r\n6\r\nsha", close),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nsha\r\n", reset),
        ("Transfer-Encoding: chunked\r\n\r\n6\r\nshared\r\n0\r\n", close),
    ] {
        let latch = Latch::new();
        let released = latch.clone();
        let backend = Backend::start(move |connection| {
            while connection.request().is_some() {
                if connection.index > 0 {
                    connection.send(SHARED);
                    continue;
                }
                connection.send(format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n{begun}"));
                released.wait();
                return break_off(connection);
            }
        });
        let thrust = Thrust::in_front_of(&backend);
        let mut leader = Client::connect(thrust.port());
        let mut head = leader.send_get("/a").head();
        let mut crowd = Crowd::ask(thrust.port(), 5, "/a", "");
        assert_eq!(backend.requests().len(), 1);
        latch.open();
        let broken = Instant::now();
        assert!(leader.body(&mut head).is_err(), "{begun:?}");
        assert_shared(&crowd.responses());
        assert!(broken.elapsed() < SOON, "they have waited in vain: {begun:?}");
        assert!((2..=6).contains(&backend.requests().len()));
        assert_eq!(Client::connect(thrust.port()).get("/a").text(), "shared");
    }
}

#[test]
fn a_fetch_that_hangs_holds_the_others_up_for_a_while_only() {
    let latch = Latch::new();
    let released = latch.clone();
    let backend = Backend::start(move |connection| {
        while connection.request().is_some() {
            if connection.index == 0 {
                released.wait();
            }
            connection.send(SHARED);
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut leader = Client::connect(thrust.port());
    leader.send_get("/a");
    backend.await_requests(1);
    let begun = Instant::now();
    let mut crowd = Crowd::ask(thrust.port(), 5, "/a", "");
    assert_shared(&crowd.responses());
    assert!(begun.elapsed() > SOON, "they have not waited");
    assert_eq!(Client::connect(thrust.port()).get("/a").x_cache(), "hit");
    latch.open();
    assert_eq!(leader.response().text(), "shared");
}

#[test]
fn each_variant_is_fetched_once() {
    let (heads, bodies) = (Latch::new(), Latch::new());
    let (head_held, body_held) = (heads.clone(), bodies.clone());
    let backend = Backend::start(move |connection| {
        while let Some(request) = connection.request() {
            head_held.wait();
            let coding = request.header("accept-encoding").unwrap_or("identity").to_owned();
            connection.send(format!(
                "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nVary: Accept-Encoding\r\nContent-Length: {}\r\n\r\n",
                coding.len()
            ));
            body_held.wait();
            connection.send(coding);
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut leader = Crowd::ask(thrust.port(), 1, "/a", "Accept-Encoding: gzip\r\n");
    backend.await_requests(1);
    let mut others = ["gzip", "br", "zstd"].map(|coding| {
        (coding, Crowd::ask(thrust.port(), 5, "/a", &format!("Accept-Encoding: {coding}\r\n")))
    });
    assert_eq!(backend.requests().len(), 1, "nobody knows yet what it varies by");
    heads.open();
    backend.await_requests(3);
    bodies.open();
    assert_eq!(leader.responses()[0].text(), "gzip");
    for (coding, crowd) in &mut others {
        assert!(crowd.responses().iter().all(|response| response.text() == *coding), "{coding}");
    }
    assert_eq!(backend.requests().len(), 3);
}

#[test]
fn requests_of_another_kind_neither_wait_nor_are_waited_for() {
    for (method, fields) in [
        ("HEAD", ""),
        ("POST", "Content-Length: 0\r\n"),
        ("OPTIONS", ""),
        ("GET", "Range: bytes=0-1\r\n"),
        ("GET", "If-None-Match: \"x\"\r\n"),
        ("GET", "If-Modified-Since: Tue, 15 Nov 1994 12:45:26 GMT\r\n"),
        ("GET", "Authorization: Basic YTpi\r\n"),
        ("GET", "Cache-Control: no-store\r\n"),
    ] {
        assert_both_are_sent(("GET", ""), (method, fields));
        assert_both_are_sent((method, fields), ("GET", ""));
    }
}

#[test]
fn a_reload_does_not_wait_for_what_it_could_not_use() {
    for fields in ["Cache-Control: no-cache\r\n", "Cache-Control: max-age=0\r\n", "Pragma: no-cache\r\n"] {
        assert_both_are_sent(("GET", ""), ("GET", fields));
        // All others can use what it fetches.
        let latch = Latch::new();
        let backend = held(&latch, SHARED);
        let thrust = Thrust::in_front_of(&backend);
        let mut reload = Crowd::ask(thrust.port(), 1, "/a", fields);
        backend.await_requests(1);
        let mut others = Crowd::ask(thrust.port(), 5, "/a", "");
        latch.open();
        assert_shared(&[reload.responses(), others.responses()].concat());
        assert_eq!(backend.requests().len(), 1, "{fields}");
    }
}

/// The second of these requests, by method and fields, is sent to the worker while the first is not answered yet.
#[track_caller]
fn assert_both_are_sent(first: (&str, &str), second: (&str, &str)) {
    let latch = Latch::new();
    let backend = held(&latch, SHARED);
    let thrust = Thrust::in_front_of(&backend);
    let [mut leader, mut other] = [(); 2].map(|()| Client::connect(thrust.port()));
    leader.send_request(first.0, "/a", first.1);
    backend.await_requests(1);
    other.send_request(second.0, "/a", second.1);
    let both = holds_within(SOON, || backend.requests().len() == 2);
    assert!(both, "{second:?} waits for {first:?}");
    latch.open();
    assert_eq!((leader.response_to(first.0).status, other.response_to(second.0).status), (200, 200));
}

#[test]
fn a_worker_s_death_ends_everybody_s_waiting() {
    let gate = Gate::new();
    let thrust = Thrust::builder().worker(&TestWorker::new()).start();
    let path = format!("/when/{}", gate.path());
    let mut crowd = Crowd::ask(thrust.port(), 20, &path, "");
    thrust.await_at_worker(&path);
    let begun = Instant::now();
    // One that left at once might not be asked for.
    let mut killer = Client::connect(thrust.port());
    killer.send_get("/exit/3");
    assert!(crowd.responses().iter().all(|response| response.status == 502));
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[test]
fn shutting_down_loses_nobody_s_response() {
    for begun in [0, SHARED.len() - 3] {
        let latch = Latch::new();
        let backend = held_after(begun, &latch);
        let thrust = Thrust::in_front_of(&backend);
        let mut crowd = Crowd::ask(thrust.port(), 20, "/a", "");
        backend.await_requests(1);
        thrust.signal(libc::SIGTERM);
        wait_until("it no longer listens", || Client::try_connect(thrust.port()).is_err());
        latch.open();
        assert_shared(&crowd.responses());
        assert!(thrust.finish().status.success());
        assert_eq!(backend.requests().len(), 1);
    }
}

/// Answers with this when the latch is open.
fn held(latch: &Latch, response: &'static str) -> Backend {
    let latch = latch.clone();
    Backend::answer(move |request| {
        latch.wait();
        let (head, body) = response.split_at(response.find("\r\n\r\n").unwrap() + 4);
        let is_head = request.start_line().starts_with("HEAD");
        [head, if is_head { "" } else { body }].concat().into()
    })
}

/// Sends so many bytes of the shared response at once, and the rest when the latch is open.
fn held_after(length: usize, latch: &Latch) -> Backend {
    let latch = latch.clone();
    Backend::start(move |connection| {
        if connection.request().is_some() {
            connection.send(&SHARED[..length]);
            latch.wait();
            connection.send(&SHARED[length..]);
        }
    })
}

/// Has it stored, and waits until it is stale.
fn expire(thrust: &Thrust, path: &str) {
    let mut client = Client::connect(thrust.port());
    assert_eq!(client.get(path).status, 200);
    let stored =
        |client: &mut Client| client.request("GET", path, "Cache-Control: only-if-cached\r\n").status;
    assert_eq!(stored(&mut client), 200);
    wait_until("it is stale", || stored(&mut client) == 504);
}

#[track_caller]
fn assert_shared(responses: &[Response]) {
    for response in responses {
        assert_eq!((response.status, response.text().as_str()), (200, "shared"));
    }
}
