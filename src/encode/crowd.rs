//! How many live encoders there may be: some take all the memory they like, the others make do with little, and no more
//! are begun where there are very many.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The encoders of this process.
pub(super) static CROWD: Crowd = Crowd::new();

/// A client that reads slowly keeps an encoder for as long as it likes, and an encoder takes up to 3 MB. So many take
/// 100 MB at worst; when nobody reads slowly there are never as many, since each is done as soon as its body has ended.
const ROOMY: usize = 32;

/// Even those that make do with little take up to half a megabyte. What comes on top of so many is sent as it is.
const MOST: usize = 160;

/// Counts those that there are.
pub(super) struct Crowd {
    roomy: AtomicUsize,
    all: AtomicUsize,
}

/// A place among them, free again when this is dropped.
pub(super) struct Place {
    crowd: &'static Crowd,
    /// Whether it may take all the memory it likes.
    pub(super) is_roomy: bool,
}

/// Whether another live body may be encoded. Otherwise it is better sent as it is.
pub fn has_room() -> bool {
    !CROWD.is_full()
}

impl Crowd {
    /// With all places free.
    pub(super) const fn new() -> Self {
        Self { roomy: AtomicUsize::new(0), all: AtomicUsize::new(0) }
    }

    /// A place for a body of this many bytes, if that is known. Half of the roomy ones are kept for those with a length: the
    /// others may be event streams, which would keep them all day.
    pub(super) fn enter(&'static self, length: Option<u64>) -> Place {
        let most = if length.is_some() { ROOMY } else { ROOMY / 2 };
        let is_roomy =
            self.roomy.fetch_update(Relaxed, Relaxed, |taken| (taken < most).then_some(taken + 1)).is_ok();
        self.all.fetch_add(1, Relaxed);
        Place { crowd: self, is_roomy }
    }

    fn is_full(&self) -> bool {
        self.all.load(Relaxed) >= MOST
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.all.fetch_sub(1, Relaxed);
        self.crowd.roomy.fetch_sub(usize::from(self.is_roomy), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_few_and_are_given_back() {
        static CROWD: Crowd = Crowd::new();
        let mut places: Vec<_> = (0..MOST).map(|_| CROWD.enter(Some(1))).collect();
        assert_eq!(places.iter().filter(|place| place.is_roomy).count(), ROOMY);
        assert!(CROWD.is_full());
        places.remove(0);
        assert!(!CROWD.is_full() && CROWD.enter(Some(1)).is_roomy);
        drop(places);
        assert!(CROWD.enter(None).is_roomy);
        assert_eq!((CROWD.all.load(Relaxed), CROWD.roomy.load(Relaxed)), (0, 0));
    }

    #[test]
    fn what_may_last_for_ever_leaves_half_of_them() {
        static CROWD: Crowd = Crowd::new();
        let endless: Vec<_> = (0..ROOMY).map(|_| CROWD.enter(None)).collect();
        let others: Vec<_> = (0..ROOMY).map(|_| CROWD.enter(Some(1))).collect();
        let roomy = |places: &[Place]| places.iter().filter(|place| place.is_roomy).count();
        assert_eq!((roomy(&endless), roomy(&others)), (ROOMY / 2, ROOMY / 2));
    }
}
