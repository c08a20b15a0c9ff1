//! A request on its way to the worker.

use super::{connection::Line, socket::Writer};
use crate::message::{BodyError, Headers, Request, write};
use bytes::{Buf, Bytes};
use http::{Extensions, header};
use http_body::{Body, Frame};
use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};
use tokio::{io::AsyncWrite, sync::oneshot, task::JoinHandle};

/// A request: its head, and its body as it comes.
///
/// A worker that refuses a request's body answers and closes while we still send, which resets the connection. What it
/// no longer takes is dropped without an error, so that what it has answered before is read.
pub(super) struct Upload<B> {
    /// The head, and then each chunk's size; how much of it is written.
    front: Vec<u8>,
    written: usize,
    /// A piece of the body, behind it.
    data: Bytes,
    /// What ends the chunk, behind that.
    back: &'static [u8],
    body: Option<B>,
    framing: Framing,
    /// The worker takes nothing more.
    is_deaf: bool,
}

/// Put into a request's extensions it tells that the worker wants the body (RFC 9110 §10.1.1). It is gone as soon as there
/// is a response.
#[derive(Clone)]
pub struct OnContinue(Arc<Mutex<Option<oneshot::Sender<()>>>>);

impl OnContinue {
    /// The receiver hears of a 100, or that none will come.
    pub fn new() -> (Self, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Arc::new(Mutex::new(Some(sender)))), receiver)
    }

    /// There is a response: whether a 100 has come does not matter any more.
    pub(super) fn withdraw(extensions: &mut Extensions) {
        extensions.remove::<Self>();
    }

    /// The worker has sent 100.
    pub(super) fn tell(extensions: &Extensions) {
        let Some(Self(sender)) = extensions.get() else { return };
        if let Some(sender) = sender.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Nobody waits any more: all the better.
            let _ = sender.send(());
        }
    }
}

/// What has become of a request: the connection's writing side, if the worker takes more.
pub(super) type Outcome = Result<Option<Writer>, BodyError>;

/// How the body is framed.
enum Framing {
    /// So many bytes are still to come.
    Length(u64),
    Chunked,
}

impl<B> Upload<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Send + Unpin + 'static,
{
    /// `scratch` is room for the head.
    pub(super) fn new(
        request: &Request<impl Sized>,
        added: &[u8],
        body: Option<B>,
        mut scratch: Vec<u8>,
    ) -> Self {
        let framing = match body.as_ref().map(|body| body.size_hint().exact()) {
            None => Framing::Length(0),
            Some(Some(length)) => Framing::Length(length),
            Some(None) => Framing::Chunked,
        };
        scratch.clear();
        write_head(&mut scratch, request, added, body.is_some().then_some(&framing));
        Self { front: scratch, written: 0, data: Bytes::new(), back: b"", body, framing, is_deaf: false }
    }

    /// Whether all of it is written.
    pub(super) fn is_done(&self) -> bool {
        self.body.is_none() && !self.has_bytes()
    }

