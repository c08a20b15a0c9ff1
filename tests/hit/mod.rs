//! The whole pipeline around two stored assets, without sockets but for the fetch that stores it: what `benches/parts`
//! measures and `tests/allocations.rs` counts.

#![allow(dead_code, reason = "each of the two has its own needs")]

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Uri};
use http_body::Body as _;
use std::{
    ffi::OsString,
    fs::File,
    future::{Future, poll_fn},
    io::{self, BufRead, BufReader, Write},
    mem,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant, SystemTime},
};
use thrust::{
    cache::Cache,
    config::Config,
    message::{ConnectionInfo, Incoming, Prepared, Reply, Request, Scheme, response::Parts},
    observe::Observe,
    proxy::Proxy,
    upstream::Upstream,
};
use tokio::runtime::{Builder, Runtime};

/// The least that a client can send.
pub const MINIMAL: &str =
    "GET /assets/application-0f9e8d7c6b5a.js HTTP/1.1\r\nHost: shop.example.com\r\n\r\n";

macro_rules! browser {
    ($asset:literal) => {
        concat!(
            "GET /assets/",
            $asset,
            "-0f9e8d7c6b5a.js HTTP/1.1\r\nHost: shop.example.com\r\n",
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\nAccept: */*\r\n",
            "Accept-Encoding: gzip, deflate, br, zstd\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n",
            "X-Forwarded-Host: shop.example.com\r\n",
            "Cookie: _shop_session=QmFzZTY0IHdvdWxkIGJlIGxvbmdlcg%3D%3D--0f9e8d7c\r\n\r\n",
        )
    };
}

/// What a browser's request looks like behind kamal-proxy.
pub const BROWSER: &str = browser!("application");

/// The same for an asset that becomes smaller in an encoding; the other one does not.
pub const ENCODED: &str = browser!("compressible");

/// Bytes of each asset.
const BODY: usize = 4 << 10;

/// It takes no longer than this to encode them.
const PATIENCE: Duration = Duration::from_secs(60);

/// A proxy in whose cache the assets are, in the form in which they stay. Everything is as it is by default, but for the log, which goes to `/dev/null`.
pub struct Stage {
    proxy: Proxy,
    connection: Arc<ConnectionInfo>,
    /// The proxy's own cache.
    pub cache: Cache,
    /// Runs only while the asset is fetched; what the worker's end of the proxy has left there ends with it.
    runtime: Runtime,
}

/// What a client would have been sent.
pub struct Answer {
    /// The status and the fields, but for those that lie ready.
    pub head: Parts,
    /// Those.
    pub prepared: Option<Prepared>,
    /// Bytes of the body.
    pub length: usize,
    /// Whether it lay there as it was sent, so that its length was known.
    is_ready: bool,
}

impl Answer {
    /// The status, the value of `X-Cache`, and the length of the body.
    pub fn summary(&self) -> (u16, &str, usize) {
        let headers = self.prepared.as_ref().map_or(&self.head.headers, |prepared| prepared.fields.headers());
        let cache = headers.get("x-cache").map_or("", |value| value.to_str().unwrap());
        (self.head.status.as_u16(), cache, self.length)
    }
}

impl Stage {
    /// Fetches an asset for each of the requests, and waits until nothing is to be encoded any more.
    pub fn set() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let url = format!("http://{}", serve_assets());
        let variables =
            [("THRUST_UPSTREAM_URL", &url)].map(|(name, value)| (name.into(), OsString::from(value)));
        let (config, _) = Config::from_env(variables, false).unwrap();
        let null = File::options().write(true).open("/dev/null").unwrap();
        let observe = Arc::new(Observe::to(&null, &null, &config.log).unwrap());
        let cache = Cache::new(config.cache.clone());
        let upstream = runtime.block_on(async { Upstream::start(config.upstream(None, false)) });
        let proxy = Proxy::new(config.proxy, config.files, config.encode, upstream, cache.clone(), observe);
        let local = (Ipv4Addr::LOCALHOST, 80).into();
        let connection =
            Arc::new(ConnectionInfo::new((Ipv4Addr::LOCALHOST, 50_000).into(), local, Scheme::Http));
        let stage = Self { proxy, connection, cache, runtime };
        for head in [MINIMAL, BROWSER, ENCODED] {
            assert_eq!(stage.await_answer(head).summary().1, "miss");
            let began = Instant::now();
            while !stage.await_answer(head).is_ready {
                assert!(began.elapsed() < PATIENCE, "it is still being encoded");
                thread::sleep(Duration::from_millis(1));
            }
        }
        stage
    }

    fn await_answer(&self, head: &str) -> Answer {
        self.runtime.block_on(self.answer(request(head)))
    }

    /// Answers a request from the cache, to the end of its line in the log.
    pub fn hit(&self, request: Request<Incoming>) -> Answer {
        at_once(self.answer(request))
    }

    /// As the server does it: takes the response's body until it says that it has ended, and drops it.
    async fn answer(&self, mut request: Request<Incoming>) -> Answer {
        let Reply { response, prepared, .. } = self.proxy.answer(&self.connection, &mut request).await;
        let (head, body) = response.into_parts();
        let is_ready = body.size_hint().exact().is_some();
        let mut body = pin!(body);
        let mut length = 0;
        while !body.is_end_stream() {
            match poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
                Some(frame) => length += frame.unwrap().into_data().unwrap().len(),
                None => break,
            }
        }
        Answer { head, prepared, length, is_ready }
    }
}

/// The output of a future that waits for nothing.
pub fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

/// A request as the server hands it over: its target and values share the memory that they were read into.
pub fn request(head: &str) -> Request<Incoming> {
    let bytes = Bytes::copy_from_slice(head.as_bytes());
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut parsed = httparse::Request::new(&mut fields);
    parsed.parse(&bytes).unwrap();
    let mut request = Request::new(Incoming::default());
    *request.uri_mut() = Uri::from_maybe_shared(bytes.slice_ref(parsed.path.unwrap().as_bytes())).unwrap();
    for field in parsed.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).unwrap();
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(field.value)).unwrap();
        request.headers_mut().append(name, value);
    }
    request
}

/// A worker that answers every request with an asset, until the process ends; gives its address.
fn serve_assets() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming().map(Result::unwrap) {
            thread::spawn(move || serve_connection(&socket));
        }
    });
    address
}

fn serve_connection(socket: &TcpStream) -> io::Result<()> {
    let mut is_compressible = false;
    for line in BufReader::new(socket).lines() {
        let line = line?;
        is_compressible |= line.starts_with("GET /assets/compressible");
        if line.is_empty() {
            let mut socket = socket;
            socket.write_all(&asset(mem::take(&mut is_compressible)))?;
        }
    }
    Ok(())
}

/// A script as Rails serves it.
fn asset(is_compressible: bool) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    let body = [(); BODY].map(|()| if is_compressible { b'x' } else { random.u8(..) });
    let head = format!(
        "HTTP/1.1 200 OK\r\nDate: {}\r\nContent-Type: text/javascript\r\n\
         Cache-Control: public, max-age=31536000, immutable\r\nETag: W/\"5f3b1c0d9e8a7b6c5d4e3f2a1b0c9d8e\"\r\n\
         Last-Modified: Mon, 05 Jan 2026 10:00:00 GMT\r\nVary: Accept-Encoding\r\n\
         X-Request-Id: 1c9c2c0e-5b0f-4d0e-9a57-6b1d6e9f2a44\r\nX-Runtime: 0.001234\r\n\
         X-Content-Type-Options: nosniff\r\nContent-Length: {BODY}\r\n\r\n",
        httpdate::fmt_http_date(SystemTime::now())
    );
    [head.as_bytes(), &body].concat()
}
