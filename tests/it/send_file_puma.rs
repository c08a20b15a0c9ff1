//! In front of a real Puma whose application uses `Rack::Sendfile`: `tests/puma/files.ru`.

use crate::support::{Client, Folder, Response, Thrust, get, parts};
use std::{path::Path, process::Command};

const BODY: &str = "0123456789abcdef";

/// Puma, serving this folder.
fn serving(folder: &Folder) -> Thrust {
    let gems = Command::new("ruby").args(["-rrack", "-e", ""]).output();
    let installed = gems.is_ok_and(|output| output.status.success());
    assert!(installed, "these tests need Puma and Rack: bin/test installs them");
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/puma");
    let puma = ["puma", "-C", "puma.rb", "files.ru"];
    Thrust::builder().dir(dir).env("FILES", folder.path()).command(puma).start()
}

/// Sends a request with these fields on a connection of its own.
fn ask(thrust: &Thrust, line: &str, fields: &[&str]) -> Response {
    let response = Client::connect(thrust.port()).ask(line, fields);
    assert_eq!(response.header("x-sendfile"), None, "{line} {fields:?}");
    response
}

/// Whether this is a file that the application has named.
fn is_file(response: &Response) -> bool {
    response.header("x-answer") == Some("names a file")
}

#[test]
fn rack_files_are_sent_by_thrust() {
    let folder = Folder::new();
    for name in ["a.txt", "a b.txt", "grüße.txt", "sub/deep.css"] {
        folder.write(name, BODY);
    }
    let thrust = serving(&folder);
    for (target, kind) in [
        ("/a.txt", "text/plain"),
        ("/a%20b.txt", "text/plain"),
        ("/gr%C3%BC%C3%9Fe.txt", "text/plain"),
        ("/sub/deep.css", "text/css"),
    ] {
        let response = ask(&thrust, &format!("GET {target}"), &[]);
        assert_eq!((response.status, response.text().as_str()), (200, BODY), "{target}");
        assert!(is_file(&response), "{target}");
        assert_eq!(response.header("content-type"), Some(kind), "{target}");
        assert_eq!(response.all("content-length"), ["16"], "{target}");
    }
    assert_eq!(ask(&thrust, "GET /missing.txt", &[]).status, 404);
    let since = format!("If-Modified-Since: {}", folder.modified("a.txt"));
    assert_eq!(ask(&thrust, "GET /a.txt", &[&since]).status, 304);
}

#[test]
fn parts_of_rack_files() {
    let folder = Folder::new();
    folder.write("a.txt", BODY);
    let thrust = serving(&folder);
    // These Rack cuts itself.
    let part = ask(&thrust, "GET /a.txt", &["Range: bytes=2-4"]);
    assert_eq!((part.status, part.text().as_str()), (206, "234"));
    assert_eq!(part.all("content-range"), ["bytes 2-4/16"]);
    assert_eq!(ask(&thrust, "GET /a.txt", &["Range: bytes=16-"]).status, 416);
    // These are cut by thrust.
    let part = ask(&thrust, "GET /download/a.txt", &["Range: bytes=-3"]);
    assert_eq!((part.status, part.text().as_str()), (206, "def"));
    assert_eq!(part.header("content-disposition"), Some("attachment; filename=\"own.bin\""));
    let several = ask(&thrust, "GET /download/a.txt", &["Range: bytes=0-1,4-5"]);
    let shown: Vec<_> = parts(&several).into_iter().map(|part| part.body).collect();
    assert_eq!(shown, ["01", "45"]);
    assert_eq!(ask(&thrust, "GET /download/a.txt", &["Range: bytes=16-"]).status, 416);
}

#[test]
fn downloads_with_conditions() {
    let folder = Folder::new();
    folder.write("a.txt", BODY);
    let thrust = serving(&folder);
    let first = ask(&thrust, "GET /download/a.txt", &[]);
    assert!(is_file(&first));
    assert_eq!((first.text().as_str(), first.header("content-type")), (BODY, Some("application/x-own")));
    let known = format!("If-None-Match: {}", first.header("etag").unwrap());
    assert_eq!(ask(&thrust, "GET /download/a.txt", &[&known]).status, 304);
    let head = ask(&thrust, "HEAD /download/a.txt", &[]);
    assert_eq!((head.status, head.header("content-length")), (200, Some("16")));
    let post = ask(&thrust, "POST /download/a.txt", &["Content-Length: 0"]);
    assert_eq!((post.status, post.text().as_str()), (200, BODY));
}

#[test]
fn a_file_that_may_be_stored_is_asked_for_once() {
    let folder = Folder::new();
    let large = BODY.repeat(100_000);
    folder.write("small", BODY);
    folder.write("large", &large);
    let thrust = serving(&folder);
    for (target, body) in [("/download/small?max-age=60", BODY), ("/download/large?max-age=60", &large)] {
        for field in ["Range: bytes=1-3", "X-A: 1", "Range: bytes=1-3", "X-A: 2"] {
            let response = ask(&thrust, &format!("GET {target}"), &[field]);
            let expected = if field.starts_with("Range") { &body[1..4] } else { body };
            assert!(response.body == expected.as_bytes(), "{target} {field}");
        }
    }
    assert_eq!(get(thrust.port(), "/count").text(), "2");
}

#[test]
fn the_packed_file_for_those_who_accept_it() {
    let folder = Folder::new();
    let script = "compress me; ".repeat(1000);
    let path = folder.write("app.js", &script);
    assert!(Command::new("gzip").args(["-k", &path]).status().unwrap().success());
    let packed = std::fs::read(folder.at("app.js.gz")).unwrap();
    let thrust = serving(&folder);
    let response = ask(&thrust, "GET /app.js", &["Accept-Encoding: gzip"]);
    assert!(is_file(&response) && response.body == packed);
    assert_eq!(response.all("content-encoding"), ["gzip"]);
    assert_eq!(response.all("content-length"), [packed.len().to_string()]);
    assert_eq!(response.header("content-type"), Some("text/javascript"));
    let plain = ask(&thrust, "GET /app.js", &["Accept-Encoding: identity"]);
    assert!(is_file(&plain) && plain.body == script.as_bytes());
    assert_eq!(plain.header("content-encoding"), None);
}
