//! Certificates for `localhost` that sign themselves.

use super::{Folder, tls::trusting};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ClientConfig;
use std::sync::Arc;

/// Puts a new certificate into the folder, `cert.pem`, and its key, `key.pem`.
pub fn write_pair(folder: &Folder) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    folder.replace("cert.pem", cert.pem());
    folder.replace("key.pem", signing_key.serialize_pem());
}

/// A client that trusts the folder's certificate, and asks for HTTP/2.
pub fn client(folder: &Folder) -> Arc<ClientConfig> {
    let mut config = Arc::unwrap_or_clone(trusting(&[folder.at("cert.pem")]));
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}
