//! What the cache did.

use super::{Finding, Trace, reasons::words, text};
use crate::message::Headers;
use crate::{
    cache::{Cache, CacheKey, Entry, Forward, Status},
    message::cache_control::CDN_CACHE_CONTROL,
};
use http::header;
use std::time::Instant;

pub(super) fn finding(trace: &Trace, cache: &Cache) -> Finding {
    if trace.is_public {
        let why =
            "The cache had no part in it: it is a file of the public folder. Small ones are kept in memory.";
        return Finding::new("file", why, "");
    }
    let fingerprinted = cache.is_fingerprinted(CacheKey::target_of(&trace.uri));
    match (&trace.cache, &trace.failure, &trace.found) {
        (_, Some(failed), _) if failed.reason == "only-if-cached" => Finding::new(
            failed.reason,
            "Nothing is stored, and the request wants nothing else.",
            "Ask without `Cache-Control: only-if-cached`.",
        ),
        (_, Some(failed), _) => {
            let why = format!("There is no response that could be kept: {}.", failed.reason);
            Finding::new("none", why, "See thrust's own log, and the application's.")
        }
        (Some(status), ..) => of_status(trace, status, fingerprinted),
        (None, None, None) => {
            Finding::new("none", "A request for another protocol is not for the cache.", "")
        }
        (None, None, Some(_)) => {
            Finding::new("off", "There is no cache: `THRUST_CACHE_SIZE` is 0.", "Set `THRUST_CACHE_SIZE`.")
        }
    }
}

fn of_status(trace: &Trace, status: &Status, fingerprinted: bool) -> Finding {
    let now = Instant::now();
    let is_hit = status.word() == "hit";
    let entry = trace.entry().filter(|_| is_hit);
    let ttl = entry.map(|entry| entry.ttl(entry.age(now)));
    let said = format!("{}   ({})", status.word(), text::value(&status.value(ttl)));
    let mut why = status.forward.map_or("It came from the cache.", asked).to_owned();
    if is_hit && status.forward.is_some() {
        why = format!("{why} {}", in_the_end(status));
    }
    if let Some(entry) = entry {
        why = format!("{why} {}", freshness(entry, now));
    }
    if let Some(reason) = status.reason {
        let (because, change) = words(reason, fingerprinted);
        return Finding::new(said, format!("{why} {because}"), change);
    }
    if let Some(before) = trace.before().filter(|_| status.stored || is_hit) {
        let kept = if status.stored { "It is being kept now" } else { "It was kept" };
        why = format!("{why} {kept}, {}.", grounds(before.headers, fingerprinted));
        if status.stored && !is_hit && before.length.is_none() {
            why.push_str(
                " (Unless it breaks off, or turns out larger than `THRUST_MAX_CACHE_ITEM_SIZE`: ask again.)",
            );
        }
    }
    Finding::new(said, why, "")
}

/// Why the worker was asked.
fn asked(forward: Forward) -> &'static str {
    match forward {
        Forward::Bypass => "The application was asked: such requests are not for the cache.",
        Forward::Method => "The application was asked: such methods are not for the cache.",
        Forward::UriMiss => {
            "The application was asked: nothing was stored for this URL. (`Host`, `X-Forwarded-Host` and \
             `X-Forwarded-Proto` are part of it: ask for it as visitors do.)"
        }
        Forward::VaryMiss => {
            "The application was asked: what is stored for this URL is for requests with other fields (see `Vary`)."
        }
        Forward::Request => {
            "The application was asked, though what is stored is fresh: the request wants that (`Cache-Control: no-cache`, \
             `max-age`, `min-fresh` or `Pragma`)."
        }
        Forward::Stale => "The application was asked: what is stored has become stale.",
    }
}

/// How something stored came to be the answer although the worker was to be asked.
fn in_the_end(status: &Status) -> String {
    match status.forward_status {
        _ if status.collapsed => {
            "Another request was just asking for the same: its response was waited for.".to_owned()
        }
        Some(code) if code.is_redirection() => "It says that it is still good (304).".to_owned(),
        Some(code) => format!("It failed ({}), so what is stored was served stale.", code.as_str()),
        None => "It gave no answer, so what is stored was served stale.".to_owned(),
    }
}

fn freshness(entry: &Entry, now: Instant) -> String {
    let age = entry.age(now);
    let (old, ttl) = (text::span(age.as_secs()), entry.ttl(age));
    if entry.is_fresh(now) {
        format!("It is {old} old, and fresh for another {}.", text::span(ttl.unsigned_abs()))
    } else if ttl < 0 {
        format!("It is {old} old, and has been stale for {}.", text::span(ttl.unsigned_abs()))
    } else {
        format!("It is {old} old, and is checked with the application each time.")
    }
}

/// What a response is kept for.
fn grounds(headers: &Headers, fingerprinted: bool) -> String {
    for name in [CDN_CACHE_CONTROL, header::CACHE_CONTROL, header::EXPIRES] {
        if let Some(value) = headers.get(&name) {
            return format!("since it says `{}: {}`", text::spelled(&name), text::value(value));
        }
    }
    match fingerprinted {
        true => "since its name is fingerprinted and it says nothing of caching itself (`THRUST_CACHE_FINGERPRINTED`)".into(),
        false => "since everybody may have it".into(),
    }
}
