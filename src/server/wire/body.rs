//! The bodies of requests: read by who consumes them, and otherwise to get to the next request or to notice that the client has
//! left.

use super::{READ, Wire};
use crate::{message::BodyError, server::connection::Transport};
use bytes::Bytes;
use http_body::Frame;
use std::task::{Context, Poll, Waker, ready};

/// How much of a body that nobody wants is read to get to the next request.
const SKIPPED: usize = 128 * 1024;

impl<S: Transport> Wire<S> {
    /// The number of the request that was read last, by which its body is asked for.
    pub(in crate::server) fn request_number(&self) -> u64 {
        self.requests
    }

    /// Reads on in the body of the request of this number.
    pub(in crate::server) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        request: u64,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if request != self.requests {
            return Poll::Ready(Some(Err(BodyError::ClientGone)));
        }
        loop {
            match self.next_frame() {
                Ok(None) if self.is_between_requests() => return Poll::Ready(None),
                Ok(None) => {}
                frame => return Poll::Ready(frame.transpose()),
            }
            if !self.is_unwanted {
                // Not all wait for it, and who does not may take nothing before the body is read.
                let _ = self.poll_interim(cx);
            }
            ready!(self.poll_more(cx));
        }
    }

    /// The next frame, as far as it was read.
    fn next_frame(&mut self) -> Result<Option<Frame<Bytes>>, BodyError> {
        let rest = self.rest.as_mut().map_err(|error| *error)?;
        if rest.is_over() {
            return Ok(None);
        }
        let Ok(frame) = rest.next(&mut self.received) else {
            self.rest = Err(BodyError::Malformed);
            return Err(BodyError::Malformed);
        };
        if rest.is_over() {
            self.is_fresh = !self.received.is_empty();
            self.wake();
        }
        Ok(frame)
    }

    /// Reads more of it, if the client has not left.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Ok(rest) = &self.rest else { return Poll::Ready(()) };
        let room = rest.room();
        self.received.reserve(room);
        match (ready!(self.poll_receive(cx, room)), &mut self.rest) {
            (Ok(read @ 1..), Ok(rest)) => rest.has_read(read),
            _ => self.rest = Err(BodyError::ClientGone),
        }
        Poll::Ready(())
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    /// Reads to the end of the request's body, as far as that is there already.
    pub(in crate::server) fn skip_body(&mut self) {
        let cx = &mut Context::from_waker(Waker::noop());
        self.is_unwanted = true;
        let mut left = SKIPPED;
        while let Poll::Ready(Some(Ok(frame))) = self.poll_body(cx, self.requests)
            && let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len))
        {
            left = rest;
        }
    }

    /// Nobody wants the body of the request of this number any more.
    pub(in crate::server) fn let_go(&mut self, request: u64) {
        if request == self.requests && !self.is_between_requests() {
            self.is_unwanted = true;
            self.wake();
        }
    }

    /// Ready when the client has left. What it sends ahead is kept, but no more than was there at once.
    pub(in crate::server) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.is_between_requests() {
            if !self.is_unwanted {
                // Who consumes the body notices.
                self.waiting = Some(cx.waker().clone());
                return Poll::Pending;
            }
            match ready!(self.poll_body(cx, self.requests)) {
                Some(Err(BodyError::ClientGone)) => return Poll::Ready(()),
                Some(Err(_)) => return Poll::Pending,
                Some(Ok(_)) | None => {}
            }
        }
        if self.has_received() {
            return Poll::Pending;
        }
        match ready!(self.poll_receive(cx, READ)) {
            Ok(1..) => {
                self.is_fresh = true;
                Poll::Pending
            }
            Ok(0) | Err(_) => Poll::Ready(()),
        }
    }
}
