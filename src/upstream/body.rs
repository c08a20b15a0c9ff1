//! A response body on its way from the worker.

use super::pool::{Pool, Sender};
use crate::message::BodyError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// A response body. Read to its end it gives the connection back; dropped before, it closes it.
pub struct ResponseBody<B: Body + Send + 'static> {
    incoming: Incoming,
    /// The connection, until the body has ended.
    lent: Option<Sender<B>>,
    /// Where it goes then.
    pool: Option<Arc<Pool<B>>>,
}

impl<B: Body + Send + 'static> ResponseBody<B> {
    pub(super) fn new(incoming: Incoming, sender: Sender<B>, pool: Option<Arc<Pool<B>>>) -> Self {
        let mut body = Self { incoming, lent: Some(sender), pool };
        body.give_back_at_end();
        body
    }

    fn give_back_at_end(&mut self) {
        if self.incoming.is_end_stream() {
            self.give_back();
        }
    }

    fn give_back(&mut self) {
        // One that is switching protocols is not given back: it stays until that is done.
        if let Some(pool) = &self.pool
            && let Some(sender) = self.lent.take()
        {
            pool.put(sender);
        }
    }
}

impl<B: Body + Send + 'static> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        match &frame {
            // The library does not poll again after trailers.
            Some(Ok(frame)) if frame.is_trailers() => self.give_back(),
            Some(Ok(_)) => self.give_back_at_end(),
            Some(Err(error)) => tracing::debug!(%error, "response body broken off"),
            // Of chunks the library knows the end only when it is there.
            None => self.give_back(),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(|_| BodyError::WorkerGone)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
