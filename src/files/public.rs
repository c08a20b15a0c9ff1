//! The public folder: what Rails' own file server (`ActionDispatch::FileHandler`) would send.
//!
//! Differences: no name that begins with a dot is served, but for `.well-known`; `..` in a path is not resolved but is
//! such a name too; and what links lead out of the folder to is not there.

use super::{
    absent::Absent,
    kind::content_type,
    open::{OpenError, OpenFile, open},
};
use crate::message::encoding::Encoding;
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use std::{
    borrow::Cow,
    fs,
    path::{Path, PathBuf, absolute},
    time::Instant,
};

/// What a file without a known type is sent as.
const UNKNOWN: &str = "text/plain";

/// A folder whose files anybody may have.
#[derive(Debug)]
pub struct PublicFolder {
    /// As the roots that files are opened under.
    folder: [PathBuf; 1],
    absent: Absent,
}

/// A file of the public folder.
#[derive(Debug, Clone)]
pub struct Found {
    /// The file itself.
    pub file: OpenFile,
    /// Its `Content-Type`: `text/plain` where it is unknown, as Rails says.
    pub kind: HeaderValue,
    /// The same content encoded, from the files beside it: in the order of [`Encoding::ALL`].
    pub siblings: [Option<OpenFile>; Encoding::ALL.len()],
}

/// The path that a request target names in the folder: decoded, with one slash before each component and none at the end, so
/// that all spellings of it are one. What follows a `?` does not count. `None` where it is no path, or none for files.
pub fn plain(target: &str) -> Option<Cow<'_, str>> {
    let path = target.split('?').next().filter(|path| path.starts_with('/'))?;
    let is_plain = !path.ends_with('/') && !["%", "//", "/."].iter().any(|part| path.contains(part));
    if is_plain {
        return Some(Cow::Borrowed(path));
    }
    let decoded = percent_decode_str(path).decode_utf8().ok()?;
    let mut plain = String::with_capacity(decoded.len());
    for component in decoded.split('/').filter(|component| !component.is_empty()) {
        let is_well_known = plain.is_empty() && component == ".well-known";
        if component.contains('\0') || (component.starts_with('.') && !is_well_known) {
            return None;
        }
        plain.push('/');
        plain.push_str(component);
    }
    Some(Cow::Owned(plain))
}

/// The names in the folder that a [`plain`] path may stand for, in the order in which they are tried: the path itself, a
/// page of that name, the index of a folder of that name. Where the path has an extension of a known type it stands for
/// itself alone.
fn candidates(path: &str) -> [Option<String>; 3] {
    match path.strip_prefix('/').unwrap_or(path) {
        "" => [None, None, Some("index.html".to_owned())],
        path if content_type(Path::new(path)).is_some() => [Some(path.to_owned()), None, None],
        path => {
            let (page, index) = (format!("{path}.html"), format!("{path}/index.html"));
            [Some(path.to_owned()), Some(page), Some(index)]
        }
    }
}

impl PublicFolder {
    /// This folder, which may come to be later.
    pub fn new(folder: &Path) -> Self {
        // Only a working directory that was removed has no name.
        let folder = absolute(folder).unwrap_or_else(|_| folder.to_owned());
        Self { folder: [folder], absent: Absent::new(Instant::now()) }
    }

    /// Whether a [`plain`] path was looked for in vain within the last second.
    pub fn is_known_to_lack(&self, path: &str, now: Instant) -> bool {
        self.absent.is_known(path, now)
    }

    /// The file that a [`plain`] path stands for, if there is one that can be read; asks the disk. Whether the method is
    /// GET or HEAD is the caller's to know.
    pub fn find(&self, path: &str) -> Option<Found> {
        let Some(name) = self.existing(path) else {
            self.absent.remember(path, Instant::now());
            return None;
        };
        let file = self.open(&name)?;
        let kind = content_type(&file.named().path).unwrap_or(HeaderValue::from_static(UNKNOWN));
        let siblings = Encoding::ALL.map(|encoding| self.sibling(&file, encoding));
        Some(Found { file, kind, siblings })
    }

    /// The first of the names that a path may stand for that is a file at first sight.
    fn existing(&self, path: &str) -> Option<String> {
        let [path, page, index] = candidates(path);
        let there = path.as_ref().map_or(There::Folder, |path| self.look(path));
        // Without the folder there is no need to look for what is in it.
        let index = index.filter(|_| there == There::Folder);
        let others = [page, index].into_iter().flatten();
        path.filter(|_| there == There::File)
            .or_else(|| others.into_iter().find(|name| self.look(name) == There::File))
    }

    fn sibling(&self, file: &OpenFile, encoding: Encoding) -> Option<OpenFile> {
        let mut name = file.named().path.clone().into_os_string();
        name.push(encoding.extension());
        self.open_existing(&name)
    }

    /// Opening takes a dozen system calls, finding out that there is nothing to open only one.
    fn open_existing(&self, name: &(impl AsRef<Path> + ?Sized)) -> Option<OpenFile> {
        (self.look(name) == There::File).then(|| self.open(name))?
    }

    fn look(&self, name: &(impl AsRef<Path> + ?Sized)) -> There {
        match fs::metadata(self.folder[0].join(name)) {
            Ok(found) if found.is_file() => There::File,
            Ok(found) if found.is_dir() => There::Folder,
            _ => There::Nothing,
        }
    }

    fn open(&self, name: &(impl AsRef<Path> + ?Sized)) -> Option<OpenFile> {
        let path = self.folder[0].join(name);
        match open(&path, &self.folder) {
            Ok(file) => Some(file),
            Err(OpenError::Missing) => None,
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "a public file is not sent");
                None
            }
        }
    }
}

/// What a name stands for at first sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum There {
    File,
    Folder,
    Nothing,
}

#[cfg(test)]
mod tests;
