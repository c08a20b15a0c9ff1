//! A connection that has switched to another protocol: bytes both ways until both sides have ended.

use crate::message::Tunnel;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional};

/// Copies until both sides have closed their direction (one may go on when the other has ended), one of them fails, or
/// the server is `closing`. `early` is what the client has sent already.
pub(super) async fn run<S>(mut client: S, early: &[u8], tunnel: Tunnel, closing: impl Future<Output = ()>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut worker = Counted { socket: tunnel.worker, read: 0 };
    let copied = async {
        worker.write_all(early).await?;
        copy_bidirectional(&mut client, &mut worker).await
    };
    tokio::select! {
        // However it has ended, it has ended.
        _ = copied => {}
        () = closing => {}
    }
    (tunnel.ended)(worker.read);
    // A closed socket tells the client to connect again, to whoever serves next.
    let _ = client.shutdown().await;
}

/// Counts what is read, however the copying ends.
struct Counted<S> {
    socket: S,
    read: u64,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        self.read += (buf.filled().len() - before) as u64;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
