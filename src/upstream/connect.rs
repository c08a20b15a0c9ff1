//! New connections to the worker.

use super::Target;
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

/// A backend elsewhere may swallow connection attempts without a word; on loopback this never passes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connects to the worker.
pub(super) async fn connect(target: &Target) -> io::Result<Stream> {
    let connecting = async {
        match target {
            Target::Loopback(port) => match TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).await {
                Err(error) if is_refusal(&error) => {
                    // What the first address said is what an operator looks for.
                    TcpStream::connect((Ipv6Addr::LOCALHOST, *port)).await.map_err(|_| error).and_then(tcp)
                }
                connected => connected.and_then(tcp),
            },
            Target::Tcp { host, port } => TcpStream::connect((host.as_str(), *port)).await.and_then(tcp),
            Target::Unix(path) => UnixStream::connect(path).await.map(|socket| Stream::Unix { socket }),
        }
    };
    tokio::time::timeout(CONNECT_TIMEOUT, connecting)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Whether nothing listens there, as it is before a start and in the middle of a restart.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
}

fn tcp(socket: TcpStream) -> io::Result<Stream> {
    socket.set_nodelay(true)?;
    Ok(Stream::Tcp { socket })
}

pin_project_lite::pin_project! {
    /// A connection to the worker.
    #[project = StreamProjection]
    pub(super) enum Stream {
        Tcp { #[pin] socket: TcpStream },
        Unix { #[pin] socket: UnixStream },
    }
}

/// Calls the same method on whichever socket it is.
macro_rules! on_socket {
    ($stream:expr, $socket:ident => $call:expr) => {
        match $stream.project() {
            StreamProjection::Tcp { socket: $socket } => $call,
            StreamProjection::Unix { socket: $socket } => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_socket!(self, socket => socket.poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        on_socket!(self, socket => socket.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_socket!(self, socket => socket.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_socket!(self, socket => socket.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_socket!(self, socket => socket.poll_shutdown(cx))
    }
}
