//! A request's body as the server hands it on.

use super::BodyError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// A request's body as it arrives. The default is none.
#[derive(Default)]
pub struct Incoming(Option<Pin<Box<dyn Body<Data = Bytes, Error = BodyError> + Send + Sync>>>);

impl Incoming {
    /// A body that is read from elsewhere.
    pub fn new(body: impl Body<Data = Bytes, Error = BodyError> + Send + Sync + 'static) -> Self {
        Self(Some(Box::pin(body)))
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.as_mut().map_or(Poll::Ready(None), |body| body.as_mut().poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or(SizeHint::with_exact(0), |body| body.size_hint())
    }
}
