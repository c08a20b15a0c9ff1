//! The worker, reached over TCP or a Unix socket: a pool of connections, and the rule for trying again.

mod body;
mod connect;
mod connection;
mod error;
mod pool;
mod reach;
mod response;
mod socket;
mod upload;

pub use body::ResponseBody;
pub use connection::Switched;
pub use error::UpstreamError;
pub use upload::OnContinue;

use crate::message::{BodyError, Request, Response};
use bytes::Bytes;
use connection::{Connection, Line};
use http::Method;
use http_body::Body;
use pool::{Pool, Taken};
use reach::Reach;
use socket::Socket;
use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// Pause between two attempts to connect to a worker that is not there yet.
const KNOCK_EVERY: Duration = Duration::from_millis(20);
/// A worker that nobody could reach for this long is worth a line in the log: perhaps it listens elsewhere.
const LONG_CLOSED: Duration = Duration::from_secs(10);

/// How the worker is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// This port on 127.0.0.1, then on ::1.
    Loopback(u16),
    /// A backend that something else runs, by host name or address.
    Tcp {
        /// Host name or IP address (an IPv6 address without brackets).
        host: String,
        /// TCP port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Loopback(port) => write!(f, "127.0.0.1:{port}"),
            Target::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Target::Tcp { host, port } => write!(f, "{host}:{port}"),
            Target::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// How to reach the worker and how long to wait for it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens.
    pub target: Target,
    /// While it has never accepted a connection, requests wait this long; zero never waits.
    pub boot_timeout: Duration,
    /// Whether we run it ourselves, so that a port that is closed for a moment may be a restart.
    pub supervised: bool,
}

/// The worker. Cheap to clone.
#[derive(Clone)]
pub struct Upstream {
    inner: Arc<Inner>,
}

struct Inner {
    options: Options,
    pool: Arc<Pool>,
    reach: Reach,
    /// All connections that there are, and some that there were.
    lines: Mutex<Vec<Weak<Line>>>,
}

impl Upstream {
    /// Begins to look out for the worker; within a runtime.
    pub fn start(options: Options) -> Self {
        let reach = Reach::new(options.boot_timeout, options.supervised);
        let inner = Arc::new(Inner { options, pool: Pool::start(), reach, lines: Mutex::default() });
        tokio::spawn(inner.clone().knock());
        tokio::spawn(inner.clone().cut_when_gone());
        Self { inner }
    }

    /// Whether the worker has never accepted a connection.
    pub fn is_booting(&self) -> bool {
        self.inner.reach.is_booting()
    }

    /// The worker was told to restart: its port may be closed for a while.
    pub fn expect_restart(&self) {
        self.inner.reach.expect_restart();
    }

    /// The worker has ended: whoever still waits for it is told so in a moment.
    pub fn worker_gone(&self) {
        self.inner.reach.worker_gone();
    }

    /// Sends a request that came in at `began`, with this body instead of its own and some more lines in its header, and waits
    /// for the response's head, however long the worker takes for it. The response takes the memory of the request's header.
    ///
    /// A request is sent a second time only if it is idempotent and has no body (RFC 9110 §9.2.2) and was sent on a
    /// connection that had been idle, or while the worker restarts: then the worker closed the connection in that moment,
    /// or was closed with the connection in its queue.
    pub async fn send<T, B>(
        &self,
        request: &mut Request<T>,
        body: B,
        added: &[u8],
        began: std::time::Instant,
    ) -> Result<Response<ResponseBody>, UpstreamError>
    where
        B: Body<Data = Bytes, Error = BodyError> + Send + Unpin + 'static,
    {
        let began = Instant::from_std(began);
        let Inner { pool, reach, .. } = &*self.inner;
        let mut body = (!body.is_end_stream()).then_some(body);
        let may_repeat = body.is_none() && is_idempotent(request.method());
        loop {
            reach.wait(began).await?;
            if let Some(Taken { connection, may_be_stale }) = pool.take(may_repeat, began) {
                match connection.send(request, added, body.take(), pool).await {
                    // On a new connection this time: a request that ends whoever reads it is not offered to all.
                    Err(UpstreamError::BrokeOff) if may_repeat && may_be_stale => {}
                    result => return result,
                }
            }
            // In a box, as all that is seldom waited for: a request's future should stay small.
            let Some(connection) = Box::pin(self.inner.connect()).await? else { continue };
            match connection.send(request, added, body.take(), pool).await {
                Err(UpstreamError::BrokeOff) if may_repeat && reach.is_restarting() => {}
                result => return result,
            }
            sleep(KNOCK_EVERY).await;
        }
    }
}

