//! A client's side of a connection: its requests as they are read, one after another and strictly, and the way back.
//!
//! Who waits for a request reads it, and who consumes a request's body reads that; the connection itself reads on only to
//! notice that the client has left. What is malformed, or could be understood in two ways, is refused (see [`head`] and
//! [`Unread`]).

use super::connection::Transport;
use crate::message::{
    BodyError, Refusal, Refused, Request,
    head::{self, Framing, Head, MAX_HEAD},
    places::Places,
    unread::Unread,
};
use bytes::{Buf, BytesMut};
use http::StatusCode;
use std::{
    io::{self, IoSlice},
    mem,
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
};
use tokio::{io::AsyncReadExt, time::Instant};

/// How much is read at once of a head, and of what may be behind it.
pub(super) const READ: usize = 8 * 1024;
/// With less room than this a buffer is made anew.
const LEAST_ROOM: usize = 1024;
/// How much of a refused request is kept for the log.
const MAX_REFUSED_START: usize = 2048;
/// What a client hears that waits for permission to send a body (RFC 9110 §15.2.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A socket, and how far has been read what the client sends.
pub(super) struct Wire<S> {
    /// `None` when the connection is over, for those who still hold a request's body.
    socket: Option<S>,
    /// What was read but not consumed.
    received: BytesMut,
    /// Whether more has been received since a head was last looked for, such that it may be complete.
    is_fresh: bool,
    /// What is still to come of the last request; an error where nobody knows: the client has broken off, or has sent nonsense.
    rest: Result<Unread, BodyError>,
    /// How many requests were read: a body belongs to the last of them.
    requests: u64,
    /// Nobody else reads that body any more.
    is_unwanted: bool,
    /// What is still to be written of what the client waits for before it sends the request's body. Nothing more: to be flushed.
    interim: Option<&'static [u8]>,
    /// Whoever waits for the end of the request's body.
    waiting: Option<Waker>,
    /// Since when the client takes nothing of what is waiting for it.
    blocked_since: Option<Instant>,
}

/// What a client sends.
pub(super) enum Next {
    /// A request, whose body may be still to come.
    Request(Head),
    /// What is none.
    Refused(Refused),
    /// Nothing more.
    End,
}

impl<S: Transport> Wire<S> {
    /// `received` is what was read from the socket already.
    pub(super) fn new(socket: S, received: BytesMut) -> Self {
        Self {
            socket: Some(socket),
            is_fresh: !received.is_empty(),
            received,
            rest: Ok(Unread::NOTHING),
            requests: 0,
            is_unwanted: false,
            interim: None,
            waiting: None,
            blocked_since: None,
        }
    }

