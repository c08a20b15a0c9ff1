//! The strict reading of a request's head (RFC 9112 §2–§6): what is malformed, or could be understood in two ways by
//! two readers, is refused here, on the raw bytes, before the HTTP library makes the best of it.

use super::{
    Headers, Refusal, Request, host,
    places::Places,
    request_line::{self, RequestLine},
};
use bytes::Bytes;
use http::{Method, StatusCode, Uri, Version};

/// Longest request line in bytes; longer ones get 414.
pub const MAX_REQUEST_LINE: usize = 16 * 1024;
/// Longest head in bytes, request line included; longer ones get 431.
pub const MAX_HEAD: usize = 64 * 1024;
/// Most header fields; more get 431.
pub const MAX_FIELDS: usize = 100;

/// Whether a response with this status ends with its head, whatever that says of a length (RFC 9112 §6.3).
pub fn has_no_body(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// What the head says about the bytes that follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// A body of this many bytes (RFC 9112 §6.2); 0 where there is none.
    Length(u64),
    /// A chunked body (RFC 9112 §7.1).
    Chunked,
}

impl Framing {
    /// Whether anything follows.
    pub fn has_body(self) -> bool {
        self != Self::Length(0)
    }
}

/// A complete and sound head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its length in bytes, the empty line included.
    pub len: usize,
    /// The body's framing.
    pub framing: Framing,
    /// Whether the connection may go on behind the response (RFC 9112 §9.3).
    pub persists: bool,
    /// Whether the client waits for 100 before it sends the body (RFC 9110 §10.1.1).
    pub expects_continue: bool,
    /// Whether the client takes fields behind a response's body (RFC 9110 §10.1.4).
    pub takes_trailers: bool,
    line: RequestLine,
}

impl Head {
    /// Makes it the head of a request: that which begins with these bytes, which it was read from. The values of the fields, which
    /// take the place, and the memory, of those that are there, stay where they are, in one piece.
    pub fn put_into<B>(
        &self,
        request: &mut Request<B>,
        bytes: &Bytes,
        places: &Places,
    ) -> Result<(), Refusal> {
        let RequestLine { method, target, version_11 } = self.line;
        let target = bytes.slice(method + 1..method + 1 + target);
        *request.method_mut() =
            Method::from_bytes(&bytes[..method]).map_err(|_| Refusal::bad("malformed method"))?;
        *request.uri_mut() =
            Uri::from_maybe_shared(target).map_err(|_| Refusal::bad("malformed request target"))?;
        *request.version_mut() = if version_11 { Version::HTTP_11 } else { Version::HTTP_10 };
        places.put_into(request.headers_mut(), bytes).map_err(|_| Refusal::bad("malformed header"))
    }
}

/// Reads a head at the beginning of `bytes`, and notes where its fields are. `None`: what is there is sound so far but not
/// complete.
pub fn read(bytes: &[u8], places: &mut Places) -> Result<Option<Head>, Refusal> {
    let mut lines = Lines { bytes, at: 0 };
    request_line::check_start(bytes)?;
    let Some(line) = lines.next(MAX_REQUEST_LINE, LONG_LINE)? else {
        return request_line::check_partial(bytes).map(|()| None);
    };
    let line = request_line::check(line)?;
    let mut fields = Fields::default();
    places.clear();
    for _ in 0..=MAX_FIELDS {
        match lines.next(MAX_HEAD.saturating_sub(lines.at), LARGE_HEAD)? {
            None => return Ok(None),
            Some(b"") => return fields.conclude(line, lines.at).map(Some),
            Some(field) => {
                let (name, value) = fields.add(field)?;
                places.add(bytes, name, value).map_err(|_| MANY_FIELDS)?;
            }
        }
    }
    Err(MANY_FIELDS)
}

