//! The line that each request leaves on stdout.

use crate::support::{Backend, Client, Thrust, get, thrust::Builder, wait_until};
use serde_json::Value;
use std::time::Duration;

#[test]
fn a_request_leaves_one_line_with_thruster_s_fields_and_ours() {
    let backend = Backend::respond(
        "HTTP/1.1 201 Created\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 5\r\n\r\nhello",
    );
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    client.send(concat!(
        "POST /a%2Fb?q=1&r=%20 HTTP/1.1\r\nHost: app.test:80\r\nUser-Agent: test/1 \"quoted\"\r\n",
        "Content-Type: text/plain\r\nX-Request-Id: name-1\r\nContent-Length: 4\r\n\r\nbody",
    ));
    assert_eq!(client.response().status, 201);
    let record = thrust.await_log(|record| record["method"] == "POST");
    let texts = [
        ("level", "INFO"),
        ("msg", "Request"),
        ("path", "/a%2Fb"),
        ("query", "q=1&r=%20"),
        ("method", "POST"),
        ("req_content_type", "text/plain"),
        ("resp_content_type", "text/html; charset=utf-8"),
        ("remote_addr", "127.0.0.1"),
        ("user_agent", "test/1 \"quoted\""),
        ("proto", "HTTP/1.1"),
        ("host", "app.test:80"),
        ("request_id", "name-1"),
    ];
    for (field, value) in texts {
        assert_eq!(record[field], value, "{field}: {record}");
    }
    for (field, value) in [("status", 201), ("req_content_length", 4), ("resp_content_length", 5)] {
        assert_eq!(record[field], value, "{field}: {record}");
    }
    let (whole, upstream) = (record["dur_us"].as_u64().unwrap(), record["upstream_us"].as_u64().unwrap());
    assert!(upstream <= whole && record["dur"] == whole / 1000, "{record}");
    assert!(record["time"].as_str().unwrap().contains('T') && record["cache"].is_string(), "{record}");
    assert!(record.get("reason").is_none(), "nothing went wrong: {record}");
    assert_eq!(thrust.access_log().len(), 1);
}

#[test]
fn the_length_of_a_body_in_chunks_is_unknown_before_and_counted_after() {
    let backend = Backend::respond(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n",
    );
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let record = thrust.await_log(|_| true);
    assert_eq!((&record["req_content_length"], &record["resp_content_length"]), (&(-1).into(), &6.into()));
}

