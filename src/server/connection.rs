//! One client's connection, from its first byte to its last; after its first ones, if it speaks HTTP/1.
//!
//! While a connection is idle it is no more than a socket and a timer: the HTTP library and its buffers are set up when
//! bytes arrive, and given back when the connection has been quiet for a while.

use super::{
    Timeouts,
    drain::{Seat, Stage},
    http2,
    link::{Link, Upgrade, Waiting},
    memory::Memory,
    outgoing::Outgoing,
    preface, tunnel,
    wire::Wire,
};
use crate::message::{ConnectionInfo, Handler, Tunnel, head::MAX_HEAD};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, Version, header};
use http_body::Body;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    sync::Semaphore,
    time::{Instant, Sleep, sleep_until, timeout},
};

/// A connection that has been idle this long gives its buffers back: making them anew costs two microseconds, keeping
/// them 17 KB.
const PARK_AFTER: Duration = Duration::from_millis(250);
/// Where there are more connections than this, buffers are given back at once.
const MANY_CONNECTIONS: usize = 256;
/// While draining, a client that may be about to send its next request has this long to do so…
pub(super) const DRAIN_GRACE: Duration = Duration::from_millis(500);
/// … and one that has connected but not asked for anything yet has this long.
pub(super) const DRAIN_GRACE_FIRST: Duration = Duration::from_secs(1);
/// How long, and for how many bytes, a closed connection is still read from, so that the client gets to read the last
/// response before the kernel resets the connection (RFC 9112 §9.6).
const LINGER: (Duration, usize) = (Duration::from_secs(2), 256 * 1024);
/// Largest read buffer, with room for the largest head; also bounds what is buffered of a response.
const MAX_BUFFER: usize = MAX_HEAD + 8 * 1024;
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

impl Transport for TcpStream {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<bool> {
        // A look, since the runtime takes a new socket for readable until it has been read from in vain.
        let mut byte = [0];
        self.poll_peek(cx, &mut ReadBuf::new(&mut byte)).map(|seen| seen.is_ok_and(|bytes| bytes > 0))
    }
}

/// A connection, but for its socket: what serves it, what is known of it, and how long it may take.
pub(super) struct Session<H> {
    pub(super) handler: Arc<H>,
    pub(super) info: Arc<ConnectionInfo>,
    pub(super) timeouts: Timeouts,
    pub(super) memory: Memory,
    pub(super) seat: Seat,
    /// Room for more requests at the same time than one.
    pub(super) room: Arc<Semaphore>,
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

/// How a conversation ended.
enum End {
    /// The client has been quiet for a while; the connection goes on.
    Quiet,
    /// Everything is said.
    Finished,
    /// The connection has switched protocols.
    Switched,
    /// It broke, or the client let a deadline pass.
    Broken,
}

/// Serves one connection to its end.
pub(super) async fn serve<S: Transport, H: Handler>(socket: S, mut session: Session<H>, mut speech: Speech) {
    let link = Arc::new(Link::new());
    let mut wire = Wire::new(socket, link.clone());
    let mut reads_ahead = S::READS_AHEAD;
    loop {
        if std::mem::take(&mut reads_ahead)
            || !wire.is_drained()
            || session.wait_for_client(wire.socket(), &link).await
        {
            // In boxes of their own, so that an idle connection does not carry their size.
            if speech != Speech::Http1 {
                let has_begun =
                    speech == Speech::Either && Box::pin(session.prefers_http2(&mut wire, &link)).await;
                if has_begun || speech == Speech::Http2 {
                    return Box::pin(http2::serve(wire.into_parts().0, session, has_begun)).await;
                }
                speech = Speech::Http1;
            }
            let tunnel = Mutex::new(None);
            let (end, rest, read_buf) = Box::pin(session.converse(wire, &link, &tunnel)).await;
            wire = rest;
            session.memory.freed(1);
            match end {
                End::Quiet if wire.is_between_messages() => continue,
                // The rest of a body whose request was answered early must never be read as a request.
                End::Quiet | End::Finished => {}
                End::Broken => return,
                End::Switched => {
                    let tunnel = tunnel.into_inner().unwrap_or_else(PoisonError::into_inner);
                    return Box::pin(session.switch(wire, &read_buf, tunnel)).await;
                }
            }
        }
        drop(session.seat);
        return Box::pin(linger(wire.into_parts().0)).await;
    }
}

impl<H: Handler> Session<H> {
    /// Waits for the client's next bytes; false when there will be none, or it has taken too long.
    async fn wait_for_client<S: Transport>(&mut self, socket: &S, link: &Link) -> bool {
        loop {
            let stage = *self.seat.stage.borrow_and_update();
            let deadline = match link.waiting() {
                Some(Waiting::Idle(since)) => self.idle_deadline(stage, since, link),
                _ => None,
            };
            tokio::select! {
                biased;
                readable = poll_fn(|cx| socket.poll_readable(cx)) => return readable,
                () = sleep_until(deadline.unwrap_or_else(|| Instant::now() + FAR)) => return false,
                _ = self.seat.stage.changed() => {}
            }
        }
    }

