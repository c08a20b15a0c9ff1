//! A body on its way into the cache, and to the client that asked for it first. Each goes at its own pace: a slow client
//! holds nobody up, and one that leaves takes nothing from the others.

use super::Reason;
use crate::{message::BodyError, pages};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::time::timeout;

/// A body that nobody reads any more and that makes no progress for this long is given up.
const ORPHANED: Duration = Duration::from_secs(30);
/// Largest piece that a reader copies while the body is still coming.
const PIECE: usize = 64 * 1024;

/// Bytes that all bodies together may take: those that are being stored, those that are, and those that are no longer and
/// that slow clients still read.
pub struct Budget {
    left: AtomicU64,
}

/// Some of it, given back when dropped.
pub struct Share {
    budget: Arc<Budget>,
    bytes: u64,
}

/// A whole body and its share, which is given back when the last copy is dropped.
struct Whole<T> {
    body: T,
    _share: Option<Share>,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Whole<T> {
    fn as_ref(&self) -> &[u8] {
        self.body.as_ref()
    }
}

/// Limits of one body.
pub struct Limits {
    /// Bytes.
    pub largest: u64,
    /// Shared by all.
    pub budget: Arc<Budget>,
}

/// Gathers a body.
pub struct Collector<B> {
    shared: Arc<Shared<B>>,
    /// `None` once it was given to the reader.
    body: Option<B>,
    largest: u64,
}

/// Reads it while it is being gathered.
pub struct Reader<B> {
    shared: Arc<Shared<B>>,
    at: usize,
    length: Option<u64>,
    /// The rest, where it has turned out too large to be stored.
    rest: Option<B>,
}

struct Shared<B>(Mutex<State<B>>);

struct State<B> {
    gathered: Vec<u8>,
    /// Of what is gathered, for as long as it is here: a reader may take its time. `None` once it belongs to the whole body.
    share: Option<Share>,
    end: Option<End<B>>,
    reader: Option<Waker>,
}

enum End<B> {
    /// All of it is here, and being stored.
    Storing,
    Complete(Bytes, Option<HeaderMap>),
    Broken(BodyError),
    /// Not to be stored: the reader takes over from here.
    Given(Option<B>),
}

impl Budget {
    /// A budget of this many bytes.
    pub fn new(bytes: u64) -> Self {
        Self { left: AtomicU64::new(bytes) }
    }

    /// A share of so many bytes; `None` if there are not as many left.
    pub fn share(self: &Arc<Self>, bytes: u64) -> Option<Share> {
        let mut share = Share { budget: self.clone(), bytes: 0 };
        share.grow_to(bytes).then_some(share)
    }

    /// A form that has its share of it from now on; `None` if there is none left.
    pub fn own(self: &Arc<Self>, form: Bytes) -> Option<Bytes> {
        self.share(form.len() as u64).map(|share| share.hold_form(form))
    }

    /// Whether there is room for so many bytes at this moment.
    pub fn has_room_for(&self, bytes: u64) -> bool {
        self.left.load(Ordering::Relaxed) >= bytes
    }

    fn take(&self, bytes: u64) -> bool {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }
}

impl Share {
    /// The body that it was taken for. The share is given back with the last copy.
    pub fn hold(self, body: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        Bytes::from_owner(Whole { body, _share: Some(self) })
    }

    /// The same for a form that lies ready: it is put where it can be sent from without being copied, if that can be had.
    pub fn hold_form(self, form: Bytes) -> Bytes {
        match pages::place(&form) {
            Some(placed) => self.hold(placed),
            None => self.hold(form),
        }
    }

    fn grow_to(&mut self, bytes: u64) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let granted = self.budget.take(more);
        self.bytes += if granted { more } else { 0 };
        granted
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

impl<B> Collector<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    /// Begins to gather a body, if it may become as large as it says.
    ///
    /// # Errors
    /// The body back, and why it is not gathered.
    pub fn begin(body: B, limits: Limits) -> Result<(Self, Reader<B>), (B, Reason)> {
        let length = body.size_hint().exact();
        let announced = length.unwrap_or(0);
        if announced > limits.largest {
            return Err((body, Reason::TooLarge));
        }
        let mut share = Share { budget: limits.budget, bytes: 0 };
        if !share.grow_to(announced) {
            return Err((body, Reason::Busy));
        }
        let gathered = Vec::with_capacity(announced as usize);
        let state = State { gathered, share: Some(share), end: None, reader: None };
        let shared = Arc::new(Shared(Mutex::new(state)));
        let reader = Reader { shared: shared.clone(), at: 0, length, rest: None };
        Ok((Self { shared, body: Some(body), largest: limits.largest }, reader))
    }

