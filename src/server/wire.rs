//! The wire: a strict reader between the socket and the HTTP library.
//!
//! The library is lenient where a proxy must not be, and forgets what it has read. The wire follows the framing of
//! every message itself, on the raw bytes, and lets through only what is sound (see [`head`] and [`Chunked`]). It hands
//! over one message at a time; what follows is held back. Where a head is refused the library gets a stand-in request,
//! so that the refusal is answered in its turn behind earlier responses, and logged like any other.

use super::{
    connection::Transport,
    link::{Link, Upgrade},
};
use crate::message::{
    Refusal, Refused,
    chunked::Chunked,
    head::{self, Framing, MAX_HEAD},
};
use bytes::{Buf, BytesMut};
use http::StatusCode;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the library reads in place of a refused request.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";
/// How much of a refused request is kept for the log.
const MAX_REFUSED_START: usize = 2048;

/// A socket with the framing of what is read from it.
pub(super) struct Wire<S> {
    socket: S,
    link: Arc<Link>,
    state: State,
    /// Bytes that have been read but not handed over: an incomplete head, or what follows a message.
    held: BytesMut,
    /// How many of the held bytes are sound and may go.
    passable: usize,
    /// Whether `held` has grown since it was last examined in a way that can change the outcome.
    fresh: bool,
}

enum State {
    /// Before or in a head.
    Head,
    /// In a body with this many bytes left.
    Length(u64),
    /// In a chunked body.
    Chunked(Chunked),
    /// Behind a request to switch protocols.
    Upgrade,
    /// Nothing more is read; this much of the stand-in has been handed over.
    Refused(usize),
}

impl<S> Wire<S> {
    pub(super) fn new(socket: S, link: Arc<Link>) -> Self {
        Self { socket, link, state: State::Head, held: BytesMut::new(), passable: 0, fresh: false }
    }

    /// The socket alone, to wait for it.
    pub(super) fn socket(&self) -> &S {
        &self.socket
    }

    /// The same, to read its first bytes.
    pub(super) fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    /// These are the first bytes, which were read already.
    pub(super) fn hold(&mut self, first: BytesMut) {
        self.fresh = !first.is_empty();
        self.held = first;
    }

