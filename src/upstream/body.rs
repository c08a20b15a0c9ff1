//! A response body on its way from the worker.

use super::{
    connection::{Connection, Switched},
    pool::Pool,
    response::Framing,
    upload,
};
use crate::message::{BodyError, unread::Unread};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};
use tokio::task::JoinHandle;

/// A response body. Read to its end it gives the connection back; dropped before, it closes it.
pub struct ResponseBody {
    /// The connection, until the body has ended.
    connection: Option<Box<Connection>>,
    /// Where it goes then.
    pool: Option<Arc<Pool>>,
    /// The request's body, where that is still being sent.
    upload: Option<Upload>,
    /// What is still to come.
    rest: Unread,
    /// It has broken off, for good; which is told when what came before has had time to leave.
    is_broken: bool,
}

/// A task that sends a request's body; ended with this.
struct Upload(JoinHandle<upload::Outcome>);

impl Drop for Upload {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl ResponseBody {
    /// `pool` is where the connection goes; none if the worker closes it. `upload` is the task that still sends the request.
    pub(super) fn new(
        connection: Box<Connection>,
        framing: Framing,
        pool: Option<Arc<Pool>>,
        upload: Option<JoinHandle<upload::Outcome>>,
    ) -> Self {
        let rest = match framing {
            Framing::Length(length) => Unread::length(length),
            Framing::Chunked => Unread::chunked(),
            Framing::Close => Unread::until_close(),
        };
        let is_over = rest.is_over();
        let mut body =
            Self { connection: Some(connection), pool, upload: upload.map(Upload), rest, is_broken: false };
        if is_over {
            body.give_back();
        }
        body
    }

    /// A response that switches to another protocol: there is no body, but a connection.
    pub(super) fn switching(connection: Box<Connection>) -> Self {
        Self {
            connection: Some(connection),
            pool: None,
            upload: None,
            rest: Unread::NOTHING,
            is_broken: false,
        }
    }

    /// The connection behind a response that has switched it to another protocol.
    pub fn switched(mut self) -> Option<Switched> {
        self.connection.take()?.switch()
    }

    /// The body has ended.
    fn give_back(&mut self) {
        self.rest = Unread::NOTHING;
        self.settle_upload(&mut Context::from_waker(Waker::noop()));
        // One whose request's body is still being sent is closed.
        self.upload = None;
        let (Some(connection), Some(pool)) = (self.connection.take(), self.pool.take()) else { return };
        if connection.is_reusable() {
            pool.put(connection);
        }
    }

    /// Takes note of it if the request's body is sent, or if it failed.
    fn settle_upload(&mut self, cx: &mut Context<'_>) {
        if let Some(upload) = &mut self.upload
            && let Poll::Ready(outcome) = Pin::new(&mut upload.0).poll(cx)
        {
            match (outcome, &mut self.connection) {
                (Ok(Ok(writer)), Some(connection)) => connection.sent(writer),
                // The worker would wait for the rest for ever.
                _ => self.connection = None,
            }
            self.upload = None;
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if self.rest.is_over() {
                return Poll::Ready(None);
            }
            self.settle_upload(cx);
            match self.next_frame() {
                Ok(None) if self.rest.is_over() => return Poll::Ready(None),
                Ok(None) => {}
                frame => return Poll::Ready(frame.transpose()),
            }
            let Some(connection) = &mut self.connection else {
                return Poll::Ready(Some(Err(BodyError::WorkerGone)));
            };
            match ready!(connection.poll_receive(cx, self.rest.room())) {
                Ok(0) if self.rest.ends_with_connection() => self.give_back(),
                Ok(read @ 1..) => self.rest.has_read(read),
                Ok(0) | Err(_) => return Poll::Ready(Some(Err(BodyError::WorkerGone))),
            }
        }
    }

    /// The next frame, as far as it was read.
    fn next_frame(&mut self) -> Result<Option<Frame<Bytes>>, BodyError> {
        let Some(connection) = &mut self.connection else { return Ok(None) };
        let frame = self.rest.next(connection.received()).map_err(|_| BodyError::WorkerGone)?;
        if self.rest.is_over() {
            self.give_back();
        }
        Ok(frame)
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = ready!(self.poll_next(cx));
        if matches!(next, Some(Err(_))) {
            // Nothing more is asked of the socket: it tells an error only once, and behind it an end like any other.
            self.connection = None;
            if !std::mem::replace(&mut self.is_broken, true) {
                // Whoever reads this drops what is not sent yet when there is an error.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        self.rest.left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests;
