//! Why a body broke off.

use std::fmt;

/// Why a body ended early, which also says whose side failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// The client left in the middle of its request body.
    ClientGone,
    /// The client's request body made no progress within the read timeout.
    ClientTimeout,
    /// The client's request body is malformed.
    Malformed,
    /// The client's request body is longer than is allowed.
    TooLarge,
    /// The worker broke its response off.
    WorkerGone,
    /// The file that is sent has become shorter, or cannot be read any more.
    FileGone,
    /// A response could not be encoded to its end.
    EncoderFailed,
}

impl BodyError {
    /// In words, for the log.
    pub fn reason(self) -> &'static str {
        match self {
            BodyError::ClientGone => "client gone",
            BodyError::ClientTimeout => "request body timeout",
            BodyError::Malformed => "malformed request body",
            BodyError::TooLarge => "request body too large",
            BodyError::WorkerGone => "worker broke off",
            BodyError::FileGone => "file broke off",
            BodyError::EncoderFailed => "encoder failed",
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for BodyError {}