    /// Whether nothing has been read that was not handed over.
    pub(super) fn is_drained(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether what is read next is the beginning of a request.
    pub(super) fn is_between_messages(&self) -> bool {
        match self.state {
            State::Head => true,
            State::Upgrade => self.link.upgrade() == Upgrade::Declined,
            State::Length(_) | State::Chunked(_) | State::Refused(_) => false,
        }
    }

    /// The socket, and what has been read from it but not handed over.
    pub(super) fn into_parts(self) -> (S, BytesMut) {
        (self.socket, self.held)
    }

    /// How many of these bytes may go to the library, up to the end of the current message. 0: more are needed.
    fn examine(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        if !matches!(self.state, State::Head) {
            return self.examine_body(bytes);
        }
        // One empty line before a request is ignored (RFC 9112 §2.2).
        let skipped = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
        if matches!(bytes[skipped..], [] | [b'\r']) {
            return Ok(0);
        }
        let Some(head) = head::read(&bytes[skipped..])? else { return Ok(0) };
        self.state = match head.framing {
            _ if head.upgrade => State::Upgrade,
            Framing::Length(0) => State::Head,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(Chunked::default()),
        };
        let end = skipped + head.len;
        let body = if matches!(self.state, State::Head) { 0 } else { self.examine_body(&bytes[end..])? };
        self.link.request_started(if head.upgrade { Upgrade::Undecided } else { Upgrade::Declined });
        Ok(end + body)
    }

    fn examine_body(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let (taken, done) = match &mut self.state {
            State::Length(left) => {
                let taken = (*left).min(bytes.len() as u64);
                *left -= taken;
                (taken as usize, *left == 0)
            }
            State::Chunked(body) => (body.feed(bytes)?, body.is_done()),
            State::Head | State::Upgrade | State::Refused(_) => (0, false),
        };
        if done {
            self.state = State::Head;
        }
        Ok(taken)
    }

    /// As [`Wire::examine`]; but a malformed head is refused here. A malformed body is an error: its head is gone.
    fn pass(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let in_head = matches!(self.state, State::Head);
        match self.examine(bytes) {
            Ok(0) if in_head && !bytes.is_empty() => self.link.head_started(),
            Ok(passable) => return Ok(passable),
            Err(refusal) if in_head => self.refuse(refusal, bytes),
            Err(refusal) => return Err(io::Error::new(io::ErrorKind::InvalidData, refusal.reason)),
        }
        Ok(0)
    }

    /// Refuses the request that begins with these bytes.
    fn refuse(&mut self, refusal: Refusal, bytes: &[u8]) {
        let start = bytes[..bytes.len().min(MAX_REFUSED_START)].to_vec();
        self.link.request_started(Upgrade::Declined);
        self.link.refuse(Refused { refusal, start });
        self.state = State::Refused(0);
    }

    fn is_refused(&self) -> bool {
        matches!(self.state, State::Refused(_))
    }

    /// Examines what is held, if that is worth while; true if there is something to hand over now.
    fn examine_held(&mut self) -> io::Result<bool> {
        if !std::mem::take(&mut self.fresh) {
            return Ok(false);
        }
        let held = std::mem::take(&mut self.held);
        self.passable = self.pass(&held)?;
        if !self.is_refused() {
            self.held = held;
        }
        Ok(self.passable > 0 || self.is_refused())
    }

    /// Takes bytes that have just been read behind what is held: some may go from where they are, the rest is held.
    fn take_in(&mut self, buf: &mut ReadBuf<'_>, start: usize) -> io::Result<()> {
        let bytes = &buf.filled()[start..];
        let mut passable = 0;
        if self.held.is_empty() {
            passable = self.pass(bytes)?;
            self.fresh = passable > 0;
        } else {
            // A head is read anew only when a line has ended, so that one that dribbles in does not cost its square.
            let first_line = memchr::memchr(b'\n', &self.held).is_none();
            self.fresh = first_line || memchr::memchr(b'\n', bytes).is_some() || self.held.len() > MAX_HEAD;
        }
        if !self.is_refused() {
            self.held.extend_from_slice(&bytes[passable..]);
        }
        buf.set_filled(start + passable);
        Ok(())
    }

    /// Hands over what is known to be sound; false if there is none.
    fn hand_over(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        if let State::Refused(at) = &mut self.state {
            let rest = &STAND_IN[*at..];
            let taken = rest.len().min(buf.remaining());
            buf.put_slice(&rest[..taken]);
            *at += taken;
            return taken > 0;
        }
        let taken = self.passable.min(buf.remaining());
        if taken == 0 {
            return false;
        }
        buf.put_slice(&self.held[..taken]);
        self.held.advance(taken);
        self.passable -= taken;
        self.fresh = self.passable == 0 && !self.held.is_empty();
        if self.held.is_empty() {
            self.held = BytesMut::new();
        }
        true
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if buf.remaining() == 0 || this.hand_over(buf) {
                return Poll::Ready(Ok(()));
            }
            match this.state {
                // The end of the stand-in is not the end of the connection.
                State::Refused(_) => return Poll::Pending,
                State::Upgrade if this.link.upgrade() == Upgrade::Declined => {
                    this.state = State::Head;
                    this.fresh = !this.held.is_empty();
                }
                // One read's worth is held until it is known which protocol it belongs to. The library reads again
                // when the response has been sent.
                State::Upgrade if !this.held.is_empty() => return Poll::Pending,
                State::Head if this.link.head_is_late() => {
                    let late = Refusal::new(StatusCode::REQUEST_TIMEOUT, "request header timeout");
                    let held = std::mem::take(&mut this.held);
                    this.refuse(late, &held);
                    continue;
                }
                _ => {}
            }
            if this.examine_held()? {
                continue;
            }
            let start = buf.filled().len();
            ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
            if buf.filled().len() == start {
                return Poll::Ready(Ok(()));
            }
            this.take_in(buf, start)?;
            if buf.filled().len() > start {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: Transport> Wire<S> {
    /// What waits may have become less though nothing more was taken.
    fn note_progress(&mut self, blocked: bool) {
        if !blocked || self.socket.has_moved() {
            self.link.blocked(false);
        }
        if blocked {
            self.link.blocked(true);
        }
    }
}

impl<S: Transport> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write(cx, buf);
        this.note_progress(written.is_pending());
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write_vectored(cx, bufs);
        this.note_progress(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.socket).poll_flush(cx);
        this.note_progress(flushed.is_pending());
        flushed
    }

    /// The connection closes the socket itself, so that it can linger.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::VecDeque, task::Waker};

    const MESSAGES: [&str; 5] = [
        "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\nhello\r\n\r\nyou",
        "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nSum: 1\r\n\r\n",
        "HEAD /d HTTP/1.0\r\n\r\n",
        "PUT /e HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    ];

    /// A socket whose bytes come in pieces; then nothing comes, but it stays open.
    struct Pieces(VecDeque<Vec<u8>>);

    impl Pieces {
        fn of(bytes: &[u8], random: &mut fastrand::Rng) -> Self {
            let (mut pieces, mut rest) = (VecDeque::new(), bytes);
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(random.usize(1..=rest.len().min(60)));
                pieces.push_back(piece.to_vec());
                rest = after;
            }
            Self(pieces)
        }
    }

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let Some(mut piece) = self.0.pop_front() else { return Poll::Pending };
            let rest = piece.split_off(piece.len().min(buf.remaining()));
            buf.put_slice(&piece);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
            Poll::Ready(Ok(()))
        }
    }

