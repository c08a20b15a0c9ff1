//! The response as the client gets it.

use super::body::Source;
use crate::message::hop;
use http::Response;

/// Removes what concerned the worker's connection only.
pub(super) fn depart(mut response: Response<Source>) -> Response<Source> {
    hop::remove(response.headers_mut(), |_| false);
    response
}
