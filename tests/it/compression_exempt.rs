//! What is never encoded, and what is.

use crate::support::{Answer, Backend, Client, Response, Stage, Thrust, coding::prose};

const ALL: &str = "Accept-Encoding: zstd, br, gzip";

/// What a response turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Encoded,
    /// As it is, since it is not for being encoded: nothing is said of encodings.
    Untouched,
}
use Sent::{Encoded, Untouched};

#[track_caller]
fn check(response: &Response, body: &[u8], expected: Sent, what: &str) {
    let encoded = expected == Encoded;
    assert_eq!(response.coding(), if encoded { "zstd" } else { "" }, "{what}");
    assert_eq!(response.varies_by_encoding(), encoded, "{what}");
    assert!(response.decoded() == body, "{what}");
    if !encoded {
        assert_eq!(response.length(), Some(body.len()), "{what}");
        assert_eq!(response.header("etag"), Some("\"v1\""), "{what}");
    }
}

#[test]
fn short_bodies() {
    for control in ["Cache-Control: private", "Cache-Control: max-age=60"] {
        let mut stage = Stage::new();
        for (length, expected) in [(0, Untouched), (1023, Untouched), (1024, Encoded), (1025, Encoded)] {
            let body = prose(length);
            let fields = ["Content-Type: text/html", "ETag: \"v1\"", control];
            stage.script("/known", [Answer::ok(&fields, &body)]);
            for _ in 0..2 {
                check(
                    &stage.ask("GET /known", &[ALL]),
                    body.as_bytes(),
                    expected,
                    &format!("{length} {control}"),
                );
            }
            let head = stage.ask("HEAD /known", &[ALL]);
            assert_eq!(
                (head.coding().is_empty(), head.length()),
                (expected == Untouched, length_of(&head, length))
            );
            stage.ask("DELETE /known", &[]);
        }
    }
}

/// Where it is not encoded it is known.
fn length_of(head: &Response, length: usize) -> Option<usize> {
    if head.coding().is_empty() { Some(length) } else { head.length() }
}

#[test]
fn short_bodies_of_which_nobody_has_said_the_length() {
    let mut stage = Stage::new();
    for control in ["private", "max-age=60"] {
        for (pieces, encoded) in
            [(&[1023][..], false), (&[500, 523], false), (&[0], false), (&[1024], true), (&[1, 1023], true)]
        {
            let length = pieces.iter().sum();
            let body = prose(length);
            let target = format!("/{control}/{length}");
            stage.script(&target, [chunked(&format!("Cache-Control: {control}\r\n"), &body, pieces)]);
            let response = stage.ask(&format!("GET {target}"), &[ALL]);
            assert_eq!(response.coding(), if encoded { "zstd" } else { "" }, "{control} {pieces:?}");
            assert!(response.decoded() == body.as_bytes(), "{control} {pieces:?}");
            assert!(response.varies_by_encoding(), "it could have been longer: {control} {pieces:?}");
            if !encoded {
                assert_eq!(response.length(), Some(length), "{control} {pieces:?}");
                assert_eq!(response.header("transfer-encoding"), None, "{control} {pieces:?}");
            }
        }
    }
}

/// A body in chunks of these lengths.
fn chunked(fields: &str, body: &str, pieces: &[usize]) -> Answer {
    let mut rest = body;
    let mut answer =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{fields}Transfer-Encoding: chunked\r\n\r\n");
    for length in pieces.iter().filter(|length| **length > 0) {
        let (piece, behind) = rest.split_at(*length);
        answer.push_str(&format!("{length:x}\r\n{piece}\r\n"));
        rest = behind;
    }
    Answer::raw(answer + "0\r\n\r\n")
}

#[test]
fn media_types() {
    let mut stage = Stage::new();
    for (expected, kinds) in [
        (
            Encoded,
            &[
                "text/plain; charset=utf-8",
                "TEXT/HTML",
                "text/event-stream",
                "application/json",
                "application/vnd.api+json",
                "application/atom+xml",
                "image/svg+xml",
                "application/javascript",
                "application/wasm",
                "application/manifest+json",
                "font/ttf",
                "font/otf",
                "application/vnd.ms-fontobject",
                "image/x-icon",
                "image/bmp",
            ][..],
        ),
        (
            Untouched,
            &[
                "image/png",
                "image/jpeg",
                "image/webp",
                "video/mp4",
                "audio/mpeg",
                "font/woff2",
                "font/woff",
                "application/zip",
                "application/gzip",
                "application/pdf",
                "application/octet-stream",
                "multipart/byteranges; boundary=a",
            ],
        ),
    ] {
        for kind in kinds {
            let content_type = format!("Content-Type: {kind}");
            stage.script(
                "/a",
                [Answer::ok(&[&content_type, "ETag: \"v1\"", "Cache-Control: private"], &prose(3000))],
            );
            check(&stage.ask("GET /a", &[ALL]), prose(3000).as_bytes(), expected, kind);
        }
    }
}

