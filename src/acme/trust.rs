//! Whom the ACME client takes for the authority.

use super::StartError;
use crate::tls::{Facts, Untimely};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

/// Trusts what browsers trust, and the certificates in a file.
///
/// A private authority's server may well show a certificate that it has signed itself, and that is in the file as it is. As a
/// link of a chain such a one is often refused, for it says that it is an authority's; here it is what was expected.
#[derive(Debug)]
pub struct Trust {
    chains: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// The certificates that browsers trust come with the program, so that no image needs them. A file that cannot be used is
    /// done without: an image may name one that it does not have.
    ///
    /// # Errors
    /// Our own TLS cannot be set up.
    pub fn new(file: Option<&Path>, provider: &Arc<CryptoProvider>) -> Result<Self, StartError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let mut named = Vec::new();
        if let Some(path) = file {
            named = read(path).unwrap_or_else(|error| {
                tracing::warn!(path = %path.display(), error, "cannot read certificates to be trusted; doing without");
                Vec::new()
            });
        }
        roots.add_parsable_certificates(named.iter().cloned());
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
        let chains = chains.map_err(|error| StartError::Tls(Error::General(error.to_string())))?;
        Ok(Self { chains, named })
    }

    /// The same as for a chain, but for the chain: the name and the time.
    fn verify_named(
        &self,
        shown: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        verify_server_name(&ParsedCertificate::try_from(shown)?, name)?;
        let facts = Facts::read(shown).ok_or(CertificateError::BadEncoding)?;
        match facts.untimely(UNIX_EPOCH + Duration::from_secs(now.as_secs())) {
            Some(Untimely::Expired(_)) => Err(CertificateError::Expired.into()),
            Some(Untimely::NotYet(_)) => Err(CertificateError::NotValidYet.into()),
            None => Ok(()),
        }
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.named.contains(shown) {
            return self.verify_named(shown, name, now).map(|()| ServerCertVerified::assertion());
        }
        self.chains.verify_server_cert(shown, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, shown, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, shown, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// The certificates in a PEM file, of which there must be one.
fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.map_err(|error| error.to_string())?;
    if found.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
    use rustls::crypto::aws_lc_rs::default_provider;

    #[test]
    fn a_file_of_certificates_has_some() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roots.pem");
        assert!(read(&path).is_err(), "not there");
        std::fs::write(&path, "nothing").unwrap();
        assert_eq!(read(&path).unwrap_err(), "there is no certificate in it");
    }

    /// A certificate that its owner has signed, as `openssl req -x509` makes it.
    fn own(name: &str, last_year: i32) -> rcgen::Certificate {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(last_year, 12, 31);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap()
    }

    #[test]
    fn who_shows_a_certificate_that_is_in_the_file_is_trusted_for_its_name_and_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roots.pem");
        let (named, expired, other) = (own("ca.test", 2999), own("old.test", 2000), own("ca.test", 2999));
        std::fs::write(&path, named.pem() + &expired.pem()).unwrap();
        let trust = Trust::new(Some(&path), &Arc::new(default_provider())).unwrap();
        for (shown, name, is_trusted) in [
            (&named, "ca.test", true),
            (&named, "another.test", false),
            (&expired, "old.test", false),
            (&other, "ca.test", false),
        ] {
            let name = ServerName::try_from(name).unwrap();
            let verified = trust.verify_server_cert(shown.der(), &[], &name, &[], UnixTime::now());
            assert_eq!(verified.is_ok(), is_trusted, "{name:?}: {verified:?}");
        }
    }
}
