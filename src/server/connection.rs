//! One client's connection, from its first byte to its last; after its first ones, if it speaks HTTP/1.
//!
//! While a connection is idle it is no more than a socket and a timer: what it takes to answer a request is set up when
//! bytes arrive, and given back when the connection has been quiet for a while.

use super::{
    Timeouts,
    drain::{Seat, Stage},
    http1::{self, End},
    http2, preface, tunnel,
    wire::Wire,
};
use crate::{
    message::{ConnectionInfo, Handler, Tunnel},
    tcp,
};
use bytes::BytesMut;
use http::HeaderValue;
use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    sync::Semaphore,
    time::{Instant, sleep_until, timeout},
};

/// A connection that has been idle this long becomes no more than a socket and a timer: to begin anew costs a microsecond, to
/// be ready some kilobytes.
const PARK_AFTER: Duration = Duration::from_millis(250);
/// While draining, a client that may be about to send its next request has this long to do so…
pub(super) const DRAIN_GRACE: Duration = Duration::from_millis(500);
/// … and one that has connected but not asked for anything yet has this long.
pub(super) const DRAIN_GRACE_FIRST: Duration = Duration::from_secs(1);
/// How long, and for how many bytes, a closed connection is still read from, so that the client gets to read the last
/// response before the kernel resets the connection (RFC 9112 §9.6).
const LINGER: (Duration, usize) = (Duration::from_secs(2), 256 * 1024);
/// Longer than any connection waits.
pub(super) const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// A stream of bytes that can be waited for without a buffer.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Whether there may be bytes to read at the beginning that the socket has given out already.
    const READS_AHEAD: bool = false;

    /// Whether the socket has taken bytes since this was last asked, where it may do so though nothing could be written: where
    /// what was written is held back until there is room for it.
    fn has_moved(&mut self) -> bool {
        false
    }

    /// Ready when there is something to read; with `false` at the end.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<bool>;
}

impl Transport for tcp::Stream {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<bool> {
        // A look, since the runtime takes a new socket for readable until it has been read from in vain.
        let mut byte = [0];
        self.0.poll_peek(cx, &mut ReadBuf::new(&mut byte)).map(|seen| seen.is_ok_and(|bytes| bytes > 0))
    }
}

/// A connection, but for its socket: what serves it, what is known of it, and how long it may take.
pub(super) struct Session<H> {
    pub(super) handler: Arc<H>,
    pub(super) info: Arc<ConnectionInfo>,
    pub(super) timeouts: Timeouts,
    pub(super) seat: Seat,
    /// Room for more requests at the same time than one.
    pub(super) room: Arc<Semaphore>,
    pub(super) patience: Patience,
}

/// Since when the client is waited for.
pub(super) struct Patience {
    idle_since: Instant,
    /// Since when there is a part of a request's head.
    head_since: Option<Instant>,
    /// Whether any request was answered.
    has_served: bool,
}

impl Patience {
    /// That with a client who has just come.
    pub(super) fn new() -> Self {
        Self { idle_since: Instant::now(), head_since: None, has_served: false }
    }
}

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speech {
    /// HTTP/1 from the first byte.
    Http1,
    /// HTTP/2 (RFC 9113), as was agreed on before.
    Http2,
    /// What the first bytes say.
    Either,
}

/// Serves one connection to its end.
pub(super) async fn serve<S: Transport, H: Handler>(mut socket: S, mut session: Session<H>, speech: Speech) {
    let mut received = BytesMut::new();
    if speech != Speech::Http1 {
        let has_begun = S::READS_AHEAD || session.wait_for_client(|cx| socket.poll_readable(cx)).await;
        // In boxes of their own, so that an idle connection does not carry their size.
        let prefers = speech == Speech::Either
            && has_begun
            && Box::pin(session.prefers_http2(&mut socket, &mut received)).await;
        if has_begun && (prefers || speech == Speech::Http2) {
            return Box::pin(http2::serve(socket, session, prefers)).await;
        }
    }
    let mut is_there = S::READS_AHEAD || !received.is_empty();
    let wire = Arc::new(Mutex::new(Wire::new(socket, received)));
    loop {
        let is_there = std::mem::take(&mut is_there)
            || session.wait_for_client(|cx| lock(&wire).poll_readable(cx)).await;
        let end = if is_there { Box::pin(http1::converse(&mut session, &wire)).await } else { End::Finished };
        match end {
            End::Quiet => {}
            End::Finished => break,
            End::Broken => return,
            End::Switched(tunnel) => return Box::pin(session.switch(&wire, tunnel)).await,
        }
    }
    drop(session.seat);
    let left = lock(&wire).take();
    if let Some((socket, _)) = left {
        Box::pin(linger(socket)).await;
    }
}

