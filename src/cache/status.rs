//! What the cache did, as clients (`X-Cache`, `Cache-Status`) and the log are told.

use super::Reason;
pub use crate::message::prepared::CACHE_STATUS;
use crate::message::{Headers, prepared::HIT};
use http::{HeaderName, HeaderValue, StatusCode};
use std::io::Write;

/// Thruster's field: `hit`, `miss` or `bypass`.
pub const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// How a request was answered (RFC 9211).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Where the answer comes from.
    pub source: Source,
    /// Why the worker was asked; `None` where it was not.
    pub forward: Option<Forward>,
    /// The status that the worker gave, where it is not the one that is sent.
    pub forward_status: Option<StatusCode>,
    /// Whether the answer is being stored.
    pub stored: bool,
    /// Whether another request's fetch was waited for.
    pub collapsed: bool,
    /// Why nothing was stored, or nothing stored was used.
    pub reason: Option<Reason>,
}

/// Where a body comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Memory.
    Stored,
    /// The worker.
    Worker,
}

/// Why the worker was asked (RFC 9211 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// The cache is not for such requests.
    Bypass,
    /// Nor for such methods.
    Method,
    /// Nothing is stored for this URL.
    UriMiss,
    /// What is stored for this URL does not fit the request.
    VaryMiss,
    /// It would, but the client wants the worker to be asked.
    Request,
    /// It is stale.
    Stale,
}

impl Status {
    /// An answer from memory, without asking the worker.
    pub fn hit() -> Self {
        Self { source: Source::Stored, ..Self::forwarded(None) }
    }

    /// A request that the cache has no part in.
    pub fn bypass(reason: Reason) -> Self {
        let forward = if reason == Reason::Method { Forward::Method } else { Forward::Bypass };
        Self { reason: Some(reason), ..Self::forwarded(Some(forward)) }
    }

    /// An answer of the worker's.
    pub fn forwarded(forward: Option<Forward>) -> Self {
        Self {
            source: Source::Worker,
            forward,
            forward_status: None,
            stored: false,
            collapsed: false,
            reason: None,
        }
    }

    /// In one word, which is Thruster's: `hit`, `miss` or `bypass`.
    pub fn word(&self) -> &'static str {
        match (self.source, self.forward) {
            (Source::Stored, _) => "hit",
            (Source::Worker, Some(Forward::Bypass | Forward::Method)) => "bypass",
            (Source::Worker, _) => "miss",
        }
    }

    /// Writes `X-Cache`, and adds to `Cache-Status` what this cache did, behind what caches nearer to the origin did.
    pub fn write(&self, headers: &mut Headers) {
        headers.insert(X_CACHE, HeaderValue::from_static(self.word()));
        headers.append(CACHE_STATUS, self.value(None));
    }

    /// The value of `Cache-Status`, with the seconds for which what is served is still fresh, if it is stored.
    pub fn value(&self, ttl: Option<i64>) -> HeaderValue {
        let mut text = [0; LONGEST];
        let mut rest = &mut text[..];
        match self.forward {
            None => put(&mut rest, [HIT]),
            Some(forward) => put(&mut rest, ["thrust; fwd=", forward.name()]),
        }
        if let Some(status) = self.forward_status {
            put(&mut rest, ["; fwd-status=", status.as_str()]);
        }
        if let Some(ttl) = ttl {
            put(&mut rest, ["; ttl=", itoa::Buffer::new().format(ttl)]);
        }
        if self.stored {
            put(&mut rest, ["; stored"]);
        }
        if self.collapsed {
            put(&mut rest, ["; collapsed"]);
        }
        if let Some(reason) = self.reason {
            put(&mut rest, ["; detail=", reason.name()]);
        }
        let length = LONGEST - rest.len();
        // Words, digits and punctuation are a value.
        HeaderValue::from_bytes(&text[..length]).unwrap_or_else(|_| HeaderValue::from_static("thrust"))
    }
}

/// Room for the longest value of `Cache-Status`.
const LONGEST: usize = 160;

fn put<const N: usize>(rest: &mut &mut [u8], words: [&str; N]) {
    for word in words {
        // There is room for all of them.
        let _ = rest.write_all(word.as_bytes());
    }
}

impl Forward {
    fn name(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Request => "request",
            Self::Stale => "stale",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_are_told() {
        let miss = Status::forwarded(Some(Forward::UriMiss));
        for (status, word, ttl, value) in [
            (Status::hit(), "hit", Some(376), "thrust; hit; ttl=376"),
            (Status::hit(), "hit", Some(-3), "thrust; hit; ttl=-3"),
            (Status::bypass(Reason::Method), "bypass", None, "thrust; fwd=method; detail=method"),
            (Status::bypass(Reason::Range), "bypass", None, "thrust; fwd=bypass; detail=range"),
            (Status { stored: true, ..miss }, "miss", None, "thrust; fwd=uri-miss; stored"),
            (
                Status { reason: Some(Reason::Private), ..miss },
                "miss",
                None,
                "thrust; fwd=uri-miss; detail=private",
            ),
            (
                Status { source: Source::Stored, collapsed: true, ..miss },
                "hit",
                None,
                "thrust; fwd=uri-miss; collapsed",
            ),
            (
                Status {
                    source: Source::Stored,
                    forward_status: Some(StatusCode::NOT_MODIFIED),
                    stored: true,
                    ..Status::forwarded(Some(Forward::Stale))
                },
                "hit",
                Some(60),
                "thrust; fwd=stale; fwd-status=304; ttl=60; stored",
            ),
        ] {
            assert_eq!((status.word(), status.value(ttl)), (word, HeaderValue::from_static(value)));
        }
    }

    #[test]
    fn there_is_room_for_everything_at_once() {
        let status = Status {
            source: Source::Stored,
            forward: Some(Forward::VaryMiss),
            forward_status: Some(StatusCode::NOT_MODIFIED),
            stored: true,
            collapsed: true,
            reason: Some(Reason::RequestNoStore),
        };
        let value = status.value(Some(i64::MIN));
        assert!(value.as_bytes().ends_with(b"; detail=request-no-store"), "{value:?}");
    }

    #[test]
    fn caches_nearer_to_the_origin_come_first() {
        let mut headers = Headers::new();
        headers.insert("cache-status", HeaderValue::from_static("origin; hit"));
        headers.insert("x-cache", HeaderValue::from_static("MISS"));
        Status::bypass(Reason::Head).write(&mut headers);
        let all: Vec<_> = headers.get_all("cache-status").collect();
        assert_eq!(all, ["origin; hit", "thrust; fwd=bypass; detail=head"]);
        assert_eq!(headers.get_all("x-cache").collect::<Vec<_>>(), ["bypass"]);
    }
}
