use super::*;
use crate::{message::unread::Unread, server::testing::Client};
use bytes::BytesMut;
use http_body::SizeHint;
use std::{collections::VecDeque, task::Waker};

/// A body whose frames come now and then; `None` is an error.
struct Frames(VecDeque<Option<Frame<Bytes>>>, fastrand::Rng);

impl Body for Frames {
    type Data = Bytes;
    type Error = ();

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ()>>> {
        if self.1.u8(..8) == 0 {
            return Poll::Pending;
        }
        Poll::Ready(self.0.pop_front().map(|frame| frame.ok_or(())))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// What the client has got, and whether that was all.
fn sent(frames: Vec<Option<Frame<Bytes>>>, framing: Framing, random: &mut fastrand::Rng) -> (Vec<u8>, bool) {
    let taken: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let client = Client { taken: taken.clone(), random: Some(random.fork()), ..Client::default() };
    let wire = Mutex::new(Wire::new(client, BytesMut::new()));
    let mut outgoing = Outgoing::new();
    outgoing.head().extend_from_slice(b"head");
    outgoing.begin(Frames(frames.into(), random.fork()), framing, vec![HeaderValue::from_static("sum")]);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        if let Poll::Ready(ended) = outgoing.poll(&mut cx, &wire) {
            let taken = taken.lock().unwrap().concat();
            assert!(taken.starts_with(b"head"));
            return (taken[4..].to_vec(), ended.is_ok());
        }
    }
    panic!("it does not end");
}

fn some_frames(random: &mut fastrand::Rng) -> (Vec<u8>, Vec<Bytes>) {
    let sizes = [0, 1, 1000, SMALL - 1, SMALL, 5000, 30_000];
    let mut frames = Vec::new();
    for _ in 0..random.usize(..6) {
        let size = sizes[random.usize(..sizes.len())];
        for _ in 0..random.usize(1..30) {
            frames.push(Bytes::from(vec![random.u8(..); size]));
        }
    }
    (frames.concat(), frames)
}

#[test]
fn a_body_arrives_as_it_is_however_it_comes_and_is_taken() {
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..80 {
        let (body, frames) = some_frames(&mut random);
        let frames: Vec<_> = frames.into_iter().map(|data| Some(Frame::data(data))).collect();
        let again =
            || frames.iter().map(|frame| frame.as_ref()?.data_ref().cloned().map(Frame::data)).collect();
        assert_eq!(sent(again(), Framing::Close, &mut random), (body.clone(), true));
        assert_eq!(sent(again(), Framing::Length(body.len() as u64), &mut random), (body.clone(), true));
        // A body that is longer than was said ends where it was to end; one that is shorter breaks off.
        let short = random.usize(..=body.len());
        assert_eq!(sent(again(), Framing::Length(short as u64), &mut random), (body[..short].to_vec(), true));
        assert_eq!(sent(again(), Framing::Length(body.len() as u64 + 1), &mut random), (body.clone(), false));
        let mut trailed: Vec<_> = again();
        let fields = Headers::from_iter(
            [("sum", "1"), ("other", "2")]
                .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value))),
        );
        trailed.push(Some(Frame::trailers(fields.into())));
        let (chunked, whole) = sent(trailed, Framing::Chunked, &mut random);
        let (decoded, trailers) = decoded(&chunked);
        assert!(whole && decoded == body, "{} bytes of {}", decoded.len(), body.len());
        assert_eq!(
            trailers,
            Headers::from_iter([(http::HeaderName::from_static("sum"), HeaderValue::from_static("1"))])
        );
    }
}

#[test]
fn what_came_before_an_error_is_sent_and_then_the_response_is_broken() {
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..50 {
        let (body, frames) = some_frames(&mut random);
        let mut frames: Vec<_> = frames.into_iter().map(|data| Some(Frame::data(data))).collect();
        frames.push(None);
        assert_eq!(sent(frames, Framing::Close, &mut random), (body, false));
    }
}

#[test]
fn nothing_is_kept_of_a_response_that_is_over() {
    let memory: Arc<[u8]> = vec![b'x'; 2 * SMALL].into();
    let body = Frame::data(Bytes::from_owner(memory.clone()));
    let random = fastrand::Rng::with_seed(3);
    let wire =
        Mutex::new(Wire::new(Client { random: Some(random.clone()), ..Client::default() }, BytesMut::new()));
    let mut outgoing = Outgoing::new();
    outgoing.begin(Frames([Some(body)].into(), random), Framing::Length(2 * SMALL as u64), Vec::new());
    let mut cx = Context::from_waker(Waker::noop());
    while outgoing.poll(&mut cx, &wire).is_pending() {}
    outgoing.end();
    assert_eq!(Arc::strong_count(&memory), 1);
}

fn decoded(text: &[u8]) -> (Vec<u8>, Headers) {
    let (mut received, mut chunked, mut body) = (BytesMut::from(text), Unread::chunked(), Vec::new());
    let mut trailers = Headers::new();
    while !chunked.is_over() {
        match chunked.next(&mut received).unwrap().unwrap().into_data() {
            Ok(data) => body.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().unwrap().into(),
        }
    }
    assert!(received.is_empty());
    (body, trailers)
}
