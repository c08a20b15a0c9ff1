//! What the server tells the proxy about a connection.

use super::forwarded::address_value;
use http::HeaderValue;
use std::{
    net::{IpAddr, SocketAddr},
    sync::OnceLock,
};

/// Facts about a client's connection, the same for all its requests.
#[derive(Debug)]
pub struct ConnectionInfo {
    /// The peer's address; an IPv4 peer of a dual-stack listener as IPv4.
    pub peer: IpAddr,
    /// The same as a header field's value: every request needs it.
    pub peer_value: HeaderValue,
    /// The address the connection came in on; of a dual-stack listener's IPv4 connection as IPv4.
    pub local: SocketAddr,
    /// How the visitor's URLs begin, unless a proxy that is trusted says otherwise.
    pub scheme: Scheme,
    /// Why the server cut the connection off, where it did.
    pub cut: OnceLock<&'static str>,
}

/// Whether a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// It is not.
    Http,
    /// It is: TLS ends here.
    Https,
}

impl ConnectionInfo {
    /// Facts about a new connection.
    pub fn new(peer: SocketAddr, local: SocketAddr, scheme: Scheme) -> Self {
        let peer = peer.ip().to_canonical();
        let local = SocketAddr::new(local.ip().to_canonical(), local.port());
        Self { peer, peer_value: address_value(peer), local, scheme, cut: OnceLock::new() }
    }
}
