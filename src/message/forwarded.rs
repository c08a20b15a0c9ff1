//! Who the client is: `X-Forwarded-*`, and whom to believe about it.

use ipnet::IpNet;

/// Whose `X-Forwarded-*` headers are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Every peer's (a proxy stands in front of the container).
    Everyone,
    /// No peer's (the container faces the Internet).
    Nobody,
    /// Only those of peers within these networks.
    Peers(Vec<IpNet>),
}
