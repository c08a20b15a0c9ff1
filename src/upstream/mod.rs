//! The worker, reached over TCP or a Unix socket.

use std::{path::PathBuf, time::Duration};

/// How the worker is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// This port on 127.0.0.1, then on ::1.
    Loopback(u16),
    /// A backend that something else runs, by host name or address.
    Tcp {
        /// Host name or IP address (an IPv6 address without brackets).
        host: String,
        /// TCP port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

/// How to reach the worker and how long to wait for it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens.
    pub target: Target,
    /// While it has never accepted a connection, requests wait this long; zero never waits.
    pub boot_timeout: Duration,
}
