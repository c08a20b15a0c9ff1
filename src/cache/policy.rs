//! What may be stored and for how long: pure functions of headers and times (RFC 9111 §3, §4.2; RFC 5861; RFC 9213).

use super::{Reason, fingerprint};
use crate::message::{
    Headers, age,
    cache_control::{CDN_CACHE_CONTROL, RequestControl, ResponseControl},
    date,
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use std::time::{Duration, SystemTime};

/// What is known of a request when its response is there.
pub struct Asked<'a> {
    /// The target as it was sent.
    pub target: &'a str,
    /// Its header fields.
    pub headers: &'a Headers,
    /// When it was sent to the worker.
    pub sent: SystemTime,
    /// When its response's header had arrived.
    pub answered: SystemTime,
}

/// How long a stored response may be used, and how (RFC 9111 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// How old it was when it arrived: `corrected_initial_age` (RFC 9111 §4.2.3).
    pub initial_age: Duration,
    /// It is fresh while its age is less.
    pub lifetime: Duration,
    /// For this long after that it may be served while it is validated behind (RFC 5861 §3).
    pub while_revalidate: Duration,
    /// For this long after that it may be served if the worker fails (RFC 5861 §4).
    pub if_error: Duration,
    /// Whether a client may have it stale if it says so with `max-stale` (RFC 9111 §5.2.1.2).
    pub max_stale_allowed: bool,
    /// Never used without being validated (RFC 9111 §5.2.2.4).
    pub always_validate: bool,
}

/// What may be done with something stored for a certain request at a certain time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Served as it is.
    Fresh,
    /// Served, and validated behind (RFC 5861 §3).
    WhileRevalidate,
    /// Validated first.
    Validate,
}

impl Freshness {
    /// Of something that is used once and not stored.
    pub const NONE: Self = Self {
        initial_age: Duration::ZERO,
        lifetime: Duration::ZERO,
        while_revalidate: Duration::ZERO,
        if_error: Duration::ZERO,
        max_stale_allowed: false,
        always_validate: true,
    };

    /// Whether it is of use to anybody but the one who asked.
    pub fn is_reusable(&self) -> bool {
        !self.always_validate && self.lifetime > self.initial_age
    }

    /// What may be done with it at this age for a request that says this (RFC 9111 §4.2, §5.2.1).
    pub fn use_for(&self, control: &RequestControl, age: Duration) -> Use {
        let &Self { lifetime, while_revalidate, max_stale_allowed, always_validate, .. } = self;
        let too_old = control.max_age.is_some_and(|max| age > seconds(max));
        let too_stale_soon = control.min_fresh.is_some_and(|wanted| lifetime < age + seconds(wanted));
        if always_validate || control.no_cache || too_old || too_stale_soon {
            return Use::Validate;
        }
        if lifetime > age {
            return Use::Fresh;
        }
        let staleness = age - lifetime;
        match control.max_stale.map(seconds) {
            Some(max) if staleness > max => Use::Validate,
            Some(_) if max_stale_allowed => Use::Fresh,
            // Who gives an age and no `max-stale` does not want anything stale (RFC 9111 §5.2.1.1).
            None if control.max_age.is_some() => Use::Validate,
            _ if staleness < while_revalidate => Use::WhileRevalidate,
            _ => Use::Validate,
        }
    }

    /// Whether it may be served at this age because the worker has failed: with a status (RFC 5861 §4), or by giving no answer
    /// at all, which some staleness is allowed for that nobody has forbidden (RFC 9111 §4.2.4). What the client wants of
    /// freshness counts all the same.
    pub fn is_usable_on_error(
        &self,
        control: &RequestControl,
        status: Option<StatusCode>,
        age: Duration,
    ) -> bool {
        let &Self { lifetime, if_error, always_validate, max_stale_allowed, .. } = self;
        let asked_for = control.stale_if_error.filter(|_| max_stale_allowed).map_or(Duration::ZERO, seconds);
        let unanswered = status.is_none() && max_stale_allowed && self.is_reusable();
        let window = if_error.max(asked_for).max(if unanswered { UNANSWERED } else { Duration::ZERO });
        let too_old = control.max_age.is_some_and(|max| age > seconds(max));
        !always_validate && !control.no_cache && !too_old && age < lifetime + window
    }

