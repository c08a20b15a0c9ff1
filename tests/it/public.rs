//! The public folder: which file a request names, and what is said of it.

use crate::support::{
    Answer, Folder, Response, Stage, Thrust, free_port, get, thrust::Builder, wait_until, worker::TestWorker,
};
use std::time::Duration;

pub const FINGERPRINTED: &str = "public, max-age=31536000, immutable";
pub const OTHER: &str = "public, max-age=0, must-revalidate";

/// More than is kept in memory.
pub const LARGE: usize = (1 << 20) + 1;

/// Serves the folder `public` of this one.
pub fn serving(folder: &Folder) -> impl FnOnce(Builder) -> Builder + use<> {
    let public = folder.at("public");
    std::fs::create_dir_all(&public).unwrap();
    move |thrust| thrust.env("THRUST_PUBLIC_PATH", public)
}

/// A stage with that folder.
pub fn stage() -> (Folder, Stage) {
    let folder = Folder::new();
    let stage = Stage::with(serving(&folder));
    (folder, stage)
}

/// The worker's answer to what nothing was written down for.
#[track_caller]
fn from_worker(response: &Response, what: &str) {
    assert_eq!((response.status, response.text().as_str()), (404, "nothing written down"), "{what}");
}

/// Nobody has it read and kept once more by writing its name in another way, or for less long than it may be.
#[test]
fn a_name_is_the_same_however_it_is_spelled() {
    let (folder, mut stage) = stage();
    folder.write("public/assets/app-0f9e8d7c6b5a.js", "app");
    for target in
        ["/%61ssets/app-0f9e8d7c6b5a.js", "//assets///app-0f9e8d7c6b5a%2ejs", "/assets/app-0f9e8d7c6b5a.js"]
    {
        let response = stage.get(target);
        assert_eq!(
            (response.text().as_str(), response.header("cache-control")),
            ("app", Some(FINGERPRINTED))
        );
    }
}

#[test]
fn a_path_stands_for_a_file_a_page_or_an_index() {
    let (folder, mut stage) = stage();
    for name in [
        "index.html",
        "robots.txt",
        "about.html",
        "docs/index.html",
        "both.html",
        "both/index.html",
        "plain",
        "a/b/c/deep.css",
        "a b.txt",
        "grüße.txt",
        "100%.txt",
        "q?.txt",
        "v1.2/page.html",
        "release-1.0.html",
        ".well-known/security.txt",
    ] {
        folder.write(&format!("public/{name}"), name);
    }
    for (target, name) in [
        ("/", "index.html"),
        ("/index.html", "index.html"),
        ("/index", "index.html"),
        ("/robots.txt", "robots.txt"),
        ("/robots.txt?a=b", "robots.txt"),
        ("/?a=/../b", "index.html"),
        ("/about", "about.html"),
        ("/about.html", "about.html"),
        ("/about/", "about.html"),
        ("/docs", "docs/index.html"),
        ("/docs/", "docs/index.html"),
        ("/both", "both.html"),
        ("/plain", "plain"),
        ("//a//b/c/deep.css", "a/b/c/deep.css"),
        ("/a%20b.txt", "a b.txt"),
        ("/gr%C3%BC%c3%9fe.txt", "grüße.txt"),
        ("/100%25.txt", "100%.txt"),
        ("/q%3F.txt", "q?.txt"),
        ("/%72obots.txt", "robots.txt"),
        ("/v1.2/page", "v1.2/page.html"),
        ("/release-1.0", "release-1.0.html"),
        ("/.well-known/security.txt", ".well-known/security.txt"),
    ] {
        for _ in 0..2 {
            let response = stage.get(target);
            assert_eq!((response.status, response.text().as_str()), (200, name), "{target}");
        }
        let head = stage.ask(&format!("HEAD {target}"), &[]);
        assert_eq!(
            (head.status, head.all("content-length")),
            (200, vec![&*name.len().to_string()]),
            "{target}"
        );
    }
    assert_eq!(stage.backend.requests().len(), 0);
    stage.thrust.await_log(|record| record["path"] == "/about" && record["cache"] == "file");
}

