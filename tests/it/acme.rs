//! Certificates by ACME: the program as a container starts it, with Debian's `pebble` as the authority.

use crate::support::{
    Backend, Client, Folder, Thrust, Visitor,
    ca::{Ca, EAB_KEY, Kind, Papers, Ports},
    get, holds_within, reserved_port,
    thrust::Builder,
    wait_until,
};
use rustls::AlertDescription;
use std::{
    fs,
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

const DOMAIN: &str = "app.example";

/// An authority that does not run yet, a storage folder, and an application that says what it was asked.
struct Scene {
    ports: Ports,
    papers: Papers,
    folder: Folder,
    backend: Backend,
}

impl Scene {
    fn new() -> Self {
        let (papers, folder) = (Papers::new(), Folder::new());
        Self { ports: Ports::new(), papers, folder, backend: Backend::echo_request() }
    }

    fn ca(&self, kind: Kind) -> Ca {
        Ca::start(&self.papers, self.ports, kind)
    }

    /// Where the authority looks for proofs.
    fn thrust(&self) -> Builder {
        Thrust::builder()
            .upstream(self.backend.url())
            .env("THRUST_BIND", "127.0.0.1")
            .env("PORT", self.ports.plain.to_string())
            .env("THRUST_HTTPS_PORT", self.ports.tls.to_string())
            .env("THRUST_HTTP2", "1")
            .env("THRUST_ACME_DOMAIN", DOMAIN)
            .env("THRUST_ACME_DIRECTORY", self.ports.url())
            .env("THRUST_STORAGE_PATH", self.folder.at("storage"))
            .env("SSL_CERT_FILE", self.papers.roots())
    }

    /// Shakes hands, and trusts nobody but the authority.
    fn connect(&self, name: &str) -> Visitor {
        let issuer = Ca::issuer(&self.papers, self.ports);
        Visitor::connect(self.ports.tls, name, Some(&issuer)).unwrap()
    }

    /// The folder of this authority.
    fn kept(&self) -> PathBuf {
        self.folder.path().join(format!("storage/127.0.0.1-{}-dir", self.ports.directory))
    }

    /// What curl prints of the response's head and body; empty where there is none.
    fn curl(&self, url: &str, arguments: &[&str]) -> String {
        let resolve = format!("{DOMAIN}:{}:127.0.0.1", self.ports.tls);
        let output = Command::new("curl")
            .args(["--silent", "--max-time", "20", "--include", "--noproxy", "*", "--resolve", &resolve])
            .arg("--cacert")
            .arg(Ca::issuer(&self.papers, self.ports))
            .args(arguments)
            .arg(url)
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap().replace('\r', "")
    }
}

/// Waits until there were so many certificates, and asks the application all the while. Longer than for anything else:
/// an order that has failed is made anew after ten seconds.
#[track_caller]
fn await_certificates(thrust: &Thrust, count: usize) {
    let there = holds_within(Duration::from_secs(60), || {
        assert_eq!(get(thrust.port(), "/up").status, 200);
        thrust.stderr().matches("there is a certificate").count() >= count
    });
    assert!(there, "no certificate");
}

#[test]
fn ordered_at_the_start_and_served() {
    let scene = Scene::new();
    let _ca = scene.ca(Kind::default());
    let thrust = scene.thrust().start();
    await_certificates(&thrust, 1);
    let url = format!("https://{DOMAIN}:{}/a?b=c", scene.ports.tls);
    for (version, status) in [("--http1.1", "HTTP/1.1 200"), ("--http2", "HTTP/2 200")] {
        let answer = scene.curl(&url, &[version]);
        assert!(answer.starts_with(status) && answer.contains("GET /a?b=c HTTP/1.1"), "{answer}");
        assert!(answer.to_lowercase().contains("x-forwarded-proto: https"), "{answer}");
    }
    let elsewhere = scene.curl(&url, &["-H", "Host: other.example"]);
    assert!(elsewhere.starts_with("HTTP/2 421"), "{elsewhere}");
    let unknown = Visitor::connect(scene.ports.tls, "other.example", None);
    assert_eq!(unknown.err(), Some(AlertDescription::UnrecognisedName));
}

#[test]
fn the_plain_port_redirects_to_the_domain_alone() {
    let scene = Scene::new();
    let thrust = scene.thrust().start();
    let ask = |host: &str| {
        let request = format!("GET /a?b=c HTTP/1.1\r\nHost: {host}\r\n\r\n");
        Client::connect(thrust.port()).send(request).response()
    };
    let moved = ask(DOMAIN);
    let location = format!("https://{DOMAIN}:{}/a?b=c", scene.ports.tls);
    assert_eq!((moved.status, moved.header("location")), (301, Some(&*location)));
    assert_eq!(ask("other.example").status, 421);
    assert_eq!(ask("127.0.0.1").status, 421);
    assert_eq!(get(thrust.port(), "/.well-known/acme-challenge/token").status, 404);
    assert_eq!(scene.backend.requests().len(), 0);
}

#[test]
fn each_domain_has_a_certificate_and_failures_of_its_own() {
    let scene = Scene::new();
    let _ca = scene.ca(Kind::default());
    Ca::resolve(&scene.papers, scene.ports, "closed.example", "127.0.0.2");
    let domains = "closed.example, app.example, blocked.example, www.app.example";
    let thrust = scene.thrust().env("THRUST_ACME_DOMAIN", domains).start();
    await_certificates(&thrust, 2);
    let [one, other] = [DOMAIN, "www.app.example"].map(|name| scene.connect(name).certificate());
    assert_ne!(one, other);
    for words in [
        "HTTP-01 failed: ",
        "TLS-ALPN-01 failed: ",
        "127.0.0.2",
        "connection refused (urn:ietf:params:acme:error:connection)",
        "issuance is forbidden by policy",
        "(urn:ietf:params:acme:error:rejectedIdentifier)",
    ] {
        thrust.await_stderr(words);
    }
}

#[test]
fn handshakes_wait_a_moment_for_the_certificate() {
    let scene = Scene::new();
    let thrust = scene.thrust().start();
    thrust.await_stderr("cannot obtain a certificate");
    let start = Instant::now();
    let refused = Visitor::connect(scene.ports.tls, DOMAIN, None);
    assert_eq!(refused.err(), Some(AlertDescription::InternalError));
    assert!(start.elapsed() > Duration::from_secs(1), "it came after {:?}", start.elapsed());
    assert_eq!(get(thrust.port(), "/up").status, 200);
}

#[test]
fn where_the_plain_port_is_closed_the_other_proves_it() {
    let scene = Scene::new();
    let _ca = scene.ca(Kind::default());
    let thrust = scene.thrust().env("PORT", reserved_port().to_string()).start();
    await_certificates(&thrust, 1);
    assert!(thrust.stderr().contains("HTTP-01 failed: "));
    assert_eq!(scene.connect(DOMAIN).get(DOMAIN, "/").status, 200);
}

#[test]
fn where_the_secure_port_is_closed_the_plain_one_proves_it() {
    let scene = Scene::new();
    let _ca = scene.ca(Kind::default());
    // What worked last is tried first.
    fs::create_dir_all(scene.kept()).unwrap();
    fs::write(scene.kept().join(format!("{DOMAIN}.json")), r#"{"method":"tls-alpn-01"}"#).unwrap();
    let thrust = scene.thrust().env("THRUST_HTTPS_PORT", reserved_port().to_string()).start();
    await_certificates(&thrust, 1);
    assert!(thrust.stderr().contains("TLS-ALPN-01 failed: "));
}

#[test]
fn accounts_are_bound_by_the_right_key() {
    let scene = Scene::new();
    let _ca = scene.ca(Kind { eab: true, ..Kind::default() });
    let bound = |key: &str, storage: &str| {
        scene
            .thrust()
            .env("THRUST_EAB_KID", "kid-1")
            .env("THRUST_EAB_HMAC_KEY", key)
            .env("THRUST_STORAGE_PATH", scene.folder.at(storage))
            .start()
    };
    let wrong_key = EAB_KEY.replace('z', "y");
    let wrong = bound(&wrong_key, "one");
    wrong.await_stderr("cannot obtain a certificate");
    wrong.await_stderr("external account binding JWS verification error");
    assert!(!wrong.stderr().contains(&wrong_key));
    assert_eq!(get(wrong.port(), "/up").status, 200);
    drop(wrong);
    await_certificates(&bound(EAB_KEY, "other"), 1);
}

#[test]
fn an_authority_that_is_down_at_the_start_is_asked_again() {
    let scene = Scene::new();
    let thrust = scene.thrust().start();
    thrust.await_stderr("cannot obtain a certificate");
    let _ca = scene.ca(Kind::default());
    await_certificates(&thrust, 1);
    assert_eq!(scene.connect(DOMAIN).get(DOMAIN, "/").status, 200);
}

#[test]
fn kept_for_the_next_start() {
    let scene = Scene::new();
    let ca = scene.ca(Kind::default());
    let thrust = scene.thrust().start();
    await_certificates(&thrust, 1);
    let before = scene.connect(DOMAIN).certificate();
    let issuer = Ca::issuer(&scene.papers, scene.ports);
    thrust.signal(libc::SIGTERM);
    assert!(thrust.finish().status.success());
    drop(ca);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&scene.kept()), 0o700);
    for entry in fs::read_dir(scene.kept()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }

    let thrust = scene.thrust().start();
    thrust.await_stderr("there is a certificate");
    let served = Visitor::connect(scene.ports.tls, DOMAIN, Some(&issuer)).unwrap();
    assert_eq!(served.certificate(), before);
    assert_eq!(scene.papers.orders(), 1);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let scene = Scene::new();
    for folder in [scene.folder.put("file", "") + "/storage", "/proc/storage".to_owned()] {
        let ended = scene.thrust().env("THRUST_STORAGE_PATH", &folder).run();
        assert_eq!(ended.status.code(), Some(78), "{}", ended.stderr);
        for words in ["THRUST_STORAGE_PATH: ", &folder, "Mount a volume there"] {
            assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
        }
    }
}

