//! What is not for the cache is passed on as if there were none, but for a look at its response.

use super::{
    CacheKey, Reason, Shared,
    policy::{self, Asked},
    status::{Forward, Status},
    vary::Selector,
};
use crate::message::{Headers, Response, field};
use http::header;
use std::{sync::Arc, time::SystemTime};

/// Held by whoever asks the worker for something whose last response was not for the cache.
pub struct Watch {
    shared: Arc<Shared>,
    key: CacheKey,
    /// The request had credentials: its response says nothing of others.
    authorized: bool,
}

impl Watch {
    pub(super) fn new(shared: &Arc<Shared>, key: CacheKey, request: &Headers) -> Self {
        let authorized = request.contains_key(header::AUTHORIZATION);
        Self { shared: shared.clone(), key, authorized }
    }

    /// Looks at the response to a request that came in at `asked_at`. If one like it is stored, the next one will be. This one
    /// is not: to pass it on costs so little because nothing was kept of its request. Where the body `is_file`, it is stored
    /// whatever its size.
    pub fn see<B>(self, response: &Response<B>, is_file: bool, asked_at: SystemTime) -> Status {
        let reason = self.judge(response, is_file, asked_at).err().unwrap_or_else(|| {
            self.shared.uncacheable.clear(&self.key);
            Reason::Remembered
        });
        Status { reason: Some(reason), ..Status::forwarded(Some(Forward::UriMiss)) }
    }

    /// Whether such a response is stored whoever asks; in doubt it is not, and is passed on until it is forgotten.
    fn judge<B>(&self, response: &Response<B>, is_file: bool, asked_at: SystemTime) -> Result<(), Reason> {
        let (nobody, headers) = (Headers::new(), response.headers());
        // When it was answered is not known as exactly as where it is stored, and need not be.
        let (sent, answered) = (asked_at, asked_at);
        let asked = Asked { target: self.key.target(), headers: &nobody, sent, answered };
        let options = &self.shared.options;
        let freshness = policy::freshness(&asked, response.status(), headers, &options.fingerprinted)?;
        Selector::of(headers, &nobody).ok_or(Reason::Vary)?;
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| field::number(length.as_bytes()));
        match length {
            _ if self.authorized => Err(Reason::Authorization),
            Some(length) if length > options.largest_item && !is_file => Err(Reason::TooLarge),
            None if !is_file => Err(Reason::Remembered),
            _ if freshness.is_reusable() => Ok(()),
            _ => Err(Reason::Remembered),
        }
    }
}
