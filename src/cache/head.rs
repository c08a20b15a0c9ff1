//! All of a stored response but its body.

use super::{
    Options,
    policy::{self, Asked, Freshness},
    reason::Reason,
    status::{CACHE_STATUS, X_CACHE},
    vary::Selector,
};
use crate::message::{
    Headers, date,
    encodable::{self, SHORTEST},
    encoding::Offer,
    prepared::Fields,
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use std::{sync::Arc, time::SystemTime};

/// All of a response that can be stored but for its body.
#[derive(Debug, Clone)]
pub struct Head {
    status: StatusCode,
    fields: Arc<Fields>,
    /// How it may be sent in an encoding.
    negotiated: Negotiated,
    selector: Selector,
    pub(super) freshness: Freshness,
}

/// Whether a response is sent in an encoding to those who accept it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Negotiated {
    No,
    Yes,
    /// And its `Vary` has been made to say so; as it came it did not.
    Told,
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
        headers: &Headers,
        length: Option<u64>,
        options: &Options,
    ) -> Result<Self, Reason> {
        let freshness = policy::freshness(asked, status, headers, &options.fingerprinted)?;
        let selector = Selector::of(headers, asked.headers).ok_or(Reason::Vary)?;
        let is_relayed = headers.contains_key(CACHE_STATUS);
        let mut headers = kept(headers, asked.answered);
        // Cookies are gone by now: what is stored is sent to everybody without them.
        let shunned = options.disable_on_auth && encodable::response_concerns_auth(&headers);
        let offer = if shunned { Offer::default() } else { options.offer };
        let negotiated = Negotiated::of(status, &mut headers, length, offer);
        let fields = Arc::new(Fields::new(headers, is_relayed));
        Ok(Self { status, fields, negotiated, selector, freshness })
    }

    /// The head of a file of so many bytes that is no response of the worker's, and is offered in these encodings.
    pub fn of_file(mut headers: Headers, length: u64, offer: Offer) -> Self {
        let negotiated = Negotiated::of(StatusCode::OK, &mut headers, Some(length), offer);
        Self {
            status: StatusCode::OK,
            fields: Arc::new(Fields::new(headers, false)),
            negotiated,
            selector: Selector::default(),
            freshness: Freshness::NONE,
        }
    }

    /// The same with what a 304 says of it (RFC 9111 §3.2, §4.3.4), for the client that caused this, and whether it may still
    /// be stored for others.
    pub fn renewed(
        &self,
        asked: &Asked,
        not_modified: &Headers,
        length: u64,
        options: &Options,
    ) -> (Self, Result<(), Reason>) {
        let mut headers = self.headers().clone();
        if self.negotiated == Negotiated::Told {
            encodable::remove_vary(&mut headers);
        }
        // It was the stored response's; this one's may be absent, and then it is young.
        headers.remove(header::DATE);
        headers.remove(header::AGE);
        if !self.fields.is_relayed() {
            headers.remove(CACHE_STATUS);
        }
        headers.insert_all(not_modified.copies(|name| !describes_body(name)).collect());
        match Self::new(asked, self.status, &headers, Some(length), options) {
            Ok(head) => (head, Ok(())),
            Err(reason) => (self.for_one(headers, length, options.offer), Err(reason)),
        }
    }

    /// The same with these fields, for the one client that gets it. Cookies are for that client.
    fn for_one(&self, mut headers: Headers, length: u64, offer: Offer) -> Self {
        let negotiated = Negotiated::of(self.status, &mut headers, Some(length), offer);
        let is_relayed = headers.contains_key(CACHE_STATUS);
        headers.retain(|name| !name.as_str().starts_with("proxy-"));
        headers.insert(X_CACHE, HeaderValue::from_static("hit"));
        Self {
            status: self.status,
            fields: Arc::new(Fields::new(headers, is_relayed)),
            negotiated,
            selector: self.selector.clone(),
            freshness: Freshness::NONE,
        }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The fields, as they are sent with a hit.
    pub fn headers(&self) -> &Headers {
        self.fields.headers()
    }

    /// The same, ready to be sent.
    pub fn fields(&self) -> &Arc<Fields> {
        &self.fields
    }

    /// Which requests it fits.
    pub fn selector(&self) -> &Selector {
        &self.selector
    }

    /// Whether it is of use to anybody but the one who asked.
    pub fn is_reusable(&self) -> bool {
        self.freshness.is_reusable()
    }

    /// Whether a body of so many bytes is sent in an encoding to those who accept it. One that came in pieces may have
    /// turned out too short.
    pub fn is_encodable(&self, length: u64) -> bool {
        self.negotiated != Negotiated::No && length >= SHORTEST
    }

    /// Bytes of memory that it holds.
    pub fn weight(&self) -> usize {
        weight_of(&self.fields) + self.selector.weight()
    }
}

impl Negotiated {
    /// Whether a response with these fields is, which then say so. `length` in bytes, if it is known.
    fn of(status: StatusCode, headers: &mut Headers, length: Option<u64>, offer: Offer) -> Self {
        if offer.is_empty() || !encodable::is_encodable(status, headers, length) {
            Self::No
        } else if encodable::add_vary(headers) {
            Self::Told
        } else {
            Self::Yes
        }
    }
}

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

/// Bytes of memory that a header holds.
pub fn weight_of(fields: &Fields) -> usize {
    /// What a field costs beside its bytes; those of a name that is not in the standards are in a piece of memory.
    const FIELD: usize = size_of::<(HeaderName, HeaderValue)>() + 16;
    /// What it takes to share the lines with the log, which names the type that is in them.
    const SHARING: usize = 48;
    let names = fields.headers().keys().map(|name| name.as_str().len() + FIELD);
    size_of::<Fields>() + names.sum::<usize>() + fields.lines().len() + SHARING
}

/// Room for fields that are not the worker's: `Date`, `Age`, `X-Cache`, `Cache-Status`, `Vary`.
const PLACES: usize = 5;

/// The fields worth keeping, with places for what hits are told. A response without a date gets the one of its arrival
/// (RFC 9110 §6.6.1).
pub(super) fn kept(headers: &Headers, answered: SystemTime) -> Headers {
    let mut kept = Headers::with_capacity(headers.len() + PLACES);
    kept.extend(headers.copies(is_stored));
    kept.insert_if_absent(header::DATE, || date::format(answered));
    kept.append(header::AGE, HeaderValue::from_static("0"));
    kept.append(X_CACHE, HeaderValue::from_static("hit"));
    kept.insert_if_absent(CACHE_STATUS, || HeaderValue::from_static("thrust"));
    kept
}

/// Takes the cookies out of a response that is for everybody: the first visitor does not get them either.
pub fn strip_cookies(headers: &mut Headers) {
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
