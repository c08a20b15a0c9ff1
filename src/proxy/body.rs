//! A response body and the exchange that ends with it.

use super::exchange::Exchange;
use crate::{
    cache::{self, Passed},
    encode::{Live, Resumed},
    files::{FileBody, OpenFile, Piece},
    message::{BodyError, byteranges::Multipart, encoding::Encoding, representation::Extent},
    upstream::ResponseBody,
};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

/// Where a response's bytes come from.
#[derive(Default)]
pub enum Source {
    /// There are none.
    #[default]
    Empty,
    /// Memory.
    Bytes(Bytes),
    /// Memory, in pieces.
    Pieces(VecDeque<Bytes>),
    /// The worker.
    Worker(ResponseBody),
    /// The worker, by way of the cache, which is storing it.
    Shared(Box<cache::Reader<ResponseBody>>),
    /// A file.
    File(Box<FileBody>),
    /// Another source, of which the first bytes have been read already.
    Resumed(Box<Resumed<Source>>),
    /// Another source, in an encoding.
    Encoded(Box<Live<Source>>),
}

impl Source {
    /// So much of a file; in an encoding, if one is named, with so many bytes of padding at most.
    pub(super) fn of_file(file: OpenFile, extent: Extent, encoding: Option<(Encoding, usize)>) -> Self {
        let length = file.named().length;
        let body = match extent {
            Extent::Nothing => return Self::Empty,
            Extent::Whole => FileBody::whole(file),
            Extent::Part(range) => FileBody::new(file, [Piece::Range(range)]),
            Extent::Parts(Multipart { parts, end, .. }) => {
                let pieces =
                    parts.into_iter().flat_map(|part| [Piece::Bytes(part.head), Piece::Range(part.range)]);
                FileBody::new(file, pieces.chain([Piece::Bytes(end)]))
            }
        };
        let body = Self::File(Box::new(body));
        match encoding {
            Some((encoding, padding)) => body.encoded(encoding, Some(length), padding),
            None => body,
        }
    }

    /// This in an encoding. `length` is its own, if it is known.
    pub(super) fn encoded(self, encoding: Encoding, length: Option<u64>, padding: usize) -> Self {
        Self::Encoded(Box::new(Live::new(self, encoding, length, padding)))
    }

    /// Whether it is a file.
    pub(super) fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

impl From<OpenFile> for Source {
    fn from(file: OpenFile) -> Self {
        Self::File(Box::new(FileBody::whole(file)))
    }
}

impl From<Passed<ResponseBody>> for Source {
    fn from(passed: Passed<ResponseBody>) -> Self {
        match passed {
            Passed::Straight(body) => Self::Worker(body),
            Passed::Shared(reader) => Self::Shared(Box::new(reader)),
        }
    }
}

impl http_body::Body for Source {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Source::Empty => Poll::Ready(None),
            Source::Bytes(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Source::Pieces(pieces) => Poll::Ready(pieces.pop_front().map(|piece| Ok(Frame::data(piece)))),
            Source::Worker(body) => Pin::new(body).poll_frame(cx),
            Source::Shared(reader) => Pin::new(reader).poll_frame(cx),
            Source::File(file) => Pin::new(file).poll_frame(cx),
            Source::Resumed(resumed) => Pin::new(resumed).poll_frame(cx),
            Source::Encoded(encoded) => Pin::new(encoded).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Source::Empty => true,
            Source::Bytes(bytes) => bytes.is_empty(),
            Source::Pieces(pieces) => pieces.is_empty(),
            Source::Worker(body) => body.is_end_stream(),
            Source::Shared(reader) => reader.is_end_stream(),
            Source::File(file) => file.is_end_stream(),
            Source::Resumed(resumed) => resumed.is_end_stream(),
            Source::Encoded(encoded) => encoded.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Source::Empty => SizeHint::with_exact(0),
            Source::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Pieces(pieces) => {
                SizeHint::with_exact(pieces.iter().map(|piece| piece.len() as u64).sum())
            }
            Source::Worker(body) => body.size_hint(),
            Source::Shared(reader) => reader.size_hint(),
            Source::File(file) => file.size_hint(),
            Source::Resumed(resumed) => resumed.size_hint(),
            Source::Encoded(encoded) => encoded.size_hint(),
        }
    }
}

/// A response body on its way to the client. Dropping it ends the exchange, which is logged then.
pub struct Body {
    source: Source,
    exchange: Option<Box<Exchange>>,
}

impl Body {
    pub(super) fn new(source: Source, exchange: Option<Box<Exchange>>) -> Self {
        Self { source, exchange }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.source).poll_frame(cx);
        if let (Poll::Ready(frame), Some(exchange)) = (&polled, &mut this.exchange) {
            match frame {
                Some(Ok(frame)) => {
                    exchange.sent(frame.data_ref().map_or(0, Bytes::len) as u64);
                    // The library polls no body again that has said its length and sent it, that says it has ended, or
                    // whose trailers have come.
                    if frame.is_trailers() || this.source.is_end_stream() {
                        exchange.complete();
                    }
                }
                Some(Err(error)) => exchange.broke_off(*error),
                None => exchange.complete(),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.source.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;
    use http_body::Body as _;
    use http_body_util::BodyExt;
    use std::io::Write;

    #[tokio::test]
    async fn of_a_file_is_sent_what_is_asked_for() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"0123456789").unwrap();
        let parts = || Multipart::new(vec![0..1, 8..10], 10, None);
        // Heads, three bytes of the file, and the end.
        let heads = |parts: &Multipart| parts.parts.iter().map(|part| part.head.len()).sum::<usize>();
        let length = |parts: Multipart| heads(&parts) + 3 + parts.end.len();
        for (extent, text, size) in [
            (Extent::Nothing, Some(""), 0),
            (Extent::Whole, Some("0123456789"), 10),
            (Extent::Part(2..5), Some("234"), 3),
            (Extent::Parts(parts()), None, length(parts())),
        ] {
            let shown = format!("{extent:?}");
            let opened = files::open(file.path(), &[]).unwrap();
            let source = Source::of_file(opened, extent, None);
            assert_eq!(source.size_hint().exact(), Some(size as u64), "{shown}");
            assert_eq!(source.is_end_stream(), size == 0, "{shown}");
            let sent = source.collect().await.unwrap().to_bytes();
            assert_eq!(sent.len(), size, "{shown}");
            assert!(text.is_none_or(|text| text == sent), "{shown}");
        }
    }

    #[tokio::test]
    async fn nobody_knows_how_long_a_file_will_be_in_an_encoding() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [b'x'; 5000]).unwrap();
        let opened = || files::open(file.path(), &[]).unwrap();
        let whole = Source::of_file(opened(), Extent::Whole, Some((Encoding::Gzip, 0)));
        assert_eq!((whole.size_hint().exact(), whole.is_file()), (None, false));
        assert!(whole.collect().await.unwrap().to_bytes().starts_with(&[0x1f, 0x8b]));
        // A confirmation has no body in any.
        let none = Source::of_file(opened(), Extent::Nothing, Some((Encoding::Gzip, 0)));
        assert!(none.is_end_stream() && none.size_hint().exact() == Some(0));
    }
}
