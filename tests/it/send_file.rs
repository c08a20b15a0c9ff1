//! Files that the worker names: what the worker is told, and what the client gets in place of its answer.

use crate::support::{Answer, Backend, Client, Folder, Stage, Thrust, stage::UNSEEN};

const BODY: &str = "0123456789abcdef";

#[test]
fn the_worker_is_told_how_it_may_name_a_file() {
    for (header, expected) in [
        ("X-Sendfile", "X-Sendfile"),
        ("x-SendFile", "x-SendFile"),
        ("X-Accel-Redirect", "X-Accel-Redirect"),
        ("X-Lighttpd-Send-File", "X-Lighttpd-Send-File"),
    ] {
        let mut stage = Stage::with(|thrust| thrust.env("THRUST_SEND_FILE_HEADER", header));
        let own = ["X-Sendfile-Type: X-Client", "X_Sendfile_Type: X-Client", "X-Accel-Mapping: /=/etc/"];
        stage.ask("GET /a", &own);
        stage.ask("POST /a", &own);
        stage.ask("GET /a", &[&own[..], &["Connection: upgrade", "Upgrade: websocket"]].concat());
        for request in stage.asked("/a") {
            assert_eq!(request.all("x-sendfile-type"), [expected], "{}", request.start_line());
            assert_eq!((request.header("x_sendfile_type"), request.header("x-accel-mapping")), (None, None));
        }
        assert_eq!(stage.asked("/a").len(), 3);
    }
}

#[test]
fn switched_off_no_file_is_sent_and_no_name_passed_on() {
    let folder = Folder::new();
    let mut stage = Stage::with(|thrust| thrust.env("THRUST_SEND_FILE", "0"));
    let file = folder.write("a.txt", BODY);
    stage.script("/a", [Answer::file(&file, &[])]);
    stage.script("/kept", [Answer::file(&file, &["Cache-Control: max-age=60"])]);
    for target in ["/a", "/kept", "/kept"] {
        let response = stage.ask(&format!("GET {target}"), &["X-Sendfile-Type: X-Sendfile"]);
        assert_eq!((response.status, response.text().as_str()), (200, UNSEEN));
        assert_eq!(response.header("x-sendfile"), None);
    }
    assert!(stage.backend.requests().iter().all(|request| request.header("x-sendfile-type").is_none()));
}

#[test]
fn a_header_of_another_name_names_the_file() {
    let folder = Folder::new();
    let file = folder.write("a.txt", BODY);
    let mut stage = Stage::with(|thrust| thrust.env("THRUST_SEND_FILE_HEADER", "X-Own-File"));
    stage.script("/a", [Answer::ok(&[&format!("x-own-file: {file}")], UNSEEN)]);
    let response = stage.get("/a");
    assert_eq!((response.text().as_str(), response.header("x-own-file")), (BODY, None));
}

#[test]
fn the_file_comes_with_what_is_known_of_it() {
    let folder = Folder::new();
    let mut stage = Stage::new();
    for (name, kind) in [
        ("a.txt", Some("text/plain; charset=utf-8")),
        ("a.CSS", Some("text/css; charset=utf-8")),
        ("a.js", Some("text/javascript; charset=utf-8")),
        ("a.json", Some("application/json")),
        ("a.png", Some("image/png")),
        ("a.pdf", Some("application/pdf")),
        ("a", None),
        ("a.unheardof", None),
    ] {
        let target = format!("/{name}");
        stage.script(&target, [Answer::file(&folder.write(name, BODY), &["X-Own: 1"])]);
        let response = stage.get(&target);
        assert_eq!((response.status, response.text().as_str()), (200, BODY), "{name}");
        assert_eq!(response.all("content-length"), ["16"], "{name}");
        assert_eq!(response.header("content-type"), kind, "{name}");
        assert_eq!(response.header("last-modified"), Some(&*folder.modified(name)), "{name}");
        assert_eq!(response.header("accept-ranges"), Some("bytes"), "{name}");
        let etag = response.header("etag").unwrap();
        assert!(etag.starts_with("W/\"10-") && etag.ends_with('"'), "{etag}");
        assert_eq!((response.header("x-own"), response.header("x-sendfile")), (Some("1"), None), "{name}");
    }
}

