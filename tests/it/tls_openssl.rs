//! What is negotiated, as OpenSSL's client sees it.

use crate::support::{
    Backend, Folder, Secure, TlsClient,
    tls::{make, openssl, trusting},
};
use rustls::{NamedGroup, ProtocolVersion};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[test]
fn versions_before_tls_1_2_are_refused() {
    let secure = Secure::start(|thrust| thrust);
    for (flag, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let said = secure.s_client(&[flag]);
        assert!(said.contains(&format!("New, {version}, Cipher is")), "{said}");
        assert!(said.contains("Verify return code: 0 (ok)") && said.contains("HTTP/1.1 200"), "{said}");
    }
    for flag in ["-tls1", "-tls1_1"] {
        let said = secure.s_client(&[flag, "-cipher", "ALL:@SECLEVEL=0"]);
        assert!(said.contains("SSL alert number"), "it is not the server that refuses: {said}");
        assert!(!said.contains("HTTP/1.1"), "{said}");
    }
}

#[test]
fn a_protocol_is_agreed_on_where_both_know_one() {
    let agreed = |protocol| format!("ALPN protocol: {protocol}\n");
    let none = || "No ALPN negotiated".to_owned();
    let refused = || "alert no application protocol".to_owned();
    for (http2, offered, expected) in [
        ("1", "h2,http/1.1", agreed("h2")),
        ("1", "http/1.1,h2", agreed("h2")),
        ("1", "h2", agreed("h2")),
        ("1", "http/1.1", agreed("http/1.1")),
        ("1", "", none()),
        ("1", "spdy/3", refused()),
        ("0", "h2,http/1.1", agreed("http/1.1")),
        ("0", "", none()),
        ("0", "h2", refused()),
    ] {
        let secure = Secure::start(|thrust| thrust.env("THRUST_HTTP2", http2));
        let offer = ["-alpn", offered];
        let offer = if offered.is_empty() { &[][..] } else { &offer };
        for version in ["-tls1_2", "-tls1_3"] {
            let said = secure.s_client(&[&[version], offer].concat());
            assert!(said.contains(&expected), "{http2} {offered} {version}: {said}");
        }
    }
}

#[test]
fn sessions_are_resumed() {
    let secure = Secure::start(|thrust| thrust.env("THRUST_HTTP2", "1"));
    for version in ["-tls1_2", "-tls1_3"] {
        let session = secure.folder.at("session");
        let said = secure.s_client(&[version, "-sess_out", &session]);
        assert!(said.contains("\nNew, "), "{said}");
        for _ in 0..2 {
            let said = secure.s_client(&[version, "-sess_in", &session, "-sess_out", &session]);
            assert!(said.contains("\nReused, ") && said.contains("HTTP/1.1 200"), "{version}: {said}");
        }
    }
}

#[test]
fn a_ticket_of_another_server_s_is_passed_over() {
    let (one, other) = (Secure::start(|thrust| thrust), Secure::start(|thrust| thrust));
    for version in ["-tls1_2", "-tls1_3"] {
        let session = one.folder.at("session");
        one.s_client(&[version, "-sess_out", &session]);
        let said = other.s_client(&[version, "-sess_in", &session]);
        assert!(said.contains("\nNew, ") && said.contains("HTTP/1.1 200"), "{version}: {said}");
    }
}

#[test]
fn keys_of_every_kind_and_form_are_taken() {
    let curve = |name| ["-algorithm", "EC", "-pkeyopt", name];
    let rsa = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
    let (p256, p384) = (curve("ec_paramgen_curve:P-256"), curve("ec_paramgen_curve:P-384"));
    for (kind, form, section) in [
        (&rsa[..], "pkey", "-----BEGIN PRIVATE KEY"),
        (&rsa, "rsa", "-----BEGIN RSA PRIVATE KEY"),
        (&p256, "pkey", "-----BEGIN PRIVATE KEY"),
        (&p256, "ec", "-----BEGIN EC PRIVATE KEY"),
        (&p384, "pkey", "-----BEGIN PRIVATE KEY"),
        (&p384, "ec", "-----BEGIN EC PRIVATE KEY"),
        (&["-algorithm", "ED25519"], "pkey", "-----BEGIN PRIVATE KEY"),
    ] {
        let folder = Folder::new();
        let (made, key, certificate) = (folder.at("made.pem"), folder.at("key.pem"), folder.at("cert.pem"));
        make(&[&["genpkey", "-out", &made], kind].concat());
        let old = if form == "rsa" { &["-traditional"][..] } else { &[] };
        make(&[&[form, "-in", &made, "-out", &key], old].concat());
        assert!(std::fs::read_to_string(&key).unwrap().starts_with(section), "{kind:?} {form}");
        self_sign(&key, &certificate);
        let secure = Secure::with_files(folder, Backend::echo_request(), |thrust| thrust);
        for version in ["-tls1_2", "-tls1_3"] {
            let said = secure.s_client(&[version]);
            let good = said.contains("Verify return code: 0 (ok)") && said.contains("HTTP/1.1 200");
            assert!(good, "{kind:?} {form} {version}: {said}");
        }
    }
}

