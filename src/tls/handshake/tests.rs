//! Handshakes in memory, with the library's own client.

use super::{
    super::testing::{BOTH, Made, Recipe, acceptor, client, client_with, handshake},
    *,
};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256};
use rustls::{
    ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion,
    crypto::aws_lc_rs::default_provider,
    version::{TLS12, TLS13},
};
use tokio::io::AsyncReadExt as _;

const NAME: &str = "a.example";

fn made() -> Made {
    Recipe::new(&[NAME, "b.example"]).make()
}

/// A handshake that succeeds: the certificate that the client was shown, and how the handshake was done.
async fn shown(acceptor: &Acceptor, client: &Arc<ClientConfig>, name: &str) -> (Vec<u8>, HandshakeKind) {
    let (server, client) = handshake(acceptor, client, name).await;
    let (mut server, mut client) = (server.unwrap().unwrap(), client.unwrap());
    // Behind the server's first byte are its tickets.
    server.write_all(b"x").await.unwrap();
    client.read_u8().await.unwrap();
    let session = client.get_ref().1;
    (session.peer_certificates().unwrap()[0].to_vec(), session.handshake_kind().unwrap())
}

/// The alert that ends a handshake, as the client knows it.
async fn alert(acceptor: &Acceptor, client: &Arc<ClientConfig>, name: &str) -> (Failed, String) {
    let (server, client) = handshake(acceptor, client, name).await;
    (server.map(|_| ()).unwrap_err(), client.map(|_| ()).unwrap_err().to_string())
}

#[tokio::test]
async fn each_version_and_each_kind_of_key() {
    for kind in [&PKCS_RSA_SHA256, &PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
        let made = Recipe::new(&[NAME]).kind(kind).make();
        for (version, expected) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
            let client = client(&[&made], &[version], &["http/1.1"]);
            let (server, _) = handshake(&acceptor(&made), &client, NAME).await;
            let server = server.unwrap().unwrap();
            assert_eq!(server.get_ref().1.protocol_version(), Some(expected));
        }
    }
}

#[tokio::test]
async fn the_key_exchange_is_a_post_quantum_one() {
    let made = made();
    let (server, _) = handshake(&acceptor(&made), &client(&[&made], BOTH, &[]), NAME).await;
    let server = server.unwrap().unwrap();
    let group = server.get_ref().1.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
}

#[tokio::test]
async fn the_order_of_suites_is_the_server_s() {
    let made = made();
    for version in [&TLS12, &TLS13] {
        let mut backwards = default_provider();
        backwards.cipher_suites.reverse();
        let mut chosen = Vec::new();
        for provider in [default_provider(), backwards] {
            let client = client_with(provider, &[&made], &[version], &[]);
            let (server, _) = handshake(&acceptor(&made), &client, NAME).await;
            chosen.push(server.unwrap().unwrap().get_ref().1.negotiated_cipher_suite());
        }
        assert!(chosen[0].is_some() && chosen[0] == chosen[1], "{chosen:?}");
    }
}

#[tokio::test]
async fn the_protocol_is_agreed_on() {
    let made = made();
    let offers = |http2| Acceptor::new(Arc::new(CertStore::single(made.pair().certified)), http2).unwrap();
    for (http2, alpn, expected) in [
        (true, &["http/1.1", "h2"][..], Some(&b"h2"[..])),
        (true, &["http/1.1"], Some(b"http/1.1")),
        (false, &["h2", "http/1.1"], Some(b"http/1.1")),
        (true, &[], None),
    ] {
        let (server, _) = handshake(&offers(http2), &client(&[&made], BOTH, alpn), NAME).await;
        assert_eq!(server.unwrap().unwrap().get_ref().1.alpn_protocol(), expected);
    }
    let (_, told) = alert(&offers(false), &client(&[&made], BOTH, &["h2"]), NAME).await;
    assert!(told.contains("NoApplicationProtocol"), "{told}");
}

#[tokio::test]
async fn a_session_is_resumed_by_its_ticket_until_the_server_is_another() {
    let made = made();
    for version in [&TLS12, &TLS13] {
        let (here, client) = (acceptor(&made), client(&[&made], &[version], &[]));
        let resumed = |kind| kind == HandshakeKind::Resumed;
        assert!(!resumed(shown(&here, &client, NAME).await.1), "there is no ticket yet");
        assert!(resumed(shown(&here, &client, NAME).await.1));
        assert!(!resumed(shown(&here, &client, "b.example").await.1), "a ticket is for one name");
        assert!(!resumed(shown(&acceptor(&made), &client, NAME).await.1), "another's keys");
    }
}

