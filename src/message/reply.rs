//! What the proxy hands back to the server.

use http::Response;
use hyper::upgrade::Upgraded;

/// A response, and for 101 the worker's side of the connection that it opens.
pub struct Reply<B> {
    /// The response.
    pub response: Response<B>,
    /// The worker's side of a switched protocol.
    pub tunnel: Option<Tunnel>,
}

impl<B> From<Response<B>> for Reply<B> {
    fn from(response: Response<B>) -> Self {
        Self { response, tunnel: None }
    }
}

/// The worker's side of a connection that has switched to another protocol (RFC 9110 §7.8).
pub struct Tunnel {
    /// The connection to the worker.
    pub worker: Upgraded,
    /// Called once with the bytes sent to the client when the tunnel has ended.
    pub ended: Box<dyn FnOnce(u64) + Send>,
}
