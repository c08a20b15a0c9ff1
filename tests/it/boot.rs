//! Requests that come before the worker can answer them, and those that come while it restarts.

use crate::support::{
    Backend, Client, Connection, DEADLINE, Response, TestWorker, Thrust, get, wait_until,
    worker::{Gate, recorded},
};
use std::{
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// What a browser asks with.
const BROWSER: &str =
    "GET / HTTP/1.1\r\nHost: app.test\r\nAccept: text/html,application/xhtml+xml,*/*;q=0.8\r\n\r\n";

#[test]
fn requests_wait_while_the_worker_boots() {
    let thrust = Thrust::builder().worker(&listening_after(1000)).start();
    let port = thrust.port();
    let requests = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
        "GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n",
    ];
    let threads =
        requests.map(|request| thread::spawn(move || Client::connect(port).send(request).response()));
    for (thread, request) in threads.into_iter().zip(requests) {
        assert_eq!(thread.join().unwrap().text(), "hello\n", "{request}");
    }
}

#[test]
fn they_wait_for_a_backend_that_somebody_else_starts() {
    let port = crate::support::free_port();
    let thrust = Thrust::builder().upstream(format!("http://127.0.0.1:{port}")).start();
    let mut client = Client::connect(thrust.port());
    client.send_get("/");
    assert!(client.is_silent_for(Duration::from_millis(300)));
    let _backend = Backend::start_at((Ipv4Addr::LOCALHOST, port).into(), |connection| {
        connection.request();
        connection.respond_with("up");
    });
    assert_eq!(client.response().text(), "up");
}

#[test]
fn nobody_waits_longer_than_the_boot_timeout() {
    let thrust =
        Thrust::builder().env("THRUST_BOOT_TIMEOUT", "500ms").worker(&listening_after(100_000)).start();
    let start = Instant::now();
    assert_eq!(get(thrust.port(), "/").status, 502);
    assert!(start.elapsed() >= Duration::from_millis(450), "it did not wait");
    let record = thrust.await_log(|record| record["status"] == 502);
    assert!(record["reason"].is_string(), "no reason: {record}");
}

#[test]
fn a_boot_timeout_of_0_never_waits() {
    let thrust = Thrust::builder().env("THRUST_BOOT_TIMEOUT", "0").worker(&listening_after(100_000)).start();
    assert_eq!(get(thrust.port(), "/").status, 502);
}

#[test]
fn a_client_that_leaves_while_it_waits_is_logged() {
    let thrust = Thrust::builder().worker(&listening_after(100_000)).start();
    drop({
        let mut client = Client::connect(thrust.port());
        client.send_get("/left");
        assert!(client.is_silent_for(Duration::from_millis(200)));
        client
    });
    let record = thrust.await_log(|record| record["path"] == "/left");
    assert!(record["reason"].is_string(), "no reason: {record}");
}

#[test]
fn a_worker_that_ends_in_mid_boot_releases_those_who_wait() {
    let gate = Gate::new();
    let script = format!("while [ ! -e {} ]; do sleep 0.05; done; exit 9", gate.path());
    let mut thrust = Thrust::builder().command(["sh", "-c", &script]).start();
    let mut client = Client::connect(thrust.port());
    client.send_get("/");
    assert!(client.is_silent_for(Duration::from_millis(200)));
    gate.open();
    assert_eq!(client.response().status, 502);
    assert_eq!(thrust.wait().code(), Some(9));
}

#[test]
fn a_browser_gets_the_bad_gateway_page_at_once_while_the_worker_boots() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("public")).unwrap();
    fs::write(dir.path().join("public/502.html"), "<h1>Starting</h1>").unwrap();
    let thrust = Thrust::builder().dir(dir.path()).worker(&listening_after(100_000)).start();
    let page = ask_as_browser(&thrust);
    assert_eq!((page.status, page.text().as_str()), (502, "<h1>Starting</h1>"));
    assert!(page.header("content-type").unwrap().starts_with("text/html"));

    let mut other = Client::connect(thrust.port());
    other.send("GET / HTTP/1.1\r\nHost: app.test\r\nAccept: application/json\r\n\r\n");
    assert!(other.is_silent_for(Duration::from_millis(300)), "only browsers get the page at once");
}

