//! A response body on its way out: tells the connection when it has ended, and ends event streams when the server goes.

use super::{drain::Streaming, link::Link};
use crate::message::ConnectionInfo;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

pin_project_lite::pin_project! {
    /// A handler's body with the connection's own bookkeeping.
    pub(super) struct Outgoing<B> {
        #[pin]
        body: B,
        streaming: Option<(Streaming, Arc<ConnectionInfo>)>,
        ended: Ended,
    }
}

struct Ended(Arc<Link>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.response_ended();
    }
}

impl<B> Outgoing<B> {
    /// `streaming` marks a stream that has no end of its own.
    pub(super) fn new(body: B, link: Arc<Link>, streaming: Option<(Streaming, Arc<ConnectionInfo>)>) -> Self {
        Self { body, streaming, ended: Ended(link) }
    }
}

impl<B: Body<Data = Bytes>> Body for Outgoing<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let frame = this.body.poll_frame(cx);
        // The connection is polled again when the stage changes, and with it this body.
        match (&frame, this.streaming) {
            (Poll::Pending, Some((streaming, info))) if streaming.must_close() => {
                let _ = info.cut.set("shutdown");
                Poll::Ready(None)
            }
            _ => frame,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
