//! How many files may be open: a request takes up to three.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Connections, logs and the like that are no client's.
const RESERVED: u64 = 24;
/// Even where hardly any file may be open, somebody is served.
const FEWEST_CONNECTIONS: u64 = 8;

/// `RLIMIT_NOFILE`, as we were started with and as it is now.
#[derive(Debug, Clone, Copy)]
pub struct FileLimit {
    /// The soft limit that the worker is given back.
    pub original: u64,
    /// The hard limit; our own soft limit from now on.
    pub raised: u64,
}

impl FileLimit {
    /// Raises our soft limit to the hard one. Where that fails, it stays as it is.
    pub fn raise() -> Self {
        // A system that cannot tell its limit has none that we know.
        let (original, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((u64::MAX, u64::MAX));
        match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
            Ok(()) => Self { original, raised: hard },
            Err(error) => {
                tracing::debug!(%error, "cannot raise the limit of open files");
                Self { original, raised: original }
            }
        }
    }

    /// How many connections can be served if each needs another one to the worker, which then stays idle, and a file.
    pub fn connections(&self) -> usize {
        let served = self.raised.saturating_sub(RESERVED) / 3;
        usize::try_from(served.max(FEWEST_CONNECTIONS)).unwrap_or(usize::MAX)
    }

    /// Restores the limit in a child that is about to become the worker. Safe between `fork` and `exec`.
    pub(super) fn restore(&self) -> nix::Result<()> {
        setrlimit(Resource::RLIMIT_NOFILE, self.original, self.raised)
    }
}
