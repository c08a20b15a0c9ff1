//! Files that are served without any worker and lie in memory: their place is in the store, so that one limit holds for all,
//! but none of the rules of caching is for them. Whoever has the files says how long they are good.

use super::{Cache, CacheKey, Entry, filling::Share, fingerprint};
use std::sync::Arc;

impl Cache {
    /// The file that was put here by this name.
    pub fn shelved(&self, name: &str) -> Option<Arc<Entry>> {
        let variants = self.shared.as_ref()?.store.get(&CacheKey::of_file(name))?;
        variants.newest().cloned()
    }

    /// Puts a file here, in place of what it has been.
    pub fn shelve(&self, name: &str, entry: Arc<Entry>) {
        if let Some(shared) = &self.shared {
            shared.store.put(CacheKey::of_file(name), entry, || true);
        }
    }

    /// The file is no longer there.
    pub fn clear_from_shelf(&self, name: &str) {
        if let Some(shared) = &self.shared {
            shared.store.invalidate(&CacheKey::of_file(name));
        }
    }

    /// Whether a body of so many bytes may be kept in memory.
    pub fn takes(&self, length: u64) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.takes(length))
    }

    /// Room for a body of so many bytes, to be taken before it is read; `None` if it may not be kept in memory, or if there is
    /// none now.
    pub fn room_for(&self, bytes: u64) -> Option<Share> {
        self.shared.as_ref()?.room_for(bytes)
    }

    /// Whether what this target names is called after its content.
    pub fn is_fingerprinted(&self, target: &str) -> bool {
        fingerprint::is_asset(target, &self.fingerprinted)
    }
}
