//! A connection over TLS: the handshake, and then a connection like any other.

use super::{
    connection::{self, DRAIN_GRACE_FIRST, FAR, Session, Speech, Transport},
    drain::Stage,
};
use crate::{message::Handler, tcp, tls};
use std::{
    io, mem,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::watch,
    time::timeout,
};
use tokio_rustls::server::TlsStream;

/// Serves one connection from its handshake, which must be over within the read timeout, to its end. While draining, who has
/// not got further than that is waited for no longer than for a first request.
pub(super) async fn serve<H: Handler>(tls: tls::Acceptor, socket: TcpStream, session: Session<H>) {
    let stage = session.seat.stage.clone();
    let limit = session.timeouts.read.unwrap_or(FAR);
    // In a box: what a handshake takes is not kept for the rest of the connection.
    let shaken = Box::pin(async {
        tokio::select! {
            biased;
            shaken = timeout(limit, handshake(&tls, socket)) => shaken.ok(),
            () = end_of_grace(stage) => None,
        }
    });
    match shaken.await {
        Some(Ok(Some(stream))) => {
            let is_http2 = stream.0.get_ref().1.alpn_protocol() == Some(b"h2");
            let speech = if is_http2 { Speech::Http2 } else { Speech::Http1 };
            connection::serve(stream, session, speech).await;
        }
        // A question of the certificate authority's, which is answered.
        Some(Ok(None)) => {}
        Some(Err(error)) => tracing::debug!(%error, "no handshake"),
        None => tracing::debug!("a handshake took too long"),
    }
}

async fn handshake(tls: &tls::Acceptor, socket: TcpStream) -> Result<Option<Secure>, tls::Failed> {
    let stream = tls.accept(Socket { stream: tcp::Stream(socket), moved: false }).await?;
    Ok(stream.map(|stream| Secure(Box::new(stream))))
}

/// Ready when nobody may be waited for any longer.
async fn end_of_grace(mut stage: watch::Receiver<Stage>) {
    let _ = stage.wait_for(|stage| *stage >= Stage::Draining).await;
    let _ = timeout(DRAIN_GRACE_FIRST, stage.wait_for(|stage| *stage == Stage::Over)).await;
}

/// TLS over a socket. In a box, since whatever it passes through would carry its size.
struct Secure(Box<TlsStream<Socket>>);

/// A socket that remembers whether it has taken anything: TLS holds up to 64 KB back, and does not say when it gets rid of them.
struct Socket {
    stream: tcp::Stream,
    moved: bool,
}

impl Transport for Secure {
    // The client's first bytes may have come with the end of its handshake.
    const READS_AHEAD: bool = true;

    fn has_moved(&mut self) -> bool {
        mem::take(&mut self.0.get_mut().0.moved)
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<bool> {
        self.0.get_ref().0.stream.poll_readable(cx)
    }
}

impl AsyncRead for Secure {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.0).poll_read(cx, buf) {
            // The end without a goodbye. Where it matters, a message's own length tells that it is not whole.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            polled => polled,
        }
    }
}

impl AsyncWrite for Secure {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl Socket {
    fn note(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.moved |= matches!(written, Poll::Ready(Ok(1..)));
        written
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
