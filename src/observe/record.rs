//! What is known of one finished request.

use crate::message::Request;
use bytes::Bytes;
use http::{
    HeaderValue, Method, Uri, Version, header,
    uri::{Authority, PathAndQuery},
};
use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

/// The status that is logged where the client left before it was sent one: nginx's number for it.
const CLIENT_LEFT: u16 = 499;

/// One finished request: all that the access log reads. Filling it allocates nothing: its values share the request's
/// memory.
#[derive(Debug, Clone)]
pub struct Record {
    /// When the request's header had arrived.
    pub started: SystemTime,
    /// `None` where the request line could not be read.
    pub method: Option<Method>,
    /// What was asked for.
    pub target: Target,
    /// `None` where the request line could not be read, or names a version that is none.
    pub version: Option<Version>,
    /// The request's `Host`.
    pub host: Option<HeaderValue>,
    /// The client's address: the peer's, or the one that a trusted proxy named.
    pub remote: IpAddr,
    /// The request's `User-Agent`.
    pub user_agent: Option<HeaderValue>,
    /// The request's `Referer`.
    pub referer: Option<HeaderValue>,
    /// Bytes of the request's body as announced: `Some(0)` without one, `None` where its length is unknown (chunked).
    pub request_length: Option<u64>,
    /// The request's `Content-Type`.
    pub request_type: Option<HeaderValue>,
    /// The request's `X-Request-Id`, its own or the one it was given.
    pub request_id: Option<HeaderValue>,
    /// The response's status; 0 where the client left before it was sent one.
    pub status: u16,
    /// Bytes of the response's body that were sent.
    pub response_length: u64,
    /// The response's `Content-Type`.
    pub response_type: Option<HeaderValue>,
    /// What the cache did, in one word; empty where it was not asked.
    pub cache: &'static str,
    /// Why the cache did not store the response, or was not asked for it.
    pub cache_reason: Option<&'static str>,
    /// From `started` until the last byte was sent, or the client was gone.
    pub duration: Duration,
    /// How long the worker took until its response's header; `None` where it was not asked or gave none.
    pub upstream: Option<Duration>,
    /// Why it failed, if it did: `client gone`, `worker refused` …
    pub reason: Option<&'static str>,
}

impl Record {
    /// Fills in what the request says, in the place where the record stays: it is large.
    pub fn read<B: http_body::Body>(&mut self, request: &Request<B>) {
        self.method = Some(request.method().clone());
        self.target = Target::of(request.uri());
        self.version = Some(request.version());
        self.request_length = request.body().size_hint().exact();
        // In one pass: this is on every request's way, and each search would cost as much.
        for (name, value) in request.headers() {
            let slot = match *name {
                header::HOST => &mut self.host,
                header::USER_AGENT => &mut self.user_agent,
                header::REFERER => &mut self.referer,
                header::CONTENT_TYPE => &mut self.request_type,
                _ if name.as_str() == "x-request-id" => &mut self.request_id,
                _ => continue,
            };
            slot.get_or_insert_with(|| value.clone());
        }
    }

    /// The record of a request that is yet to be read, or that could not be read as HTTP: `line` is its first line, as far
    /// as it is known. Nothing was sent yet.
    pub fn unread(line: Bytes, remote: IpAddr, started: SystemTime) -> Self {
        Self {
            started,
            method: None,
            target: Target::Raw(line),
            version: None,
            host: None,
            remote,
            user_agent: None,
            referer: None,
            request_length: Some(0),
            request_type: None,
            request_id: None,
            status: 0,
            response_length: 0,
            response_type: None,
            cache: "",
            cache_reason: None,
            duration: Duration::ZERO,
            upstream: None,
            reason: None,
        }
    }

    /// The status as it is logged: 499 where none was sent.
    pub fn logged_status(&self) -> u16 {
        if self.status == 0 { CLIENT_LEFT } else { self.status }
    }