    /// Everything that the wire hands over, read by read.
    fn read_all(wire: &mut Wire<Pieces>, random: &mut fastrand::Rng) -> Vec<Vec<u8>> {
        let mut reads = Vec::new();
        loop {
            let mut space = vec![0; random.usize(1..200)];
            let mut buf = ReadBuf::new(&mut space);
            match Pin::new(&mut *wire).poll_read(&mut Context::from_waker(Waker::noop()), &mut buf) {
                Poll::Ready(result) => result.unwrap(),
                Poll::Pending => return reads,
            }
            reads.push(buf.filled().to_vec());
        }
    }

    #[tokio::test]
    async fn messages_come_whole_and_one_at_a_time_however_they_are_cut() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2_000 {
            let messages: Vec<_> =
                (0..random.usize(1..6)).map(|_| MESSAGES[random.usize(..MESSAGES.len())]).collect();
            let sent = messages.concat();
            let mut wire = Wire::new(Pieces::of(sent.as_bytes(), &mut random), Arc::new(Link::new()));
            let reads = read_all(&mut wire, &mut random);
            assert_eq!(String::from_utf8(reads.concat()).unwrap(), sent);
            let mut ends = messages.iter().scan(0, |at, message| {
                *at += message.len();
                Some(*at)
            });
            let (mut at, mut end) = (0, ends.next().unwrap());
            for read in reads {
                at += read.len();
                assert!(at <= end, "a read goes beyond the message it began in: {sent:?}");
                if at == end {
                    end = ends.next().unwrap_or(at);
                }
            }
            assert!(wire.is_between_messages() && wire.is_drained());
        }
    }

    #[tokio::test]
    async fn what_stands_in_for_a_refused_request_comes_in_its_turn() {
        let mut random = fastrand::Rng::with_seed(7);
        for before in 0..4 {
            let sent = format!(
                "{}GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n{}",
                MESSAGES[1].repeat(before),
                MESSAGES[0]
            );
            let link = Arc::new(Link::new());
            let mut wire = Wire::new(Pieces::of(sent.as_bytes(), &mut random), link.clone());
            let read = read_all(&mut wire, &mut random).concat();
            assert_eq!(read, [&*MESSAGES[1].repeat(before).into_bytes(), STAND_IN].concat());
            for _ in 0..before {
                assert!(link.take_refused().is_none(), "taken for a sound request");
            }
            assert_eq!(link.take_refused().unwrap().refusal, Refusal::bad("more than one Host"));
        }
    }
}
