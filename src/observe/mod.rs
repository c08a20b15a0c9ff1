//! What operators see: the access log (one line a request) and the operator's log.

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