#[test]
fn the_bad_gateway_page_is_read_anew_when_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("down.html");
    let thrust = in_front_of_nothing(&file, "BAD_GATEWAY_PAGE");
    assert!(!ask_as_browser(&thrust).text().contains("<p>"), "there is no page yet");
    for page in ["<p>one</p>", "<p>two</p>", "<p>three, and longer</p>"] {
        fs::write(&file, page).unwrap();
        wait_until(page, || ask_as_browser(&thrust).text() == page);
    }
    fs::remove_file(&file).unwrap();
    wait_until("the page is gone", || !ask_as_browser(&thrust).text().contains("<p>"));
    assert_eq!(ask_as_browser(&thrust).status, 502);
}

#[test]
fn the_bad_gateway_page_has_no_body_for_head() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("down.html");
    fs::write(&file, "<p>down</p>").unwrap();
    let thrust = in_front_of_nothing(&file, "THRUST_BAD_GATEWAY_PAGE");
    let mut client = Client::connect(thrust.port());
    let response = client.send(BROWSER.replace("GET", "HEAD")).response_to("HEAD");
    assert_eq!(response.status, 502);
    assert_eq!(client.send(BROWSER).response().text(), "<p>down</p>", "the connection is out of step");
}

#[test]
fn a_backend_that_was_there_and_is_gone_is_502_at_once() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // Serves one request and closes its port. A connection without a request may be a look whether it is there.
    let serving = thread::spawn(move || {
        loop {
            let mut connection = Connection::standalone(listener.accept().unwrap().0);
            if connection.request().is_some() {
                drop(listener);
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                return;
            }
        }
    });
    let thrust = Thrust::builder().upstream(url).env("THRUST_BOOT_TIMEOUT", "10m").start();
    assert_eq!(get(thrust.port(), "/").status, 200);
    serving.join().unwrap();
    let start = Instant::now();
    assert_eq!(get(thrust.port(), "/").status, 502);
    assert!(start.elapsed() < DEADLINE / 2, "it waited as if the backend were booting");
}

#[test]
fn a_request_waits_through_the_moment_for_which_a_restarting_worker_closes_its_port() {
    let thrust = Thrust::builder().worker(&TestWorker::new()).start();
    for request in ["GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\nContent-Length: 4\r\n"] {
        assert_eq!(get(thrust.port(), "/gap/500").text(), "gap\n");
        let body = if request.starts_with("POST") { "body" } else { "" };
        let mut client = Client::connect(thrust.port());
        client.send(format!("{request}Host: app.test\r\n\r\n{body}"));
        assert_eq!(client.response().text(), "hello\n", "{request}");
    }
}

#[test]
fn a_request_that_a_restart_resets_is_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("signals");
    // As with a port that is closed while connections wait in its queue: only the fourth request is served.
    let count = AtomicUsize::new(0);
    let backend = Backend::start(move |connection| {
        if connection.request().is_some() && count.fetch_add(1, Ordering::SeqCst) == 3 {
            connection.respond_with("served");
        }
    });
    let worker = TestWorker::new().record_signals(&file);
    let port = crate::support::free_port();
    let builder = Thrust::builder().upstream(backend.url()).worker(&worker);
    let thrust = builder.env("THRUST_WORKER_PORT", port.to_string()).start();
    assert_eq!(get(thrust.port(), "/").status, 502);
    assert_eq!(backend.requests().len(), 1, "sent again though nobody has asked for a restart");
    wait_until("the worker is up", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    thrust.signal(libc::SIGUSR2);
    wait_until("the worker is told to restart", || recorded(&file, "USR2") == 1);
    assert_eq!(get(thrust.port(), "/").text(), "served");
    assert_eq!(backend.requests().len(), 4);
}

fn listening_after(ms: u64) -> TestWorker {
    TestWorker::new().listen_after(Duration::from_millis(ms))
}

/// In front of a port on which nobody listens, without a wait.
fn in_front_of_nothing(page: &Path, name: &str) -> Thrust {
    let url = format!("http://127.0.0.1:{}", crate::support::free_port());
    Thrust::builder().upstream(url).env("THRUST_BOOT_TIMEOUT", "0").env(name, page).start()
}

fn ask_as_browser(thrust: &Thrust) -> Response {
    Client::connect(thrust.port()).send(BROWSER).response()
}
