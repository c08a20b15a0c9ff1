//! Idle connections to the worker, the one used last first, so that the others can age and go.

use super::connection::Connection;
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread::available_parallelism,
    time::Duration,
};
use tokio::time::{Instant, interval};

/// Puma closes an idle connection after 20 s (65 s since version 7): ours go first.
const IDLE_LIMIT: Duration = Duration::from_secs(15);
/// No more idle connections than this are kept. There were as many requests at the same time, of which there is a limit.
const MAX_IDLE: usize = 4_096;
/// Of those no more keep their buffers.
const WITH_BUFFERS: usize = 256;
/// So many requests under way on one core are many: requests come in together, and the worker has plenty to do meanwhile.
const MANY: usize = 16;
/// A connection that has never been used is as good as a new one for this long.
const AS_NEW: Duration = Duration::from_secs(1);

/// The pool. Each core has a shelf of its own, where the connections lie that its event loop watches: another one's would be heard
/// of by way of that core.
pub(super) struct Pool {
    shelves: Box<[Shelf]>,
}

#[derive(Default)]
struct Shelf {
    idle: Mutex<Vec<Idle>>,
    /// How many of this core's requests are under way.
    under_way: AtomicUsize,
}

/// A request that is under way, until this is dropped.
pub(super) struct UnderWay<'a> {
    all: &'a AtomicUsize,
}

/// The number of this thread among those that have used a pool.
pub(super) fn thread_number() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = THREADS.fetch_add(1, Relaxed);
    }
    NUMBER.with(|number| *number)
}

struct Idle {
    connection: Box<Connection>,
    since: Instant,
    used: bool,
}

/// A connection out of the pool.
pub(super) struct Taken {
    pub(super) connection: Box<Connection>,
    /// Whether the worker may be closing it in this very moment, as it does with connections that are idle for long.
    pub(super) may_be_stale: bool,
}

impl Pool {
    /// An empty pool and the task that keeps it tidy; within a runtime.
    pub(super) fn start() -> Arc<Self> {
        let cores = available_parallelism().map_or(1, usize::from);
        let pool = Arc::new(Self { shelves: (0..cores).map(|_| Shelf::default()).collect() });
        let weak = Arc::downgrade(&pool);
        tokio::spawn(async move {
            let mut ticks = interval(IDLE_LIMIT / 3);
            loop {
                ticks.tick().await;
                let Some(pool) = weak.upgrade() else { return };
                for shelf in &pool.shelves {
                    shelf.lock().retain_mut(Idle::tidy);
                }
            }
        });
        pool
    }

    /// A connection that is ready for a request that came in at `began`. `may_repeat`: the request can be sent once more if
    /// the worker closes the connection in this very moment; if not, the kernel is asked whether it has.
    pub(super) fn take(&self, may_repeat: bool, began: Instant) -> Option<Taken> {
        loop {
            let Idle { connection, since, used } = self.pop(began)?;
            if connection.is_idle() && (may_repeat || connection.is_surely_idle()) {
                return Some(Taken {
                    connection,
                    may_be_stale: used || began.duration_since(since) > AS_NEW,
                });
            }
        }
    }

    /// Takes a connection back.
    pub(super) fn put(&self, connection: Box<Connection>) {
        self.keep(connection, true);
    }

    /// Keeps a new connection for the first request that comes.
    pub(super) fn put_new(&self, connection: Box<Connection>) {
        self.keep(connection, false);
    }

    fn keep(&self, mut connection: Box<Connection>, used: bool) {
        let Some(shelf) = self.shelves.get(connection.core() % self.shelves.len()) else { return };
        let mut idle = shelf.lock();
        if idle.len() >= WITH_BUFFERS {
            connection.rest();
        }
        if idle.len() < MAX_IDLE {
            idle.push(Idle { connection, since: Instant::now(), used });
        }
    }

    /// A request of this core sets out.
    pub(super) fn set_out(&self) -> UnderWay<'_> {
        let all = &self.shelves[thread_number() % self.shelves.len()].under_way;
        all.fetch_add(1, Relaxed);
        UnderWay { all }
    }

    /// The newest of this core's, or else one of another's.
    fn pop(&self, now: Instant) -> Option<Idle> {
        let (before, from) = self.shelves.split_at(thread_number() % self.shelves.len());
        from.iter().chain(before).find_map(|shelf| {
            let mut idle = shelf.lock();
            std::iter::from_fn(|| idle.pop()).find(|newest| !newest.is_stale(now))
        })
    }
}

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay<'_> {
    /// Whether it is one of many.
    pub(super) fn is_one_of_many(&self) -> bool {
        self.all.load(Relaxed) >= MANY
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Relaxed);
    }
}

impl Idle {
    fn is_stale(&self, now: Instant) -> bool {
        // Kept later than `now` it is not idle at all.
        now.duration_since(self.since) >= IDLE_LIMIT
    }

    /// Whether it is still good for something; takes its buffers from one that has nothing to do.
    fn tidy(&mut self) -> bool {
        let now = Instant::now();
        if now.duration_since(self.since) > AS_NEW {
            self.connection.rest();
        }
        !self.is_stale(now) && self.connection.is_idle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{io::AsyncWriteExt, net::UnixStream, time::timeout};

    #[tokio::test]
    async fn however_many_the_worker_has_closed_none_is_taken() {
        let pool = Pool::start();
        // More than a task may look at in one go.
        for _ in 0..300 {
            let (ours, mut worker) = UnixStream::pair().unwrap();
            worker.write_all(b"stray").await.unwrap();
            pool.put(Box::new(Connection::new(ours.into())));
        }
        let seen = async {
            while pool.shelves.iter().any(|shelf| shelf.lock().iter().any(|idle| idle.connection.is_idle())) {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(20), seen).await.unwrap();
        assert!(pool.take(true, Instant::now()).is_none());
    }

    #[tokio::test]
    async fn requests_are_many_while_they_are_under_way() {
        let pool = Pool::start();
        let mut under_way: Vec<_> = (1..MANY).map(|_| pool.set_out()).collect();
        assert!(under_way.iter().all(|request| !request.is_one_of_many()));
        under_way.push(pool.set_out());
        assert!(under_way.iter().all(UnderWay::is_one_of_many));
        under_way.pop();
        assert!(!under_way[0].is_one_of_many());
    }
}
