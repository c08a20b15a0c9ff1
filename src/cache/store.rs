//! Everything that is stored, within a limit of bytes. The one place that knows moka.

use super::{CacheKey, Entry};
use http::HeaderMap;
use moka::{
    ops::compute::Op,
    sync::{Cache, CacheBuilder},
};
use std::sync::Arc;

/// Responses to one URL that are kept beside each other. Those that were stored first go first.
const MAX_VARIANTS: usize = 16;

/// What an item costs beside what it says it holds: the library's two reference-counted nodes, its place in the table and in
/// the queues, the allocator's rounding.
const OVERHEAD: usize = 600;

/// Stored responses by key, the least useful of them gone when there is no room (TinyLFU).
pub struct Store(Cache<CacheKey, Variants>);

/// The responses to one URL, the newest first.
#[derive(Clone, Default)]
pub struct Variants(Arc<[Arc<Entry>]>);

impl Store {
    /// An empty one for this many bytes.
    pub fn new(bytes: u64) -> Self {
        let weigher = |key: &CacheKey, variants: &Variants| {
            u32::try_from(key.weight() + variants.weight() + OVERHEAD).unwrap_or(u32::MAX)
        };
        Self(CacheBuilder::new(bytes).weigher(weigher).build())
    }

    /// What is stored for this key.
    pub fn get(&self, key: &CacheKey) -> Option<Variants> {
        self.0.get(key)
    }

    /// Stores a response in place of the one that the same requests would get.
    pub fn put(&self, key: CacheKey, entry: Arc<Entry>) {
        self.0.entry(key).and_compute_with(|stored| {
            let variants = stored.map(|stored| stored.into_value()).unwrap_or_default();
            Op::Put(variants.with(entry))
        });
        // The library would do this later: by then many large bodies may have come.
        self.0.run_pending_tasks();
    }

    /// Forgets one response, if it is still stored.
    pub fn forget(&self, key: CacheKey, entry: &Arc<Entry>) {
        self.0.entry(key).and_compute_with(|stored| {
            let Some(stored) = stored else { return Op::Nop };
            let rest: Variants = stored.into_value().without(entry);
            if rest.0.is_empty() { Op::Remove } else { Op::Put(rest) }
        });
        self.0.run_pending_tasks();
    }

    /// Forgets everything for this key.
    pub fn invalidate(&self, key: &CacheKey) {
        self.0.invalidate(key);
    }
}

impl Variants {
    /// The newest response that fits a request with these fields (RFC 9111 §4.1).
    pub fn select(&self, request: &HeaderMap) -> Option<&Arc<Entry>> {
        self.0.iter().find(|entry| entry.head().selector().matches(request))
    }

    /// The newest of all: the others are likely to vary by the same fields.
    pub fn newest(&self) -> Option<&Arc<Entry>> {
        self.0.first()
    }

    fn with(&self, entry: Arc<Entry>) -> Self {
        let replaces = |old: &Arc<Entry>| {
            let selector = entry.head().selector();
            selector.is_empty() || old.head().selector() == selector
        };
        let kept: Vec<_> = self.0.iter().filter(|old| !replaces(old)).cloned().collect();
        Self([entry.clone()].into_iter().chain(kept).take(MAX_VARIANTS).collect())
    }

    fn without(&self, entry: &Arc<Entry>) -> Self {
        Self(self.0.iter().filter(|stored| !Arc::ptr_eq(stored, entry)).cloned().collect())
    }

    fn weight(&self) -> usize {
        self.0.iter().map(|entry| entry.weight()).sum()
    }
}
