//! Everything that is stored, within a limit of bytes. The one place that knows moka.

use super::{CacheKey, Entry, key::Hashed};
use crate::message::Headers;
use moka::{
    ops::compute::Op,
    sync::{Cache, CacheBuilder},
};
use std::{hash::BuildHasherDefault, slice, sync::Arc};

/// Responses to one URL that are kept beside each other. Those that were stored first go first.
const MAX_VARIANTS: usize = 16;

/// What an item costs beside what it says it holds: the library's two reference-counted nodes, its place in the table and in
/// the queues, the allocator's rounding.
const OVERHEAD: usize = 600;

/// Stored responses by key, the least useful of them gone when there is no room (TinyLFU).
pub struct Store(Cache<CacheKey, Variants, BuildHasherDefault<Hashed>>);

/// The responses to one URL, the newest first.
#[derive(Clone)]
pub enum Variants {
    /// As it mostly is: found without a detour.
    One(Arc<Entry>),
    /// Two or more.
    Several(Arc<[Arc<Entry>]>),
}

impl Store {
    /// An empty one for this many bytes.
    pub fn new(bytes: u64) -> Self {
        let weigher = |key: &CacheKey, variants: &Variants| {
            u32::try_from(key.weight() + variants.weight() + OVERHEAD).unwrap_or(u32::MAX)
        };
        Self(CacheBuilder::new(bytes).weigher(weigher).build_with_hasher(BuildHasherDefault::default()))
    }

    /// What is stored for this key.
    pub fn get(&self, key: &CacheKey) -> Option<Variants> {
        self.0.get(key)
    }

    /// Whether anything is stored for this key. That somebody asked is not remembered of it.
    pub fn has(&self, key: &CacheKey) -> bool {
        self.0.contains_key(key)
    }

    /// Whether this very response is stored for this key.
    pub fn holds(&self, key: &CacheKey, entry: &Arc<Entry>) -> bool {
        self.get(key).is_some_and(|variants| variants.all().iter().any(|stored| Arc::ptr_eq(stored, entry)))
    }

    /// Whether this response's body is stored, perhaps under a newer head.
    pub fn holds_body_of(&self, key: &CacheKey, entry: &Entry) -> bool {
        self.get(key)
            .is_some_and(|variants| variants.all().iter().any(|stored| stored.shares_body_with(entry)))
    }

    /// Stores a response in place of the one that the same requests would get, if it is wanted still; whether it was. What is
    /// done to one key is done one after another, the question included: an invalidation comes before it or behind.
    pub fn put(&self, key: CacheKey, entry: Arc<Entry>, is_wanted: impl FnOnce() -> bool) -> bool {
        let mut wanted = false;
        self.0.entry(key).and_compute_with(|stored| {
            wanted = is_wanted();
            if !wanted {
                return Op::Nop;
            }
            Op::Put(match stored {
                Some(stored) => stored.into_value().with(entry),
                None => Variants::One(entry),
            })
        });
        // The library would do this later: by then many large bodies may have come.
        self.0.run_pending_tasks();
        wanted
    }

    /// Has `add` give a response another form of its body, if that is still stored, perhaps under a newer head; it is weighed anew.
    pub fn add_form(&self, key: CacheKey, entry: &Entry, add: impl Fn(&Entry)) {
        self.0.entry(key).and_compute_with(|stored| {
            let Some(stored) = stored else { return Op::Nop };
            let variants: Variants = stored.into_value();
            let mut found = false;
            for same in variants.all().iter().filter(|stored| stored.shares_body_with(entry)) {
                add(same);
                found = true;
            }
            if found { Op::Put(variants) } else { Op::Nop }
        });
        self.0.run_pending_tasks();
    }

    /// Forgets one response, if it is still stored.
    pub fn forget(&self, key: CacheKey, entry: &Arc<Entry>) {
        self.0.entry(key).and_compute_with(|stored| {
            let Some(stored) = stored else { return Op::Nop };
            stored.into_value().without(entry).map_or(Op::Remove, Op::Put)
        });
        self.0.run_pending_tasks();
    }

    /// Forgets everything for this key.
    pub fn invalidate(&self, key: &CacheKey) {
        // The library's own way of it would not wait for a `put`, which then brings back what it has read.
        self.0.entry_by_ref(key).and_compute_with(|_| Op::Remove);
    }
}

impl Variants {
    /// The newest response that fits a request with these fields (RFC 9111 §4.1).
    /// Gives all of them back where none fits.
    pub fn select(self, request: &Headers) -> Result<Arc<Entry>, Self> {
        let fits = |entry: &&Arc<Entry>| entry.head().selector().matches(request);
        match self {
            Self::One(entry) if fits(&&entry) => Ok(entry),
            Self::One(_) => Err(self),
            Self::Several(all) => all.iter().find(fits).cloned().ok_or(Self::Several(all)),
        }
    }

