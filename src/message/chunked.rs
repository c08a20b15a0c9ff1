//! The strict reading of a chunked body (RFC 9112 §7.1): where it ends, and whether every reader would agree on that.

use super::{Refusal, head};

/// Most bytes of chunk extensions, and of trailers, in one body.
const MAX_EXTRA: usize = 16 * 1024;

/// How far a chunked body has been read.
#[derive(Debug, Clone, Default)]
pub(super) struct Chunked {
    state: State,
    /// Bytes of extensions and trailers so far.
    extra: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the chunk size: its value, and whether a digit has been seen.
    Size(u64, bool),
    /// Behind `;`: an extension's name must begin.
    ExtensionStart(u64),
    /// In an extension's name.
    ExtensionName(u64),
    /// Behind `=`: an extension's value must begin.
    ValueStart(u64),
    /// In an unquoted value.
    Value(u64),
    /// In a quoted value; true behind a backslash.
    Quoted(u64, bool),
    /// Behind a quoted value.
    QuotedEnd(u64),
    /// The size line's CR has been read.
    SizeLf(u64),
    /// In a chunk's data: its bytes that are left.
    Data(u64),
    DataCr,
    DataLf,
    /// At the beginning of a trailer line, or of the last, empty one.
    LineStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    LastLf,
    Done,
    /// It was refused, and stays so: what has been read of the bytes that were refused is not read again.
    Refused(&'static str),
}

impl Default for State {
    fn default() -> Self {
        State::Size(0, false)
    }
}

/// What the next bytes of a chunked body are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    /// So many bytes of chunk sizes, extensions and line ends.
    Frame(usize),
    /// So many bytes of content.
    Data(usize),
    /// So many bytes of trailer fields, or of the empty line that ends them.
    Trailers(usize),
}

impl Chunked {
    /// Reads on as far as the bytes are of one kind.
    pub fn next(&mut self, bytes: &[u8]) -> Result<Span, Refusal> {
        if let State::Data(left) = self.state {
            return Ok(Span::Data(self.take_data(left, bytes.len())));
        }
        let in_trailers = self.is_in_trailers();
        let mut at = 0;
        while at < bytes.len()
            && !matches!(self.state, State::Data(_) | State::Done)
            && self.is_in_trailers() == in_trailers
        {
            match self.step(bytes[at]) {
                Ok(state) => self.state = state,
                Err(refusal) => {
                    self.state = State::Refused(refusal.reason);
                    return Err(refusal);
                }
            }
            at += 1;
        }
        Ok(if in_trailers { Span::Trailers(at) } else { Span::Frame(at) })
    }

    /// How many of so many bytes belong to a chunk of which `left` are missing.
    fn take_data(&mut self, left: u64, length: usize) -> usize {
        let taken = left.min(length as u64);
        self.state = if taken == left { State::DataCr } else { State::Data(left - taken) };
        taken as usize
    }

    fn is_in_trailers(&self) -> bool {
        use State::*;
        matches!(self.state, LineStart | TrailerName | TrailerValue | TrailerLf | LastLf)
    }

    /// Whether content comes next.
    pub fn is_in_data(&self) -> bool {
        matches!(self.state, State::Data(_))
    }

