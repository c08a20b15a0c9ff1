//! The socket below HTTP/2's library: tells what comes and goes, and closes in a way that loses nothing.

use super::{
    flow::Flow,
    frames::{Flood, Frames},
    preface::PREFACE,
};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much of what a client goes on sending is read when everything is said.
const MAX_REST: usize = 256 * 1024;

/// A socket that is watched.
pub(super) struct Socket<S> {
    socket: S,
    flow: Arc<Flow>,
    frames: Frames,
    /// What was read before of the preface and is still to be handed over.
    early: &'static [u8],
    /// How much is still read when everything is said; `None` before.
    rest: Option<usize>,
}

impl<S> Socket<S> {
    /// A socket from which the preface was read already, or nothing.
    pub(super) fn new(socket: S, flow: Arc<Flow>, has_begun: bool) -> Self {
        let early = if has_begun { &PREFACE[..] } else { &[] };
        Self { socket, flow, frames: Frames::new(), early, rest: None }
    }

    /// These bytes have come.
    fn follow(&mut self, bytes: &[u8]) -> io::Result<()> {
        let followed = self.frames.feed(bytes, self.flow.answered());
        self.flow.in_head(self.frames.is_in_head());
        followed.map_err(|Flood| io::Error::new(io::ErrorKind::InvalidData, "flooded by the client"))
    }

    /// So much was sent, or nothing could be.
    fn note(&mut self, written: &Poll<io::Result<usize>>) {
        self.flow.blocked(written.is_pending());
        if let Poll::Ready(Ok(count)) = written {
            self.frames.sent(*count);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let start = buf.filled().len();
        if this.early.is_empty() {
            ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
        } else {
            let (early, later) = this.early.split_at(this.early.len().min(buf.remaining()));
            buf.put_slice(early);
            this.early = later;
        }
        Poll::Ready(this.follow(&buf.filled()[start..]))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.note(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.note(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        self.flow.blocked(flushed.is_pending());
        flushed
    }

    /// Closes our direction, then waits for the client to close its own: a socket that is closed before all was read from it
    /// is reset, and the client may lose what it had yet to read.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let mut rest = match this.rest {
            Some(rest) => rest,
            None => {
                this.flow.closing();
                ready!(Pin::new(&mut this.socket).poll_shutdown(cx))?;
                MAX_REST
            }
        };
        while rest > 0 {
            this.rest = Some(rest);
            let mut space = [0; 1024];
            let mut buf = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut this.socket).poll_read(cx, &mut buf))?;
            rest = if buf.filled().is_empty() { 0 } else { rest.saturating_sub(buf.filled().len()) };
        }
        Poll::Ready(Ok(()))
    }
}
