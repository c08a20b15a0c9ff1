//! What is said of a file beside its bytes: type, validator, date.

use crate::message::{date, file::NamedFile};
use http::HeaderValue;
use mime_guess::MimeGuess;
use std::{
    io::Write,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Where the library has no type, or not the one that browsers and registries use today.
const CORRECTED: [(&str, &str); 13] = [
    ("mjs", "text/javascript; charset=utf-8"),
    ("cjs", "text/javascript; charset=utf-8"),
    ("map", "application/json"),
    ("xml", "application/xml"),
    ("woff", "font/woff"),
    ("otf", "font/otf"),
    ("ts", "video/mp2t"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("m4a", "audio/mp4"),
    ("yml", "application/yaml"),
    ("yaml", "application/yaml"),
    ("zst", "application/zstd"),
    ("usdz", "model/vnd.usdz+zip"),
];

/// The `Content-Type` that a path's extension stands for, in any case; None where nobody knows it.
///
/// All of `text/*`, to which JavaScript belongs, is said to be UTF-8, since browsers would guess. JSON has no such
/// parameter (RFC 8259 §11), and XML and SVG say it themselves.
pub fn content_type(path: &Path) -> Option<HeaderValue> {
    let extension = path.extension()?.to_str()?;
    let corrected = CORRECTED.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension));
    if let Some((_, kind)) = corrected {
        return Some(HeaderValue::from_static(kind));
    }
    let kind = match MimeGuess::from_ext(extension).first_raw()? {
        "text/html" => "text/html; charset=utf-8",
        "text/css" => "text/css; charset=utf-8",
        "text/javascript" | "application/javascript" => "text/javascript; charset=utf-8",
        "text/plain" => "text/plain; charset=utf-8",
        "text/csv" => "text/csv; charset=utf-8",
        "text/markdown" => "text/markdown; charset=utf-8",
        "text/xml" => "application/xml",
        rare if rare.starts_with("text/") => {
            return HeaderValue::try_from(format!("{rare}; charset=utf-8")).ok();
        }
        other => other,
    };
    Some(HeaderValue::from_static(kind))
}

/// A weak validator made of size and modification time: a file whose time was set back after a change of the same length
/// keeps it (RFC 9110 §8.8.1).
pub fn etag(named: &NamedFile) -> HeaderValue {
    let mut text = [0; 64];
    let mut rest = &mut text[..];
    let nanoseconds = named.modified.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_nanos();
    // Two numbers of at most 16 and 24 digits: there is always room.
    let _ = write!(rest, "W/\"{:x}-{nanoseconds:x}\"", named.length);
    let left = rest.len();
    let written = &text[..text.len() - left];
    HeaderValue::from_bytes(written).unwrap_or(HeaderValue::from_static("W/\"0\""))
}

/// When the file was changed last, if that is over: a date that is still to come must not be told (RFC 9110 §8.8.2.1).
pub fn last_modified(named: &NamedFile) -> Option<HeaderValue> {
    (named.modified <= SystemTime::now()).then(|| date::format(named.modified))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn types_of_the_web() {
        for (extensions, kind) in [
            ("js mjs cjs", "text/javascript; charset=utf-8"),
            ("css", "text/css; charset=utf-8"),
            ("html htm", "text/html; charset=utf-8"),
            ("txt log", "text/plain; charset=utf-8"),
            ("csv", "text/csv; charset=utf-8"),
            ("md", "text/markdown; charset=utf-8"),
            ("ics", "text/calendar; charset=utf-8"),
            ("vtt", "text/vtt; charset=utf-8"),
            ("json map", "application/json"),
            ("xml", "application/xml"),
            ("svg", "image/svg+xml"),
            ("wasm", "application/wasm"),
            ("webmanifest", "application/manifest+json"),
            ("woff2", "font/woff2"),
            ("woff", "font/woff"),
            ("ttf", "font/ttf"),
            ("otf", "font/otf"),
            ("eot", "application/vnd.ms-fontobject"),
            ("webp", "image/webp"),
            ("avif", "image/avif"),
            ("png", "image/png"),
            ("jpg jpeg", "image/jpeg"),
            ("gif", "image/gif"),
            ("ico", "image/x-icon"),
            ("pdf", "application/pdf"),
            ("mp4", "video/mp4"),
            ("webm", "video/webm"),
            ("ts", "video/mp2t"),
            ("mp3", "audio/mpeg"),
            ("m4a", "audio/mp4"),
            ("zip", "application/zip"),
            ("gz", "application/gzip"),
            ("zst", "application/zstd"),
        ] {
            for extension in extensions.split(' ') {
                for name in [extension.to_owned(), extension.to_uppercase()] {
                    let found = content_type(&PathBuf::from(format!("/app/v1.2/file.{name}")));
                    assert_eq!(found.unwrap(), kind, "{name}");
                }
            }
        }
    }

    #[test]
    fn what_has_no_type() {
        for path in ["/app/file", "/app/file.", "/app/.js", "/app/file.nobodyknows", "/app.js/file", "/"] {
            assert_eq!(content_type(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn validators() {
        let file = |length, nanoseconds| NamedFile {
            path: PathBuf::new(),
            length,
            modified: UNIX_EPOCH + Duration::from_nanos(nanoseconds),
            changed: 0,
            inode: (0, 0),
        };
        assert_eq!(etag(&file(255, 1_500_000_000_000_000_001)), "W/\"ff-14d1120d7b160001\"");
        assert_eq!(etag(&file(u64::MAX, u64::MAX)), "W/\"ffffffffffffffff-ffffffffffffffff\"");
        assert_ne!(etag(&file(1, 1)), etag(&file(1, 2)));
        assert_ne!(etag(&file(1, 1)), etag(&file(2, 1)));
        let old = NamedFile { modified: UNIX_EPOCH - Duration::from_secs(1), ..file(0, 0) };
        assert_eq!(etag(&old), "W/\"0-0\"");
        assert_eq!(last_modified(&file(0, 1_000_000_000)).unwrap(), "Thu, 01 Jan 1970 00:00:01 GMT");
        let later = NamedFile { modified: SystemTime::now() + Duration::from_secs(60), ..file(0, 0) };
        assert_eq!(last_modified(&later), None);
    }
}
