//! The product: a request's journey from the client to the worker and back.

use crate::message::forwarded::Trust;
use std::path::PathBuf;

/// What the journey needs to know.
#[derive(Debug, Clone)]
pub struct Options {
    /// Larger request bodies, in bytes, get 413; `None` is no limit.
    pub max_request_body: Option<u64>,
    /// Whose `X-Forwarded-*` headers are believed.
    pub trust: Trust,
    /// HTML shown for 502, where the file exists.
    pub bad_gateway_page: PathBuf,
}
