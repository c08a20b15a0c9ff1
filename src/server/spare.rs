//! Memory to read requests into and to write responses from. A connection has some only while it is at work: who waits needs
//! none, and what another has just used is still in the processor's cache.

use super::wire::READ;
use crate::message::{Headers, places::Places};
use bytes::BytesMut;
use std::cell::RefCell;

/// For how many connections each thread keeps some, about 14 KB each. On the way of a hit one is enough; whoever waits for the
/// worker has its own, and with room for 16 alone a request among 64 took an eighth more of CPU outside the
/// kernel.
const KEPT: usize = 64;
/// In bytes: what has become larger is not kept.
const LARGE: usize = 2 * READ;
/// The same for fields.
const MANY_FIELDS: usize = 64;

/// What a connection needs to answer requests, one after another. All of it is empty.
#[derive(Default)]
pub(super) struct Spare {
    /// For what is received.
    pub(super) received: BytesMut,
    /// For what is sent.
    pub(super) sent: Vec<u8>,
    /// For a request's fields.
    pub(super) headers: Headers,
    pub(super) places: Box<Places>,
}

thread_local! {
    static SPARES: RefCell<Vec<Spare>> = const { RefCell::new(Vec::new()) };
}

impl Spare {
    /// What was left last on this thread.
    pub(super) fn take() -> Self {
        SPARES.with_borrow_mut(Vec::pop).unwrap_or_default()
    }

    /// Leaves it to the next, but for what is too large.
    pub(super) fn leave(mut self) {
        // Its capacity is what is left behind the last head; and somebody may hold on to that.
        if !self.received.try_reclaim(READ) || self.received.try_reclaim(LARGE + 1) {
            self.received = BytesMut::new();
        }
        if self.sent.capacity() > LARGE {
            self.sent = Vec::new();
        }
        if self.headers.capacity() > MANY_FIELDS {
            self.headers = Headers::new();
        }
        SPARES.with_borrow_mut(|spares| {
            if spares.len() < KEPT {
                spares.push(self);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory that a head of so many bytes was read into.
    fn used(length: usize) -> BytesMut {
        let mut memory = BytesMut::new();
        memory.reserve(READ);
        memory.extend_from_slice(&vec![b'x'; length]);
        drop(memory.split_to(length).freeze());
        memory
    }

    #[test]
    fn what_was_left_is_taken_and_is_empty() {
        Spare { received: used(100), sent: Vec::with_capacity(500), ..Spare::default() }.leave();
        let Spare { mut received, sent, .. } = Spare::take();
        assert!(received.is_empty() && received.try_reclaim(READ), "all of it can be used");
        assert_eq!((sent.len(), sent.capacity()), (0, 500));
    }

    #[test]
    fn what_is_large_is_not_kept() {
        for length in [20_000, 40_000, 60_000, 65_000] {
            let sent = Vec::with_capacity(length);
            let headers = Headers::with_capacity(500);
            Spare { received: used(length), sent, headers, ..Spare::default() }.leave();
            let Spare { mut received, sent, headers, .. } = Spare::take();
            assert!(!received.try_reclaim(1), "{length}");
            assert_eq!((sent.capacity(), headers.capacity()), (0, 0), "{length}");
        }
    }

    #[test]
    fn what_somebody_holds_on_to_is_not_kept() {
        let mut received = BytesMut::with_capacity(READ);
        received.extend_from_slice(b"GET /");
        let held = received.split().freeze();
        Spare { received, ..Spare::default() }.leave();
        assert_eq!(Spare::take().received.capacity(), 0);
        assert_eq!(held, "GET /");
    }

    #[test]
    fn only_so_much_is_kept() {
        for _ in 0..2 * KEPT {
            Spare { received: used(10), ..Spare::default() }.leave();
        }
        let taken = (0..2 * KEPT).map(|_| Spare::take()).filter(|spare| spare.received.capacity() > 0);
        assert_eq!(taken.count(), KEPT);
    }
}
