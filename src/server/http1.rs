//! A client's connection while it speaks HTTP/1 (RFC 9112): one request after another, each answered before the next is read.

use super::{
    arriving,
    clock::Clock,
    connection::{FAR, Session, Transport, is_event_stream, lock},
    drain::Stage,
    head::{self, Framing},
    outgoing::{Broken, Outgoing},
    spare::Spare,
    wire::{Next, Wire},
};
use crate::message::{
    Handler, Headers, Incoming, Refused, Reply, Request, Tunnel, head::Head, places::Places,
};
use http::{Method, Uri, Version, header};
use http_body::Body;
use std::{
    future::{Future, poll_fn},
    mem,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, ready},
};
use tokio::time::{Instant, sleep_until};

/// How a conversation ended.
pub(super) enum End {
    /// The client has been quiet for a while; the connection goes on.
    Quiet,
    /// Everything is said.
    Finished,
    /// The connection has switched protocols.
    Switched(Box<Tunnel>),
    /// It broke, or the client let a deadline pass.
    Broken,
}

/// Speaks HTTP/1 with the client until one of them is done or the client falls silent.
pub(super) async fn converse<S: Transport, H: Handler>(
    session: &mut Session<H>,
    wire: &Arc<Mutex<Wire<S>>>,
) -> End {
    let mut stage = session.seat.stage.clone();
    let mut waiting = stage.clone();
    let info = session.info.clone();
    let mut timer = pin!(sleep_until(Instant::now() + FAR));
    let mut clock = Clock::new(timer.as_mut());
    let mut talk = pin!(Conversation::new(session, wire).run(&mut clock));
    loop {
        // Before the look, so that no change is missed between the two.
        waiting.mark_unchanged();
        if *stage.borrow_and_update() == Stage::Over {
            let _ = info.cut.set("shutdown");
            return End::Broken;
        }
        // When the stage changes all that is waited for is looked at anew. To wait for that takes a lock, and so it is done once:
        // who has to be woken is this task, time and again.
        let mut changed = pin!(waiting.changed());
        let mut is_waiting = false;
        let ended = poll_fn(|cx| {
            if let Poll::Ready(end) = talk.as_mut().poll(cx) {
                return Poll::Ready(Some(end));
            }
            if mem::replace(&mut is_waiting, true) && stage.has_changed().is_ok_and(|changed| !changed) {
                return Poll::Pending;
            }
            changed.as_mut().poll(cx).map(|_| None)
        });
        if let Some(end) = ended.await {
            return end;
        }
    }
}

struct Conversation<'a, S, H: Handler> {
    session: &'a mut Session<H>,
    wire: &'a Arc<Mutex<Wire<S>>>,
    /// The request that is being answered, and memory for the next one's header.
    request: Request<Incoming>,
    /// There while there is memory for the next request, with all else that a [`Spare`] has.
    places: Option<Box<Places>>,
    /// Its response.
    outgoing: Outgoing<H::Body>,
}

/// What is known of a request while it is answered.
struct Asked {
    method: Method,
    version: Version,
    persists: bool,
    takes_trailers: bool,
    /// If not, there is nothing of it on the wire behind its head.
    may_have_body: bool,
}

impl<'a, S: Transport, H: Handler> Conversation<'a, S, H> {
    fn new(session: &'a mut Session<H>, wire: &'a Arc<Mutex<Wire<S>>>) -> Self {
        Self { session, wire, request: Request::default(), places: None, outgoing: Outgoing::new() }
    }

