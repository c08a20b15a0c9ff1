//! Why a request was answered as it was, in words, and what to change: for who asks with `X-Thrust-Explain` on this very
//! machine. Such a request makes the whole journey like any other, and what was decided is written down on the way
//! ([`Trace`]); only its answer is another one. The words of each part are in `cache`, `form` and `file`, and its reasons
//! have the names that the log and `Cache-Status` give them.

mod cache;
mod file;
mod form;
mod reasons;
mod text;

use super::{Proxy, body::Source, exchange::Answer, failure::Failure};
use crate::message::{Headers, Request, Response};
use crate::{
    cache::{Entry, Status},
    message::{ConnectionInfo, forwarded},
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header};
use http_body::Body;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Asks for an explanation, and in a response says that it is one.
const EXPLAIN: HeaderName = HeaderName::from_static("x-thrust-explain");

/// Whether the request wants its answer explained, and comes from this machine. A proxy on the same machine passes on what
/// strangers ask for: it is known by what it adds, or by HTTP/1.0, which some speak that add nothing. A HEAD has no room
/// for words.
pub(super) fn is_asked<B>(connection: &ConnectionInfo, request: &Request<B>) -> bool {
    let headers = request.headers();
    (connection.peer.is_loopback() || connection.peer == connection.local.ip())
        && headers.contains_key(EXPLAIN)
        && request.version() >= Version::HTTP_11
        && *request.method() != Method::HEAD
        && !headers.keys().any(|name| forwarded::names_another(name.as_str()))
}

/// What is decided for one request.
pub(super) struct Trace {
    method: Method,
    uri: Uri,
    /// The request's fields, without those that stay here.
    headers: Headers,
    cache: Option<Status>,
    is_public: bool,
    found: Option<Found>,
    failure: Option<Failed>,
}

/// The response before the form is chosen in which it leaves.
enum Found {
    /// The worker's, or a file of the public folder.
    Response { status: StatusCode, headers: Headers, length: Option<u64>, file: Option<PathBuf> },
    /// What is stored.
    Entry(Arc<Entry>),
}

/// A [`Found`], whichever it is.
struct Before<'a> {
    status: StatusCode,
    headers: &'a Headers,
    length: Option<u64>,
    file: Option<&'a Path>,
}

struct Failed {
    reason: &'static str,
    file: Option<Finding>,
}

/// What one part has to say.
#[derive(Debug, Clone)]
struct Finding {
    /// In short, in the words of the log.
    said: String,
    /// In a sentence or two.
    why: String,
    /// What to change; nothing where it is as it should be.
    change: &'static str,
}

impl Finding {
    fn new(said: impl Into<String>, why: impl Into<String>, change: &'static str) -> Self {
        Self { said: said.into(), why: why.into(), change }
    }
}

impl Trace {
    /// Of a request whose untrusted claims are gone already.
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            cache: None,
            is_public: false,
            found: None,
            failure: None,
        }
    }

    /// What the cache did.
    pub(super) fn cached(&mut self, status: &Status) {
        self.cache = Some(*status);
    }

    /// A file of the public folder is the answer.
    pub(super) fn public_file(&mut self) {
        self.is_public = true;
    }

    /// This is stored, and is the answer.
    pub(super) fn found(&mut self, entry: &Arc<Entry>) {
        self.found = Some(Found::Entry(entry.clone()));
    }

    /// This response is the answer, in whatever form.
    pub(super) fn came(&mut self, response: &Response<Source>) {
        let file = match response.body() {
            Source::File(body) => Some(body.file().named().path.clone()),
            _ => None,
        };
        let (status, headers) = (response.status(), response.headers().clone());
        self.found =
            Some(Found::Response { status, headers, length: response.body().size_hint().exact(), file });
    }

    /// There is no answer but that something has failed.
    pub(super) fn failed(&mut self, failure: &Failure) {
        let file = match failure {
            Failure::File(error) => Some(file::refused(error)),
            _ => None,
        };
        self.failure = Some(Failed { reason: failure.reason(), file });
    }

    fn before(&self) -> Option<Before<'_>> {
        Some(match self.found.as_ref()? {
            Found::Response { status, headers, length, file } => {
                Before { status: *status, headers, length: *length, file: file.as_deref() }
            }
            Found::Entry(entry) => Before {
                status: entry.head().status(),
                headers: entry.head().headers(),
                length: Some(entry.body().length()),
                file: entry.origin().and_then(|origin| Some(origin.files().first()?.path.as_path())),
            },
        })
    }

    fn entry(&self) -> Option<&Entry> {
        match &self.found {
            Some(Found::Entry(entry)) => Some(entry),
            _ => None,
        }
    }
}

