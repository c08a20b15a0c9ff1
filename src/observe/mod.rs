//! What operators see: the access log (one line a request, on stdout) and the operator's log (stderr).
//!
//! Neither ever makes anybody wait: see `writer`. Imports nothing else of ours.

mod access;
mod escape;
mod operator;
mod pairs;
mod record;
mod stream;
mod time;
mod writer;

pub use record::{Record, Target};

use std::{
    cell::RefCell,
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    time::{Duration, Instant},
};
use writer::Writer;

/// What is logged and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// One line a request on stdout.
    pub requests: bool,
    /// Paths that are not logged.
    pub skip: Vec<String>,
    /// Format of both logs.
    pub format: Format,
    /// The operator's log's threshold.
    pub level: Level,
}

/// Line formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// `key=value` pairs.
    Logfmt,
    /// Apache's combined log format.
    Combined,
    /// For people at a terminal.
    Text,
}

/// Thresholds of the operator's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // the levels' names say it
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Starts both logs; once a process. From then on `tracing`'s events and panics are lines of the operator's log.
///
/// # Errors
/// No thread can be started, a stream cannot be had, or `tracing` has a subscriber already.
pub fn start(options: &Options) -> io::Result<Observe> {
    let observe = Observe::to(io::stdout(), io::stderr(), options)?;
    operator::install(observe.operator.clone(), options)?;
    Ok(observe)
}

/// Both logs, running.
#[derive(Debug)]
pub struct Observe {
    access: Option<AccessLog>,
    operator: Arc<Writer>,
}

impl Observe {
    /// Both logs, on streams of the caller's choice, which are duplicated. The process stays as it is: `tracing` and panics
    /// do not come here.
    ///
    /// # Errors
    /// No thread can be started, or a stream cannot be had.
    pub fn to(requests: impl AsFd, operator: impl AsFd, options: &Options) -> io::Result<Self> {
        let start =
            |name, stream: BorrowedFd<'_>| Writer::start(name, stream.try_clone_to_owned()?, options.format);
        let operator = Arc::new(start("operator-log", operator.as_fd())?);
        let access = if options.requests {
            Some(AccessLog::new(start("access-log", requests.as_fd())?, options))
        } else {
            None
        };
        Ok(Self { access, operator })
    }

    /// Logs one finished request, unless requests are not logged or this path is not. Never waits.
    pub fn log(&self, record: &Record) {
        if let Some(access) = &self.access {
            access.log(record);
        }
    }

    /// Waits until both logs have written what they were given, `limit` at most; blocks the thread. For the way out:
    /// the threads that write end with the process.
    pub fn flush(&self, limit: Duration) {
        let began = Instant::now();
        self.operator.flush(limit);
        if let Some(access) = &self.access {
            access.writer.flush(limit.saturating_sub(began.elapsed()));
        }
    }
}

#[derive(Debug)]
struct AccessLog {
    writer: Writer,
    format: Format,
    skip: Vec<String>,
}

/// What a thread that logs requests keeps from one line to the next.
#[derive(Default)]
struct Scratch {
    line: Vec<u8>,
    stamp: time::Stamp,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl AccessLog {
    fn new(writer: Writer, options: &Options) -> Self {
        Self { writer, format: options.format, skip: options.skip.clone() }
    }

    fn log(&self, record: &Record) {
        /// A thread keeps no more for its next line.
        const KEPT_BYTES: usize = 8 << 10;
        if self.skip.iter().any(|path| path.as_bytes() == record.target.path()) {
            return;
        }
        SCRATCH.with_borrow_mut(|Scratch { line, stamp }| {
            line.clear();
            access::line(line, record, self.format, stamp);
            self.writer.send(line);
            line.shrink_to(KEPT_BYTES);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{BufRead, BufReader, pipe},
        net::Ipv4Addr,
        time::SystemTime,
    };

    #[test]
    fn requests_are_logged_but_for_the_paths_to_skip() {
        let skip = vec!["/up".to_owned(), "/health".to_owned()];
        let options = Options { requests: true, skip, format: Format::Combined, level: Level::Info };
        let (reader, stream) = pipe().unwrap();
        let access = AccessLog::new(Writer::start("test", stream, options.format).unwrap(), &options);
        for target in ["/up", "/up/", "/up?a", "/upper", "/", "/health", "/?/up"] {
            access.log(&Record::unread(target.into(), Ipv4Addr::LOCALHOST.into(), SystemTime::UNIX_EPOCH));
        }
        drop(access);
        let lines = BufReader::new(reader).lines().map(Result::unwrap);
        let logged: Vec<_> = lines.map(|line| line.split('"').nth(1).unwrap().to_owned()).collect();
        assert_eq!(logged, ["/up/", "/upper", "/", "/?/up"]);
    }
}
