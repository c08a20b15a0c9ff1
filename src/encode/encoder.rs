//! One body being encoded: bytes in, encoded bytes out, in whichever encoding.

use super::{
    levels::{self, Effort},
    padding,
};
use crate::{
    allocator::{Recycling, recycle},
    message::encoding::Encoding,
};
use async_compression::{
    codecs::{BrotliEncoder, EncodeV2, GzipEncoder, ZstdEncoder},
    core::util::{PartialBuffer, WriteBuffer},
};
use bytes::{Bytes, BytesMut};
use std::{cell::Cell, io, mem};

thread_local! {
    /// One that is at the end of a body, and may begin another: most of what a short one takes is to make an encoder.
    static RESTED: Cell<Option<ZstdEncoder>> = const { Cell::new(None) };
}

/// An encoder, and what has come out of it.
pub(super) struct Encoder {
    encoding: Encoding,
    effort: Effort,
    stage: Stage,
    output: Output,
}

enum Stage {
    /// Nothing is made before it is needed, for a body of so many bytes, if that is known.
    Ahead(Option<u64>),
    /// It has most of the memory.
    AtWork(Codec),
    Finished,
}

enum Codec {
    Zstd(ZstdEncoder),
    Brotli(Box<BrotliEncoder>),
    Gzip(GzipEncoder),
}

/// Space for what comes out. All of it is initialised, up to `written` with something of use.
#[derive(Default)]
struct Output {
    space: BytesMut,
    written: usize,
}

/// Space is made in pieces of so many bytes.
const PIECE: usize = 16 * 1024;

/// No less space than this is offered: the encoders ask for a few bytes at least.
const LEAST_SPACE: usize = 1024;

impl Encoder {
    /// For a body of this many bytes, where that is known: a new one takes less memory for a short body.
    pub(super) fn new(encoding: Encoding, effort: Effort, length: Option<u64>) -> Self {
        Self { encoding, effort, stage: Stage::Ahead(length), output: Output::default() }
    }

    /// Puts so many bytes of padding at the beginning, before anything is written (see [`padding::put`]).
    pub(super) fn pad(&mut self, length: usize) -> io::Result<()> {
        // What comes before the content comes out: a header, up to the end of a byte.
        self.flush()?;
        let mut beginning = self.take().to_vec();
        padding::put(self.encoding, &mut beginning, length);
        self.output.put(&beginning);
        Ok(())
    }

    /// Encodes this.
    pub(super) fn write(&mut self, data: &[u8]) -> io::Result<()> {
        let (codec, output, _recycling) = self.at_work()?;
        let mut input = PartialBuffer::new(data);
        while !input.unwritten().is_empty() {
            output.fill(|output| codec.encode(&mut input, output))?;
        }
        Ok(())
    }

