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
    /// When it is dropped the core ends.
    _running: oneshot::Sender<()>,
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

    /// How many there are.
    pub fn count(&self) -> usize {
        self.others.len() + 1
    }

    /// Serves a connection on the core whose turn it is.
    pub(super) fn deal<F>(&self, socket: TcpStream, serve: impl FnOnce(TcpStream) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let turn = self.next.fetch_add(1, Relaxed) % self.count();
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
        // All are told at once, by letting go of them, and then each is waited for.
        let threads: Vec<_> = self.others.into_iter().map(|core| core.thread).collect();
        for thread in threads {
            // One that has panicked has nothing in flight.
            let _ = thread.join();
        }
    }
}

impl Core {
    fn start(blocking: usize, last_tasks: Duration) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().max_blocking_threads(blocking).enable_all().build()?;
        let handle = runtime.handle().clone();
        let (running, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("core".into()).spawn(move || {
            // Nothing is ever sent: it ends with its sender.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_timeout(last_tasks);
        })?;
        Ok(Self { handle, _running: running, thread })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::HashSet, sync::mpsc, thread};
    use tokio::{io::AsyncReadExt, net::TcpListener};

    #[tokio::test]
    async fn connections_are_dealt_out_in_turn_and_end_with_their_core() {
        let last_tasks = Duration::from_secs(5);
        let cores = Cores::start(Handle::current(), 3, 1, last_tasks).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (told, where_served) = mpsc::channel();
        let mut clients = Vec::new();
        for _ in 0..6 {
            clients.push(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
            let (socket, _) = listener.accept().await.unwrap();
            let told = told.clone();
            cores.deal(socket, move |mut socket| async move {
                socket.read_u8().await.unwrap();
                told.send(thread::current().id()).unwrap();
                std::future::pending::<()>().await;
            });
        }
        for client in &clients {
            while client.try_write(b"x").is_err() {
                client.writable().await.unwrap();
            }
        }
        let served = tokio::task::spawn_blocking(move || where_served.iter().take(6).collect::<Vec<_>>());
        let served = served.await.unwrap();
        assert_eq!(served.iter().collect::<HashSet<_>>().len(), 3, "{served:?}");
        cores.stop();
        // What was served by the others is closed; what is served here goes on.
        let mut closed = 0;
        for mut client in clients {
            closed +=
                usize::from(tokio::time::timeout(Duration::from_millis(50), client.read_u8()).await.is_ok());
        }
        assert_eq!(closed, 4);
    }
}
