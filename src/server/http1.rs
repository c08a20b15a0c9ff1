//! A client's connection while it speaks HTTP/1 (RFC 9112): one request after another, each answered before the next is read.

use super::{
    arriving,
    connection::{FAR, Session, Transport, has_passed, is_event_stream},
    drain::Stage,
    head::{self, Framing},
    outgoing::{Broken, Buffers, Outgoing},
    wire::{Next, Wire},
};
use crate::message::{Handler, Refused, Reply, Tunnel, head::Head, places::Places};
use http::{HeaderMap, Method, Request, Response, Version, header};
use http_body::Body;
use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};
use tokio::time::{Instant, Sleep, sleep_until};

/// How a conversation ended.
pub(super) enum End {
    /// The client has been quiet for a while; the connection goes on.
    Quiet,
    /// Everything is said.
    Finished,
    /// The connection has switched protocols.
    Switched(Tunnel),
    /// It broke, or the client let a deadline pass.
    Broken,
}

/// Speaks HTTP/1 with the client until one of them is done or the client falls silent.
pub(super) async fn converse<S: Transport, H: Handler>(
    session: &mut Session<H>,
    wire: &Arc<Mutex<Wire<S>>>,
) -> End {
    let mut stage = session.seat.stage.clone();
    let info = session.info.clone();
    let mut clock = pin!(sleep_until(Instant::now() + FAR));
    let mut talk = pin!(Conversation::new(session, wire).run(clock.as_mut()));
    loop {
        if *stage.borrow_and_update() == Stage::Over {
            let _ = info.cut.set("shutdown");
            return End::Broken;
        }
        // When the stage changes all that is waited for is looked at anew.
        tokio::select! {
            biased;
            end = &mut talk => return end,
            _ = stage.changed() => {}
        }
    }
}

struct Conversation<'a, S, H> {
    session: &'a mut Session<H>,
    wire: &'a Arc<Mutex<Wire<S>>>,
    buffers: Buffers,
    /// The memory of the last response's header, for the next request's.
    headers: HeaderMap,
    places: Places,
}

/// What is known of a request while it is answered.
struct Asked {
    method: Method,
    version: Version,
    persists: bool,
    takes_trailers: bool,
}

impl<'a, S: Transport, H: Handler> Conversation<'a, S, H> {
    fn new(session: &'a mut Session<H>, wire: &'a Arc<Mutex<Wire<S>>>) -> Self {
        Self {
            session,
            wire,
            buffers: Buffers::default(),
            headers: HeaderMap::new(),
            places: Places::default(),
        }
    }

