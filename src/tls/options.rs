//! What is asked for.

use super::Files;
use std::{fmt, path::PathBuf};

/// Whether TLS is spoken, and where its certificates come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Options {
    /// It is not.
    #[default]
    Off,
    /// From files, which somebody else renews.
    Files(Files),
    /// Ordered by ACME.
    Acme(Acme),
}

/// What to order certificates for, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acme {
    /// Host names in lower case, each once, at least one; each has a certificate of its own.
    pub domains: Vec<String>,
    /// URL of the directory (RFC 8555 §7.1.1).
    pub directory: String,
    /// Where the certificate authority may write to.
    pub email: Option<String>,
    /// Where it wants accounts to belong to one that it knows already.
    pub eab: Option<Eab>,
    /// Folder for the account and the certificates.
    pub storage: PathBuf,
}

/// External account binding (RFC 8555 §7.3.4).
#[derive(Clone, PartialEq, Eq)]
pub struct Eab {
    /// The key's identifier.
    pub kid: String,
    /// The key itself, decoded.
    pub hmac_key: Vec<u8>,
}

impl Options {
    /// Whether TLS is spoken at all.
    pub const fn is_on(&self) -> bool {
        !matches!(self, Self::Off)
    }
}

/// Not the key: this may end in a log.
impl fmt::Debug for Eab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Eab").field("kid", &self.kid).finish_non_exhaustive()
    }
}