#[test]
fn what_the_worker_says_of_the_file_stands() {
    let folder = Folder::new();
    let mut stage = Stage::new();
    let said = [
        ("content-type", "application/x-own"),
        ("content-disposition", "attachment; filename=\"report.txt\""),
        ("cache-control", "private, max-age=5"),
        ("etag", "\"own\""),
        ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("set-cookie", "a=b"),
    ];
    let fields = said.map(|(name, value)| format!("{name}: {value}"));
    let fields: Vec<_> = fields.iter().map(String::as_str).collect();
    stage.script("/a", [Answer::file(&folder.write("a.txt", BODY), &fields)]);
    let response = stage.get("/a");
    for (name, value) in said {
        assert_eq!(response.all(name), [value]);
    }
    assert_eq!((response.text().as_str(), response.all("content-length")), (BODY, vec!["16"]));
}

#[test]
fn a_file_from_the_future_has_no_date_that_lies_in_it() {
    // RFC 9110 §8.8.2.1
    let folder = Folder::new();
    let file = folder.write("a.txt", BODY);
    folder.set_age("a.txt", -3600);
    let mut stage = Stage::new();
    stage.script("/a", [Answer::file(&file, &[])]);
    let response = stage.get("/a");
    assert_eq!(response.text(), BODY);
    assert_eq!(response.header("last-modified"), None);
}

#[test]
fn the_status_stands() {
    let folder = Folder::new();
    let file = folder.write("page.html", BODY);
    for status in ["201 Created", "403 Forbidden", "404 Not Found", "410 Gone", "500 Internal Server Error"] {
        let mut stage = Stage::new();
        let name = format!("X-Sendfile: {file}");
        stage.script("/a", [Answer::new(status, &[&name, "ETag: \"own\""], UNSEEN)]);
        for conditions in [&[][..], &["Range: bytes=0-1"], &["If-None-Match: \"own\""], &["If-Match: \"x\""]]
        {
            let response = stage.ask("GET /a", conditions);
            let told = (response.status.to_string(), response.text());
            assert_eq!(told, (status[..3].to_owned(), BODY.to_owned()), "{conditions:?}");
            assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
            assert_eq!((response.header("content-range"), response.header("accept-ranges")), (None, None));
            assert_eq!(response.header("x-sendfile"), None);
        }
    }
}

#[test]
fn the_worker_s_part_of_a_file_becomes_ours() {
    let folder = Folder::new();
    let name = format!("X-Sendfile: {}", folder.write("a.txt", BODY));
    let mut stage = Stage::new();
    let part = Answer::new("206 Partial Content", &[&name, "Content-Range: bytes 2-3/16"], "23");
    stage.script("/a", [part]);
    let response = stage.ask("GET /a", &["Range: bytes=2-3"]);
    assert_eq!((response.status, response.text().as_str()), (206, "23"));
    assert_eq!(response.all("content-range"), ["bytes 2-3/16"]);
    let several = "Content-Type: multipart/byteranges; boundary=own";
    stage.script("/a", [Answer::new("206 Partial Content", &[&name, several], UNSEEN)]);
    let response = stage.ask("GET /a", &["Range: bytes=2-3, 2-4"]);
    assert_eq!((response.status, response.text().as_str()), (206, "234"));
    assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
}

#[test]
fn a_response_without_a_body_gets_none() {
    let folder = Folder::new();
    let name = format!("X-Sendfile: {}", folder.write("a.txt", BODY));
    let mut stage = Stage::new();
    stage.script("/204", [Answer::raw(format!("HTTP/1.1 204 No Content\r\n{name}\r\n\r\n"))]);
    stage.script("/304", [Answer::not_modified(&[&name, "ETag: \"a\""])]);
    stage.script("/205", [Answer::new("205 Reset Content", &[&name], "")]);
    for (target, status) in [("/204", 204), ("/205", 205), ("/304", 304)] {
        let response = stage.ask(&format!("GET {target}"), &["If-None-Match: \"a\""]);
        assert_eq!((response.status, response.header("x-sendfile")), (status, None));
        assert!(response.body.is_empty(), "{status}");
        // What follows is read as the next response.
        assert_eq!(stage.get("/nothing").status, 404);
    }
}

#[test]
fn head_is_told_all_but_the_body() {
    let folder = Folder::new();
    let mut stage = Stage::new();
    stage.script("/a", [Answer::file(&folder.write("a.txt", BODY), &[])]);
    let fields = |response: &crate::support::Response| {
        let mut fields = response.headers.clone();
        fields.retain(|(name, _)| !["date", "cache-status"].contains(&&*name.to_lowercase()));
        fields.sort();
        fields
    };
    let get = stage.get("/a");
    let head = stage.ask("HEAD /a", &[]);
    assert_eq!((head.status, fields(&head)), (200, fields(&get)));
    assert_eq!(head.all("content-length"), ["16"]);
    assert_eq!(stage.ask("HEAD /a", &["Range: bytes=0-1"]).status, 200, "RFC 9110 §14.2");
    let etag = format!("If-None-Match: {}", get.header("etag").unwrap());
    assert_eq!(stage.ask("HEAD /a", &[&etag]).status, 304);
}