    fn wire(&self) -> MutexGuard<'a, Wire<S>> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(mut self, mut clock: Pin<&mut Sleep>) -> End {
        loop {
            let next = poll_fn(|cx| self.poll_next(cx, clock.as_mut())).await;
            let end = match next {
                Some(Next::Request(request, head)) => self.answer(request, &head, clock.as_mut()).await,
                Some(Next::Refused(refused)) => self.refuse(refused, clock.as_mut()).await,
                Some(Next::End) => End::Finished,
                None => return End::Quiet,
            };
            match end {
                End::Quiet => self.session.wait_for_next(),
                end => return end,
            }
        }
    }

    /// Ready with the next request, or with `None` when the client has been quiet for so long that nobody need wait here.
    fn poll_next(&mut self, cx: &mut Context<'_>, mut clock: Pin<&mut Sleep>) -> Poll<Option<Next>> {
        let mut wire = self.wire();
        if let Poll::Ready(next) = wire.poll_request(cx, &mut self.headers, &mut self.places) {
            return Poll::Ready(Some(next));
        }
        if wire.has_received() {
            let Some(late) = self.session.head_deadline() else { return Poll::Pending };
            ready!(has_passed(late, cx, clock.as_mut()));
            return Poll::Ready(Some(Next::Refused(wire.refuse_late())));
        }
        ready!(has_passed(self.session.quiet_deadline(), cx, clock));
        Poll::Ready(None)
    }

    async fn answer(&mut self, request: Request<()>, head: &Head, clock: Pin<&mut Sleep>) -> End {
        let asked = Asked::of(&request, head);
        let body = arriving::body(self.wire, head.framing);
        let reply = {
            let mut handling = pin!(self.session.handler.handle(&self.session.info, request.map(|()| body)));
            poll_fn(|cx| match handling.as_mut().poll(cx) {
                Poll::Ready(reply) => Poll::Ready(Some(reply)),
                Poll::Pending => self.wire().poll_gone(cx).map(|()| None),
            })
            .await
        };
        match reply {
            Some(reply) => self.send(reply, &asked, clock).await,
            None => End::Broken,
        }
    }

    async fn refuse(&mut self, refused: Refused, clock: Pin<&mut Sleep>) -> End {
        let response = self.session.handler.refuse(&self.session.info, refused);
        self.send(response.into(), &Asked::nothing(), clock).await
    }

    /// Sends a response; [`End::Quiet`] where the connection may go on behind it.
    async fn send(&mut self, reply: Reply<H::Body>, asked: &Asked, mut clock: Pin<&mut Sleep>) -> End {
        let Reply { response, tunnel } = reply;
        let (mut outgoing, persists) = self.begin(response, asked, tunnel.is_some());
        let sent = poll_fn(|cx| self.poll_sent(cx, clock.as_mut(), &mut outgoing)).await;
        if sent.is_err() {
            return End::Broken;
        }
        self.buffers = outgoing.finish();
        match tunnel {
            Some(tunnel) => End::Switched(tunnel),
            None if persists && self.is_at_next() => End::Quiet,
            None => End::Finished,
        }
    }

    /// Writes the head, with what the connection has to add to it; and whether the connection may go on behind the response.
    fn begin(
        &mut self,
        response: Response<H::Body>,
        asked: &Asked,
        switches: bool,
    ) -> (Outgoing<H::Body>, bool) {
        let (mut parts, body) = response.into_parts();
        let length = body.size_hint().exact();
        let framing = Framing::of(&asked.method, asked.version, &parts, length);
        let is_last = parts.headers.remove(header::CONNECTION).is_some();
        let may_persist = self.wire().begin_response();
        let persists = may_persist
            && asked.persists
            && framing != Framing::Close
            && !is_last
            && self.session.seat.stage() == Stage::Serving;
        let connection = match asked.version {
            _ if switches => Some("upgrade"),
            _ if !persists => Some("close"),
            Version::HTTP_10 => Some("keep-alive"),
            _ => None,
        };
        let mut buffers = std::mem::take(&mut self.buffers);
        head::write(&mut buffers.front, asked.version, &parts, framing, length, connection);
        let is_stream = is_event_stream(parts.headers.get(header::CONTENT_TYPE));
        let trailers = parts.headers.get_all(header::TRAILER).iter().filter(|_| asked.takes_trailers);
        let mut outgoing = Outgoing::new(buffers, body, framing, trailers.cloned().collect());
        if is_stream {
            outgoing.closed_at_the_end(self.session.seat.streaming(), self.session.info.clone());
        }
        self.headers = parts.headers;
        self.headers.clear();
        (outgoing, persists)
    }

    /// Ready when the response is written; with an error where it cannot be.
    fn poll_sent(
        &self,
        cx: &mut Context<'_>,
        clock: Pin<&mut Sleep>,
        outgoing: &mut Outgoing<H::Body>,
    ) -> Poll<Result<(), Broken>> {
        if let Poll::Ready(sent) = outgoing.poll(cx, self.wire) {
            return Poll::Ready(sent);
        }
        let mut wire = self.wire();
        if wire.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(Broken));
        }
        let (Some(since), Some(limit)) = (wire.blocked_since(), self.session.timeouts.write) else {
            return Poll::Pending;
        };
        ready!(has_passed(since + limit, cx, clock));
        let _ = self.session.info.cut.set("client write timeout");
        Poll::Ready(Err(Broken))
    }

    /// Whether what comes next is a request: of one that was answered early the rest may be there already. What is not must
    /// never be read as a request.
    fn is_at_next(&self) -> bool {
        let mut wire = self.wire();
        if !wire.is_between_requests() {
            wire.skip_body();
        }
        wire.is_between_requests()
    }
}

impl Asked {
    fn of(request: &Request<()>, head: &Head) -> Self {
        Self {
            method: request.method().clone(),
            version: request.version(),
            persists: head.persists,
            takes_trailers: head.takes_trailers,
        }
    }

    /// Nothing that could be read.
    fn nothing() -> Self {
        Self { method: Method::GET, version: Version::HTTP_11, persists: false, takes_trailers: false }
    }
}
