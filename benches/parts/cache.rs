//! What the cache does for a request or a response, each by itself.

use super::{
    ASSET, Measure, fields,
    stage::{BROWSER, Stage, at_once, request},
};
use http::StatusCode;
use std::time::{Duration, Instant, UNIX_EPOCH};
use thrust::{
    cache::{
        CacheKey, Head, Lookup,
        policy::{self, Asked},
    },
    config::Config,
    message::Headers,
};

pub(super) fn measure(by: &mut impl Measure) {
    by.same("cache/key", || {
        let request = request(BROWSER);
        move || CacheKey::of(&request)
    });
    look_up(by, "cache/look-up-hit", BROWSER.to_owned(), |lookup| matches!(lookup, Lookup::Stored(..)));
    // With the right to fetch, and giving it back.
    let other = BROWSER.replace("application", "another");
    look_up(by, "cache/look-up-miss", other, |lookup| matches!(lookup, Lookup::Fetch(_)));

    policy(by, "policy/asset", ASSET, true);
    policy(by, "policy/page", PAGE, false);
    policy(by, "policy/fingerprinted", SILENT, true);
    stored_head(by);
}

/// A page of one visitor's.
const PAGE: &str = "Date: Mon, 05 Jan 2026 10:00:10 GMT\r\nContent-Type: text/html; charset=utf-8\r\n\
    Cache-Control: max-age=0, private, must-revalidate\r\nETag: W/\"0c9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f\"\r\n\
    Set-Cookie: _shop_session=QmFzZTY0; path=/; HttpOnly; SameSite=Lax\r\n\
    X-Request-Id: 1c9c2c0e-5b0f-4d0e-9a57-6b1d6e9f2a44\r\nX-Runtime: 0.001234\r\nContent-Length: 14321\r\n";

/// An asset that says nothing of caching.
const SILENT: &str = "Date: Mon, 05 Jan 2026 10:00:10 GMT\r\nContent-Type: text/javascript\r\n\
    Last-Modified: Mon, 05 Jan 2026 10:00:00 GMT\r\nContent-Length: 4096\r\n";

fn look_up(by: &mut impl Measure, name: &str, head: String, is_right: fn(&Lookup) -> bool) {
    by.same(name, || {
        let (stage, request) = (Stage::set(), request(&head));
        let look_up = move || at_once(stage.cache.look_up(&request, Instant::now()));
        assert!(is_right(&look_up()), "{name}");
        look_up
    });
}

/// Whether a response may be stored, and for how long.
fn policy(by: &mut impl Measure, name: &str, response: &str, is_stored: bool) {
    by.same(name, || {
        let (request, response, config) = (request(BROWSER), fields(response), config());
        let folders = config.cache.fingerprinted;
        let judge = move || {
            let asked = asked(request.uri().path(), request.headers());
            policy::freshness(&asked, StatusCode::OK, &response, &folders)
        };
        assert_eq!(judge().is_ok(), is_stored, "{name}");
        judge
    });
}

/// The same, and what is made of its header when it is.
fn stored_head(by: &mut impl Measure) {
    by.same("cache/stored-head", || {
        let (request, response, config) = (request(BROWSER), fields(ASSET), config());
        move || {
            let asked = asked(request.uri().path(), request.headers());
            Head::new(&asked, StatusCode::OK, &response, Some(4096), &config.cache).unwrap()
        }
    });
}

fn asked<'a>(target: &'a str, headers: &'a Headers) -> Asked<'a> {
    let sent = UNIX_EPOCH + Duration::from_secs(1_767_607_210);
    Asked { target, headers, sent, answered: sent + Duration::from_millis(12) }
}

fn config() -> Config {
    let variables = [("THRUST_UPSTREAM_URL".into(), "http://localhost:3000".into())];
    Config::from_env(variables, false).unwrap().0
}
