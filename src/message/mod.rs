//! HTTP messages: pure rules and types that more than one part needs, and [`Handler`], the seam between server and proxy. No
//! IO, no clock, no other module of ours.

pub mod age;
pub mod body;
pub mod byteranges;
pub mod cache_control;
mod chunked;
mod chunks;
mod compressible;
pub mod conditional;
pub mod connection;
pub mod date;
mod directives;
pub mod encodable;
pub mod encoding;
pub mod etag;
pub mod field;
pub mod file;
pub mod forwarded;
pub mod handler;
pub mod head;
pub mod headers;
pub mod hop;
pub mod host;
pub mod http2;
pub mod incoming;
mod names;
pub mod places;
pub mod prepared;
pub mod range;
pub mod redirect;
pub mod reference;
pub mod refusal;
pub mod representation;
pub mod request;
pub mod request_line;
pub mod response;
pub mod structured;
#[cfg(test)]
pub mod testing;
pub mod unread;
pub mod write;

pub use body::BodyError;
pub use connection::{ConnectionInfo, Scheme};
pub use handler::{Duplex, Handler, Reply, Tunnel};
pub use headers::Headers;
pub use incoming::Incoming;
pub use prepared::Prepared;
pub use refusal::{Refusal, Refused};
pub use request::Request;
pub use response::Response;
