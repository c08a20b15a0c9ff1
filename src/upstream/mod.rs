//! The worker, reached over TCP or a Unix socket: a pool of connections, and the rule for trying again.

mod body;
mod connect;
mod error;
mod pool;
mod reach;

pub use body::ResponseBody;
pub use error::UpstreamError;

use bytes::Bytes;
use connect::Stream;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body::Body;
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use pool::{Pool, Sender, Taken};
use reach::Reach;
use std::{error::Error, fmt, path::PathBuf, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// Pause between two attempts to connect to a worker that is not there yet.
const KNOCK_EVERY: Duration = Duration::from_millis(20);
/// A worker that nobody could reach for this long is worth a line in the log: perhaps it listens elsewhere.
const LONG_CLOSED: Duration = Duration::from_secs(10);
/// Largest read buffer of a connection to the worker; also bounds a response's header.
const MAX_BUFFER: usize = 64 * 1024;

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

/// The worker. Cheap to clone. `B` is the type of the request bodies.
pub struct Upstream<B> {
    inner: Arc<Inner<B>>,
}

struct Inner<B> {
    options: Options,
    pool: Arc<Pool<B>>,
    reach: Arc<Reach>,
}

impl<B> Clone for Upstream<B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<B> Upstream<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Default + Send + 'static,
{
    /// Begins to look out for the worker; within a runtime.
    pub fn start(options: Options) -> Self {
        let reach = Arc::new(Reach::new(options.boot_timeout, options.supervised));
        let inner = Arc::new(Inner { options, pool: Pool::start(), reach });
        tokio::spawn(inner.clone().knock());
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

    /// Sends a request and waits for the response's head, however long the worker takes for it.
    ///
    /// A request is sent a second time only if nothing of it was sent, or if it is idempotent and has no body (RFC 9110
    /// §9.2.2) and was sent on a connection that had been idle, or while the worker restarts: then the worker closed the
    /// connection in that moment, or was closed with the connection in its queue.
    pub async fn send(&self, mut request: Request<B>) -> Result<Response<ResponseBody<B>>, UpstreamError> {
        let began = Instant::now();
        loop {
            self.inner.reach.wait(began).await?;
            request = match self.send_on_idle(request).await? {
                Tried::Answered(response) => return Ok(response),
                Tried::InVain(request) => request,
            };
            let Some(mut sender) = self.inner.connect().await? else { continue };
            let copy =
                (self.inner.reach.is_restarting() && may_repeat(&request)).then(|| head_copy(&request));
            match sender.try_send_request(request).await {
                Ok(response) => return self.lend(sender, response),
                Err(failed) => request = copy.ok_or_else(|| failed.into_error())?,
            }
            sleep(KNOCK_EVERY).await;
        }
    }

    /// Tries the connections of the pool.
    async fn send_on_idle(&self, mut request: Request<B>) -> Result<Tried<B>, UpstreamError> {
        let may_repeat = may_repeat(&request);
        while let Some(Taken { mut sender, may_be_stale }) = self.inner.pool.take(may_repeat).await {
            let copy = (may_repeat && may_be_stale).then(|| head_copy(&request));
            match sender.try_send_request(request).await {
                Ok(response) => return self.lend(sender, response).map(Tried::Answered),
                Err(mut failed) => match (failed.take_message(), copy) {
                    (Some(unsent), _) => request = unsent,
                    // On a new connection this time: a request that ends whoever reads it is not offered to all.
                    (None, Some(copy)) => return Ok(Tried::InVain(copy)),
                    (None, None) => return Err(failed.into_error().into()),
                },
            }
        }
        Ok(Tried::InVain(request))
    }

    /// A response whose connection comes back into the pool at its end.
    fn lend(
        &self,
        sender: Sender<B>,
        mut response: Response<Incoming>,
    ) -> Result<Response<ResponseBody<B>>, UpstreamError> {
        settle_framing(response.headers_mut())?;
        let switched = response.status() == http::StatusCode::SWITCHING_PROTOCOLS;
        let pool = (!switched).then(|| self.inner.pool.clone());
        Ok(response.map(|body| ResponseBody::new(body, sender, pool)))
    }
}

/// What became of a request on connections that were idle.
enum Tried<B: Body + Send + 'static> {
    Answered(Response<ResponseBody<B>>),
    /// It is still to be sent.
    InVain(Request<B>),
}

impl<B> Inner<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    /// A new connection; `None` where the worker refuses it and may be about to open its port again.
    async fn connect(&self) -> Result<Option<Sender<B>>, UpstreamError> {
        match connect::connect(&self.options.target).await {
            Ok(stream) => {
                self.reach.opened();
                self.handshake(stream).await.map(Some)
            }
            Err(error) if connect::is_refusal(&error) => self.reach.refused().map(|()| None),
            Err(error) => Err(UpstreamError::Unreachable(error)),
        }
    }

    async fn handshake(&self, stream: Stream) -> Result<Sender<B>, UpstreamError> {
        let io = TokioIo::new(stream);
        let (http, connection) = http1::Builder::new().max_buf_size(MAX_BUFFER).handshake::<_, B>(io).await?;
        let reach = self.reach.clone();
        let task = tokio::spawn(async move {
            tokio::select! {
                biased;
                result = connection.with_upgrades() => if let Err(error) = result {
                    tracing::debug!(%error, "connection to the worker broken");
                },
                () = reach.gone() => {}
            }
        });
        Ok(Sender::new(http, task.abort_handle()))
    }

    /// Tries again and again to connect, for all requests that wait, at boot and in restarts.
    async fn knock(self: Arc<Self>) {
        loop {
            let since = self.reach.closed().await;
            let began = Instant::now();
            let mut patience = Some(LONG_CLOSED);
            while self.reach.is_worth_knocking(since) {
                match connect::connect(&self.options.target).await {
                    Ok(stream) => {
                        self.let_in(stream, began).await;
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
    async fn let_in(&self, stream: Stream, began: Instant) {
        if let Ok(sender) = self.handshake(stream).await {
            self.pool.put_new(sender);
        }
        self.reach.opened();
        let after_ms = began.elapsed().as_millis() as u64;
        tracing::info!(upstream = %self.options.target, after_ms, "worker accepts connections");
    }
}

/// Leaves one framing, the one that the body was read by (RFC 9112 §6.3). A coding other than `chunked` is none that we
/// have asked for: its body would reach the client encoded, and without a word about it.
fn settle_framing(headers: &mut HeaderMap) -> Result<(), UpstreamError> {
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if !headers.get_all(header::TRANSFER_ENCODING).iter().all(is_chunked) {
        return Err(UpstreamError::Malformed);
    }
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    Ok(())
}

/// Whether it does no harm to send a request again (RFC 9110 §9.2.2), and it is all there to be sent.
fn may_repeat<B: Body>(request: &Request<B>) -> bool {
    let idempotent = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
    );
    idempotent && request.body().is_end_stream()
}

/// The same request; only for those without a body.
fn head_copy<B: Default>(request: &Request<B>) -> Request<B> {
    let mut copy = Request::new(B::default());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}
