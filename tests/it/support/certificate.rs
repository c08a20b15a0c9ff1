//! Certificates for `localhost` that sign themselves.

use super::Folder;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::sync::Arc;

/// Puts a new certificate into the folder, `cert.pem`, and its key, `key.pem`.
pub fn write_pair(folder: &Folder) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    folder.replace("cert.pem", cert.pem());
    folder.replace("key.pem", signing_key.serialize_pem());
}

/// A client that trusts the folder's certificate, and asks for HTTP/2.
pub fn client(folder: &Folder) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.at("cert.pem")).unwrap()).unwrap();
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(crypto).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}
