//! What the tables in the tests of this module are written in.

use super::{
    Cache, CacheKey, Content, Entry, Options,
    head::Head,
    policy::{Asked, Freshness, freshness},
    reason::Reason,
};
use crate::message::{
    Headers,
    encoding::{Encoding, Offer},
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// When every response in these tests arrives, unless it says otherwise.
pub const NOW: &str = "Sat, 21 Nov 2026 09:14:09 GMT";

/// The same time.
pub fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_252_449)
}

/// Fields written `name: value | name: value`.
pub fn fields(text: &str) -> Headers {
    let read = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        let name = HeaderName::try_from(name.trim()).unwrap();
        (name, HeaderValue::from_bytes(value.trim().as_bytes()).unwrap())
    };
    text.split(" | ").filter(|line| !line.is_empty()).map(read).collect()
}

/// A request that is answered within no time.
pub fn asked<'a>(target: &'a str, headers: &'a Headers) -> Asked<'a> {
    Asked { target, headers, sent: now(), answered: now() }
}

/// What the policy says of a response to a request with these fields.
pub fn judge(target: &str, request: &str, status: u16, response: &str) -> Result<Freshness, Reason> {
    let status = StatusCode::from_u16(status).unwrap();
    freshness(&asked(target, &fields(request)), status, &fields(response), &["/assets/".to_owned()])
}

/// Options of a cache that offers every encoding.
pub fn options() -> Options {
    let offer = Offer::new(Encoding::ALL);
    Options { size: 1 << 20, largest_item: 1 << 20, fingerprinted: Vec::new(), offer, disable_on_auth: false }
}

/// The head of a response that can be stored.
pub fn head(request: &str, status: u16, response: &str) -> Head {
    let status = StatusCode::from_u16(status).unwrap();
    Head::new(&asked("/", &fields(request)), status, &fields(response), None, &options()).unwrap()
}

/// A stored response that arrived at this time.
pub fn entry(request: &str, status: u16, response: &str, body: &'static str, arrived: Instant) -> Entry {
    Entry::new(head(request, status, response), Bytes::from_static(body.as_bytes()), arrived)
}

/// A stored script of 2,000 bytes, which is encoded for those who accept that.
pub fn script(request: &str, response: &str) -> Entry {
    let response = format!("cache-control: max-age=60 | content-type: text/javascript | {response}");
    Entry::new(head(request, 200, &response), b"thrust.start(); ".repeat(125).into(), Instant::now())
}

/// A cache with room for many small things.
pub fn cache() -> Cache {
    Cache::new(options())
}

/// The body of something stored in memory.
pub fn bytes(entry: &Entry) -> &[u8] {
    match entry.body() {
        Content::Memory(bytes) => bytes,
        Content::File(_) => panic!("it is in a file"),
    }
}

/// A body of so many bytes that has its share of the budget, if there is room for it.
pub fn held(cache: &Cache, bytes: usize) -> Option<Bytes> {
    cache.shared.as_ref().unwrap().budget.own(vec![0; bytes].into())
}

/// The key of a target on no host.
pub fn key(target: &str) -> CacheKey {
    CacheKey::new(&Headers::new(), target)
}
