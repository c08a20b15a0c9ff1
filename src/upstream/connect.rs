//! New connections to the worker.

use super::{Target, socket::Socket};
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr},
    path::Path,
    time::Duration,
};
use tokio::{
    net::{TcpStream, UnixStream},
    time::sleep,
};

/// A backend elsewhere may swallow connection attempts without a word; on loopback this never passes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause before trying again where a Unix socket's queue is full.
const FULL_QUEUE: Duration = Duration::from_millis(10);

/// Connects to the worker.
pub(super) async fn connect(target: &Target) -> io::Result<Socket> {
    let connecting = async {
        match target {
            Target::Loopback(port) => match TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).await {
                Err(error) if is_refusal(&error) => {
                    // What the first address said is what an operator looks for.
                    TcpStream::connect((Ipv6Addr::LOCALHOST, *port)).await.map_err(|_| error)
                }
                connected => connected,
            }
            .and_then(without_delay),
            Target::Tcp { host, port } => {
                TcpStream::connect((host.as_str(), *port)).await.and_then(without_delay)
            }
            Target::Unix(path) => connect_unix(path).await.map(Into::into),
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

fn without_delay(socket: TcpStream) -> io::Result<Socket> {
    socket.set_nodelay(true)?;
    Ok(socket.into())
}
