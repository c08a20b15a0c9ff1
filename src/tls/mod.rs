//! TLS: certificates and their keys, who is shown which, and the handshake.
//!
//! [`Pair`] is a chain with its key, read from files or from text; nothing that is broken becomes one. [`CertStore`] knows which
//! pair a client is shown by the name that it asks for, and [`Acceptor`] performs the handshake. [`Watch`] puts a new pair into
//! the store when the files change. Where certificates are ordered instead, whoever orders them does.
//!
//! Resumption is stateless: tickets, under keys of this process that change every six hours. Certificates may be exchanged at any
//! time, connections never notice.

mod certificate;
mod config;
mod facts;
mod handshake;
mod store;
#[cfg(test)]
mod testing;
mod watch;

pub use certificate::{Fault, Files, Pair, Part, Reason, Unusable};
pub use facts::{Facts, Untimely};
pub use handshake::{Acceptor, Failed};
pub use store::{CertStore, Lookup};
pub use watch::{POLL, Reload, Verdict, Watch};
