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

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use std::time::Instant;

    fn varying(request: &str, vary: &str, body: &'static str) -> Arc<Entry> {
        let response = format!("cache-control: max-age=60 | vary: {vary}");
        Arc::new(entry(request, 200, &response, body, Instant::now()))
    }

    fn found(store: &Store, target: &str, request: &str) -> Option<String> {
        let variants = store.get(&key(target))?;
        variants.select(&fields(request)).map(|entry| String::from_utf8(entry.body().to_vec()).unwrap())
    }

    #[test]
    fn variants_lie_beside_each_other() {
        let store = Store::new(1 << 20);
        store.put(key("/"), varying("accept: a", "accept", "a"));
        store.put(key("/"), varying("accept: b", "accept", "b"));
        store.put(key("/x"), varying("", "", "x"));
        for (target, request, body) in [
            ("/", "accept: a", Some("a")),
            ("/", "accept: b", Some("b")),
            ("/", "accept: c", None),
            ("/", "", None),
            ("/x", "accept: c", Some("x")),
            ("/y", "", None),
        ] {
            assert_eq!(found(&store, target, request).as_deref(), body, "{target} {request}");
        }
        assert!(store.get(&key("/y")).is_none());
    }

    #[test]
    fn the_newest_that_fits_is_served() {
        // RFC 9111 §4.1
        let store = Store::new(1 << 20);
        store.put(key("/"), varying("", "", "all"));
        store.put(key("/"), varying("accept: a", "accept", "a"));
        assert_eq!(found(&store, "/", "accept: a").as_deref(), Some("a"));
        assert_eq!(found(&store, "/", "accept: b").as_deref(), Some("all"));
        assert_eq!(store.get(&key("/")).unwrap().newest().unwrap().body(), "a");
        // One more that fits both
        store.put(key("/"), varying("accept: a | cookie: b", "cookie", "b"));
        assert_eq!(found(&store, "/", "accept: a | cookie: b").as_deref(), Some("b"));
        assert_eq!(found(&store, "/", "accept: a").as_deref(), Some("a"));
    }

    #[test]
    fn a_newer_response_to_the_same_requests_replaces_the_older() {
        let store = Store::new(1 << 20);
        let count = || store.get(&key("/")).unwrap().0.len();
        for (request, vary, body, expected) in [
            ("accept: a", "accept", "1", 1),
            ("accept: a", "accept", "2", 1),
            ("accept: b", "accept", "3", 2),
            ("accept: a", "accept", "4", 2),
            // By other fields: nobody knows that it is the same.
            ("accept: a | cookie: c", "accept, cookie", "5", 3),
            // It fits everybody.
            ("", "", "6", 1),
        ] {
            store.put(key("/"), varying(request, vary, body));
            assert_eq!(found(&store, "/", request).as_deref(), Some(body));
            assert_eq!(count(), expected, "after {body}");
        }
    }

    #[test]
    fn variants_are_bounded_in_number() {
        let store = Store::new(1 << 20);
        for number in 0..40 {
            store.put(key("/"), varying(&format!("accept: {number}"), "accept", "x"));
        }
        let kept = |number| found(&store, "/", &format!("accept: {number}")).is_some();
        assert!((0..24).all(|number| !kept(number)) && (24..40).all(kept));
    }

    #[test]
    fn everything_counts_and_the_limit_holds() {
        let store = Store::new(100_000);
        let body = || {
            Arc::new(Entry::new(
                head("", 200, "cache-control: max-age=60"),
                vec![0; 9_000].into(),
                Instant::now(),
            ))
        };
        let weight = key("/00").weight() + body().weight() + OVERHEAD;
        for number in 0..50 {
            store.put(key(&format!("/{number:02}")), body());
            let (count, bytes) = (store.0.entry_count(), store.0.weighted_size());
            assert!(bytes <= 100_000 && bytes == count * weight as u64, "{count} items of {bytes} bytes");
        }
        assert!(store.0.entry_count() >= 8);
        // Variants of one item count, too.
        let store = Store::new(100_000);
        let one = varying("accept: a", "accept", "abc");
        let two = varying("accept: b", "accept", "defg");
        let expected = key("/").weight() + one.weight() + two.weight() + OVERHEAD;
        store.put(key("/"), one);
        store.put(key("/"), two);
        assert_eq!(store.0.weighted_size(), expected as u64);
    }

    #[test]
    fn one_is_forgotten_and_the_others_are_not() {
        let store = Store::new(1 << 20);
        let [a, b] = ["a", "b"].map(|value| varying(&format!("accept: {value}"), "accept", "x"));
        store.put(key("/"), a.clone());
        store.put(key("/"), b.clone());
        store.forget(key("/"), &a);
        assert_eq!(
            (found(&store, "/", "accept: a"), found(&store, "/", "accept: b").is_some()),
            (None, true)
        );
        // One that has been replaced meanwhile is another.
        let newer = varying("accept: b", "accept", "y");
        store.put(key("/"), newer.clone());
        store.forget(key("/"), &b);
        assert_eq!(found(&store, "/", "accept: b").as_deref(), Some("y"));
        store.forget(key("/"), &newer);
        store.forget(key("/other"), &newer);
        assert!(store.get(&key("/")).is_none() && store.get(&key("/other")).is_none());
        assert_eq!(store.0.entry_count(), 0);
    }

    #[test]
    fn what_is_invalidated_is_gone_with_all_its_variants() {
        let store = Store::new(1 << 20);
        for value in ["a", "b"] {
            store.put(key("/"), varying(&format!("accept: {value}"), "accept", "x"));
        }
        store.put(key("/other"), varying("", "", "x"));
        store.invalidate(&key("/"));
        assert!(store.get(&key("/")).is_none() && store.get(&key("/other")).is_some());
    }
}
