//! A log stream that never makes anybody wait: lines go into a buffer, one thread writes the buffer out.
//!
//! The buffer holds [`QUEUE_BYTES`] at most (as much again is on its way while a write is stuck). What comes when it is
//! full is dropped and counted; once the stream takes lines again, a line in the stream itself, behind the last one
//! before the gap, says how many are missing. A stream whose reader is gone is given up quietly; its lines count as
//! dropped.
//!
//! Whoever sends wakes the thread only if it sleeps, and after a batch it rests for `PACE`: a lone line comes out at
//! once, thousands share a few writes. Lines of the worker, which often has the same stream, do not get between the parts
//! of ours: each write ends with a whole line and is short enough to be atomic on a pipe.

use super::{
    Format,
    pairs::Pairs,
    stream::{atomic_size, is_torn, write_lines},
};
use std::{
    fs::File,
    io::{self, ErrorKind},
    os::fd::OwnedFd,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime},
};

/// As many bytes may wait.
pub const QUEUE_BYTES: usize = 1 << 20;

/// The shortest time from one batch to the next, unless half the queue is full or somebody flushes.
const PACE: Duration = Duration::from_millis(10);

/// Buffers that have grown beyond this are given back when there is nothing to write.
const KEPT_BYTES: usize = 16 << 10;

/// One log stream. Dropping it lets the thread write what is left, and end.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
}

impl Writer {
    /// Starts the thread that writes to `stream`; `format` is that of the line that tells of a gap.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(name: &str, stream: impl Into<OwnedFd>, format: Format) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let stream = File::from(stream.into());
        let thread = Thread { shared: Arc::clone(&shared), stream, format, written: None };
        thread::Builder::new().name(name.to_owned()).spawn(move || thread.run())?;
        Ok(Self { shared })
    }

    /// Takes one line or several, each with its newline, or counts them as dropped. Never waits for the stream.
    pub fn send(&self, lines: &[u8]) {
        let mut state = self.shared.lock();
        if state.phase == Phase::Gone || state.queue.len() + lines.len() > QUEUE_BYTES {
            state.dropped(count(lines));
            return;
        }
        state.handed += 1;
        state.queue.extend_from_slice(lines);
        let wake = match state.phase {
            Phase::Asleep => true,
            Phase::Resting => state.queue.len() >= QUEUE_BYTES / 2,
            Phase::Busy | Phase::Gone => false,
        };
        if wake {
            state.phase = Phase::Busy; // so that the next line does not wake it again
            drop(state);
            self.shared.work.notify_one();
        }
    }

    /// Waits until all that was sent before is written or given up, or until `deadline` is over; blocks the thread.
    /// Says whether it was done in time.
    pub fn flush(&self, deadline: Duration) -> bool {
        let mut state = self.shared.lock();
        let target = state.handed;
        if state.phase == Phase::Resting {
            state.phase = Phase::Busy;
            self.shared.work.notify_one();
        }
        state.flushing += 1;
        let unsettled = |state: &mut State| state.settled < target && state.phase != Phase::Gone;
        let (mut state, timeout) = wait_timeout(&self.shared.settled, state, deadline, unsettled);
        state.flushing -= 1;
        !timeout
    }

    /// How many lines were dropped since the start.
    #[cfg(test)]
    fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.work.notify_one();
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// The thread waits here for lines.
    work: Condvar,
    /// Flushes wait here for the thread.
    settled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: Vec<u8>,
    phase: Phase,
    /// How often lines were taken in, and how much of that was written or given up.
    handed: u64,
    settled: u64,
    dropped: u64,
    /// Of `dropped`, what no line has told of yet.
    untold: u64,
    /// How many wait for `settled`: there is no rest meanwhile.
    flushing: usize,
    closing: bool,
}

/// What the thread does.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It writes, or is about to look at the queue: no need to wake it.
    #[default]
    Busy,
    /// It has just written, and lets lines gather.
    Resting,
    /// It waits for a line.
    Asleep,
    /// The stream's reader is gone.
    Gone,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing can panic halfway through a change of the state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn dropped(&mut self, lines: u64) {
        self.dropped += lines;
        self.untold += lines;
    }
}

/// The writing thread.
struct Thread {
    shared: Arc<Shared>,
    stream: File,
    format: Format,
    /// When the last batch was written.
    written: Option<Instant>,
}

/// What was taken out of the queue at once.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// The value of `handed` that it settles.
    ticket: u64,
    /// How many dropped lines its last line tells of.
    told: u64,
}

