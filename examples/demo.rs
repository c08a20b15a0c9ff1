//! A small web application to put thrust in front of: `bin/demo` does so.
//!
//! It listens on 127.0.0.1:`PORT` (3000) and stops gracefully on TERM and INT. One page shows it all: fingerprinted
//! assets, an event stream, a WebSocket, a slow endpoint, an upload, and the request's headers as they arrived here.

#[path = "demo/assets.rs"]
mod assets;
#[path = "demo/cksum.rs"]
mod cksum;

use axum::{
    Router,
    body::Body,
    extract::{
        Query, Request, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code},
    },
    http::StatusCode,
    response::{
        Html, IntoResponse,
        sse::{Event, Sse},
    },
    routing::{get, post},
};
use serde::Deserialize;
use std::{convert::Infallible, env, io, time::Duration};
use tokio::{
    net::TcpListener,
    select,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time,
};
use tokio_stream::{Stream, StreamExt, wrappers::WatchStream};

/// The longest that `/slow` waits, in milliseconds.
const SLOWEST: u64 = 60_000;

/// Seconds since the start. It closes when the application is to stop: whatever never ends by itself watches it.
type Counter = watch::Receiver<u64>;

#[tokio::main]
async fn main() -> io::Result<()> {
    let stop = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let listener = listen().await?;
    let (ticks, counter) = watch::channel(0);
    axum::serve(listener, application(counter)).with_graceful_shutdown(count_until(stop, ticks)).await
}

async fn listen() -> io::Result<TcpListener> {
    let port = env::var("PORT").unwrap_or_else(|_| "3000".into());
    let address = format!("127.0.0.1:{port}");
    TcpListener::bind(&address)
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}

fn application(counter: Counter) -> Router {
    let page = Html(assets::page());
    Router::new()
        .route("/", get(page))
        .route("/up", get("ok"))
        .route("/headers", get(headers))
        .route("/events", get(events))
        .route("/echo", get(echo))
        .route("/slow", get(slow))
        .route("/upload", post(upload).put(upload))
        .with_state(counter)
        .merge(assets::router())
}

/// Counts the seconds until one of the signals arrives. The counter closes with it, and event streams and WebSockets
/// end: a graceful stop would wait for them for ever.
async fn count_until((mut terminate, mut interrupt): (Signal, Signal), ticks: watch::Sender<u64>) {
    let mut seconds = time::interval(Duration::from_secs(1));
    seconds.tick().await; // the first is immediate
    loop {
        select! {
            _ = seconds.tick() => ticks.send_modify(|count| *count += 1),
            _ = terminate.recv() => return,
            _ = interrupt.recv() => return,
        }
    }
}

/// The request as the application got it.
async fn headers(request: Request) -> impl IntoResponse {
    let mut text = format!("{} {} {:?}\n", request.method(), request.uri(), request.version()).into_bytes();
    for (name, value) in request.headers() {
        text.extend_from_slice(name.as_ref());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.push(b'\n');
    }
    ([("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store")], text)
}

/// The counter: its value at once, then every second.
async fn events(State(counter): State<Counter>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(WatchStream::new(counter).map(|count| Ok(Event::default().data(count.to_string()))))
}

/// Sends every message back.
async fn echo(upgrade: WebSocketUpgrade, State(counter): State<Counter>) -> impl IntoResponse {
    upgrade.on_upgrade(|socket| converse(socket, counter))
}

async fn converse(mut socket: WebSocket, mut counter: Counter) {
    loop {
        let message = select! {
            message = socket.recv() => message,
            () = closed(&mut counter) => {
                let goodbye = CloseFrame { code: close_code::AWAY, reason: "stopping".into() };
                let _ = socket.send(Message::Close(Some(goodbye))).await; // nobody left to tell
                return;
            }
        };
        let sent = match message {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => socket.send(message).await,
            Some(Ok(_)) => Ok(()), // pings and the closing handshake are answered underneath
            Some(Err(_)) | None => return,
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn closed(counter: &mut Counter) {
    while counter.changed().await.is_ok() {}
}

#[derive(Deserialize)]
struct Slow {
    #[serde(default = "two_seconds")]
    ms: u64,
}

fn two_seconds() -> u64 {
    2000
}

/// Answers after `ms` milliseconds.
async fn slow(Query(Slow { ms }): Query<Slow>) -> (StatusCode, String) {
    if ms > SLOWEST {
        return (StatusCode::BAD_REQUEST, format!("ms is {SLOWEST} at most\n"));
    }
    time::sleep(Duration::from_millis(ms)).await;
    (StatusCode::OK, format!("Waited {ms} ms.\n"))
}

/// Answers the body's checksum and length, in the words of `cksum <file`.
async fn upload(body: Body) -> Result<String, (StatusCode, String)> {
    let mut sum = cksum::Sum::default();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        sum.update(&chunk.map_err(|error| (StatusCode::BAD_REQUEST, format!("{error}\n")))?);
    }
    let (checksum, length) = sum.finish();
    Ok(format!("{checksum} {length}\n"))
}
