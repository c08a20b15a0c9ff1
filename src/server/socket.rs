//! The socket below HTTP/2's library: gathers what is sent, tells what comes and goes, and closes in a way that loses nothing.

use super::{
    connection::lock,
    flow::Flow,
    frames::{Flood, Frames},
    preface::PREFACE,
};
use std::{
    cell::Cell,
    io::{self, IoSlice},
    mem,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much of what a client goes on sending is read when everything is said.
const MAX_REST: usize = 256 * 1024;
/// How much is gathered before it is written.
const ENOUGH: usize = 32 * 1024;
/// What is longer is written from where it is.
const LARGE: usize = 8 * 1024;

thread_local! {
    /// Memory to gather in. A connection has it only while something is gathered.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The library's end of a socket.
///
/// The library writes each response by itself, and flushes behind it. So that those that are ready at the same time leave together
/// they are gathered here, until the library has nothing more to do and its connection flushes the [`Outlet`].
pub(super) struct Socket<S>(Arc<Mutex<Watched<S>>>);

/// The connection's end of it.
pub(super) struct Outlet<S>(Arc<Mutex<Watched<S>>>);

/// A socket that is watched.
struct Watched<S> {
    socket: S,
    flow: Arc<Flow>,
    frames: Frames,
    /// What was read before of the preface and is still to be handed over.
    early: &'static [u8],
    /// What is to be sent, and how much of it is.
    gathered: Vec<u8>,
    written: usize,
    /// The last that was to be written was not.
    is_full: bool,
    /// How much is still read when everything is said; `None` before.
    rest: Option<usize>,
}

/// Both ends of a socket from which the preface was read already, or nothing.
pub(super) fn watch<S>(socket: S, flow: Arc<Flow>, has_begun: bool) -> (Socket<S>, Outlet<S>) {
    let early = if has_begun { &PREFACE[..] } else { &[] };
    let frames = Frames::new();
    let (gathered, written, is_full, rest) = (Vec::new(), 0, false, None);
    let watched = Watched { socket, flow, frames, early, gathered, written, is_full, rest };
    let watched = Arc::new(Mutex::new(watched));
    (Socket(watched.clone()), Outlet(watched))
}

impl<S: AsyncRead + AsyncWrite + Unpin> Outlet<S> {
    /// Ready when all that was written is on its way, or when everything is said.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut watched = lock(&self.0);
        if watched.rest.is_some() { Poll::Ready(Ok(())) } else { watched.poll_flush(cx) }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Watched<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let start = buf.filled().len();
        if self.early.is_empty() {
            ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        } else {
            let (early, later) = self.early.split_at(self.early.len().min(buf.remaining()));
            buf.put_slice(early);
            self.early = later;
        }
        Poll::Ready(self.follow(&buf.filled()[start..]))
    }

    /// These bytes have come.
    fn follow(&mut self, bytes: &[u8]) -> io::Result<()> {
        let followed = self.frames.feed(bytes, self.flow.answered());
        self.flow.in_head(self.frames.is_in_head());
        followed.map_err(|Flood| io::Error::new(io::ErrorKind::InvalidData, "flooded by the client"))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let length = pieces.iter().map(|piece| piece.len()).sum();
        if length > LARGE || self.gathered.len() + length > ENOUGH {
            ready!(self.poll_write_gathered(cx))?;
        }
        if length > LARGE {
            let written = Pin::new(&mut self.socket).poll_write_vectored(cx, pieces);
            self.note(&written);
            return written;
        }
        if self.gathered.capacity() == 0 {
            self.gathered = SPARE.take();
            self.gathered.reserve_exact(ENOUGH);
        }
        pieces.iter().for_each(|piece| self.gathered.extend_from_slice(piece));
        Poll::Ready(Ok(length))
    }

    fn poll_write_gathered(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.gathered.len() {
            let written = Pin::new(&mut self.socket).poll_write(cx, &self.gathered[self.written..]);
            self.note(&written);
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        if self.gathered.capacity() > 0 {
            self.gathered.clear();
            self.written = 0;
            SPARE.set(mem::take(&mut self.gathered));
        }
        Poll::Ready(Ok(()))
    }

    /// So much was sent, or nothing could be.
    fn note(&mut self, written: &Poll<io::Result<usize>>) {
        self.is_full = written.is_pending();
        self.flow.blocked(self.is_full);
        if let Poll::Ready(Ok(count)) = written {
            self.frames.sent(*count);
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_gathered(cx))?;
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        // What the library could not write it still has: for that nothing is flushed.
        self.flow.blocked(self.is_full || flushed.is_pending());
        flushed
    }

    /// Closes our direction, then waits for the client to close its own: a socket that is closed before all was read from it
    /// is reset, and the client may lose what it had yet to read.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut rest = match self.rest {
            Some(rest) => rest,
            None => {
                ready!(self.poll_flush(cx))?;
                self.flow.closing();
                ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
                MAX_REST
            }
        };
        while rest > 0 {
            self.rest = Some(rest);
            let mut space = [0; 1024];
            let mut buf = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buf))?;
            rest = if buf.filled().is_empty() { 0 } else { rest.saturating_sub(buf.filled().len()) };
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Socket<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        lock(&self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_write(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_write(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The library may have more to write: the connection flushes.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{drain::Connections, testing::Client, waiting::Waiting},
        *,
    };
    use std::task::Waker;
    use tokio::{io::AsyncWriteExt, sync::Semaphore};

    fn flow() -> Arc<Flow> {
        Arc::new(Flow::new(Connections::new().enter(), Arc::new(Semaphore::new(1))))
    }

    fn watched(client: Client) -> (Socket<Client>, Outlet<Client>) {
        watch(client, flow(), true)
    }

    fn cx() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    #[tokio::test]
    async fn what_is_ready_at_the_same_time_leaves_together() {
        let client = Client::default();
        let taken = client.taken.clone();
        let (mut socket, outlet) = watched(client);
        for _ in 0..5 {
            socket.write_all(&[b'x'; 4096]).await.unwrap();
            socket.flush().await.unwrap();
        }
        assert!(taken.lock().unwrap().is_empty());
        assert!(outlet.poll_flush(&mut cx()).is_ready());
        assert_eq!(*taken.lock().unwrap(), [[b'x'; 5 * 4096]]);
        assert_eq!(lock(&outlet.0).gathered.capacity(), 0, "the memory is left to the next");
    }

    #[tokio::test]
    async fn who_takes_nothing_blocks_whatever_is_flushed() {
        for length in [1, LARGE + 1] {
            let (near, _far) = tokio::io::duplex(10);
            let flow = flow();
            let (mut socket, outlet) = watch(near, flow.clone(), true);
            let is_blocked = || matches!(flow.waiting(), Some(Waiting::Blocked(_)));
            socket.write_all(b"0123456789").await.unwrap();
            assert!(outlet.poll_flush(&mut cx()).is_ready() && !is_blocked());
            let _ = Pin::new(&mut socket).poll_write(&mut cx(), &vec![b'x'; length]);
            let _ = outlet.poll_flush(&mut cx());
            assert!(is_blocked(), "{length}");
        }
    }

    #[tokio::test]
    async fn all_arrives_in_order_however_it_is_written_and_taken() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..50 {
            let client = Client { random: Some(random.fork()), has_closed: true, ..Client::default() };
            let taken = client.taken.clone();
            let (mut socket, outlet) = watched(client);
            let mut written = Vec::new();
            while written.len() < 200_000 {
                let length = [1, 9, 4096, LARGE, LARGE + 1, ENOUGH][random.usize(..6)];
                let bytes = vec![random.u8(..); length];
                let (one, other) = bytes.split_at(random.usize(..=length));
                match Pin::new(&mut socket).poll_write_vectored(&mut cx(), &[one, other].map(IoSlice::new)) {
                    Poll::Ready(count) => written.extend_from_slice(&bytes[..count.unwrap()]),
                    Poll::Pending => {}
                }
                assert!(lock(&outlet.0).gathered.len() <= ENOUGH);
                let _ = (random.u8(..4) == 0).then(|| outlet.poll_flush(&mut cx()));
            }
            // What is left leaves before the end.
            while Pin::new(&mut socket).poll_shutdown(&mut cx()).is_pending() {}
            assert!(taken.lock().unwrap().concat() == written);
        }
    }
}
