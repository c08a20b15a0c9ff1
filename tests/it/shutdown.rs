//! Stopping: whoever was accepted is served, whoever merely waits is let go, and nobody is made to wait for nothing.

use crate::support::{
    Backend, Client, TestWorker, Thrust, get,
    load::{Load, Mode},
    thrust::Builder,
    wait_until,
    worker::{Gate, OnTerm},
};
use std::{
    thread,
    time::{Duration, Instant},
};

/// So long a timeout that nothing in these tests can be its doing.
const NEVER: &str = "10m";

#[test]
fn requests_in_flight_finish_before_the_worker_is_told_to_end() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let (gate, mut thrust) = (Gate::new(), with_worker().start());
        let (mut waiting, mut begun) = (Client::connect(thrust.port()), Client::connect(thrust.port()));
        waiting.send_get(&format!("/when/{}", gate.path()));
        let mut response = begun.send_get(&format!("/begin/{}", gate.path())).head();
        thrust.await_at_worker(&format!("/when/{}", gate.path()));
        thrust.signal(signal);
        await_no_more_connections(&thrust);
        gate.open();
        begun.body(&mut response).unwrap();
        assert_eq!(response.text(), "begun\nended\n");
        let last = waiting.response();
        assert_eq!((last.status, last.text().as_str()), (200, "done\n"));
        assert!(last.has_token("connection", "close"), "the client is not told: {last:?}");
        waiting.expect_closed();
        assert_eq!(thrust.wait().code(), Some(0));
    }
}

#[test]
fn an_upload_in_flight_finishes() {
    let backend = Backend::start(|connection| {
        if let Some(mut request) = connection.head() {
            connection.record(&request);
            connection.body(&mut request).unwrap();
            connection.respond_with(request.text());
        }
    });
    let mut thrust = Thrust::builder().upstream(backend.url()).env("THRUST_SHUTDOWN_TIMEOUT", NEVER).start();
    let mut client = Client::connect(thrust.port());
    client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 10\r\n\r\nfirst");
    backend.await_requests(1);
    thrust.signal(libc::SIGTERM);
    await_no_more_connections(&thrust);
    client.send("-last");
    assert_eq!(client.response().text(), "first-last");
    assert_eq!(thrust.wait().code(), Some(0));
}

#[test]
fn idle_connections_are_closed() {
    let (gate, mut thrust) = (Gate::new(), with_worker().start());
    let mut used = Client::connect(thrust.port());
    used.get("/");
    let mut fresh = Client::connect(thrust.port());
    let mut busy = Client::connect(thrust.port());
    busy.send_get(&format!("/when/{}", gate.path()));
    thrust.await_at_worker(&format!("/when/{}", gate.path()));
    thrust.signal(libc::SIGTERM);
    used.expect_closed();
    fresh.expect_closed();
    gate.open();
    assert_eq!(busy.response().status, 200);
    assert_eq!(thrust.wait().code(), Some(0));
}

