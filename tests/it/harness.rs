//! The harness itself: a test that leans on a broken one proves nothing.

use crate::support::{Backend, Client, get};
use std::io::ErrorKind;

#[test]
fn client_and_backend_understand_each_other() {
    let backend = Backend::echo_request();
    let mut client = Client::connect(backend.port());
    client.send(
        "POST /a HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: t\r\n\r\n",
    );
    assert!(client.response().text().ends_with("\r\n\r\nabc"));
    assert_eq!(client.get("/b").status, 200);
    let requests = backend.requests();
    assert_eq!(requests[0].trailers, [("T".to_owned(), "t".to_owned())]);
    assert_eq!(requests[1].start_line(), "GET /b HTTP/1.1");
    assert_eq!(backend.connections(), 1);
}

#[test]
fn a_body_that_is_broken_off_is_an_error() {
    for response in [
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-",
        "",
    ] {
        let backend = Backend::respond_and_close(response);
        let result = Client::connect(backend.port()).send_get("/").try_response();
        assert_eq!(result.unwrap_err().kind(), ErrorKind::UnexpectedEof, "{response:?}");
    }
}

#[test]
fn a_body_may_end_with_the_connection() {
    let backend = Backend::respond_and_close("HTTP/1.1 200 OK\r\n\r\nall of it");
    assert_eq!(get(backend.port(), "/").text(), "all of it");
}
