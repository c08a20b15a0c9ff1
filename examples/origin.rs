//! The application that `bin/bench` puts thrust and others in front of: fixed responses, given as cheaply as possible,
//! so that what is measured is not the application. It knows no more HTTP than those in front of it speak.
//!
//! `PORT=… origin FOLDER`: the folder has `small.css`, `app.js` and `file.bin`.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;
use std::{
    collections::HashMap,
    env, fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::sleep,
};

const ASSET: &str = "Cache-Control: public, max-age=31536000, immutable\r\nETag: \"5f1c9a-1000\"\r\n\
                     Last-Modified: Wed, 01 Jan 2025 00:00:00 GMT\r\n";
const PAGE: &str = "Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n";

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let port = env::var("PORT").ok().and_then(|port| port.parse().ok());
    let (Some(port), Some(folder)) = (port, env::args().nth(1)) else {
        return Err(io::Error::other("PORT=… origin FOLDER"));
    };
    let site = Arc::new(Site::new(fs::canonicalize(folder)?)?);
    let listener = listen(port)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(converse(stream, site.clone()));
    }
}

/// With room for as many connections at once as are ever measured.
fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(([127, 0, 0, 1], port).into())?;
    socket.listen(4096)
}

async fn converse(mut stream: TcpStream, site: Arc<Site>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BytesMut::with_capacity(16 << 10);
    while let Some(request) = next_request(&mut stream, &mut input).await? {
        discard(&mut stream, &mut input, request.body).await?;
        let response = site.answer(&request.path).await;
        stream.write_all(&response).await?;
    }
    Ok(())
}

struct Request {
    path: String,
    /// Bytes of its body. Chunked ones are not understood.
    body: usize,
}

async fn next_request(stream: &mut TcpStream, input: &mut BytesMut) -> io::Result<Option<Request>> {
    loop {
        if let Some(end) = memmem::find(input, b"\r\n\r\n") {
            return Ok(Some(Request::parse(&input.split_to(end + 4))));
        }
        if stream.read_buf(input).await? == 0 {
            return Ok(None);
        }
    }
}

impl Request {
    /// `GET /path?query HTTP/1.1`: of the target, the path is what counts.
    fn parse(head: &[u8]) -> Self {
        let head = String::from_utf8_lossy(head);
        let target = head.split(' ').nth(1).unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let body = if head.starts_with("GET ") { 0 } else { content_length(&head) };
        Self { path, body }
    }
}

fn content_length(head: &str) -> usize {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    fields
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .find_map(|(_, value)| value.trim().parse().ok())
        .unwrap_or_default()
}

async fn discard(stream: &mut TcpStream, input: &mut BytesMut, length: usize) -> io::Result<()> {
    let here = length.min(input.len());
    input.advance(here);
    let mut left = length - here;
    let mut buffer = if left > 0 { vec![0; 256 << 10] } else { Vec::new() };
    while left > 0 {
        let room = left.min(buffer.len());
        let read = stream.read(&mut buffer[..room]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left -= read;
    }
    Ok(())
}

struct Site {
    /// Whole responses.
    responses: HashMap<&'static str, Bytes>,
    cold: Bytes,
    missing: Bytes,
    /// Requests since the start, but for those that ask for their number.
    requests: AtomicU64,
}

impl Site {
    fn new(folder: PathBuf) -> io::Result<Self> {
        let read = |name: &str| fs::read(folder.join(name));
        let css = format!("Content-Type: text/css\r\n{ASSET}");
        let js = format!("Content-Type: text/javascript\r\nVary: Accept-Encoding\r\n{ASSET}");
        let page = "page ".repeat(205);
        let script = read("app.js")?;
        let responses = HashMap::from([
            ("/small.css", ok(&css, &read("small.css")?)),
            ("/app.js", ok(&js, &script)),
            ("/dyn", ok(PAGE, &page.as_bytes()[..1024])),
            ("/text", ok(PAGE, &script[..script.len().min(12 << 10)])),
            ("/xsendfile", ok(&send_file("X-Sendfile", &folder.join("file.bin")), b"")),
            ("/xsendfile-small", ok(&send_file("X-Sendfile", &folder.join("small.css")), b"")),
            ("/xaccel-small", ok(&send_file("X-Accel-Redirect", Path::new("/internal/small.css")), b"")),
            ("/xaccel", ok(&send_file("X-Accel-Redirect", Path::new("/internal/file.bin")), b"")),
            ("/upload", ok(PAGE, b"stored\n")),
            ("/up", ok(PAGE, b"up\n")),
        ]);
        let missing = Bytes::from_static(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        Ok(Self { responses, cold: ok(&css, &[b'c'; 8192]), missing, requests: AtomicU64::new(0) })
    }

    async fn answer(&self, path: &str) -> Bytes {
        if path == "/count" {
            return ok(PAGE, self.requests.load(Relaxed).to_string().as_bytes());
        }
        self.requests.fetch_add(1, Relaxed);
        if let Some(response) = self.responses.get(path) {
            return response.clone();
        }
        self.later(path).await.unwrap_or_else(|| self.missing.clone())
    }

    /// `/cold/300` is an asset and `/wait/300` a page that take 300 ms to make.
    async fn later(&self, path: &str) -> Option<Bytes> {
        let (kind, milliseconds) = path.strip_prefix('/')?.split_once('/')?;
        let response = match kind {
            "cold" => self.cold.clone(),
            "wait" => self.responses.get("/up")?.clone(),
            _ => return None,
        };
        sleep(Duration::from_millis(milliseconds.parse().ok()?)).await;
        Some(response)
    }
}

fn send_file(field: &str, path: &Path) -> String {
    format!("Content-Type: application/octet-stream\r\n{field}: {}\r\n", path.display())
}

fn ok(fields: &str, body: &[u8]) -> Bytes {
    let mut response =
        format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    response.extend_from_slice(body);
    response.into()
}
