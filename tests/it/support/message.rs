//! HTTP/1.1 messages as they came over the wire: nothing normalised, order and repetition kept.

use std::io::{self, BufRead, Error, ErrorKind, Read};

/// A message: its head byte for byte, and its body with the framing taken off.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// From the start line up to and including the empty line.
    pub raw_head: Vec<u8>,
    /// Names as sent, and values without surrounding white space, in order.
    pub headers: Vec<(String, String)>,
    /// The body, chunks joined.
    pub body: Vec<u8>,
    /// Trailers after a chunked body.
    pub trailers: Vec<(String, String)>,
}

/// How a message's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Empty,
    /// After so many bytes.
    Length(usize),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    Close,
}

impl Message {
    /// Reads a head; `None` where the connection ends before its first byte.
    pub fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Message>> {
        let mut raw_head = Vec::new();
        let mut headers = Vec::new();
        loop {
            let start = raw_head.len();
            if reader.read_until(b'\n', &mut raw_head)? == 0 {
                return if start == 0 { Ok(None) } else { Err(truncated("a head")) };
            }
            let Some(line) = raw_head[start..].strip_suffix(b"\n") else { return Err(truncated("a head")) };
            let line = String::from_utf8_lossy(line).trim_end().to_owned();
            match line.split_once(':') {
                _ if start == 0 => {}
                _ if line.is_empty() => break,
                Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
                None => return Err(Error::new(ErrorKind::InvalidData, format!("no header field: {line:?}"))),
            }
        }
        Ok(Some(Message { raw_head, headers, ..Message::default() }))
    }

    /// Reads the body that the framing promises; an error where the connection ends first.
    pub fn read_body(&mut self, reader: &mut impl BufRead, framing: Framing) -> io::Result<()> {
        match framing {
            Framing::Empty => Ok(()),
            Framing::Length(length) => {
                let read = reader.take(length as u64).read_to_end(&mut self.body)?;
                if read == length { Ok(()) } else { Err(truncated("a body with a length")) }
            }
            Framing::Chunked => self.read_chunks(reader),
            Framing::Close => reader.read_to_end(&mut self.body).map(drop),
        }
    }

    /// The start line without its line end.
    pub fn start_line(&self) -> String {
        let line = self.raw_head.split(|&byte| byte == b'\n').next().unwrap_or_default();
        String::from_utf8_lossy(line).trim_end_matches('\r').to_owned()
    }

    /// A request's target.
    pub fn target(&self) -> String {
        self.start_line().split(' ').nth(1).unwrap_or_default().to_owned()
    }

    /// The first field of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// Every field of that name, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| &**value)
            .collect()
    }

    /// Whether a comma separated field has this member.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name)
            .iter()
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(token))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The framing that the fields declare, where they declare one.
    pub fn declared_framing(&self) -> Option<Framing> {
        if self.has_token("transfer-encoding", "chunked") {
            return Some(Framing::Chunked);
        }
        self.header("content-length")?.parse().ok().map(Framing::Length)
    }

    fn read_chunks(&mut self, reader: &mut impl BufRead) -> io::Result<()> {
        while let Some(length) = chunk_length(reader)? {
            let read = reader.take(length).read_to_end(&mut self.body)?;
            let mut end = [0; 2];
            if read as u64 != length || reader.read_exact(&mut end).is_err() {
                return Err(truncated("a chunk"));
            }
        }
        let mut line = String::new();
        while reader.read_line(&mut line)? > 0 {
            let Some((name, value)) = line.split_once(':') else { return Ok(()) };
            self.trailers.push((name.to_owned(), value.trim().to_owned()));
            line.clear();
        }
        Err(truncated("trailers"))
    }
}

/// The next chunk's length; `None` for the last one.
fn chunk_length(reader: &mut impl BufRead) -> io::Result<Option<u64>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(truncated("chunks"));
    }
    let digits = line.trim_end().split(';').next().unwrap_or_default();
    match u64::from_str_radix(digits, 16) {
        Ok(0) => Ok(None),
        Ok(length) => Ok(Some(length)),
        Err(_) => Err(Error::new(ErrorKind::InvalidData, format!("no chunk size: {line:?}"))),
    }
}

fn truncated(what: &str) -> Error {
    Error::new(ErrorKind::UnexpectedEof, format!("the connection ended within {what}"))
}

/// A response.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Head and body.
    pub message: Message,
}

impl Response {
    /// Reads the head of a response, interim ones as well.
    pub fn read_head(reader: &mut impl BufRead) -> io::Result<Response> {
        let message = Message::read_head(reader)?.ok_or_else(|| truncated("the wait for a response"))?;
        let line = message.start_line();
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status =
            status.ok_or_else(|| Error::new(ErrorKind::InvalidData, format!("no status line: {line:?}")))?;
        Ok(Response { status, message })
    }

    /// How the body ends, RFC 9112 section 6.3.
    pub fn framing(&self, method: &str) -> Framing {
        if method == "HEAD" || self.status < 200 || matches!(self.status, 204 | 304) {
            return Framing::Empty;
        }
        self.message.declared_framing().unwrap_or(Framing::Close)
    }
}

impl std::ops::Deref for Response {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}
