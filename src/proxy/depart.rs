//! The response as the client gets it.

use super::{body::Source, exchange::Exchange};
use crate::{cache::Status, message::hop};
use http::{Response, Version};

/// Removes what concerned the worker's connection only.
pub(super) fn depart(mut response: Response<Source>) -> Response<Source> {
    hop::remove(response.headers_mut(), |_| false);
    // Ours, whatever the worker's was (RFC 9112 §2.3): an HTTP/1.0 worker's body can still be sent in chunks.
    *response.version_mut() = Version::HTTP_11;
    response
}

/// Says what the cache did, to the client and to the log.
pub(super) fn tell(
    mut response: Response<Source>,
    status: &Status,
    exchange: &mut Exchange,
) -> Response<Source> {
    exchange.cached(status);
    status.write(response.headers_mut());
    response
}
