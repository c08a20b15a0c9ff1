//! What a connection's parts know of each other: the wire below the HTTP library, the service above it, and the
//! connection that watches the clock.
//!
//! All of them run in one task; the atomics are there for the compiler, never for a race.

use crate::message::Refused;
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::Instant;

/// The state of one connection.
pub(super) struct Link {
    epoch: Instant,
    /// Requests handed to the library whose responses are not finished.
    pending: AtomicU32,
    idle_since: Stamp,
    head_since: Stamp,
    blocked_since: Stamp,
    head_late: AtomicBool,
    upgrade: AtomicU8,
    /// Requests handed to the library, and of these the ones that it has handed on. It may read ahead.
    handed: AtomicU32,
    taken: AtomicU32,
    /// The refused request and its number among those handed over.
    refused: Mutex<Option<(u32, Refused)>>,
}

/// What became of a request to switch protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upgrade {
    /// The response is not there yet: what the client sends may be either protocol.
    Undecided,
    /// HTTP goes on.
    Declined,
    /// The rest of the connection is the other protocol.
    Accepted,
}

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

impl Link {
    pub(super) fn new() -> Self {
        let link = Self {
            epoch: Instant::now(),
            pending: AtomicU32::new(0),
            idle_since: Stamp::default(),
            head_since: Stamp::default(),
            blocked_since: Stamp::default(),
            head_late: AtomicBool::new(false),
            upgrade: AtomicU8::new(Upgrade::Declined as u8),
            handed: AtomicU32::new(0),
            taken: AtomicU32::new(0),
            refused: Mutex::new(None),
        };
        link.idle_since.set(link.epoch);
        link
    }

    /// The first bytes of a head have arrived, but not all.
    pub(super) fn head_started(&self) {
        if !self.head_since.is_set() {
            self.head_since.set(self.epoch);
        }
    }

    /// A request is handed to the library.
    pub(super) fn request_started(&self, upgrade: Upgrade) {
        self.head_since.clear();
        self.upgrade.store(upgrade as u8, Relaxed);
        self.pending.fetch_add(1, Relaxed);
        self.handed.fetch_add(1, Relaxed);
    }

    /// A response has ended.
    pub(super) fn response_ended(&self) {
        self.pending.fetch_sub(1, Relaxed);
        self.idle_since.set(self.epoch);
    }

    /// The client takes nothing (`true`) or something (`false`) of what is waiting for it.
    pub(super) fn blocked(&self, blocked: bool) {
        match (blocked, self.blocked_since.is_set()) {
            (true, false) => self.blocked_since.set(self.epoch),
            (false, true) => self.blocked_since.clear(),
            _ => {}
        }
    }

    /// Whether any request was handed over yet.
    pub(super) fn has_served(&self) -> bool {
        self.handed.load(Relaxed) > 0
    }

    /// What the client keeps us waiting for; `None` while it waits for us.
    pub(super) fn waiting(&self) -> Option<Waiting> {
        if let Some(since) = self.blocked_since.get(self.epoch) {
            return Some(Waiting::Blocked(since));
        }
        if self.pending.load(Relaxed) > 0 {
            return None;
        }
        let head = self.head_since.get(self.epoch).map(Waiting::Head);
        head.or_else(|| self.idle_since.get(self.epoch).map(Waiting::Idle))
    }

    /// The head's deadline has passed: the wire refuses it when it is read next.
    pub(super) fn expire_head(&self) {
        self.head_since.clear();
        self.head_late.store(true, Relaxed);
    }

    pub(super) fn head_is_late(&self) -> bool {
        self.head_late.load(Relaxed)
    }

    /// The request that the library took last is answered. One that was read ahead of it has its decision to come.
    pub(super) fn decide_upgrade(&self, upgrade: Upgrade) {
        if self.taken.load(Relaxed) == self.handed.load(Relaxed) {
            self.upgrade.store(upgrade as u8, Relaxed);
        }
    }

    pub(super) fn upgrade(&self) -> Upgrade {
        match self.upgrade.load(Relaxed) {
            0 => Upgrade::Undecided,
            1 => Upgrade::Declined,
            _ => Upgrade::Accepted,
        }
    }

    /// The request that was handed over last stands for one that is refused.
    pub(super) fn refuse(&self, refused: Refused) {
        let number = self.handed.load(Relaxed);
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some((number, refused));
    }

    /// The library hands on the next request: what is refused in its place, if it is a stand-in.
    pub(super) fn take_refused(&self) -> Option<Refused> {
        let number = self.taken.fetch_add(1, Relaxed).wrapping_add(1);
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.take_if(|(stand_in, _)| *stand_in == number).map(|(_, refused)| refused)
    }
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
