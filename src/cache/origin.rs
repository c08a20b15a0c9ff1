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

    /// Whether it is time to look if they are still the same. Only the first who asks is told so; the others go on with what
    /// was seen last.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_looks_again_each_second() {
        let opened = Instant::now();
        let origin = Origin::new([], opened);
        // A request that began before the file was opened comes last here, as it does.
        for (after, due) in [
            (0, false),
            (999, false),
            (1000, true),
            (1000, false),
            (1999, false),
            (2500, true),
            (3400, false),
            (3500, true),
        ] {
            assert_eq!(origin.is_due(opened + Duration::from_millis(after)), due, "{after} ms");
        }
        assert!(!origin.is_due(opened - Duration::from_secs(5)));
    }
}
