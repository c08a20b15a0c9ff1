//! Whether a request is served at all. What can be told from the raw bytes alone is refused before: see
//! [`message::head`](crate::message::head).

use super::{Options, failure::Failure};
use crate::message::{BodyError, ConnectionInfo, Headers, Refusal, Request, Scheme, host};
use http::{StatusCode, header};
use http_body::Body;

/// Refuses what is ambiguous, too large, or expects what we do not do.
pub(super) fn admit<B: Body>(
    request: &Request<B>,
    connection: &ConnectionInfo,
    options: &Options,
) -> Result<(), Failure> {
    let headers = request.headers();
    if connection.scheme == Scheme::Https
        && let Some(domains) = &options.domains
        && !host::asked(request.uri(), headers.get(header::HOST))
            .is_some_and(|host| host::is_among(host, domains))
    {
        let reason = "a host without a certificate";
        return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, reason).into());
    }
    if headers.keys().any(|name| stands_for_framing(name.as_str())) {
        return Err(Refusal::bad("underscores in a framing header's name").into());
    }
    if !authority_agrees(request) {
        return Err(Refusal::bad("Host and request target disagree").into());
    }
    if !expectation_is_known(headers) {
        return Err(Refusal::new(StatusCode::EXPECTATION_FAILED, "unknown expectation").into());
    }
    match (options.max_request_body, request.body().size_hint().exact()) {
        (Some(limit), Some(length)) if length > limit => Err(Failure::RequestBody(BodyError::TooLarge)),
        _ => Ok(()),
    }
}

/// CGI, and Rack after it, call `Content-Length` and `Content_Length` the same.
fn stands_for_framing(name: &str) -> bool {
    matches!(name, "content_length" | "transfer_encoding")
}

/// An absolute-form target's authority overrides Host (RFC 9112 §3.2.2): a request where they differ is one that
/// somebody before us may have understood the other way.
fn authority_agrees<B>(request: &Request<B>) -> bool {
    match (request.uri().authority(), request.headers().get(header::HOST)) {
        (Some(authority), Some(host)) => host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()),
        _ => true,
    }
}

/// RFC 9110 §10.1.1.
fn expectation_is_known(headers: &Headers) -> bool {
    headers.get_all(header::EXPECT).all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}
