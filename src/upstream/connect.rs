//! New connections to the worker.

use super::Target;
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr},
    path::Path,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
    time::sleep,
};

/// A backend elsewhere may swallow connection attempts without a word; on loopback this never passes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause before trying again where a Unix socket's queue is full.
const FULL_QUEUE: Duration = Duration::from_millis(10);

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
            Target::Unix(path) => connect_unix(path).await.map(|socket| Stream::new(Socket::Unix { socket })),
        }
    };
    tokio::time::timeout(CONNECT_TIMEOUT, connecting)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Where the queue of a TCP port is full the kernel waits for room; at a Unix socket that is left to us.
async fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(FULL_QUEUE).await,
            connected => return connected,
        }
    }
}

/// Whether nothing listens there, as it is before a start and in the middle of a restart.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
}

fn tcp(socket: TcpStream) -> io::Result<Stream> {
    socket.set_nodelay(true)?;
    Ok(Stream::new(Socket::Tcp { socket }))
}

/// A connection to the worker.
///
/// A worker that refuses a request's body answers and closes while we still send, which resets the connection. What it
/// no longer takes is dropped without an error, so that what it has answered before is read.
pub(super) struct Stream {
    socket: Socket,
    /// The connection was reset: its end is not a response's end.
    reset: bool,
    /// All that the worker sent is read: nothing is missed if a write fails.
    ended: bool,
}

impl Stream {
    fn new(socket: Socket) -> Self {
        Self { socket, reset: false, ended: false }
    }

    /// The result of writing `length` bytes.
    fn written(&mut self, result: io::Result<usize>, length: usize) -> io::Result<usize> {
        match result {
            Err(error) if is_closed(&error) && !self.ended => {
                self.reset |= error.kind() == io::ErrorKind::ConnectionReset;
                Ok(length)
            }
            other => other,
        }
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

pin_project_lite::pin_project! {
    #[project = SocketProjection]
    enum Socket {
        Tcp { #[pin] socket: TcpStream },
        Unix { #[pin] socket: UnixStream },
    }
}

/// Calls the same method on whichever socket it is.
macro_rules! on_socket {
    ($stream:expr, $socket:ident => $call:expr) => {
        match Pin::new(&mut $stream.socket).project() {
            SocketProjection::Tcp { socket: $socket } => $call,
            SocketProjection::Unix { socket: $socket } => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(on_socket!(self, socket => socket.poll_read(cx, buf)))?;
        if buf.filled().len() == before && buf.capacity() > before {
            self.ended = true;
            if self.reset {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = ready!(on_socket!(self, socket => socket.poll_write(cx, buf)));
        Poll::Ready(self.written(result, buf.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(on_socket!(self, socket => socket.poll_write_vectored(cx, bufs)));
        Poll::Ready(self.written(result, bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_socket!(self, socket => socket.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_socket!(self, socket => socket.poll_shutdown(cx))
    }
}
