//! What a request has changed is forgotten (RFC 9111 §4.4).

use super::{Cache, CacheKey, Shared};
use crate::message::{Headers, Request, forwarded, host, reference};
use http::{Method, StatusCode, header};
use std::{sync::Arc, time::Instant};

/// What an unsafe request may change.
pub struct Touched {
    shared: Arc<Shared>,
    target: String,
    headers: Headers,
}

impl Cache {
    /// What a request that is about to be sent may change, so that it can be forgotten afterwards (RFC 9111 §4.4); `None` where
    /// it changes nothing.
    pub fn touched_by<B>(&self, request: &Request<B>) -> Option<Touched> {
        let shared = self.shared.as_ref()?;
        if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE) {
            return None;
        }
        let target = CacheKey::target_of(request.uri()).to_owned();
        let mut headers = request.headers().clone();
        // Whatever this request is meant as, the page is stored for those that are meant as they are.
        forwarded::METHOD_OVERRIDES.iter().for_each(|name| drop(headers.remove(*name)));
        Some(Touched { shared: shared.clone(), target, headers })
    }
}

impl Touched {
    /// The worker has answered: unless it failed, its target and what its response points to on the same host are forgotten.
    pub fn changed(self, status: StatusCode, response: &Headers) {
        if !status.is_success() && !status.is_redirection() {
            return;
        }
        let ours = |authority: &[u8]| self.is_our_host(authority);
        let referred = [header::LOCATION, header::CONTENT_LOCATION]
            .into_iter()
            .filter_map(|name| reference::target_on_host(response.get(name)?.as_bytes(), &self.target, ours));
        for target in referred.chain([self.target.clone()]) {
            self.shared.invalidate(&CacheKey::new(&self.headers, &target));
        }
    }

    /// The host as the client or a proxy in front calls it; a scheme's own port may be there or not.
    fn is_our_host(&self, authority: &[u8]) -> bool {
        let names = [self.headers.get(header::HOST), self.headers.get("x-forwarded-host")];
        names.into_iter().flatten().any(|name| host::is_same(name.as_bytes(), authority))
    }
}

impl Shared {
    fn invalidate(&self, key: &CacheKey) {
        self.invalidated.mark(key, Instant::now());
        self.flights.close(key);
        self.store.invalidate(key);
    }
}