#[test]
fn what_says_so_and_what_cannot_be() {
    let html = "Content-Type: text/html";
    let private = "Cache-Control: private";
    let public = "Cache-Control: public, max-age=60";
    let mut stage = Stage::new();
    for (number, (status, fields, expected)) in [
        ("200 OK", &[html, private][..], Encoded),
        ("404 Not Found", &[html, private], Encoded),
        ("500 Internal Server Error", &[html, private], Encoded),
        ("200 OK", &[html, "Cache-Control: private, no-transform"], Untouched),
        ("200 OK", &[html, "Cache-Control: public, max-age=60, No-Transform"], Untouched),
        ("206 Partial Content", &[html, private, "Content-Range: bytes 0-2999/9000"], Untouched),
        ("200 OK", &[html, public, "Content-Range: bytes 0-2999/9000"], Untouched),
        ("200 OK", &[private], Untouched),
        ("200 OK", &[public], Untouched),
        ("200 OK", &["Content-Type: text/html, image/png", private], Encoded),
    ]
    .into_iter()
    .enumerate()
    {
        let target = format!("/{number}");
        stage.script(&target, [Answer::new(status, &[fields, &["ETag: \"v1\""]].concat(), &prose(3000))]);
        for _ in 0..2 {
            let response = stage.ask(&format!("GET {target}"), &[ALL]);
            check(&response, prose(3000).as_bytes(), expected, &format!("{status} {fields:?}"));
            assert_eq!(response.message.start_line(), format!("HTTP/1.1 {status}"));
        }
    }
    for status in ["204 No Content", "304 Not Modified"] {
        stage.script("/none", [Answer::raw(format!("HTTP/1.1 {status}\r\n{html}\r\nETag: \"v1\"\r\n\r\n"))]);
        let response = stage.ask("GET /none", &[ALL, "If-None-Match: \"v1\""]);
        assert_eq!((response.coding(), response.header("etag")), ("", Some("\"v1\"")), "{status}");
    }
}

/// The bytes are the worker's, and it has said what they vary by, or has not.
#[test]
fn what_the_worker_has_encoded() {
    let mut stage = Stage::new();
    for (coding, body) in
        [("gzip", prose(3000)), ("br", prose(3000)), ("aws-chunked", prose(3000)), ("br, gzip", prose(10))]
    {
        for control in ["private", "max-age=60"] {
            let target = format!("/{}/{control}", coding.replace(", ", "-"));
            let fields = [
                "Content-Type: text/html",
                "ETag: \"v1\"",
                &format!("Content-Encoding: {coding}"),
                &format!("Cache-Control: {control}"),
            ];
            stage.script(&target, [Answer::ok(&fields, &body)]);
            for _ in 0..2 {
                let response = stage.ask(&format!("GET {target}"), &[ALL]);
                assert_eq!(response.all("content-encoding"), [coding]);
                assert_eq!((response.header("vary"), response.header("etag")), (None, Some("\"v1\"")));
                assert_eq!((response.length(), response.text()), (Some(body.len()), body.clone()));
            }
        }
    }
}

/// The worker's own words on what its response varies by come first.
#[test]
fn vary_is_said_once() {
    let mut stage = Stage::new();
    for (own, expected) in [
        (&[][..], "Accept-Encoding"),
        (&["Vary: Accept-Encoding"], "Accept-Encoding"),
        (&["Vary: accept-encoding, Origin"], "accept-encoding, Origin"),
        (&["Vary: Origin", "Vary: Accept"], "Origin, Accept, Accept-Encoding"),
        (&["Vary: *"], "*"),
    ] {
        for control in ["private", "max-age=60"] {
            let target = format!("/{}/{control}", own.concat().replace([' ', ':', ','], ""));
            let control = format!("Cache-Control: {control}");
            let fields = [&["Content-Type: text/html", &control[..]], own].concat();
            stage.script(&target, [Answer::ok(&fields, &prose(3000))]);
            for accepted in [ALL, "Accept-Encoding: identity", ALL] {
                let response = stage.ask(&format!("GET {target}"), &[accepted]);
                assert_eq!(response.all("vary"), [expected], "{own:?} {control} {accepted}");
            }
        }
    }
}

/// Digests are of other bytes.
#[test]
fn what_is_true_of_the_body_as_it_is_is_not_said_of_another_form() {
    let digests = ["Content-MD5: a", "Digest: b", "Repr-Digest: c", "Content-Digest: d"];
    let backend = Backend::answer(move |_| {
        crate::support::backend::ok(
            &format!("Content-Type: text/html\r\n{}", digests.join("\r\n")),
            &prose(3000),
        )
    });
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    for (accepted, count) in [(ALL, 0), ("Accept-Encoding: identity", digests.len())] {
        let response = client.ask("GET /", &[accepted]);
        let names = digests.iter().filter_map(|digest| digest.split(':').next());
        assert_eq!(names.filter(|name| response.header(name).is_some()).count(), count, "{accepted}");
    }
}