#[test]
fn what_is_not_there_goes_to_the_worker_as_it_came() {
    let (folder, mut stage) = stage();
    folder.write("public/file.txt", "file");
    std::fs::create_dir(folder.at("public/empty")).unwrap();
    for target in [
        "/missing",
        "/missing?a=b&c=%2F",
        "/",
        "/empty",
        "/empty/",
        "/file",
        "/FILE.TXT",
        "/file.txt/below",
        "/file.txt.html",
        "/%ff",
        "/%zz",
        "/%00",
        "/file.txt%00",
        "/file.txt%00.html",
        "/%2566ile.txt",
        "/file%2Etxt%20",
    ] {
        from_worker(&stage.get(target), target);
        assert_eq!(stage.asked(target).len(), 1, "{target}");
    }
}

#[test]
fn other_methods_and_bodies_go_to_the_worker() {
    let (folder, mut stage) = stage();
    folder.write("public/file.txt", "file");
    assert_eq!(stage.get("/file.txt").text(), "file");
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        from_worker(&stage.ask(&format!("{method} /file.txt"), &[]), method);
    }
    let mut client = stage.client();
    client.send("GET /file.txt HTTP/1.1\r\nHost: app.test\r\nContent-Length: 4\r\n\r\nbody");
    from_worker(&client.response(), "with a body");
    assert_eq!(stage.asked("/file.txt").len(), 6);
}

#[test]
fn hidden_files_are_not_there() {
    let (folder, mut stage) = stage();
    for name in [".env", ".git/config", "a/.htpasswd", ".hidden.html", "a/.well-known/x", ".index.html"] {
        folder.write(&format!("public/{name}"), "secret");
    }
    for target in [
        "/.env",
        "/%2eenv",
        "/.env?a",
        "//.env",
        "/.git/config",
        "/%2Egit/config",
        "/.hidden",
        "/.hidden.html",
        "/a/.htpasswd",
        "/a%2f.htpasswd",
        "/a/.well-known/x",
        "/.well-known/../.env",
        "/.well-known/.env",
        "/.well-known%2f..%2f.env",
        "/..env",
    ] {
        from_worker(&stage.get(target), target);
    }
}

#[test]
fn nothing_outside_of_the_folder() {
    let (folder, mut stage) = stage();
    folder.write("secret.txt", "secret");
    folder.write("secret.html", "secret");
    folder.write("secret/index.html", "secret");
    folder.write("public-not/secret.txt", "secret");
    folder.write("public/a/inside.txt", "inside");
    folder.link("public/file.txt", "../secret.txt");
    folder.link("public/absolute.txt", folder.at("secret.txt"));
    folder.link("public/page.html", "../secret.html");
    folder.link("public/folder", "../secret");
    folder.link("public/up", "..");
    folder.link("public/loop", "loop");
    folder.link("public/passwd", "/etc/passwd");
    folder.fifo("public/fifo");
    folder.link("public/zero", "/dev/zero");
    folder.link("public/environ", "/proc/self/environ");
    folder.link("public/root", "/proc/self/root");
    folder.link("public/good.txt", "a/inside.txt");
    for target in [
        "/../secret.txt",
        "/a/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/..%2fsecret.txt",
        "/a/%2e%2e/%2e%2e/secret.txt",
        "/%252e%252e/secret.txt",
        "/..%c0%afsecret.txt",
        "/..%5csecret.txt",
        "/..-not/secret.txt",
        "/a/../a/inside.txt",
        "/%2fetc%2fpasswd",
        "//etc/passwd",
        "/file.txt",
        "/absolute.txt",
        "/page",
        "/page.html",
        "/folder",
        "/folder/index.html",
        "/up/secret.txt",
        "/loop",
        "/passwd",
        "/fifo",
        "/zero",
        "/environ",
        "/root/etc/passwd",
    ] {
        from_worker(&stage.get(target), target);
        from_worker(&stage.ask(&format!("GET {target}"), &["Range: bytes=0-9"]), target);
    }
    assert_eq!(stage.get("/good.txt").text(), "inside");
}

