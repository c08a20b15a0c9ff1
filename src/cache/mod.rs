//! The shared cache of RFC 9111: what is answered without the worker, and what of its answers is kept. No network IO: the
//! proxy fetches, with a [`Permit`] in its hand.
//!
//! Right first: a response is stored only if its own header says that it is for everybody, or its name is that of a
//! fingerprinted asset ([`policy`]); it is found by host and target as they were sent ([`key`]) and by the fields that it
//! varies by ([`vary`]). Every reason why not has a name ([`Reason`]), which the log and `Cache-Status` tell.

mod canonical;
mod entry;
mod filling;
mod fingerprint;
mod flight;
mod key;
mod lookup;
mod marks;
mod permit;
pub mod policy;
mod reason;
mod serve;
mod status;
mod store;
#[cfg(test)]
mod testing;
mod told;
mod vary;

pub use entry::Entry;
pub use filling::Reader;
pub use key::CacheKey;
pub use lookup::Lookup;
pub use permit::{Kept, Passed, Permit};
pub use reason::Reason;
pub use serve::{Served, serve};
pub use status::Status;

use crate::message::{forwarded, host, reference};
use filling::Budget;
use flight::Flights;
use http::{HeaderMap, Method, StatusCode, header};
use marks::Marks;
use std::{sync::Arc, time::Instant};
use store::Store;

/// What is stored, and how much of it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes for everything that is stored; 0 stores nothing.
    pub size: u64,
    /// Bytes of the largest body that is stored.
    pub largest_item: u64,
    /// Path prefixes under which fingerprinted assets are stored that say nothing of caching.
    pub fingerprinted: Vec<String>,
}

/// A shared cache. Cheap to clone.
#[derive(Clone)]
pub struct Cache {
    /// `None` where it is turned off.
    shared: Option<Arc<Shared>>,
}

struct Shared {
    options: Options,
    store: Store,
    flights: Arc<Flights>,
    /// Keys whose last response was not for the cache: nobody waits for the next one.
    uncacheable: Marks,
    /// Keys that were invalidated: what was on its way then is not stored.
    invalidated: Marks,
    /// For all bodies.
    budget: Arc<Budget>,
}

impl Cache {
    /// An empty cache.
    pub fn new(options: Options) -> Self {
        let now = Instant::now();
        let shared = (options.size > 0).then(|| {
            Arc::new(Shared {
                store: Store::new(options.size),
                flights: Arc::default(),
                uncacheable: Marks::new(now),
                invalidated: Marks::new(now),
                budget: Arc::new(Budget::new(options.size + (options.size / 4).max(options.largest_item))),
                options,
            })
        });
        Self { shared }
    }

    /// What a request that is about to be sent may change, so that it can be forgotten afterwards (RFC 9111 §4.4); `None` where
    /// it changes nothing.
    pub fn touched_by<B>(&self, request: &http::Request<B>) -> Option<Touched> {
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

/// What an unsafe request may change.
pub struct Touched {
    shared: Arc<Shared>,
    target: String,
    headers: HeaderMap,
}

impl Touched {
    /// The worker has answered: unless it failed, its target and what its response points to on the same host are forgotten.
    pub fn changed(self, status: StatusCode, response: &HeaderMap) {
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
