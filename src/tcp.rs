//! TCP by the shortest way to the kernel.
//!
//! The C library's functions are points at which a thread can be cancelled: in a program of several threads each of them looks
//! before and after whether it is to be, which takes 50 ns of the 400 that a small message takes. The system calls here are those
//! of [`rustix`]; all else is as in [`TcpStream`]. Errors are those of the socket.

use crate::pages::{self, Place};
use rustix::{
    io::Errno,
    net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg},
};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

/// Reads what there is, as far as there is room. Nothing at all is the end.
pub fn poll_read(stream: &TcpStream, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
    let room = buf.remaining();
    loop {
        ready!(stream.poll_read_ready(cx))?;
        let count = attempt(stream, Interest::READABLE, room, || {
            // SAFETY: nothing is written there but what the kernel reads.
            let space = unsafe { buf.unfilled_mut() };
            let ((read, _), _) = recv(stream, space, RecvFlags::empty())?;
            Ok(read.len())
        })?;
        if let Some(count) = count {
            // SAFETY: so many bytes were read to there.
            unsafe { buf.assume_init(count) };
            buf.advance(count);
            return Poll::Ready(Ok(()));
        }
    }
}

/// Writes as much of it as there is room for.
pub fn poll_write(stream: &TcpStream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    poll_send(stream, cx, bytes.len(), || Ok(send(stream, bytes, SendFlags::NOSIGNAL)?))
}

/// Writes as much of them as there is room for, one behind the other, but nothing behind the first that need not be copied. What is
/// [`only`] one piece is sent as one: it takes the kernel 0.1 µs less.
pub fn poll_write_vectored(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    pieces: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    if let Some((index, place)) = in_pages(pieces) {
        let (front, piece) = (&pieces[..index], &pieces[index]);
        return poll_send(stream, cx, length(front) + piece.len(), || send_from(stream, front, place, piece));
    }
    if let Some(only) = only(pieces) {
        return poll_write(stream, cx, only);
    }
    poll_send(stream, cx, length(pieces), || Ok(send_all(stream, pieces, SendFlags::empty())?))
}