#[test]
fn a_connection_that_only_the_kernel_has_accepted_is_served() {
    let mut thrust = with_worker().start();
    get(thrust.port(), "/");
    thrust.signal(libc::SIGSTOP);
    wait_until("it stands still", || thrust.proc_status("State").unwrap().starts_with('T'));
    let mut clients: Vec<_> = (0..20).map(|_| Client::connect(thrust.port())).collect();
    for client in &mut clients {
        client.send_get("/slow/50");
    }
    thrust.signal(libc::SIGTERM);
    thrust.signal(libc::SIGCONT);
    for mut client in clients {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(thrust.wait().code(), Some(0));
}

#[test]
fn a_connection_for_which_there_was_no_room_yet_is_served() {
    let (gate, mut thrust) = (Gate::new(), with_worker().open_files(40, 40).start());
    let mut clients: Vec<_> = (0..30).map(|_| Client::connect(thrust.port())).collect();
    for client in &mut clients {
        client.send_get(&format!("/when/{}", gate.path()));
    }
    thrust.await_at_worker(&format!("/when/{}", gate.path()));
    thrust.signal(libc::SIGTERM);
    for client in &mut clients {
        assert!(client.is_silent_for(Duration::from_millis(20)), "it is let go unserved");
    }
    gate.open();
    for mut client in clients {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(thrust.wait().code(), Some(0));
}

#[test]
fn a_client_that_asks_again_just_after_the_signal_is_answered() {
    let (gate, mut thrust) = (Gate::new(), with_worker().start());
    let mut clients: Vec<_> = (0..5).map(|_| Client::connect(thrust.port())).collect();
    clients[0].send_get(&format!("/when/{}", gate.path()));
    for client in &mut clients[1..] {
        assert_eq!(client.get("/").status, 200);
    }
    thrust.signal(libc::SIGTERM);
    for client in &mut clients[1..] {
        assert_eq!(client.get("/").status, 200);
    }
    gate.open();
    assert_eq!(clients[0].response().status, 200);
    assert_eq!(thrust.wait().code(), Some(0));
}

#[test]
fn with_a_delay_new_connections_are_still_served() {
    let mut thrust = with_worker().env("THRUST_SHUTDOWN_DELAY", "3").start();
    get(thrust.port(), "/");
    thrust.signal(libc::SIGTERM);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        assert_eq!(get(thrust.port(), "/").status, 200);
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(thrust.wait().code(), Some(0));
    assert!(start.elapsed() > Duration::from_millis(2900), "the delay was cut short");
}

#[test]
fn websockets_and_event_streams_are_closed_when_only_they_are_left() {
    let (gate, mut thrust) = (Gate::new(), with_worker().start());
    let (mut socket, mut events) = (upgraded(thrust.port()), Client::connect(thrust.port()));
    assert_eq!(events.send_get("/events").head().status, 200);
    events.read_until("data: event\n\n");
    let mut busy = Client::connect(thrust.port());
    busy.send_get(&format!("/when/{}", gate.path()));
    thrust.await_at_worker(&format!("/when/{}", gate.path()));

    thrust.signal(libc::SIGTERM);
    await_no_more_connections(&thrust);
    socket.send("still there?").read_until("still there?");
    events.read_until("data: event\n\n");

    gate.open();
    assert_eq!(busy.response().status, 200);
    socket.expect_closed();
    events.read_to_end();
    assert_eq!(thrust.wait().code(), Some(0));
}

#[test]
fn a_websocket_that_is_cut_off_by_our_end_is_logged_as_one() {
    let thrust = with_worker().start();
    let _socket = upgraded(thrust.port());
    let mut dribbling = Client::connect(thrust.port());
    dribbling.send("GET /never-whole");
    assert_eq!(Client::connect(thrust.port()).get("/kill/9").status, 502);
    let log = thrust.finish().stdout;
    assert!(log.contains("\"status\":101,") && !log.contains("\"status\":499,"), "{log}");
}

#[test]
fn a_download_is_no_event_stream_and_is_finished() {
    let (gate, mut thrust) = (Gate::new(), with_worker().start());
    let mut socket = upgraded(thrust.port());
    let mut download = Client::connect(thrust.port());
    let mut response = download.send_get(&format!("/begin/{}", gate.path())).head();
    thrust.signal(libc::SIGTERM);
    await_no_more_connections(&thrust);
    assert!(socket.is_silent_for(Duration::from_millis(300)), "closed though the download goes on");
    gate.open();
    download.body(&mut response).unwrap();
    assert_eq!(response.text(), "begun\nended\n");
    socket.expect_closed();
    assert_eq!(thrust.wait().code(), Some(0));
}

#[test]
fn without_a_worker_it_ends_as_soon_as_nothing_is_in_flight() {
    let backend = Backend::respond("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let mut thrust =
            Thrust::builder().upstream(backend.url()).env("THRUST_SHUTDOWN_TIMEOUT", NEVER).start();
        get(thrust.port(), "/");
        thrust.signal(signal);
        assert_eq!(thrust.wait().code(), Some(0));
    }
}

#[test]
fn without_a_worker_requests_in_flight_have_the_whole_timeout() {
    let backend = never_answering();
    let mut thrust = Thrust::builder().upstream(backend.url()).env("THRUST_SHUTDOWN_TIMEOUT", "1").start();
    let mut client = Client::connect(thrust.port());
    client.send_get("/");
    backend.await_requests(1);
    let start = Instant::now();
    thrust.signal(libc::SIGTERM);
    thrust.wait();
    assert!(start.elapsed() > Duration::from_millis(950), "cut off after {:?}", start.elapsed());
    client.read_to_end();
}

#[test]
fn a_request_that_is_cut_off_at_the_end_is_logged_with_the_reason() {
    let backend = never_answering();
    let mut thrust =
        Thrust::builder().upstream(backend.url()).env("THRUST_SHUTDOWN_TIMEOUT", "500ms").start();
    let mut client = Client::connect(thrust.port());
    client.send_get("/cut-off");
    backend.await_requests(1);
    thrust.signal(libc::SIGTERM);
    client.expect_closed();
    let record = thrust.await_log(|record| record["path"] == "/cut-off");
    assert_eq!(record["reason"], "shutdown", "{record}");
    assert_eq!(thrust.wait().code(), Some(0));
}

#[test]
fn without_a_worker_a_second_signal_ends_it_at_once() {
    let backend = never_answering();
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let mut thrust =
            Thrust::builder().upstream(backend.url()).env("THRUST_SHUTDOWN_TIMEOUT", NEVER).start();
        let mut client = Client::connect(thrust.port());
        client.send_get("/");
        backend.await_requests(1);
        thrust.signal(signal);
        await_no_more_connections(&thrust);
        assert!(thrust.is_running(), "the first one did not wait for the request in flight");
        thrust.signal(signal);
        thrust.wait();
    }
}

#[test]
fn a_worker_that_is_still_booting_can_be_stopped() {
    let worker = TestWorker::new().listen_after(Duration::from_secs(100));
    let mut thrust = Thrust::builder().env("THRUST_SHUTDOWN_TIMEOUT", "2").worker(&worker).start();
    thrust.signal(libc::SIGTERM);
    assert_eq!(thrust.wait().code(), Some(128 + libc::SIGTERM));
}

#[test]
fn no_request_fails_when_it_is_stopped_under_load_on_kept_connections() {
    stop_under_load(Mode::KeepAlive);
}

#[test]
fn no_request_fails_when_it_is_stopped_under_load_on_new_connections() {
    stop_under_load(Mode::OneRequestEach);
}

/// Several times, since what can go wrong is a matter of moments.
fn stop_under_load(mode: Mode) {
    for round in 0..5 {
        let mut thrust = with_worker().env("THRUST_LOG_REQUESTS", "0").start();
        let load = Load::start(thrust.port(), "/slow/1", 12, mode);
        load.await_more(50 + 13 * round);
        thrust.signal(libc::SIGTERM);
        assert_eq!(thrust.wait().code(), Some(0));
        let report = load.finish();
        assert!(report.failures.is_empty(), "round {round}: {report:?}");
    }
}

/// With a worker that exits with 0 at TERM, whatever it is doing.
fn with_worker() -> Builder {
    let worker = TestWorker::new().on_term(OnTerm::Exit(0));
    Thrust::builder().env("THRUST_SHUTDOWN_TIMEOUT", NEVER).worker(&worker)
}

fn never_answering() -> Backend {
    Backend::start(|connection| {
        connection.request();
        while !connection.await_close() {}
    })
}

fn await_no_more_connections(thrust: &Thrust) {
    wait_until("nothing is accepted any more", || Client::try_connect(thrust.port()).is_err());
}

fn upgraded(port: u16) -> Client {
    let mut client = Client::connect(port);
    client.send("GET /echo HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(client.head().status, 101);
    client.send("hello").read_until("hello");
    client
}
