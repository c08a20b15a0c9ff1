//! A stored body that shall lie ready in an encoding, too. Who can encode it does, and brings it back.

use super::{Cache, CacheKey, Entry, Shared, entry::Content};
use crate::message::encoding::Encoding;
use bytes::Bytes;
use std::sync::Arc;

/// The right to encode a stored body, and the duty to bring it back.
pub struct Job {
    shared: Arc<Shared>,
    key: CacheKey,
    entry: Arc<Entry>,
    encoding: Encoding,
}

impl Cache {
    /// What is to be done so that this entry lies ready in this encoding; `None` if somebody is doing it already, or has found
    /// that it is not worth it.
    pub fn job(&self, entry: &Arc<Entry>, encoding: Encoding, key: impl FnOnce() -> CacheKey) -> Option<Job> {
        let shared = self.shared.clone()?;
        entry.forms().filter(|forms| forms.claim(encoding))?;
        Some(Job { shared, key: key(), entry: entry.clone(), encoding })
    }
}

impl Job {
    /// What is to be encoded.
    pub fn body(&self) -> Bytes {
        match self.entry.body() {
            Content::Memory(bytes) => bytes.clone(),
            Content::File(_) => Bytes::new(),
        }
    }

    /// How.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Puts it beside the body if that is still stored, and if there is room; `None` says that it is not worth it.
    pub fn finish(self, encoded: Option<Bytes>) {
        // Where there is no room for it, it is not worth making again and again either.
        let owned = encoded.and_then(|encoded| self.shared.budget.own(encoded));
        self.shared.store.add_form(self.key.clone(), &self.entry, self.encoding, owned);
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
