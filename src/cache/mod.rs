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
mod forms;
mod head;
mod job;
mod key;
mod lookup;
mod marks;
mod origin;
mod permit;
pub mod policy;
mod reason;
mod serve;
mod shelf;
mod status;
mod store;
#[cfg(test)]
mod testing;
mod touched;
mod vary;
mod watch;

pub use entry::{Content, Entry};
pub use filling::Reader;
pub use head::Head;
pub use job::Job;
pub use key::CacheKey;
pub use lookup::Lookup;
pub use origin::Origin;
pub use permit::{Kept, Passed, Permit};
pub use reason::Reason;
pub use serve::{Served, Wanted, serve};
pub use status::{Forward, Status};
pub use touched::Touched;
pub use watch::Watch;

use crate::message::encoding::Offer;
use filling::{Budget, Share};
use flight::Flights;
use marks::Marks;
use std::{sync::Arc, time::Instant};
use store::Store;

/// What is stored, and how much of it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes for everything that is stored; 0 stores nothing.
    pub size: u64,
    /// Bytes of the largest body that is stored; where it is more than `size`, that counts.
    pub largest_item: u64,
    /// Path prefixes under which fingerprinted assets are stored that say nothing of caching.
    pub fingerprinted: Vec<String>,
    /// Encodings in which bodies are sent.
    pub offer: Offer,
    /// Nothing is encoded that says that somebody's credentials have a part in it.
    pub disable_on_auth: bool,
}

impl Options {
    /// Bytes that all bodies together may take: those that are stored, those that are on their way in, and those that are stored no
    /// longer but still read.
    pub fn bodies(&self) -> u64 {
        self.size.saturating_add((self.size / 4).max(self.largest_item.min(self.size)))
    }
}

/// A shared cache. Cheap to clone.
#[derive(Clone)]
pub struct Cache {
    /// `None` where it is turned off.
    shared: Option<Arc<Shared>>,
    /// Also where it is turned off.
    fingerprinted: Arc<[String]>,
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

impl Shared {
    fn takes(&self, bytes: u64) -> bool {
        bytes <= self.options.largest_item
    }

    fn room_for(&self, bytes: u64) -> Option<Share> {
        if self.takes(bytes) { self.budget.share(bytes) } else { None }
    }
}

impl Cache {
    /// An empty cache.
    pub fn new(mut options: Options) -> Self {
        let now = Instant::now();
        let fingerprinted = options.fingerprinted.clone().into();
        options.largest_item = options.largest_item.min(options.size);
        let bodies = options.bodies();
        let shared = (options.size > 0).then(|| {
            Arc::new(Shared {
                store: Store::new(options.size),
                flights: Arc::default(),
                uncacheable: Marks::new(now),
                invalidated: Marks::new(now),
                budget: Arc::new(Budget::new(bodies)),
                options,
            })
        });
        Self { shared, fingerprinted }
    }
}
