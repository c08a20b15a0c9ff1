//! Responses as they come off a socket, compared with what hyper's client makes of them.

use super::super::{UpstreamError, connection::Connection, pool::Pool};
use super::*;
use crate::message::{Headers, Request, Response};
use http::{
    HeaderMap, Method, StatusCode,
    header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
};
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    task::yield_now,
    time::timeout,
};

const ROUNDS: u32 = 10_000;

/// Of each framing one.
const SOUND: [&str; 8] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nX-A: b\r\n\r\nhello, world",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7;a=b\r\n, world\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n3\r\nyou\r\n0\r\nSum: 1\r\nX: y\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nall there is",
    "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 204 No Content\r\nETag: \"a\"\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
];

/// What makes a sound one another, or none.
#[rustfmt::skip]
const PIECES: [&str; 20] = [
    "\r\n", "\n", "\r", " ", "\t", "0", "1", "a", ";", ":", "\"", "\0", "\u{e9}", "0\r\n\r\n", "5\r\n", "\r\n5 ",
    "Content-Length: 2\r\n", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n", "X: y\r\n",
];

/// A response that came whole.
#[derive(Debug, PartialEq)]
struct Whole {
    status: u16,
    fields: Headers,
    content: Bytes,
    trailers: Option<HeaderMap>,
}

#[tokio::test]
async fn a_response_is_the_same_wherever_it_is_cut() {
    for text in SOUND {
        let expected = as_hyper_reads(&Method::GET, &[text.as_bytes()]).await.expect(text);
        for cut in 1..text.len() {
            let (before, behind) = text.as_bytes().split_at(cut);
            let read = as_we_read(&Method::GET, &[before, behind]).await;
            assert_eq!(read.as_ref(), Some(&expected), "{text:?} at {cut}");
        }
    }
}

#[tokio::test]
async fn what_we_take_for_a_response_hyper_reads_in_the_same_way() {
    let mut random = fastrand::Rng::with_seed(9112);
    let mut taken = 0;
    for _ in 0..ROUNDS {
        let method = if random.u8(..8) == 0 { Method::HEAD } else { Method::GET };
        let bytes = mutated(&mut random);
        let (before, behind) = bytes.split_at(random.usize(..=bytes.len()));
        // Of chunks and lengths it takes more, by purpose.
        let Some(read) = as_we_read(&method, &[before, behind]).await else { continue };
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(Some(read), as_hyper_reads(&method, &[&bytes]).await, "{method}: {text:?}");
        taken += 1;
    }
    assert!(taken > ROUNDS / 5, "too few to learn from: {taken}");
}

#[tokio::test]
async fn a_chunk_that_is_malformed_is_so_each_time_it_is_looked_at() {
    let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyou\r\n5 \r\nhel\r\n0\r\n\r\n";
    let mut body = send(worker(&[text.as_bytes()]), &Method::GET).await.unwrap().into_parts().1;
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "you");
    for _ in 0..3 {
        assert!(body.frame().await.unwrap().is_err());
    }
}

#[tokio::test]
async fn a_body_that_was_reset_does_not_look_whole_later() {
    let (socket, mut worker) = UnixStream::pair().unwrap();
    worker.write_all(b"HTTP/1.1 200 OK\r\n\r\nhalf").await.unwrap();
    let mut body = send(socket, &Method::GET).await.unwrap().into_parts().1;
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "half");
    // It has not read the request, which makes of this a reset.
    drop(worker);
    for _ in 0..3 {
        assert!(body.frame().await.unwrap().is_err());
    }
}

async fn as_we_read(method: &Method, pieces: &[&[u8]]) -> Option<Whole> {
    let (head, body) = send(worker(pieces), method).await.ok()?.into_parts();
    whole(head.status, head.headers, body).await
}

async fn as_hyper_reads(method: &Method, pieces: &[&[u8]]) -> Option<Whole> {
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(worker(pieces)));
    let (mut sender, connection) = handshake.await.ok()?;
    tokio::spawn(connection);
    let request = http::Request::builder().method(method).header(HOST, "a").body(Empty::<Bytes>::new());
    let (head, body) = sender.send_request(request.unwrap()).await.ok()?.into_parts();
    whole(head.status, head.headers.into(), body).await
}

async fn send(socket: UnixStream, method: &Method) -> Result<Response<ResponseBody>, UpstreamError> {
    let connection = Box::new(Connection::new(socket.into()));
    let mut request: Request<()> = request(method);
    connection.send(&mut request, &[], None::<UnsyncBoxBody<_, _>>, &Pool::start()).await
}

fn request<B: Default>(method: &Method) -> Request<B> {
    let mut request = Request::new(B::default());
    *request.method_mut() = method.clone();
    request
}

/// A connection to a worker that answers with these pieces, one after the other, and closes.
fn worker(pieces: &[&[u8]]) -> UnixStream {
    let (ours, mut worker) = UnixStream::pair().unwrap();
    let pieces: Vec<_> = pieces.iter().map(|piece| piece.to_vec()).collect();
    tokio::spawn(async move {
        let _ = worker.read(&mut [0; 4096]).await;
        for piece in pieces {
            let _ = worker.write_all(&piece).await;
            // Until it is read.
            for _ in 0..8 {
                yield_now().await;
            }
        }
    });
    ours
}

async fn whole(status: StatusCode, mut fields: Headers, body: impl Body<Data = Bytes>) -> Option<Whole> {
    // We leave one of the lengths that say the same, and none where there are chunks; hyper leaves them all.
    if let Some(length) = fields.remove(CONTENT_LENGTH)
        && !fields.contains_key(TRANSFER_ENCODING)
    {
        fields.insert(CONTENT_LENGTH, length);
    }
    let body = timeout(Duration::from_secs(5), body.collect()).await.expect("an end").ok()?;
    let trailers = body.trailers().filter(|trailers| !trailers.is_empty()).cloned();
    Some(Whole { status: status.as_u16(), fields, content: body.to_bytes(), trailers })
}

fn mutated(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = random.choice(SOUND).unwrap_or_default().as_bytes().to_vec();
    for _ in 0..random.u8(1..4) {
        let at = random.usize(..bytes.len());
        let end = (at + random.usize(..3)).min(bytes.len());
        let piece = if random.bool() { random.choice(PIECES).unwrap_or_default() } else { "" };
        bytes.splice(at..end, piece.bytes());
    }
    bytes
}
