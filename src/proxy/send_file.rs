//! The file that the worker names in place of a body (`X-Sendfile`).

use super::{body::Source, failure::Failure};
use crate::message::{Headers, Response};
use crate::{
    cache::Origin,
    files::{
        self, OpenError, OpenFile, content_type, etag, last_modified, open_cached, open_named,
        open_named_cached,
    },
    message::{encoding::Encoding, file::NamedFile, hop, representation::has_body},
    upstream::ResponseBody,
};
use http::{HeaderValue, StatusCode, header};
use std::{os::unix::ffi::OsStrExt, path::Path, sync::Arc};
use tokio::task::spawn_blocking;

/// The file that the worker's response names, which is to be its body; the name never goes on.
///
/// # Errors
/// There is no such file, or it must not be sent.
pub(super) async fn resolve<B>(
    response: &mut Response<B>,
    options: &Arc<files::Options>,
) -> Result<Option<OpenFile>, Failure> {
    let status = response.status();
    let headers = response.headers_mut();
    let name = headers.remove(&options.send_file_header.name);
    let mut trailers = headers.get_all(header::TRAILER);
    if trailers.any(|trailer| hop::lists(trailer, options.send_file_header.name.as_str())) {
        // What is not announced is not sent behind the body.
        headers.remove(header::TRAILER);
    }
    let Some(name) = name.filter(|_| options.send_file && has_body(status)) else { return Ok(None) };
    // In a box: most responses name none.
    let file = Box::pin(open(name, options.clone())).await?;
    if response.status() == StatusCode::PARTIAL_CONTENT {
        // All of it is here: what of it is sent is for us to say.
        *response.status_mut() = StatusCode::OK;
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_RANGE);
        if headers.get(header::CONTENT_TYPE).is_some_and(is_of_parts) {
            headers.remove(header::CONTENT_TYPE);
        }
    }
    let status = response.status();
    describe(response.headers_mut(), status, file.named());
    Ok(Some(file))
}

/// The worker's response with its body, which may be a file.
pub(super) fn with_body(response: Response<ResponseBody>, file: Option<OpenFile>) -> Response<Source> {
    response.map(|worker| file.map_or_else(|| Source::Worker(worker), Source::from))
}

/// The type of several parts, which is not the file's (RFC 9110 §14.6).
fn is_of_parts(kind: &HeaderValue) -> bool {
    const PARTS: &[u8] = b"multipart/byteranges";
    kind.as_bytes().get(..PARTS.len()).is_some_and(|start| start.eq_ignore_ascii_case(PARTS))
}

/// Opens the file of something stored anew.
///
/// # Errors
/// It is not what it was.
pub(super) async fn reopen(origin: &Origin, options: &Arc<files::Options>) -> Result<OpenFile, OpenError> {
    let Some(named) = origin.files().first().cloned() else { return Err(OpenError::Missing) };
    let file = match open_cached(&named.path, &options.send_file_roots) {
        Some(file) => file,
        None => {
            let (path, options) = (named.path.clone(), options.clone());
            let opened = spawn_blocking(move || files::open(&path, &options.send_file_roots));
            opened.await.unwrap_or(Err(OpenError::Missing))?
        }
    };
    // Otherwise the file has changed, or another has its name.
    if *file.named() == named { Ok(file) } else { Err(OpenError::Missing) }
}

async fn open(name: HeaderValue, options: Arc<files::Options>) -> Result<OpenFile, Failure> {
    if let Some(file) = open_named_cached(&name, &options.send_file_roots) {
        return Ok(file);
    }
    let shown = String::from_utf8_lossy(name.as_bytes()).into_owned();
    let opened = spawn_blocking(move || open_named(&name, &options.send_file_roots)).await;
    let opened = opened.map_err(|_| Failure::Panic)?;
    opened.map_err(|error| {
        tracing::warn!(file = shown, %error, "the worker has named a file that cannot be sent");
        error.into()
    })
}

/// What the worker has not said of the file.
fn describe(headers: &mut Headers, status: StatusCode, file: &NamedFile) {
    // That of the worker's own body, which is empty.
    headers.remove(header::CONTENT_LENGTH);
    if !headers.contains_key(header::CONTENT_TYPE)
        && let Some(kind) = kind(headers, &file.path)
    {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    if status != StatusCode::OK {
        return;
    }
    if !headers.contains_key(header::LAST_MODIFIED)
        && let Some(modified) = last_modified(file)
    {
        headers.insert(header::LAST_MODIFIED, modified);
    }
    headers.insert_if_absent(header::ETAG, || etag(file));
    headers.insert_if_absent(header::ACCEPT_RANGES, || HeaderValue::from_static("bytes"));
}

/// The type of what is in the file: of `application.js.gz` that of the script, if the worker says that it is encoded.
fn kind(headers: &Headers, path: &Path) -> Option<HeaderValue> {
    let name = path.file_name()?.as_bytes();
    let is_encoding = |encoding: &Encoding| name.ends_with(encoding.extension().as_bytes());
    if headers.contains_key(header::CONTENT_ENCODING) && Encoding::ALL.iter().any(is_encoding) {
        content_type(&path.with_extension(""))
    } else {
        content_type(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

    #[test]
    fn the_type_is_that_of_what_is_in_the_file() {
        for (path, encoding, expected) in [
            ("/a/app.js", None, Some(JAVASCRIPT)),
            ("/a/app.js.gz", None, Some("application/gzip")),
            ("/a/app.js.gz", Some("gzip"), Some(JAVASCRIPT)),
            ("/a/app.js.br", Some("br"), Some(JAVASCRIPT)),
            ("/a/app.js.zst", Some("zstd"), Some(JAVASCRIPT)),
            // Its name says nothing of the encoding.
            ("/a/app.js", Some("gzip"), Some(JAVASCRIPT)),
            ("/a.js/app", None, None),
            ("/a.js/app.gz", Some("gzip"), None),
            ("/", None, None),
        ] {
            let fields: Vec<_> = encoding.iter().map(|encoding| ("content-encoding", *encoding)).collect();
            let found = kind(&Headers::of(&fields), Path::new(path));
            assert_eq!(found, expected.map(HeaderValue::from_static), "{path} {encoding:?}");
        }
    }

    #[test]
    fn the_worker_has_the_first_word() {
        let modified = UNIX_EPOCH + Duration::from_secs(784_903_526);
        let file = NamedFile { path: "/a/app.js".into(), length: 5, modified, changed: 0, inode: (0, 0) };
        let own = [
            ("content-type", JAVASCRIPT),
            ("last-modified", "Tue, 15 Nov 1994 12:45:26 GMT"),
            ("etag", "W/\"5-ae489992a2e7c00\""),
            ("accept-ranges", "bytes"),
        ];
        let told =
            [("content-type", "a/b"), ("last-modified", "x"), ("etag", "y"), ("accept-ranges", "none")];
        for (status, response, expected) in [
            (200, &[][..], &own[..]),
            (200, &[("content-length", "0")], &own),
            (200, &told, &told),
            (404, &[("content-length", "0")], &own[..1]),
            (404, &told, &told),
        ] {
            let mut headers = Headers::of(response);
            describe(&mut headers, StatusCode::from_u16(status).unwrap(), &file);
            assert_eq!(headers, Headers::of(expected), "{status} {response:?}");
        }
    }
}
