//! What the tests of this module need: contents, and decoders.

use super::levels::Effort;
use crate::message::{body::BodyError, encoding::Encoding};
use async_compression::{
    codecs::{BrotliDecoder, DecodeV2, GzipDecoder, ZstdDecoder},
    core::util::{PartialBuffer, WriteBuffer},
};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

/// Every effort that there is.
pub(super) const EFFORTS: [Effort; 3] = [Effort::Live, Effort::Crowded, Effort::Stored];

/// Text of so many bytes, of a few words in changing order.
pub(super) fn text(length: usize) -> Vec<u8> {
    const WORDS: [&str; 7] = ["<div class=\"", "\">", "</div>\n", "message", " of the ", "day", "href=/"];
    let mut random = fastrand::Rng::with_seed(7);
    let mut text = String::new();
    while text.len() < length {
        text.push_str(WORDS[random.usize(..WORDS.len())]);
    }
    text.truncate(length);
    text.into_bytes()
}

/// As many bytes that no encoding makes shorter.
pub(super) fn noise(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..length).map(|_| random.u8(..)).collect()
}

/// The content of a complete encoded body.
pub(super) fn whole(encoding: Encoding, encoded: &[u8]) -> Option<Vec<u8>> {
    let (content, complete) = decode(encoding, encoded);
    complete.then_some(content)
}

/// The content so far.
pub(super) fn prefix(encoding: Encoding, encoded: &[u8]) -> Vec<u8> {
    decode(encoding, encoded).0
}

fn decode(encoding: Encoding, encoded: &[u8]) -> (Vec<u8>, bool) {
    let mut decoder: Box<dyn DecodeV2> = match encoding {
        Encoding::Zstd => Box::new(ZstdDecoder::new()),
        Encoding::Brotli => Box::new(BrotliDecoder::new()),
        Encoding::Gzip => Box::new(GzipDecoder::new()),
    };
    let mut input = PartialBuffer::new(encoded);
    let mut space = vec![0; 64 * 1024];
    let mut content = Vec::new();
    let mut ended = false;
    loop {
        let mut output = WriteBuffer::new_initialized(&mut space);
        if !input.unwritten().is_empty() || !ended {
            ended = decoder.decode(&mut input, &mut output).unwrap();
        }
        content.extend_from_slice(output.written());
        match (ended, input.unwritten().is_empty()) {
            (true, true) => return (content, true),
            // Behind a skippable frame comes another.
            (true, false) => decoder.reinit().unwrap(),
            (false, true) if !output.has_no_spare_space() => return (content, false),
            (false, _) => {}
        }
    }
}

/// A body that does what it is told.
pub(super) struct Script {
    steps: VecDeque<Step>,
}

/// What it does when it is asked for a frame.
pub(super) enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    Fails(BodyError),
    /// Has nothing this time.
    Wait,
    /// Has nothing any more, without an end.
    Stuck,
}

impl Script {
    /// These steps, and then the end.
    pub(super) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect() }
    }
}

impl Step {
    /// Bytes of data.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Data(data) => data.len(),
            _ => 0,
        }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.steps.pop_front() {
            Some(Step::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(Step::Trailers(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Some(Step::Fails(error)) => Poll::Ready(Some(Err(error))),
            Some(Step::Wait) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Stuck) => {
                self.steps.push_front(Step::Stuck);
                Poll::Pending
            }
            None => Poll::Ready(None),
        }
    }
}
