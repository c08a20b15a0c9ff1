//! What is negotiated: versions, suites, groups, resumption, protocols.

use super::store::{ACME_TLS, CertStore};
use rustls::{
    Error, ServerConfig,
    crypto::aws_lc_rs::{Ticketer, default_provider},
    server::NoServerSessionStorage,
    version::{TLS12, TLS13},
};
use std::sync::Arc;

/// For clients: TLS 1.2 and 1.3 with the library's suites and groups, the post-quantum one first. Sessions are resumed by
/// tickets alone, so that nothing is kept for them.
pub fn serving(store: &Arc<CertStore>, http2: bool) -> Result<ServerConfig, Error> {
    let mut config = bare(store)?;
    config.alpn_protocols =
        if http2 { vec![b"h2".into(), b"http/1.1".into()] } else { vec![b"http/1.1".into()] };
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = Ticketer::new()?;
    Ok(config)
}

/// For an ACME server that looks at a challenge: that protocol alone (RFC 8737 §3), and nothing to come back to.
pub fn validating(store: &Arc<CertStore>) -> Result<ServerConfig, Error> {
    let mut config = bare(store)?;
    config.alpn_protocols = vec![ACME_TLS.into()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The provider is named here: no other library's choice for the whole process changes ours.
fn bare(store: &Arc<CertStore>) -> Result<ServerConfig, Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_protocol_versions(&[&TLS13, &TLS12])?.with_no_client_auth();
    let mut config = builder.with_cert_resolver(Arc::clone(store) as _);
    // Every suite is a good one, but an order of the server's own is what scanners look for.
    config.ignore_client_order = true;
    Ok(config)
}
