//! One client's connection that speaks HTTP/2 (RFC 9113), with as many requests at the same time as it likes, within
//! bounds.
//!
//! The library keeps the rules of the protocol; what the client may keep us waiting for, and what it may cost us, is ours.

use super::{
    Timeouts,
    clock::Clock,
    connection::{DRAIN_GRACE, DRAIN_GRACE_FIRST, FAR, Session, Transport, is_event_stream},
    drain::{self, Stage},
    flow::{Flow, Stream},
    sending::Sending,
    socket, tunnel,
    waiting::Waiting,
};
use crate::message::{
    BodyError, ConnectionInfo, Handler, Incoming, Prepared, Reply, Request, Response, Tunnel,
    head::{MAX_FIELDS, MAX_HEAD, has_no_body},
    http2,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::{server::conn::http2::Builder, service::service_fn, upgrade::OnUpgrade};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::{
    convert::Infallible,
    error::Error,
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

/// Requests at the same time. Browsers want a hundred and more; what they cost is bounded for all connections together.
const MAX_STREAMS: u32 = 128;
/// How much of a request's body, and of all bodies of a connection, may wait for the worker to take it.
const WINDOWS: (u32, u32) = (256 * 1024, 1024 * 1024);
/// How much of a response's body is taken from its source before the client has room for it.
const SEND_BUFFER: usize = 64 * 1024;
/// The largest list of fields, with what HTTP/2 adds to each (RFC 9113 §6.5.2), and with some more for cookies that come in
/// many pieces. What is larger is refused by the library, and not logged.
const MAX_LIST: u32 = (MAX_HEAD + 4 * 32 * MAX_FIELDS) as u32;
/// Streams that the client has reset before anybody looked at them.
const MAX_UNSEEN_RESETS: usize = 32;
/// Streams that were reset for what the client did wrong, in a connection's whole life.
const MAX_FAULTS: usize = 128;
/// How long a connection that is done is still read from, so that the client gets to read its end.
const LINGER: Duration = Duration::from_secs(2);
/// What every request of a connection needs.
struct Shared<H> {
    handler: Arc<H>,
    info: Arc<ConnectionInfo>,
    flow: Arc<Flow>,
}

/// Serves one connection to its end. Its preface is still to come, or `has_begun` and was read.
pub(super) async fn serve<S: Transport, H: Handler>(socket: S, session: Session<H>, has_begun: bool) {
    let Session { handler, info, timeouts, seat, room, .. } = session;
    let flow = Arc::new(Flow::new(seat, room));
    let shared = Arc::new(Shared { handler, info: info.clone(), flow: flow.clone() });
    // In a box: the library moves it into its stream, and that into a task, again and again.
    let service = service_fn(move |request| Box::pin(answer(shared.clone(), request)));
    let (socket, outlet) = socket::watch(socket, flow.clone(), has_begun);
    let mut conn = pin!(builder().serve_connection(TokioIo::new(socket), service));
    let mut timer = pin!(sleep_until(Instant::now() + FAR));
    let mut clock = Clock::new(timer.as_mut());
    let mut watch = Watch { flow: flow.clone(), info, timeouts, leaving: None };
    let mut stage = flow.stage();
    loop {
        let now = *stage.borrow_and_update();
        let turn = poll_fn(|cx| {
            if let Poll::Ready(done) = conn.as_mut().poll(cx) {
                let _ = done.inspect_err(|error| tracing::debug!(%error, "connection broken"));
                // Where the library has not closed it, what it had written before goes as far as there is room.
                let _ = outlet.poll_flush(cx);
                return Poll::Ready(Turn::End);
            }
            // Whatever the library has to do has been done.
            if let Poll::Ready(Err(error)) = outlet.poll_flush(cx) {
                tracing::debug!(%error, "connection broken");
                return Poll::Ready(Turn::End);
            }
            watch.poll(cx, now, &mut clock)
        });
        let turn = tokio::select! {
            biased;
            turn = turn => turn,
            _ = stage.changed() => Turn::Next,
            () = flow.changed() => Turn::Next,
        };
        match turn {
            Turn::Next => {}
            Turn::Leave => conn.as_mut().graceful_shutdown(),
            Turn::End => return,
        }
    }
}

/// What comes next.
enum Turn {
    /// The same again.
    Next,
    /// The client is told that no more requests are taken; those that it has sent are answered.
    Leave,
    /// Nothing.
    End,
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(MAX_LIST)
        .max_pending_accept_reset_streams(MAX_UNSEEN_RESETS)
        .max_local_error_reset_streams(MAX_FAULTS)
        .enable_connect_protocol();
    builder
}

/// Watches the clock.
struct Watch {
    flow: Arc<Flow>,
    info: Arc<ConnectionInfo>,
    timeouts: Timeouts,
    /// Since when the client is told to go.
    leaving: Option<Instant>,
}

impl Watch {
    /// Ready when the server is going away, or the client has kept us waiting for too long.
    fn poll(&mut self, cx: &mut Context<'_>, stage: Stage, clock: &mut Clock<'_>) -> Poll<Turn> {
        if stage == Stage::Over {
            let _ = self.info.cut.set("shutdown");
            return Poll::Ready(Turn::End);
        }
        if stage != Stage::Serving && self.leaving.is_none() {
            return Poll::Ready(self.leave());
        }
        let waiting = self.flow.waiting();
        let Some(deadline) = self.deadline(waiting) else { return Poll::Pending };
        ready!(clock.has_passed(deadline, cx));
        Poll::Ready(match waiting {
            Some(Waiting::Idle(_)) if self.leaving.is_none() => self.leave(),
            Some(Waiting::Blocked(_)) => {
                let _ = self.info.cut.set("client write timeout");
                Turn::End
            }
            _ => Turn::End,
        })
    }

    fn leave(&mut self) -> Turn {
        self.leaving = Some(Instant::now());
        Turn::Leave
    }

    /// How long the client may keep us waiting.
    fn deadline(&self, waiting: Option<Waiting>) -> Option<Instant> {
        if let Some(since) = self.flow.closing_since() {
            return Some(since + LINGER);
        }
        match (waiting?, self.leaving) {
            (Waiting::Blocked(since), _) => self.timeouts.write.map(|limit| since + limit),
            (Waiting::Head(since), _) => self.timeouts.read.map(|limit| since + limit),
            (Waiting::Idle(since), None) => self.timeouts.idle.map(|limit| since + limit),
            (Waiting::Idle(since), Some(told)) if self.flow.has_served() => {
                Some(since.max(told) + DRAIN_GRACE)
            }
            (Waiting::Idle(_), Some(told)) => Some(told + DRAIN_GRACE_FIRST),
        }
    }
}

/// One request through the handler. It takes its form before there is a future, in which each step would have room of its own.
fn answer<H: Handler>(
    shared: Arc<Shared<H>>,
    request: http::Request<hyper::body::Incoming>,
) -> impl Future<Output = Result<http::Response<Sending<H::Body>>, Infallible>> {
    let (mut head, body) = Request::from(request).into_parts();
    let switch = head.extensions.remove::<OnUpgrade>();
    let asks_for_head = head.method == Method::HEAD;
    let refused = http2::settle(&mut head).err().map(|refusal| http2::refused(&head, refusal));
    let mut request = Request::from_parts(head, arriving(body));
    async move {
        let stream = shared.flow.begin().await;
        let reply = match refused {
            None => shared.handler.handle(&shared.info, &mut request).await,
            Some(refused) => shared.handler.refuse(&shared.info, refused).into(),
        };
        Ok(conclude(reply, &shared.info, stream, switch, asks_for_head))
    }
}

/// What the connection has to add to a response, and what becomes of the stream.
fn conclude<B: Body>(
    reply: Reply<B>,
    info: &Arc<ConnectionInfo>,
    mut stream: Stream,
    switch: Option<OnUpgrade>,
    asks_for_head: bool,
) -> http::Response<Sending<B>> {
    let Reply { mut response, prepared, tunnel } = reply;
    match (switch, tunnel) {
        (Some(switch), Some(tunnel)) => {
            *response.status_mut() = StatusCode::OK;
            http2::open(response.headers_mut());
            tokio::spawn(Box::pin(run_tunnel(switch, tunnel, stream)));
            return for_library(response.map(|body| Sending::new(body, None)), None);
        }
        // To the client every success would be a tunnel (RFC 9110 §9.3.6).
        (Some(_), None) if response.status().is_success() => *response.status_mut() = StatusCode::BAD_GATEWAY,
        _ => {}
    }
    stream.answered();
    http2::undress(response.headers_mut());
    let is_stream = is_event_stream(response.headers().get(header::CONTENT_TYPE));
    let stage = is_stream.then(|| stream.endless());
    let bodiless = asks_for_head || has_no_body(response.status());
    if bodiless {
        announce(&mut response);
    }
    let response = response.map(|body| {
        let sending = Sending::new(body, Some(stream));
        match stage {
            _ if bodiless => sending.silenced(),
            Some(stage) => sending.closed_at_the_end(stage, info.clone()),
            None => sending,
        }
    });
    for_library(response, prepared)
}

/// A response as the library takes it, with what of its header lies ready.
fn for_library<B>(response: Response<B>, prepared: Option<Prepared>) -> http::Response<B> {
    let (head, body) = response.into_parts();
    let ready = prepared.as_ref().map_or(0, |prepared| prepared.fields.headers().len());
    let mut map = HeaderMap::with_capacity(ready + head.headers.len());
    if let Some(prepared) = prepared {
        prepared.spell_out(|name, value| _ = map.append(name, value));
    }
    map.extend(head.headers);
    let mut response = http::Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = map;
    response
}

/// The body of a request.
fn arriving(body: hyper::body::Incoming) -> Incoming {
    if body.is_end_stream() {
        Incoming::default()
    } else {
        Incoming::new(body.map_err(|error| classify(&error)))
    }
}

/// Whether the client sent nonsense or nothing more.
fn classify(error: &hyper::Error) -> BodyError {
    let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match cause.map(io::Error::kind) {
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => BodyError::Malformed,
        _ => BodyError::ClientGone,
    }
}

/// As over HTTP/1, a response without its body says how long that would be.
fn announce<B: Body>(response: &mut Response<B>) {
    if let Some(length @ 1..) = response.body().size_hint().exact() {
        response.headers_mut().insert_if_absent(header::CONTENT_LENGTH, || HeaderValue::from(length));
    }
}

/// The stream belongs to the other protocol now.
async fn run_tunnel(switch: OnUpgrade, tunnel: Box<Tunnel>, mut stream: Stream) {
    let closing = drain::closing(stream.endless());
    match switch.await {
        Ok(client) => tunnel::run(TokioIo::new(client), &[], *tunnel, closing).await,
        // The client has left before it heard of it.
        Err(_) => (tunnel.ended)(0),
    }
}
