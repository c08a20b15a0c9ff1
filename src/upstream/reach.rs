//! Whether the worker can be reached, and how patient requests are while it cannot.

use super::UpstreamError;
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
};

/// How long a request waits for a closed port of a worker that we run: it may be in the middle of a restart.
const MOMENT: Duration = Duration::from_secs(1);
/// How long what a worker wrote before it ended may still be read.
const LAST_WORDS: Duration = Duration::from_millis(250);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It has never accepted a connection.
    Booting,
    /// It accepts connections, as far as is known.
    Open,
    /// It has refused connections since then.
    Refusing(Instant),
    /// Its process has ended.
    Gone,
}

/// What is known of the worker's reachability.
pub(super) struct Reach {
    boot_timeout: Duration,
    /// Whether we run the worker.
    supervised: bool,
    state: watch::Sender<State>,
    /// Whether the state is [`State::Open`], as it nearly always is. Each request asks: to look here takes no lock.
    is_open: AtomicBool,
    /// Until then a closed port is a restart that was asked for.
    restart: Mutex<Option<Instant>>,
}

/// Since when the worker's port has been closed; `None`: it was never open.
pub(super) type ClosedSince = Option<Instant>;

impl Reach {
    /// A worker that has not been heard of yet.
    pub(super) fn new(boot_timeout: Duration, supervised: bool) -> Self {
        Self {
            boot_timeout,
            supervised,
            state: watch::Sender::new(State::Booting),
            is_open: AtomicBool::new(false),
            restart: Mutex::new(None),
        }
    }

    pub(super) fn is_booting(&self) -> bool {
        self.state() == State::Booting
    }

    pub(super) fn expect_restart(&self) {
        *self.restart.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Instant::now() + self.boot_timeout);
    }

    /// Whether a restart was asked for and may still be going on.
    pub(super) fn is_restarting(&self) -> bool {
        self.restart_until().is_some_and(|until| until > Instant::now())
    }

    pub(super) fn worker_gone(&self) {
        self.change(|_| Some(State::Gone));
    }

    /// A connection was accepted. An error where that was not by the worker, which has ended, but by what it has left behind.
    pub(super) fn opened(&self) -> Result<(), UpstreamError> {
        self.change(|state| (!matches!(state, State::Open | State::Gone)).then_some(State::Open));
        if self.state() == State::Gone { Err(UpstreamError::Died) } else { Ok(()) }
    }

    /// A connection was refused. An error where there is no point in waiting.
    pub(super) fn refused(&self) -> Result<(), UpstreamError> {
        if !self.supervised {
            return Err(UpstreamError::Refused);
        }
        self.change(|state| (state == State::Open).then(|| State::Refusing(Instant::now())));
        match self.state() {
            State::Refusing(since) if self.opens_until(since) <= Instant::now() => {
                Err(UpstreamError::Refused)
            }
            State::Gone => Err(UpstreamError::Died),
            _ => Ok(()),
        }
    }

    /// Waits while the worker's port is closed and may open soon, for a request that came in at `began`.
    pub(super) async fn wait(&self, began: Instant) -> Result<(), UpstreamError> {
        match self.state() {
            State::Open => Ok(()),
            // In a box: it is open nearly always.
            state => Box::pin(self.wait_while(state, began)).await,
        }
    }

    async fn wait_while(&self, state: State, began: Instant) -> Result<(), UpstreamError> {
        let (deadline, late) = match state {
            State::Open => return Ok(()),
            State::Gone => return Err(UpstreamError::Died),
            State::Booting => (began + self.boot_timeout, UpstreamError::BootTimeout),
            State::Refusing(since) => (self.opens_until(since), UpstreamError::Refused),
        };
        if state != State::Booting && deadline <= Instant::now() {
            // It has been closed for long. Perhaps it is not any more.
            return Ok(());
        }
        let mut changes = self.state.subscribe();
        // What it has waited for is not kept: it holds a lock, and who asks for the state once more could wait behind who changes it.
        let waited = timeout_at(deadline, async { _ = changes.wait_for(|now| *now != state).await }).await;
        match waited {
            Ok(()) if self.state() == State::Gone => Err(UpstreamError::Died),
            Ok(()) => Ok(()),
            Err(_) => Err(late),
        }
    }

    /// Ready when the worker's port is closed and may open soon.
    pub(super) async fn closed(&self) -> ClosedSince {
        let is_closed = |state: &State| matches!(state, State::Booting | State::Refusing(_));
        loop {
            // The sender lives as long as `self`.
            let closed = self.state.subscribe().wait_for(is_closed).await.map(|state| *state);
            match closed {
                Ok(State::Refusing(since)) if self.opens_until(since) > Instant::now() => return Some(since),
                Ok(State::Booting) => return None,
                // Closed for good, as it seems: only a request finds out whether it has opened.
                _ => {
                    let _ = self.state.subscribe().changed().await;
                }
            }
        }
    }

    /// Whether the port that was found closed still is, and may open soon.
    pub(super) fn is_worth_knocking(&self, since: ClosedSince) -> bool {
        match (self.state(), since) {
            (State::Booting, None) => true,
            (State::Refusing(now), Some(since)) => now == since && self.opens_until(since) > Instant::now(),
            _ => false,
        }
    }

    /// Ready a moment after the worker has ended.
    pub(super) async fn gone(&self) {
        // The sender lives as long as `self`.
        let _ = self.state.subscribe().wait_for(|state| *state == State::Gone).await;
        sleep(LAST_WORDS).await;
    }

    /// How long a port that is closed since then is taken for one in a restart.
    fn opens_until(&self, since: Instant) -> Instant {
        self.restart_until().map_or(since, |until| until.max(since)).max(since + MOMENT)
    }

    fn restart_until(&self) -> Option<Instant> {
        *self.restart.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> State {
        if self.is_open.load(SeqCst) { State::Open } else { *self.state.borrow() }
    }

    /// Changes the state to what `next` says, if it says anything.
    fn change(&self, next: impl FnOnce(State) -> Option<State>) {
        self.state.send_if_modified(|state| {
            let next = next(*state);
            *state = next.unwrap_or(*state);
            self.is_open.store(*state == State::Open, SeqCst);
            next.is_some()
        });
    }
}
