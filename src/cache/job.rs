//! A stored body that shall lie ready in an encoding, too. Who can encode it does, and brings it back.

use super::{Cache, CacheKey, Entry, Shared, Wanted, entry::Content, serve};
use crate::message::encoding::Encoding;
use bytes::Bytes;
use std::sync::Arc;

/// The right to encode a stored body, and the duty to bring it back.
pub struct Job {
    shared: Arc<Shared>,
    key: CacheKey,
    entry: Arc<Entry>,
    body: Bytes,
    encoding: Encoding,
}

impl Cache {
    /// What is to be done so that the next such request finds this response ready in its encoding; `None` if nothing is: it is
    /// ready, somebody is doing it already or has found that it is not worth it, or it is not stored under this key.
    pub fn job(&self, entry: &Arc<Entry>, wanted: &Wanted, key: impl FnOnce() -> CacheKey) -> Option<Job> {
        let encoding = serve::missing(entry, wanted)?;
        let Content::Memory(body) = entry.body() else { return None };
        // Else it would be made again and again, and never kept.
        let shared = self.shared.as_ref().filter(|shared| shared.budget.has_room_for(body.len() as u64))?;
        entry.forms().filter(|forms| forms.claim(encoding))?;
        let job =
            Job { shared: shared.clone(), key: key(), entry: entry.clone(), body: body.clone(), encoding };
        // What is not stored, or no longer, is sent this once: to encode it with care would be in vain.
        shared.store.holds(&job.key, entry).then_some(job)
    }
}

impl Job {
    /// What is to be encoded.
    pub fn body(&self) -> Bytes {
        self.body.clone()
    }

    /// How.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Whether something that was quickly made is there already.
    pub fn is_there_for_now(&self) -> bool {
        self.entry.forms().is_some_and(|forms| forms.has(self.encoding))
    }

    /// Whether it is worth doing when its turn has come.
    pub fn is_wanted(&self) -> bool {
        self.shared.store.holds_body_of(&self.key, &self.entry)
    }

    /// Puts something that was quickly made beside the body, until it is finished.
    pub fn keep_for_now(&self, encoded: Bytes) {
        if let Some(owned) = self.shared.budget.own(encoded) {
            let add = |entry: &Entry| entry.add_form_for_now(self.encoding, owned.clone());
            self.shared.store.add_form(self.key.clone(), &self.entry, add);
        }
    }