    /// Whether it may be served stale at some time.
    fn has_grace(&self) -> bool {
        !self.always_validate && !(self.while_revalidate + self.if_error).is_zero()
    }
}

/// How long something may be served stale while the worker gives no answer: a restart, not an outage.
const UNANSWERED: Duration = Duration::from_secs(60);

/// Fields that give one visitor a cookie; the second is of RFC 2965, which is obsolete.
pub(super) const SET_COOKIE: [HeaderName; 2] = [header::SET_COOKIE, HeaderName::from_static("set-cookie2")];

/// Whether a response to a GET may be stored for everybody, and for how long it is fresh.
///
/// There is no heuristic freshness: what says nothing of its lifetime is stored only if it is a fingerprinted asset
/// under one of `folders`, or `public` with a validator, to be validated each time.
///
/// # Errors
/// The first reason why not.
pub fn freshness(
    asked: &Asked,
    status: StatusCode,
    headers: &Headers,
    folders: &[String],
) -> Result<Freshness, Reason> {
    let own = ResponseControl::of(headers);
    // A targeted field is all that counts where there is a valid one (RFC 9213 §2.2).
    let targeted = ResponseControl::targeted(headers);
    let control = targeted.or(own).unwrap_or_default();
    check_status(status, &control)?;
    check_control(&control)?;
    let declared_public = own.is_some_and(|own| own.public || own.s_maxage.is_some());
    check_credentials(asked, headers, &control, declared_public)?;
    let uses = stale_uses(&control);
    let (lifetime, always_validate) = match lifetime(&control, targeted.is_some(), headers, asked) {
        Some(lifetime) => (lifetime, uses.always_validate),
        None if is_fingerprinted(asked, status, headers, folders) => (FOREVER, false),
        None if may_be_validated(&control, status) && has_validator(headers) => (Duration::ZERO, true),
        None => return Err(Reason::NoLifetime),
    };
    let initial_age = initial_age(asked, headers);
    let freshness = Freshness { lifetime, initial_age, always_validate, ..uses };
    if freshness.is_reusable() || freshness.has_grace() {
        return Ok(freshness);
    }
    match has_validator(headers) {
        false => Err(Reason::Stale),
        // Whose page it is only the application's validator says. Not every application's does.
        true if !declared_public && asked.headers.contains_key(header::COOKIE) => Err(Reason::Cookie),
        true => Ok(freshness),
    }
}

/// What a fingerprinted asset is kept for: a year, as if it had said `max-age=31536000`.
const FOREVER: Duration = Duration::from_secs(31_536_000);

/// Everything that is final and complete, but no failure of the worker's; unknown codes too, as they are explicitly fresh
/// (RFC 9111 §3). With `must-understand` only those that we know how to reuse (RFC 9111 §5.2.2.3).
fn check_status(status: StatusCode, control: &ResponseControl) -> Result<(), Reason> {
    let known =
        matches!(status.as_u16(), 200 | 203 | 204 | 300..=303 | 307 | 308 | 404 | 405 | 410 | 414 | 451);
    if status == StatusCode::NOT_MODIFIED {
        return Err(Reason::NotModified);
    }
    let partial = status == StatusCode::PARTIAL_CONTENT;
    if status.is_informational() || status.is_server_error() || partial || (control.must_understand && !known)
    {
        return Err(Reason::Status);
    }
    Ok(())
}

/// Whether it may be stored though it says nothing of its lifetime: `no-cache` alone permits that only for statuses that
/// are cacheable without being asked (RFC 9111 §3, RFC 9110 §15.1).
fn may_be_validated(control: &ResponseControl, status: StatusCode) -> bool {
    let by_default = matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414);
    control.public || (control.no_cache && by_default)
}

fn check_control(control: &ResponseControl) -> Result<(), Reason> {
    // `must-understand` is for caches that know the status, as by now we do: it takes `no-store` back, which is for others.
    if control.no_store && !control.must_understand {
        return Err(Reason::NoStore);
    }
    if control.private { Err(Reason::Private) } else { Ok(()) }
}