impl Thread {
    fn run(mut self) {
        let mut batch = Batch::default();
        let mut torn = false;
        let at_once = atomic_size(&self.stream);
        while self.take(&mut batch) {
            if torn {
                // A line was broken off; the next is not to look like its end.
                torn = write_lines(&self.stream, b"\n", at_once).is_err();
            }
            let outcome = write_lines(&self.stream, &batch.bytes, at_once);
            self.written = Some(Instant::now());
            torn |= matches!(outcome, Err((_, rest)) if is_torn(&batch.bytes, rest));
            if self.settle(&batch, outcome).is_err() {
                return;
            }
        }
    }

    /// Waits for lines and takes them all; false when no more can come.
    fn take(&self, batch: &mut Batch) -> bool {
        batch.bytes.clear();
        let mut state = self.rest(self.shared.lock());
        while state.queue.is_empty() {
            if state.closing {
                return false;
            }
            give_back(&mut state.queue);
            give_back(&mut batch.bytes);
            state.phase = Phase::Asleep;
            state = self.shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.phase = Phase::Busy;
        std::mem::swap(&mut state.queue, &mut batch.bytes);
        batch.ticket = state.handed;
        batch.told = std::mem::take(&mut state.untold);
        drop(state);
        if batch.told > 0 {
            tell_of_gap(&mut batch.bytes, self.format, batch.told);
        }
        true
    }

    /// Lets lines gather until it is time for the next batch.
    fn rest<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let since = self.written.map_or(PACE, |written| written.elapsed());
        let hurry = state.flushing > 0 || state.closing || state.queue.len() >= QUEUE_BYTES / 2;
        if since >= PACE || hurry {
            return state;
        }
        state.phase = Phase::Resting;
        let resting = |state: &mut State| state.phase == Phase::Resting && !state.closing;
        wait_timeout(&self.shared.work, state, PACE - since, resting).0
    }

    /// Books what became of a batch.
    ///
    /// # Errors
    /// The stream's reader is gone: nothing can be written any more.
    fn settle(&self, batch: &Batch, outcome: Result<(), (io::Error, &[u8])>) -> Result<(), ()> {
        let mut state = self.shared.lock();
        let mut result = Ok(());
        state.settled = batch.ticket;
        if let Err((error, rest)) = outcome {
            let notice = u64::from(batch.told > 0);
            state.dropped(count(rest).saturating_sub(notice));
            state.untold += batch.told;
            if error.kind() == ErrorKind::BrokenPipe {
                state.phase = Phase::Gone;
                let left = count(&std::mem::take(&mut state.queue));
                state.dropped(left);
                result = Err(());
            }
        }
        if state.flushing > 0 {
            self.shared.settled.notify_all();
        }
        result
    }
}

fn tell_of_gap(out: &mut Vec<u8>, format: Format, dropped: u64) {
    let message = b"Log lines dropped: they were not read in time";
    let mut pairs = Pairs::message(out, format, SystemTime::now(), "WARN", message);
    pairs.number("dropped", dropped);
    pairs.end();
}

