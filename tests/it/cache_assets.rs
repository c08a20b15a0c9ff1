//! Fingerprinted assets, and the settings of the cache.

use crate::support::{Answer, Response, Stage};

#[test]
fn assets_that_say_nothing_of_caching_are_stored_and_sent_as_they_are() {
    let mut stage = Stage::new();
    for path in [
        "/assets/application-abc123.js",
        "/assets/application-0f9e8d7c6b5a43210f9e8d7c6b5a4321.css",
        "/assets/logo-8f3a9c1b.svg",
        "/packs/js/app-0f9e8d7c6b5a.js",
        "/packs-test/name.8f3a9c1b.chunk.css",
        "/vite/assets/index-BxK3f9_a.js",
        "/vite-dev/index-BxK3f9_a.js.map",
        "/build/a-8f3a9c1b.woff2",
        "/dist/a-8f3a9c1b.wasm",
        "/static/js/main.8f3a9c1b.js",
        "/_next/static/chunks/main-0f9e8d7c6b5a4321.js",
        "/_nuxt/a-8f3a9c1b.mjs",
        "/_astro/a.8f3a9c1b.css",
        "/_app/immutable/chunks/a.8f3a9c1b.js",
        "/webpack/a-8f3a9c1b.png",
    ] {
        stage.script(path, [Answer::ok(&["Content-Type: a/b", "X-Own: 1"], "asset")]);
        let [miss, hit] = [(); 2].map(|()| stage.get(path));
        assert_eq!((miss.x_cache(), hit.x_cache()), ("miss", "hit"), "{path}");
        let ttl: u32 = hit.cache_status().strip_prefix("thrust; hit; ttl=").unwrap().parse().unwrap();
        assert!((31_535_000..=31_536_000).contains(&ttl), "{ttl}");
        for response in [&miss, &hit] {
            assert_eq!(response.text(), "asset", "{path}");
            assert_eq!(own_fields(response), ["content-length", "content-type", "date", "x-own"], "{path}");
        }
    }
}

const ASSET: &str = "/assets/application-abc123.js";

#[test]
fn each_condition_keeps_private_pages_out() {
    let visitor: &[&str] = &["Authorization: Basic YTpi"];
    for (path, asked_with, status, fields, stored) in [
        (ASSET, &[][..], "200 OK", &[][..], true),
        ("/other/assets-abc123.js", &[], "200 OK", &[], false),
        ("/assetsx/application-abc123.js", &[], "200 OK", &[], false),
        ("/application-abc123.js", &[], "200 OK", &[], false),
        ("/assets/../account-abc123.js", &[], "200 OK", &[], false),
        ("/assets/%2e%2e/account-abc123.js", &[], "200 OK", &[], false),
        ("/assets/application-abc123.js?user=1", &[], "200 OK", &[], false),
        ("/assets/application-abc123.js?", &[], "200 OK", &[], false),
        ("/assets/application.js", &[], "200 OK", &[], false),
        ("/assets/photo-20240101.jpg", &[], "200 OK", &[], false),
        ("/assets/jquery-3.7.1.js", &[], "200 OK", &[], false),
        ("/assets/application-abc123", &[], "200 OK", &[], false),
        ("/assets/page-abc123.html", &[], "200 OK", &[], false),
        ("/assets/data-abc123.json", &[], "200 OK", &[], false),
        (ASSET, visitor, "200 OK", &[], false),
        (ASSET, &[], "200 OK", &["Cache-Control:"], false),
        (ASSET, &[], "200 OK", &["Cache-Control: public"], false),
        (ASSET, &[], "200 OK", &["CDN-Cache-Control: public"], false),
        (ASSET, &[], "200 OK", &["Expires: Sun, 06 Nov 1994 08:49:37 GMT"], false),
        (ASSET, &[], "200 OK", &["Pragma: no-cache"], false),
        (ASSET, &[], "200 OK", &["Set-Cookie: a=b"], false),
        (ASSET, &[], "200 OK", &["Vary: *"], false),
        (ASSET, &[], "404 Not Found", &[], false),
        (ASSET, &[], "301 Moved Permanently", &["Location: /login"], false),
        (ASSET, &[], "203 Non-Authoritative Information", &[], false),
    ] {
        let mut stage = Stage::new();
        stage.script(path, [Answer::new(status, fields, "asset")]);
        let line = format!("GET {path}");
        let [first, second] = [(); 2].map(|()| stage.ask(&line, asked_with));
        assert_eq!(first.x_cache(), "miss");
        assert_eq!(second.x_cache() == "hit", stored, "{line} {asked_with:?}: {status} {fields:?}");
        assert_eq!(second.text(), "asset");
        let cookies = fields.iter().filter(|field| field.starts_with("Set-Cookie")).count();
        assert_eq!(second.all("set-cookie").len(), cookies, "it is not the cache's to take");
    }
}

