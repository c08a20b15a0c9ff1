//! A client that speaks HTTP/2, well-behaved; and one that sends frame by frame what it is told to.

use super::{DEADLINE, Folder, certificate};
use bytes::Bytes;
use h2::{SendStream, client::ResponseFuture};
use http::{HeaderMap, Method, Request};
use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpStream},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    runtime::Runtime,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsConnector;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One connection of the well-behaved client.
pub struct Http2 {
    runtime: Runtime,
    requests: h2::client::SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

/// A whole response.
#[derive(Debug)]
pub struct Whole {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: HeaderMap,
}

impl Whole {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A request for this path on `app.test`.
pub fn request(method: Method, path: &str) -> Request<()> {
    Request::builder().method(method).uri(format!("http://app.test{path}")).body(()).unwrap()
}

impl Http2 {
    /// Connects to the port on 127.0.0.1, with windows of this size for streams and for the connection.
    #[track_caller]
    pub fn connect_with(port: u16, window: u32) -> Http2 {
        Http2::over(connect(port), window)
    }

    /// Connects over TLS by ALPN, and trusts the certificate in this folder.
    #[track_caller]
    pub fn connect_tls(port: u16, folder: &Folder) -> Http2 {
        let connector = TlsConnector::from(certificate::client(folder));
        let connecting = async move {
            let name = "localhost".try_into().unwrap();
            let socket = connector.connect(name, connect(port).await).await.unwrap();
            assert_eq!(socket.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            socket
        };
        Http2::over(connecting, 1 << 24)
    }

    #[track_caller]
    fn over<S>(connecting: impl Future<Output = S>, window: u32) -> Http2
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (requests, connection) = runtime.block_on(async {
            let mut builder = h2::client::Builder::new();
            builder.initial_window_size(window).initial_connection_window_size(window.max(65_535));
            builder.handshake::<_, Bytes>(connecting.await).await.unwrap()
        });
        let connection = runtime.spawn(connection);
        Http2 { runtime, requests, connection }
    }

    /// With windows that never stand in the way.
    #[track_caller]
    pub fn connect(port: u16) -> Http2 {
        Http2::connect_with(port, 1 << 24)
    }

    /// Runs what must end before the deadline.
    #[track_caller]
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(async { timeout(DEADLINE, future).await.expect("it ends") })
    }

    /// Begins a request; `end` where it has no body.
    #[track_caller]
    pub fn begin(&mut self, request: Request<()>, end: bool) -> (ResponseFuture, SendStream<Bytes>) {
        let requests = self.requests.clone();
        let mut ready = self.run(requests.ready()).expect("the connection is open");
        ready.send_request(request, end).unwrap()
    }

    /// Reads a response to its end.
    pub fn finish(&self, response: ResponseFuture) -> Result<Whole, h2::Error> {
        self.run(async {
            let (head, mut stream) = response.await?.into_parts();
            let mut body = Vec::new();
            while let Some(data) = stream.data().await {
                let data = data?;
                stream.flow_control().release_capacity(data.len())?;
                body.extend_from_slice(&data);
            }
            let trailers = stream.trailers().await?.unwrap_or_default();
            Ok(Whole { status: head.status.as_u16(), headers: head.headers, body, trailers })
        })
    }

    /// Sends a request without a body, and reads the response.
    #[track_caller]
    pub fn ask(&mut self, request: Request<()>) -> Whole {
        let (response, _) = self.begin(request, true);
        self.finish(response).unwrap()
    }

    /// The same for a GET.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Whole {
        self.ask(request(Method::GET, path))
    }

    /// Waits until the connection has ended, and says how.
    #[track_caller]
    pub fn end(self) -> Result<(), h2::Error> {
        let Http2 { runtime, requests, connection } = self;
        let ended =
            runtime.block_on(async { timeout(DEADLINE, connection).await }).expect("it ends").unwrap();
        drop(requests);
        ended
    }
}

async fn connect(port: u16) -> tokio::net::TcpStream {
    tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap()
}

/// One frame.
#[derive(Debug, Clone)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// One connection of the other one.
pub struct Raw {
    pub socket: TcpStream,
}

impl Raw {
    /// Connects, and sends the preface and empty settings.
    pub fn connect(port: u16) -> Raw {
        let mut raw = Raw::silent(port);
        raw.send(PREFACE);
        raw.send(frame(SETTINGS, 0, 0, &[]));
        raw
    }

    /// Connects, and sends nothing.
    pub fn silent(port: u16) -> Raw {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Raw { socket }
    }

    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    /// As [`Raw::send`], where the peer may have gone.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.socket.write_all(bytes.as_ref())
    }

    /// A request that is for the worker, and for nobody else.
    pub fn post(&mut self, stream: u32, path: &str) {
        self.send(frame(HEADERS, END_STREAM | END_HEADERS, stream, &head("POST", path, &[])));
    }

    /// A GET.
    pub fn get(&mut self, stream: u32, path: &str) {
        self.send(frame(HEADERS, END_STREAM | END_HEADERS, stream, &head("GET", path, &[])));
    }

    /// The next frame; `None` at the end.
    #[track_caller]
    pub fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        if let Err(error) = self.socket.read_exact(&mut head) {
            assert!(
                !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
                "nothing comes"
            );
            return None;
        }
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.socket.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// The next frame of this type.
    #[track_caller]
    pub fn await_frame(&mut self, kind: u8) -> Frame {
        self.next_of(&[kind])
    }

    /// The next frame of one of these types.
    #[track_caller]
    pub fn next_of(&mut self, kinds: &[u8]) -> Frame {
        loop {
            let next = self.next().unwrap_or_else(|| panic!("closed before a frame of the types {kinds:?}"));
            if kinds.contains(&next.kind) {
                return next;
            }
        }
    }

    /// Reads until the peer closes.
    #[track_caller]
    pub fn await_close(&mut self) {
        while self.next().is_some() {}
    }
}

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A request's fields, as literals that are not indexed (RFC 7541 §6.2.2).
pub fn head(method: &str, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    head_of(method, "http", "app.test", path, fields)
}

/// The same for any scheme and authority.
pub fn head_of(method: &str, scheme: &str, authority: &str, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path)];
    pseudo
        .iter()
        .chain(fields)
        .flat_map(|(name, value)| [vec![0], text(name), text(value)].concat())
        .collect()
}

fn text(text: &str) -> Vec<u8> {
    let mut length = text.len();
    let mut bytes = Vec::new();
    if length < 127 {
        bytes.push(length as u8);
    } else {
        bytes.push(127);
        length -= 127;
        while length >= 128 {
            bytes.push((length % 128) as u8 | 128);
            length /= 128;
        }
        bytes.push(length as u8);
    }
    bytes.extend_from_slice(text.as_bytes());
    bytes
}
