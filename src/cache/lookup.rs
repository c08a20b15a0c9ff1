//! What the cache has to say to a request.

use super::{
    Cache, CacheKey, Entry, Permit, Reason, Shared, Watch,
    flight::{Boarded, Follower, Leader, Waited},
    policy::Use,
    status::{Forward, Source, Status},
    store::Variants,
    vary::Selector,
};
use crate::message::{Headers, Request, cache_control::RequestControl, conditional};
use http::{Method, header};
use http_body::Body;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a key is remembered whose response was not for the cache.
const REMEMBERED: Duration = Duration::from_secs(60);

/// A request that waits for others learns by what the responses vary, and then waits once more, for one that fits it.
const MOST_WAITS: u32 = 3;

/// How a request is to be answered.
pub enum Lookup {
    /// With this. Where there is a permit it is stale, and is to be validated behind.
    Stored(Arc<Entry>, Status, Option<Box<Permit>>),
    /// By asking the worker, which may say that what is stored is still good.
    Fetch(Box<Permit>),
    /// By asking the worker, as if there were no cache: the last response was not for it.
    Pass(Watch),
    /// By asking the worker; the cache has no part in it.
    Bypass(Status),
    /// Not at all: nothing fits, and the client wants nothing else (504, RFC 9111 §5.2.1.7).
    Nothing,
    /// There is no cache.
    Off,
}

impl Cache {
    /// Finds what a request can be answered with; where somebody else is just fetching that, waits for it. Claims of the
    /// client's that are not trusted must be gone from the request.
    pub async fn look_up<B: Body>(&self, request: &Request<B>, now: Instant) -> Lookup {
        let Some(shared) = &self.shared else { return Lookup::Off };
        let control = match admit(request) {
            Ok(control) => control,
            Err(reason) => return Lookup::Bypass(Status::bypass(reason)),
        };
        let key = CacheKey::of(request);
        let (method, headers) = (request.method(), request.headers());
        let mut search =
            Search { shared, key, control, method, headers, now, varies: None, waits: MOST_WAITS };
        loop {
            let (follower, forward) = match search.step() {
                Step::Done(lookup) => return lookup,
                Step::Wait(follower, forward) => (follower, forward),
            };
            // In a box: most requests never wait, and theirs should stay small.
            let waited = Box::pin(follower.wait(search.headers)).await;
            search.now = Instant::now();
            search.waits -= 1;
            match waited {
                Waited::Landed(entry) => return search.joined(entry, forward),
                Waited::Varies(selector) => search.varies = Some(selector),
                Waited::InVain => search.waits = 0,
            }
        }
    }

    /// Forgets what this request would be answered with, since it is no longer good.
    pub fn forget<B>(&self, request: &Request<B>, entry: &Arc<Entry>) {
        if let Some(shared) = &self.shared {
            shared.store.forget(CacheKey::of(request), entry);
        }
    }
}

impl Lookup {
    /// What is stored that it can be answered with.
    pub fn entry(&self) -> Option<&Arc<Entry>> {
        match self {
            Self::Stored(entry, ..) => Some(entry),
            _ => None,
        }
    }
}

/// Whether the cache has a part in this at all; what the client says of it.
fn admit<B: Body>(request: &Request<B>) -> Result<RequestControl, Reason> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Reason::Method);
    }
    if !request.body().is_end_stream() {
        return Err(Reason::RequestBody);
    }
    if conditional::is_plain(request.headers()) {
        return Ok(RequestControl::default());
    }
    if conditional::is_for_origin(request.headers()) {
        return Err(Reason::Precondition);
    }
    let control = RequestControl::of(request.headers());
    if control.no_store { Err(Reason::RequestNoStore) } else { Ok(control) }
}

struct Search<'a> {
    shared: &'a Arc<Shared>,
    key: CacheKey,
    control: RequestControl,
    method: &'a Method,
    headers: &'a Headers,
    now: Instant,
    /// Names the fields by which a response varies that is just coming, where that is known.
    varies: Option<Selector>,
    /// How often it may still wait for somebody else.
    waits: u32,
}

enum Step {
    Done(Lookup),
    Wait(Follower, Forward),
}