#[test]
fn pages_under_an_asset_s_name_are_not_stored() {
    let mut stage = Stage::new();
    for (path, kind, stored) in [
        ("/assets/a-abc123.js", "text/html", false),
        ("/assets/b-abc123.css", "Text/HTML; charset=utf-8", false),
        ("/assets/c-abc123.png", "application/xhtml+xml", false),
        ("/assets/d-abc123.js", "application/json", false),
        ("/assets/e-abc123.js.map", "application/json", true),
        ("/assets/f-abc123.js", "text/javascript", true),
    ] {
        stage.script(path, [Answer::ok(&[&format!("Content-Type: {kind}")], "Hello, visitor 1")]);
        let [_, second] = [(); 2].map(|()| stage.get(path));
        assert_eq!(second.x_cache() == "hit", stored, "{path} {kind}");
    }
}

#[test]
fn the_folders_can_be_set() {
    for (setting, own, usual) in
        [("0", false, false), ("/own/, /files", true, false), ("/assets/", false, true)]
    {
        let mut stage = Stage::with(|thrust| thrust.env("THRUST_CACHE_FINGERPRINTED", setting));
        for (path, stored) in [("/own/a-8f3a9c1b.js", own), ("/files/a-8f3a9c1b.js", own), (ASSET, usual)] {
            stage.script(path, [Answer::ok(&[], "asset")]);
            let [_, second] = [(); 2].map(|()| stage.get(path));
            assert_eq!(second.x_cache() == "hit", stored, "{setting}: {path}");
        }
        stage.script("/said", [Answer::ok(&["Cache-Control: max-age=60"], "")]);
        let [_, second] = [(); 2].map(|()| stage.get("/said"));
        assert_eq!(second.x_cache(), "hit", "{setting}");
    }
}

#[test]
fn a_cache_without_room_is_no_cache() {
    let mut stage = Stage::with(|thrust| thrust.env("THRUST_CACHE_SIZE", "0"));
    let fields = ["Cache-Control: max-age=60", "ETag: \"v1\"", "X-Cache: of the worker", "Set-Cookie: a=b"];
    stage.script("/a", [Answer::ok(&fields, "body")]);
    stage.script(ASSET, [Answer::ok(&[], "asset")]);
    for number in 1..3 {
        let response = stage.ask("GET /a", &["If-None-Match: \"v1\"", "Range: bytes=0-1"]);
        assert_eq!((response.status, response.text().as_str()), (200, "body"), "the worker decides");
        assert_eq!(
            (response.all("x-cache"), response.all("set-cookie")),
            (vec!["of the worker"], vec!["a=b"])
        );
        assert_eq!((response.header("cache-status"), response.age()), (None, None));
        assert_eq!(stage.asked("/a").len(), number);
        let asset = stage.get(ASSET);
        assert_eq!((asset.header("x-cache"), asset.header("cache-status")), (None, None));
        assert_eq!(stage.asked(ASSET).len(), number);
    }
    let request = &stage.asked("/a")[1];
    assert_eq!(
        (request.header("if-none-match"), request.header("range")),
        (Some("\"v1\""), Some("bytes=0-1"))
    );
}

#[test]
fn a_body_that_is_too_large_is_passed_on_and_not_stored() {
    const LIMIT: usize = 100_000;
    let mut stage = Stage::with(|thrust| thrust.env("THRUST_MAX_CACHE_ITEM_SIZE", LIMIT.to_string()));
    let chunked = |body: &str| {
        let (first, second) = body.split_at(10);
        let chunks: String =
            [first, second, ""].iter().map(|part| format!("{:x}\r\n{part}\r\n", part.len())).collect();
        let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n";
        Answer::raw(format!("{head}{chunks}"))
    };
    for (length, stored) in [(LIMIT, true), (LIMIT + 1, false), (5 * LIMIT, false)] {
        let body = "x".repeat(length);
        let whole = Answer::ok(&["Cache-Control: max-age=60"], &body);
        for (path, answer) in
            [(format!("/length/{length}"), whole), (format!("/chunks/{length}"), chunked(&body))]
        {
            stage.script(&path, [answer]);
            for number in 0..2 {
                let response = stage.get(&path);
                assert!(response.text() == body, "{path}: {} bytes", response.body.len());
                let word = if stored && number > 0 { "hit" } else { "miss" };
                assert_eq!(response.x_cache(), word, "{path}");
            }
        }
    }
    let status = stage.get(&format!("/length/{}", LIMIT + 1)).cache_status().to_owned();
    assert_eq!(status, "thrust; fwd=uri-miss; detail=too-large");
}

/// Names of all fields but those with which the cache speaks of itself, sorted.
fn own_fields(response: &Response) -> Vec<String> {
    let ours = ["age", "cache-status", "x-cache"];
    let names = response.headers.iter().map(|(name, _)| name.to_lowercase());
    let mut names: Vec<_> = names.filter(|name| !ours.contains(&name.as_str())).collect();
    names.sort();
    names
}