#[tokio::test]
async fn a_certificate_for_everybody_is_shown_for_any_name_and_for_none() {
    let made = Recipe::new(&["other.example", "127.0.0.1"]).make();
    let acceptor = acceptor(&made);
    let client = client(&[&made], BOTH, &[]);
    assert_eq!(shown(&acceptor, &client, "127.0.0.1").await.0, made.der, "an address is no name");
    let (server, told) = handshake(&acceptor, &client, NAME).await;
    assert!(server.is_err() && told.is_err_and(|error| error.to_string().contains("not valid for name")));
}

#[tokio::test]
async fn an_unknown_name_is_told_so() {
    let made = made();
    let store = Arc::new(CertStore::named([NAME]));
    store.set(NAME, made.pair().certified);
    let acceptor = Acceptor::new(store, true).unwrap();
    for version in [&TLS12, &TLS13] {
        let client = client(&[&made], &[version], &["h2"]);
        assert_eq!(shown(&acceptor, &client, "A.example").await.0, made.der);
        for (name, expected) in [("b.example", Some("b.example")), ("127.0.0.1", None)] {
            let (failed, told) = alert(&acceptor, &client, name).await;
            assert!(matches!(&failed, Failed::UnknownName(name) if name.as_deref() == expected), "{failed}");
            assert!(told.contains("UnrecognisedName"), "{told}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_is_on_its_way_is_waited_for() {
    let made = made();
    let store = Arc::new(CertStore::named([NAME]));
    let acceptor = Acceptor::new(Arc::clone(&store), true).unwrap();
    let client = client(&[&made], BOTH, &[]);
    let (failed, told) = alert(&acceptor, &client, NAME).await;
    assert!(matches!(failed, Failed::NoCertificateYet(name) if name == NAME));
    assert!(told.contains("InternalError"), "{told}");
    let later = async {
        tokio::time::sleep(PATIENCE / 2).await;
        store.set(NAME, made.pair().certified);
    };
    let ((der, _), ()) = tokio::join!(shown(&acceptor, &client, NAME), later);
    assert_eq!(der, made.der);
}

#[tokio::test]
async fn a_challenge_is_shown_to_whoever_speaks_its_protocol_alone() {
    let (made, challenge) = (made(), made());
    let store = Arc::new(CertStore::named([NAME]));
    store.set(NAME, made.pair().certified);
    store.set_challenge(NAME, challenge.pair().certified);
    let acceptor = Acceptor::new(Arc::clone(&store), true).unwrap();
    let validator = client(&[&challenge], BOTH, &["acme-tls/1"]);
    let (server, mut stream) = {
        let (server, client) = handshake(&acceptor, &validator, NAME).await;
        (server.unwrap(), client.unwrap())
    };
    assert!(server.is_none(), "nothing else happens on that connection");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"acme-tls/1"[..]));
    assert_eq!(stream.get_ref().1.peer_certificates().unwrap()[0].as_ref(), challenge.der);
    assert_eq!(stream.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    let visitor = client(&[&made], BOTH, &["h2", "acme-tls/1"]);
    assert_eq!(shown(&acceptor, &visitor, NAME).await.0, made.der);
    store.remove_challenge(NAME);
    assert!(handshake(&acceptor, &validator, NAME).await.0.is_err());
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections() {
    let (one, other) = (made(), made());
    let store = Arc::new(CertStore::single(one.pair().certified));
    let acceptor = Acceptor::new(Arc::clone(&store), true).unwrap();
    let client = |made| client(&[made], BOTH, &[]);
    let (server, stream) = handshake(&acceptor, &client(&one), NAME).await;
    let (mut server, mut stream) = (server.unwrap().unwrap(), stream.unwrap());
    store.set_default(other.pair().certified);
    assert_eq!(shown(&acceptor, &client(&other), NAME).await.0, other.der);
    server.write_all(b"x").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'x', "the connection from before goes on");
}

#[tokio::test]
async fn what_is_no_handshake_fails() {
    let acceptor = acceptor(&made());
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"", b"\x16\x03\x01"] {
        let (near, mut far) = tokio::io::duplex(1024);
        far.write_all(bytes).await.unwrap();
        far.shutdown().await.unwrap();
        assert!(matches!(acceptor.accept(near).await, Err(Failed::Io(_))), "{bytes:?}");
    }
}