    /// Ready when there is something to read; with `false` at the end.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<bool> {
        self.socket.as_ref().map_or(Poll::Ready(false), |socket| socket.poll_readable(cx))
    }

    /// Whether something was read that was not consumed.
    pub(super) fn has_received(&self) -> bool {
        !self.received.is_empty()
    }

    /// Whether what comes next is the beginning of a request.
    pub(super) fn is_between_requests(&self) -> bool {
        self.rest.as_ref().is_ok_and(Unread::is_over)
    }

    /// Since when the client takes nothing of what is waiting for it.
    pub(super) fn blocked_since(&self) -> Option<Instant> {
        self.blocked_since
    }

    /// Memory to read into.
    pub(super) fn lend(&mut self, memory: BytesMut) {
        if self.received.capacity() == 0 {
            self.received = memory;
        }
    }

    /// The memory, where there is nothing in it.
    pub(super) fn give_back(&mut self) -> BytesMut {
        if self.received.is_empty() { mem::take(&mut self.received) } else { BytesMut::new() }
    }

    /// The socket, and what was read from it but not consumed. Bodies that are still held break off.
    pub(super) fn take(&mut self) -> Option<(S, BytesMut)> {
        self.rest = Err(BodyError::ClientGone);
        Some((self.socket.take()?, mem::take(&mut self.received)))
    }

    /// Reads the next request's head, which takes the place, and the memory, of that of the last; `places` is memory, too.
    pub(super) fn poll_request<B>(
        &mut self,
        cx: &mut Context<'_>,
        request: &mut Request<B>,
        places: &mut Places,
    ) -> Poll<Next> {
        loop {
            if mem::take(&mut self.is_fresh) {
                match self.read_head(request, places) {
                    Ok(None) => {}
                    Ok(Some(head)) => return Poll::Ready(Next::Request(head)),
                    Err(refusal) => return Poll::Ready(Next::Refused(self.refuse(refusal))),
                }
            }
            let before = self.received.len();
            match ready!(self.poll_receive(cx, READ)) {
                Ok(1..) => self.is_fresh = self.may_end_head(before),
                Ok(0) | Err(_) => return Poll::Ready(Next::End),
            }
        }
    }

    /// The request that has taken too long to come.
    pub(super) fn refuse_late(&mut self) -> Refused {
        self.refuse(Refusal::new(StatusCode::REQUEST_TIMEOUT, "request header timeout"))
    }

    fn refuse(&mut self, refusal: Refusal) -> Refused {
        self.rest = Err(BodyError::Malformed);
        let mut start = mem::take(&mut self.received);
        start.truncate(MAX_REFUSED_START);
        Refused { refusal, start: start.into() }
    }

    fn read_head<B>(
        &mut self,
        request: &mut Request<B>,
        places: &mut Places,
    ) -> Result<Option<Head>, Refusal> {
        // One empty line before a request is ignored (RFC 9112 §2.2).
        let skipped = if self.received.starts_with(b"\r\n") { 2 } else { 0 };
        if matches!(self.received[skipped..], [] | [b'\r']) {
            return Ok(None);
        }
        let Some(head) = head::read(&self.received[skipped..], places)? else { return Ok(None) };
        self.received.advance(skipped);
        let bytes = self.received.split_to(head.len).freeze();
        head.put_into(request, &bytes, places)?;
        self.rest = Ok(match head.framing {
            Framing::Length(length) => Unread::length(length),
            Framing::Chunked => Unread::chunked(),
        });
        self.interim = head.expects_continue.then_some(CONTINUE);
        self.requests += 1;
        self.is_unwanted = false;
        self.is_fresh = !self.received.is_empty();
        Ok(Some(head))
    }

    /// A head is read anew only when a line has ended, so that one that dribbles in does not cost its square.
    fn may_end_head(&self, before: usize) -> bool {
        let (old, new) = self.received.split_at(before);
        let in_first_line = memchr::memchr(b'\n', old).is_none();
        in_first_line || memchr::memchr(b'\n', new).is_some() || self.received.len() > MAX_HEAD
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        let Some(socket) = &mut self.socket else { return Poll::Ready(Ok(0)) };
        if self.received.capacity() - self.received.len() < room.min(LEAST_ROOM) {
            self.received.reserve(room);
        }
        pin!(socket.read_buf(&mut self.received)).poll(cx)
    }

    /// A response begins: what the client was to hear before it, it need not hear any more. False where the rest of the request's
    /// body may never come, or nobody reads it.
    pub(super) fn begin_response(&mut self) -> bool {
        let was_told = self.interim.take_if(|rest| *rest == CONTINUE).is_none();
        if self.is_unwanted {
            self.skip_body();
        }
        self.is_between_requests() || (was_told && !self.is_unwanted)
    }

    /// Ready when the client has been told to go on, if it waits for that.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let (Some(rest), Some(socket)) = (self.interim, &mut self.socket) {
            // An error is noticed where it is read from.
            self.interim = if rest.is_empty() {
                let _ = ready!(Pin::new(socket).poll_flush(cx));
                None
            } else {
                let written = ready!(Pin::new(socket).poll_write(cx, rest));
                written.ok().filter(|written| *written > 0).map(|written| &rest[written..])
            };
        }
        Poll::Ready(())
    }

    /// Writes some of these.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_interim(cx));
        let Some(socket) = &mut self.socket else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let written = Pin::new(socket).poll_write_vectored(cx, pieces);
        self.note_progress(written.is_pending());
        written
    }

    /// Ready when all that was written is on its way.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(socket) = &mut self.socket else { return Poll::Ready(Ok(())) };
        let flushed = Pin::new(socket).poll_flush(cx);
        self.note_progress(flushed.is_pending());
        flushed
    }

    /// What waits may have become less though nothing more was taken.
    fn note_progress(&mut self, is_blocked: bool) {
        if !is_blocked || self.socket.as_mut().is_some_and(Transport::has_moved) {
            self.blocked_since = None;
        }
        if is_blocked {
            self.blocked_since.get_or_insert_with(Instant::now);
        }
    }
}

mod body;
#[cfg(test)]
mod tests;