    /// Whether the client begins with HTTP/2. Where it takes too long for that, HTTP/1 refuses what it has sent.
    async fn prefers_http2<S: Transport>(&mut self, wire: &mut Wire<S>, link: &Link) -> bool {
        link.head_started();
        let late = Instant::now() + self.timeouts.read.unwrap_or(FAR);
        let mut read = BytesMut::new();
        let prefers = tokio::select! {
            biased;
            is_next = preface::is_next(wire.socket_mut(), &mut read) => is_next,
            () = sleep_until(late) => false,
            _ = self.seat.stage.wait_for(|stage| *stage == Stage::Over) => false,
        };
        if !prefers {
            wire.hold(read);
        }
        prefers
    }

    /// When an idle connection is closed.
    fn idle_deadline(&self, stage: Stage, since: Instant, link: &Link) -> Option<Instant> {
        match stage {
            Stage::Serving => self.timeouts.idle.map(|idle| since + idle),
            Stage::Draining | Stage::Closing if link.has_served() => Some(since + DRAIN_GRACE),
            Stage::Draining | Stage::Closing => Some(since + DRAIN_GRACE_FIRST),
            Stage::Over => Some(since),
        }
    }

    /// Speaks HTTP/1 with the client until one of them is done or the client falls silent.
    async fn converse<S: Transport>(
        &mut self,
        wire: Wire<S>,
        link: &Arc<Link>,
        tunnel: &Mutex<Option<Tunnel>>,
    ) -> (End, Wire<S>, Bytes) {
        let (handler, info, seat) = (&*self.handler, &self.info, &self.seat);
        let service = service_fn(move |request| answer(handler, info, seat, link, tunnel, request));
        let mut http = http1::Builder::new();
        // All deadlines are this connection's own; none of them needs the library's timer. (`pipeline_flush` must stay
        // off: with it the library buffers a response without limit while the client does not read.)
        http.header_read_timeout(None).max_buf_size(MAX_BUFFER);
        let mut conn = http.serve_connection(TokioIo::new(wire), service);
        let mut timer = pin!(sleep_until(Instant::now() + FAR));
        let mut stage = self.seat.stage.clone();
        let end = loop {
            let now = *stage.borrow_and_update();
            if now == Stage::Over {
                let _ = self.info.cut.set("shutdown");
                break End::Broken;
            }
            let drive = poll_fn(|cx| {
                loop {
                    if let Poll::Ready(done) = Pin::new(&mut conn).poll(cx) {
                        return Poll::Ready(finished(done, link));
                    }
                    if let Some(end) = ready!(self.poll_deadline(cx, timer.as_mut(), now, link)) {
                        return Poll::Ready(end);
                    }
                }
            });
            tokio::select! {
                biased;
                end = drive => break end,
                _ = stage.changed() => {}
            }
        };
        let parts = conn.into_parts();
        (end, parts.io.into_inner(), parts.read_buf)
    }

