//! What hyper alone can do, for `bin/bench`: bounds to what any program made of it can reach.
//!
//! - `PORT=… ceiling memory FILE [COPIES]`: every response is that file, from memory; of several copies the one whose number
//!   is the request's query.
//! - `PORT=… ceiling proxy ORIGIN_PORT`: every request is passed on, over connections that are kept. No cache, no log, no
//!   rules, no second try.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    client::conn::http1::{SendRequest, handshake},
    header::{CONNECTION, HOST, HeaderName, HeaderValue},
    server::conn::http1,
    service::{HttpService, service_fn},
};
use hyper_util::rt::TokioIo;
use socket2::{Domain, Socket, Type};
use std::{
    cell::RefCell, convert::Infallible, env, error::Error, fs, io, net::SocketAddr, rc::Rc, sync::Arc, thread,
};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    task::{LocalSet, spawn_local},
};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let usage = || io::Error::other("PORT=… ceiling memory FILE [COPIES], or proxy ORIGIN_PORT");
    let port: u16 = env::var("PORT")?.parse()?;
    let mut arguments = env::args().skip(1);
    let (kind, what) = (arguments.next().ok_or_else(usage)?, arguments.next().ok_or_else(usage)?);
    match kind.as_str() {
        "memory" => {
            let copies: usize = arguments.next().map_or(Ok(1), |count| count.parse())?;
            let body = fs::read(what)?;
            let bodies: Arc<[Bytes]> = (0..copies.max(1)).map(|_| Bytes::from(body.clone())).collect();
            on_every_core(move || serve(port, memory(bodies.clone())))
        }
        "proxy" => {
            let origin = SocketAddr::from(([127, 0, 0, 1], what.parse()?));
            on_every_core(move || serve(port, proxy(origin)))
        }
        _ => Err(usage().into()),
    }
}

/// Each core has a runtime and a listener of its own, and shares nothing with the others.
fn on_every_core(
    serve: impl AsyncFn() -> Result<(), Failure> + Clone + Send + 'static,
) -> Result<(), Failure> {
    let cores = thread::available_parallelism()?.get();
    let threads = (0..cores).map(|_| {
        let serve = serve.clone();
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            LocalSet::new().block_on(&runtime, serve())
        })
    });
    let threads: Vec<_> = threads.collect();
    threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("panicked".into())))
}

async fn serve<S, B>(port: u16, service: S) -> Result<(), Failure>
where
    S: HttpService<Incoming, ResBody = B, Error: Into<Failure>> + Clone + 'static,
    B: Body<Error: Into<Failure>> + 'static,
{
    let listener = listen(port)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        spawn_local(http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone()));
    }
}

fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into())?;
    socket.listen(4096)?;
    TcpListener::from_std(socket.into())
}

fn memory(
    bodies: Arc<[Bytes]>,
) -> impl HttpService<Incoming, ResBody = Full<Bytes>, Error = Infallible> + Clone {
    service_fn(move |request: Request<Incoming>| {
        let number: usize = request.uri().query().and_then(|number| number.parse().ok()).unwrap_or(0);
        let body = bodies.get(number).cloned().unwrap_or_default();
        let mut response = Response::new(Full::new(body));
        let fields = response.headers_mut();
        for (name, value) in [
            ("content-type", "text/css"),
            ("cache-control", "public, max-age=31536000, immutable"),
            ("etag", "\"5f1c9a-1000\""),
            ("last-modified", "Wed, 01 Jan 2025 00:00:00 GMT"),
            ("x-cache", "hit"),
        ] {
            fields.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        async { Ok(response) }
    })
}

type Pool = Rc<RefCell<Vec<SendRequest<Incoming>>>>;

fn proxy(origin: SocketAddr) -> impl HttpService<Incoming, ResBody = Incoming, Error = Failure> + Clone {
    let pool = Pool::default();
    service_fn(move |request| pass_on(pool.clone(), origin, request))
}

async fn pass_on(
    pool: Pool,
    origin: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Incoming>, Failure> {
    let fields = request.headers_mut();
    fields.remove(CONNECTION);
    fields.insert("x-forwarded-for", HeaderValue::from_static("127.0.0.1"));
    fields.insert("x-forwarded-proto", HeaderValue::from_static("http"));
    if let Some(host) = fields.get(HOST).cloned() {
        fields.insert("x-forwarded-host", host);
    }
    let mut connection = connection(&pool, origin).await?;
    let response = connection.send_request(request).await?;
    if pool.borrow().len() < 256 {
        pool.borrow_mut().push(connection);
    }
    Ok(response)
}

/// The last one used that is still open, or a new one.
async fn connection(pool: &Pool, origin: SocketAddr) -> Result<SendRequest<Incoming>, Failure> {
    loop {
        let idle = pool.borrow_mut().pop();
        let Some(mut idle) = idle else { break };
        if idle.ready().await.is_ok() {
            return Ok(idle);
        }
    }
    let stream = TcpStream::connect(origin).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    spawn_local(connection);
    Ok(sender)
}
