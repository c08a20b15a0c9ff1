//! The worker's process: started, signalled, watched, reaped.

mod limits;
mod signals;
mod socket;
mod worker;

pub use limits::FileLimit;
pub use signals::{Event, Signals};
pub use socket::SocketPath;
pub use worker::{SpawnError, Worker, exit_code, reap};

use std::{ffi::OsString, path::PathBuf, time::Duration};

/// The command and how it is told where to listen.
#[derive(Debug, Clone)]
pub struct Options {
    /// Program and arguments, passed on untouched; never empty.
    pub command: Vec<OsString>,
    /// The port the worker is to listen on, unless it has a socket: its `PORT` and `THRUST_WORKER_PORT`.
    pub port: u16,
    /// The Unix socket it is to listen on instead, where one was asked for: its `THRUST_WORKER_SOCKET`.
    pub socket: Option<PathBuf>,
}

/// The Unix socket that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Socket {
    /// Pick a path in a new folder that only this user can reach.
    Auto,
    /// This path.
    Path(PathBuf),
}

/// How long stopping may take.
#[derive(Debug, Clone, Copy)]
pub struct Shutdown {
    /// After TERM, go on serving this long before draining.
    pub delay: Duration,
    /// Draining and the worker's own end together; KILL at its end.
    pub timeout: Duration,
}
