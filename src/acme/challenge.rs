//! How a domain is proved to be ours: by an answer on the plain port, or by a certificate in a handshake.

use super::{Certificates, failure::Failure};
use instant_acme::{ChallengeHandle, ChallengeType};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::{crypto::aws_lc_rs, pki_types::PrivateKeyDer, sign::CertifiedKey};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The answers to HTTP-01 challenges (RFC 8555 §8.3) that are waited for now.
#[derive(Debug, Default)]
pub struct Tokens(Mutex<HashMap<String, String>>);

impl Tokens {
    /// The body for `GET /.well-known/acme-challenge/TOKEN`, as `application/octet-stream`. None for a token that is not
    /// ours.
    pub fn answer(&self, token: &str) -> Option<String> {
        self.answers().get(token).cloned()
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A way to prove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// By an answer on the plain port (RFC 8555 §8.3).
    #[serde(rename = "http-01")]
    Http01,
    /// By a certificate in a handshake (RFC 8737).
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
}

impl Method {
    /// What the protocol calls it.
    pub fn challenge(self) -> ChallengeType {
        match self {
            Self::Http01 => ChallengeType::Http01,
            Self::TlsAlpn01 => ChallengeType::TlsAlpn01,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http01 => "HTTP-01",
            Self::TlsAlpn01 => "TLS-ALPN-01",
        })
    }
}

/// Where proofs are shown.
pub struct Stage {
    /// On the plain port.
    pub tokens: Arc<Tokens>,
    /// On the TLS port.
    pub certificates: Arc<dyn Certificates>,
}

impl Stage {
    /// Shows what the challenge asks for, as long as the proof is kept.
    ///
    /// # Errors
    /// No certificate can be made.
    pub fn show(
        &self,
        method: Method,
        domain: &str,
        challenge: &ChallengeHandle<'_>,
    ) -> Result<Proof<'_>, Failure> {
        let authorization = challenge.key_authorization();
        let what = match method {
            Method::Http01 => {
                let token = challenge.token.clone();
                self.tokens.answers().insert(token.clone(), authorization.as_str().to_owned());
                token
            }
            Method::TlsAlpn01 => {
                let certificate = validation_certificate(domain, authorization.digest().as_ref())?;
                self.certificates.challenge(domain, Arc::new(certificate));
                domain.to_owned()
            }
        };
        Ok(Proof { stage: self, method, what })
    }
}

/// What is shown to the CA, until it is dropped.
pub struct Proof<'a> {
    stage: &'a Stage,
    method: Method,
    /// The token, or the domain.
    what: String,
}

impl Drop for Proof<'_> {
    fn drop(&mut self) {
        match self.method {
            Method::Http01 => drop(self.stage.tokens.answers().remove(&self.what)),
            Method::TlsAlpn01 => self.stage.certificates.unchallenge(&self.what),
        }
    }
}

/// A certificate that says nothing but the digest (RFC 8737 §3).
fn validation_certificate(domain: &str, digest: &[u8]) -> Result<CertifiedKey, Failure> {
    let mut parameters = CertificateParams::new(vec![domain.to_owned()])?;
    parameters.distinguished_name = DistinguishedName::new();
    parameters.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = parameters.self_signed(&key)?;
    let signing = aws_lc_rs::default_provider()
        .key_provider
        .load_private_key(PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .map_err(|error| Failure::Certificate(error.to_string()))?;
    // (Not by `from_der`, which refuses a critical extension that it does not know.)
    Ok(CertifiedKey::new(vec![certificate.der().clone()], signing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use x509_parser::{certificate::X509Certificate, der_parser::oid, prelude::FromDer as _};

    #[test]
    fn only_our_own_tokens_are_answered() {
        let tokens = Tokens::default();
        tokens.answers().insert("token".to_owned(), "token.thumbprint".to_owned());
        assert_eq!(tokens.answer("token").as_deref(), Some("token.thumbprint"));
        for foreign in ["", "Token", "token.thumbprint", "../token"] {
            assert_eq!(tokens.answer(foreign), None);
        }
    }

    #[test]
    fn a_validation_certificate_carries_the_digest_in_a_critical_extension() {
        let key = validation_certificate("app.example", &[7; 32]).unwrap();
        let (_, certificate) = X509Certificate::from_der(&key.cert[0]).unwrap();
        let oid = oid!(1.3.6.1.5.5.7.1.31);
        let found = certificate.extensions().iter().find(|extension| extension.oid == oid).unwrap();
        assert!(found.critical);
        assert_eq!(found.value, [&[4, 32][..], &[7; 32]].concat());
    }
}