impl Proxy {
    /// The words in place of an answer. What has switched to another protocol stays as it is. A body that is not read any
    /// further is stored all the same, if it is to be.
    pub(super) fn explanation(&self, trace: Trace, answer: Answer) -> Answer {
        if answer.switched.is_some() {
            return answer;
        }
        let parts = [
            ("cache", cache::finding(&trace, &self.cache)),
            ("encoding", form::finding(&trace, &answer.response, &self.encode)),
            ("file", file::finding(&trace, &self.files)),
        ];
        let text = text::of(&trace, &answer.response, &parts);
        let mut response = Response::new(Source::Bytes(Bytes::from(text)));
        for (name, value) in [
            (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            (EXPLAIN, "1"),
        ] {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        // After a request that failed there may be none that can be trusted: the connection ends all the same.
        let end = answer.response.headers().get(header::CONNECTION).cloned();
        response.headers_mut().extend(end.map(|end| (header::CONNECTION, end)));
        response.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Scheme;

    #[test]
    fn who_may_ask() {
        const ASK: &str = "x-thrust-explain: 1";
        for (peer, method, version, fields, expected) in [
            ("127.0.0.1", "GET", Version::HTTP_11, &[ASK][..], true),
            ("127.8.0.1", "GET", Version::HTTP_11, &[ASK], true),
            ("[::1]", "GET", Version::HTTP_2, &[ASK], true),
            ("[::ffff:127.0.0.1]", "POST", Version::HTTP_11, &[ASK], true),
            ("10.0.0.9", "GET", Version::HTTP_11, &[ASK], true),
            ("127.0.0.1", "GET", Version::HTTP_11, &[ASK, "x-forwarded-proto: https", "cookie: a"], true),
            ("127.0.0.1", "GET", Version::HTTP_11, &[], false),
            ("127.0.0.1", "HEAD", Version::HTTP_11, &[ASK], false),
            ("127.0.0.1", "GET", Version::HTTP_10, &[ASK], false),
            ("10.0.0.1", "GET", Version::HTTP_11, &[ASK], false),
            ("192.168.1.1", "GET", Version::HTTP_11, &[ASK, "x-forwarded-for: 127.0.0.1"], false),
            ("127.0.0.1", "GET", Version::HTTP_11, &[ASK, "x-forwarded-for: 127.0.0.1"], false),
            ("127.0.0.1", "GET", Version::HTTP_11, &[ASK, "forwarded: for=127.0.0.1"], false),
            ("127.0.0.1", "GET", Version::HTTP_11, &[ASK, "x-real-ip: 127.0.0.1"], false),
            ("127.0.0.1", "GET", Version::HTTP_11, &[ASK, "via: 1.1 proxy"], false),
        ] {
            let connection = ConnectionInfo::new(
                format!("{peer}:5").parse().unwrap(),
                "10.0.0.9:3000".parse().unwrap(),
                Scheme::Http,
            );
            let mut request = http::Request::builder().method(method).version(version);
            for field in fields {
                let (name, value) = field.split_once(": ").unwrap();
                request = request.header(name, value);
            }
            let asked = is_asked(&connection, &request.body(()).unwrap().into());
            assert_eq!(asked, expected, "{peer} {method} {version:?} {fields:?}");
        }
    }
}
