//! HTTP messages: pure rules and types that more than one part needs, and [`Handler`], the seam between server and proxy. No
//! IO, no clock, no other module of ours.

pub mod body;
pub mod chunked;
pub mod connection;
pub mod forwarded;
pub mod handler;
pub mod head;
pub mod hop;
pub mod host;
pub mod reference;
pub mod refusal;
pub mod request_line;

pub use body::BodyError;
pub use connection::ConnectionInfo;
pub use handler::{Handler, Reply, Tunnel};
pub use refusal::{Refusal, Refused};
