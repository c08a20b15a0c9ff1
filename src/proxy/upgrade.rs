//! Requests that ask to switch protocols (RFC 9110 §7.8): WebSockets, mostly.

use super::{
    RequestBody,
    body::Source,
    depart::depart,
    exchange::{Answer, Exchange},
    failure::Failure,
    send_file,
};
use crate::message::{Request, Response};
use crate::{
    files,
    message::{Incoming, hop},
    upstream::{Upstream, UpstreamError},
};
use http::{HeaderValue, StatusCode, Version, header};
use http_body::Body;
use std::sync::Arc;

/// The protocol that the request asks to switch to. HTTP/2 does not count: a connection to the worker stays HTTP/1.1.
pub(super) fn asked<B: Body>(request: &Request<B>) -> Option<HeaderValue> {
    let headers = request.headers();
    let protocol = headers.get(header::UPGRADE)?;
    let named = headers.get_all(header::CONNECTION).any(|value| hop::lists(value, "upgrade"));
    // A request of HTTP/2 has such fields only if they were made of an extended CONNECT.
    let possible = request.version() >= Version::HTTP_11 && request.body().is_end_stream();
    (named && possible && !hop::lists(protocol, "h2c")).then(|| protocol.clone())
}

/// Asks the worker to switch. It may decline with any other response, also one that names a file.
pub(super) async fn fetch(
    upstream: &Upstream,
    files: &Arc<files::Options>,
    exchange: &mut Exchange,
    (request, body): (&mut Request<Incoming>, RequestBody),
    added: &[u8],
    protocol: HeaderValue,
) -> Result<Answer, Failure> {
    request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    request.headers_mut().insert(header::UPGRADE, protocol);
    let mut response = upstream.send(request, body, added, exchange.began()).await?;
    exchange.worker_answered();
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        depart(&mut response);
        let file = send_file::resolve(&mut response, files).await?;
        return Ok(send_file::with_body(response, file).into());
    }
    let protocol = response.headers().get(header::UPGRADE).cloned();
    let (head, body) = response.into_parts();
    let worker = body.switched().ok_or(UpstreamError::BrokeOff)?;
    let mut response = Response::from_parts(head, Source::Empty);
    depart(&mut response);
    response.headers_mut().remove(&files.send_file_header.name);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(protocol) = protocol {
        response.headers_mut().insert(header::UPGRADE, protocol);
    }
    Ok(Answer { switched: Some(Box::new(worker)), ..response.into() })
}
