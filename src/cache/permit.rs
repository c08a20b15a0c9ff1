//! The right to fetch, and the duty to settle what is stored then.

use super::{
    CacheKey, Content, Entry, Head, Reason, Shared,
    filling::{Collector, Limits, Reader, Share},
    flight::Leader,
    head,
    origin::Origin,
    policy::Asked,
    status::{Forward, Source, Status},
};
use crate::message::{BodyError, Headers, Response, cache_control::RequestControl, request::Parts, response};
use bytes::Bytes;
use http::{StatusCode, header};
use http_body::Body;
use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

/// Held by whoever asks the worker for something that may be stored. Dropped, it releases those who wait for it.
pub struct Permit {
    pub(super) shared: Arc<Shared>,
    pub(super) key: CacheKey,
    pub(super) control: RequestControl,
    /// What is stored, and to be validated.
    pub(super) stored: Option<Arc<Entry>>,
    pub(super) forward: Forward,
    /// Where others may wait.
    pub(super) leader: Option<Leader>,
    /// The request is for a part, and goes to the worker as such: only of a file is the whole there.
    pub(super) is_partial: bool,
    pub(super) began: Instant,
}

/// What becomes of a response.
pub enum Kept<B> {
    /// The answer is this stored response.
    Stored(Arc<Entry>, Status),
    /// The answer is the response itself.
    Passed(Response<Passed<B>>, Status),
}

/// The body of a response that is passed on.
pub enum Passed<B> {
    /// As it comes from the worker.
    Straight(B),
    /// While it is being stored.
    Shared(Reader<B>),
}

impl Permit {
    /// Whether others may wait for it.
    pub fn leads(&self) -> bool {
        self.leader.is_some()
    }

    /// The files that what is stored comes from, if it does.
    pub fn origin(&self) -> Option<&Origin> {
        self.stored.as_ref()?.origin()
    }

    /// A request's fields as they are to be sent to have validated what is stored; `None` where nothing can be.
    pub fn conditional(&self, request: &Headers) -> Option<Headers> {
        let stored = self.stored.as_ref().filter(|stored| stored.has_validator())?;
        let mut conditional = request.clone();
        stored.make_conditional(&mut conditional);
        Some(conditional)
    }

    /// What may be served because the worker has failed (RFC 5861 §4): with this status, or without an answer.
    pub fn on_error(&self, status: Option<StatusCode>) -> Option<(Arc<Entry>, Status)> {
        let now = Instant::now();
        let entry =
            self.stored.as_ref().filter(|stored| stored.is_usable_on_error(&self.control, status, now))?;
        let status = Status { forward_status: status, ..self.served() };
        Some((entry.clone(), status))
    }

    /// Whether a 304 is about what is stored (RFC 9111 §4.3.4).
    pub fn is_confirmed_by(&self, not_modified: &Headers) -> bool {
        self.stored.as_ref().is_some_and(|stored| stored.is_confirmed_by(not_modified))
    }

    /// What is stored is no good: it is forgotten.
    pub fn withdraw(&mut self) {
        if let Some(stored) = self.stored.take() {
            self.shared.store.forget(self.key.clone(), &stored);
        }
    }

    /// The worker says that what is stored is still good (RFC 9111 §4.3.4), in answer to a request that was made conditional.
    /// `None` where nothing was stored.
    pub fn renew(
        self,
        request: &Parts,
        sent: SystemTime,
        not_modified: &Headers,
    ) -> Option<(Arc<Entry>, Status)> {
        let stored = self.stored.clone()?;
        let now = Instant::now();
        let options = &self.shared.options;
        let (renewed, storable) = stored.renewed(&asked(request, sent), not_modified, now, options);
        let renewed = Arc::new(renewed);
        let status = Status {
            forward_status: Some(StatusCode::NOT_MODIFIED),
            stored: storable.is_ok(),
            reason: storable.err(),
            ..self.served()
        };
        match storable {
            Ok(()) => self.land(renewed.clone()),
            Err(reason) => self.turn_down(reason),
        }
        Some((renewed, status))
    }