    /// Puts it beside the body if that is still stored, and if there is room; `None` says that it is not worth it.
    pub fn finish(&self, encoded: Option<Bytes>) {
        let owned = match encoded {
            None => None,
            Some(encoded) => match self.shared.budget.own(encoded) {
                None => return,
                owned => owned,
            },
        };
        let add = |entry: &Entry| entry.add_form(self.encoding, owned.clone());
        self.shared.store.add_form(self.key.clone(), &self.entry, add);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // Where it was done this says nothing any more.
        if let Some(forms) = self.entry.forms() {
            forms.give_up(self.encoding);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use crate::message::{
        Headers,
        encoding::{self, Offer},
    };
    use http::Method;
    use std::time::{Instant, SystemTime};

    /// Asks for what is to be done for a GET that accepts these encodings.
    fn job(cache: &Cache, entry: &Arc<Entry>, accept: &str) -> Option<Job> {
        let headers = fields(&format!("accept-encoding: {accept}"));
        let encoding = encoding::choose(&headers, &Offer::new(Encoding::ALL));
        let (method, now, date) = (&Method::GET, Instant::now(), SystemTime::now());
        let wanted = Wanted {
            method,
            headers: &headers,
            encoding,
            offer: Offer::new(Encoding::ALL),
            live: true,
            now,
            date,
        };
        cache.job(entry, &wanted, || key("/"))
    }

    /// A cache with a script in it.
    fn stored() -> (Cache, Arc<Entry>) {
        let (cache, entry) = (cache(), Arc::new(script("", "etag: \"a\"")));
        store(&cache, &entry);
        (cache, entry)
    }

    fn store(cache: &Cache, entry: &Arc<Entry>) {
        cache.shared.as_ref().unwrap().store.put(key("/"), entry.clone(), || true);
    }

    fn form(entry: &Entry, encoding: Encoding) -> Option<Bytes> {
        entry.forms()?.get(encoding).map(|form| form.body)
    }

    #[test]
    fn it_is_done_once() {
        let (cache, entry) = stored();
        let first = job(&cache, &entry, "gzip").unwrap();
        assert_eq!((first.body(), first.encoding()), (Bytes::copy_from_slice(bytes(&entry)), Encoding::Gzip));
        assert!(job(&cache, &entry, "gzip").is_none());
        // Each encoding is a job of its own, whatever is ready or on its way beside it.
        job(&cache, &entry, "br").unwrap().finish(None);
        first.finish(Some(Bytes::from_static(b"gzip")));
        assert_eq!(form(&entry, Encoding::Gzip).unwrap(), "gzip");
        for accept in ["gzip", "br", "identity", "gzip;q=0.5, identity"] {
            assert!(job(&cache, &entry, accept).is_none(), "{accept}");
        }
        assert_eq!(job(&cache, &entry, "gzip, zstd").unwrap().encoding(), Encoding::Zstd);
    }

    #[test]
    fn what_is_there_for_now_is_still_to_be_made_well() {
        let (cache, entry) = stored();
        let first = job(&cache, &entry, "br").unwrap();
        assert!(!first.is_there_for_now());
        first.keep_for_now(Bytes::from_static(b"for now"));
        assert_eq!(form(&entry, Encoding::Brotli).unwrap(), "for now");
        assert!(job(&cache, &entry, "br").is_none(), "it is under way");
        drop(first);
        let second = job(&cache, &entry, "br").unwrap();
        assert!(second.is_there_for_now());
        second.finish(Some(Bytes::from_static(b"br")));
        drop(second);
        assert_eq!(form(&entry, Encoding::Brotli).unwrap(), "br");
        assert!(job(&cache, &entry, "br").is_none());
    }

    #[test]
    fn one_that_was_not_done_is_left_to_the_next() {
        let (cache, entry) = stored();
        drop(job(&cache, &entry, "gzip").unwrap());
        job(&cache, &entry, "gzip").unwrap().finish(Some(Bytes::from_static(b"gzip")));
        assert!(form(&entry, Encoding::Gzip).is_some());
    }

    #[test]
    fn what_is_not_stored_is_not_worth_it() {
        let cache = cache();
        let entry = Arc::new(script("", "etag: \"a\""));
        assert!(job(&cache, &entry, "gzip").is_none());
        store(&cache, &entry);
        assert!(job(&cache, &entry, "gzip").is_some());
        store(&cache, &Arc::new(script("", "etag: \"b\"")));
        assert!(job(&cache, &entry, "gzip").is_none());
    }

    #[test]
    fn what_was_renewed_meanwhile_gets_it_and_what_was_replaced_does_not() {
        let (cache, old) = stored();
        let request = Headers::new();
        let renew = |entry: &Entry| {
            entry.renewed(&asked("/", &request), &fields("x: 1"), Instant::now(), &options()).0
        };
        let first = job(&cache, &old, "gzip").unwrap();
        let renewed = Arc::new(renew(&old));
        store(&cache, &renewed);
        first.finish(Some(Bytes::from_static(b"gzip")));
        assert!(form(&renewed, Encoding::Gzip).is_some() && form(&old, Encoding::Gzip).is_none());
        let second = job(&cache, &renewed, "br").unwrap();
        let other = Arc::new(script("", "etag: \"b\""));
        store(&cache, &other);
        second.finish(Some(Bytes::from_static(b"br")));
        assert!(form(&renewed, Encoding::Brotli).is_none() && form(&other, Encoding::Brotli).is_none());
    }

    /// What is encoded has its share of the budget while it is kept, and no share is lost.
    #[test]
    fn without_room_it_is_not_kept() {
        const BUDGET: usize = 1 << 21;
        let (cache, entry) = stored();
        let [first, second] = [(); 2].map(|()| {
            let job = job(&cache, &entry, "gzip").unwrap();
            entry.forms().unwrap().give_up(Encoding::Gzip);
            job
        });
        let all = held(&cache, BUDGET - 100).unwrap();
        assert!(job(&cache, &entry, "gzip").is_none(), "it would be made in vain");
        first.finish(Some(vec![0; 101].into()));
        assert!(form(&entry, Encoding::Gzip).is_none());
        second.finish(Some(vec![0; 100].into()));
        assert!(form(&entry, Encoding::Gzip).is_some() && held(&cache, 1).is_none());
        drop(all);
        assert!(held(&cache, BUDGET - 100).is_some());
        // One that comes too late is given up with its share.
        let late = job(&cache, &entry, "br").unwrap();
        cache.shared.as_ref().unwrap().store.invalidate(&key("/"));
        late.finish(Some(vec![0; 100].into()));
        assert!(form(&entry, Encoding::Brotli).is_none());
        assert!(held(&cache, BUDGET - 99).is_none());
        assert!(held(&cache, BUDGET - 100).is_some());
    }
}
