//! The handshake, from the client's first message on.
//!
//! That message is looked at before the library answers it: what is to be said to a name that is none of ours, and to one whose
//! certificate is still on its way, the library would not say.

use super::{
    config,
    store::{CertStore, Lookup, is_validation},
};
use rustls::{Error, ServerConfig};
use std::{fmt, io, sync::Arc, time::Duration};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

/// So long a handshake waits for a certificate that has been ordered. Longer than most orders take, shorter than people do.
const PATIENCE: Duration = Duration::from_secs(5);

/// RFC 8446 §6: the alert that nothing more can be said.
const INTERNAL_ERROR: u8 = 80;

/// RFC 6066 §3.
const UNRECOGNIZED_NAME: u8 = 112;

/// Performs handshakes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Acceptor {
    store: Arc<CertStore>,
    serving: Arc<ServerConfig>,
    validating: Arc<ServerConfig>,
}

/// Why there is no connection. The client knows it too, where it can still be told.
#[derive(Debug)]
pub enum Failed {
    /// It asked for a name that is none of ours, or for none where it must.
    UnknownName(Option<String>),
    /// The certificate for this name has been ordered and is not there.
    NoCertificateYet(String),
    /// The connection broke, or the two cannot agree.
    Io(io::Error),
}

impl Acceptor {
    /// Shows clients what is in the store, whatever is put there later, and offers them HTTP/1.1, and before it HTTP/2 where that
    /// is wanted.
    ///
    /// # Errors
    ///
    /// Where the system has no randomness for the first keys of tickets.
    pub fn new(store: Arc<CertStore>, http2: bool) -> Result<Self, Error> {
        let serving = Arc::new(config::serving(&store, http2)?);
        let validating = Arc::new(config::validating(&store)?);
        Ok(Self { store, serving, validating })
    }

    /// Performs a handshake. `None` is an ACME server that has seen what it came for (RFC 8737 §3): that connection is over. There is
    /// no deadline but for a certificate that is not there yet.
    ///
    /// # Errors
    ///
    /// Any way in which it fails; the connection is then closed.
    pub async fn accept<IO>(&self, io: IO) -> Result<Option<TlsStream<IO>>, Failed>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let mut start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), io).await?;
        if is_validation(&start.client_hello()) {
            let mut stream = start.into_stream(Arc::clone(&self.validating)).await?;
            stream.shutdown().await?;
            return Ok(None);
        }
        let name = start.client_hello().server_name().map(str::to_owned);
        match self.await_certificate(name).await {
            Ok(()) => Ok(Some(start.into_stream(Arc::clone(&self.serving)).await?)),
            Err(failed) => {
                let alert = failed.alert();
                start.io.write_all(&alert).await?;
                start.io.shutdown().await?;
                Err(failed)
            }
        }
    }

    /// Returns when there is a certificate to show.
    async fn await_certificate(&self, name: Option<String>) -> Result<(), Failed> {
        match (self.store.get(name.as_deref()), name) {
            (Lookup::Found(_), _) => Ok(()),
            (Lookup::Awaited, Some(name)) => {
                let arrival = tokio::time::timeout(PATIENCE, self.store.arrival(&name)).await;
                arrival.map_err(|_| Failed::NoCertificateYet(name))
            }
            (_, name) => Err(Failed::UnknownName(name)),
        }
    }
}

impl Failed {
    /// The record that says it (RFC 8446 §5.1 and §6): a fatal alert, in the clear as everything is before a handshake.
    const fn alert(&self) -> [u8; 7] {
        let description = match self {
            Self::UnknownName(_) => UNRECOGNIZED_NAME,
            _ => INTERNAL_ERROR,
        };
        [21, 3, 3, 0, 2, 2, description]
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownName(Some(name)) => write!(f, "{name} is none of the names here"),
            Self::UnknownName(None) => f.write_str("the client asked for no name"),
            Self::NoCertificateYet(name) => write!(f, "the certificate for {name} is not there yet"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Failed {}

#[cfg(test)]
mod tests;
