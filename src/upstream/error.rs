//! Why the worker gave no response.

use crate::message::BodyError;
use std::{fmt, io};

/// What went wrong between us and the worker.
#[derive(Debug)]
pub enum UpstreamError {
    /// It has not accepted a connection within the boot timeout.
    BootTimeout,
    /// Nothing listens where it should.
    Refused,
    /// It cannot be connected to for another reason.
    Unreachable(io::Error),
    /// Its process has ended.
    Died,
    /// It closed the connection before its response was complete.
    BrokeOff,
    /// What it sent is no HTTP/1 response, or one with too large a header.
    Malformed,
    /// The client's request body failed on the way; no fault of the worker's.
    RequestBody(BodyError),
}

impl UpstreamError {
    /// In words, for the log.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BootTimeout => "worker boot timeout",
            Self::Refused => "worker refused",
            Self::Unreachable(_) => "worker unreachable",
            Self::Died => "worker died",
            Self::BrokeOff => "worker broke off",
            Self::Malformed => "malformed response",
            Self::RequestBody(error) => error.reason(),
        }
    }
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "worker unreachable: {error}"),
            other => f.write_str(other.reason()),
        }
    }
}

impl std::error::Error for UpstreamError {}

impl From<BodyError> for UpstreamError {
    fn from(error: BodyError) -> Self {
        Self::RequestBody(error)
    }
}
