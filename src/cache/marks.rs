//! When something was last noted of a key, in a small table that forgets.

use super::CacheKey;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// 32 KB. Keys that meet in one slot forget each other.
const SLOTS: usize = 4096;
/// A slot's lower bits hold a time in microseconds (35 years), the others some of the key's hash. In milliseconds, what is
/// fetched right after it was invalidated could not be told from what was fetched before.
const TIME_BITS: u32 = 50;

/// Times by key. It knows no keys but some bits of their hashes: what is decided by it may cost a fetch when it is mistaken,
/// and never more.
pub struct Marks {
    slots: Box<[AtomicU64]>,
    beginning: Instant,
}

impl Marks {
    /// An empty table; times before `beginning` count as that.
    pub fn new(beginning: Instant) -> Self {
        let slots = (0..SLOTS).map(|_| AtomicU64::new(0)).collect();
        Self { slots, beginning }
    }

    /// Notes a key.
    pub fn mark(&self, key: &CacheKey, now: Instant) {
        let (slot, tag) = self.place(key);
        let mark = tag << TIME_BITS | self.micros(now);
        // Whoever is held up between the clock and here must not take back a later mark.
        let _ = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            (held & TIME <= mark & TIME).then_some(mark)
        });
    }

    /// Takes it back.
    pub fn clear(&self, key: &CacheKey) {
        self.place(key).0.store(0, Ordering::Relaxed);
    }

    /// Whether this key was noted not longer ago than this. A key that was may have been forgotten.
    pub fn is_recent(&self, key: &CacheKey, now: Instant, within: Duration) -> bool {
        let (slot, tag) = self.place(key);
        let held = slot.load(Ordering::Relaxed);
        held != 0 && held >> TIME_BITS == tag && (held & TIME) + within.as_micros() as u64 > self.micros(now)
    }

    /// Whether this key may have been noted at this time or later: a key that was is never missed.
    pub fn may_be_marked(&self, key: &CacheKey, since: Instant) -> bool {
        self.place(key).0.load(Ordering::Relaxed) & TIME >= self.micros(since)
    }

    fn place(&self, key: &CacheKey) -> (&AtomicU64, u64) {
        let hash = key.hash();
        (&self.slots[hash as usize % SLOTS], hash >> TIME_BITS)
    }

    /// At least 1, since 0 is a slot where nothing was noted.
    fn micros(&self, time: Instant) -> u64 {
        1 + (time.saturating_duration_since(self.beginning).as_micros() as u64 & (TIME >> 1))
    }
}

const TIME: u64 = (1 << TIME_BITS) - 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Headers;

    #[test]
    fn a_key_is_remembered_for_as_long_as_one_asks() {
        let start = Instant::now();
        let second = |seconds| start + Duration::from_secs(seconds);
        let marks = Marks::new(start);
        let [a, b] = ["/a", "/b"].map(|target| CacheKey::new(&Headers::new(), target));
        let minute = Duration::from_secs(60);
        assert!(!marks.is_recent(&a, start, minute) && !marks.may_be_marked(&a, start));
        marks.mark(&a, second(10));
        assert!(marks.is_recent(&a, second(10), minute) && marks.is_recent(&a, second(69), minute));
        assert!(!marks.is_recent(&a, second(70), minute) && !marks.is_recent(&b, second(10), minute));
        assert!(marks.may_be_marked(&a, second(9)) && marks.may_be_marked(&a, second(10)));
        assert!(!marks.may_be_marked(&a, second(10) + Duration::from_micros(1)));
        marks.mark(&a, second(9));
        assert!(marks.may_be_marked(&a, second(10)), "an earlier mark that comes late");
        marks.clear(&a);
        assert!(!marks.is_recent(&a, second(10), minute));
    }
}