    /// When the request was finished. Lines are logged at this moment, so that their times follow each other.
    pub fn finished(&self) -> SystemTime {
        self.started.checked_add(self.duration).unwrap_or(self.started)
    }
}

/// What a request asked for, as it was sent (nothing is decoded).
#[derive(Debug, Clone)]
pub enum Target {
    /// Of a request that was read.
    Path(PathAndQuery),
    /// Of one that was refused before: the target, or the whole request line where it has no clear parts.
    Raw(Bytes),
}

impl Target {
    /// Of the absolute form only what follows the authority is kept.
    fn of(uri: &Uri) -> Self {
        match (uri.path_and_query(), uri.authority()) {
            (Some(path), _) => Self::Path(path.clone()),
            (None, authority) => {
                Self::Raw(Bytes::copy_from_slice(authority.map_or("", Authority::as_str).as_bytes()))
            }
        }
    }

    /// Everything before the first `?`.
    pub fn path(&self) -> &[u8] {
        match self {
            Self::Path(path) => path.path().as_bytes(),
            Self::Raw(raw) => &raw[..question_mark(raw).unwrap_or(raw.len())],
        }
    }

    /// Everything behind the first `?`.
    pub fn query(&self) -> Option<&[u8]> {
        match self {
            Self::Path(path) => path.query().map(str::as_bytes),
            Self::Raw(raw) => question_mark(raw).map(|at| &raw[at + 1..]),
        }
    }
}

fn question_mark(raw: &[u8]) -> Option<usize> {
    memchr::memchr(b'?', raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{Empty, Full, StreamBody};
    use std::net::Ipv4Addr;

    const REMOTE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn record<B: http_body::Body>(request: &Request<B>) -> Record {
        let mut record = Record::unread(Bytes::new(), REMOTE, SystemTime::UNIX_EPOCH);
        record.read(request);
        record
    }

    fn target(target: &Target) -> (&str, Option<&str>) {
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        (text(target.path()), target.query().map(text))
    }

    #[test]
    fn targets_are_split_at_the_first_question_mark() {
        for (sent, path, query) in [
            ("/", "/", None),
            ("/a%20b?", "/a%20b", Some("")),
            ("/a?b=1?c", "/a", Some("b=1?c")),
            ("*", "*", None),
            ("example.com:443", "example.com:443", None),
        ] {
            assert_eq!(target(&Target::of(&sent.parse().unwrap())), (path, query));
            assert_eq!(target(&Target::Raw(sent.into())), (path, query));
        }
        assert_eq!(target(&Target::of(&"http://example.com/a?b".parse().unwrap())), ("/a", Some("b")));
    }

    #[test]
    fn the_request_half_comes_from_the_request() {
        let request = http::Request::post("/a").header("host", "example.com").header("x-request-id", "7");
        let request = request.body(Full::new(Bytes::from_static(b"four"))).unwrap().into();
        let record = record(&request);
        assert_eq!(record.method, Some(Method::POST));
        assert_eq!(record.version, Some(Version::HTTP_11));
        assert_eq!(record.host.unwrap(), "example.com");
        assert_eq!(record.request_id.unwrap(), "7");
        assert_eq!(record.request_length, Some(4));
        assert_eq!((record.status, record.response_length), (0, 0));
    }

    #[test]
    fn no_body_and_one_of_unknown_length_are_told_apart() {
        let none = Request::new(Empty::<Bytes>::new());
        assert_eq!(record(&none).request_length, Some(0));
        let chunks = tokio_stream::empty::<Result<http_body::Frame<Bytes>, std::io::Error>>();
        let unknown = Request::new(StreamBody::new(chunks));
        assert_eq!(record(&unknown).request_length, None);
    }

    #[test]
    fn a_client_that_left_early_is_logged_as_such() {
        let record = Record::unread(Bytes::new(), REMOTE, SystemTime::UNIX_EPOCH);
        assert_eq!(record.logged_status(), 499);
        assert_eq!(Record { status: 200, ..record }.logged_status(), 200);
    }
}
