//! Idle connections to the worker, the one used last first, so that the others can age and go.

use hyper::client::conn::http1::SendRequest;
use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    task::AbortHandle,
    time::{Instant, interval, timeout},
};

/// Puma closes an idle connection after 20 s (65 s since version 7): ours go first.
const IDLE_LIMIT: Duration = Duration::from_secs(15);
/// No more idle connections than this are kept.
const MAX_IDLE: usize = 256;
/// A connection that has never been used is as good as a new one for this long.
const AS_NEW: Duration = Duration::from_secs(1);
/// How long a connection may take to get ready for the next request behind a response that is complete.
const READY_LIMIT: Duration = Duration::from_millis(20);

/// One end of a connection to the worker. Dropping it closes the connection, whatever may still be going on there: of a
/// request's body that is never going to be sent the library would wait for the end.
pub(super) struct Sender<B> {
    http: SendRequest<B>,
    task: AbortHandle,
}

impl<B> Sender<B> {
    /// `task` drives the connection.
    pub(super) fn new(http: SendRequest<B>, task: AbortHandle) -> Self {
        Self { http, task }
    }
}

impl<B> Deref for Sender<B> {
    type Target = SendRequest<B>;

    fn deref(&self) -> &SendRequest<B> {
        &self.http
    }
}

impl<B> DerefMut for Sender<B> {
    fn deref_mut(&mut self) -> &mut SendRequest<B> {
        &mut self.http
    }
}

impl<B> Drop for Sender<B> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The pool.
pub(super) struct Pool<B> {
    idle: Mutex<Vec<Idle<B>>>,
}

struct Idle<B> {
    sender: Sender<B>,
    since: Instant,
    used: bool,
}

/// A connection out of the pool.
pub(super) struct Taken<B> {
    pub(super) sender: Sender<B>,
    /// Whether the worker may be closing it in this very moment, as it does with connections that are idle for long.
    pub(super) may_be_stale: bool,
}

impl<B: http_body::Body + Send + 'static> Pool<B> {
    /// An empty pool and the task that keeps it tidy; within a runtime.
    pub(super) fn start() -> Arc<Self> {
        let pool = Arc::new(Self { idle: Mutex::new(Vec::new()) });
        let weak = Arc::downgrade(&pool);
        tokio::spawn(async move {
            let mut ticks = interval(IDLE_LIMIT / 3);
            loop {
                ticks.tick().await;
                let Some(pool) = weak.upgrade() else { return };
                pool.lock().retain(|idle| !idle.is_stale());
            }
        });
        pool
    }

    /// A connection that is ready for a request. `may_repeat`: the request can be sent once more if the worker closes
    /// the connection in this very moment; if not, a little time is spent on finding out whether it has.
    pub(super) async fn take(&self, may_repeat: bool) -> Option<Taken<B>> {
        loop {
            let Idle { mut sender, since, used } = self.pop()?;
            if !may_repeat {
                // Lets the connection's own task see what the kernel already knows.
                tokio::task::yield_now().await;
            }
            if sender.is_ready() || matches!(timeout(READY_LIMIT, sender.ready()).await, Ok(Ok(()))) {
                return Some(Taken { sender, may_be_stale: used || since.elapsed() > AS_NEW });
            }
        }
    }

    /// Takes a connection back.
    pub(super) fn put(&self, sender: Sender<B>) {
        self.keep(sender, true);
    }

    /// Keeps a new connection for the first request that comes.
    pub(super) fn put_new(&self, sender: Sender<B>) {
        self.keep(sender, false);
    }

    fn keep(&self, sender: Sender<B>, used: bool) {
        if sender.is_closed() {
            return;
        }
        let mut idle = self.lock();
        if idle.len() < MAX_IDLE {
            idle.push(Idle { sender, since: Instant::now(), used });
        }
    }

    fn pop(&self) -> Option<Idle<B>> {
        let mut idle = self.lock();
        loop {
            let newest = idle.pop()?;
            if !newest.is_stale() {
                return Some(newest);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle<B>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B> Idle<B> {
    fn is_stale(&self) -> bool {
        self.sender.is_closed() || self.since.elapsed() >= IDLE_LIMIT
    }
}
