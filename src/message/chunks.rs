//! The content of a chunked body, and its trailers (RFC 9112 §7.1).

use super::{
    Refusal,
    chunked::{Chunked, Span},
    head::MAX_FIELDS,
};
use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;

/// A chunked body that is taken out of its frame.
#[derive(Default)]
pub struct Chunks {
    reader: Chunked,
    trailers: Vec<u8>,
}

impl Chunks {
    /// The next frame, as far as it was received: content, or trailers behind it.
    pub fn next(&mut self, received: &mut BytesMut) -> Result<Option<Frame<Bytes>>, Refusal> {
        let data = self.data(received)?;
        if !data.is_empty() {
            return Ok(Some(Frame::data(data.freeze())));
        }
        Ok(if self.reader.is_done() { self.trailers()?.map(Frame::trailers) } else { None })
    }

    /// What is there of the next chunk's content. Reads on behind it, so that the end is seen with the last of it.
    fn data(&mut self, received: &mut BytesMut) -> Result<BytesMut, Refusal> {
        self.skip(received)?;
        if received.is_empty() || !self.reader.is_in_data() {
            return Ok(BytesMut::new());
        }
        let Span::Data(length) = self.reader.next(received)? else { return Ok(BytesMut::new()) };
        let data = received.split_to(length);
        // What is wrong behind it is found again.
        let _ = self.skip(received);
        Ok(data)
    }

    /// Reads on to content, or to the end.
    fn skip(&mut self, received: &mut BytesMut) -> Result<(), Refusal> {
        while !received.is_empty() && !self.reader.is_in_data() && !self.reader.is_done() {
            match self.reader.next(received)? {
                Span::Trailers(length) => self.trailers.extend_from_slice(&received.split_to(length)),
                Span::Frame(length) | Span::Data(length) => received.advance(length),
            }
        }
        Ok(())
    }

    /// Whether nothing more is to come: the body is complete, and its trailers have been given out.
    pub fn is_over(&self) -> bool {
        self.reader.is_done() && !self.has_trailers()
    }

    /// Behind the last chunk there is at least an empty line.
    fn has_trailers(&self) -> bool {
        self.trailers.len() > b"\r\n".len()
    }

    /// The trailer fields, if there are any; only once.
    fn trailers(&mut self) -> Result<Option<HeaderMap>, Refusal> {
        if !self.has_trailers() {
            return Ok(None);
        }
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let parsed = httparse::parse_headers(&self.trailers, &mut fields);
        let Ok(httparse::Status::Complete((_, fields))) = parsed else {
            return Err(Refusal::bad("malformed trailer"));
        };
        let field = |field: &httparse::Header<'_>| {
            Some((
                HeaderName::from_bytes(field.name.as_bytes()).ok()?,
                HeaderValue::from_bytes(field.value).ok()?,
            ))
        };
        let mut trailers = HeaderMap::with_capacity(fields.len());
        for (name, value) in fields.iter().filter_map(field) {
            trailers.append(name, value);
        }
        self.trailers.clear();
        Ok(Some(trailers))
    }
}