    /// Sends on; ready when all of it is written.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut Writer,
        line: &Line,
    ) -> Poll<Result<(), BodyError>> {
        loop {
            // A body that is there already leaves with the head.
            if self.data.is_empty()
                && self.back.is_empty()
                && let Some(body) = &mut self.body
            {
                match Pin::new(body).poll_frame(cx) {
                    Poll::Ready(Some(frame)) => self.add(frame?)?,
                    Poll::Ready(None) => self.end()?,
                    Poll::Pending if self.has_bytes() => {}
                    Poll::Pending => return Poll::Pending,
                }
            }
            if self.has_bytes() {
                ready!(self.poll_write(cx, writer, line));
            } else if self.body.is_none() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Sends on behind the response's head.
    pub(super) fn go_on(mut self, mut writer: Writer, line: Arc<Line>) -> JoinHandle<Outcome> {
        tokio::spawn(async move {
            poll_fn(|cx| self.poll(cx, &mut writer, &line)).await?;
            Ok(self.finish(writer).0)
        })
    }

    /// All of it is written: the connection's writing side, if the worker takes more, and the room for a head.
    pub(super) fn finish(self, writer: Writer) -> (Option<Writer>, Vec<u8>) {
        ((!self.is_deaf).then_some(writer), self.front)
    }

    fn has_bytes(&self) -> bool {
        self.written < self.front.len() || !self.data.is_empty() || !self.back.is_empty()
    }

    /// A frame of the body is to be written.
    fn add(&mut self, frame: Frame<Bytes>) -> Result<(), BodyError> {
        match (frame.into_data(), &mut self.framing) {
            (Ok(data), Framing::Length(left)) => {
                // More than was said would be read as the next request.
                *left = left.checked_sub(data.len() as u64).ok_or(BodyError::Malformed)?;
                self.data = data;
                if *left == 0 {
                    self.body = None;
                }
            }
            (Ok(data), Framing::Chunked) if data.is_empty() => {}
            (Ok(data), Framing::Chunked) => {
                self.make_room();
                write::chunk_size(&mut self.front, data.len());
                (self.data, self.back) = (data, b"\r\n");
            }
            (Err(frame), Framing::Chunked) => {
                self.body = None;
                self.add_last_chunk(&frame.into_trailers().unwrap_or_default().into());
            }
            (Err(_), Framing::Length(_)) => {}
        }
        Ok(())
    }

    /// The body has ended.
    fn end(&mut self) -> Result<(), BodyError> {
        self.body = None;
        match self.framing {
            Framing::Length(0) => {}
            Framing::Length(_) => return Err(BodyError::Malformed),
            Framing::Chunked => self.add_last_chunk(&Headers::new()),
        }
        Ok(())
    }

    fn add_last_chunk(&mut self, trailers: &Headers) {
        self.make_room();
        write::last_chunk(&mut self.front, trailers);
    }

    /// Forgets what is written of the front.
    fn make_room(&mut self) {
        self.front.drain(..self.written);
        self.written = 0;
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, writer: &mut Writer, line: &Line) -> Poll<()> {
        let front = &self.front[self.written..];
        let pieces = [IoSlice::new(front), IoSlice::new(&self.data), IoSlice::new(self.back)];
        let all = pieces.iter().map(|piece| piece.len()).sum();
        let written = if self.is_deaf {
            all
        } else {
            match ready!(Pin::new(writer).poll_write_vectored(cx, &pieces)) {
                Ok(written) => written,
                Err(error) => {
                    // Where the worker has only closed the connection, whoever reads has been told.
                    if error.kind() != io::ErrorKind::BrokenPipe {
                        line.fail();
                    }
                    self.is_deaf = true;
                    all
                }
            }
        };
        self.advance(written);
        Poll::Ready(())
    }

    fn advance(&mut self, mut written: usize) {
        let front = written.min(self.front.len() - self.written);
        self.written += front;
        written -= front;
        let data = written.min(self.data.len());
        self.data.advance(data);
        self.back = &self.back[written - data..];
    }
}

/// The request line and the fields (RFC 9112 §3.2.1: origin-form). `framing` is that of the body, if there is one.
fn write_head<T>(out: &mut Vec<u8>, request: &Request<T>, added: &[u8], framing: Option<&Framing>) {
    out.extend_from_slice(request.method().as_str().as_bytes());
    out.push(b' ');
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    if target.starts_with('?') {
        out.push(b'/');
    }
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in request.headers() {
        // Whether there is a body, and how it is framed, is seen from the body alone; that there is none may be said.
        let frames = name == header::TRANSFER_ENCODING
            || (name == header::CONTENT_LENGTH && (framing.is_some() || value != "0"));
        if !frames {
            write::field(out, name.as_str(), value.as_bytes());
        }
    }
    out.extend_from_slice(added);
    match framing {
        Some(Framing::Length(length)) => {
            write::content_length(out, *length);
        }
        Some(Framing::Chunked) => write::field(out, "transfer-encoding", b"chunked"),
        None => {}
    }
    out.extend_from_slice(b"\r\n");
}
