//! What is told of a file between those who open it and those who remember it.

use std::{path::PathBuf, time::SystemTime};

/// A regular file at one time: if any of this is different, it is another file, or has been changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// Where it was opened.
    pub path: PathBuf,
    /// Bytes.
    pub length: u64,
    /// When its content was changed last.
    pub modified: SystemTime,
    /// When it was changed last in any way, in nanoseconds since 1970. Nobody can set this time, as they can the other.
    pub changed: i128,
    /// The numbers of its file system and of its inode.
    pub inode: (u64, u64),
}
