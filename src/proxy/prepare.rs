//! The request as the worker gets it.

use super::{
    Options, RequestBody,
    exchange::Exchange,
    explain::{self, Trace},
    failure::Failure,
};
use crate::message::{Headers, Request};
use crate::{
    files,
    message::{Incoming, Refusal, forwarded, hop, write},
};
use http::{HeaderName, HeaderValue, Uri, header};
use std::{mem, net::SocketAddr, time::UNIX_EPOCH};

/// Room for all lines that are usually added.
const ADDED: usize = 384;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_START: HeaderName = HeaderName::from_static("x-request-start");

/// Removes what must not be passed on, and what only a trusted peer may claim; from here on the header can be believed.
pub(super) fn cleanse(
    request: &mut Request<Incoming>,
    exchange: &mut Exchange,
    options: &Options,
) -> Result<(), Failure> {
    let connection = exchange.connection();
    let (peer, local) = (connection.peer, connection.local);
    let trusted = options.trust.covers(peer);
    let stays_here = |name: &str| is_not_for_worker(name, trusted);
    let mut explains = false;
    if hop::concerns(request.headers(), stays_here) {
        // Asked here, since it is among what stays here: nobody else pays for the search.
        explains = explain::is_asked(exchange.connection(), request);
        hop::take_out(request.headers_mut(), stays_here);
    }
    // Here already, and not among what is for the worker only, since the cache's key is made of it.
    forwarded::tell_scheme(request.headers_mut(), connection);
    set_target(request, local)?;
    exchange.identify(forwarded::client(request.headers(), &options.trust, peer));
    if explains {
        exchange.explain(Trace::of(request));
    }
    Ok(())
}

/// What the application wants to know beyond the request as it came, as lines. In the request only what is there already is
/// edited: to put a field into a header costs more than to write it behind.
pub(super) fn dress(headers: &mut Headers, exchange: &mut Exchange, files: &files::Options) -> Vec<u8> {
    let mut added = Vec::with_capacity(ADDED);
    if files.send_file {
        write::field(&mut added, "x-sendfile-type", files.send_file_header.spelled.as_bytes());
    }
    forwarded::extend(headers, &mut added, exchange.connection(), exchange.client());
    if !headers.contains_key(REQUEST_START) {
        let millis =
            exchange.started().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        // In the form that application monitors read to know how long it has queued.
        added.extend_from_slice(REQUEST_START.as_str().as_bytes());
        added.extend_from_slice(b": t=");
        added.extend_from_slice(itoa::Buffer::new().format(millis).as_bytes());
        added.extend_from_slice(b"\r\n");
    }
    let id = headers.get(REQUEST_ID).cloned().unwrap_or_else(|| {
        let id = request_id();
        write::field(&mut added, REQUEST_ID.as_str(), id.as_bytes());
        id
    });
    exchange.name(id);
    added
}

/// Takes the request's body for the worker. It is held back until the worker wants it, where the client does so.
pub(super) fn take_body(request: &mut Request<Incoming>, options: &Options) -> RequestBody {
    let mut body = RequestBody::new(mem::take(request.body_mut()), options);
    if request.headers().contains_key(header::EXPECT) {
        body.hold_until_continue(request.extensions_mut());
    }
    body
}

/// Whether a client's header field stays here: what speaks to proxies, what an application could take for our own word,
/// and claims about the client's address by somebody who is not trusted. Applications that follow CGI (Rack among
/// them) do not tell `_` from `-`, so the disguised forms stay here too, even of trusted peers, and with them those of what
/// a stored response is told apart by.
fn is_not_for_worker(name: &str, trusted: bool) -> bool {
    if name.contains('_') {
        let plain = name.replace('_', "-");
        return is_not_for_worker(&plain, false) || forwarded::shapes_url(&plain);
    }
    matches!(name, "proxy" | "forwarded" | "x-sendfile-type" | "x-thrust-explain")
        || name.starts_with("x-accel-")
        || (!trusted && forwarded::is_claim(name))
}

/// Origin-form (RFC 9112 §3.2.1), its bytes as they came, with a Host that says the same.
fn set_target(request: &mut Request<Incoming>, local: SocketAddr) -> Result<(), Failure> {
    let host = match request.uri().authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()),
        // An HTTP/1.0 client need not send one; an HTTP/1.1 request must have one.
        None if !request.headers().contains_key(header::HOST) => HeaderValue::from_str(&local.to_string()),
        None => return Ok(()),
    };
    request.headers_mut().insert(header::HOST, host.map_err(|_| Refusal::bad("malformed Host"))?);
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    (parts.scheme, parts.authority) = (None, None);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| Refusal::bad("malformed request target"))?;
    Ok(())
}

/// A random UUID (RFC 9562 §5.4). It is a name, not a secret.
fn request_id() -> HeaderValue {
    let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid();
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    id.hyphenated().encode_lower(&mut text);
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_here() {
        for name in [
            "proxy",
            "forwarded",
            "x-sendfile-type",
            "x-thrust-explain",
            "x_thrust_explain",
            "x-accel-redirect",
            "x_forwarded_for",
            "x-forwarded_for",
            "client_ip",
            "x_rewrite_url",
            "x-http_method-override",
        ] {
            assert!(is_not_for_worker(name, true), "{name}");
        }
        for name in ["x-forwarded-for", "x-real-ip", "client-ip", "true-client-ip"] {
            assert!(is_not_for_worker(name, false) && !is_not_for_worker(name, true), "{name}");
        }
        for name in ["accept", "cookie", "x_custom", "x-request-id", "range"] {
            assert!(!is_not_for_worker(name, false), "{name}");
        }
    }

    #[test]
    fn request_ids_are_random_uuids() {
        let (one, other) = (request_id(), request_id());
        assert_ne!(one, other);
        let id = uuid::Uuid::try_parse(one.to_str().unwrap()).unwrap();
        assert_eq!((id.get_version_num(), one.len()), (4, 36));
    }
}