    /// Whether the body is complete, trailers included.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    // Inlined into the loop: what it gives back is too large for registers.
    #[inline(always)]
    fn step(&mut self, b: u8) -> Result<State, Refusal> {
        use State::*;
        Ok(match (self.state, b) {
            (Refused(reason), _) => return Err(Refusal::bad(reason)),

            (Size(size, _), _) if b.is_ascii_hexdigit() => Size(add_digit(size, b)?, true),
            (Size(size, true), b'\r') => SizeLf(size),
            (Size(size, true), b';') => ExtensionStart(size),
            (Size(..), _) => return Err(Refusal::bad("malformed chunk size")),

            (ExtensionStart(size) | ExtensionName(size), _) if head::is_token_byte(b) => {
                self.extra(ExtensionName(size))?
            }
            (ExtensionName(size), b'=') => self.extra(ValueStart(size))?,
            (ValueStart(size), b'"') => self.extra(Quoted(size, false))?,
            (ValueStart(size) | Value(size), _) if head::is_token_byte(b) => self.extra(Value(size))?,
            (Quoted(size, false), b'\\') => self.extra(Quoted(size, true))?,
            (Quoted(size, false), b'"') => self.extra(QuotedEnd(size))?,
            (Quoted(size, _), _) if head::is_value_byte(b) => self.extra(Quoted(size, false))?,
            (ExtensionName(size) | Value(size) | QuotedEnd(size), b';') => {
                self.extra(ExtensionStart(size))?
            }
            (ExtensionName(size) | Value(size) | QuotedEnd(size), b'\r') => SizeLf(size),

            (SizeLf(0), b'\n') => LineStart,
            (SizeLf(size), b'\n') => Data(size),
            (DataCr, b'\r') => DataLf,
            (DataLf, b'\n') => Size(0, false),
            (DataCr | DataLf, _) => return Err(Refusal::bad("chunk longer than its size")),

            (LineStart, b'\r') => LastLf,
            (LineStart | TrailerName, _) if head::is_token_byte(b) => self.extra(TrailerName)?,
            (TrailerName, b':') => self.extra(TrailerValue)?,
            (TrailerValue, b'\r') => TrailerLf,
            (TrailerValue, _) if head::is_value_byte(b) => self.extra(TrailerValue)?,
            (TrailerLf, b'\n') => LineStart,
            (LastLf, b'\n') => Done,
            (LineStart | TrailerName | TrailerValue | TrailerLf | LastLf, _) => {
                return Err(Refusal::bad("malformed trailer"));
            }
            _ => return Err(Refusal::bad("malformed chunk extension")),
        })
    }

    fn extra(&mut self, next: State) -> Result<State, Refusal> {
        self.extra += 1;
        if self.extra > MAX_EXTRA {
            Err(Refusal::bad("too many chunk extensions or trailers"))
        } else {
            Ok(next)
        }
    }
}

