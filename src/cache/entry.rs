//! One stored response.

use super::{
    Options,
    forms::{Form, Forms},
    head::{Head, weight_of},
    origin::Origin,
    policy::{self, Asked, Use},
    reason::Reason,
    status::{CACHE_STATUS, Source, Status, X_CACHE},
};
use crate::{
    message::{
        Headers, cache_control::RequestControl, conditional, encoding::Encoding, etag, prepared::Aged,
    },
    pages,
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use std::time::{Duration, Instant};

/// A complete response, kept for everybody whose request it fits.
#[derive(Debug)]
pub struct Entry {
    head: Head,
    body: Content,
    /// The file that the body comes from, if it does.
    origin: Option<Origin>,
    /// Where the body can be had in encodings.
    forms: Option<Box<Forms>>,
    /// When its header arrived, and `freshness.initial_age` began to grow.
    arrived: Instant,
}

/// Where a stored body is.
#[derive(Debug, Clone)]
pub enum Content {
    /// In memory.
    Memory(Bytes),
    /// Only in the file of its origin, of so many bytes.
    File(u64),
}

impl Entry {
    /// A response whose body is complete.
    pub fn new(head: Head, body: Bytes, arrived: Instant) -> Self {
        Self::of(head, Content::Memory(body), None, arrived)
    }

    /// A response whose body is that of a file: these bytes, or the file itself.
    pub fn of_file(head: Head, body: Content, origin: Origin, arrived: Instant) -> Self {
        Self::of(head, body, Some(origin), arrived)
    }

    fn of(head: Head, body: Content, origin: Option<Origin>, arrived: Instant) -> Self {
        let in_memory = matches!(body, Content::Memory(_));
        let forms = (in_memory && head.is_encodable(body.length())).then(Box::default);
        Self { head, body, origin, forms, arrived }
    }

    /// The same with these bodies in encodings, which somebody has put beside the file, each with the fields in which it differs.
    /// `Vary` must tell of them already.
    pub fn with_given(mut self, forms: impl IntoIterator<Item = (Encoding, Headers, Bytes)>) -> Self {
        self.forms = Some(Box::new(Forms::given(self.head.fields(), forms)));
        self
    }

    /// Everything but the body.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The body.
    pub fn body(&self) -> &Content {
        &self.body
    }

    /// The file that the body comes from, if it does.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Whether the file that the body comes from is to be opened before this is used: each time where it is the body, and
    /// otherwise now and then.
    pub fn is_to_be_looked_at(&self, now: Instant) -> bool {
        let is_file = matches!(self.body, Content::File(_));
        self.origin.as_ref().is_some_and(|origin| is_file || origin.is_due(now))
    }

    /// The encodings in which the body lies ready, where there can be any.
    pub fn forms(&self) -> Option<&Forms> {
        self.forms.as_deref()
    }

    /// Whether the body is encoded for those who accept that. What somebody else has encoded may lie ready all the same.
    pub fn is_encodable(&self) -> bool {
        self.head.is_encodable(self.body.length())
    }

    /// Has the body lie ready in an encoding, too; `None` if that is not worth it.
    pub fn add_form(&self, encoding: Encoding, body: Option<Bytes>) {
        if let Some(forms) = &self.forms {
            forms.fill(encoding, body.map(|body| Form::new(self.head.fields(), encoding, body)));
        }
    }

    /// The same until something better is added.
    pub fn add_form_for_now(&self, encoding: Encoding, body: Bytes) {
        if let Some(forms) = &self.forms {
            forms.fill_for_now(encoding, Form::new(self.head.fields(), encoding, body));
        }
    }

    /// Whether the other one's body is this very one.
    pub fn shares_body_with(&self, other: &Self) -> bool {
        match (&self.body, &other.body) {
            (Content::Memory(one), Content::Memory(other)) => {
                one.as_ptr() == other.as_ptr() && one.len() == other.len()
            }
            _ => false,
        }
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
        policy::has_validator(self.head.headers())
    }

    /// Writes what only now can be said into a header made from the stored one: its age, which is told of a young response too
    /// (RFC 9111 §5.1), and what the cache did.
    pub fn tell(&self, headers: &mut Headers, status: &Status, now: Instant) {
        if status.source == Source::Worker {
            return self.tell_of_worker(headers, status);
        }
        let aged = self.aged(now);
        headers.insert(header::AGE, HeaderValue::from(aged.age));
        self.add_status(headers, status.value(Some(aged.ttl)));
    }

    /// What a plain hit is told of its age.
    pub fn aged(&self, now: Instant) -> Aged {
        let age = self.age(now);
        Aged { age: age.as_secs(), ttl: self.ttl(age) }
    }

    /// The same where it is stored only now: it goes out as any other response of the worker's.
    fn tell_of_worker(&self, headers: &mut Headers, status: &Status) {
        headers.remove(header::AGE);
        headers.insert(X_CACHE, HeaderValue::from_static(status.word()));
        self.add_status(headers, status.value(None));
    }

    /// Behind what caches nearer to the origin have said.
    fn add_status(&self, headers: &mut Headers, status: HeaderValue) {
        if self.head.fields().is_relayed() {
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
    pub fn make_conditional(&self, request: &mut Headers) -> bool {
        if !self.has_validator() {
            return false;
        }
        conditional::ask_for_all(request);
        for (field, condition) in VALIDATORS {
            if let Some(value) = self.head.headers().get(field) {
                request.insert(condition, value.clone());
            }
        }
        true
    }

    /// Whether a 304 can be about this response: the entity-tag that it names is this one's (RFC 9111 §4.3.4). A strong one must be
    /// the very same.
    pub fn is_confirmed_by(&self, not_modified: &Headers) -> bool {
        match (not_modified.get(header::ETAG), self.head.headers().get(header::ETAG)) {
            (Some(named), Some(own)) => {
                let (named, own) = (named.as_bytes().trim_ascii(), own.as_bytes().trim_ascii());
                etag::weak_eq(named, own) && (named == own || named.starts_with(b"W/"))
            }
            _ => true,
        }
    }

    /// The same response with what a 304 says of it (RFC 9111 §3.2, §4.3.4), for the client that caused this, and whether it
    /// may still be stored for others.
    pub fn renewed(
        &self,
        asked: &Asked,
        not_modified: &Headers,
        arrived: Instant,
        options: &Options,
    ) -> (Self, Result<(), Reason>) {
        let (head, storable) = self.head.renewed(asked, not_modified, self.body.length(), options);
        let origin = self.origin.as_ref().map(|origin| Origin::new(origin.files(), arrived));
        let mut renewed = Self::of(head, self.body.clone(), origin, arrived);
        if let (Some(forms), Some(old)) = (&mut renewed.forms, &self.forms) {
            **forms = old.renewed(renewed.head.fields());
        }
        (renewed, storable)
    }

    /// Bytes of memory that it holds.
    pub fn weight(&self) -> usize {
        let body = match &self.body {
            Content::Memory(bytes) => bytes.len(),
            Content::File(_) => 0,
        };
        let origin = self.origin.as_ref().map_or(0, Origin::weight);
        let form = |form: Form| weight_of(&form.fields) + pages::memory_of(&form.body);
        let forms = self.forms.as_ref();
        let forms = forms.map_or(0, |forms| size_of::<Forms>() + forms.iter().map(form).sum::<usize>());
        size_of::<Self>() + self.head.weight() + body + origin + forms
    }
}

impl Content {
    /// Bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(length) => *length,
        }
    }
}

/// What a response is validated by, and the condition that asks for it.
const VALIDATORS: [(HeaderName, HeaderName); 2] =
    [(header::ETAG, header::IF_NONE_MATCH), (header::LAST_MODIFIED, header::IF_MODIFIED_SINCE)];

#[cfg(test)]
mod tests;
