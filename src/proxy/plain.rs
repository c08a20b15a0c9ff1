//! The plain port where TLS is on: nothing is served there but what keeps TLS and its surroundings going.

use super::{Body, Proxy, body::Source, exchange::Exchange, explain, failure::Failure};
use crate::message::{
    ConnectionInfo, Handler, Incoming, Refused, Reply, Request, Response, Scheme, redirect::Redirect,
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use std::{net::IpAddr, sync::Arc};

/// Where the certificate authority looks for its answers (RFC 8555 §8.3).
const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// Answers a challenge by its token.
pub type Challenges = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Redirects to the TLS port, but for challenges, health checks, and who asks on this machine why it is as it is.
pub struct Plain {
    /// Who answers the rest.
    pub proxy: Arc<Proxy>,
    /// The port that clients reach the TLS port by.
    pub port: u16,
    /// Where there are certificates for these names alone.
    pub domains: Option<Vec<String>>,
    /// This path is passed on for clients of a loopback or private address.
    pub health_path: Option<String>,
    /// Where certificates are ordered.
    pub challenges: Option<Challenges>,
}

impl Handler for Plain {
    type Body = Body;

    async fn handle(&self, connection: &Arc<ConnectionInfo>, request: &mut Request<Incoming>) -> Reply<Body> {
        let path = request.uri().path();
        if self.health_path.as_deref() == Some(path) && is_near(connection.peer) {
            return self.proxy.handle(connection, request).await;
        }
        if explain::is_asked(connection, request) {
            // As it would be answered on the port that serves.
            let peer = (connection.peer, 0).into();
            let encrypted = ConnectionInfo::new(peer, connection.local, Scheme::Https);
            return self.proxy.handle(&Arc::new(encrypted), request).await;
        }
        let mut exchange = Exchange::begin(connection, self.proxy.observe(), request);
        let response = self.answer(request).unwrap_or_else(|failure| {
            exchange.fail(&failure);
            failure.respond(None)
        });
        exchange.finish(response.into())
    }

    fn refuse(&self, connection: &Arc<ConnectionInfo>, refused: Refused) -> Response<Body> {
        self.proxy.refuse(connection, refused)
    }
}

impl Plain {
    fn answer<B>(&self, request: &Request<B>) -> Result<Response<Source>, Failure> {
        if let (Some(challenges), Some(token)) =
            (&self.challenges, request.uri().path().strip_prefix(CHALLENGES))
        {
            return Ok(challenge(challenges(token)));
        }
        let redirect = Redirect { port: self.port, domains: self.domains.as_deref() };
        let host = request.headers().get(header::HOST);
        let (status, location) = redirect.answer(request.method(), request.uri(), host)?;
        let mut response = Response::new(Source::Empty);
        *response.status_mut() = status;
        response.headers_mut().insert(header::LOCATION, location);
        Ok(response)
    }
}

fn challenge(answer: Option<String>) -> Response<Source> {
    let status = if answer.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let mut response = Response::new(Source::Bytes(Bytes::from(answer.unwrap_or_default())));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Whether the peer's address is one that is not on the Internet.
fn is_near(peer: IpAddr) -> bool {
    match peer {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_near() {
        for (peer, near) in [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("172.17.0.1", true),
            ("192.168.1.1", true),
            ("169.254.1.1", true),
            ("172.32.0.1", false),
            ("203.0.113.9", false),
            ("::1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_near(peer.parse().unwrap()), near, "{peer}");
        }
    }
}
