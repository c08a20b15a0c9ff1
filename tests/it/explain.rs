//! `thrust explain`, and the header behind it: what was decided for a request, in words, for who asks on this machine.

use crate::support::{
    Answer, Client, Folder, Response, Stage, Thrust, free_port, stage::dated, thrust::Ended,
};

const ASK: &str = "X-Thrust-Explain: 1";
const ASSET: &str = "/assets/application-0f9e8d7c6b5a.css";
const CSS: &str = "Content-Type: text/css";

/// Asks for the explanation of a request, and makes sure that it is one.
#[track_caller]
fn explained(stage: &mut Stage, target: &str, fields: &[&str]) -> String {
    let response = stage.ask(&format!("GET {target}"), &[fields, &[ASK]].concat());
    assert!(is_explanation(&response), "{}\n{}", response.start_line(), response.text());
    assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    // Lines end where words do.
    response.text().replace("\n  ", " ")
}

/// Has it stored, which is done when the whole response is there. An explanation is there earlier.
fn keep(stage: &mut Stage, target: &str) {
    assert_eq!(stage.ask(&format!("GET {target}"), &[]).status, 200);
}

fn is_explanation(response: &Response) -> bool {
    response.header("x-thrust-explain").is_some()
}

#[track_caller]
fn assert_says(text: &str, all: &[&str]) {
    for part in all {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

/// Runs `thrust explain` beside a thrust that listens on that port.
fn run(port: u16, words: &[&str]) -> Ended {
    let words = [&["explain"], words].concat();
    Thrust::builder().env("PORT", port.to_string()).command(words).run()
}

#[test]
fn asked_twice_it_shows_the_miss_and_the_hit() {
    let mut stage = Stage::new();
    stage.script(ASSET, [Answer::ok(&[CSS, "ETag: \"a\"", "X-Request-Id: 7"], &"x".repeat(2000))]);
    let miss = explained(&mut stage, ASSET, &[]);
    assert_says(
        &miss,
        &[
            &format!("GET {ASSET}\nHost: app.test\n\n200 OK, 2.0 KB\n"),
            "\ncache: miss   (thrust; fwd=uri-miss; stored) The application was asked: nothing was stored",
            "its name is fingerprinted and it says nothing of caching itself",
            "\nencoding: none The request's `Accept-Encoding` names no encoding",
            "\nfile: none The application has named none (`X-Sendfile`)",
            "content-type: text/css",
            "etag: \"a\"",
            "and, not shown: x-request-id",
        ],
    );
    keep(&mut stage, ASSET);
    let hit = explained(&mut stage, ASSET, &[]);
    assert_says(
        &hit,
        &["\ncache: hit   (thrust; hit; ttl=", "It came from the cache.", "and fresh for another 36"],
    );
    assert_eq!(stage.asked(ASSET).len(), 1);
    // What is kept is the response itself.
    assert_eq!(stage.get(ASSET).text(), "x".repeat(2000));
    let logged = stage.thrust.await_log(|record| record["cache"] == "hit");
    assert_eq!(logged["path"], ASSET);
}

#[test]
fn each_common_reason_is_told_with_what_to_change() {
    let mut stage = Stage::with(|thrust| thrust.env("THRUST_MAX_CACHE_ITEM_SIZE", "3000"));
    let past = dated("Expires", -60);
    let large = "x".repeat(4000);
    for (number, (fields, body, asked, detail, words)) in [
        (&[][..], "", &[][..], "no-lifetime", "`Cache-Control: public, max-age=300`"),
        (&["Cache-Control: no-store"], "", &[], "no-store", "If everybody may have it after all"),
        (&["Cache-Control: private"], "", &[], "private", "`expires_in 5.minutes, public: true`"),
        (&["Cache-Control: max-age=60", "Set-Cookie: a=b"], "", &[], "set-cookie", "session_options"),
        (&["Cache-Control: max-age=60"], "", &["Authorization: Basic a"], "authorization", "`s-maxage`"),
        (
            &["Cache-Control: no-cache", "ETag: \"a\""],
            "",
            &["Cookie: a=b"],
            "cookie",
            "`fresh_when(record, public: true)`",
        ),
        (&["Cache-Control: max-age=60", "Vary: *"], "", &[], "vary", "`Vary: *`"),
        (&[&past], "", &[], "stale", "`ETag`"),
        (&["Cache-Control: max-age=60"], &large, &[], "too-large", "`THRUST_MAX_CACHE_ITEM_SIZE`"),
        (&["Cache-Control: max-age=60"], "", &["Range: bytes=0-1"], "range", "A GET without `Range`"),
        (
            &["Cache-Control: max-age=60"],
            "",
            &["Cache-Control: no-store"],
            "request-no-store",
            "`no-cache` does it",
        ),
        (&["Cache-Control: max-age=60"], "", &["If-Match: \"a\""], "precondition", "Leave them out"),
    ]
    .into_iter()
    .enumerate()
    {
        let target = format!("/{number}");
        stage.script(&target, [Answer::ok(fields, body)]);
        let text = explained(&mut stage, &target, asked);
        assert_says(&text, &[&format!("; detail={detail})"), words]);
        let logged = stage.thrust.await_log(|record| record["path"] == target);
        assert_eq!(logged["cache_reason"], detail);
    }
    stage.script("/500", [Answer::new("500 Internal Server Error", &["Cache-Control: max-age=60"], "")]);
    assert_says(
        &explained(&mut stage, "/500", &[]),
        &["500 Internal Server Error", "; detail=status)", "application's log"],
    );
}

#[test]
fn what_was_not_for_the_cache_before_is_told_to_be_asked_again() {
    let mut stage = Stage::new();
    let kept = || Answer::ok(&["Cache-Control: max-age=60"], "now");
    stage.script("/", [Answer::ok(&[], ""), kept(), kept()]);
    keep(&mut stage, "/");
    // This one is only looked at.
    assert_says(&explained(&mut stage, "/", &[]), &["; detail=remembered)", "Ask again"]);
    assert_says(&explained(&mut stage, "/", &[]), &["; stored)", "`Cache-Control: max-age=60`"]);
}

#[test]
fn what_becomes_of_something_stale_is_told() {
    let mut stage = Stage::new();
    let stored = Answer::ok(&["Cache-Control: public, max-age=0", "ETag: \"a\""], "a");
    let confirmed = Answer::not_modified(&["Cache-Control: public, max-age=0", "ETag: \"a\""]);
    stage.script("/", [stored, confirmed]);
    keep(&mut stage, "/");
    assert_says(&explained(&mut stage, "/", &[]), &["fwd=stale; fwd-status=304", "still good (304)"]);
    let failed = Answer::new("503 Service Unavailable", &[], "");
    stage.script("/kept", [Answer::ok(&["Cache-Control: max-age=1, stale-if-error=60"], "b"), failed]);
    keep(&mut stage, "/kept");
    stage.await_stale("/kept");
    let text = explained(&mut stage, "/kept", &[]);
    assert_says(
        &text,
        &["fwd=stale; fwd-status=503", "It failed (503), so what is stored was served stale."],
    );
    stage.script("/fresh", [Answer::ok(&["Cache-Control: max-age=60"], "c")]);
    keep(&mut stage, "/fresh");
    let text = explained(&mut stage, "/fresh", &["Cache-Control: no-cache"]);
    assert_says(&text, &["fwd=request; stored", "the request wants that"]);
}

#[test]
fn the_encoding_is_told_and_why_there_is_none() {
    const BR: &str = "Accept-Encoding: br";
    let mut stage = Stage::new();
    let long = "all work and no play ".repeat(100);
    for (number, (fields, body, asked, said)) in [
        (&[CSS][..], &*long, &[BR][..], "encoding: br Encoded while it is sent."),
        (&[CSS], "short", &[BR], "encoding: none It is shorter than 1,024 bytes"),
        (
            &["Content-Type: image/png"],
            &long,
            &[BR],
            "encoding: none Bodies of its `Content-Type` hardly become smaller",
        ),
        (
            &[CSS, "Content-Encoding: gzip"],
            &long,
            &[BR],
            "encoding: gzip The application has encoded it itself",
        ),
        (
            &[CSS, "Cache-Control: no-transform"],
            &long,
            &[BR],
            "encoding: none Its `Cache-Control` says `no-transform`",
        ),
        (
            &[CSS],
            &long,
            &["Accept-Encoding: x-own"],
            "that is offered (`THRUST_COMPRESSION`). It says `x-own`.",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let target = format!("/{number}");
        stage.script(&target, [Answer::ok(fields, body)]);
        assert_says(&explained(&mut stage, &target, asked), &[said]);
    }
    stage.script(ASSET, [Answer::ok(&[CSS], &long)]);
    crate::support::wait_until("it lies ready", || {
        explained(&mut stage, ASSET, &[BR]).contains("encoding: br It lies ready in the cache.")
    });
    assert_says(
        &explained(&mut stage, ASSET, &[BR, "Range: bytes=0-1"]),
        &["206", "Ranges are of the body as it is"],
    );
    let mut careful = Stage::with(|thrust| thrust.env("THRUST_COMPRESSION_DISABLE_ON_AUTH", "1"));
    careful.script("/", [Answer::ok(&[CSS], &long)]);
    let text = explained(&mut careful, "/", &[BR, "Cookie: a=b"]);
    assert_says(&text, &["encoding: none `THRUST_COMPRESSION_DISABLE_ON_AUTH` is on"]);
    let mut off = Stage::with(|thrust| thrust.env("THRUST_COMPRESSION", "0").env("THRUST_CACHE_SIZE", "0"));
    off.script("/", [Answer::ok(&[CSS], &long)]);
    let text = explained(&mut off, "/", &[BR]);
    assert_says(
        &text,
        &["`THRUST_COMPRESSION` is `0`", "cache: off There is no cache: `THRUST_CACHE_SIZE` is 0."],
    );
}

#[test]
fn files_are_told_and_why_they_are_not_sent() {
    let folder = Folder::new();
    let root = folder.path().join("root");
    let sent = folder.write("root/a.pdf", "x".repeat(5000));
    let outside = folder.write("b.pdf", "b");
    let mut stage = Stage::with(|thrust| thrust.env("THRUST_SEND_FILE_ROOT", &root));
    for (target, answer, said) in [
        ("/sent", Answer::file(&sent, &[]), &*format!("file: {sent} The application has named it, 4.9 KB")),
        ("/outside", Answer::file(&outside, &[]), "Add its folder to `THRUST_SEND_FILE_ROOT`"),
        ("/missing", Answer::file(&folder.at("root/c"), &[]), "There is no such file for thrust"),
        ("/relative", Answer::file("c", &[]), "Its path is not absolute"),
        ("/own", Answer::ok(&["Content-Type: application/pdf"], "own"), "x_sendfile_header = \"X-Sendfile\""),
    ] {
        stage.script(target, [answer]);
        assert_says(&explained(&mut stage, target, &[]), &[said]);
    }
    assert_says(&explained(&mut stage, "/outside", &[]), &["404 Not Found", "cache: none", "file: refused"]);
    let mut off = Stage::with(|thrust| thrust.env("THRUST_SEND_FILE", "0"));
    off.script("/", [Answer::file(&sent, &[])]);
    assert_says(&explained(&mut off, "/", &[]), &["file: off `THRUST_SEND_FILE` is `0`"]);
}

#[test]
fn files_of_the_public_folder_are_told() {
    let folder = Folder::new();
    let small = folder.write("a.css", "x".repeat(2000));
    let large = folder.sparse("b.css", 2 << 20);
    folder.write("b.css.gz", "gzip");
    let mut stage = Stage::with(|thrust| thrust.env("THRUST_PUBLIC_PATH", folder.path()));
    let text = explained(&mut stage, "/a.css", &[]);
    assert_says(&text, &["cache: file", &format!("file: {small} A file of the public folder, 2.0 KB")]);
    let text = explained(&mut stage, "/b.css", &["Accept-Encoding: gzip"]);
    assert_says(&text, &["encoding: gzip The encoded file beside the public one", "b.css.gz"]);
    assert_says(&explained(&mut stage, "/b.css", &[]), &[&format!("file: {large} A file")]);
    assert_says(
        &explained(&mut stage, "/c.css", &[]),
        &["has no such file that may be served (`THRUST_PUBLIC_PATH`)"],
    );
}

#[test]
fn a_worker_that_is_not_there_is_told() {
    let port = free_port();
    let thrust = Thrust::builder()
        .upstream(format!("http://127.0.0.1:{port}"))
        .env("THRUST_BOOT_TIMEOUT", "0")
        .start();
    let response = Client::connect(thrust.port()).ask("GET /", &[ASK]);
    assert_says(
        &response.text(),
        &["502 Bad Gateway", "cache: none", "could be kept: worker boot timeout.", "See thrust's own log"],
    );
    let response = Client::connect(thrust.port()).ask("GET /", &[ASK, "Cache-Control: only-if-cached"]);
    assert_says(&response.text(), &["504 Gateway Timeout", "cache: only-if-cached"]);
}

/// What follows a request that was not read to its end is nobody's.
#[test]
fn a_failure_ends_the_connection_all_the_same() {
    let stage = Stage::with(|thrust| thrust.env("THRUST_MAX_REQUEST_BODY", "10"));
    let mut client = stage.client();
    let head = format!("POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n{ASK}\r\n\r\n");
    client.send(format!("{head}14\r\n{}\r\n", "x".repeat(20)));
    let response = client.response();
    assert_says(&response.text(), &["413 Payload Too Large", "cache: none"]);
    assert_eq!(response.header("connection"), Some("close"));
}

#[test]
fn a_redirect_to_tls_is_told_of() {
    let mut stage = Stage::new();
    stage.script("/", [Answer::new("301 Moved Permanently", &["Location: https://app.test/"], "")]);
    assert_says(&explained(&mut stage, "/", &[]), &["insists on TLS", "-H 'X-Forwarded-Proto: https'"]);
    assert!(!explained(&mut stage, "/", &["X-Forwarded-Proto: https"]).contains("insists"));
}

#[test]
fn what_a_proxy_passes_on_is_answered_as_ever() {
    let mut stage = Stage::new();
    stage.script("/", [Answer::ok(&[], "the page")]);
    for field in
        ["X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1", "X-Real-IP: 127.0.0.1", "Via: 1.1 nginx"]
    {
        let response = stage.ask("GET /", &[ASK, field]);
        assert_eq!((response.text(), is_explanation(&response)), ("the page".to_owned(), false), "{field}");
    }
    // nginx, unless it is told otherwise.
    let mut client = stage.client();
    client.send(format!("GET / HTTP/1.0\r\nHost: app.test\r\nConnection: close\r\n{ASK}\r\n\r\n"));
    assert_eq!(client.response().text(), "the page");
    let head = stage.ask("HEAD /", &[ASK]);
    assert!(!is_explanation(&head) && head.header("x-cache").is_some());
    assert_says(&explained(&mut stage, "/", &["X-Forwarded-Proto: https"]), &["200 OK, 8 bytes"]);
}

#[test]
fn the_header_stays_here_and_makes_no_other_response() {
    let mut stage = Stage::new();
    stage.script("/", [Answer::ok(&["Cache-Control: max-age=60", "Vary: X-Thrust-Explain"], "a")]);
    explained(&mut stage, "/", &["X_Thrust_Explain: 1"]);
    assert_eq!(stage.get("/").x_cache(), "hit");
    for line in ["GET /other", "POST /other"] {
        stage.ask(line, &[ASK, "X-Forwarded-For: 1.1.1.1"]);
        stage.ask(line, &[ASK]);
    }
    let fields = [ASK, "Connection: upgrade", "Upgrade: websocket"];
    stage.ask("GET /other", &fields);
    let asked = [stage.asked("/"), stage.asked("/other")].concat();
    assert_eq!(asked.len(), 6);
    for request in asked {
        let names = request.headers.iter().map(|(name, _)| name.to_lowercase().replace('_', "-"));
        assert!(!names.into_iter().any(|name| name == "x-thrust-explain"), "{request:?}");
    }
}

#[test]
fn secrets_are_never_printed() {
    let mut stage = Stage::new();
    let answer = [
        "Set-Cookie: session=SECRET",
        "WWW-Authenticate: SECRET",
        "Location: /a?token=SECRET",
        "X-Csrf-Token: SECRET",
    ];
    stage.script("/", [Answer::ok(&answer, "SECRET")]);
    let asked = ["Cookie: session=SECRET", "Authorization: Bearer SECRET", "X-Csrf-Token: SECRET"];
    let text = explained(&mut stage, "/", &asked);
    assert!(!text.contains("SECRET"), "{text}");
    assert_says(&text, &["and, not shown: ", "set-cookie", "location"]);
}

#[test]
fn the_command_prints_what_the_server_says() {
    let stage = Stage::new();
    stage.script("/a?b", [Answer::ok(&[CSS, "Cache-Control: max-age=60"], &"x".repeat(2000))]);
    let port = stage.thrust.port();
    let ended = run(port, &["/a?b", "-H", "Accept-Encoding: gzip"]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_says(
        &ended.stdout,
        &[&format!("GET /a?b\nHost: localhost:{port}\nAccept-Encoding: gzip\n\n200 OK"), "encoding: gzip"],
    );
    let ended = run(1, &[&format!("http://localhost:{port}/a?b")]);
    assert!(ended.status.success() && ended.stdout.contains("cache: hit"), "{ended:?}");
    // A visitor's URL is another one than localhost's, and the application's to know.
    let ended = run(port, &["https://shop.test/a?b"]);
    assert!(ended.stdout.contains("Host: shop.test") && ended.stdout.contains("cache: miss"), "{ended:?}");
    let asked = stage.asked("/a?b");
    let visitors = asked.last().unwrap();
    assert_eq!(
        (visitors.header("host"), visitors.header("x-forwarded-proto")),
        (Some("shop.test"), Some("https"))
    );
}

#[test]
fn the_command_says_what_kept_it_from_asking() {
    let port = free_port();
    let ended = run(port, &["/"]);
    assert_eq!(ended.status.code(), Some(69), "{ended:?}");
    assert_says(&ended.stderr, &[&format!("nothing answers at 127.0.0.1:{port}"), "set by PORT"]);
    let backend = crate::support::Backend::respond("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone");
    let ended = run(backend.port(), &["/"]);
    assert_eq!(ended.status.code(), Some(76), "{ended:?}");
    assert_says(&ended.stderr, &["explains nothing: HTTP/1.1 404 Not Found; none"]);
    let ended = run(port, &["assets/a.css"]);
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    let ended = Thrust::builder().env("PORT", "x").command(["explain", "/"]).run();
    assert_eq!(ended.status.code(), Some(78), "{ended:?}");
}

/// Where TLS is on the plain port redirects; who asks on this machine is told of the other one.
#[test]
fn with_tls_the_plain_port_explains_what_the_other_one_serves() {
    let folder = Folder::new();
    crate::support::certificate::write_pair(&folder);
    let backend = crate::support::Backend::mirror("Cache-Control: no-store\r\n");
    let thrust = Thrust::builder().upstream(backend.url()).tls(&folder, 0).start();
    let ended = run(thrust.port(), &["/a", "-H", "Host: localhost"]);
    assert!(ended.status.success(), "{ended:?}");
    assert_says(&ended.stdout, &["200 OK", "detail=no-store"]);
    let request = backend.requests().remove(0);
    assert_eq!(request.header("x-forwarded-proto"), Some("https"));
    let redirected = Client::connect(thrust.port()).ask("GET /a", &[ASK, "X-Forwarded-For: 127.0.0.1"]);
    assert!(!is_explanation(&redirected) && (300..400).contains(&redirected.status));
}
