//! A request that is not served: the status for the client, and the reason for the operator.

use http::StatusCode;

/// Why a message is refused. The reason appears in the log and, since it says nothing about the application, in the
/// response as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// What the client is told.
    pub status: StatusCode,
    /// In words, lower case, for the log.
    pub reason: &'static str,
}

impl Refusal {
    /// 400: the message is malformed or can be understood in more than one way.
    pub const fn bad(reason: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason)
    }

    /// A refusal with any other status.
    pub const fn new(status: StatusCode, reason: &'static str) -> Self {
        Self { status, reason }
    }
}

/// A refused request as it came in, as far as it could be read.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// The beginning of what the client sent.
    pub start: Vec<u8>,
}