impl Search<'_> {
    /// Looks at what is stored, and then at what is under way.
    fn step(&mut self) -> Step {
        // A marked key has nothing stored: most pages of an application need not be looked for.
        if !self.control.only_if_cached && self.is_remembered() {
            return Step::Done(Lookup::Pass(Watch::new(
                self.shared,
                std::mem::take(&mut self.key),
                self.headers,
            )));
        }
        let variants = match self.shared.store.get(&self.key).map(|variants| variants.select(self.headers)) {
            Some(Ok(entry)) => return self.found(entry),
            Some(Err(others)) => Some(others),
            None => None,
        };
        let forward = if variants.is_some() { Forward::VaryMiss } else { Forward::UriMiss };
        // The others that are stored are likely to vary by the same fields as what is to come.
        let newest = variants.as_ref().and_then(Variants::newest).map(|newest| newest.head().selector());
        self.fetch(None, forward, self.varies.as_ref().or(newest))
    }

    fn found(&self, entry: Arc<Entry>) -> Step {
        match entry.use_for(&self.control, self.now) {
            Use::Fresh => Step::Done(Lookup::Stored(entry, Status::hit(), None)),
            Use::WhileRevalidate => {
                // Somebody else may be validating it already, or have just done so.
                let permit = match self.board(entry.head().selector().clone()) {
                    Boarded::Leader(leader) if self.shared.store.holds(&self.key, &entry) => {
                        Some(self.permit(Some(entry.clone()), Forward::Stale, Some(leader)))
                    }
                    Boarded::Leader(_) | Boarded::Follower(_) | Boarded::Crowded => None,
                };
                Step::Done(Lookup::Stored(entry, Status::hit(), permit))
            }
            Use::Validate => {
                let forward = if entry.is_fresh(self.now) { Forward::Request } else { Forward::Stale };
                self.fetch(Some(&entry), forward, Some(entry.head().selector()))
            }
        }
    }

    /// The worker has to be asked, by this request or by another that does it already.
    fn fetch(&self, stored: Option<&Arc<Entry>>, forward: Forward, names: Option<&Selector>) -> Step {
        if self.control.only_if_cached {
            return Step::Done(Lookup::Nothing);
        }
        let validated = stored.is_some_and(|stored| stored.has_validator());
        if *self.method == Method::HEAD {
            let reason = Some(Reason::Head);
            return Step::Done(Lookup::Bypass(Status { reason, ..Status::forwarded(Some(forward)) }));
        }
        if !validated && self.headers.contains_key(header::RANGE) {
            // Nobody can wait for a part; but where it is a file's the whole is there all the same.
            let mut permit = self.permit(None, forward, None);
            permit.is_partial = true;
            return Step::Done(Lookup::Fetch(permit));
        }
        if self.must_go_alone(stored, validated, forward) {
            return Step::Done(self.alone(stored, forward));
        }
        let selector = Selector::of_names(names.into_iter().flat_map(Selector::names), self.headers);
        match self.board(selector) {
            Boarded::Leader(leader) => Step::Done(match self.just_landed() {
                Some(entry) => {
                    leader.land(entry.clone());
                    self.joined(entry, forward)
                }
                None => Lookup::Fetch(self.permit(stored.cloned(), forward, Some(leader))),
            }),
            // What somebody else has asked for before is not good enough: it would wait, and then ask all the same.
            Boarded::Follower(_) if self.wants_latest() => Step::Done(self.alone(stored, forward)),
            Boarded::Follower(follower) => Step::Wait(follower, forward),
            Boarded::Crowded => Step::Done(self.alone(stored, forward)),
        }
    }

    /// Whether nobody else could use the answer, or this request could not use anybody else's.
    fn must_go_alone(&self, stored: Option<&Arc<Entry>>, validated: bool, forward: Forward) -> bool {
        let conditional = !validated && conditional::has_precondition(self.headers);
        self.waits == 0
            || forward == Forward::Request
            || conditional
            || self.headers.contains_key(header::AUTHORIZATION)
            || stored.is_some_and(|stored| !stored.head().is_reusable())
    }

    /// Whether the last response was not for the cache, so that there is nothing to wait for.
    fn is_remembered(&self) -> bool {
        self.shared.uncacheable.is_recent(&self.key, self.now, REMEMBERED)
    }

    /// Whether the client wants the worker to be asked whatever is stored (RFC 9111 §5.2.1): it reloads.
    fn wants_latest(&self) -> bool {
        self.control.no_cache || self.control.max_age == Some(0)
    }

    fn board(&self, selector: Selector) -> Boarded {
        self.shared.flights.board(&self.key, selector, self.now)
    }

    /// What somebody else's fetch has had stored that was over between the look at what is stored and the one at what is
    /// under way.
    fn just_landed(&self) -> Option<Arc<Entry>> {
        // To look whether there is anything counts as no use of it.
        if self.wants_latest() || !self.shared.store.has(&self.key) {
            return None;
        }
        let entry = self.shared.store.get(&self.key)?.select(self.headers).ok()?;
        matches!(entry.use_for(&self.control, self.now), Use::Fresh).then_some(entry)
    }

    fn alone(&self, stored: Option<&Arc<Entry>>, forward: Forward) -> Lookup {
        Lookup::Fetch(self.permit(stored.cloned(), forward, None))
    }

    fn permit(&self, stored: Option<Arc<Entry>>, forward: Forward, leader: Option<Leader>) -> Box<Permit> {
        Box::new(Permit {
            shared: self.shared.clone(),
            key: self.key.clone(),
            control: self.control,
            stored,
            forward,
            leader,
            is_partial: false,
            began: self.now,
        })
    }

    /// Somebody else has fetched what fits.
    fn joined(&self, entry: Arc<Entry>, forward: Forward) -> Lookup {
        match entry.use_for(&self.control, self.now) {
            Use::Fresh => {
                let status =
                    Status { source: Source::Stored, collapsed: true, ..Status::forwarded(Some(forward)) };
                Lookup::Stored(entry, status, None)
            }
            _ => self.alone(Some(&entry), Forward::Stale),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    /// A search that has seen nothing stored, or something stale.
    fn search<'a>(cache: &'a Cache, headers: &'a Headers) -> Search<'a> {
        let (shared, control) = (cache.shared.as_ref().unwrap(), RequestControl::of(headers));
        let (key, method, now) = (key("/"), &Method::GET, Instant::now());
        Search { shared, key, control, method, headers, now, varies: None, waits: MOST_WAITS }
    }

    fn put(cache: &Cache, response: &str) -> Arc<Entry> {
        let entry = Arc::new(entry("", 200, response, "", Instant::now()));
        cache.shared.as_ref().unwrap().store.put(key("/"), entry.clone(), || true);
        entry
    }

    /// It has landed between the look at what is stored and the one at what is under way.
    #[test]
    fn nobody_fetches_what_has_just_landed() {
        for (request, response, is_fetched) in [
            ("", "cache-control: max-age=60", false),
            ("", "cache-control: max-age=0 | etag: a", true),
            ("cache-control: no-cache", "cache-control: max-age=60", true),
            ("cache-control: max-age=0", "cache-control: max-age=60", true),
            ("accept: b", "cache-control: max-age=60 | vary: accept", true),
        ] {
            let (cache, headers) = (cache(), fields(request));
            let search = search(&cache, &headers);
            let landed = put(&cache, response);
            match search.fetch(None, Forward::UriMiss, None) {
                Step::Done(Lookup::Fetch(permit)) => assert!(is_fetched && permit.leads(), "{response}"),
                Step::Done(Lookup::Stored(entry, status, None)) => {
                    assert!(!is_fetched && Arc::ptr_eq(&entry, &landed) && status.collapsed, "{response}");
                }
                _ => panic!("neither fetched nor stored: {request} {response}"),
            }
        }
    }

    #[test]
    fn nobody_validates_behind_what_has_just_been_validated() {
        const STALE: &str = "cache-control: max-age=0, stale-while-revalidate=60 | etag: a";
        let (cache, headers) = (cache(), Headers::new());
        let search = search(&cache, &headers);
        let stale = put(&cache, STALE);
        let validates = |step| match step {
            Step::Done(Lookup::Stored(_, _, permit)) => permit.is_some(),
            _ => panic!("it is not stored"),
        };
        assert!(validates(search.found(stale.clone())));
        put(&cache, STALE);
        assert!(!validates(search.found(stale)));
    }
}
