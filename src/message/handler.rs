//! The seam between the server, which has requests, and the proxy, which answers them.

use super::{ConnectionInfo, Incoming, Prepared, Refused, Request, Response};
use bytes::Bytes;
use http_body::Body;
use std::{error::Error, future::Future, sync::Arc};
use tokio::io::{AsyncRead, AsyncWrite};

/// Answers requests. Never fails: what goes wrong becomes a response.
pub trait Handler: Send + Sync + 'static {
    /// Response bodies.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static;

    /// Answers one request; what is left of it then is of no use. (It stays where it is, since moving it on costs more than most
    /// that is done with it.)
    fn handle(
        &self,
        connection: &Arc<ConnectionInfo>,
        request: &mut Request<Incoming>,
    ) -> impl Future<Output = Reply<Self::Body>> + Send;

    /// Answers a request that could not be read, or that could be read in more than one way.
    fn refuse(&self, connection: &Arc<ConnectionInfo>, refused: Refused) -> Response<Self::Body>;
}

/// A response, whose header may lie ready in part, and for 101 the worker's side of the connection that it opens.
pub struct Reply<B> {
    /// The response.
    pub response: Response<B>,
    /// What of its header lies ready; the response itself has none of these fields.
    pub prepared: Option<Prepared>,
    /// The worker's side of a switched protocol.
    pub tunnel: Option<Box<Tunnel>>,
}

impl<B> From<Response<B>> for Reply<B> {
    fn from(response: Response<B>) -> Self {
        Self { response, prepared: None, tunnel: None }
    }
}

/// The worker's side of a connection that has switched to another protocol (RFC 9110 §7.8).
pub struct Tunnel {
    /// The connection to the worker.
    pub worker: Box<dyn Duplex>,
    /// Called once with the bytes sent to the client when the tunnel has ended.
    pub ended: Box<dyn FnOnce(u64) + Send>,
}

/// Both directions of a connection.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}