impl Inner {
    /// A new connection; `None` where the worker refuses it and may be about to open its port again.
    async fn connect(&self) -> Result<Option<Box<Connection>>, UpstreamError> {
        match connect::connect(&self.options.target).await {
            Ok(socket) => {
                self.reach.opened()?;
                Ok(Some(self.begin(socket)))
            }
            Err(error) if connect::is_refusal(&error) => self.reach.refused().map(|()| None),
            Err(error) => Err(UpstreamError::Unreachable(error)),
        }
    }

    fn begin(&self, socket: Socket) -> Box<Connection> {
        let connection = Box::new(Connection::new(socket));
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == lines.capacity() {
            lines.retain(|line| line.strong_count() > 0);
            // So that it is not looked through for each connection where most of them are still there.
            let alive = lines.len();
            lines.reserve(alive + 1);
        }
        lines.push(Arc::downgrade(connection.line()));
        connection
    }

    /// Ends what still waits for a worker that has ended: a process that it has left behind may hold its connections open.
    async fn cut_when_gone(self: Arc<Self>) {
        self.reach.gone().await;
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter_map(Weak::upgrade).for_each(|line| line.cut());
    }

    /// Tries again and again to connect, for all requests that wait, at boot and in restarts.
    async fn knock(self: Arc<Self>) {
        loop {
            let since = self.reach.closed().await;
            let began = Instant::now();
            let mut patience = Some(LONG_CLOSED);
            while self.reach.is_worth_knocking(since) {
                match connect::connect(&self.options.target).await {
                    Ok(socket) => {
                        self.let_in(socket, began);
                        break;
                    }
                    Err(error) if patience.take_if(|patience| began.elapsed() >= *patience).is_some() => {
                        let upstream = &self.options.target;
                        tracing::warn!(%upstream, %error, "still no connection to the worker: does it listen there?");
                    }
                    Err(_) => {}
                }
                sleep(KNOCK_EVERY).await;
            }
        }
    }

    /// The worker has opened its port: this connection is kept for the first request.
    fn let_in(&self, socket: Socket, began: Instant) {
        self.pool.put_new(self.begin(socket));
        if self.reach.opened().is_ok() {
            let after_ms = began.elapsed().as_millis() as u64;
            tracing::info!(upstream = %self.options.target, after_ms, "worker accepts connections");
        }
    }
}

/// Whether it does no harm to send such a request again (RFC 9110 §9.2.2).
fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, Empty};
    use std::convert::Infallible;
    use tokio::{net::UnixSocket, time::timeout};

    #[tokio::test]
    async fn whoever_is_let_in_after_the_worker_s_end_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.sock");
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(&path).unwrap();
        // One connection waits in the queue; the others, until that is accepted.
        let listener = socket.listen(0).unwrap();
        let boot_timeout = Duration::from_secs(5);
        let upstream =
            Upstream::start(Options { target: Target::Unix(path), boot_timeout, supervised: true });
        let sent: Vec<_> = (0..2)
            .map(|_| {
                let upstream = upstream.clone();
                tokio::spawn(async move {
                    let none = Empty::new().map_err(|never: Infallible| match never {});
                    upstream.send(&mut Request::new(()), none, &[], Instant::now().into_std()).await.map(drop)
                })
            })
            .collect();
        sleep(Duration::from_millis(200)).await;
        upstream.worker_gone();
        sleep(Duration::from_millis(500)).await;
        // What the worker has left behind accepts them all, and answers none.
        let mut kept = Vec::new();
        tokio::spawn(async move {
            while let Ok(accepted) = listener.accept().await {
                kept.push(accepted);
            }
        });
        for sent in sent {
            let outcome = timeout(Duration::from_secs(5), sent).await.expect("nobody waits for ever");
            assert!(outcome.unwrap().is_err());
        }
    }
}
