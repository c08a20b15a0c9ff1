//! Stored responses whose body is that of a file: what the file was, and when it was looked at last.

use crate::message::file::NamedFile;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// A change of a file is noticed within this time.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The file that a body comes from, with those beside it that hold the same in other encodings.
#[derive(Debug)]
pub struct Origin {
    files: Box<[NamedFile]>,
    opened: Instant,
    /// Milliseconds from then to the last look.
    looked: AtomicU64,
}

impl Origin {
    /// These files as they have just been found, the body's own first.
    pub fn new(files: impl Into<Box<[NamedFile]>>, opened: Instant) -> Self {
        Self { files: files.into(), opened, looked: AtomicU64::new(0) }
    }

    /// The files, the body's own first.
    pub fn files(&self) -> &[NamedFile] {
        &self.files
    }

    /// Bytes of the body.
    pub fn length(&self) -> u64 {
        self.files.first().map_or(0, |file| file.length)
    }

    /// Whether it is time to look if they are still the same. Says so to the first who asks; the others go on meanwhile.
    pub fn is_due(&self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.opened).as_millis() as u64;
        let last = self.looked.load(Ordering::Relaxed);
        since >= last + LOOK_AGAIN.as_millis() as u64
            && self.looked.compare_exchange(last, since, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Bytes of memory that it holds.
    pub fn weight(&self) -> usize {
        self.files.iter().map(|file| size_of::<NamedFile>() + file.path.as_os_str().len()).sum()
    }
}
