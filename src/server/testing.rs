//! What the tests of several parts share.

use super::connection::Transport;
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A client that takes some bytes now and then, or all at once, and says nothing.
#[derive(Default)]
pub(super) struct Client {
    /// Piece by piece.
    pub(super) taken: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Says how much it takes; without that it takes everything.
    pub(super) random: Option<fastrand::Rng>,
    /// Whether it will say nothing for ever.
    pub(super) has_closed: bool,
}

impl AsyncWrite for Client {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut count = bytes.len();
        if let Some(random) = &mut self.random {
            if random.u8(..4) == 0 {
                return Poll::Pending;
            }
            let most = count.min(100_000);
            count = if random.bool() { most } else { random.usize(1..=most) };
        }
        self.taken.lock().unwrap().push(bytes[..count].to_vec());
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write(cx, &pieces.iter().flat_map(|piece| piece.to_vec()).collect::<Vec<_>>())
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Client {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.has_closed { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl Transport for Client {
    fn poll_readable(&self, _: &mut Context<'_>) -> Poll<bool> {
        if self.has_closed { Poll::Ready(false) } else { Poll::Pending }
    }
}
