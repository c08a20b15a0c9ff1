//! A certificate as it lies in the folder, and what has to be known of it.

use super::renew::Validity;
use crate::tls::{Facts, Pair};
use instant_acme::CertificateIdentifier;
use rustls::{pki_types::Der, sign::CertifiedKey};
use std::sync::Arc;
use x509_parser::{
    certificate::X509Certificate, extensions::ParsedExtension,
    oid_registry::OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER, prelude::FromDer as _,
};

/// A chain and its key, which fit each other.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// For handshakes.
    pub key: Arc<CertifiedKey>,
    /// From when until when it holds.
    pub validity: Validity,
    /// How a CA with renewal information knows it (RFC 9773 §4.1); none for one without the fields that takes.
    pub id: Option<CertificateIdentifier<'static>>,
}

impl Certificate {
    /// Reads a key and the chain behind it from PEM, the certificate itself first, which must be the domain's.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(pem: &str, domain: &str) -> Result<Self, String> {
        let Pair { certified, facts } =
            Pair::from_pem(pem.as_bytes(), pem.as_bytes()).map_err(|fault| fault.to_string())?;
        let Facts { not_before, not_after, names } = facts;
        if !names.iter().any(|name| name.eq_ignore_ascii_case(domain)) {
            return Err(format!("it is for {}, not for {domain}", names.join(", ")));
        }
        let id = certified.cert.first().and_then(|leaf| identifier(leaf));
        Ok(Self { key: certified, validity: Validity { not_before, not_after }, id })
    }
}

/// The identifier of RFC 9773 §4.1: the issuer's key and the serial number, the latter as it is encoded.
fn identifier(leaf: &[u8]) -> Option<CertificateIdentifier<'static>> {
    let (_, leaf) = X509Certificate::from_der(leaf).ok()?;
    let authority = leaf.get_extension_unique(&OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER).ok()??;
    let ParsedExtension::AuthorityKeyIdentifier(authority) = authority.parsed_extension() else {
        return None;
    };
    let authority = authority.key_identifier.as_ref()?.0;
    Some(CertificateIdentifier::new(Der::from_slice(authority), Der::from_slice(leaf.raw_serial())))
}

#[cfg(test)]
pub mod testing {
    use super::super::renew::Validity;
    use rcgen::{CertificateParams, Issuer, KeyIdMethod, KeyPair, SerialNumber};

    /// What the certificates are for.
    pub const DOMAIN: &str = "app.example";

    /// A key and a certificate in PEM, from an issuer whose key has the identifier of RFC 9773's example.
    pub fn pem(validity: Validity) -> String {
        let aki = [
            0x69, 0x88, 0x5b, 0x6b, 0x87, 0x46, 0x40, 0x41, 0xe1, 0xb3, 0x7b, 0x84, 0x7b, 0xa0, 0xae, 0x2c,
            0xde, 0x01, 0xc8, 0xd4,
        ];
        let mut issuer = CertificateParams::new(vec![]).unwrap();
        issuer.key_identifier_method = KeyIdMethod::PreSpecified(aki.to_vec());
        let issuer = Issuer::new(issuer, KeyPair::generate().unwrap());
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new(vec![DOMAIN.to_owned()]).unwrap();
        leaf.serial_number = Some(SerialNumber::from_slice(&[0x87, 0x65, 0x43, 0x21]));
        leaf.use_authority_key_identifier_extension = true;
        leaf.not_before = validity.not_before.into();
        leaf.not_after = validity.not_after.into();
        key.serialize_pem() + &leaf.signed_by(&key, &issuer).unwrap().pem()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    fn validity() -> Validity {
        let not_before = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        Validity { not_before, not_after: not_before + Duration::from_secs(6 * 24 * 3600) }
    }

    #[test]
    fn its_dates_are_read() {
        assert_eq!(
            Certificate::parse(&testing::pem(validity()), testing::DOMAIN).unwrap().validity,
            validity()
        );
    }

    #[test]
    fn its_identifier_is_that_of_the_rfcs_example() {
        let certificate = Certificate::parse(&testing::pem(validity()), testing::DOMAIN).unwrap();
        assert_eq!(certificate.id.unwrap().to_string(), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
    }

    #[test]
    fn what_is_no_pair_is_refused_with_the_reason() {
        let (one, other) = (testing::pem(validity()), testing::pem(validity()));
        let split = |pem: &str| pem.find("-----BEGIN CERTIFICATE").unwrap();
        let (key, chain) = (&one[..split(&one)], &other[split(&other)..]);
        for (text, reason) in [
            ("", "there is no private key"),
            ("rubbish", "there is no private key"),
            (chain, "there is no private key"),
            (key, "there is no certificate"),
            (&format!("{key}{chain}"), "the key does not belong"),
            (&one[..one.len() - 60], "is broken"),
        ] {
            let error = Certificate::parse(text, testing::DOMAIN).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        let error = Certificate::parse(&one, "other.example").unwrap_err();
        assert_eq!(error, "it is for app.example, not for other.example");
    }
}
