//! A request's body, which is read from the connection as it is wanted.

use super::{
    connection::{Transport, lock},
    wire::Wire,
};
use crate::message::{BodyError, Incoming, head::Framing};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

/// The body of one request.
struct Arriving<S: Transport> {
    wire: Arc<Mutex<Wire<S>>>,
    request: u64,
    /// What is still to come, if that is known.
    left: Option<u64>,
}

/// The body of the request that was read last.
pub(super) fn body<S: Transport>(wire: &Arc<Mutex<Wire<S>>>, framing: Framing) -> Incoming {
    let left = match framing {
        Framing::Length(0) => return Incoming::default(),
        Framing::Length(length) => Some(length),
        Framing::Chunked => None,
    };
    let request = lock(wire).request_number();
    Incoming::new(Arriving { wire: wire.clone(), request, left })
}

impl<S: Transport> Body for Arriving<S> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.left == Some(0) {
            return Poll::Ready(None);
        }
        let request = self.request;
        let frame = ready!(lock(&self.wire).poll_body(cx, request));
        match (&frame, &mut self.left) {
            (Some(Ok(frame)), Some(left)) => *left -= frame.data_ref().map_or(0, Bytes::len) as u64,
            (None, left) => *left = Some(0),
            _ => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl<S: Transport> Drop for Arriving<S> {
    fn drop(&mut self) {
        if self.left != Some(0) {
            lock(&self.wire).let_go(self.request);
        }
    }
}