/// Checks the fields of a request that came in another form than lines of text (HTTP/2), by the same rules. `size` is that of
/// the rest of the head in bytes.
///
/// # Errors
/// As those of [`read`], but for `Host`, which there may be none of here.
pub(super) fn check_fields(map: &Headers, mut size: usize) -> Result<(), Refusal> {
    if map.len() > MAX_FIELDS {
        return Err(MANY_FIELDS);
    }
    let mut fields = Fields::default();
    for (name, value) in map {
        let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
        // What a line of text would add to them.
        size += name.len() + value.len() + b": \r\n".len();
        if size > MAX_HEAD {
            return Err(LARGE_HEAD);
        }
        if trim(value).len() != value.len() {
            return Err(Refusal::bad("white space around a header value"));
        }
        fields.note(name, value, value)?;
    }
    Ok(())
}

pub(super) const LONG_LINE: Refusal = Refusal::new(StatusCode::URI_TOO_LONG, "request line too long");
const LARGE_HEAD: Refusal = Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "header too large");

const MANY_FIELDS: Refusal =
    Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "too many header fields");

/// Lines that end in CRLF and in nothing else.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    /// The next line without its CRLF; `None` where its end has not arrived.
    fn next(&mut self, limit: usize, too_long: Refusal) -> Result<Option<&'a [u8]>, Refusal> {
        let rest = &self.bytes[self.at..];
        let Some(end) = memchr::memchr(b'\n', rest) else {
            return if rest.len() > limit { Err(too_long) } else { Ok(None) };
        };
        if end > limit {
            return Err(too_long);
        }
        let Some(line) = rest[..end].strip_suffix(b"\r") else {
            return Err(Refusal::bad("bare LF as line end"));
        };
        self.at += end + 1;
        Ok(Some(line))
    }
}

/// What the header fields say about framing and routing.
#[derive(Default)]
struct Fields {
    length: Option<u64>,
    coding: Option<Result<(), Refusal>>,
    content_type: bool,
    host: bool,
    connection: Options,
    expects_continue: bool,
    takes_trailers: bool,
}

/// What `Connection` names.
#[derive(Default)]
struct Options {
    close: bool,
    keep_alive: bool,
}