/// What the parts of a connection share: its wire, or the socket below HTTP/2's library.
pub(super) fn lock<T>(part: &Mutex<T>) -> MutexGuard<'_, T> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<H: Handler> Session<H> {
    /// Waits for the client's next bytes; false when there will be none, or it has taken too long.
    async fn wait_for_client(
        &mut self,
        mut poll_readable: impl FnMut(&mut Context<'_>) -> Poll<bool>,
    ) -> bool {
        loop {
            let stage = *self.seat.stage.borrow_and_update();
            let deadline = self.idle_deadline(stage).unwrap_or_else(|| Instant::now() + FAR);
            tokio::select! {
                biased;
                readable = poll_fn(&mut poll_readable) => return readable,
                () = sleep_until(deadline) => return false,
                _ = self.seat.stage.changed() => {}
            }
        }
    }

    /// Whether the client begins with HTTP/2. Where it takes too long for that, HTTP/1 refuses what it has sent.
    async fn prefers_http2<S: Transport>(&mut self, socket: &mut S, received: &mut BytesMut) -> bool {
        let late = self.head_deadline().unwrap_or_else(|| Instant::now() + FAR);
        tokio::select! {
            biased;
            is_next = preface::is_next(socket, received) => is_next,
            () = sleep_until(late) => false,
            _ = self.seat.stage.wait_for(|stage| *stage == Stage::Over) => false,
        }
    }

    /// A response has ended: the next request is waited for.
    pub(super) fn wait_for_next(&mut self) {
        self.patience = Patience { idle_since: Instant::now(), head_since: None, has_served: true };
    }

    /// When a head must be complete of which the first bytes are there.
    pub(super) fn head_deadline(&mut self) -> Option<Instant> {
        let since = *self.patience.head_since.get_or_insert_with(Instant::now);
        self.timeouts.read.map(|limit| since + limit)
    }

    /// When a client that says nothing need not be waited for with everything at hand.
    pub(super) fn quiet_deadline(&self) -> Instant {
        let park = self.patience.idle_since + PARK_AFTER;
        self.idle_deadline(self.seat.stage()).map_or(park, |idle| idle.min(park))
    }

    /// When an idle connection is closed.
    fn idle_deadline(&self, stage: Stage) -> Option<Instant> {
        let Patience { idle_since, has_served, .. } = self.patience;
        match stage {
            Stage::Serving => self.timeouts.idle.map(|idle| idle_since + idle),
            Stage::Draining | Stage::Closing if has_served => Some(idle_since + DRAIN_GRACE),
            Stage::Draining | Stage::Closing => Some(idle_since + DRAIN_GRACE_FIRST),
            Stage::Over => Some(idle_since),
        }
    }

    /// The connection belongs to the other protocol now.
    async fn switch<S: Transport>(self, wire: &Mutex<Wire<S>>, tunnel: Box<Tunnel>) {
        let streaming = self.seat.streaming();
        let taken = lock(wire).take();
        let Some((socket, early)) = taken else { return };
        tunnel::run(socket, &early, *tunnel, streaming.closing()).await;
    }
}

/// Whether this says that a body has no end of its own.
pub(super) fn is_event_stream(content_type: Option<&HeaderValue>) -> bool {
    const TYPE: &[u8] = b"text/event-stream";
    content_type
        .and_then(|value| value.as_bytes().get(..TYPE.len()))
        .is_some_and(|t| t.eq_ignore_ascii_case(TYPE))
}

/// Closes our direction, then waits a little for the client to close its own.
async fn linger<S: Transport>(mut socket: S) {
    let (limit, mut left) = LINGER;
    let _ = timeout(limit, async {
        socket.shutdown().await?;
        let mut scratch = [0; 1024];
        while left > 0 {
            match socket.read(&mut scratch).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        Ok::<_, std::io::Error>(())
    })
    .await;
}
