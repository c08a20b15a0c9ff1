//! Files that are sent in place of the worker's bodies (`X-Sendfile`), and those of the public folder.
//!
//! What a path leads to is decided in `open.rs`, once, for all of them. Whatever touches a disk here blocks, but for
//! [`FileBody`], which takes care of that itself, and [`open_cached`], which gives up instead.

mod absent;
mod body;
mod kind;
mod name;
mod open;
mod public;

pub use body::{FileBody, Piece};
pub use kind::{content_type, etag, last_modified};
pub use name::{open_named, open_named_cached};
pub use open::{OpenError, OpenFile, open, open_cached};
pub use public::{Found, PublicFolder, plain};

use http::{HeaderName, HeaderValue};
use std::path::PathBuf;

/// The name of a field, also as it was written: applications compare it letter by letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldName {
    /// The name.
    pub name: HeaderName,
    /// As it was written.
    pub spelled: HeaderValue,
}

/// Which files are sent.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether the file is sent that the worker names.
    pub send_file: bool,
    /// The response field that names it; it never leaves.
    pub send_file_header: FieldName,
    /// Only files under these folders are sent, whatever symbolic links say; none is no limit.
    pub send_file_roots: Vec<PathBuf>,
    /// Files of this folder are served without asking the worker.
    pub public: Option<PathBuf>,
}
