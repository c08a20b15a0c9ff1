//! Writing lines to a descriptor that others may share: a pipe, a terminal, a file; blocking or not.

use std::{
    fs::File,
    io::{self, ErrorKind, Write},
    os::fd::AsRawFd,
};

/// As many bytes at most are written at once to a file, which takes each write whole.
const TO_FILE: usize = 64 << 10;

/// How many bytes may be written to a stream at once so that nobody else's get in between.
pub fn atomic_size(stream: &File) -> usize {
    if stream.metadata().is_ok_and(|metadata| metadata.is_file()) { TO_FILE } else { libc::PIPE_BUF }
}

/// Writes everything, at most so many bytes at once; on an error gives what was not written.
pub fn write_lines<'a>(
    mut stream: &File,
    mut lines: &'a [u8],
    at_once: usize,
) -> Result<(), (io::Error, &'a [u8])> {
    while !lines.is_empty() {
        match stream.write(&lines[..whole_lines(lines, at_once)]) {
            Ok(0) => return Err((ErrorKind::WriteZero.into(), lines)),
            Ok(written) => lines = &lines[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Whoever shares the stream has made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait_writable(stream),
            Err(error) => return Err((error, lines)),
        }
    }
    Ok(())
}

/// Whether what was written of a batch ends within a line.
pub fn is_torn(batch: &[u8], rest: &[u8]) -> bool {
    let written = batch.len() - rest.len();
    written > 0 && batch[written - 1] != b'\n'
}

/// How many bytes to write: as many whole lines as may be; one that is longer alone.
fn whole_lines(lines: &[u8], at_once: usize) -> usize {
    let atomic = &lines[..lines.len().min(at_once)];
    let end = memchr::memrchr(b'\n', atomic).or_else(|| memchr::memchr(b'\n', lines));
    end.map_or(lines.len(), |newline| newline + 1)
}

fn wait_writable(stream: &File) {
    let mut poll = libc::pollfd { fd: stream.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: `poll` is one valid pollfd, and the descriptor in it is open as long as `stream` is borrowed. Whatever it
    // returns, the next write finds out how things stand.
    unsafe { libc::poll(&raw mut poll, 1, -1) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_takes_more_at_once_than_a_pipe() {
        let (_reader, pipe) = io::pipe().unwrap();
        assert_eq!(atomic_size(&File::from(std::os::fd::OwnedFd::from(pipe))), 4_096);
        assert_eq!(atomic_size(&tempfile::tempfile().unwrap()), TO_FILE);
    }

    #[test]
    fn writes_end_with_a_line_and_are_atomic_on_a_pipe() {
        let short = b"line\n".repeat(2_000);
        assert_eq!(whole_lines(&short, 4_096), 4_095);
        let long = [&[b'x'; 5_000], &b"\nnext\n"[..]].concat();
        assert_eq!(whole_lines(&long, 4_096), 5_001);
        assert_eq!(whole_lines(b"one\ntwo\n", 4_096), 8);
        assert!(is_torn(b"one\ntwo\n", b"wo\n") && !is_torn(b"one\ntwo\n", b"two\n"));
    }
}
