//! A runtime a core. A connection is dealt out when it is accepted, and all that its requests need happens on its core: nothing
//! has to wake another core for it.

use std::{
    future::Future,
    io,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    net::TcpStream,
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// The runtimes of all cores: the one that accepts connections, and one in a thread of its own for each of the others.
pub struct Cores {
    own: Handle,
    others: Vec<Core>,
    next: AtomicUsize,
}

struct Core {
    handle: Handle,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Cores {
    /// `own` is the runtime that accepts connections; others are started for so many cores less one. `blocking` is how many
    /// threads of theirs may wait for disks, and what is still in flight at the end may take `last_tasks`.
    ///
    /// # Errors
    /// A runtime or its thread cannot be started.
    pub fn start(own: Handle, count: usize, blocking: usize, last_tasks: Duration) -> io::Result<Self> {
        let others = (1..count).map(|_| Core::start(blocking, last_tasks)).collect::<io::Result<_>>()?;
        Ok(Self { own, others, next: AtomicUsize::new(0) })
    }

    /// Serves a connection on the core whose turn it is.
    pub(super) fn deal<F>(&self, socket: TcpStream, serve: impl FnOnce(TcpStream) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let turn = self.next.fetch_add(1, Relaxed) % (self.others.len() + 1);
        let Some(core) = turn.checked_sub(1).and_then(|other| self.others.get(other)) else {
            self.own.spawn(serve(socket));
            return;
        };
        // It takes leave of one runtime's event loop and joins another's. Neither fails but for want of memory.
        let Ok(socket) = socket.into_std() else { return };
        core.handle.spawn(async move {
            if let Ok(socket) = TcpStream::from_std(socket) {
                serve(socket).await;
            }
        });
    }

    /// Ends what is still in flight.
    pub fn stop(self) {
        for core in self.others {
            // A thread that is gone has nothing in flight.
            let _ = core.stop.send(());
            let _ = core.thread.join();
        }
    }
}

impl Core {
    fn start(blocking: usize, last_tasks: Duration) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().max_blocking_threads(blocking).enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("core".into()).spawn(move || {
            // It is told, or the sender is gone.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_timeout(last_tasks);
        })?;
        Ok(Self { handle, stop, thread })
    }
}