#[test]
fn other_methods_may_be_answered_by_a_file_and_that_is_sent_whole() {
    let folder = Folder::new();
    let mut stage = Stage::new();
    stage.script("/a", [Answer::file(&folder.write("a.txt", BODY), &["ETag: \"own\""])]);
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        for condition in ["Range: bytes=0-1", "If-None-Match: \"own\"", "If-Match: \"other\""] {
            let response = stage.ask(&format!("{method} /a"), &[condition]);
            assert_eq!((response.status, response.text().as_str()), (200, BODY), "{method} {condition}");
        }
    }
}

#[test]
fn an_upgrade_that_is_declined_with_a_file() {
    let folder = Folder::new();
    let mut stage = Stage::new();
    stage.script("/a", [Answer::file(&folder.write("a.txt", BODY), &[])]);
    let response = stage.ask("GET /a", &["Connection: upgrade", "Upgrade: websocket"]);
    assert_eq!((response.text().as_str(), response.header("x-sendfile")), (BODY, None));
}

#[test]
fn a_file_that_is_encoded_already_comes_with_its_own_length() {
    // As Rails does it: the name of the file beside it, and no length.
    let folder = Folder::new();
    let page = "compress me, ".repeat(500);
    let path = folder.write("app.js", &page);
    let status = std::process::Command::new("gzip").args(["-k", &path]).status().unwrap();
    assert!(status.success());
    let packed = std::fs::read(folder.at("app.js.gz")).unwrap();
    let mut stage = Stage::new();
    let head = format!(
        "HTTP/1.1 200 OK\r\nX-Sendfile: {path}.gz\r\nContent-Encoding: gzip\r\nVary: Accept-Encoding\r\n\
Content-Length: 0\r\n\r\n"
    );
    stage.script("/app.js", [Answer::raw(head)]);
    for accept in ["gzip", "zstd, br, gzip"] {
        let response = stage.ask("GET /app.js", &[&format!("Accept-Encoding: {accept}")]);
        assert!(response.body == packed, "{} bytes", response.body.len());
        assert_eq!(response.all("content-length"), [packed.len().to_string()]);
        assert_eq!(response.all("content-encoding"), ["gzip"]);
        assert_eq!(response.header("content-type"), Some("text/javascript; charset=utf-8"));
    }
    let part = stage.ask("GET /app.js", &["Accept-Encoding: gzip", "Range: bytes=0-1"]);
    assert_eq!((part.status, &part.body[..]), (206, &packed[..2]));
    assert_eq!(part.header("content-encoding"), Some("gzip"));
}

#[test]
fn an_empty_file_is_an_empty_body() {
    let folder = Folder::new();
    let mut stage = Stage::new();
    stage.script("/a", [Answer::file(&folder.write("a.txt", ""), &[])]);
    for fields in [&[][..], &["Range: bytes=0-"]] {
        let response = stage.ask("GET /a", fields);
        assert_eq!((response.status, response.text().as_str()), (200, ""));
        assert_eq!(response.all("content-length"), ["0"]);
    }
}

#[test]
fn a_worker_that_still_sends_its_own_body_is_no_longer_read() {
    let folder = Folder::new();
    let file = folder.write("a.txt", BODY);
    let endless = Backend::start(move |connection| {
        while connection.request().is_some() {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";
            connection.send(format!("{head}X-Sendfile: {file}\r\n\r\n"));
            while connection.send(format!("10000\r\n{}\r\n", "x".repeat(0x10000))) {}
        }
    });
    let thrust = Thrust::in_front_of(&endless);
    let mut client = Client::connect(thrust.port());
    for _ in 0..3 {
        let response = client.get("/a");
        assert_eq!((response.text().as_str(), response.header("transfer-encoding")), (BODY, None));
    }
    crate::support::wait_until("the worker's connections are closed", || endless.open_connections() == 0);
}

#[test]
fn no_name_leaves_behind_a_body() {
    let mut stage = Stage::new();
    stage.script(
        "/",
        [Answer::raw(
            "HTTP/1.1 200 OK\r\nTrailer: X-Sum, X-Sendfile\r\nTransfer-Encoding: chunked\r\n\r\n\
             4\r\nbody\r\n0\r\nX-Sum: 1\r\nX-Sendfile: /secret\r\n\r\n",
        )],
    );
    let response = stage.ask("GET /", &["TE: trailers", "Connection: TE"]);
    assert_eq!((response.text().as_str(), response.trailers.len()), ("body", 0));
}
