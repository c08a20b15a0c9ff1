//! A certificate chain and its key, from PEM files (RFC 7468) or from text.

use super::facts::{self, Facts};
use rustls::{
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{Error as PemError, PemObject},
    },
    sign::CertifiedKey,
};
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};
use x509_parser::{asn1_rs::Any, prelude::FromDer as _};

/// Where a pair is kept; both may be the same file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The key of the first certificate.
    pub key: PathBuf,
}

/// A chain and the key that belongs to it, ready for use.
#[derive(Debug, Clone)]
pub struct Pair {
    /// For handshakes.
    pub certified: Arc<CertifiedKey>,
    /// What the first certificate says.
    pub facts: Facts,
}

/// A file that cannot be used. Shows as `/path/cert.pem: there is no such file`.
#[derive(Debug)]
pub struct Unusable {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong, and with which of the two.
#[derive(Debug)]
pub struct Fault {
    /// The one at fault.
    pub part: Part,
    /// Why it cannot be used.
    pub reason: Reason,
}

/// One half of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The chain.
    Certificate,
    /// The key.
    Key,
}

/// Why a certificate or a key cannot be used.
#[derive(Debug)]
pub enum Reason {
    /// There is no such file.
    Missing,
    /// The file cannot be read.
    Unreadable(io::Error),
    /// There is no section with a certificate in it.
    NoCertificate,
    /// There is no section with a private key in it.
    NoKey,
    /// The key is protected by a passphrase.
    Encrypted,
    /// It is cut off, or damaged; says where.
    Broken(String),
    /// A key of a kind that is not used in TLS, or too short a one.
    Unsupported,
    /// The key belongs to another certificate.
    Mismatch,
}

impl Pair {
    /// Reads both files.
    ///
    /// # Errors
    ///
    /// The first fault that is found, and in which file.
    pub fn load(files: &Files) -> Result<Self, Unusable> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |fault| Unusable { path, fault }
        };
        let chain = read(&files.certificate, Part::Certificate).map_err(at(&files.certificate))?;
        let key = read(&files.key, Part::Key).map_err(at(&files.key))?;
        Self::from_pem(&chain, &key).map_err(|fault| match fault.part {
            Part::Certificate => at(&files.certificate)(fault),
            Part::Key => at(&files.key)(fault),
        })
    }

    /// From text in PEM. What is neither certificate nor key in it is passed over; of several keys the first counts.
    ///
    /// # Errors
    ///
    /// The first fault that is found.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, Fault> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(|error| Part::Certificate.fault(Reason::Broken(in_words(&error))))?;
        if is_encrypted(key) {
            return Err(Part::Key.fault(Reason::Encrypted));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| {
            Part::Key.fault(match error {
                PemError::NoItemsFound => Reason::NoKey,
                error => Reason::Broken(in_words(&error)),
            })
        })?;
        Self::from_der(chain, &key)
    }

    /// From a chain and a key in DER.
    ///
    /// # Errors
    ///
    /// The first fault that is found.
    pub fn from_der(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'_>) -> Result<Self, Fault> {
        let broken =
            |number: usize| Part::Certificate.fault(Reason::Broken(format!("certificate {}", number + 1)));
        if let Some(number) = chain.iter().position(|der| facts::parse(der).is_none()) {
            return Err(broken(number));
        }
        let first = chain.first().ok_or_else(|| Part::Certificate.fault(Reason::NoCertificate))?;
        let first = facts::parse(first).ok_or_else(|| broken(0))?;
        let key = any_supported_type(key).map_err(|_| Part::Key.fault(unusable_key(key)))?;
        if key.public_key().is_some_and(|public| public.as_ref() != first.public_key().raw) {
            return Err(Part::Key.fault(Reason::Mismatch));
        }
        let facts = Facts::of(&first);
        drop(first);
        Ok(Self { certified: Arc::new(CertifiedKey::new(chain, key)), facts })
    }
}

impl Part {
    const fn fault(self, reason: Reason) -> Fault {
        Fault { part: self, reason }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.fault)
    }
}

impl std::error::Error for Unusable {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Missing => f.write_str("there is no such file"),
            Reason::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Reason::NoCertificate => f.write_str("there is no certificate in it (in PEM)"),
            Reason::NoKey => f.write_str("there is no private key in it (in PEM)"),
            Reason::Encrypted => {
                f.write_str("the key is encrypted: nobody can be asked for its passphrase here")
            }
            Reason::Broken(place) => write!(f, "is broken: {place}"),
            Reason::Unsupported => f.write_str(
                "the key is none of RSA (2048 to 8192 bits), ECDSA (P-256, P-384, P-521) and Ed25519",
            ),
            Reason::Mismatch => f.write_str("the key does not belong to the (first) certificate"),
        }
    }
}

impl std::error::Error for Fault {}

fn read(path: &Path, part: Part) -> Result<Vec<u8>, Fault> {
    fs::read(path).map_err(|error| {
        part.fault(match error.kind() {
            io::ErrorKind::NotFound => Reason::Missing,
            _ => Reason::Unreadable(error),
        })
    })
}

/// PKCS #8's own form, or the older one of OpenSSL, a header field inside of the section.
fn is_encrypted(pem: &[u8]) -> bool {
    let contains = |mark: &str| memchr::memmem::find(pem, mark.as_bytes()).is_some();
    contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || contains("Proc-Type: 4,ENCRYPTED")
}

/// The library cannot say whether it does not know a key or cannot read it: what is not even one whole value is broken.
fn unusable_key(key: &PrivateKeyDer<'_>) -> Reason {
    match Any::from_der(key.secret_der()) {
        Ok(([], _)) => Reason::Unsupported,
        _ => Reason::Broken("the key".to_owned()),
    }
}

/// The library's own words show lines as numbers.
fn in_words(error: &PemError) -> String {
    match error {
        PemError::MissingSectionEnd { end_marker } => {
            format!("{} has no end", String::from_utf8_lossy(end_marker))
        }
        PemError::IllegalSectionStart { line } => {
            format!("{:?} begins no section", String::from_utf8_lossy(line))
        }
        PemError::Base64Decode(_) => "a section is not in base64".to_owned(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
