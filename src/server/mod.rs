//! Sockets and connections: everything between the kernel and an HTTP request.
//!
//! Knows nothing of proxying: the handler is passed in. What a connection tells the handler is
//! [`ConnectionInfo`](crate::message::ConnectionInfo).

mod accept;
mod arriving;
mod clock;
mod connection;
mod cores;
mod drain;
mod flow;
mod frames;
mod head;
mod http1;
mod http2;
mod listen;
mod outgoing;
mod preface;
mod secure;
mod sending;
mod socket;
mod spare;
#[cfg(test)]
mod testing;
mod tunnel;
mod waiting;
mod wire;

pub use accept::Acceptor;
pub use cores::Cores;
pub use drain::Connections;
pub use listen::bind;

use std::{net::IpAddr, time::Duration};

/// Where the front server listens and how long it waits for clients.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address to listen on; `None` is every address, IPv6 and IPv4 (IPv4 alone where there is no IPv6).
    pub address: Option<IpAddr>,
    /// Port to listen on; 0 lets the kernel choose one.
    pub port: u16,
    /// Whether clients may begin with HTTP/2 without having asked (RFC 9113 §3.3).
    pub h2c: bool,
    /// How long clients may take.
    pub timeouts: Timeouts,
}

/// Progress deadlines of a client connection; `None` is no limit. What moves is never cut off.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// An idle keep-alive connection is closed after this.
    pub idle: Option<Duration>,
    /// A request's header must be complete within this, and its body make progress within it.
    pub read: Option<Duration>,
    /// A client that takes nothing of a waiting response for this long is cut off.
    pub write: Option<Duration>,
}