    /// The newest of all: the others are likely to vary by the same fields.
    pub fn newest(&self) -> Option<&Arc<Entry>> {
        self.all().first()
    }

    fn all(&self) -> &[Arc<Entry>] {
        match self {
            Self::One(entry) => slice::from_ref(entry),
            Self::Several(all) => all,
        }
    }

    fn with(&self, entry: Arc<Entry>) -> Self {
        let replaces = |old: &Arc<Entry>| {
            let selector = entry.head().selector();
            selector.is_empty() || old.head().selector() == selector
        };
        // A slow body may be complete only when a later response is already stored (RFC 9111 §4).
        if self.all().iter().any(|old| replaces(old) && old.arrived_after(&entry)) {
            return self.clone();
        }
        let kept: Vec<_> = self.all().iter().filter(|old| !replaces(old)).cloned().collect();
        if kept.is_empty() {
            return Self::One(entry);
        }
        Self::Several([entry.clone()].into_iter().chain(kept).take(MAX_VARIANTS).collect())
    }

    /// `None` where there is no other.
    fn without(&self, entry: &Arc<Entry>) -> Option<Self> {
        let others = self.all().iter().filter(|stored| !Arc::ptr_eq(stored, entry));
        let others: Arc<[_]> = others.cloned().collect();
        match &*others {
            [] => None,
            [only] => Some(Self::One(only.clone())),
            _ => Some(Self::Several(others)),
        }
    }

    fn weight(&self) -> usize {
        self.all().iter().map(|entry| entry.weight()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use crate::message::encoding::Encoding;
    use std::{
        sync::mpsc,
        thread,
        time::{Duration, Instant},
    };

    fn varying(request: &str, vary: &str, body: &'static str) -> Arc<Entry> {
        let response = format!("cache-control: max-age=60 | vary: {vary}");
        Arc::new(entry(request, 200, &response, body, Instant::now()))
    }

    fn found(store: &Store, target: &str, request: &str) -> Option<String> {
        let variants = store.get(&key(target))?;
        variants.select(&fields(request)).ok().map(|entry| String::from_utf8(bytes(&entry).to_vec()).unwrap())
    }

    #[test]
    fn variants_lie_beside_each_other() {
        let store = Store::new(1 << 20);
        store.put(key("/"), varying("accept: a", "accept", "a"), || true);
        store.put(key("/"), varying("accept: b", "accept", "b"), || true);
        store.put(key("/x"), varying("", "", "x"), || true);
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
        store.put(key("/"), varying("", "", "all"), || true);
        store.put(key("/"), varying("accept: a", "accept", "a"), || true);
        assert_eq!(found(&store, "/", "accept: a").as_deref(), Some("a"));
        assert_eq!(found(&store, "/", "accept: b").as_deref(), Some("all"));
        assert_eq!(bytes(store.get(&key("/")).unwrap().newest().unwrap()), b"a");
        // One more that fits both
        store.put(key("/"), varying("accept: a | cookie: b", "cookie", "b"), || true);
        assert_eq!(found(&store, "/", "accept: a | cookie: b").as_deref(), Some("b"));
        assert_eq!(found(&store, "/", "accept: a").as_deref(), Some("a"));
    }

    #[test]
    fn a_newer_response_to_the_same_requests_replaces_the_older() {
        let store = Store::new(1 << 20);
        let count = || store.get(&key("/")).unwrap().all().len();
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
            store.put(key("/"), varying(request, vary, body), || true);
            assert_eq!(found(&store, "/", request).as_deref(), Some(body));
            assert_eq!(count(), expected, "after {body}");
        }
    }

    #[test]
    fn variants_are_bounded_in_number() {
        let store = Store::new(1 << 20);
        for number in 0..40 {
            store.put(key("/"), varying(&format!("accept: {number}"), "accept", "x"), || true);
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
            store.put(key(&format!("/{number:02}")), body(), || true);
            let (count, bytes) = (store.0.entry_count(), store.0.weighted_size());
            assert!(bytes <= 100_000 && bytes == count * weight as u64, "{count} items of {bytes} bytes");
        }
        assert!(store.0.entry_count() >= 8);
        // Variants of one item count, too.
        let store = Store::new(100_000);
        let one = varying("accept: a", "accept", "abc");
        let two = varying("accept: b", "accept", "defg");
        let expected = key("/").weight() + one.weight() + two.weight() + OVERHEAD;
        store.put(key("/"), one, || true);
        store.put(key("/"), two, || true);
        assert_eq!(store.0.weighted_size(), expected as u64);
    }

    #[test]
    fn a_form_counts_from_when_it_is_there() {
        let store = Store::new(1 << 20);
        let entry = Arc::new(script("", "etag: \"a\""));
        let weight = || store.0.weighted_size();
        let expected = || (key("/").weight() + entry.weight() + OVERHEAD) as u64;
        store.put(key("/"), entry.clone(), || true);
        let before = weight();
        store.add_form(key("/"), &entry, |entry| entry.add_form(Encoding::Brotli, None));
        assert_eq!((weight(), expected()), (before, before));
        let add = |length: usize| {
            move |entry: &Entry| entry.add_form_for_now(Encoding::Gzip, vec![0; length].into())
        };
        store.add_form(key("/"), &entry, add(2000));
        let for_now = weight();
        assert!(for_now > before + 2000 && for_now == expected());
        store.add_form(key("/"), &entry, |entry| entry.add_form(Encoding::Gzip, Some(vec![0; 1000].into())));
        assert_eq!((weight(), expected()), (for_now - 1000, for_now - 1000));
        let forms = entry.forms().unwrap();
        assert!(forms.is_worthless(Encoding::Brotli) && forms.has(Encoding::Gzip));
        // What is gone, or is another by now, gets none.
        for stored in [Some(Arc::new(script("", "etag: \"b\""))), None] {
            store.invalidate(&key("/"));
            stored.into_iter().for_each(|stored| assert!(store.put(key("/"), stored, || true)));
            store.add_form(key("/"), &entry, |entry| {
                entry.add_form(Encoding::Zstd, Some(vec![0; 1000].into()))
            });
            assert!(!forms.has(Encoding::Zstd));
        }
        assert!(store.get(&key("/")).is_none());
    }

    #[test]
    fn forms_are_held_within_the_limit() {
        let store = Store::new(100_000);
        let entries: Vec<_> = (0..12).map(|_| Arc::new(script("", "etag: \"a\""))).collect();
        for (number, entry) in entries.iter().enumerate() {
            store.put(key(&format!("/{number}")), entry.clone(), || true);
        }
        let before = store.0.entry_count();
        for (number, entry) in entries.iter().enumerate() {
            let add = |entry: &Entry| entry.add_form(Encoding::Gzip, Some(vec![0; 9_000].into()));
            store.add_form(key(&format!("/{number}")), entry, add);
            assert!(store.0.weighted_size() <= 100_000, "{number}");
        }
        assert!(before == 12 && (5..12).contains(&store.0.entry_count()), "{}", store.0.entry_count());
    }

    #[test]
    fn one_is_forgotten_and_the_others_are_not() {
        let store = Store::new(1 << 20);
        let [a, b] = ["a", "b"].map(|value| varying(&format!("accept: {value}"), "accept", "x"));
        store.put(key("/"), a.clone(), || true);
        store.put(key("/"), b.clone(), || true);
        store.forget(key("/"), &a);
        assert_eq!(
            (found(&store, "/", "accept: a"), found(&store, "/", "accept: b").is_some()),
            (None, true)
        );
        // One that has been replaced meanwhile is another.
        let newer = varying("accept: b", "accept", "y");
        store.put(key("/"), newer.clone(), || true);
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
            store.put(key("/"), varying(&format!("accept: {value}"), "accept", "x"), || true);
        }
        store.put(key("/other"), varying("", "", "x"), || true);
        store.invalidate(&key("/"));
        assert!(store.get(&key("/")).is_none() && store.get(&key("/other")).is_some());
    }

