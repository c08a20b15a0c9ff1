//! Writing lines to a descriptor that others may share: a pipe, a terminal, a file; blocking or not.

use std::{
    fs::File,
    io::{self, ErrorKind, Write},
    os::fd::AsRawFd,
};

/// Writes everything; on an error gives what was not written.
pub fn write_lines<'a>(mut stream: &File, mut lines: &'a [u8]) -> Result<(), (io::Error, &'a [u8])> {
    while !lines.is_empty() {
        match stream.write(&lines[..whole_lines(lines)]) {
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

/// How many bytes to write at once: as many whole lines as a pipe takes without letting others in between; one that is
/// longer alone.
fn whole_lines(lines: &[u8]) -> usize {
    let atomic = &lines[..lines.len().min(libc::PIPE_BUF)];
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
    fn writes_end_with_a_line_and_are_atomic_on_a_pipe() {
        let short = b"line\n".repeat(2_000);
        assert_eq!(whole_lines(&short), 4_095);
        let long = [&[b'x'; 5_000], &b"\nnext\n"[..]].concat();
        assert_eq!(whole_lines(&long), 5_001);
        assert_eq!(whole_lines(b"one\ntwo\n"), 8);
        assert!(is_torn(b"one\ntwo\n", b"wo\n") && !is_torn(b"one\ntwo\n", b"two\n"));
    }
}
