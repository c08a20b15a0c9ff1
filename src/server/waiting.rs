//! What a client keeps a connection waiting for.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};
use tokio::time::Instant;

/// What the connection waits for, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// For the next request; nothing of it has arrived.
    Idle(Instant),
    /// For the rest of a request's head.
    Head(Instant),
    /// For the client to take what is waiting for it.
    Blocked(Instant),
}

/// A moment in milliseconds since the connection began, or none.
#[derive(Default)]
pub(super) struct Stamp(AtomicU64);

impl Stamp {
    pub(super) fn set(&self, epoch: Instant) {
        self.0.store(epoch.elapsed().as_millis() as u64 + 1, Relaxed);
    }

    pub(super) fn clear(&self) {
        self.0.store(0, Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Relaxed) != 0
    }

    pub(super) fn get(&self, epoch: Instant) -> Option<Instant> {
        let stamp = self.0.load(Relaxed).checked_sub(1)?;
        Some(epoch + Duration::from_millis(stamp))
    }
}