    #[test]
    fn what_comes_in_late_does_not_replace_what_is_newer() {
        let store = Store::new(1 << 20);
        let start = Instant::now();
        let arrived = |vary, seconds, body| {
            let response = format!("cache-control: max-age=60 | vary: {vary}");
            let arrived = start + Duration::from_secs(seconds);
            Arc::new(entry("accept: a", 200, &response, body, arrived))
        };
        for (vary, seconds, body, expected) in [
            ("accept", 5, "newer", "newer"),
            ("accept", 4, "slow", "newer"),
            ("", 4, "slow", "newer"),
            ("accept", 6, "newest", "newest"),
        ] {
            store.put(key("/"), arrived(vary, seconds, body), || true);
            assert_eq!(found(&store, "/", "accept: a").as_deref(), Some(expected), "{body}");
        }
    }

    #[test]
    fn an_invalidation_at_the_moment_of_storing_is_not_lost() {
        let store = Arc::new(Store::new(1 << 20));
        store.put(key("/"), varying("accept: a", "accept", "old"), || true);
        let (done, invalidated) = mpsc::channel();
        let mut thread = None;
        let invalidate = || {
            let store = store.clone();
            thread = Some(thread::spawn(move || {
                store.invalidate(&key("/"));
                done.send(()).unwrap();
            }));
            // Either it is through by then, or it waits.
            let _ = invalidated.recv_timeout(Duration::from_millis(200));
            true
        };
        store.put(key("/"), varying("accept: b", "accept", "new"), invalidate);
        thread.unwrap().join().unwrap();
        assert!(store.get(&key("/")).is_none());
        // And one before it is seen by it.
        assert!(!store.put(key("/"), varying("", "", "x"), || false) && store.get(&key("/")).is_none());
    }
}