/// The first of them that need not be copied.
fn in_pages(pieces: &[IoSlice<'_>]) -> Option<(usize, Place)> {
    pieces.iter().enumerate().find_map(|(index, piece)| Some((index, pages::find(piece)?)))
}

/// Sends what is in front of such a piece, and then the piece from its place.
fn send_from(stream: &TcpStream, front: &[IoSlice<'_>], place: Place, piece: &[u8]) -> io::Result<usize> {
    let wanted = length(front);
    let mut sent = if wanted == 0 { 0 } else { send_all(stream, front, SendFlags::MORE)? };
    if sent < wanted {
        return Ok(sent);
    }
    // A signal cuts it short as well as a socket without room: only the latter says when there is some.
    while sent < wanted + piece.len() {
        let at = sent - wanted;
        match place.send(stream, at, piece.len() - at) {
            Ok(0) => break,
            Ok(more) => sent += more,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if sent > 0 => break,
            Err(Errno::AGAIN) => return Err(io::ErrorKind::WouldBlock.into()),
            // Where it is not the socket's, a copy can be sent.
            Err(_) => return Ok(sent + send(stream, &piece[at..], SendFlags::NOSIGNAL)?),
        }
    }
    Ok(sent)
}

fn send_all(stream: &TcpStream, pieces: &[IoSlice<'_>], flags: SendFlags) -> Result<usize, Errno> {
    sendmsg(stream, pieces, &mut SendAncillaryBuffer::default(), flags | SendFlags::NOSIGNAL)
}

/// The one piece that is not empty, where there is only one, or none.
pub fn only<'a>(pieces: &'a [IoSlice<'_>]) -> Option<&'a [u8]> {
    let length = length(pieces);
    pieces.iter().find(|piece| piece.len() == length).map(|piece| &**piece)
}

fn length(pieces: &[IoSlice<'_>]) -> usize {
    pieces.iter().map(|piece| piece.len()).sum()
}

fn poll_send(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    length: usize,
    mut send: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        if let Some(count) = attempt(stream, Interest::WRITABLE, length, &mut send)? {
            return Poll::Ready(Ok(count));
        }
    }
}

/// Has `transfer` move up to `wanted` bytes; `None` where it has to wait.
///
/// Who has got less than wanted, but something, has got all that there is: the next one waits to be told that there is more,
/// instead of asking the kernel in vain.
fn attempt(
    stream: &TcpStream,
    interest: Interest,
    wanted: usize,
    transfer: impl FnOnce() -> io::Result<usize>,
) -> io::Result<Option<usize>> {
    let mut moved = None;
    let outcome = stream.try_io(interest, || {
        let count = transfer()?;
        moved = Some(count);
        if (1..wanted).contains(&count) { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    });
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(moved),
    }
}

/// A client's connection.
#[derive(Debug)]
pub struct Stream(pub TcpStream);

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        poll_read(&self.0, cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        poll_write(&self.0, cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        poll_write_vectored(&self.0, cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        future::Future,
        pin::pin,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        task::Waker,
        thread::{self, JoinHandle},
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    async fn pair() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (Stream(near.unwrap()), far.unwrap().0)
    }

    fn is_pending(future: impl Future) -> bool {
        pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[tokio::test]
    async fn what_is_sent_is_read_to_its_end() {
        let (mut near, mut far) = pair().await;
        let mut read = Vec::with_capacity(64);
        assert!(is_pending(near.read_buf(&mut read)));
        for sent in ["some", "and more of it", "!"] {
            far.write_all(sent.as_bytes()).await.unwrap();
            read.clear();
            while read.len() < sent.len() {
                assert!(near.read_buf(&mut read).await.unwrap() > 0);
            }
            assert_eq!(read, sent.as_bytes());
            assert!(is_pending(near.read_buf(&mut read)), "after {sent:?}");
        }
        far.write_all(b"the rest").await.unwrap();
        drop(far);
        let mut rest = String::new();
        near.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "the rest");
    }

    #[tokio::test]
    async fn what_does_not_fit_waits_and_nothing_is_lost() {
        let (mut near, mut far) = pair().await;
        let sent: Vec<u8> = (0..8 << 20).map(|i| (i % 251) as u8).collect();
        let write = async {
            let (whole, in_pieces) = sent.split_at(sent.len() / 2);
            near.write_all(whole).await.unwrap();
            let mut left = in_pieces;
            while !left.is_empty() {
                let (one, other) = left.split_at(left.len() / 3);
                let pieces = [&[][..], one, other, &[]].map(IoSlice::new);
                left = &left[near.write_vectored(&pieces).await.unwrap()..];
            }
            near.shutdown().await.unwrap();
        };
        let mut received = Vec::new();
        let (received_all, ()) = tokio::join!(far.read_to_end(&mut received), write);
        received_all.unwrap();
        assert!(received == sent);
    }

    #[tokio::test]
    async fn what_lies_in_pages_is_sent_with_what_is_around_it_whatever_signals_come() {
        pages::reserve(8 << 20, 1);
        let body: Vec<u8> = (0..8 << 20).map(|i| (i % 251) as u8).collect();
        let placed = pages::place(&body).unwrap();
        let _signals = Signals::start();
        for _ in 0..3 {
            let (mut near, mut far) = pair().await;
            let (mut front, mut middle, mut back) = (&b"front"[..], placed.as_ref(), &b"back"[..]);
            let write = async {
                while !(front.is_empty() && middle.is_empty() && back.is_empty()) {
                    let pieces = [front, middle, back].map(IoSlice::new);
                    let mut written = near.write_vectored(&pieces).await.unwrap();
                    for piece in [&mut front, &mut middle, &mut back] {
                        let part = written.min(piece.len());
                        *piece = &piece[part..];
                        written -= part;
                    }
                }
                near.shutdown().await.unwrap();
            };
            let mut received = Vec::new();
            let (received_all, ()) = tokio::join!(far.read_to_end(&mut received), write);
            received_all.unwrap();
            assert!(received == [b"front", &body[..], b"back"].concat());
        }
    }

    /// Interrupts the thread that has started it, all the time.
    struct Signals(Arc<AtomicBool>, Option<JoinHandle<()>>);

    impl Signals {
        fn start() -> Self {
            // SAFETY: what it does may be done in a handler: nothing.
            unsafe { signal_hook_registry::register(libc::SIGUSR1, || {}) }.unwrap();
            // SAFETY: it reads a number.
            let thread = unsafe { libc::pthread_self() };
            let is_over = Arc::<AtomicBool>::default();
            let over = is_over.clone();
            let sender = thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    // SAFETY: the thread waits for this one to end.
                    unsafe { libc::pthread_kill(thread, libc::SIGUSR1) };
                    thread::yield_now();
                }
            });
            Self(is_over, Some(sender))
        }
    }

    impl Drop for Signals {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
            self.1.take().map(JoinHandle::join);
        }
    }

    #[tokio::test]
    async fn a_connection_that_was_reset_is_an_error_and_no_signal() {
        let (mut near, far) = pair().await;
        far.set_zero_linger().unwrap();
        drop(far);
        let reset = near.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
        pages::reserve(1 << 20, 1);
        let placed = pages::place(&[b'x'; 1 << 16]).unwrap();
        for more in [b"more", placed.as_ref()] {
            let broken = near.write_vectored(&[IoSlice::new(more)]).await.unwrap_err();
            assert_eq!(broken.kind(), io::ErrorKind::BrokenPipe);
        }
    }
}
