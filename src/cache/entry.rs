//! One stored response.

use super::{
    policy::{self, Asked, Freshness, Use},
    reason::Reason,
    status::{CACHE_STATUS, Status, X_CACHE},
    told::Told,
    vary::Selector,
};
use crate::message::{cache_control::RequestControl, conditional, date, hop};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::time::{Duration, Instant, SystemTime};

/// A complete response, kept for everybody whose request it fits.
#[derive(Debug)]
pub struct Entry {
    head: Head,
    body: Bytes,
    /// When its header arrived, and `freshness.initial_age` began to grow.
    arrived: Instant,
    told: Told,
}

/// All of a response that can be stored but for its body.
#[derive(Debug, Clone)]
pub struct Head {
    status: StatusCode,
    /// With room for what every hit is told: cloned and then enlarged, a map would be allocated twice.
    headers: HeaderMap,
    /// Whether caches nearer to the origin have said something of themselves.
    is_relayed: bool,
    selector: Selector,
    freshness: Freshness,
}

impl Head {
    /// The head of a response as it is stored: without what concerned one connection or one visitor only. Hop-by-hop fields
    /// must be gone already.
    ///
    /// # Errors
    /// Why it may not be stored.
    pub fn new(
        asked: &Asked,
        status: StatusCode,
        headers: &HeaderMap,
        folders: &[String],
    ) -> Result<Self, Reason> {
        let freshness = policy::freshness(asked, status, headers, folders)?;
        let selector = Selector::of(headers, asked.headers).ok_or(Reason::Vary)?;
        let is_relayed = headers.contains_key(CACHE_STATUS);
        Ok(Self { status, headers: compact(headers, asked.answered), is_relayed, selector, freshness })
    }

    /// The same with these fields, for the one client that gets it. Cookies are for that client.
    fn for_one(&self, mut headers: HeaderMap) -> Self {
        let is_relayed = headers.contains_key(CACHE_STATUS);
        hop::retain(&mut headers, |name| !name.as_str().starts_with("proxy-"));
        headers.insert(X_CACHE, HeaderValue::from_static("hit"));
        Self { headers, is_relayed, freshness: Freshness::NONE, ..self.clone() }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The fields, as they are sent with a hit.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Which requests it fits.
    pub fn selector(&self) -> &Selector {
        &self.selector
    }

    /// Whether it is of use to anybody but the one who asked.
    pub fn is_reusable(&self) -> bool {
        self.freshness.is_reusable()
    }
}

impl Entry {
    /// A response whose body is complete.
    pub fn new(head: Head, body: Bytes, arrived: Instant) -> Self {
        Self { head, body, arrived, told: Told::default() }
    }

    /// Everything but the body.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Whether its header arrived later than the other's.
    pub fn arrived_after(&self, other: &Self) -> bool {
        self.arrived > other.arrived
    }

    /// `current_age` (RFC 9111 §4.2.3).
    pub fn age(&self, now: Instant) -> Duration {
        self.head.freshness.initial_age + now.saturating_duration_since(self.arrived)
    }

    /// Seconds for which it is still fresh at this age, or below zero for which it has been stale.
    pub fn ttl(&self, age: Duration) -> i64 {
        self.head.freshness.lifetime.as_secs() as i64 - age.as_secs() as i64
    }

    /// Whether it may be used without being validated, if nobody wants otherwise.
    pub fn is_fresh(&self, now: Instant) -> bool {
        !self.head.freshness.always_validate && self.head.freshness.lifetime > self.age(now)
    }

    /// Whether the worker can be asked if it is still good.
    pub fn has_validator(&self) -> bool {
        policy::has_validator(&self.head.headers)
    }

    /// Writes what only now can be said into a header made from the stored one: its age, which is told of a young response too
    /// (RFC 9111 §5.1), and what the cache did.
    pub fn tell(&self, headers: &mut HeaderMap, status: &Status, now: Instant) {
        let age = self.age(now);
        let ttl = self.ttl(age);
        let (age, plain_hit) = self.told.at(age.as_secs(), ttl);
        headers.insert(header::AGE, age);
        let status = if status.forward.is_none() { plain_hit } else { status.value(Some(ttl)) };
        if self.head.is_relayed {
            headers.append(CACHE_STATUS, status);
        } else {
            headers.insert(CACHE_STATUS, status);
        }
    }

    /// What may be done with it for a request that says this (RFC 9111 §4.2, §5.2.1).
    pub fn use_for(&self, control: &RequestControl, now: Instant) -> Use {
        self.head.freshness.use_for(control, self.age(now))
    }

    /// Whether it may be served because the worker has failed: with this status, or by giving no answer at all.
    pub fn is_usable_on_error(
        &self,
        control: &RequestControl,
        status: Option<StatusCode>,
        now: Instant,
    ) -> bool {
        self.head.freshness.is_usable_on_error(control, status, self.age(now))
    }

