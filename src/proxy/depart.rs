//! The response as the client gets it.

use super::body::Source;
use crate::message::hop;
use http::{Response, Version, header};

/// Removes what concerned the worker's connection only.
pub(super) fn depart(mut response: Response<Source>) -> Response<Source> {
    // Transfer-Encoding overrides Content-Length (RFC 9112 §6.3): it must not be believed where that one is gone.
    let overridden = response.headers().contains_key(header::TRANSFER_ENCODING);
    hop::remove(response.headers_mut(), |name| overridden && name == header::CONTENT_LENGTH);
    // Ours, whatever the worker's was (RFC 9112 §2.3): an HTTP/1.0 worker's body can still be sent in chunks.
    *response.version_mut() = Version::HTTP_11;
    response
}
