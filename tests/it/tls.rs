//! TLS with certificate files, as curl sees it.

use crate::support::{Secure, http2::Raw, thrust::Builder};
use std::process::Command;

impl Secure {
    /// What curl prints of the response's head and body; empty where there is none.
    fn curl(&self, path: &str, arguments: &[&str]) -> String {
        let url = format!("https://localhost:{}{path}", self.port);
        curl(&[&["--cacert", &self.folder.at("cert.pem"), &url], arguments].concat())
    }

    fn plain(&self, path: &str, arguments: &[&str]) -> String {
        let url = format!("http://localhost:{}{path}", self.thrust.port());
        curl(&[&[&*url], arguments].concat())
    }
}

fn curl(arguments: &[&str]) -> String {
    let always = ["--silent", "--max-time", "20", "--include", "--http1.1", "--noproxy", "*"];
    let output = Command::new("curl").args(always).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().replace('\r', "")
}

#[test]
fn requests_are_served_over_tls() {
    let secure = Secure::start(|thrust| thrust);
    let answer = secure.curl("/a?b=c", &[]);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!answer.contains("strict-transport-security"), "{answer}");
    let asked = answer.to_lowercase();
    assert!(asked.contains("get /a?b=c http/1.1") && asked.contains("x-forwarded-proto: https"), "{answer}");
    assert!(asked.contains(&format!("x-forwarded-port: {}", secure.port)), "{answer}");
    // A client's own claims are worth nothing where no proxy stands before us.
    let answer = secure.curl("/", &["-H", "X-Forwarded-For: 1.2.3.4", "-H", "X-Forwarded-Proto: http"]);
    assert!(
        answer.to_lowercase().contains("x-forwarded-proto: https") && !answer.contains("1.2.3.4"),
        "{answer}"
    );
}

#[test]
fn http_2_is_spoken_where_it_is_asked_for() {
    for (http2, version) in [("0", "HTTP/1.1 200"), ("1", "HTTP/2 200")] {
        let secure = Secure::start(|thrust| thrust.env("THRUST_HTTP2", http2).env("THRUST_HSTS", "3600"));
        let answer = secure.curl("/", &["--http2"]);
        assert!(answer.starts_with(version), "{answer}");
        assert!(answer.to_lowercase().contains("strict-transport-security: max-age=3600"), "{answer}");
    }
}

#[test]
fn both_versions_of_tls_are_spoken_and_none_before() {
    let secure = Secure::start(|thrust| thrust);
    for (version, served) in [("1.1", false), ("1.2", true), ("1.3", true)] {
        let flag = format!("--tlsv{version}");
        let answer = secure.curl("/", &[&flag, "--tls-max", version, "--ciphers", "DEFAULT:@SECLEVEL=0"]);
        assert_eq!(answer.starts_with("HTTP/1.1 200"), served, "{version}: {answer}");
    }
}

#[test]
fn the_plain_port_redirects() {
    let secure = Secure::start(|thrust| thrust);
    let location = format!("location: https://localhost:{}/a?b=c\n", secure.port);
    for (arguments, status) in [(&[][..], "301"), (&["--head"], "301"), (&["-d", "x"], "308")] {
        let answer = secure.plain("/a?b=c", arguments);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains(&location), "{answer}");
    }
    assert_eq!(secure.backend.requests().len(), 0);
    let moved = Secure::start(|thrust| thrust.env("THRUST_REDIRECT_PORT", "443"));
    assert!(moved.plain("/", &[]).contains("location: https://localhost/\n"));
}

#[test]
fn health_checks_from_near_are_passed_on() {
    let secure = Secure::start(|thrust| thrust);
    assert!(secure.plain("/up", &[]).starts_with("HTTP/1.1 200"));
    assert!(secure.plain("/up/", &[]).starts_with("HTTP/1.1 301"));
    let without = Secure::start(|thrust| thrust.env("THRUST_HEALTH_PATH", "0"));
    assert!(without.plain("/up", &[]).starts_with("HTTP/1.1 301"));
}

#[test]
fn stopping_ends_connections_over_tls_too() {
    let secure = Secure::start(|thrust| thrust);
    assert!(secure.curl("/", &[]).starts_with("HTTP/1.1 200"));
    secure.thrust.signal(libc::SIGTERM);
    let Secure { thrust, .. } = secure;
    assert!(thrust.finish().status.success());
}

#[test]
fn a_client_that_never_begins_its_handshake_does_not_hold_up_the_end() {
    let patient =
        |thrust: Builder| thrust.env("THRUST_SHUTDOWN_TIMEOUT", "10m").env("THRUST_READ_TIMEOUT", "10m");
    let mut secure = Secure::start(patient);
    let _silent = Raw::silent(secure.port);
    assert!(secure.curl("/", &[]).starts_with("HTTP/1.1 200"), "the other was accepted before");
    secure.thrust.signal(libc::SIGTERM);
    assert_eq!(secure.thrust.wait().code(), Some(0));
}