#[test]
fn a_line_is_written_when_the_response_has_ended() {
    let backend = Backend::start(|connection| {
        if connection.request().is_some() {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nbegun");
            // The client asks the test to go on by a second request on another connection.
            connection.await_close();
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    client.send_get("/open").read_until("begun");
    assert!(client.is_silent_for(Duration::from_millis(100)));
    assert_eq!(thrust.access_log().len(), 0);
    drop(client);
    let record = thrust.await_log(|record| record["path"] == "/open");
    assert_eq!(record["resp_content_length"], 5, "what was sent, not what was promised: {record}");
    assert_eq!(record["reason"], "client gone");
}

#[test]
fn a_client_that_left_before_its_response_is_logged_as_499() {
    let backend = Backend::start(|connection| {
        let _ = connection.request();
        connection.await_close();
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    client.send_get("/left?a");
    backend.await_requests(1);
    drop(client);
    let record = thrust.await_log(|record| record["path"] == "/left");
    assert_eq!((&record["status"], &record["reason"]), (&499.into(), &"client gone".into()), "{record}");
}

#[test]
fn requests_that_took_too_long_are_logged_with_their_reason() {
    let backend = Backend::echo_request();
    let thrust = Thrust::builder().upstream(backend.url()).env("THRUST_READ_TIMEOUT", "200ms").start();
    for (request, path, reason) in [
        ("GET /head HTTP/1.1\r\nHost: a\r\n", "/head", "request header timeout"),
        ("POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf", "/body", "request body timeout"),
    ] {
        let mut client = Client::connect(thrust.port());
        assert_eq!(client.send(request).response().status, 408);
        let record = thrust.await_log(|record| record["path"] == path);
        assert_eq!((&record["status"], &record["reason"]), (&408.into(), &reason.into()), "{record}");
    }
}

#[test]
fn an_event_stream_that_the_shutdown_ends_is_no_client_that_left() {
    let backend = Backend::start(|connection| {
        connection.request();
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: event\n\n");
        connection.await_close();
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    assert_eq!(client.send_get("/events").head().status, 200);
    client.read_until("data: event\n\n");
    thrust.signal(libc::SIGTERM);
    let record = thrust.await_log(|record| record["path"] == "/events");
    assert_eq!(record["reason"], "shutdown", "{record}");
}

#[test]
fn head_and_304_send_no_bytes_and_nothing_is_wrong_with_them() {
    let backend = Backend::start(|connection| {
        while let Some(request) = connection.request() {
            let status = if request.start_line().starts_with("HEAD") { "200 OK" } else { "304 Not Modified" };
            connection.send(format!("HTTP/1.1 {status}\r\nContent-Length: 100\r\n\r\n"));
        }
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    assert_eq!(client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").response_to("HEAD").status, 200);
    assert_eq!(client.get("/").status, 304);
    wait_until("both are logged", || thrust.access_log().len() == 2);
    for record in thrust.access_log() {
        assert_eq!(record["resp_content_length"], 0, "{record}");
        assert!(record.get("reason").is_none(), "{record}");
    }
}

#[test]
fn paths_to_skip_leave_no_line() {
    let thrust = logging(|builder| builder.env("THRUST_LOG_SKIP", "/up, /health"));
    let mut client = Client::connect(thrust.port());
    for path in ["/up", "/up?a=b", "/health", "/up/not", "/Up", "/last"] {
        client.get(path);
    }
    thrust.await_log(|record| record["path"] == "/last");
    let paths: Vec<Value> = thrust.access_log().into_iter().map(|record| record["path"].clone()).collect();
    assert_eq!(paths, ["/up/not", "/Up", "/last"]);
}

#[test]
fn no_line_is_written_where_none_is_wanted() {
    for name in ["THRUST_LOG_REQUESTS", "THRUSTER_LOG_REQUESTS", "LOG_REQUESTS"] {
        let thrust = logging(|builder| builder.env(name, "0"));
        get(thrust.port(), "/");
        thrust.signal(libc::SIGTERM);
        assert_eq!(thrust.finish().stdout, "", "{name}");
    }
}

#[test]
fn every_format_is_written_as_its_readers_expect() {
    for (format, expected) in [
        ("logfmt", "path=/page status=200 dur="),
        ("combined", "\"GET /page?a=b HTTP/1.1\" 200 2 \"-\" \"agent\""),
        ("text", " 200 GET /page?a=b "),
        ("json", "\"msg\":\"Request\",\"path\":\"/page\",\"status\":200,"),
    ] {
        let thrust = logging(|builder| builder.env("THRUST_LOG_FORMAT", format));
        let mut client = Client::connect(thrust.port());
        client.send("GET /page?a=b HTTP/1.1\r\nHost: a\r\nUser-Agent: agent\r\n\r\n").response();
        wait_until(&format!("there is a line of {format}"), || !thrust.stdout_lines().is_empty());
        let lines = thrust.stdout_lines();
        assert_eq!(lines.len(), 1, "{format}: {lines:?}");
        assert!(lines[0].contains(expected), "{format}: {}", lines[0]);
    }
}

#[test]
fn forged_lines_stay_inside_their_field() {
    for format in ["json", "logfmt", "combined", "text"] {
        let thrust = logging(|builder| builder.env("THRUST_LOG_FORMAT", format));
        let mut client = Client::connect(thrust.port());
        // What is refused is logged too, and is the only place where control characters get this far.
        client.send("GET /a\x1b[2J\x07\"\\n{} HTTP/1.1\r\nHost: a\r\n\r\n").response();
        wait_until("there is a line", || !thrust.stdout_lines().is_empty());
        let lines = thrust.stdout_lines();
        assert_eq!(lines.len(), 1, "{format}: {lines:?}");
        assert!(!lines[0].contains(['\x1b', '\x07']), "{format}: {:?}", lines[0]);
    }
}

fn logging(setting: impl Fn(Builder) -> Builder) -> Thrust {
    // It lives as long as the test program: nobody asks for its requests.
    let backend = Box::leak(Box::new(Backend::respond("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")));
    setting(Thrust::builder().upstream(backend.url())).start()
}
