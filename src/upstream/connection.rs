//! A connection to the worker: one request after the other, each with its response (RFC 9112).
//!
//! Whoever sends the request drives the connection, and then whoever reads the response: there is no task behind it, but
//! for a request's body that is still being sent when the response has begun.

use super::{
    UpstreamError,
    body::ResponseBody,
    pool::{Pool, thread_number},
    response::{self, Framing, Head},
    socket::{Reader, Socket, Writer},
    upload::{OnContinue, Upload},
};
use crate::message::{BodyError, Request, Response};
use atomic_waker::AtomicWaker;
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::Body;
use std::{
    future::{Future, poll_fn},
    io, mem,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// Room for a response's header, and mostly for its body too.
const FIRST_READ: usize = 8 * 1024;
/// Largest header of a response.
const MAX_HEAD: usize = 64 * 1024;

/// A connection, between two requests or in the midst of one. Dropping it closes it.
pub(super) struct Connection {
    reader: Reader,
    /// `None` while a request's body is still being sent, and where the worker takes nothing more.
    writer: Option<Writer>,
    /// What was read and not understood yet.
    received: BytesMut,
    /// Room for the next request's head.
    scratch: Vec<u8>,
    line: Arc<Line>,
    /// The number of the thread whose event loop watches it.
    core: usize,
}

/// What both directions of a connection have to know of each other, and of the worker.
#[derive(Default)]
pub(super) struct Line {
    /// The worker has ended: nothing more is to be waited for.
    cut: AtomicBool,
    /// The connection has failed: its end is not a response's end.
    failed: AtomicBool,
    reading: AtomicWaker,
}

impl Line {
    /// The worker has ended.
    pub(super) fn cut(&self) {
        self.cut.store(true, Relaxed);
        self.reading.wake();
    }

    /// The connection has failed, which the socket has told who writes, and will not tell who reads.
    pub(super) fn fail(&self) {
        self.failed.store(true, Relaxed);
    }

    /// Whether it is of no use to wait; if it is, `cx` is woken when it no longer is.
    fn is_cut(&self, cx: &Context<'_>) -> bool {
        self.reading.register(cx.waker());
        self.cut.load(Relaxed)
    }
}

impl Connection {
    pub(super) fn new(socket: Socket) -> Self {
        let Socket { reader, writer } = socket;
        let (received, scratch, line) = (BytesMut::new(), Vec::new(), Arc::default());
        Self { reader, writer: Some(writer), received, scratch, line, core: thread_number() }
    }

    /// The number of the thread whose event loop watches it.
    pub(super) fn core(&self) -> usize {
        self.core
    }

    pub(super) fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// Whether the worker has neither closed it nor sent what nobody asked for, as far as the event loop has seen.
    pub(super) fn is_idle(&self) -> bool {
        self.reader.is_silent()
    }

    /// The same, as far as the kernel knows.
    pub(super) fn is_surely_idle(&self) -> bool {
        self.reader.is_surely_silent()
    }

    /// Sends a request with some more fields, and waits for the response's head. The connection goes into the pool behind the
    /// response's body, and the response takes the memory of the request's header. In case of [`UpstreamError::BrokeOff`] that is
    /// as it was.
    pub(super) async fn send<T, B>(
        mut self: Box<Self>,
        request: &mut Request<T>,
        added: &[u8],
        body: Option<B>,
        pool: &Arc<Pool>,
    ) -> Result<Response<ResponseBody>, UpstreamError>
    where
        B: Body<Data = Bytes, Error = BodyError> + Send + Unpin + 'static,
    {
        let Some(mut writer) = self.writer.take() else { return Err(UpstreamError::BrokeOff) };
        let mut upload = Upload::new(request, added, body, mem::take(&mut self.scratch));
        let under_way = pool.set_out();
        // Of many, those that have come in together go to the worker together: it is woken up less often. Of few, each goes at
        // once, so that the worker begins while the others are read.
        if under_way.is_one_of_many() {
            step_back().await;
        }
        let head = poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = upload.poll(cx, &mut writer, &self.line) {
                return Poll::Ready(Err(error.into()));
            }
            self.poll_head(cx, request)
        })
        .await?;
        drop(under_way);
        OnContinue::withdraw(request.extensions_mut());
        let Head { response, framing, is_last } = head;
        let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        // Behind a response without a body nothing more is sent: the client's is let go of before it gets the response.
        let mut rest = None;
        if upload.is_done() {
            (self.writer, self.scratch) = upload.finish(writer);
        } else if !switches && framing != Framing::Length(0) {
            rest = Some(upload.go_on(writer, self.line.clone()));
        }
        if switches {
            return Ok(response.map(|()| ResponseBody::switching(self)));
        }
        let pool = (!is_last).then(|| pool.clone());
        Ok(response.map(|()| ResponseBody::new(self, framing, pool, rest)))
    }

    /// The head of the final response, or of the one that switches protocols.
    fn poll_head<T>(
        &mut self,
        cx: &mut Context<'_>,
        request: &mut Request<T>,
    ) -> Poll<Result<Head, UpstreamError>> {
        let method = request.method().clone();
        loop {
            if let Some(head) = response::read(&mut self.received, &method, request.headers_mut())? {
                match head.response.status() {
                    StatusCode::CONTINUE => OnContinue::tell(request.extensions()),
                    status if response::is_interim(status) => {}
                    _ => return Poll::Ready(Ok(head)),
                }
                continue;
            }
            if self.received.len() > MAX_HEAD {
                return Poll::Ready(Err(UpstreamError::Malformed));
            }
            if !matches!(ready!(self.poll_receive(cx, FIRST_READ)), Ok(1..)) {
                return Poll::Ready(Err(UpstreamError::BrokeOff));
            }
        }
    }

    /// Reads on, so many bytes or more at once; 0 is the end.
    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        self.received.reserve(room);
        let read = pin!(self.reader.read_buf(&mut self.received)).poll(cx);
        if read.is_pending() && self.line.is_cut(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if let Poll::Ready(Ok(0)) = read
            && self.line.failed.load(Relaxed)
        {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        read
    }

    /// What was read and not understood yet.
    pub(super) fn received(&mut self) -> &mut BytesMut {
        &mut self.received
    }

    /// The request's body is sent; `writer` is there if the worker takes more.
    pub(super) fn sent(&mut self, writer: Option<Writer>) {
        self.writer = writer;
    }

    /// Whether it can take the next request.
    pub(super) fn is_reusable(&self) -> bool {
        self.writer.is_some() && self.received.is_empty()
    }

    /// Gives the buffers back.
    pub(super) fn rest(&mut self) {
        self.received = BytesMut::new();
        self.scratch = Vec::new();
    }

    /// The connection after both sides have switched to another protocol.
    pub(super) fn switch(self) -> Option<Switched> {
        Some(Switched { early: self.received, reader: self.reader, writer: self.writer? })
    }
}

/// Lets the other tasks that have something to do go first, once, and without a look at what else has happened meanwhile.
async fn step_back() {
    let mut is_next = false;
    poll_fn(|cx| {
        if mem::replace(&mut is_next, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A connection to the worker that speaks another protocol.
pub struct Switched {
    /// What was read before it had switched.
    early: BytesMut,
    reader: Reader,
    writer: Writer,
}

impl AsyncRead for Switched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.reader).poll_read(cx, buf);
        }
        let taken = self.early.len().min(buf.remaining());
        buf.put_slice(&self.early.split_to(taken));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Switched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_shutdown(cx)
    }
}
