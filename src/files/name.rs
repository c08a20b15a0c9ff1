//! The path that a worker's `X-Sendfile` names.

use super::open::{OpenError, OpenFile, open, open_cached};
use http::HeaderValue;
use percent_encoding::percent_decode;
use std::{
    borrow::Cow,
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

/// What a value may mean, since some frameworks encode the path and others do not.
#[derive(Debug, PartialEq, Eq)]
struct Named<'a> {
    /// The value as it is.
    raw: &'a Path,
    /// The value decoded, where that makes a difference and is the same path in other letters.
    decoded: Option<PathBuf>,
}

/// Reads a value: any bytes, with an absolute path, percent-encoded or not. Where decoding made a `/`, a NUL or a
/// component `..` come into being, the value is not taken for an encoded one.
///
/// # Errors
///
/// [`OpenError::Relative`] where it does not begin with `/`, so also where it is empty.
fn named(value: &HeaderValue) -> Result<Named<'_>, OpenError> {
    let raw = value.as_bytes();
    if raw.first() != Some(&b'/') {
        return Err(OpenError::Relative);
    }
    Ok(Named { raw: Path::new(OsStr::from_bytes(raw)), decoded: decoded(raw) })
}

/// Opens the file that a value names: the one whose path it is as it stands, otherwise the one whose path it encodes.
/// `roots` and errors are those of [`open`].
pub fn open_named(value: &HeaderValue, roots: &[PathBuf]) -> Result<OpenFile, OpenError> {
    let named = named(value)?;
    match (open(named.raw, roots), named.decoded) {
        (Err(OpenError::Missing), Some(decoded)) => open(&decoded, roots),
        (opened, _) => opened,
    }
}

/// The same, if it can be had at once: the one whose path it is as it stands.
pub fn open_named_cached(value: &HeaderValue, roots: &[PathBuf]) -> Option<OpenFile> {
    open_cached(Path::new(OsStr::from_bytes(value.as_bytes())), roots)
}

fn decoded(raw: &[u8]) -> Option<PathBuf> {
    let Cow::Owned(decoded) = Cow::from(percent_decode(raw)) else { return None };
    let components = |path: &[u8], is_counted: fn(&[u8]) -> bool| {
        path.split(|byte| *byte == b'/').filter(|component| is_counted(component)).count()
    };
    let is_same = |counted| components(raw, counted) == components(&decoded, counted);
    let is_sound = is_same(|_| true) && is_same(|component| component == b"..") && !decoded.contains(&0);
    is_sound.then(|| PathBuf::from(OsString::from_vec(decoded)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn value(bytes: &[u8]) -> HeaderValue {
        HeaderValue::from_bytes(bytes).unwrap()
    }

    #[test]
    fn a_path_and_what_it_may_encode() {
        for (bytes, decoded) in [
            (&b"/app/a.txt"[..], None),
            (b"/app/a b\xc3\xa4\xff.txt", None),
            (b"/app/100%", None),
            (b"/app/100%zz", None),
            (b"/app/a%20b", Some(&b"/app/a b"[..])),
            (b"/app/%C3%A4%ff", Some(b"/app/\xc3\xa4\xff")),
            // Twice encoded is decoded once.
            (b"/app/%2525", Some(b"/app/%25")),
            (b"/app/%252e%252e/x", Some(b"/app/%2e%2e/x")),
            // A worker may well say `..` itself.
            (b"/app/../a%20b", Some(b"/app/../a b")),
            (b"/app/a%2e%2eb", Some(b"/app/a..b")),
        ] {
            let value = value(bytes);
            let named = named(&value).unwrap();
            assert_eq!(named.raw.as_os_str().as_bytes(), bytes);
            let found = named.decoded.as_ref().map(|path| path.as_os_str().as_bytes());
            assert_eq!(found, decoded, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn what_decoding_brings_into_being_is_refused() {
        for bytes in ["/app/%2e%2e/x", "/app/.%2e", "/app%2fx", "/app/%2F", "/app/x%00.txt", "/%2e%2E%2fx"] {
            assert_eq!(named(&value(bytes.as_bytes())).unwrap().decoded, None, "{bytes}");
        }
    }

    #[test]
    fn empty_and_relative_paths_are_errors() {
        for bytes in ["", "a.txt", "./a", "../a", "%2Fapp%2Fa", "~/a", "C:\\a"] {
            assert!(matches!(named(&value(bytes.as_bytes())), Err(OpenError::Relative)), "{bytes}");
        }
    }

    #[test]
    fn the_raw_name_is_tried_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let opened = |name: &str| {
            let value = value(path(name).as_os_str().as_bytes());
            open_named(&value, &[]).map(|file| file.named().path.clone()).ok()
        };
        fs::write(path("a b"), "decoded").unwrap();
        assert_eq!(opened("a%20b"), Some(path("a b")));
        assert_eq!(opened("a%20c"), None);
        fs::write(path("a%20b"), "raw").unwrap();
        assert_eq!(opened("a%20b"), Some(path("a%20b")));
        assert_eq!(opened("a b"), Some(path("a b")));
    }
}
