//! Certificates for tests, and clients that trust them.

use super::{Acceptor, CertStore, Failed, Files, Pair};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, SignatureAlgorithm};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs::default_provider},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    version::{TLS12, TLS13},
};
use std::{io, path::Path, sync::Arc, time::SystemTime};
use tokio_rustls::{TlsConnector, client, server};

pub const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// How a certificate is made.
pub struct Recipe {
    params: CertificateParams,
    kind: &'static SignatureAlgorithm,
}

/// A certificate signed by its own key.
pub struct Made {
    pub der: Vec<u8>,
    pub pem: String,
    pub key_der: Vec<u8>,
    pub key_pem: String,
}

impl Recipe {
    pub fn new(names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Self { params: CertificateParams::new(names).unwrap(), kind: &PKCS_ECDSA_P256_SHA256 }
    }

    pub fn kind(mut self, kind: &'static SignatureAlgorithm) -> Self {
        self.kind = kind;
        self
    }

    pub fn valid(mut self, from: SystemTime, until: SystemTime) -> Self {
        (self.params.not_before, self.params.not_after) = (from.into(), until.into());
        self
    }

    pub fn make(self) -> Made {
        let key = KeyPair::generate_for(self.kind).unwrap();
        self.sign(&key, key.serialize_pem())
    }

    /// With a key that somebody else has made, in PKCS #8.
    pub fn signed_with(self, key_pem: &str, kind: &'static SignatureAlgorithm) -> Made {
        let key = KeyPair::from_pkcs8_pem_and_sign_algo(key_pem, kind).unwrap();
        self.sign(&key, key_pem.to_owned())
    }

    fn sign(self, key: &KeyPair, key_pem: String) -> Made {
        let certificate = self.params.self_signed(key).unwrap();
        Made {
            der: certificate.der().to_vec(),
            pem: certificate.pem(),
            key_der: key.serialize_der(),
            key_pem,
        }
    }
}

impl Made {
    pub fn pair(&self) -> Pair {
        let key = PrivateKeyDer::try_from(self.key_der.clone()).unwrap();
        Pair::from_der(vec![self.der.clone().into()], &key).unwrap()
    }

    /// Writes both files to a folder.
    pub fn write(&self, folder: &Path) -> Files {
        let files = Files { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
        std::fs::write(&files.certificate, &self.pem).unwrap();
        std::fs::write(&files.key, &self.key_pem).unwrap();
        files
    }
}

/// A client that trusts these, speaks these versions and offers these protocols.
pub fn client(
    trusted: &[&Made],
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&str],
) -> Arc<ClientConfig> {
    client_with(default_provider(), trusted, versions, alpn)
}

/// The same with suites and groups of its own.
pub fn client_with(
    provider: CryptoProvider,
    trusted: &[&Made],
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&str],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for made in trusted {
        roots.add(CertificateDer::from(made.der.clone())).unwrap();
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_protocol_versions(versions).unwrap().with_root_certificates(roots);
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

pub type Io = tokio::io::DuplexStream;

/// Both ends of one handshake in memory.
pub async fn handshake(
    acceptor: &Acceptor,
    client: &Arc<ClientConfig>,
    name: &str,
) -> (Result<Option<server::TlsStream<Io>>, Failed>, io::Result<client::TlsStream<Io>>) {
    let (near, far) = tokio::io::duplex(64 << 10);
    let connector = TlsConnector::from(Arc::clone(client));
    let connect = connector.connect(ServerName::try_from(name.to_owned()).unwrap(), far);
    tokio::join!(acceptor.accept(near), connect)
}

/// An acceptor that shows everybody this certificate.
pub fn acceptor(made: &Made) -> Acceptor {
    Acceptor::new(Arc::new(CertStore::single(made.pair().certified)), true).unwrap()
}
