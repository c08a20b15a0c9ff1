//! A body that is being read from a connection: what is still to come of it, and how much to read at once.

use super::{Refusal, chunks::Chunks};
use bytes::{Bytes, BytesMut};
use http_body::Frame;

/// Least and most that is read at once, in bytes. Of smaller pieces each wakes up who waits for it, and larger ones do not stay in
/// the processor's nearest cache until they are written on: with 16 KiB, and with 64, an upload takes a third more CPU.
const READ: (usize, usize) = (8 * 1024, 32 * 1024);

/// What is still to come of a body.
pub struct Unread {
    rest: Rest,
    /// How much is read at once, where there is as much.
    at_once: usize,
}

enum Rest {
    Length(u64),
    Chunks(Box<Chunks>),
    Close,
}

impl Unread {
    /// Nothing is to come.
    pub const NOTHING: Self = Self::length(0);

    /// So many bytes.
    pub const fn length(length: u64) -> Self {
        Self { rest: Rest::Length(length), at_once: READ.0 }
    }

    /// A chunked body (RFC 9112 §7.1).
    pub fn chunked() -> Self {
        Self { rest: Rest::Chunks(Box::default()), at_once: READ.0 }
    }

    /// All until the connection's end.
    pub const fn until_close() -> Self {
        Self { rest: Rest::Close, at_once: READ.0 }
    }

    /// Whether nothing more is to come.
    pub fn is_over(&self) -> bool {
        match &self.rest {
            Rest::Length(left) => *left == 0,
            Rest::Chunks(chunks) => chunks.is_over(),
            Rest::Close => false,
        }
    }

    /// Whether it goes on until the connection's end.
    pub fn ends_with_connection(&self) -> bool {
        matches!(self.rest, Rest::Close)
    }

    /// How many bytes are to come, if that is known.
    pub fn left(&self) -> Option<u64> {
        match self.rest {
            Rest::Length(left) => Some(left),
            Rest::Chunks(_) | Rest::Close => None,
        }
    }

    /// The next frame, as far as it was received.
    pub fn next(&mut self, received: &mut BytesMut) -> Result<Option<Frame<Bytes>>, Refusal> {
        let data = match &mut self.rest {
            Rest::Length(left) => {
                let length = (*left).min(received.len() as u64);
                *left -= length;
                received.split_to(length as usize)
            }
            Rest::Chunks(chunks) => return chunks.next(received),
            Rest::Close => received.split(),
        };
        Ok((!data.is_empty()).then(|| Frame::data(data.freeze())))
    }

    /// How many bytes are to be read at once. What follows the body is not its own.
    pub fn room(&self) -> usize {
        match self.rest {
            Rest::Length(left) => left.min(self.at_once as u64) as usize,
            Rest::Chunks(_) | Rest::Close => self.at_once,
        }
    }

    /// So many were there: where it was all that there was room for, more is read next time.
    pub fn has_read(&mut self, read: usize) {
        self.at_once = if read < self.at_once { READ.0 } else { READ.1.min(2 * read) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its content, and what is behind it, when it comes in pieces of this size.
    fn read(mut body: Unread, text: &str, size: usize) -> (String, String) {
        let (mut received, mut content) = (BytesMut::new(), String::new());
        for piece in text.as_bytes().chunks(size) {
            received.extend_from_slice(piece);
            while !body.is_over()
                && let Some(frame) = body.next(&mut received).unwrap()
            {
                match frame.into_data() {
                    Ok(data) => content += str::from_utf8(&data).unwrap(),
                    Err(trailers) => content += &format!("{:?}", trailers.into_trailers().unwrap()),
                }
            }
        }
        assert_eq!(body.is_over(), !body.ends_with_connection());
        (content, String::from_utf8(received.to_vec()).unwrap())
    }

    #[test]
    fn a_body_is_read_to_its_end_and_not_further() {
        for size in 1..40 {
            for (body, text, content, behind) in [
                (Unread::NOTHING, "GET /", "", "GET /"),
                (Unread::length(5), "helloGET /", "hello", "GET /"),
                (Unread::until_close(), "hello you", "hello you", ""),
                (Unread::chunked(), "5\r\nhello\r\n4\r\n you\r\n0\r\n\r\nGET /", "hello you", "GET /"),
                (Unread::chunked(), "1\r\na\r\n0\r\nsum: 1\r\n\r\nGET /", "a{\"sum\": \"1\"}", "GET /"),
            ] {
                assert_eq!(
                    read(body, text, size),
                    (content.to_owned(), behind.to_owned()),
                    "{size} {text:?}"
                );
            }
        }
    }

    #[test]
    fn more_is_read_at_once_while_all_of_it_is_there() {
        let (least, most) = READ;
        let mut body = Unread::length(100_000);
        assert_eq!(body.room(), least);
        let steps = [(least, 2 * least), (2 * least, most), (most, most), (most - 1, least), (0, least)];
        for (read, next) in steps {
            body.has_read(read);
            assert_eq!(body.room(), next, "{read}");
        }
        assert_eq!(Unread::length(7).room(), 7, "what follows is not the body's");
    }
}
