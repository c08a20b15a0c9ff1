//! Certificates by ACME (RFC 8555): ordered at start, kept in a folder, renewed in time.
//!
//! Begin with [`Manager`]: each domain has a task and a certificate of its own, and no other domain's failure touches it.
//! What was obtained and what was tried is in the folder (`storage.rs`), so that neither a restart nor a second process on
//! the same folder orders again. When something is due is decided by pure functions of times (`renew.rs`, `history.rs`).
//! Nothing here knows a listener: what the certificate authority (CA) is to see is shown through [`Tokens`] and
//! [`Certificates`].
//!
//! Let's Encrypt allows 5 failed validations an hour for a name and an account, 50 certificates a week for a registered
//! domain, 5 a week for the same name, and 300 orders in 3 hours for an account. The first is kept by `history.rs`, also
//! across restarts; the others are out of reach as long as the folder is kept, since a name orders again only when its
//! certificate ages, and ever more rarely while that fails.

mod account;
mod certificate;
mod challenge;
mod client;
mod failure;
mod history;
mod manager;
mod order;
mod renew;
mod storage;
mod trust;

pub use challenge::Tokens;
pub use manager::Manager;
pub use renew::Pace;

use rustls::sign::CertifiedKey;
use std::{fmt, io, path::PathBuf, sync::Arc};

/// What to get certificates for, from whom, and where to keep them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Host names in lower case, without wildcards, each once; each gets a certificate of its own.
    pub domains: Vec<String>,
    /// URL of the CA's directory (RFC 8555 §7.1.1), `https`.
    pub directory: String,
    /// Where the CA may write to.
    pub email: Option<String>,
    /// For a CA that wants the account bound to one that it knows already.
    pub eab: Option<Eab>,
    /// Folder for the account's key and the certificates.
    pub storage: PathBuf,
    /// PEM file of certificates to be trusted, beside those that browsers trust, when speaking to the CA.
    pub roots: Option<PathBuf>,
    /// How long to wait when something fails.
    pub pace: Pace,
}

/// External account binding (RFC 8555 §7.3.4).
#[derive(Clone, PartialEq, Eq)]
pub struct Eab {
    /// The key's identifier.
    pub kid: String,
    /// The key itself, decoded.
    pub hmac_key: Vec<u8>,
}

/// Not the key: this may end in a log.
impl fmt::Debug for Eab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Eab").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Who presents the certificates. Called seldom, never under a lock of ours; must not block.
pub trait Certificates: Send + Sync + 'static {
    /// From now on this certificate is the domain's.
    fn set(&self, domain: &str, certificate: Arc<CertifiedKey>);

    /// Handshakes for the domain that offer `acme-tls/1` alone are to see this one (RFC 8737 §3).
    fn challenge(&self, domain: &str, certificate: Arc<CertifiedKey>);

    /// The domain's challenge is over.
    fn unchallenge(&self, domain: &str);
}

/// What keeps certificates from being managed at all.
#[derive(Debug)]
pub enum StartError {
    /// Nothing can be kept in the folder.
    Storage {
        /// The folder that was asked for.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Not a name that a certificate can be ordered for by HTTP or TLS.
    Domain(String),
    /// Our own TLS cannot be set up.
    Tls(rustls::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage { path, error } => write!(
                f,
                "cannot keep certificates in {}: {error}. Mount a volume there that outlives the container and \
                 that user {} may write to",
                path.display(),
                rustix::process::geteuid().as_raw()
            ),
            Self::Domain(domain) => write!(f, "no certificate can be ordered for {domain:?}"),
            Self::Tls(error) => write!(f, "cannot set up TLS: {error}"),
        }
    }
}

impl std::error::Error for StartError {}
