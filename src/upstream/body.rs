//! A response body on its way from the worker.

use super::{
    connection::{Connection, Switched},
    pool::Pool,
    response::Framing,
    upload,
};
use crate::message::{BodyError, chunks::Chunks};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};
use tokio::task::JoinHandle;

/// Least and most that is read at once: as much again when all of it was there. Larger pieces do not stay in the processor's
/// nearest cache until they are written on: with 64 KiB a download takes a quarter more of CPU.
const READ: (usize, usize) = (8 * 1024, 16 * 1024);

/// A response body. Read to its end it gives the connection back; dropped before, it closes it.
pub struct ResponseBody {
    /// The connection, until the body has ended.
    connection: Option<Box<Connection>>,
    /// Where it goes then.
    pool: Option<Arc<Pool>>,
    /// The request's body, where that is still being sent.
    upload: Option<Upload>,
    rest: Rest,
    /// How much is read at once.
    room: usize,
    /// It has broken off, for good; which is told when what came before has had time to leave.
    is_broken: bool,
}

/// What is still to come.
enum Rest {
    Nothing,
    Length(u64),
    Chunks(Box<Chunks>),
    /// All until the connection's end.
    Close,
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
            Framing::Length(0) => Rest::Nothing,
            Framing::Length(length) => Rest::Length(length),
            Framing::Chunked => Rest::Chunks(Box::default()),
            Framing::Close => Rest::Close,
        };
        let is_over = matches!(rest, Rest::Nothing);
        let mut body = Self {
            connection: Some(connection),
            pool,
            upload: upload.map(Upload),
            rest,
            room: READ.0,
            is_broken: false,
        };
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
            rest: Rest::Nothing,
            room: READ.0,
            is_broken: false,
        }
    }

    /// The connection behind a response that has switched it to another protocol.
    pub fn switched(mut self) -> Option<Switched> {
        self.connection.take()?.switch()
    }

    /// The body has ended.
    fn give_back(&mut self) {
        self.rest = Rest::Nothing;
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
            if matches!(self.rest, Rest::Nothing) {
                return Poll::Ready(None);
            }
            self.settle_upload(cx);
            match self.decode() {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) if matches!(self.rest, Rest::Nothing) => return Poll::Ready(None),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            let Some(connection) = &mut self.connection else {
                return Poll::Ready(Some(Err(BodyError::WorkerGone)));
            };
            match ready!(connection.poll_receive(cx, self.room)) {
                Ok(0) if matches!(self.rest, Rest::Close) => self.give_back(),
                Ok(read @ 1..) => self.room = if read < self.room { READ.0 } else { READ.1.min(2 * read) },
                Ok(0) | Err(_) => return Poll::Ready(Some(Err(BodyError::WorkerGone))),
            }
        }
    }

    /// The next frame, as far as it was read.
    fn decode(&mut self) -> Result<Option<Frame<Bytes>>, BodyError> {
        let Some(connection) = &mut self.connection else { return Ok(None) };
        let received = connection.received();
        let data = match &mut self.rest {
            Rest::Nothing => return Ok(None),
            Rest::Length(left) => {
                let length = (*left).min(received.len() as u64);
                *left -= length;
                received.split_to(length as usize)
            }
            Rest::Close => received.split(),
            Rest::Chunks(chunks) => {
                let data = chunks.data(received).map_err(|_| BodyError::WorkerGone)?;
                if data.is_empty() && chunks.is_done() {
                    let trailers = chunks.trailers().map_err(|_| BodyError::WorkerGone)?;
                    self.give_back();
                    return Ok(trailers.map(Frame::trailers));
                }
                data
            }
        };
        let is_over = match &self.rest {
            Rest::Length(left) => *left == 0,
            Rest::Chunks(chunks) => chunks.is_done() && !chunks.has_trailers(),
            Rest::Nothing | Rest::Close => false,
        };
        if is_over {
            self.give_back();
        }
        Ok((!data.is_empty()).then(|| Frame::data(data.freeze())))
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
        matches!(self.rest, Rest::Nothing)
    }

    fn size_hint(&self) -> SizeHint {
        match self.rest {
            Rest::Nothing => SizeHint::with_exact(0),
            Rest::Length(left) => SizeHint::with_exact(left),
            Rest::Chunks(_) | Rest::Close => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests;
