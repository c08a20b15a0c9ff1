//! Memory to read requests into and to write responses from. A connection has some only while it is at work: who waits needs
//! none, and what another has just used is still in the processor's cache.

use crate::message::places::Places;
use bytes::BytesMut;
use http::HeaderMap;
use std::cell::RefCell;

/// For how many connections each thread keeps some.
const KEPT: usize = 64;
/// In bytes: what has become larger is not kept.
const LARGE: usize = 32 * 1024;
/// The same for fields.
const MANY_FIELDS: usize = 128;

/// What a connection needs to answer requests, one after another. All of it is empty.
#[derive(Default)]
pub(super) struct Spare {
    /// For what is received.
    pub(super) received: BytesMut,
    /// For what is sent.
    pub(super) sent: Vec<u8>,
    /// For a request's fields.
    pub(super) headers: HeaderMap,
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

    /// Leaves it to the next.
    pub(super) fn leave(self) {
        let is_large = self.received.capacity() > LARGE
            || self.sent.capacity() > LARGE
            || self.headers.capacity() > MANY_FIELDS;
        SPARES.with_borrow_mut(|spares| {
            if !is_large && spares.len() < KEPT {
                spares.push(self);
            }
        });
    }
}