fn add_digit(size: u64, digit: u8) -> Result<u64, Refusal> {
    let value = (digit as char).to_digit(16).map_or(0, u64::from);
    // The library reads sizes into 64 bits; 60 are enough for everybody and leave no room for a wrap.
    let size = size.checked_mul(16).filter(|size| *size < 1 << 60);
    size.map(|size| size + value).ok_or(Refusal::bad("chunk size too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes belong to the body, and whether it ends there, when it comes in pieces of this size.
    fn read_in(text: &str, size: usize) -> Result<(usize, bool), &'static str> {
        let (mut body, mut taken) = (Chunked::default(), 0);
        for mut piece in text.as_bytes().chunks(size) {
            while !piece.is_empty() && !body.is_done() {
                let span = body.next(piece).map_err(|refusal| refusal.reason)?;
                let (Span::Frame(length) | Span::Data(length) | Span::Trailers(length)) = span;
                taken += length;
                piece = &piece[length..];
            }
        }
        Ok((taken, body.is_done()))
    }

    /// Read whole and byte by byte; both must agree.
    fn read(text: &str) -> Result<(usize, bool), &'static str> {
        let whole = read_in(text, usize::MAX);
        assert_eq!(whole, read_in(text, 1), "{text:?}");
        whole
    }

    #[test]
    fn sound_bodies_end_where_they_end() {
        for text in [
            "0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "005\r\nhello\r\n000\r\n\r\n",
            "A\r\n0123456789\r\n0\r\n\r\n",
            "5;a;b=c;d=\"e \\\" f\"\r\nhello\r\n0;x=y\r\n\r\n",
            "0\r\nX-Sum: 1\r\nY:\r\n\r\n",
        ] {
            assert_eq!(read(text), Ok((text.len(), true)), "{text:?}");
            assert_eq!(
                read(&format!("{text}GET / HTTP/1.1\r\n")),
                Ok((text.len(), true)),
                "{text:?} and more"
            );
            for cut in 0..text.len() {
                assert_eq!(read(&text[..cut]), Ok((cut, false)), "{:?}", &text[..cut]);
            }
        }
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for (text, reason) in [
            ("\r\n", "malformed chunk size"),
            ("+5\r\n", "malformed chunk size"),
            ("-1\r\n", "malformed chunk size"),
            ("0x5\r\n", "malformed chunk size"),
            ("5_0\r\n", "malformed chunk size"),
            (" 5\r\n", "malformed chunk size"),
            ("5 \r\n", "malformed chunk size"),
            ("5\nhello\n", "malformed chunk size"),
            ("5\rhello", "malformed chunk extension"),
            ("5;\r\nhello", "malformed chunk extension"),
            ("5;a\nhello", "malformed chunk extension"),
            ("5;a=\"\nhello", "malformed chunk extension"),
            ("5; a\r\n", "malformed chunk extension"),
            ("5;a\0\r\n", "malformed chunk extension"),
            ("5\r\nhello0\r\n\r\n", "chunk longer than its size"),
            ("5\r\nhello\n0\r\n\r\n", "chunk longer than its size"),
            ("FFFFFFFFFFFFFFFF\r\n", "chunk size too large"),
            ("10000000000000000\r\n", "chunk size too large"),
            ("0\r\n\n", "malformed trailer"),
            ("0\r\n X: y\r\n\r\n", "malformed trailer"),
            ("0\r\nX : y\r\n\r\n", "malformed trailer"),
            ("0\r\nX: y\n\r\n", "malformed trailer"),
            ("0\r\nX: \x01\r\n\r\n", "malformed trailer"),
        ] {
            assert_eq!(read(text), Err(reason), "{text:?}");
        }
    }

    #[test]
    fn what_was_refused_stays_refused() {
        let mut body = Chunked::default();
        assert_eq!(body.next(b"3\r\nyou").unwrap(), Span::Frame(3));
        assert_eq!(body.next(b"you").unwrap(), Span::Data(3));
        // Whoever tries again does so with the same bytes, of which some were sound.
        let bytes = b"\r\n5 \r\nhello";
        let refusal = body.next(bytes).unwrap_err();
        for _ in 0..3 {
            assert_eq!(body.next(bytes).unwrap_err().reason, refusal.reason);
        }
        assert!(!body.is_done());
    }

    #[test]
    fn extensions_and_trailers_are_bounded() {
        assert!(read(&format!("5;{}\r\n", "a".repeat(MAX_EXTRA + 1))).is_err());
        assert!(read(&format!("0\r\n{}\r\n", "a: b\r\n".repeat(MAX_EXTRA / 3))).is_err());
    }

    /// Its content and its trailers, read in pieces of this size.
    fn spans(text: &str, size: usize) -> (String, String) {
        let (mut body, mut data, mut trailers) = (Chunked::default(), String::new(), String::new());
        for mut piece in text.as_bytes().chunks(size) {
            while !piece.is_empty() {
                assert_eq!(body.is_in_data(), matches!(body.clone().next(piece), Ok(Span::Data(_))));
                let span = body.next(piece).unwrap();
                let (Span::Frame(length) | Span::Data(length) | Span::Trailers(length)) = span;
                let (read, rest) = piece.split_at(length);
                match span {
                    Span::Frame(_) => {}
                    Span::Data(_) => data.push_str(str::from_utf8(read).unwrap()),
                    Span::Trailers(_) => trailers.push_str(str::from_utf8(read).unwrap()),
                }
                piece = rest;
            }
        }
        assert!(body.is_done());
        (data, trailers)
    }

    #[test]
    fn content_and_trailers_are_told_from_the_frame() {
        let text = "5;a=b\r\nhello\r\n1\r\n \r\n3\r\nyou\r\n0\r\nSum: 1\r\nX: y\r\n\r\n";
        for size in 1..=text.len() {
            assert_eq!(
                spans(text, size),
                ("hello you".to_owned(), "Sum: 1\r\nX: y\r\n\r\n".to_owned()),
                "{size}"
            );
        }
    }
}