    /// Whether there is nothing to gather.
    pub fn is_empty(&self) -> bool {
        self.body.as_ref().is_none_or(B::is_end_stream)
    }

    /// Gathers all of it; its trailers.
    ///
    /// # Errors
    /// Why it cannot be stored.
    pub async fn gather(&mut self) -> Result<Option<HeaderMap>, Reason> {
        while let Some(body) = &mut self.body {
            let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
            let Ok(frame) = timeout(ORPHANED, frame).await else {
                // A reader that is still there waits for as long as it likes.
                if Arc::strong_count(&self.shared) > 1 {
                    continue;
                }
                return Err(Reason::BrokenOff);
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => {
                    if let Err(reason) = self.add(&data) {
                        let rest = self.body.take();
                        self.shared.end(End::Given(rest));
                        return Err(reason);
                    }
                }
                Some(Ok(Err(frame))) => return Ok(frame.into_trailers().ok()),
                Some(Err(error)) => {
                    self.shared.end(End::Broken(error));
                    return Err(Reason::BrokenOff);
                }
                None => break,
            }
        }
        Ok(None)
    }

    /// Has what was gathered stored, and then shows the reader the end: whoever has seen that finds it stored.
    pub fn complete(self, trailers: Option<HeaderMap>, store: impl FnOnce(Bytes)) {
        let whole = self.shared.take_whole();
        store(whole.clone());
        self.shared.end(End::Complete(whole, trailers));
    }

    fn add(&mut self, data: &Bytes) -> Result<(), Reason> {
        let mut state = self.shared.lock();
        state.gathered.extend_from_slice(data);
        let held = state.gathered.len() as u64;
        state.wake();
        if held > self.largest {
            return Err(Reason::TooLarge);
        }
        let room = state.share.as_mut().is_some_and(|share| share.grow_to(held));
        if room { Ok(()) } else { Err(Reason::Busy) }
    }
}

impl<B> Shared<B> {
    fn lock(&self) -> MutexGuard<'_, State<B>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, end: End<B>) {
        let mut state = self.lock();
        state.end = Some(end);
        state.wake();
    }

    fn take_whole(&self) -> Bytes {
        let mut state = self.lock();
        let mut body = std::mem::take(&mut state.gathered);
        body.shrink_to_fit();
        state.end = Some(End::Storing);
        Bytes::from_owner(Whole { body, _share: state.share.take() })
    }
}

impl<B> State<B> {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl<B> Drop for Collector<B> {
    fn drop(&mut self) {
        // Whoever drops it before its end, by a panic or with the runtime, leaves the reader with half a body.
        let mut state = self.shared.lock();
        if matches!(state.end, None | Some(End::Storing)) {
            state.end = Some(End::Broken(BodyError::WorkerGone));
            state.wake();
        }
    }
}

impl<B> Body for Reader<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(rest) = &mut this.rest {
            return Pin::new(rest).poll_frame(cx);
        }
        let mut state = this.shared.lock();
        let all_there = this.length == Some(state.gathered.len() as u64);
        let piece = match &state.end {
            Some(End::Complete(whole, _)) => whole.slice(this.at..),
            // Its last bytes are its end.
            Some(End::Storing) => Bytes::new(),
            None if all_there => Bytes::new(),
            _ => {
                // Nothing is left of it where storing it has failed.
                let piece = state.gathered.get(this.at..).unwrap_or_default();
                Bytes::copy_from_slice(&piece[..piece.len().min(PIECE)])
            }
        };
        if !piece.is_empty() {
            this.at += piece.len();
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match &mut state.end {
            None | Some(End::Storing) => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(End::Complete(_, trailers)) => {
                Poll::Ready(trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
            }
            Some(End::Broken(error)) => Poll::Ready(Some(Err(*error))),
            Some(End::Given(rest)) => {
                let rest = rest.take();
                // What was gathered is read.
                (state.gathered, state.share) = (Vec::new(), None);
                drop(state);
                this.rest = rest;
                this.rest.as_mut().map_or(Poll::Ready(None), |rest| Pin::new(rest).poll_frame(cx))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.rest {
            Some(rest) => rest.is_end_stream(),
            None => self.length == Some(self.at as u64),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.rest, self.length) {
            (Some(rest), _) => rest.size_hint(),
            (None, Some(length)) => SizeHint::with_exact(length.saturating_sub(self.at as u64)),
            (None, None) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests;