impl Fields {
    /// Checks one field line (RFC 9112 §5) and takes note of the fields that frame and route.
    fn add<'a>(&mut self, line: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Refusal> {
        if matches!(line, [b' ' | b'\t', ..]) {
            return Err(Refusal::bad("line folding"));
        }
        let Some(colon) = memchr::memchr(b':', line) else {
            return Err(Refusal::bad("header line without colon"));
        };
        let (name, raw_value) = (&line[..colon], &line[colon + 1..]);
        let value = trim(raw_value);
        if name.is_empty() || !name.iter().all(|&b| TOKEN_BYTES[usize::from(b)]) {
            return Err(Refusal::bad("malformed header name"));
        }
        self.note(name, value, raw_value)?;
        Ok((name, value))
    }

    /// Checks a field's value, and takes note of what it says. `raw` is the value with its white space.
    fn note(&mut self, name: &[u8], value: &[u8], raw: &[u8]) -> Result<(), Refusal> {
        if !all(value, is_value_byte) {
            return Err(Refusal::bad("control or non-ASCII character in a header value"));
        }
        match name.len() {
            2 if name.eq_ignore_ascii_case(b"te") => {
                self.takes_trailers |= list(value).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
                Ok(())
            }
            4 if name.eq_ignore_ascii_case(b"host") => self.add_host(value),
            6 if name.eq_ignore_ascii_case(b"expect") => {
                self.expects_continue |= value.eq_ignore_ascii_case(b"100-continue");
                Ok(())
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                self.connection.add(value);
                Ok(())
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => self.add_length(raw),
            12 if name.eq_ignore_ascii_case(b"content-type") => self.add_content_type(),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.add_transfer_encoding(value),
            _ => Ok(()),
        }
    }

    fn add_host(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.host {
            return Err(Refusal::bad("more than one Host"));
        }
        self.host = true;
        if host::is_valid(value) { Ok(()) } else { Err(Refusal::bad("malformed Host")) }
    }

    /// RFC 9112 §6.2: digits and nothing else, once. Lists and repetitions, even of the same number, are refused, and so
    /// is what other readers may take for octal, for a negative number, or for one that ends at a space or tab.
    fn add_length(&mut self, raw_value: &[u8]) -> Result<(), Refusal> {
        if self.length.is_some() {
            return Err(Refusal::bad("more than one Content-Length"));
        }
        let digits = match raw_value.strip_prefix(b" ").unwrap_or(raw_value) {
            b"0" => Some(&b"0"[..]),
            value @ [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => Some(value),
            _ => None,
        };
        let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<i64>().ok());
        let number = number.and_then(|number| u64::try_from(number).ok());
        self.length = Some(number.ok_or(Refusal::bad("malformed Content-Length"))?);
        Ok(())
    }

    /// Two of them would be read differently by whoever takes the first and whoever takes the last.
    fn add_content_type(&mut self) -> Result<(), Refusal> {
        if std::mem::replace(&mut self.content_type, true) {
            return Err(Refusal::bad("more than one Content-Type"));
        }
        Ok(())
    }

    fn add_transfer_encoding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.coding.is_some() {
            return Err(Refusal::bad("more than one Transfer-Encoding"));
        }
        self.coding = Some(check_transfer_encoding(value));
        Ok(())
    }

    fn conclude(self, line: RequestLine, len: usize) -> Result<Head, Refusal> {
        let version_11 = line.version_11;
        if version_11 && !self.host {
            return Err(Refusal::bad("no Host"));
        }
        let framing = match (self.coding, self.length) {
            (Some(_), Some(_)) => return Err(Refusal::bad("both Content-Length and Transfer-Encoding")),
            (Some(_), None) if !version_11 => return Err(Refusal::bad("Transfer-Encoding in HTTP/1.0")),
            (Some(coding), None) => coding.map(|()| Framing::Chunked)?,
            (None, length) => Framing::Length(length.unwrap_or(0)),
        };
        Ok(Head {
            len,
            framing,
            persists: !self.connection.close && (version_11 || self.connection.keep_alive),
            expects_continue: version_11 && self.expects_continue && framing.has_body(),
            takes_trailers: self.takes_trailers,
            line,
        })
    }
}

impl Options {
    fn add(&mut self, value: &[u8]) {
        for option in list(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }
}

/// RFC 9112 §6.1: `chunked` alone. A well-formed list of others is one that we do not know: 501.
fn check_transfer_encoding(value: &[u8]) -> Result<(), Refusal> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let well_formed =
        list(value).all(|coding| !coding.is_empty() && coding.iter().all(|&b| is_token_byte(b)));
    let chunked_at = list(value).position(is_chunked);
    if well_formed && chunked_at.is_none_or(|at| at + 1 == list(value).count()) {
        return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "unknown transfer coding"));
    }
    Err(Refusal::bad("malformed Transfer-Encoding"))
}

/// The members of a comma-separated list, white space trimmed, empty ones kept.
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(trim)
}

/// Without optional white space (RFC 9110 §5.6.3) at both ends.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether all bytes pass. It looks at every one even after one that fails: without an early end the compiler does many at a
/// time.
#[inline]
pub(super) fn all(bytes: &[u8], passes: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(true, |so_far, &b| so_far & passes(b))
}

/// Which bytes are part of a token: a table, since every name goes through it.
const TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < table.len() {
        table[b] = is_token_byte(b as u8);
        b += 1;
    }
    table
};

/// RFC 9110 §5.6.2.
pub(super) const fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric()
        || matches!(b, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// RFC 9110 §5.5 without obs-text: bytes above 127 have no defined meaning and are read differently by every server.
pub(super) fn is_value_byte(b: u8) -> bool {
    matches!(b, b'\t' | b' '..=b'~')
}

#[cfg(test)]
mod tests;