    /// Lets everything out that was written: who has received it can decode so far.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let (codec, output, _recycling) = self.at_work()?;
        while !output.fill(|output| codec.flush(output))? {}
        Ok(())
    }

    /// Ends the encoded body, and leaves all memory but that of what has come out to others. Nothing may be written any more.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let (codec, output, _recycling) = self.at_work()?;
        while !output.fill(|output| codec.finish(output))? {}
        match mem::replace(&mut self.stage, Stage::Finished) {
            Stage::AtWork(Codec::Zstd(codec)) if self.effort == Effort::Live => RESTED.set(Some(codec)),
            stage => drop(stage),
        }
        Ok(())
    }

    /// What encodes, until it is finished, what has come out, and what recycles the memory of the one for as long as it is held.
    fn at_work(&mut self) -> io::Result<(&mut dyn EncodeV2, &mut Output, Recycling)> {
        let recycling = recycling(self.effort);
        if let Stage::Ahead(length) = self.stage {
            self.stage = Stage::AtWork(Codec::new(self.encoding, self.effort, length));
        }
        match &mut self.stage {
            Stage::AtWork(codec) => Ok((codec.get(), &mut self.output, recycling)),
            Stage::Ahead(_) | Stage::Finished => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// What it encodes in.
    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// How many bytes have come out and were not taken yet.
    pub(super) fn ready(&self) -> usize {
        self.output.written
    }

    /// Takes what has come out.
    pub(super) fn take(&mut self) -> Bytes {
        self.output.take()
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let _recycling = recycling(self.effort);
        self.stage = Stage::Finished;
    }
}

fn zstd(effort: Effort, length: Option<u64>) -> ZstdEncoder {
    let rested = if effort == Effort::Live { RESTED.take() } else { None };
    rested.unwrap_or_else(|| levels::zstd(effort, length))
}

/// What is live is followed by more of its kind.
fn recycling(effort: Effort) -> Recycling {
    recycle(effort != Effort::Stored)
}

impl Codec {
    fn new(encoding: Encoding, effort: Effort, length: Option<u64>) -> Self {
        match encoding {
            Encoding::Zstd => Self::Zstd(zstd(effort, length)),
            Encoding::Brotli => Self::Brotli(Box::new(levels::brotli(effort, length))),
            Encoding::Gzip => Self::Gzip(levels::gzip(effort)),
        }
    }

    fn get(&mut self) -> &mut dyn EncodeV2 {
        match self {
            Self::Zstd(codec) => codec,
            Self::Brotli(codec) => &mut **codec,
            Self::Gzip(codec) => codec,
        }
    }
}

impl Output {
    /// Lets this write into the free space, of which there is some.
    fn fill<T>(&mut self, write: impl FnOnce(&mut WriteBuffer<'_>) -> io::Result<T>) -> io::Result<T> {
        self.reserve(LEAST_SPACE);
        let mut free = WriteBuffer::new_initialized(&mut self.space[self.written..]);
        let result = write(&mut free);
        self.written += free.written_len();
        result
    }

    fn put(&mut self, data: &[u8]) {
        self.reserve(data.len());
        self.space[self.written..][..data.len()].copy_from_slice(data);
        self.written += data.len();
    }

    fn reserve(&mut self, least: usize) {
        if self.space.len() - self.written < least {
            self.space.resize(self.written + least.max(PIECE), 0);
        }
    }

    fn take(&mut self) -> Bytes {
        self.space.split_to(mem::take(&mut self.written)).freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing;

    fn every_kind() -> impl Iterator<Item = (Encoding, Effort)> {
        Encoding::ALL.into_iter().flat_map(|encoding| testing::EFFORTS.map(|effort| (encoding, effort)))
    }

    #[test]
    fn what_is_encoded_is_decoded_to_the_same() {
        for (encoding, effort) in every_kind() {
            for size in [0, 1, 1023, 1024, 70_000, 300_000] {
                for content in [testing::text(size), testing::noise(size)] {
                    for length in [Some(size as u64), None] {
                        let mut encoder = Encoder::new(encoding, effort, length);
                        content.chunks(16 * 1024).for_each(|slice| encoder.write(slice).unwrap());
                        encoder.finish().unwrap();
                        let encoded = encoder.take();
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
    fn one_body_after_the_other_is_encoded_by_the_same_one() {
        let has_rested = || {
            let rested = RESTED.take();
            let is_there = rested.is_some();
            RESTED.set(rested);
            is_there
        };
        let encoder = |effort| Encoder::new(Encoding::Zstd, effort, Some(5_000));
        for content in
            [testing::text(5_000), testing::noise(300_000), testing::text(0), testing::text(70_000)]
        {
            let mut given_up = encoder(Effort::Live);
            given_up.write(&testing::noise(100_000)).unwrap();
            drop(given_up);
            assert!(!has_rested(), "it is in the middle of a body");
            for _ in 0..3 {
                let mut encoder = encoder(Effort::Live);
                encoder.write(&content).unwrap();
                assert!(!has_rested());
                encoder.finish().unwrap();
                assert!(has_rested());
                assert!(testing::whole(Encoding::Zstd, &encoder.take()) == Some(content.clone()));
            }
        }
        for other in [Effort::Crowded, Effort::Stored] {
            encoder(other).finish().unwrap();
            assert!(has_rested(), "it is not for these");
        }
    }

    #[test]
    fn a_megabyte_in_one_piece() {
        for encoding in Encoding::ALL {
            for content in [testing::text(1 << 20), testing::noise(1 << 20)] {
                let mut encoder = Encoder::new(encoding, Effort::Live, None);
                encoder.write(&content).unwrap();
                encoder.finish().unwrap();
                assert!(testing::whole(encoding, &encoder.take()) == Some(content), "{encoding:?}");
            }
        }
    }

    #[test]
    fn what_was_flushed_can_be_decoded_before_there_is_more() {
        for (encoding, effort) in every_kind() {
            let mut encoder = Encoder::new(encoding, effort, None);
            let (mut content, mut encoded) = (Vec::new(), Vec::new());
            for size in [1, 10, 1000, 1, 50_000, 0, 100_000] {
                let piece = if size % 2 == 0 { testing::text(size) } else { testing::noise(size) };
                encoder.write(&piece).unwrap();
                encoder.flush().unwrap();
                content.extend_from_slice(&piece);
                encoded.extend_from_slice(&encoder.take());
                assert!(testing::prefix(encoding, &encoded) == content, "{encoding:?} {size}");
                assert_eq!(testing::whole(encoding, &encoded), None);
            }
        }
    }

    #[test]
    fn no_window_is_larger_than_what_clients_must_allow() {
        for effort in testing::EFFORTS {
            for length in [None, Some(0), Some(5_000), Some(1 << 20), Some(u64::MAX)] {
                let mut encoder = Encoder::new(Encoding::Zstd, effort, length);
                encoder.write(&testing::text(1000)).unwrap();
                encoder.flush().unwrap();
                // RFC 8878 §3.1.1.1.2: behind the magic number and the descriptor, in which nothing else is announced.
                let header = encoder.take();
                assert_eq!(header[4] & 0b1110_0011, 0);
                assert!(10 + (header[5] >> 3) <= 23 && header[5] & 7 == 0);
            }
        }
    }
}
