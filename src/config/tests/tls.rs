//! TLS, and what it changes.

use super::*;
use crate::{acme, tls::Files};
use std::path::Path;

const FILES: [(&str, &str); 2] = [("SSL_CERT_PATH", "/c.pem"), ("SSL_KEY_PATH", "/k.pem")];

fn with<'a>(one: &[(&'a str, &'a str)], other: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [one, other].concat()
}

#[test]
fn it_is_off_unless_it_is_asked_for() {
    let config = config(&[("THRUST_HTTPS_PORT", "8443"), ("STORAGE_PATH", "/x"), ("EAB_KID", "mine")]);
    assert_eq!((config.tls, config.http2, config.server.h2c), (Tls::Off, false, false));
}

#[test]
fn files_turn_it_on() {
    let config = config(&FILES);
    let files = Files { certificate: "/c.pem".into(), key: "/k.pem".into() };
    assert_eq!(config.tls, Tls::Files(files));
    let https = Https { port: 443, redirect_port: None, health_path: Some("/up".into()) };
    assert_eq!(config.proxy.hsts, None);
    assert_eq!(config.https, https);
    assert_eq!((config.server.port, config.http2, config.proxy.trust), (80, false, Trust::Nobody));
}

#[test]
fn domains_turn_it_on() {
    let config = config(&[("THRUST_ACME_DOMAIN", "a.example, B.example")]);
    let acme = acme::Options {
        domains: vec!["a.example".into(), "b.example".into()],
        directory: "https://acme-v02.api.letsencrypt.org/directory".into(),
        email: None,
        eab: None,
        storage: "./storage/thrust".into(),
        roots: None,
        pace: acme::Pace::default(),
    };
    assert_eq!(config.tls, Tls::Acme(acme));
    assert_eq!((config.server.port, config.http2, config.proxy.trust), (80, false, Trust::Nobody));
}

#[test]
fn thruster_s_name_turns_http2_on_too() {
    for name in ["TLS_DOMAIN", "THRUSTER_TLS_DOMAIN"] {
        assert!(config(&[(name, "a.example")]).http2, "{name}");
        assert!(!config(&[(name, "a.example"), ("THRUST_HTTP2", "0")]).http2, "{name}");
    }
    assert!(!config(&[("THRUST_ACME_DOMAIN", "a.example"), ("TLS_DOMAIN", "b.example")]).http2);
}

#[test]
fn a_domain_that_may_be_the_application_s_own_turns_nothing_on() {
    let (config, warnings) = read(&[("TLS_DOMAIN", "https://a.example")]).unwrap();
    assert_eq!((config.tls, config.server.port, config.http2), (Tls::Off, 3000, false));
    assert_eq!((config.proxy.trust, warnings.len()), (Trust::Everyone, 1));
    assert_eq!(faults(&[("THRUSTER_TLS_DOMAIN", "https://a.example")]).len(), 1);
}

#[test]
fn every_setting_of_it_is_taken() {
    let variables = [
        ("TLS_DOMAIN", "a.example"),
        ("ACME_DIRECTORY", "https://ca.example/dir"),
        ("THRUST_ACME_EMAIL", "me@a.example"),
        ("EAB_KID", "kid"),
        ("EAB_HMAC_KEY", "-_8"),
        ("STORAGE_PATH", "/storage"),
        ("SSL_CERT_FILE", "/roots.pem"),
        ("HTTPS_PORT", "8443"),
        ("THRUST_REDIRECT_PORT", "443"),
        ("THRUST_HEALTH_PATH", "0"),
        ("THRUST_HSTS", "24h"),
        ("H2C_ENABLED", "1"),
        ("FORWARD_HEADERS", "1"),
        ("PORT", "8080"),
    ];
    let config = config(&variables);
    let Tls::Acme(acme) = &config.tls else { panic!("{:?}", config.tls) };
    let eab = acme.eab.as_ref().unwrap();
    assert_eq!(
        (acme.directory.as_str(), acme.email.as_deref()),
        ("https://ca.example/dir", Some("me@a.example"))
    );
    assert_eq!((eab.kid.as_str(), eab.hmac_key.as_slice()), ("kid", &[251, 255][..]));
    assert_eq!(
        (&*acme.storage, acme.roots.as_deref()),
        (Path::new("/storage"), Some(Path::new("/roots.pem")))
    );
    let hsts = Some("max-age=86400");
    assert_eq!(config.https, Https { port: 8443, redirect_port: Some(443), health_path: None });
    assert_eq!(config.proxy.hsts.as_ref().map(|hsts| hsts.to_str().unwrap()), hsts);
    assert_eq!((config.server.port, config.server.h2c, &config.proxy.trust), (8080, true, &Trust::Everyone));
}

#[test]
fn secrets_are_never_shown() {
    let domain = ("THRUST_ACME_DOMAIN", "a.example");
    let eab = [domain, ("THRUST_EAB_KID", "kid"), ("THRUST_EAB_HMAC_KEY", "c2VjcmV0")];
    let config = config(&eab);
    let check = render::check(&config);
    assert!(check.contains("***") && !check.contains("c2VjcmV0"), "{check}");
    assert!(!format!("{config:?}").contains("115, 101"), "the key's first bytes");
    let wrong =
        [domain, ("THRUST_EAB_KID", "kid"), ("EAB_HMAC_KEY", "not secret"), ("THRUST_EAB_HMAC_KEY", "hush!")];
    assert_eq!(faults(&wrong), ["THRUST_EAB_HMAC_KEY: *** is not a key in base64url"]);
}

#[test]
fn halves_and_contradictions_are_faults() {
    let domain = [("THRUSTER_TLS_DOMAIN", "a.example")];
    for (variables, expected) in [
        (FILES[..1].to_vec(), "SSL_CERT_PATH needs SSL_KEY_PATH: set both or neither"),
        (FILES[1..].to_vec(), "SSL_KEY_PATH needs SSL_CERT_PATH: set both or neither"),
        (
            with(&domain, &[("EAB_HMAC_KEY", "AAAA")]),
            "EAB_HMAC_KEY needs THRUST_EAB_KID: set both or neither",
        ),
        (with(&domain, &FILES), "SSL_CERT_PATH and THRUSTER_TLS_DOMAIN exclude each other: set one of them"),
    ] {
        assert_eq!(faults(&variables), [expected]);
    }
}

#[test]
fn each_port_is_its_own() {
    for (variables, expected) in [
        (
            with(&FILES, &[("HTTP_PORT", "443")]),
            "HTTP_PORT: \"443\" is the HTTPS port too (the default of THRUST_HTTPS_PORT): they must differ",
        ),
        (
            with(&FILES, &[("HTTPS_PORT", "3001")]),
            "HTTPS_PORT: \"3001\" is the worker's port too (the default of THRUST_WORKER_PORT): they must differ",
        ),
        (
            with(&FILES, &[("TARGET_PORT", "80")]),
            "PORT: \"80\" is the worker's port too (TARGET_PORT): they must differ",
        ),
    ] {
        assert_eq!(faults(&variables), [expected]);
    }
    config(&with(&FILES, &[("PORT", "0"), ("HTTPS_PORT", "0"), ("THRUST_REDIRECT_PORT", "80")]));
    config(&[("THRUST_HTTPS_PORT", "3001"), ("THRUST_HTTP_PORT", "443")]);
}
