//! Case by case what RFC 9113 and RFC 7541 ask of a server: `tests/conformance/http2.py`.

use crate::support::{Backend, Folder, Thrust, backend, certificate::write_pair, free_port};
use std::process::Command;

/// As many as in h2spec.
const ALL: &str = "\n146 passed, 0 failed\n";

fn backend() -> Backend {
    Backend::answer(|request| {
        let mut response = backend::ok("Content-Type: text/plain", "hello");
        let body = if request.start_line().starts_with("HEAD ") { 5 } else { 0 };
        response.truncate(response.len() - body);
        response
    })
}

#[track_caller]
fn assert_conforms(arguments: &[&str]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/http2.py");
    let output = Command::new("python3").arg(script).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.ends_with(ALL),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn http_2_by_prior_knowledge_conforms() {
    let backend = backend();
    let thrust = Thrust::builder().upstream(backend.url()).env("THRUST_H2C", "1").start();
    assert_conforms(&[&thrust.port().to_string()]);
}

#[test]
fn http_2_over_tls_conforms() {
    let (backend, folder, port) = (backend(), Folder::new(), free_port());
    write_pair(&folder);
    let thrust = Thrust::builder().upstream(backend.url()).tls(&folder, port).env("THRUST_HTTP2", "1");
    let _thrust = thrust.start();
    assert_conforms(&["--tls", &port.to_string()]);
}
