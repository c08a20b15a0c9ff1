//! The accept loop.

use super::{
    Options, Timeouts,
    connection::{self, Patience, Session, Speech},
    cores::Cores,
    drain::{Accepting, Connections, Stage},
    listen, secure,
};
use crate::{
    message::{ConnectionInfo, Handler, Scheme},
    tcp, tls,
};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

/// First and longest pause after file descriptors or memory ran out.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
/// How long a connection that has begun may take to show up in the queue when no new one is let in.
const LAST_ARRIVALS: Duration = Duration::from_millis(20);

/// Accepts connections and serves each in a task of its own, on the core whose turn it is.
pub struct Acceptor<H> {
    handler: Arc<H>,
    cores: Arc<Cores>,
    connections: Arc<Connections>,
    /// Gone with the accept loop.
    _accepting: Accepting,
    timeouts: Timeouts,
    speech: Speech,
    /// What the handshake takes, where TLS is spoken.
    tls: Option<tls::Acceptor>,
    /// How many more connections may be open: the rest wait in the kernel's queue. One that has several requests answered at
    /// the same time counts as that many.
    room: Arc<Semaphore>,
}

impl<H: Handler> Acceptor<H> {
    /// `max_connections` bounds how many are served at the same time. Within a runtime.
    pub fn new(
        handler: Arc<H>,
        cores: Arc<Cores>,
        connections: Arc<Connections>,
        options: &Options,
        max_connections: usize,
    ) -> Self {
        let room = Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)));
        Self {
            handler,
            cores,
            _accepting: connections.accepting(),
            connections,
            timeouts: options.timeouts,
            speech: if options.h2c { Speech::Either } else { Speech::Http1 },
            tls: None,
            room,
        }
    }

    /// The same over TLS.
    pub fn secure(self, tls: tls::Acceptor) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// Accepts until the server begins to drain, then takes what the kernel has already accepted, and returns with the
    /// listener closed.
    pub async fn run(self, listener: TcpListener) {
        let mut stage = self.connections.stage();
        let mut pause = BACK_OFF.0;
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stage.wait_for(|stage| *stage >= Stage::Draining) => break,
                accepted = self.accept(&listener) => accepted,
            };
            match accepted {
                Ok(()) => pause = BACK_OFF.0,
                Err(error) if is_exhaustion(&error) => {
                    tracing::warn!(%error, "cannot accept connections; pausing");
                    sleep(pause).await;
                    pause = (pause * 2).min(BACK_OFF.1);
                }
                Err(error) => tracing::debug!(%error, "a connection was gone before it was accepted"),
            }
        }
        self.accept_last(listener).await;
    }

    /// Accepts one connection as soon as there is one and room for it.
    async fn accept(&self, listener: &TcpListener) -> io::Result<()> {
        // The semaphore is never closed.
        let Ok(room) = self.room.clone().acquire_owned().await else { return Ok(()) };
        let (socket, peer) = listener.accept().await?;
        self.spawn(socket, peer, room);
        Ok(())
    }

    /// Takes who is left in the kernel's queue. However long it takes to make room for them, they are served.
    async fn accept_last(&self, listener: TcpListener) {
        listen::turn_away(&listener);
        while let Ok(room) = self.room.clone().acquire_owned().await {
            match timeout(LAST_ARRIVALS, listener.accept()).await {
                Ok(Ok((socket, peer))) => self.spawn(socket, peer, room),
                Ok(Err(error)) if is_exhaustion(&error) => sleep(BACK_OFF.0).await,
                Ok(Err(_)) => {}
                Err(_) => return,
            }
        }
    }

    fn spawn(&self, socket: TcpStream, peer: SocketAddr, room: OwnedSemaphorePermit) {
        let Ok(local) = socket.local_addr() else { return };
        let seat = self.connections.enter();
        let scheme = if self.tls.is_some() { Scheme::Https } else { Scheme::Http };
        let session = Session {
            handler: self.handler.clone(),
            info: Arc::new(ConnectionInfo::new(peer, local, scheme)),
            timeouts: self.timeouts,
            seat,
            room: self.room.clone(),
            patience: Patience::new(),
        };
        let (speech, tls) = (self.speech, self.tls.clone());
        self.cores.deal(socket, move |socket| async move {
            match tls {
                // In a box, so that a plain connection does not carry its size.
                Some(tls) => Box::pin(secure::serve(tls, socket, session)).await,
                None => connection::serve(tcp::Stream(socket), session, speech).await,
            }
            drop(room);
        });
    }
}

/// Whether trying again at once would fail at once.
fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}
