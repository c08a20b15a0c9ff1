//! A socket to the worker, as its two directions.

use crate::tcp;
use socket2::SockRef;
use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream, tcp as halves, unix},
};

/// Both directions.
pub(super) struct Socket {
    pub(super) reader: Reader,
    pub(super) writer: Writer,
}

/// What the worker sends.
pub(super) enum Reader {
    Tcp(halves::OwnedReadHalf),
    Unix(unix::OwnedReadHalf),
}

/// What the worker gets.
pub(super) enum Writer {
    Tcp(halves::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
}

impl From<TcpStream> for Socket {
    fn from(socket: TcpStream) -> Self {
        let (reader, writer) = socket.into_split();
        Self { reader: Reader::Tcp(reader), writer: Writer::Tcp(writer) }
    }
}

impl From<UnixStream> for Socket {
    fn from(socket: UnixStream) -> Self {
        let (reader, writer) = socket.into_split();
        Self { reader: Reader::Unix(reader), writer: Writer::Unix(writer) }
    }
}

impl Reader {
    /// Whether there is nothing to read, neither bytes nor the end, as far as the event loop has seen. Takes a byte if there
    /// is one. Not polled: a task that has polled much gets no answer, which would look like silence.
    pub(super) fn is_silent(&self) -> bool {
        let mut byte = [0];
        would_block(match self {
            Self::Tcp(half) => half.try_read(&mut byte),
            Self::Unix(half) => half.try_read(&mut byte),
        })
    }

    /// The same, as far as the kernel knows.
    pub(super) fn is_surely_silent(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        would_block(match self {
            Self::Tcp(half) => SockRef::from(half.as_ref()).peek(&mut byte),
            Self::Unix(half) => SockRef::from(half.as_ref()).peek(&mut byte),
        })
    }
}

fn would_block(read: io::Result<usize>) -> bool {
    read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

impl AsyncRead for Reader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(half) => tcp::poll_read(half.as_ref(), cx, buf),
            Self::Unix(half) => Pin::new(half).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(half) => tcp::poll_write(half.as_ref(), cx, buf),
            Self::Unix(half) => Pin::new(half).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(half) => tcp::poll_write_vectored(half.as_ref(), cx, bufs),
            Self::Unix(half) => match tcp::only(bufs) {
                Some(only) => Pin::new(half).poll_write(cx, only),
                None => Pin::new(half).poll_write_vectored(cx, bufs),
            },
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_shutdown(cx),
            Self::Unix(half) => Pin::new(half).poll_shutdown(cx),
        }
    }
}