/// What answers one visitor's credentials, or gives them some, is for everybody only if it says so (RFC 9111 §3.5, §7.3).
fn check_credentials(
    asked: &Asked,
    headers: &Headers,
    control: &ResponseControl,
    declared_public: bool,
) -> Result<(), Reason> {
    let shareable = control.public || control.s_maxage.is_some() || control.must_revalidate;
    if asked.headers.contains_key(header::AUTHORIZATION) && !shareable {
        return Err(Reason::Authorization);
    }
    let sets_cookie = SET_COOKIE.iter().any(|name| headers.contains_key(name));
    if sets_cookie && !declared_public { Err(Reason::SetCookie) } else { Ok(()) }
}

/// The explicit lifetime, if there is one (RFC 9111 §4.2.1). An `Expires` that is no date is in the past (§5.3).
fn lifetime(control: &ResponseControl, targeted: bool, headers: &Headers, asked: &Asked) -> Option<Duration> {
    if let Some(given) = control.s_maxage.or(control.max_age) {
        return Some(seconds(given));
    }
    if targeted || !headers.contains_key(header::EXPIRES) {
        return None;
    }
    let expires = date::of(headers, header::EXPIRES, asked.answered);
    let date = date::of(headers, header::DATE, asked.answered).unwrap_or(asked.answered);
    Some(expires.and_then(|expires| expires.duration_since(date).ok()).unwrap_or_default())
}

/// RFC 9111 §4.2.3.
fn initial_age(asked: &Asked, headers: &Headers) -> Duration {
    let since = |earlier| asked.answered.duration_since(earlier).unwrap_or_default();
    let apparent = date::of(headers, header::DATE, asked.answered).map_or(Duration::ZERO, since);
    let corrected = seconds(age::of(headers)) + since(asked.sent);
    apparent.max(corrected)
}

/// What may be done with it when it is stale. `s-maxage` alone implies `proxy-revalidate` (RFC 9111 §5.2.2.10), but one
/// who says `stale-while-revalidate` beside it means that.
fn stale_uses(control: &ResponseControl) -> Freshness {
    let must_validate = control.must_revalidate || control.proxy_revalidate;
    let window = |given: Option<u32>| given.filter(|_| !must_validate).map_or(Duration::ZERO, seconds);
    Freshness {
        while_revalidate: window(control.stale_while_revalidate),
        if_error: window(control.stale_if_error),
        max_stale_allowed: !must_validate && control.s_maxage.is_none(),
        always_validate: control.no_cache,
        ..Freshness::NONE
    }
}

/// An asset that says nothing of caching, and whose name changes with its content. Each condition is there so that no
/// private page is ever shared. What answers credentials or sets a cookie never comes here: without a word about caching
/// [`check_credentials`] has turned it down.
fn is_fingerprinted(asked: &Asked, status: StatusCode, headers: &Headers, folders: &[String]) -> bool {
    let says_something = [header::CACHE_CONTROL, CDN_CACHE_CONTROL, header::EXPIRES, header::PRAGMA]
        .iter()
        .any(|name| headers.contains_key(name));
    status == StatusCode::OK
        && !says_something
        && !is_page(asked.target, headers)
        && fingerprint::is_asset(asked.target, folders)
}

/// Whether it is HTML or JSON, whatever its name says: applications answer what they do not have with a page of their own.
/// Source maps are JSON.
fn is_page(target: &str, headers: &Headers) -> bool {
    let is = |kind: &HeaderValue, word: &[u8]| {
        kind.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
    };
    let mut kinds = headers.get_all(header::CONTENT_TYPE);
    kinds.any(|kind| is(kind, b"html") || (is(kind, b"json") && !target.ends_with(".map")))
}

/// Whether the worker can be asked if a response is still good.
pub(super) fn has_validator(headers: &Headers) -> bool {
    headers.contains_key(header::ETAG) || headers.contains_key(header::LAST_MODIFIED)
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_use;
