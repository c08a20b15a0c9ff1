//! A body that is encoded while it is sent.

use super::{
    crowd::{CROWD, Crowd, Place},
    encoder::Encoder,
    lease::Lease,
    levels::Effort,
    padding,
};
use crate::message::{body::BodyError, encoding::Encoding};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use std::{
    io, mem,
    panic::{self, AssertUnwindSafe},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

/// So much is encoded at once.
const SLICE: usize = 16 * 1024;

/// So much that has come out is worth sending.
const ENOUGH: usize = 8 * 1024;

/// After so much, others have their turn: about half a millisecond. Whatever is done within one leaves its encoder to the next.
fn turn(encoding: Encoding) -> usize {
    match encoding {
        Encoding::Zstd => 128 * 1024,
        Encoding::Brotli | Encoding::Gzip => 32 * 1024,
    }
}

/// So much is encoded without waiting for those who have much.
fn short(encoding: Encoding) -> usize {
    turn(encoding) / 2
}

/// Another body, encoded.
///
/// What has been written leaves when the other has nothing more for the moment, so that an event reaches its reader at
/// once. A large piece is encoded little by little, and other tasks have their turn between. If the other fails, this
/// fails too, and what was sent is visibly incomplete, as it is if the encoder fails: [`BodyError::EncoderFailed`].
///
/// What is long waits until it is the one of its kind at work on this core ([`Lease`]). Where many encoders are at work, the next
/// ones take less memory, and come out larger.
pub struct Live<B> {
    source: B,
    encoder: Encoder,
    /// Until the encoder is finished.
    place: Option<Place>,
    /// For when it is long.
    lease: Lease,
    /// Whether it is known to be longer than what is encoded without a lease.
    is_long: bool,
    /// The rest of what the source gave last.
    input: Bytes,
    /// Most bytes of padding, until the content begins.
    padding: Option<usize>,
    /// How much was encoded in this turn.
    worked: usize,
    /// Whether something was written since the last flush, and whether that has waited for more.
    unflushed: Unflushed,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unflushed {
    Nothing,
    Something,
    /// Everybody else has had a turn since.
    Waited,
}

enum State {
    Content,
    /// The encoded content is complete but for what is to be taken from the encoder.
    Trailers(Option<HeaderMap>),
    Over,
}

impl<B> Live<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    /// Encodes `source`, which has `length` bytes, if that is known, with up to `padding` bytes of padding against
    /// BREACH; 0 is none.
    pub fn new(source: B, encoding: Encoding, length: Option<u64>, padding: usize) -> Self {
        Self::among(&CROWD, source, encoding, length, padding)
    }

    fn among(
        crowd: &'static Crowd,
        source: B,
        encoding: Encoding,
        length: Option<u64>,
        padding: usize,
    ) -> Self {
        let place = crowd.enter(length);
        let effort = if place.is_roomy { Effort::Live } else { Effort::Crowded };
        Self {
            source,
            encoder: Encoder::new(encoding, effort, length),
            place: Some(place),
            lease: Lease::new(),
            is_long: length.is_some_and(|length| length > short(encoding) as u64),
            input: Bytes::new(),
            padding: Some(padding).filter(|most| *most > 0),
            worked: 0,
            unflushed: Unflushed::Nothing,
            state: State::Content,
        }
    }

    /// Encodes until there is something worth sending, or nothing to do for the moment.
    fn poll_content(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        while self.encoder.ready() < ENOUGH {
            if self.worked >= turn(self.encoder.encoding()) {
                return self.give_way(cx);
            }
            if !self.input.is_empty() {
                if self.is_long || self.worked + self.input.len() > short(self.encoder.encoding()) {
                    match self.lease.poll_slice(cx) {
                        Poll::Ready(()) => {}
                        Poll::Pending if self.encoder.ready() > 0 => break,
                        Poll::Pending => return Poll::Pending,
                    }
                }
                self.encode_slice()?;
                continue;
            }
            match self.poll_source(cx) {
                Poll::Ready(frame) => self.accept(frame.transpose()?)?,
                Poll::Pending if self.unflushed == Unflushed::Something => {
                    // On a busy connection more is often about to arrive, and each flush costs a few bytes.
                    self.unflushed = Unflushed::Waited;
                    return self.give_way(cx);
                }
                Poll::Pending if self.unflushed == Unflushed::Waited => {
                    self.unflushed = Unflushed::Nothing;
                    self.guarded(Encoder::flush)?;
                    break;
                }
                Poll::Pending if self.encoder.ready() > 0 => break,
                Poll::Pending => {
                    self.worked = 0;
                    self.lease.give_back();
                    return Poll::Pending;
                }
            }
            if matches!(self.state, State::Trailers(_)) {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// What the source has next. One that knows that it has ended is not asked, since it might say so only in a later turn:
    /// then there would be a flush before the end, which costs some bytes.
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.source.is_end_stream() {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.source).poll_frame(cx)
    }

    fn accept(&mut self, frame: Option<Frame<Bytes>>) -> Result<(), BodyError> {
        let trailers = match frame.map(Frame::into_data) {
            Some(Ok(data)) if data.is_empty() => return Ok(()),
            Some(Ok(data)) => {
                self.input = data;
                return Ok(());
            }
            Some(Err(frame)) => frame.into_trailers().ok(),
            None => None,
        };
        self.begin()?;
        self.guarded(Encoder::finish)?;
        self.place = None;
        self.lease.give_back();
        self.state = State::Trailers(trailers);
        Ok(())
    }

    /// Before the first content there is the padding.
    fn begin(&mut self) -> Result<(), BodyError> {
        let Some(most) = self.padding.take() else { return Ok(()) };
        let length = padding::length(&self.input, most);
        self.guarded(|encoder| encoder.pad(length))
    }

    fn encode_slice(&mut self) -> Result<(), BodyError> {
        self.begin()?;
        let slice = self.input.split_to(self.input.len().min(SLICE));
        self.worked += slice.len();
        self.unflushed = Unflushed::Something;
        self.guarded(|encoder| encoder.write(&slice))
    }

    /// What is wrong with an encoder ends this body, and nothing else.
    fn guarded(&mut self, work: impl FnOnce(&mut Encoder) -> io::Result<()>) -> Result<(), BodyError> {
        let encoder = &mut self.encoder;
        match panic::catch_unwind(AssertUnwindSafe(|| work(encoder))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(BodyError::EncoderFailed),
        }
    }

    /// Comes back when the other tasks have had their turn, and what has arrived on sockets was looked at, which
    /// waking oneself does not wait for.
    fn give_way<T>(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        self.worked = 0;
        // It has the task woken later, and is not needed for that any more.
        let _ = pin!(tokio::task::yield_now()).poll(cx);
        Poll::Pending
    }
}

impl<B> Body for Live<B>
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
        if matches!(this.state, State::Content)
            && let Err(error) = ready!(this.poll_content(cx))
        {
            this.state = State::Over;
            return Poll::Ready(Some(Err(error)));
        }
        if this.encoder.ready() > 0 && !matches!(this.state, State::Over) {
            return Poll::Ready(Some(Ok(Frame::data(this.encoder.take()))));
        }
        match mem::replace(&mut this.state, State::Over) {
            State::Trailers(Some(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            State::Content | State::Trailers(None) | State::Over => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Content => false,
            State::Trailers(trailers) => trailers.is_none() && self.encoder.ready() == 0,
            State::Over => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing::{self, Script, Step};
    use http::HeaderValue;
    use std::{
        sync::{Arc, Mutex},
        task::Waker,
    };

    type Polled = Poll<Option<Result<Frame<Bytes>, BodyError>>>;

    fn poll(live: &mut Live<Script>) -> Polled {
        Pin::new(live).poll_frame(&mut Context::from_waker(Waker::noop()))
    }

    fn live(encoding: Encoding, steps: impl IntoIterator<Item = Step>) -> Live<Script> {
        Live::new(Script::new(steps), encoding, None, 0)
    }

    /// The data of a frame, if it is there.
    fn data(polled: Polled) -> Option<Bytes> {
        match polled {
            Poll::Ready(Some(frame)) => frame.unwrap().into_data().ok(),
            _ => None,
        }
    }

    /// All of its data, however often one must ask, and the last frame that is none.
    fn drain(live: &mut Live<Script>) -> (Vec<u8>, Option<Result<Frame<Bytes>, BodyError>>) {
        let mut all = Vec::new();
        loop {
            match poll(live) {
                Poll::Pending => {}
                Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                    assert!(!live.is_end_stream() || matches!(live.state, State::Trailers(None)));
                    all.extend_from_slice(&frame.into_data().unwrap());
                }
                Poll::Ready(last) => return (all, last),
            }
        }
    }

    #[test]
    fn a_body_in_pieces_of_any_size_is_encoded() {
        for encoding in Encoding::ALL {
            for size in [0, 1, 1023, 1024, 100_000, 1_000_000] {
                for (piece, content) in [(7_000, testing::text(size)), (size + 1, testing::noise(size))] {
                    for padding in [0, 32] {
                        let steps = content.chunks(piece).map(|piece| Step::Data(piece.to_vec().into()));
                        let mut live = Live::new(Script::new(steps), encoding, Some(size as u64), padding);
                        let (encoded, last) = drain(&mut live);
                        assert!(last.is_none() && live.is_end_stream());
                        assert!(
                            testing::whole(encoding, &encoded) == Some(content.clone()),
                            "{encoding:?} {size}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn each_piece_leaves_when_nothing_follows_it() {
        for encoding in Encoding::ALL {
            let piece = |text: &'static str| Step::Data(Bytes::from_static(text.as_bytes()));
            let wait = || [Step::Wait, Step::Wait, Step::Wait];
            let steps = [piece("data: one\n\n")].into_iter().chain(wait()).chain([piece("data: two\n\n")]);
            let mut live = live(encoding, steps.chain(wait()));
            assert!(poll(&mut live).is_pending(), "others have their turn first");
            let mut encoded = data(poll(&mut live)).unwrap().to_vec();
            assert_eq!(testing::prefix(encoding, &encoded), b"data: one\n\n");
            assert!(poll(&mut live).is_pending(), "nothing to flush");
            assert!(poll(&mut live).is_pending());
            encoded.extend_from_slice(&data(poll(&mut live)).unwrap());
            assert_eq!(testing::prefix(encoding, &encoded), b"data: one\n\ndata: two\n\n");
        }
    }

    #[test]
    fn what_follows_in_the_next_turn_is_waited_for() {
        for encoding in Encoding::ALL {
            let piece = || Step::Data(Bytes::from_static(b"some of it "));
            let mut live = live(encoding, [piece(), Step::Wait, piece(), Step::Wait, Step::Wait]);
            assert!(poll(&mut live).is_pending());
            assert!(poll(&mut live).is_pending());
            let encoded = data(poll(&mut live)).unwrap();
            assert_eq!(testing::prefix(encoding, &encoded), b"some of it some of it ");
        }
    }

    #[test]
    fn one_large_piece_takes_many_turns() {
        for encoding in Encoding::ALL {
            let content = testing::noise(1 << 20);
            let mut live = live(encoding, [Step::Data(content.into())]);
            let (mut turns, mut left) = (1, 1 << 20);
            loop {
                match poll(&mut live) {
                    Poll::Ready(None) => break,
                    Poll::Ready(_) => {}
                    Poll::Pending => {
                        turns += 1;
                        assert!(left - live.input.len() <= turn(encoding));
                        left = live.input.len();
                    }
                }
            }
            assert!(turns >= (1 << 20) / turn(encoding), "{turns}");
        }
    }

    #[tokio::test]
    async fn giving_way_lets_others_run_and_comes_back() {
        let content = testing::text(1 << 20);
        let mut live = live(Encoding::Gzip, [Step::Data(content.clone().into())]);
        let (others, mut encoded) = (std::cell::Cell::new(0), Vec::new());
        let other = async {
            loop {
                others.set(others.get() + 1);
                tokio::task::yield_now().await;
            }
        };
        let all = async {
            while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut live).poll_frame(cx)).await {
                encoded.extend_from_slice(&frame.unwrap().into_data().unwrap());
            }
        };
        tokio::select! { () = all => {} () = other => {} }
        assert!(others.get() >= (1 << 20) / turn(Encoding::Gzip) - 1);
        assert!(testing::whole(Encoding::Gzip, &encoded) == Some(content));
    }

    #[tokio::test]
    async fn what_is_long_is_encoded_after_what_is_long_and_what_is_short_is_not() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let begin = |name, size| {
            let (order, mut live) =
                (order.clone(), live(Encoding::Gzip, [Step::Data(testing::text(size).into())]));
            tokio::spawn(async move {
                while std::future::poll_fn(|cx| Pin::new(&mut live).poll_frame(cx)).await.is_some() {}
                order.lock().unwrap().push(name);
            })
        };
        for task in [begin("long", 200_000), begin("shorter", 100_000), begin("short", 10_000)] {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), ["short", "long", "shorter"]);
    }

    #[test]
    fn trailers_come_last() {
        for encoding in Encoding::ALL {
            let mut trailers = HeaderMap::new();
            trailers.insert("digest", HeaderValue::from_static("x"));
            let steps = [Step::Data(Bytes::from_static(b"content")), Step::Trailers(trailers.clone())];
            let mut live = live(encoding, steps);
            let (encoded, last) = drain(&mut live);
            assert_eq!(testing::whole(encoding, &encoded).as_deref(), Some(&b"content"[..]));
            assert_eq!(last.unwrap().unwrap().into_trailers().unwrap(), trailers);
            assert!(matches!(poll(&mut live), Poll::Ready(None)) && live.is_end_stream());
        }
    }

    #[test]
    fn an_error_leaves_it_incomplete() {
        for encoding in Encoding::ALL {
            let content = testing::noise(100_000);
            let mut live = live(encoding, [Step::Data(content.into()), Step::Fails(BodyError::FileGone)]);
            let (encoded, last) = drain(&mut live);
            assert_eq!(last.unwrap().unwrap_err(), BodyError::FileGone);
            assert_eq!(testing::whole(encoding, &encoded), None);
            assert!(matches!(poll(&mut live), Poll::Ready(None)));
        }
    }

    #[test]
    fn a_fault_of_the_encoder_is_an_error_of_the_body() {
        let mut live = live(Encoding::Gzip, []);
        assert_eq!(live.guarded(|_| panic!("on purpose")), Err(BodyError::EncoderFailed));
        assert_eq!(live.guarded(|_| Err(io::Error::other("on purpose"))), Err(BodyError::EncoderFailed));
    }

    #[test]
    fn all_memory_is_given_back_when_the_other_has_ended() {
        static CROWD: Crowd = Crowd::new();
        for encoding in Encoding::ALL {
            let content = testing::text(5_000);
            let source = Script::new([Step::Data(content.clone().into())]);
            let mut live = Live::among(&CROWD, source, encoding, None, 0);
            assert!(live.place.is_some());
            let encoded = data(poll(&mut live)).unwrap();
            assert!(live.place.is_none());
            assert!(live.encoder.write(b"more").is_err(), "there is no encoder any more");
            assert!(testing::whole(encoding, &encoded) == Some(content));
        }
    }

    fn is_roomy(live: &Live<Script>) -> bool {
        live.place.as_ref().is_some_and(|place| place.is_roomy)
    }

    #[test]
    fn in_a_crowd_a_body_is_encoded_too() {
        static CROWD: Crowd = Crowd::new();
        for encoding in Encoding::ALL {
            let content = testing::text(300_000);
            let length = Some(content.len() as u64);
            let begin = || {
                let source = Script::new([Step::Data(content.clone().into())]);
                Live::among(&CROWD, source, encoding, length, 0)
            };
            let mut many: Vec<_> = (0..200).map(|_| begin()).collect();
            assert!(is_roomy(&many[0]) && !is_roomy(&many[199]));
            for live in [0, 199] {
                let (encoded, _) = drain(&mut many[live]);
                assert!(testing::whole(encoding, &encoded) == Some(content.clone()), "{encoding:?}");
            }
            assert!(is_roomy(&begin()), "one has given its place back");
        }
    }

    #[test]
    fn padding_follows_from_the_first_piece() {
        for encoding in Encoding::ALL {
            let length = |content: &'static [u8], most| {
                let steps =
                    [Step::Data(Bytes::from_static(content)), Step::Data(Bytes::from_static(b"rest"))];
                drain(&mut Live::new(Script::new(steps), encoding, None, most)).0.len()
            };
            let lengths: Vec<_> = (0..50).map(|_| length(b"first", 1000)).collect();
            assert!(lengths.iter().all(|other| *other == lengths[0]));
            let expected = padding::length(b"first", 1000) - padding::length(b"first", 1);
            assert_eq!(lengths[0] - length(b"first", 1), expected);
        }
    }
}