#[test]
fn what_is_said_of_a_file() {
    let hashed = "assets/application-0a1b2c3d4e5f60718293a4b5c6d7e8f9.js";
    for length in [10, LARGE] {
        let (folder, mut stage) = stage();
        for (name, kind, control) in [
            ("a.html", "text/html; charset=utf-8", OTHER),
            ("a.css", "text/css; charset=utf-8", OTHER),
            ("a.png", "image/png", OTHER),
            ("a.json", "application/json", OTHER),
            ("a.unheardof", "text/plain", OTHER),
            ("a", "text/plain", OTHER),
            (hashed, "text/javascript; charset=utf-8", FINGERPRINTED),
            ("assets/application.js", "text/javascript; charset=utf-8", OTHER),
            (
                "other/application-0a1b2c3d4e5f60718293a4b5c6d7e8f9.js",
                "text/javascript; charset=utf-8",
                OTHER,
            ),
        ] {
            let file = format!("public/{name}");
            folder.write(&file, "x".repeat(length));
            let response = stage.get(&format!("/{name}"));
            assert_eq!(response.header("content-type"), Some(kind), "{name}");
            assert_eq!(response.header("cache-control"), Some(control), "{name}");
            assert_eq!(response.header("last-modified"), Some(&*folder.modified(&file)), "{name}");
            assert_eq!(response.all("content-length"), [length.to_string()], "{name}");
            assert_eq!(response.header("accept-ranges"), Some("bytes"), "{name}");
            assert!(response.header("etag").unwrap().starts_with("W/\""), "{name}");
            for name in ["x-cache", "cache-status", "age", "set-cookie"] {
                assert_eq!(response.header(name), None);
            }
        }
    }
}

#[test]
fn a_file_from_the_future_has_no_date_that_lies_in_it() {
    let (folder, mut stage) = stage();
    folder.write("public/a.txt", "a");
    folder.set_age("public/a.txt", -3600);
    let response = stage.get("/a.txt");
    assert_eq!((response.text().as_str(), response.header("last-modified")), ("a", None));
}

#[test]
fn no_worker_is_needed() {
    let folder = Folder::new();
    folder.write("public/file.txt", "file");
    let dead = format!("http://127.0.0.1:{}", free_port());
    let thrust = serving(&folder)(Thrust::builder().upstream(dead)).start();
    for _ in 0..2 {
        assert_eq!(get(thrust.port(), "/file.txt").text(), "file");
    }
    assert_eq!(get(thrust.port(), "/file.txt?a").status, 200);
}

#[test]
fn files_are_served_while_the_worker_boots() {
    let folder = Folder::new();
    folder.write("public/file.txt", "file");
    let worker = TestWorker::new().listen_after(Duration::from_secs(3600));
    let thrust = serving(&folder)(Thrust::builder().worker(&worker)).start();
    assert_eq!(get(thrust.port(), "/file.txt").text(), "file");
}

#[test]
fn a_folder_that_is_not_there_yet() {
    let folder = Folder::new();
    let public = folder.at("public");
    let mut stage = Stage::with(|thrust| thrust.env("THRUST_PUBLIC_PATH", public));
    from_worker(&stage.get("/file.txt"), "no folder");
    folder.write("public/file.txt", "file");
    wait_until("it is noticed", || stage.get("/file.txt").text() == "file");
}

#[test]
fn the_folder_may_be_a_link_and_relative() {
    let folder = Folder::new();
    folder.write("real/file.txt", "file");
    folder.link("public", "real");
    let dir = folder.path().to_owned();
    let mut stage = Stage::with(|thrust| thrust.dir(dir).env("THRUST_PUBLIC_PATH", "public"));
    assert_eq!(stage.get("/file.txt").text(), "file");
}

#[test]
fn the_worker_s_answers_and_files_do_not_mix() {
    // By name alone they could be taken for each other in the cache.
    let (folder, mut stage) = stage();
    stage.script("/a.txt", [Answer::ok(&["Cache-Control: max-age=60"], "worker")]);
    assert_eq!(stage.get("/a.txt").text(), "worker");
    folder.write("public/a.txt", "file");
    wait_until("a file that came later is before what is stored", || stage.get("/a.txt").text() == "file");
    folder.remove("public/a.txt");
    wait_until("it is noticed", || stage.get("/a.txt").text() == "worker");
    let hit = stage.get("/a.txt");
    assert_eq!((hit.text().as_str(), hit.x_cache()), ("worker", "hit"));
}

#[test]
fn any_host_gets_the_file() {
    let (folder, stage) = stage();
    folder.write("public/a.txt", "file");
    let mut client = stage.client();
    for host in ["one.test", "two.test:8080"] {
        client.send(format!("GET /a.txt HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Host: evil\r\n\r\n"));
        assert_eq!(client.response().text(), "file");
    }
    client.send("GET http://absolute.test/a.txt HTTP/1.1\r\nHost: absolute.test\r\n\r\n");
    assert_eq!(client.response().text(), "file");
}