    fn wire(&self) -> MutexGuard<'a, Wire<S>> {
        lock(self.wire)
    }

    /// Takes memory for a request and its response, if there is none.
    fn equip(&mut self, wire: &mut Wire<S>) {
        if self.places.is_none() {
            let Spare { received, sent, headers, places } = Spare::take();
            wire.lend(received);
            self.outgoing.lend(sent);
            *self.request.headers_mut() = headers;
            self.places = Some(places);
        }
    }

    /// Leaves it to others.
    fn rest(&mut self, wire: &mut Wire<S>) {
        if let Some(places) = self.places.take() {
            let received = wire.give_back();
            let mut headers = mem::take(self.request.headers_mut());
            headers.clear();
            Spare { received, sent: self.outgoing.give_back(), headers, places }.leave();
        }
    }

    async fn run(mut self, clock: &mut Clock<'_>) -> End {
        let end = self.talk(clock).await;
        self.rest(&mut self.wire());
        end
    }

    async fn talk(&mut self, clock: &mut Clock<'_>) -> End {
        loop {
            let next = poll_fn(|cx| self.poll_next(cx, clock)).await;
            let end = match next {
                Some(Next::Request(head)) => self.answer(&head, clock).await,
                Some(Next::Refused(refused)) => self.refuse(refused, clock).await,
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
    fn poll_next(&mut self, cx: &mut Context<'_>, clock: &mut Clock<'_>) -> Poll<Option<Next>> {
        let mut wire = self.wire();
        self.equip(&mut wire);
        let places = self.places.get_or_insert_default();
        if let Poll::Ready(next) = wire.poll_request(cx, &mut self.request, places) {
            return Poll::Ready(Some(next));
        }
        if wire.has_received() {
            let Some(late) = self.session.head_deadline() else { return Poll::Pending };
            ready!(clock.has_passed(late, cx));
            return Poll::Ready(Some(Next::Refused(wire.refuse_late())));
        }
        self.rest(&mut wire);
        ready!(clock.has_passed(self.session.quiet_deadline(), cx));
        Poll::Ready(None)
    }

    async fn answer(&mut self, head: &Head, clock: &mut Clock<'_>) -> End {
        let asked = Asked::of(&self.request, head);
        *self.request.body_mut() = arriving::body(self.wire, head.framing);
        let mut reply = None;
        {
            let (handler, info) = (&self.session.handler, &self.session.info);
            let mut handling = pin!(handler.handle(info, &mut self.request));
            let gone_or_answered = poll_fn(|cx| match handling.as_mut().poll(cx) {
                Poll::Ready(answer) => {
                    reply = Some(answer);
                    Poll::Ready(())
                }
                Poll::Pending => lock(self.wire).poll_gone(cx),
            });
            gone_or_answered.await;
        }
        let_go(&mut self.request);
        match reply {
            Some(reply) => {
                let behind = self.begin(reply, &asked);
                self.send(behind, &asked, clock).await
            }
            None => End::Broken,
        }
    }

    async fn refuse(&mut self, refused: Refused, clock: &mut Clock<'_>) -> End {
        let response = self.session.handler.refuse(&self.session.info, refused);
        let nothing = Asked::nothing();
        let behind = self.begin(response.into(), &nothing);
        self.send(behind, &nothing, clock).await
    }

    /// Sends the response that has begun; [`End::Quiet`] where the connection may go on behind it.
    async fn send(&mut self, behind: Behind, asked: &Asked, clock: &mut Clock<'_>) -> End {
        let sent = poll_fn(|cx| self.poll_sent(cx, clock)).await;
        if sent.is_err() {
            return End::Broken;
        }
        self.outgoing.end();
        match behind {
            Behind::Tunnel(tunnel) => End::Switched(tunnel),
            Behind::Request if !asked.may_have_body || self.is_at_next() => End::Quiet,
            Behind::Request | Behind::Nothing => End::Finished,
        }
    }

    /// Writes the head, with what the connection has to add to it.
    fn begin(&mut self, reply: Reply<H::Body>, asked: &Asked) -> Behind {
        let Reply { response, prepared, tunnel } = reply;
        let (mut parts, body) = response.into_parts();
        let length = body.size_hint().exact();
        let framing = Framing::of(&asked.method, asked.version, &parts, length);
        let is_last = parts.headers.remove(header::CONNECTION).is_some();
        let may_persist = !asked.may_have_body || self.wire().begin_response();
        let persists = may_persist
            && asked.persists
            && framing != Framing::Close
            && !is_last
            && self.session.seat.stage() == Stage::Serving;
        let connection = match asked.version {
            _ if tunnel.is_some() => Some("upgrade"),
            _ if !persists => Some("close"),
            Version::HTTP_10 => Some("keep-alive"),
            _ => None,
        };
        let out = self.outgoing.head();
        head::write(out, asked.version, &parts, prepared.as_ref(), framing, length, connection);
        let trailers = parts.headers.get_all(header::TRAILER).filter(|_| asked.takes_trailers);
        self.outgoing.begin(body, framing, trailers.cloned().collect());
        if is_event_stream(parts.headers.get(header::CONTENT_TYPE)) {
            self.outgoing.closed_at_the_end(self.session.seat.streaming(), self.session.info.clone());
        }
        self.keep_map(parts.headers);
        match tunnel {
            Some(tunnel) => Behind::Tunnel(tunnel),
            None if persists => Behind::Request,
            None => Behind::Nothing,
        }
    }

    /// Where the worker has got the map of the request's fields, that of the response's is for the next request.
    fn keep_map(&mut self, mut headers: Headers) {
        if self.request.headers().capacity() == 0 {
            headers.clear();
            *self.request.headers_mut() = headers;
        }
    }

    /// Ready when the response is written; with an error where it cannot be.
    fn poll_sent(&mut self, cx: &mut Context<'_>, clock: &mut Clock<'_>) -> Poll<Result<(), Broken>> {
        if let Poll::Ready(sent) = self.outgoing.poll(cx, self.wire) {
            return Poll::Ready(sent);
        }
        let mut wire = self.wire();
        if wire.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(Broken));
        }
        let (Some(since), Some(limit)) = (wire.blocked_since(), self.session.timeouts.write) else {
            return Poll::Pending;
        };
        ready!(clock.has_passed(since + limit, cx));
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

/// What comes behind a response.
enum Behind {
    /// Another request, perhaps.
    Request,
    /// Another protocol.
    Tunnel(Box<Tunnel>),
    Nothing,
}

/// What the last request holds on to is given back, but for room for the next one's header.
fn let_go(request: &mut Request<Incoming>) {
    *request.body_mut() = Incoming::default();
    *request.uri_mut() = Uri::default();
    request.headers_mut().clear();
    request.extensions_mut().clear();
}

impl Asked {
    fn of<B>(request: &Request<B>, head: &Head) -> Self {
        Self {
            method: request.method().clone(),
            version: request.version(),
            persists: head.persists,
            takes_trailers: head.takes_trailers,
            may_have_body: head.framing.has_body(),
        }
    }

    /// Nothing that could be read.
    fn nothing() -> Self {
        let (method, version) = (Method::GET, Version::HTTP_11);
        Self { method, version, persists: false, takes_trailers: false, may_have_body: true }
    }
}