#[test]
fn a_key_behind_its_parameters_is_found() {
    let folder = Folder::new();
    make(&["ecparam", "-name", "prime256v1", "-genkey", "-out", &folder.at("key.pem")]);
    self_sign(&folder.at("key.pem"), &folder.at("cert.pem"));
    assert!(std::fs::read_to_string(folder.at("key.pem")).unwrap().starts_with("-----BEGIN EC PARAMETERS"));
    let secure = Secure::with_files(folder, Backend::echo_request(), |thrust| thrust);
    let said = secure.s_client(&[]);
    assert!(said.contains("Verify return code: 0 (ok)") && said.contains("HTTP/1.1 200"), "{said}");
}

#[test]
fn an_unknown_name_and_none_get_the_certificate() {
    let secure = Secure::start(|thrust| thrust);
    for name in [&["-servername", "else.example"][..], &["-servername", "localhost"], &["-noservername"]] {
        let said = secure.s_client(name);
        assert!(said.contains("Verify return code: 0 (ok)") && said.contains("HTTP/1.1 200"), "{said}");
    }
}

#[test]
fn the_whole_chain_is_sent() {
    let folder = Folder::new();
    let at = |name: &str| folder.at(name);
    let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"];
    let root = ["req", "-x509", "-subj", "/CN=root", "-keyout", &at("root.key"), "-out", &at("root.pem")];
    make(&[&root[..], &ec].concat());
    for (name, issuer, extension) in [
        ("middle", "root", "basicConstraints=critical,CA:TRUE"),
        ("leaf", "middle", "subjectAltName=DNS:localhost"),
    ] {
        let (key, certificate) = (at(&format!("{name}.key")), at(&format!("{name}.pem")));
        let (ca, ca_key) = (at(&format!("{issuer}.pem")), at(&format!("{issuer}.key")));
        let request = ["req", "-x509", "-subj", &format!("/CN={name}"), "-addext", extension];
        let signed = ["-CA", &ca, "-CAkey", &ca_key, "-keyout", &key, "-out", &certificate];
        make(&[&request[..], &signed, &ec].concat());
    }
    let read = |name: &str| std::fs::read_to_string(at(name)).unwrap();
    folder.put("cert.pem", [read("leaf.pem"), read("middle.pem")].concat());
    folder.put("key.pem", read("leaf.key"));
    let secure = Secure::with_files(folder, Backend::echo_request(), |thrust| thrust);
    let address = format!("127.0.0.1:{}", secure.port);
    let trusted = secure.folder.at("root.pem");
    let (_, said) =
        openssl(&["s_client", "-connect", &address, "-CAfile", &trusted, "-showcerts", "-ign_eof"], REQUEST);
    assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
    assert_eq!(said.matches("-----BEGIN CERTIFICATE-----").count(), 2, "{said}");
}

#[test]
fn keys_are_exchanged_in_a_way_that_quantum_computers_do_not_break() {
    // The OpenSSL of the stable release does not know it yet.
    let secure = Secure::start(|thrust| thrust);
    let mut client = TlsClient::connect(secure.port, &trusting(&[secure.folder.at("cert.pem")]));
    let group = client.session().negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);
    assert_eq!(client.session().protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(client.get("/").status, 200);
}

/// A certificate for `localhost` with this key.
fn self_sign(key: &str, certificate: &str) {
    let name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    make(&[&["req", "-x509", "-key", key, "-out", certificate, "-days", "30"], &name[..]].concat());
}
