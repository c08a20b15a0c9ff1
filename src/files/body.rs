//! A file on its way to a client.

use super::open::OpenFile;
use crate::message::BodyError;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use rustix::{
    fd::AsFd,
    io::{Errno, ReadWriteFlags, pread, preadv2, retry_on_intr},
};
use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    io::{self, IoSliceMut},
    mem,
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::task::{JoinHandle, spawn_blocking};

/// The most that is read at once at first: the connection takes two such chunks and writes them together. Larger ones take
/// a third more time, smaller ones more of these buffers…
const CHUNK: usize = 48 * 1024;
/// … and once another thread has to do it, since each time costs as much as copying 100 KB.
const LARGE_CHUNK: usize = 256 * 1024;

/// What a body consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These bytes, such as the head of a part.
    Bytes(Bytes),
    /// These bytes of the file.
    Range(Range<u64>),
}

/// Pieces of a file, and what belongs between them. Reading never holds up the thread that polls: what the kernel has in
/// memory is copied from there, anything else is read by a thread that may block.
///
/// A file that turns out shorter than its pieces ends the body with [`BodyError::FileGone`]; what was added to it since it
/// was opened is not sent.
#[derive(Debug)]
pub struct FileBody {
    file: OpenFile,
    pieces: VecDeque<Piece>,
    /// Bytes of the pieces that are left.
    left: u64,
    /// The most that is read at once.
    chunk: usize,
    /// Whether the kernel can be asked for what it has in memory.
    asks_memory: bool,
    /// A read that another thread is at.
    reading: Option<JoinHandle<Read>>,
    buffers: Buffers,
}

/// A buffer, and how much of it has been read.
type Read = (BytesMut, io::Result<usize>);

impl FileBody {
    /// All of a file.
    pub fn whole(file: OpenFile) -> Self {
        let length = file.named().length;
        Self::new(file, [Piece::Range(0..length)])
    }

    /// These pieces of a file, in this order. Ranges that end behind the file's end make a body that breaks off.
    pub fn new(file: OpenFile, pieces: impl IntoIterator<Item = Piece>) -> Self {
        let pieces: VecDeque<_> = pieces.into_iter().filter(|piece| piece.len() > 0).collect();
        let left = pieces.iter().map(Piece::len).fold(0, u64::saturating_add);
        Self {
            file,
            pieces,
            left,
            chunk: CHUNK,
            asks_memory: true,
            reading: None,
            buffers: Buffers::default(),
        }
    }

    /// The file.
    pub fn file(&self) -> &OpenFile {
        &self.file
    }

    /// The next bytes of the file, if they are there at once; otherwise they will be in `reading`.
    fn read(&mut self, range: &Range<u64>) -> Option<Read> {
        let mut buffer = self.buffers.take(self.chunk.min(size(self.left)));
        let wanted = buffer.len().min(size(range.end - range.start));
        if self.asks_memory {
            match read_from_memory(self.file.as_fd(), &mut buffer[..wanted], range.start) {
                Ok(length) => return Some((buffer, Ok(length))),
                Err(Errno::AGAIN) => {}
                // Not by this kernel or file system; if anything else is wrong the disk will say so.
                Err(_) => self.asks_memory = false,
            }
        }
        self.chunk = LARGE_CHUNK;
        let (file, start) = (self.file.clone(), range.start);
        self.reading = Some(spawn_blocking(move || {
            let read = retry_on_intr(|| pread(&file, &mut buffer[..wanted], start));
            (buffer, read.map_err(io::Error::from))
        }));
        None
    }

    /// Makes a frame of what has been read.
    fn deliver(&mut self, (buffer, read): Read) -> Result<Frame<Bytes>, BodyError> {
        let length = match read {
            Ok(0) => return Err(self.broken(&"it has become shorter")),
            Ok(length) => length,
            Err(error) => return Err(self.broken(&error)),
        };
        self.advance(length as u64);
        let mut bytes = buffer.freeze();
        if self.left > 0 {
            self.buffers.keep(bytes.clone());
        }
        bytes.truncate(length);
        Ok(Frame::data(bytes))
    }

    fn advance(&mut self, length: u64) {
        self.left = self.left.saturating_sub(length);
        if let Some(Piece::Range(range)) = self.pieces.front_mut() {
            range.start += length;
            if range.is_empty() {
                self.pieces.pop_front();
            }
        }
    }

    fn broken(&mut self, reason: &dyn fmt::Display) -> BodyError {
        tracing::warn!(path = %self.file.named().path.display(), %reason, "a file broke off while it was sent");
        self.pieces.clear();
        BodyError::FileGone
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        loop {
            if let Some(reading) = &mut this.reading {
                let read = ready!(Pin::new(reading).poll(cx));
                this.reading = None;
                let read = read.unwrap_or_else(|lost| (BytesMut::new(), Err(lost.into())));
                return Poll::Ready(Some(this.deliver(read)));
            }
            match this.pieces.front().cloned() {
                None => return Poll::Ready(None),
                Some(Piece::Bytes(bytes)) => {
                    this.left = this.left.saturating_sub(bytes.len() as u64);
                    this.pieces.pop_front();
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Piece::Range(range)) => {
                    if let Some(read) = this.read(&range) {
                        return Poll::Ready(Some(this.deliver(read)));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Piece {
    /// Bytes.
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Range(range) => range.end.saturating_sub(range.start),
        }
    }
}

/// Buffers in turn: while one is on its way to the client the other is read into. New memory for each chunk would have to
/// be cleared, and taken from the system and given back where blocks are large.
#[derive(Debug, Default)]
struct Buffers([Bytes; 2]);

impl Buffers {
    /// One of at least this size, with anything in it.
    fn take(&mut self, size: usize) -> BytesMut {
        for kept in &mut self.0 {
            match mem::take(kept).try_into_mut() {
                Ok(buffer) if buffer.len() >= size => return buffer,
                Ok(_) => {}
                // Still on its way.
                Err(busy) => *kept = busy,
            }
        }
        BytesMut::zeroed(size)
    }

    /// Keeps one for the time when nobody else holds it any more.
    fn keep(&mut self, buffer: Bytes) {
        let place = self.0.iter().position(Bytes::is_empty).unwrap_or(0);
        self.0[place] = buffer;
    }
}

fn read_from_memory(file: impl AsFd + Copy, buffer: &mut [u8], start: u64) -> Result<usize, Errno> {
    retry_on_intr(|| preadv2(file, &mut [IoSliceMut::new(buffer)], start, ReadWriteFlags::NOWAIT))
}

fn size(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
