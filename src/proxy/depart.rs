//! The response as the client gets it.

use super::{body::Source, exchange::Exchange};
use crate::message::Response;
use crate::{cache::Status, message::hop, upstream::UpstreamError};
use http::{StatusCode, Version};

/// A worker may switch to another protocol only if somebody has asked for one (RFC 9110 §15.2.2).
pub(super) fn stay(status: StatusCode) -> Result<(), UpstreamError> {
    if status == StatusCode::SWITCHING_PROTOCOLS { Err(UpstreamError::Malformed) } else { Ok(()) }
}

/// Removes what concerned the worker's connection only, and a length where there can be none (RFC 9110 §8.6).
pub(super) fn depart<B>(response: &mut Response<B>) {
    let is_empty = response.status() == StatusCode::NO_CONTENT;
    hop::remove(response.headers_mut(), |name| is_empty && name == "content-length");
    // Ours, whatever the worker's was (RFC 9112 §2.3): an HTTP/1.0 worker's body can still be sent in chunks.
    *response.version_mut() = Version::HTTP_11;
}

/// Says what the cache did, to the client and to the log.
pub(super) fn tell(response: &mut Response<Source>, status: &Status, exchange: &mut Exchange) {
    exchange.cached(status);
    exchange.note(|trace| trace.came(response));
    status.write(response.headers_mut());
}
