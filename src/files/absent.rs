//! Names that were looked for in vain a moment ago. Most requests are for pages, which are no files: without this each would
//! have to go to a thread that may block, which costs more than all the rest of looking.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// A name that has come to be is found within this time.
const REMEMBERED: Duration = Duration::from_secs(1);

/// How many names are remembered at most.
const PLACES: usize = 4096;

/// Of a place the lower bits are a time, the upper ones those of a name's hash.
const TIME_BITS: u32 = 24;

/// Milliseconds of which such times are counted: they repeat after a week and a half.
const TICK: u128 = 64;

/// A table of hashes. The one who could make another name have the same 52 bits as a file's does not know the key.
pub struct Absent {
    key: RandomState,
    places: Box<[AtomicU64]>,
    start: Instant,
}

impl Absent {
    /// Remembers nothing so far.
    pub fn new(start: Instant) -> Self {
        let places = std::iter::repeat_with(AtomicU64::default).take(PLACES).collect();
        Self { key: RandomState::new(), places, start }
    }

    /// Whether this name was not there within the last second.
    pub fn is_known(&self, name: &str, now: Instant) -> bool {
        let (place, mark) = self.place(name, now);
        let found = place.load(Ordering::Relaxed);
        let age = (mark.wrapping_sub(found)) & ((1 << TIME_BITS) - 1);
        found >> TIME_BITS == mark >> TIME_BITS && u128::from(age) * TICK < REMEMBERED.as_millis()
    }

    /// This name is not there.
    pub fn remember(&self, name: &str, now: Instant) {
        let (place, mark) = self.place(name, now);
        place.store(mark, Ordering::Relaxed);
    }

    /// Where a name is remembered, and as what.
    fn place(&self, name: &str, now: Instant) -> (&AtomicU64, u64) {
        let hash = self.key.hash_one(name);
        // One later than at the start, which an empty place would be taken for.
        let ticks = now.saturating_duration_since(self.start).as_millis() / TICK + 32;
        let time = (ticks as u64) & ((1 << TIME_BITS) - 1);
        (&self.places[hash as usize % PLACES], (hash >> TIME_BITS << TIME_BITS) | time)
    }
}

impl fmt::Debug for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Absent").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_there_is_known_for_a_second() {
        let start = Instant::now();
        let absent = Absent::new(start);
        let after = |millis| start + Duration::from_millis(millis);
        assert!(!absent.is_known("/a", start));
        for begin in [0, 5_000, 1_000_000_000] {
            absent.remember("/a", after(begin));
            assert!(absent.is_known("/a", after(begin)) && absent.is_known("/a", after(begin + 900)));
            assert!(!absent.is_known("/a", after(begin + 1_100)) && !absent.is_known("/b", after(begin)));
        }
    }

    #[test]
    fn no_name_is_taken_for_another() {
        let start = Instant::now();
        let absent = Absent::new(start);
        let names = || (0..20_000).map(|number| format!("/{number}"));
        names().step_by(2).for_each(|name| absent.remember(&name, start));
        assert!(names().skip(1).step_by(2).all(|name| !absent.is_known(&name, start)));
        let known = names().step_by(2).filter(|name| absent.is_known(name, start)).count();
        assert!(known > PLACES / 2 && known <= PLACES, "{known}");
    }
}
