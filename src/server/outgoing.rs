//! A response on its way out over HTTP/1.

use super::{
    connection::{Transport, lock},
    drain::Streaming,
    head::Framing,
    wire::Wire,
};
use crate::message::{ConnectionInfo, Headers, hop, write};
use bytes::{Buf, Bytes};
use http::HeaderValue;
use http_body::{Body, Frame};
use std::{
    io::IoSlice,
    mem,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

/// Pieces shorter than this are copied behind one another; others are written from where they are. What is written in one
/// piece takes the kernel less than what is gathered from two; from 4 KiB on the copy takes as long.
const SMALL: usize = 2048;
/// How much of such is gathered before it is written.
const ENOUGH: usize = 16 * 1024;

/// A response: its head, and its body as it comes. One response leaves its memory to the next.
///
/// The body is kept until its last byte is written: it is over then, and logged.
pub(super) struct Outgoing<B> {
    /// The head, and what else is copied in front of a larger piece.
    front: Vec<u8>,
    /// How much of the front is written.
    written: usize,
    /// A piece of the body, between the front and the back.
    data: Bytes,
    /// What is copied behind it.
    back: Vec<u8>,
    /// A piece that comes behind all that; not framed yet.
    next: Bytes,
    /// `None` between two responses.
    body: Option<B>,
    framing: Framing,
    /// Nothing more comes: the body has ended, or has failed.
    is_over: bool,
    has_failed: bool,
    /// The fields that may come behind the body: those that the header has named, where the client takes any.
    announced: Vec<HeaderValue>,
    /// The mark of a stream that has no end of its own.
    streaming: Option<(Streaming, Arc<ConnectionInfo>)>,
}

/// The response could not be written, or its body has failed: the connection cannot go on.
pub(super) struct Broken;

impl<B> Outgoing<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// No response yet.
    pub(super) fn new() -> Self {
        Self {
            front: Vec::new(),
            written: 0,
            data: Bytes::new(),
            back: Vec::new(),
            next: Bytes::new(),
            body: None,
            framing: Framing::Nothing,
            is_over: true,
            has_failed: false,
            announced: Vec::new(),
            streaming: None,
        }
    }

    /// Memory for what is copied.
    pub(super) fn lend(&mut self, memory: Vec<u8>) {
        self.front = memory;
    }

    /// The memory, of which nothing is in use between two responses.
    pub(super) fn give_back(&mut self) -> Vec<u8> {
        self.front.clear();
        self.written = 0;
        mem::take(&mut self.front)
    }

    /// Where the next response's head is to be written to.
    pub(super) fn head(&mut self) -> &mut Vec<u8> {
        &mut self.front
    }

    /// The head is written; this is the body.
    pub(super) fn begin(&mut self, body: B, framing: Framing, announced: Vec<HeaderValue>) {
        // Whoever has failed ends the connection; all others have written everything.
        debug_assert!(!self.has_failed && self.written == 0 && self.data.is_empty() && self.next.is_empty());
        self.body = Some(body);
        self.framing = framing;
        self.is_over = matches!(framing, Framing::Nothing | Framing::Length(0));
        self.announced = announced;
    }

    /// It ends when nothing but such bodies is left on a server that goes away.
    pub(super) fn closed_at_the_end(&mut self, streaming: Streaming, info: Arc<ConnectionInfo>) {
        self.streaming = Some((streaming, info));
    }

    /// All is written: the response is over.
    pub(super) fn end(&mut self) {
        self.body = None;
        // Nothing is left of it, but that would keep the memory all the same.
        self.data = Bytes::new();
        self.streaming = None;
    }

    /// Ready when all of it is written.
    pub(super) fn poll<S: Transport>(
        &mut self,
        cx: &mut Context<'_>,
        wire: &Mutex<Wire<S>>,
    ) -> Poll<Result<(), Broken>> {
        loop {
            let gathered = self.gather(cx);
            // Not before: a body may read from the connection.
            let mut wire = lock(wire);
            if self.has_bytes() {
                ready!(self.poll_write(cx, &mut wire))?;
                if self.has_bytes() || !self.is_over {
                    continue;
                }
            }
            // What TLS still holds is blocked like anything else, also while the body has nothing more.
            let flushed = wire.poll_flush(cx).map_err(|_| Broken)?;
            ready!(gathered);
            ready!(flushed);
            return Poll::Ready(if self.has_failed { Err(Broken) } else { Ok(()) });
        }
    }

    /// Takes what there is of the body, but no more than is to be written at once. Ready when there is no need to wait for
    /// more.
    fn gather(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.data.is_empty() && !self.next.is_empty() {
            let next = mem::take(&mut self.next);
            self.add_data(next);
        }
        while !self.is_over && !self.is_full() {
            let Some(body) = &mut self.body else { break };
            match Pin::new(body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => self.add(frame),
                Poll::Ready(None) => self.conclude(&Headers::new()),
                // What came before it is written all the same.
                Poll::Ready(Some(Err(_))) => (self.is_over, self.has_failed) = (true, true),
                Poll::Pending => match &self.streaming {
                    // The connection is polled again when the stage changes, and with it this body.
                    Some((streaming, info)) if streaming.must_close() => {
                        let _ = info.cut.set("shutdown");
                        self.conclude(&Headers::new());
                    }
                    _ => return Poll::Pending,
                },
            }
        }
        Poll::Ready(())
    }

    fn is_full(&self) -> bool {
        !self.next.is_empty() || self.front.len() + self.back.len() >= ENOUGH
    }

    fn add(&mut self, frame: Frame<Bytes>) {
        match frame.into_data() {
            Ok(data) if data.is_empty() => {}
            Ok(data) if data.len() >= SMALL && !self.data.is_empty() => self.next = data,
            Ok(data) => self.add_data(data),
            Err(frame) => {
                let mut trailers = Headers::from(frame.into_trailers().unwrap_or_default());
                trailers.retain(|name| self.announced.iter().any(|names| hop::lists(names, name.as_str())));
                self.conclude(&trailers);
            }
        }
    }

    fn add_data(&mut self, mut data: Bytes) {
        match &mut self.framing {
            Framing::Nothing => return,
            Framing::Length(left) => {
                // More than was said would be read as the next response.
                data.truncate((*left).min(data.len() as u64) as usize);
                *left -= data.len() as u64;
                self.is_over = *left == 0;
            }
            Framing::Chunked => write::chunk_size(self.tail(), data.len()),
            Framing::Close => {}
        }
        if data.len() < SMALL {
            self.tail().extend_from_slice(&data);
        } else {
            self.data = data;
        }
        if self.framing == Framing::Chunked {
            self.tail().extend_from_slice(b"\r\n");
        }
    }

    /// The body has ended.
    fn conclude(&mut self, trailers: &Headers) {
        self.is_over = true;
        match self.framing {
            Framing::Chunked => write::last_chunk(self.tail(), trailers),
            // The client waits for the rest.
            Framing::Length(1..) => self.has_failed = true,
            Framing::Length(0) | Framing::Nothing | Framing::Close => {}
        }
    }

    /// Where what comes next is copied to.
    fn tail(&mut self) -> &mut Vec<u8> {
        if self.data.is_empty() { &mut self.front } else { &mut self.back }
    }

    fn has_bytes(&self) -> bool {
        // There is no back without data, and no front that is written.
        !self.front.is_empty() || !self.data.is_empty()
    }

    fn poll_write<S: Transport>(
        &mut self,
        cx: &mut Context<'_>,
        wire: &mut Wire<S>,
    ) -> Poll<Result<(), Broken>> {
        let (front, back) = (&self.front[self.written..], &self.back);
        let pieces = [IoSlice::new(front), IoSlice::new(&self.data), IoSlice::new(back)];
        // There is no back without data.
        let pieces = if self.data.is_empty() { &pieces[..1] } else { &pieces[..] };
        match ready!(wire.poll_write(cx, pieces)) {
            Ok(written @ 1..) => self.advance(written),
            Ok(0) | Err(_) => return Poll::Ready(Err(Broken)),
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut bytes: usize) {
        let front = bytes.min(self.front.len() - self.written);
        self.written += front;
        bytes -= front;
        let data = bytes.min(self.data.len());
        self.data.advance(data);
        bytes -= data;
        if !self.data.is_empty() || self.written < self.front.len() {
            return;
        }
        // The back is all that may be left; it becomes the front.
        self.front.clear();
        mem::swap(&mut self.front, &mut self.back);
        self.written = bytes;
        if self.written == self.front.len() {
            self.front.clear();
            self.written = 0;
        }
    }
}

#[cfg(test)]
mod tests;
