//! What testssl.sh finds, in a run of each half of its checks. Left out are its simulation of clients and its list of every
//! cipher, which find nothing that the others do not.

use crate::support::{Backend, Folder, Secure, backend::ok, tls::make};
use serde_json::Value;
use std::process::Command;

/// The severities that it knows are DEBUG, INFO, OK and these; WARN is a check that it could not make.
const FINDINGS: [&str; 4] = ["LOW", "MEDIUM", "HIGH", "CRITICAL"];

/// Whoever signs a certificate with its own key is trusted by nobody, and says nowhere how it is revoked.
const OF_THE_CERTIFICATE: [&str; 2] = ["cert_chain_of_trust", "cert_revocation"];

#[test]
fn testssl_finds_nothing_in_what_is_offered() {
    let findings =
        scan(&["--protocols", "--std", "--fs", "--server-preference", "--server-defaults", "--headers"]);
    assert_seen(&findings, &["SSLv3", "TLS1_3", "PFS", "cipher_order", "cert_keySize", "HSTS_time"]);
}

#[test]
fn testssl_finds_no_vulnerability() {
    let findings = scan(&["--vulnerable"]);
    assert_seen(&findings, &["heartbleed", "ROBOT", "secure_client_renego", "BREACH", "LUCKY13", "RC4"]);
}

/// Runs these checks: what is told of each, by its name. Fails where one has found anything.
#[track_caller]
fn scan(checks: &[&str]) -> Vec<(String, Value)> {
    let folder = Folder::new();
    let (certificate, key) = (folder.at("cert.pem"), folder.at("key.pem"));
    let kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90"];
    let name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    make(&[&["req", "-x509", "-keyout", &key, "-out", &certificate], &kind[..], &name].concat());
    // An application that sends the headers which are its own business, as Rails does.
    let headers = "Content-Type: text/html\r\nX-Frame-Options: SAMEORIGIN\r\nX-Content-Type-Options: nosniff\r\n\
                   Referrer-Policy: strict-origin-when-cross-origin\r\nX-XSS-Protection: 0";
    let backend = Backend::respond(ok(headers, "<h1>Hello</h1>"));
    let secure = Secure::with_files(folder, backend, |thrust| {
        thrust.env("THRUST_HTTP2", "1").env("THRUST_HSTS", "31536000")
    });
    let report = secure.folder.at("report.json");
    let how = ["--nodns", "none", "--ip", "127.0.0.1", "--warnings", "off", "--color", "0"];
    let url = format!("https://localhost:{}", secure.port);
    let mut testssl = Command::new("testssl");
    testssl.args(how).args(["--jsonfile", &report]).args(checks).arg(&url);
    let said = String::from_utf8_lossy(&testssl.output().unwrap().stdout).into_owned();
    let report: Vec<Value> = serde_json::from_slice(&std::fs::read(report).expect(&said)).unwrap();
    let text = |check: &Value, field: &str| check[field].as_str().unwrap().to_owned();
    let bad: Vec<_> = report
        .iter()
        .filter(|check| FINDINGS.contains(&&*text(check, "severity")))
        .filter(|check| !OF_THE_CERTIFICATE.contains(&&*text(check, "id")))
        .collect();
    assert!(bad.is_empty(), "{bad:#?}\n{said}");
    report.into_iter().map(|check| (text(&check, "id"), check)).collect()
}

/// Fails where these were not looked at, or not with a good end.
#[track_caller]
fn assert_seen(report: &[(String, Value)], checks: &[&str]) {
    for name in checks {
        let seen = report.iter().any(|(id, check)| id == name && check["severity"] == "OK");
        assert!(seen, "{name} is missing: {report:#?}");
    }
}
