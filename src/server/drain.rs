//! Who is still connected, and the stages of going away.
//!
//! Draining ends connections as their requests finish; WebSockets and event streams would hold it up for ever, so they
//! are closed as soon as only they are left.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};
use tokio::sync::{Notify, watch};

/// How far the server is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Not at all.
    Serving,
    /// Connections end with their current request.
    Draining,
    /// Streams that have no end of their own are closed too.
    Closing,
    /// Whatever is still there is cut off.
    Over,
}

/// All open connections.
pub struct Connections {
    stage: watch::Sender<Stage>,
    /// Whether the stage is another than the first. Each response asks: to look here takes no lock.
    is_leaving: AtomicBool,
    /// Accept loops that are still running.
    accepting: AtomicUsize,
    open: AtomicUsize,
    streaming: AtomicUsize,
    changed: Notify,
}

impl Connections {
    /// None yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            stage: watch::Sender::new(Stage::Serving),
            is_leaving: AtomicBool::new(false),
            accepting: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            streaming: AtomicUsize::new(0),
            changed: Notify::new(),
        })
    }

    /// Ends accepting, lets connections end with their current request, and closes WebSockets and event streams once only
    /// they are left; ready when all are gone.
    pub async fn drain(&self) {
        self.advance(Stage::Draining);
        self.wait(|open, streaming| open == streaming).await;
        self.advance(Stage::Closing);
        self.wait(|open, _| open == 0).await;
    }

    /// Cuts off whatever is still there, and waits until it is gone.
    pub async fn cut_off(&self) {
        self.advance(Stage::Over);
        self.wait(|open, _| open == 0).await;
    }

    /// How many connections there are.
    pub fn open(&self) -> usize {
        self.open.load(SeqCst)
    }

    pub(super) fn stage(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// A mark for an accept loop: while there is one, more connections may come.
    pub(super) fn accepting(self: &Arc<Self>) -> Accepting {
        self.accepting.fetch_add(1, SeqCst);
        Accepting { connections: self.clone() }
    }

    /// A place for a new connection.
    pub(super) fn enter(self: &Arc<Self>) -> Seat {
        self.open.fetch_add(1, SeqCst);
        Seat { connections: self.clone(), stage: self.stage() }
    }

    fn advance(&self, stage: Stage) {
        // First, so that who is told of a new stage sees that there is one.
        self.is_leaving.store(true, SeqCst);
        self.stage.send_if_modified(|current| {
            let later = stage > *current;
            *current = stage.max(*current);
            later
        });
    }

    /// Waits until nobody accepts any more, and the numbers of open and of streaming connections are as is wished.
    async fn wait(&self, reached: impl Fn(usize, usize) -> bool) {
        loop {
            let changed = self.changed.notified();
            if self.accepting.load(SeqCst) == 0
                && reached(self.open.load(SeqCst), self.streaming.load(SeqCst))
            {
                return;
            }
            changed.await;
        }
    }
}

/// The mark of an accept loop that is running.
pub(super) struct Accepting {
    connections: Arc<Connections>,
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.connections.accepting.fetch_sub(1, SeqCst);
        self.connections.changed.notify_waiters();
    }
}

/// One connection's place; dropping it leaves.
pub(super) struct Seat {
    connections: Arc<Connections>,
    pub(super) stage: watch::Receiver<Stage>,
}

impl Seat {
    /// How far the server is on its way out.
    pub(super) fn stage(&self) -> Stage {
        if self.connections.is_leaving.load(SeqCst) { *self.stage.borrow() } else { Stage::Serving }
    }

    /// Marks this connection as one that only streams, until the mark is dropped.
    pub(super) fn streaming(&self) -> Streaming {
        self.connections.streaming.fetch_add(1, SeqCst);
        self.connections.changed.notify_waiters();
        Streaming { connections: self.connections.clone(), stage: self.stage.clone() }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.connections.open.fetch_sub(1, SeqCst);
        self.connections.changed.notify_waiters();
    }
}

/// Waits until what has no end of its own is to end.
pub(super) async fn closing(mut stage: watch::Receiver<Stage>) {
    // Whoever waits has a place, and with it the sender.
    let _ = stage.wait_for(|stage| *stage >= Stage::Closing).await;
}

/// The mark of a WebSocket or event stream.
pub(super) struct Streaming {
    connections: Arc<Connections>,
    stage: watch::Receiver<Stage>,
}

impl Streaming {
    /// Whether it is to end now.
    pub(super) fn must_close(&self) -> bool {
        *self.stage.borrow() >= Stage::Closing
    }

    /// Waits until it is to end.
    pub(super) async fn closing(self) {
        closing(self.stage.clone()).await;
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.connections.streaming.fetch_sub(1, SeqCst);
        self.connections.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn streams_are_closed_when_only_they_are_left() {
        let connections = Connections::new();
        let (accepting, busy, streamer) = (connections.accepting(), connections.enter(), connections.enter());
        let stream = streamer.streaming();
        let mut closing = Box::pin(closing(stream.stage.clone()));
        let drained = tokio::spawn({
            let connections = connections.clone();
            async move { connections.drain().await }
        });
        tokio::task::yield_now().await;
        drop(accepting);
        tokio::task::yield_now().await;
        assert!(!stream.must_close(), "a request is still in flight");
        drop(busy);
        (&mut closing).await;
        assert!(!drained.is_finished());
        drop((stream, streamer));
        drained.await.unwrap();
        assert_eq!(connections.open(), 0);
    }
}