    /// Stores a response if it may be stored, while it goes to the client. It is judged by the request as it was before the
    /// worker's own fields were added. Hop-by-hop fields must be gone from the response;
    /// `has_length` says whether its end can be told from its breaking off.
    pub fn keep<B>(
        self,
        request: &Parts,
        sent: SystemTime,
        response: Response<B>,
        has_length: bool,
    ) -> Kept<B>
    where
        B: Body<Data = Bytes, Error = BodyError> + Unpin + Send + 'static,
    {
        let arrived = Instant::now();
        let status = Status::forwarded(Some(self.forward));
        let options = &self.shared.options;
        let (mut parts, body) = response.into_parts();
        let head = match self.is_partial {
            true => Err(Reason::Range),
            false => self.judge(request, sent, &parts, body.size_hint().exact()),
        };
        let head = head.and_then(|head| if has_length { Ok(head) } else { Err(Reason::NoLength) });
        let limits = Limits { largest: options.largest_item, budget: self.shared.budget.clone() };
        let begun = match head {
            Ok(head) => Collector::begin(body, limits).map(|(collector, reader)| (head, collector, reader)),
            Err(reason) => Err((body, reason)),
        };
        match begun {
            Ok((head, collector, reader)) => {
                head::strip_cookies(&mut parts.headers);
                // One response has one date, whoever gets it (RFC 9110 §6.6.1).
                if let Some(date) = head.headers().get(header::DATE) {
                    parts.headers.insert_if_absent(header::DATE, || date.clone());
                }
                self.store(head, arrived, collector);
                let response = Response::from_parts(parts, Passed::Shared(reader));
                Kept::Passed(response, Status { stored: true, ..status })
            }
            Err((body, reason)) => {
                Kept::Passed(Response::from_parts(parts, Passed::Straight(body)), self.decline(reason))
            }
        }
    }

    /// What is stored of a response's head if it may be stored.
    ///
    /// # Errors
    /// Why it may not.
    pub fn judge(
        &self,
        request: &Parts,
        sent: SystemTime,
        response: &response::Parts,
        length: Option<u64>,
    ) -> Result<Head, Reason> {
        let asked = asked(request, sent);
        Head::new(&asked, response.status, &response.headers, length, &self.shared.options)
    }

    /// Room for a body of so many bytes, to be taken before it is read; `None` if it may not be kept in memory, or if there is
    /// none now.
    pub fn room_for(&self, bytes: u64) -> Option<Share> {
        self.shared.room_for(bytes)
    }

    /// Stores a response whose body is that of a file: the bytes that were read, or only where the file is.
    pub fn keep_file(mut self, head: Head, body: Option<Bytes>, origin: Origin) -> (Arc<Entry>, Status) {
        let body = body.map_or(Content::File(origin.length()), Content::Memory);
        if !head.is_reusable() {
            self.leader = None;
        }
        let entry = Arc::new(Entry::of_file(head, body, origin, Instant::now()));
        let status = Status { stored: true, ..Status::forwarded(Some(self.forward)) };
        self.land(entry.clone());
        (entry, status)
    }

    /// A response is not to be stored; what the client is told.
    pub fn decline(self, reason: Reason) -> Status {
        let status = Status { reason: Some(reason), ..Status::forwarded(Some(self.forward)) };
        self.turn_down(reason);
        status
    }

    /// Stores a response once its body is complete, whoever may have left by then.
    fn store<B>(mut self, head: Head, arrived: Instant, mut collector: Collector<B>)
    where
        B: Body<Data = Bytes, Error = BodyError> + Unpin + Send + 'static,
    {
        self.shared.uncacheable.clear(&self.key);
        if head.is_reusable() {
            self.leader.iter().for_each(|leader| leader.promise(head.selector()));
        } else {
            // Everybody has to ask for themselves: nobody waits.
            self.leader = None;
        }
        let entry = move |body| Arc::new(Entry::new(head, body, arrived));
        if collector.is_empty() {
            return collector.complete(None, |body| self.land(entry(body)));
        }
        tokio::spawn(async move {
            match collector.gather().await {
                Ok(trailers) => collector.complete(trailers, |body| self.land(entry(body))),
                Err(reason) => {
                    tracing::debug!(key = ?self.key, reason = reason.name(), "not stored");
                    self.turn_down(reason);
                }
            }
        });
    }

    /// Stores it, and serves whoever waits.
    fn land(self, entry: Arc<Entry>) {
        let Self { shared, key, leader, began, .. } = self;
        let invalidated = || shared.invalidated.may_be_marked(&key, began);
        if !shared.store.put(key.clone(), entry.clone(), || !invalidated()) {
            return;
        }
        // Somebody may have marked it meanwhile.
        shared.uncacheable.clear(&key);
        if let Some(leader) = leader {
            leader.land(entry);
        }
    }

    /// Releases whoever waits, sees to it that nobody waits for the next response in vain, and that what the worker no
    /// longer wants stored does not come back.
    fn turn_down(mut self, reason: Reason) {
        if reason.withdraws() {
            self.withdraw();
        }
        // A mark says that there is nothing to look for, either.
        if reason.is_lasting() && self.shared.store.get(&self.key).is_none() {
            self.shared.uncacheable.mark(&self.key, Instant::now());
        }
    }

    fn served(&self) -> Status {
        Status { source: Source::Stored, ..Status::forwarded(Some(self.forward)) }
    }
}

fn asked(request: &Parts, sent: SystemTime) -> Asked<'_> {
    let target = CacheKey::target_of(&request.uri);
    Asked { target, headers: &request.headers, sent, answered: SystemTime::now() }
}

#[cfg(test)]
mod tests;
