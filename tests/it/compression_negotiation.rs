//! Which encoding a client gets.

use crate::support::{Answer, Coding, Stage, coding::prose, thrust::Builder};

const LENGTH: usize = 5_000;

#[test]
fn the_client_s_weights_come_first_and_then_our_order() {
    // RFC 9110 §12.5.3
    check(
        |thrust| thrust,
        &[
            ("Accept-Encoding: gzip, deflate, br, zstd", "zstd"),
            ("Accept-Encoding: gzip, deflate, br", "br"),
            ("Accept-Encoding: gzip, deflate", "gzip"),
            ("Accept-Encoding: br;q=0.9, gzip, zstd;q=0.5", "gzip"),
            ("Accept-Encoding: zstd;q=0.001, br;q=0.002", "br"),
            ("Accept-Encoding: *", "zstd"),
            ("Accept-Encoding: *;q=0.5, gzip", "gzip"),
            ("Accept-Encoding: zstd;q=0, *", "br"),
            ("Accept-Encoding: *;q=0", ""),
            ("Accept-Encoding: gzip;q=0", ""),
            ("Accept-Encoding: identity", ""),
            ("Accept-Encoding: gzip;q=0.5, identity", ""),
            ("Accept-Encoding: identity;q=0, br;q=0.1", "br"),
            ("Accept-Encoding: identity;q=0, *;q=0.1", "zstd"),
            // What nobody may have helps nobody: it is sent as it is.
            ("Accept-Encoding: identity;q=0", ""),
            ("Accept-Encoding: identity;q=0, deflate", ""),
            ("Accept-Encoding: GZIP;Q=0.8, Br;q=0.9", "br"),
            ("ACCEPT-ENCODING: X-Gzip", "gzip"),
            ("Accept-Encoding: deflate, compress", ""),
            ("Accept-Encoding: brotli, zstandard", ""),
            ("Accept-Encoding:", ""),
            ("Accept-Encoding: gzip;q=2, br;q=x", ""),
            ("Accept-Encoding: gzip\r\nAccept-Encoding: br", "br"),
            ("X-Nothing: said", ""),
        ],
    );
}

#[test]
fn what_is_offered_and_its_order_can_be_set() {
    for (setting, cases) in [
        ("gzip", &[("zstd, br, gzip;q=0.1", "gzip"), ("zstd, br", ""), ("*", "gzip")][..]),
        ("br,zstd", &[("gzip, zstd, br", "br"), ("zstd;q=1, br;q=0.5", "zstd"), ("gzip", "")]),
        (" gzip , BR ", &[("br, gzip", "gzip"), ("zstd", "")]),
    ] {
        let cases: Vec<_> = cases
            .iter()
            .map(|(accepted, coding)| (format!("Accept-Encoding: {accepted}"), *coding))
            .collect();
        let cases: Vec<_> = cases.iter().map(|(field, coding)| (&field[..], *coding)).collect();
        check(|thrust| thrust.env("THRUST_COMPRESSION", setting), &cases);
    }
}

#[test]
fn turned_off_it_changes_nothing() {
    for (name, value) in [
        ("THRUST_COMPRESSION", "0"),
        ("THRUSTER_GZIP_COMPRESSION_ENABLED", "0"),
        ("GZIP_COMPRESSION_ENABLED", "false"),
    ] {
        let mut stage = stage(|thrust| thrust.env(name, value));
        for target in TARGETS {
            for _ in 0..2 {
                let response = stage.ask(&format!("GET {target}"), &["Accept-Encoding: zstd, br, gzip"]);
                assert_eq!((response.coding(), response.header("vary")), ("", None), "{name} {target}");
                assert_eq!(response.header("etag"), Some("\"v1\""), "{name} {target}");
                assert_eq!(response.length(), Some(LENGTH), "{name} {target}");
            }
        }
    }
    check(
        |thrust| thrust.env("THRUSTER_GZIP_COMPRESSION_ENABLED", "1"),
        &[("Accept-Encoding: gzip, br", "br")],
    );
}

/// Of what lies ready a client that accepts several gets its best all the same, once that is made.
#[test]
fn a_form_that_somebody_else_has_wanted_does_not_stand_for_the_best() {
    let mut stage = stage(|thrust| thrust);
    stage.await_form("/cached", Coding::Gzip);
    let all = "Accept-Encoding: gzip, br, zstd";
    let mut found = None;
    crate::support::wait_until("the best is ready", || {
        let response = stage.ask("GET /cached", &[all]);
        assert!(response.decoded() == prose(LENGTH).as_bytes());
        found = Some(response).filter(|response| response.coding() == "zstd" && response.length().is_some());
        found.is_some()
    });
    assert_eq!(stage.ask("GET /cached", &["Accept-Encoding: gzip, zstd;q=0.5"]).coding(), "gzip");
}

/// What the worker gives each time anew, and what is stored.
const TARGETS: [&str; 2] = ["/live", "/cached"];

fn stage(configure: impl FnOnce(Builder) -> Builder) -> Stage {
    let stage = Stage::with(configure);
    for (target, control) in TARGETS.into_iter().zip(["no-cache", "max-age=600"]) {
        let control = format!("Cache-Control: {control}");
        stage.script(
            target,
            [Answer::ok(&["Content-Type: text/html", "ETag: \"v1\"", &control], &prose(LENGTH))],
        );
    }
    stage
}

/// Fields of requests, and the encoding that each is answered in.
#[track_caller]
fn check(configure: impl FnOnce(Builder) -> Builder, cases: &[(&str, &str)]) {
    let mut stage = stage(configure);
    for (field, expected) in cases {
        for target in TARGETS {
            // A cache of its own for each, where nothing lies ready.
            let response = stage.ask(&format!("GET {target}"), &[field]);
            if target == "/cached" {
                stage.ask("DELETE /cached", &[]);
            }
            assert_eq!(response.coding(), *expected, "{target} {field:?}");
            assert!(response.decoded() == prose(LENGTH).as_bytes(), "{target} {field:?}");
            assert!(response.varies_by_encoding(), "{target} {field:?}");
        }
    }
}
