//! A request body on its way to the worker: bounded in size, and in how long it may stand still.

use super::Options;
use crate::{
    message::{BodyError, Headers, Incoming, forwarded},
    upstream::OnContinue,
};
use bytes::Bytes;
use http::Extensions;
use http_body::{Body, Frame, SizeHint};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    sync::oneshot,
    time::{Instant, Sleep, Timeout, sleep_until, timeout},
};

/// A client that waits for 100 gets it after this even if the worker says nothing: many do not know it.
const CONTINUE_AFTER: Duration = Duration::from_secs(1);

/// A client's request body. The default is none.
#[derive(Default)]
pub struct RequestBody(Option<Box<Streamed>>);

struct Streamed {
    /// `None` once the worker has refused it.
    incoming: Option<Incoming>,
    /// Bytes that may still come.
    left: u64,
    timeout: Option<Duration>,
    /// Runs while we wait for the client.
    timer: Option<Pin<Box<Sleep>>>,
    /// The client holds the body back until the worker wants it.
    gate: Option<Pin<Box<Timeout<oneshot::Receiver<()>>>>>,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, options: &Options) -> Self {
        if incoming.is_end_stream() {
            return Self(None);
        }
        Self(Some(Box::new(Streamed {
            incoming: Some(incoming),
            left: options.max_request_body.unwrap_or(u64::MAX),
            timeout: options.body_timeout,
            timer: None,
            gate: None,
        })))
    }

    /// Holds the body back until the worker sends 100 (RFC 9110 §10.1.1), so that it can refuse without having it sent.
    pub(super) fn hold_until_continue(&mut self, extensions: &mut Extensions) {
        let Some(streamed) = &mut self.0 else { return };
        let (on_continue, opened) = OnContinue::new();
        streamed.gate = Some(Box::pin(timeout(CONTINUE_AFTER, opened)));
        extensions.insert(on_continue);
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(streamed) = &mut self.0 else { return Poll::Ready(None) };
        streamed.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Some(streamed) => streamed.incoming.as_ref().is_some_and(Body::is_end_stream),
            None => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Some(streamed) => streamed.incoming.as_ref().map(Body::size_hint).unwrap_or_default(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl Streamed {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(gate) = &mut self.gate {
            if matches!(ready!(gate.as_mut().poll(cx)), Ok(Err(_))) {
                // The worker has answered without wanting the body: to read it would make the client send it.
                self.incoming = None;
            }
            self.gate = None;
        }
        // An error here would break off the response, of which more may be coming.
        let Some(incoming) = &mut self.incoming else { return Poll::Pending };
        match Pin::new(incoming).poll_frame(cx) {
            Poll::Pending => self.poll_timer(cx),
            Poll::Ready(frame) => {
                self.timer = None;
                Poll::Ready(frame.map(|frame| frame.and_then(|frame| self.check(frame))))
            }
        }
    }

    /// Ready with an error when the client has stood still for too long.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(timeout) = self.timeout else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + timeout)));
        timer.as_mut().poll(cx).map(|()| Some(Err(BodyError::ClientTimeout)))
    }

    fn check(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError> {
        if let Some(data) = frame.data_ref() {
            self.left = self.left.checked_sub(data.len() as u64).ok_or(BodyError::TooLarge)?;
            return Ok(frame);
        }
        Ok(match frame.into_trailers() {
            Ok(trailers) => {
                let mut trailers = Headers::from(trailers);
                trailers.retain(|name| is_harmless(name.as_str()));
                Frame::trailers(trailers.into())
            }
            Err(other) => other,
        })
    }
}

/// Whether a field may come as a trailer: one that frames, routes or authorises a message comes too late there (RFC 9110
/// §6.5.1).
fn is_harmless(name: &str) -> bool {
    if name.contains('_') {
        // Applications that follow CGI do not tell it from `-`.
        return is_harmless(&name.replace('_', "-"));
    }
    !name.starts_with("content-")
        && !forwarded::is_claim(name)
        && !matches!(
            name,
            "host"
                | "transfer-encoding"
                | "connection"
                | "trailer"
                | "te"
                | "cookie"
                | "authorization"
                | "forwarded"
                | "proxy"
        )
}
