//! A response body on its way out over HTTP/2.

use super::{
    drain::{self, Stage},
    flow::{Parcel, Stream},
};
use crate::message::{ConnectionInfo, Headers, http2};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::sync::watch;

pin_project_lite::pin_project! {
    /// A handler's body with the connection's own bookkeeping.
    pub(super) struct Sending<B> {
        #[pin]
        body: B,
        // The body of a tunnel's response is none, and not its end.
        stream: Option<Stream>,
        closing: Option<(Pin<Box<dyn Future<Output = ()> + Send>>, Arc<ConnectionInfo>)>,
        is_silent: bool,
    }
}

impl<B> Sending<B> {
    pub(super) fn new(body: B, stream: Option<Stream>) -> Self {
        Self { body, stream, closing: None, is_silent: false }
    }

    /// Nothing of it is sent, whatever there is: the response to a HEAD, or one that has no body.
    pub(super) fn silenced(self) -> Self {
        Self { is_silent: true, ..self }
    }

    /// It ends when nothing but such bodies is left on a server that goes away.
    pub(super) fn closed_at_the_end(self, stage: watch::Receiver<Stage>, info: Arc<ConnectionInfo>) -> Self {
        Self { closing: Some((Box::pin(drain::closing(stage)), info)), ..self }
    }
}

impl<B: Body<Data = Bytes>> Body for Sending<B> {
    type Data = Parcel;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Parcel>, B::Error>>> {
        let this = self.project();
        let Some(stream) = this.stream else { return Poll::Ready(None) };
        let frame = this.body.poll_frame(cx);
        if frame.is_pending()
            && let Some((closing, info)) = this.closing
            && closing.as_mut().poll(cx).is_ready()
        {
            let _ = info.cut.set("shutdown");
            return Poll::Ready(None);
        }
        frame.map_ok(|frame| match frame.map_data(|bytes| stream.parcel(bytes)).into_trailers() {
            Ok(trailers) => {
                let mut trailers = Headers::from(trailers);
                http2::undress(&mut trailers);
                Frame::trailers(trailers.into())
            }
            Err(data) => data,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.is_silent || self.stream.is_none() || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
