//! How many live encoders there may be that take all the memory they like; the others make do with little.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The encoders of this process.
pub(super) static CROWD: Crowd = Crowd::new();

/// A client that reads slowly keeps an encoder for as long as it likes, and an encoder takes up to 3 MB. So many take
/// 100 MB at worst; when nobody reads slowly there are never as many, since each is done as soon as its body has ended.
const MOST: usize = 32;

/// Counts those that there are.
pub(super) struct Crowd {
    places: AtomicUsize,
}

/// A place among them, free again when this is dropped.
pub(super) struct Place {
    crowd: &'static Crowd,
}

impl Crowd {
    /// With all places free.
    pub(super) const fn new() -> Self {
        Self { places: AtomicUsize::new(0) }
    }

    /// A place for a body of this many bytes, if that is known, while there is one. Half of them are kept for those
    /// with a length: the others may be event streams, which would keep them all day.
    pub(super) fn enter(&'static self, length: Option<u64>) -> Option<Place> {
        let most = if length.is_some() { MOST } else { MOST / 2 };
        let before = self.places.fetch_add(1, Relaxed);
        let place = Place { crowd: self };
        (before < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.places.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_few_and_are_given_back() {
        static CROWD: Crowd = Crowd::new();
        let mut places: Vec<_> = (0..MOST).map(|_| CROWD.enter(Some(1)).unwrap()).collect();
        assert!((0..10).all(|_| CROWD.enter(Some(1)).is_none()));
        places.pop();
        places.extend(CROWD.enter(Some(1)));
        assert_eq!(places.len(), MOST);
        drop(places);
        assert!(CROWD.enter(None).is_some());
    }

    #[test]
    fn what_may_last_for_ever_leaves_half_of_them() {
        static CROWD: Crowd = Crowd::new();
        let endless: Vec<_> = (0..MOST).filter_map(|_| CROWD.enter(None)).collect();
        let others: Vec<_> = (0..MOST).filter_map(|_| CROWD.enter(Some(1))).collect();
        assert_eq!((endless.len(), others.len()), (MOST / 2, MOST / 2));
    }
}
