//! What can go wrong on the journey: what the client is told, and what the operator is told.

use super::body::Source;
use crate::message::Response;
use crate::{
    files::OpenError,
    message::{BodyError, Refusal},
    observe::Record,
    upstream::UpstreamError,
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

/// Why there is no response from the worker.
#[derive(Debug)]
pub(super) enum Failure {
    /// The request is not served.
    Refused(Refusal),
    /// Its body failed.
    RequestBody(BodyError),
    /// The worker is not there yet, and a page says so better than waiting.
    Booting,
    /// The worker failed.
    Upstream(UpstreamError),
    /// Nothing is stored, and the client wants nothing else (RFC 9111 §5.2.1.7).
    NotStored,
    /// The file that the response was to consist of.
    File(OpenError),
    /// We did.
    Panic,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::File(error)
    }
}

impl From<UpstreamError> for Failure {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::RequestBody(error) => Self::RequestBody(error),
            other => Self::Upstream(other),
        }
    }
}

impl Failure {
    /// In words, for the log.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.reason,
            Self::RequestBody(error) => error.reason(),
            Self::Booting => "worker booting",
            Self::Upstream(error) => error.reason(),
            Self::NotStored => "only-if-cached",
            Self::File(_) => "file not sent",
            Self::Panic => "internal error",
        }
    }

    pub(super) fn is_bad_gateway(&self) -> bool {
        self.status() == StatusCode::BAD_GATEWAY
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Refused(refusal) => refusal.status,
            Self::RequestBody(BodyError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RequestBody(BodyError::ClientTimeout) => StatusCode::REQUEST_TIMEOUT,
            Self::RequestBody(_) => StatusCode::BAD_REQUEST,
            Self::Booting | Self::Upstream(_) => StatusCode::BAD_GATEWAY,
            Self::NotStored => StatusCode::GATEWAY_TIMEOUT,
            Self::File(OpenError::Missing | OpenError::NotRegular | OpenError::Outside) => {
                StatusCode::NOT_FOUND
            }
            Self::File(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Panic => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// A line in the operator's log, where the operator can do something about it.
    pub(super) fn report(&self, record: &Record) {
        let path = || String::from_utf8_lossy(record.target.path()).into_owned();
        match self {
            Self::Upstream(error) => {
                tracing::warn!(path = path(), %error, "no response from the worker")
            }
            Self::Panic => tracing::error!(path = path(), "a request ended in a panic"),
            // What is wrong with a file was said where its path is known.
            Self::Refused(_) | Self::RequestBody(_) | Self::Booting | Self::NotStored | Self::File(_) => {}
        }
    }

    /// The response: `page` is the operator's own HTML.
    pub(super) fn respond(&self, page: Option<Bytes>) -> Response<Source> {
        let (content_type, body) = match page {
            Some(page) => ("text/html; charset=utf-8", page),
            None => ("text/plain; charset=utf-8", self.text()),
        };
        let mut response = Response::new(Source::Bytes(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status() == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(
                header::ALLOW,
                HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
            );
        }
        if matches!(self, Self::Refused(_) | Self::RequestBody(_)) {
            // What is left of the body is not read, and what follows a malformed request may be an attack: the connection
            // has no next request.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// What the client did wrong is told; what went wrong behind us is not.
    fn text(&self) -> Bytes {
        let status = self.status();
        match self {
            Self::Refused(_) | Self::RequestBody(_) => format!("{status}: {}\n", self.reason()),
            Self::Booting | Self::Upstream(_) | Self::NotStored | Self::File(_) | Self::Panic => {
                format!("{status}\n")
            }
        }
        .into()
    }
}