fn count(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

fn give_back(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEPT_BYTES {
        *buffer = Vec::new();
    }
}

/// Waits while `waiting`, at most `limit`; says whether that was over first.
fn wait_timeout<'a>(
    condvar: &Condvar,
    state: MutexGuard<'a, State>,
    limit: Duration,
    waiting: impl FnMut(&mut State) -> bool,
) -> (MutexGuard<'a, State>, bool) {
    let waited = condvar.wait_timeout_while(state, limit, waiting);
    let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
    (state, timeout.timed_out())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{BufRead, BufReader, PipeReader, Read, pipe},
        os::fd::AsRawFd,
    };

    /// Longer than anything here takes, unless it hangs.
    const LONG: Duration = Duration::from_secs(60);

    fn started() -> (Writer, PipeReader) {
        let (reader, stream) = pipe().unwrap();
        (Writer::start("test", stream, Format::Json).unwrap(), reader)
    }

    /// Sends more than pipe, batch and queue hold together, and says how many lines.
    fn overfill(writer: &Writer) -> u64 {
        let line = [&[b'x'; 999], &b"\n"[..]].concat();
        let mut sent = 0;
        while writer.dropped() < 3 {
            writer.send(&line);
            sent += 1;
        }
        sent
    }

    fn make_nonblocking(stream: &impl AsRawFd) {
        // SAFETY: changes the flags of a descriptor that is open.
        assert_eq!(unsafe { libc::fcntl(stream.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) }, 0);
    }

    #[test]
    fn lines_come_out_in_order_and_each_promptly() {
        let (writer, reader) = started();
        let mut reader = BufReader::new(reader);
        for number in 0..100 {
            let line = format!("line {number}\n");
            writer.send(line.as_bytes());
            let mut read = String::new();
            reader.read_line(&mut read).unwrap(); // would hang if the line waited for another
            assert_eq!(read, line);
        }
        assert!(writer.flush(LONG));
        assert_eq!(writer.dropped(), 0);
    }

    #[test]
    fn threads_may_send_at_once() {
        let (writer, reader) = started();
        thread::scope(|scope| {
            for name in ["a", "b"] {
                let writer = &writer;
                scope.spawn(move || (0..10_000).for_each(|n| writer.send(format!("{name}{n}\n").as_bytes())));
            }
            let lines: Vec<_> = BufReader::new(reader).lines().take(20_000).map(Result::unwrap).collect();
            for name in ["a", "b"] {
                let mine: Vec<_> = lines.iter().filter(|line| line.starts_with(name)).collect();
                assert!(mine.iter().enumerate().all(|(n, line)| **line == format!("{name}{n}")));
                assert_eq!(mine.len(), 10_000);
            }
        });
    }

    #[test]
    fn a_stream_that_nobody_reads_stops_no_sender_and_tells_of_the_gap_afterwards() {
        for nonblocking in [false, true] {
            let (mut reader, stream) = pipe().unwrap();
            if nonblocking {
                make_nonblocking(&stream);
            }
            let writer = Writer::start("test", stream, Format::Json).unwrap();
            let sent = overfill(&writer); // would hang here if it waited
            assert!(!writer.flush(Duration::from_millis(1)));
            let dropped = writer.dropped();
            drop(writer);
            let mut read = String::new();
            reader.read_to_string(&mut read).unwrap();
            let (told, lines): (Vec<_>, Vec<_>) = read.lines().partition(|line| line.starts_with('{'));
            assert_eq!(lines.len() as u64, sent - dropped);
            assert!(lines.iter().all(|line| line.len() == 999));
            assert_eq!(told.len(), 1);
            let told: serde_json::Value = serde_json::from_str(told[0]).unwrap();
            assert_eq!((&told["level"], &told["dropped"]), (&"WARN".into(), &dropped.into()));
        }
    }

    #[test]
    fn a_stream_whose_reader_left_is_given_up() {
        let (writer, reader) = started();
        drop(reader);
        writer.send(b"one\ntwo\n");
        assert!(writer.flush(LONG));
        assert_eq!(writer.dropped(), 2);
        writer.send(b"three\n");
        assert!(writer.flush(LONG));
        assert_eq!(writer.dropped(), 3);
    }

    #[test]
    fn a_stream_whose_reader_leaves_while_it_is_stuck_is_given_up() {
        let (writer, reader) = started();
        let sent = overfill(&writer);
        drop(reader);
        assert!(writer.flush(LONG));
        assert!(writer.dropped() > 3 && writer.dropped() <= sent);
    }

    #[test]
    fn a_full_disk_costs_lines_and_nothing_else() {
        let stream = File::options().write(true).open("/dev/full").unwrap();
        let writer = Writer::start("test", stream, Format::Json).unwrap();
        for sent in 1..=3 {
            writer.send(b"line\n");
            assert!(writer.flush(LONG));
            assert_eq!(writer.dropped(), sent);
        }
    }

    #[test]
    fn memory_is_bounded_and_given_back() {
        let (writer, mut reader) = started();
        overfill(&writer);
        assert!(writer.shared.lock().queue.len() <= QUEUE_BYTES);
        thread::spawn(move || io::copy(&mut reader, &mut io::sink()));
        assert!(writer.flush(LONG));
        while writer.shared.lock().phase != Phase::Asleep {
            thread::yield_now();
        }
        assert!(writer.shared.lock().queue.capacity() <= KEPT_BYTES);
    }

    #[test]
    fn a_line_too_long_for_the_queue_is_dropped_alone() {
        let (writer, reader) = started();
        writer.send(&[&vec![b'x'; QUEUE_BYTES], &b"\n"[..]].concat());
        assert!(writer.flush(LONG)); // would wait for ever if it waited for the dropped line
        writer.send(b"short\n");
        drop(writer);
        let lines: Vec<_> = BufReader::new(reader).lines().map(Result::unwrap).collect();
        assert_eq!((lines.len(), lines[0].as_str()), (2, "short"));
        assert!(lines[1].contains(r#""dropped":1"#));
    }
}