    /// Adds its validators to a request that shall validate it (RFC 9111 §4.3.1), in place of the client's own conditions;
    /// whether it has any.
    pub fn make_conditional(&self, request: &mut HeaderMap) -> bool {
        if !self.has_validator() {
            return false;
        }
        conditional::ask_for_all(request);
        for (field, condition) in VALIDATORS {
            if let Some(value) = self.head.headers.get(field) {
                request.insert(condition, value.clone());
            }
        }
        true
    }

    /// Whether a 304 can be about this response: the entity-tag that it names is this one's (RFC 9111 §4.3.4). A strong one must be
    /// the very same.
    pub fn is_confirmed_by(&self, not_modified: &HeaderMap) -> bool {
        match (not_modified.get(header::ETAG), self.head.headers.get(header::ETAG)) {
            (Some(named), Some(own)) => {
                let (named, own) = (named.as_bytes().trim_ascii(), own.as_bytes().trim_ascii());
                conditional::weak_eq(named, own) && (named == own || named.starts_with(b"W/"))
            }
            _ => true,
        }
    }

    /// The same response with what a 304 says of it (RFC 9111 §3.2, §4.3.4), for the client that caused this, and whether it
    /// may still be stored for others.
    pub fn renewed(
        &self,
        asked: &Asked,
        not_modified: &HeaderMap,
        arrived: Instant,
        folders: &[String],
    ) -> (Self, Result<(), Reason>) {
        let mut headers = self.head.headers.clone();
        // It was the stored response's; this one's may be absent, and then it is young.
        headers.remove(header::DATE);
        headers.remove(header::AGE);
        if !self.head.is_relayed {
            headers.remove(CACHE_STATUS);
        }
        for name in not_modified.keys().filter(|name| !describes_body(name)) {
            headers.remove(name);
            for value in not_modified.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        let (head, storable) = match Head::new(asked, self.head.status, &headers, folders) {
            Ok(head) => (head, Ok(())),
            Err(reason) => (self.head.for_one(headers), Err(reason)),
        };
        (Self::new(head, self.body.clone(), arrived), storable)
    }

    /// Bytes of memory that it holds.
    pub fn weight(&self) -> usize {
        /// What a field costs beside its bytes: its slots in the map, twice over as maps grow by doubling.
        const FIELD: usize = 2 * (size_of::<HeaderName>() + size_of::<HeaderValue>() + 24);
        let headers: usize =
            self.head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD).sum();
        size_of::<Self>() + headers + self.head.selector.weight() + self.body.len()
    }
}

/// What a response is validated by, and the condition that asks for it.
const VALIDATORS: [(HeaderName, HeaderName); 2] =
    [(header::ETAG, header::IF_NONE_MATCH), (header::LAST_MODIFIED, header::IF_MODIFIED_SINCE)];

/// Fields that a 304 does not change, since they describe the stored body (RFC 9111 §3.2).
fn describes_body(name: &HeaderName) -> bool {
    [
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::ETAG,
        header::TRANSFER_ENCODING,
    ]
    .contains(name)
        || name == "content-md5"
}

/// The fields worth keeping, their values in one piece of memory: as they came, each holds on to the whole buffer that it
/// was read into. A response without a date gets the one of its arrival (RFC 9110 §6.6.1).
fn compact(headers: &HeaderMap, answered: SystemTime) -> HeaderMap {
    let kept = || headers.iter().filter(|(name, _)| is_stored(name));
    let mut values = BytesMut::with_capacity(kept().map(|(_, value)| value.len()).sum());
    let mut compact = HeaderMap::with_capacity(kept().count() + 4);
    for (name, value) in kept() {
        values.extend_from_slice(value.as_bytes());
        let bytes = values.split().freeze();
        // What was a value is one.
        let value = HeaderValue::from_maybe_shared(bytes).unwrap_or_else(|_| value.clone());
        compact.append(name, value);
    }
    compact.entry(header::DATE).or_insert_with(|| date::format(answered));
    compact.insert(header::AGE, HeaderValue::from_static("0"));
    compact.insert(X_CACHE, HeaderValue::from_static("hit"));
    compact.entry(CACHE_STATUS).or_insert(HeaderValue::from_static("thrust"));
    compact
}

/// Takes the cookies out of a response that is for everybody: the first visitor does not get them either.
pub fn strip_cookies(headers: &mut HeaderMap) {
    for name in policy::SET_COOKIE {
        headers.remove(name);
    }
}

/// Whether a field is kept: not a visitor's cookie, not what is between us and the worker (RFC 9111 §3.1), not what says
/// something of the body's way here, and not `Age`, which is counted from here on.
fn is_stored(name: &HeaderName) -> bool {
    !matches!(*name, header::AGE | header::CONTENT_LENGTH | header::TRAILER)
        && *name != X_CACHE
        && !policy::SET_COOKIE.contains(name)
        && !name.as_str().starts_with("proxy-")
}

#[cfg(test)]
mod tests;