    /// Ready when the client has kept us waiting for too long: with the end of the conversation, or with `None` where
    /// the library has something to do about it.
    fn poll_deadline(
        &self,
        cx: &mut Context<'_>,
        timer: Pin<&mut Sleep>,
        stage: Stage,
        link: &Link,
    ) -> Poll<Option<End>> {
        let waiting = link.waiting();
        let deadline = match waiting {
            None => return Poll::Pending,
            Some(Waiting::Blocked(since)) => self.timeouts.write.map(|limit| since + limit),
            Some(Waiting::Head(since)) => self.timeouts.read.map(|limit| since + limit),
            Some(Waiting::Idle(since)) => {
                let park = since + self.park_after();
                Some(self.idle_deadline(stage, since, link).map_or(park, |idle| idle.min(park)))
            }
        };
        let Some(deadline) = deadline else { return Poll::Pending };
        ready!(has_passed(deadline, cx, timer));
        Poll::Ready(match waiting {
            Some(Waiting::Blocked(_)) => {
                let _ = self.info.cut.set("client write timeout");
                Some(End::Broken)
            }
            Some(Waiting::Head(_)) => {
                link.expire_head();
                None
            }
            _ => Some(End::Quiet),
        })
    }

    fn park_after(&self) -> Duration {
        if self.seat.open_connections() > MANY_CONNECTIONS { Duration::ZERO } else { PARK_AFTER }
    }

    /// The connection belongs to the other protocol now.
    async fn switch<S: Transport>(self, wire: Wire<S>, read_buf: &[u8], tunnel: Option<Tunnel>) {
        let Some(tunnel) = tunnel else { return };
        let streaming = self.seat.streaming();
        let (socket, held) = wire.into_parts();
        let early = [read_buf, &held].concat();
        tunnel::run(socket, &early, tunnel, streaming.closing()).await;
    }
}

/// Ready when this moment has come.
pub(super) fn has_passed(deadline: Instant, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<()> {
    while deadline > Instant::now() {
        // A timer that is due earlier wakes us for nothing; setting it anew for each message costs more.
        if deadline < timer.deadline() || timer.is_elapsed() {
            timer.as_mut().reset(deadline);
        }
        ready!(timer.as_mut().poll(cx));
    }
    Poll::Ready(())
}

fn finished(done: hyper::Result<()>, link: &Link) -> End {
    match done {
        Ok(()) if link.upgrade() == Upgrade::Accepted => End::Switched,
        Ok(()) => End::Finished,
        Err(error) => {
            tracing::debug!(%error, "connection broken");
            End::Broken
        }
    }
}

/// One request through the handler, and what the connection has to add to the response.
async fn answer<H: Handler>(
    handler: &H,
    info: &Arc<ConnectionInfo>,
    seat: &Seat,
    link: &Arc<Link>,
    tunnel: &Mutex<Option<Tunnel>>,
    request: Request<Incoming>,
) -> Result<Response<Outgoing<H::Body>>, Infallible> {
    let is_http_10 = request.version() == Version::HTTP_10;
    let mut reply = match link.take_refused() {
        Some(refused) => handler.refuse(info, refused).into(),
        None => handler.handle(info, request).await,
    };
    link.decide_upgrade(if reply.tunnel.is_some() { Upgrade::Accepted } else { Upgrade::Declined });
    // HTTP/1.0 has no chunks: there the end of the connection is the end of such a body.
    let ends_by_close = is_http_10 && reply.response.body().size_hint().exact().is_none();
    let is_last = ends_by_close || *seat.stage.borrow() != Stage::Serving;
    let headers = reply.response.headers_mut();
    if reply.tunnel.is_none() && is_last {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let closes = headers.contains_key(header::CONNECTION);
    let is_stream = is_event_stream(headers.get(header::CONTENT_TYPE));
    let streaming = is_stream.then(|| (seat.streaming(), info.clone()));
    if is_http_10 && closes {
        // To a response of HTTP/1.1 the library would add `keep-alive` where such a client asks for it.
        *reply.response.version_mut() = Version::HTTP_10;
    }
    *tunnel.lock().unwrap_or_else(PoisonError::into_inner) = reply.tunnel;
    Ok(reply.response.map(|body| Outgoing::new(body, link.clone(), streaming)))
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