#[test]
fn renewed_without_a_word_to_those_who_are_connected() {
    let scene = Scene::new();
    let _ca = scene.ca(Kind { lifetime: 15, ..Kind::default() });
    let thrust = scene.thrust().start();
    await_certificates(&thrust, 1);
    let mut connected = scene.connect(DOMAIN);
    assert_eq!(connected.get(DOMAIN, "/before").status, 200);
    await_certificates(&thrust, 2);
    assert_ne!(scene.connect(DOMAIN).certificate(), connected.certificate());
    assert_eq!(connected.get(DOMAIN, "/after").status, 200);
}

#[test]
fn two_on_one_folder_order_once() {
    let scene = Scene::new();
    let _ca = scene.ca(Kind::default());
    let one = scene.thrust().start();
    wait_until("it is being ordered", || scene.papers.orders() == 1);
    let port = reserved_port();
    let other = scene
        .thrust()
        .env("PORT", reserved_port().to_string())
        .env("THRUST_HTTPS_PORT", port.to_string())
        .start();
    await_certificates(&one, 1);
    await_certificates(&other, 1);
    let issuer = Ca::issuer(&scene.papers, scene.ports);
    let [one, other] = [scene.ports.tls, port]
        .map(|port| Visitor::connect(port, DOMAIN, Some(&issuer)).unwrap().certificate());
    assert_eq!(one, other);
    assert_eq!(scene.papers.orders(), 1);
}

#[test]
fn stopping_does_not_wait_for_an_authority_that_is_silent() {
    let scene = Scene::new();
    let address = (Ipv4Addr::LOCALHOST, scene.ports.directory).into();
    let silent = Backend::start_at(address, |connection| {
        connection.await_close();
    });
    let thrust = scene.thrust().env("THRUST_SHUTDOWN_TIMEOUT", "1h").start();
    wait_until("it is asked", || silent.connections() == 1);
    thrust.signal(libc::SIGTERM);
    assert_eq!(thrust.finish().status.code(), Some(0));
}

#[test]
fn no_certificates_of_the_system_are_needed() {
    let scene = Scene::new();
    let _ca = scene.ca(Kind::default());
    let thrust =
        scene.thrust().env("SSL_CERT_FILE", "/nowhere/roots.pem").env("SSL_CERT_DIR", "/nowhere").start();
    thrust.await_stderr("/nowhere/roots.pem");
    // Those that the program brings along do not include this authority's.
    thrust.await_stderr("invalid peer certificate");
    assert_eq!(get(thrust.port(), "/up").status, 200);
}
