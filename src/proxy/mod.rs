//! The product: a request's journey from the client to the worker and back. Begin with [`pipeline`].

mod admit;
mod body;
mod depart;
mod exchange;
mod explain;
mod failure;
mod fill;
mod page;
pub mod pipeline;
mod plain;
mod prepare;
mod public;
mod represent;
mod request_body;
mod send_file;
mod stored;
mod upgrade;
mod wish;

pub use body::Body;
pub use pipeline::Proxy;
pub use plain::{Challenges, Plain};
pub use request_body::RequestBody;

use crate::message::forwarded::Trust;
use http::HeaderValue;
use std::{path::PathBuf, time::Duration};

/// What the journey needs to know.
#[derive(Debug, Clone)]
pub struct Options {
    /// Larger request bodies, in bytes, get 413; `None` is no limit.
    pub max_request_body: Option<u64>,
    /// A request body must make progress within this; `None` is no limit.
    pub body_timeout: Option<Duration>,
    /// Whose `X-Forwarded-*` headers are believed.
    pub trust: Trust,
    /// Over TLS only these hosts are served; `None` is every one.
    pub domains: Option<Vec<String>>,
    /// What `Strict-Transport-Security` says over TLS.
    pub hsts: Option<HeaderValue>,
    /// HTML shown for 502, where the file exists.
    pub bad_gateway_page: PathBuf,
}
