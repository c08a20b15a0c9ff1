//! Files that the worker names and that may be stored: small ones are kept in memory, of large ones is kept where they are.

use crate::{
    public_changes::Change,
    support::{Answer, Folder, Stage, parts, wait_until},
};

/// Larger than what is kept in memory.
const LARGE: usize = (1 << 20) + 1;
const PUBLIC: &str = "Cache-Control: public, max-age=60";

fn small() -> String {
    "0123456789abcdef".to_owned()
}

/// Bytes that tell one place from another.
fn large() -> String {
    (0..).flat_map(|number| format!("{number},").into_bytes()).take(LARGE).map(char::from).collect()
}

/// Both kinds, each on a stage with `/a` for `a.txt`, which the worker gives with these fields.
fn both(fields: &[&str]) -> [(Folder, Stage, String); 2] {
    [small(), large()].map(|body| {
        let folder = Folder::new();
        let stage = Stage::new();
        stage.script("/a", [Answer::file(&folder.write("a.txt", &body), fields)]);
        (folder, stage, body)
    })
}

#[test]
fn the_second_request_does_not_touch_the_worker() {
    for (folder, mut stage, body) in both(&[PUBLIC]) {
        let first = stage.get("/a");
        assert_eq!((first.status, first.x_cache()), (200, "miss"));
        assert!(first.cache_status().contains("stored"), "{}", first.cache_status());
        assert!(first.body == body.as_bytes());
        for _ in 0..3 {
            let hit = stage.get("/a");
            assert_eq!((hit.status, hit.x_cache()), (200, "hit"));
            assert!(hit.age().is_some() && hit.cache_status().starts_with("thrust; hit"));
            assert!(hit.body == body.as_bytes());
            for name in ["etag", "last-modified", "content-type", "content-length", "accept-ranges"] {
                assert_eq!(hit.header(name), first.header(name), "{name}");
                assert!(hit.header(name).is_some(), "{name}");
            }
            assert_eq!(hit.header("x-sendfile"), None);
        }
        let head = stage.ask("HEAD /a", &[]);
        assert_eq!((head.x_cache(), head.all("content-length")), ("hit", vec![&*body.len().to_string()]));
        assert_eq!(stage.asked("/a").len(), 1);
        stage.thrust.await_log(|record| record["path"] == "/a" && record["cache"] == "hit");
        drop(folder);
    }
}

#[test]
fn hits_in_part_and_under_conditions() {
    for (_folder, mut stage, body) in both(&[PUBLIC, "ETag: \"own\""]) {
        let modified = stage.get("/a").header("last-modified").unwrap().to_owned();
        let last = body.len() - 1;
        let end = &body[last..];
        let since = format!("If-Modified-Since: {modified}");
        let by_date = format!("If-Range: {modified}");
        for (fields, status, expected) in [
            (&["Range: bytes=2-4"][..], 206, &body[2..5]),
            (&["Range: bytes=-1"], 206, end),
            (&["Range: bytes=99999999-"], 416, ""),
            (&["Range: bytes=2-4", "If-Range: \"own\""], 206, &body[2..5]),
            (&["Range: bytes=2-4", &by_date], 206, &body[2..5]),
            (&["Range: bytes=2-4", "If-Range: W/\"own\""], 200, &body),
            (&["If-None-Match: \"own\""], 304, ""),
            (&[&since], 304, ""),
            (&["If-None-Match: \"other\""], 200, &body),
        ] {
            let response = stage.ask("GET /a", fields);
            assert_eq!((response.status, response.x_cache()), (status, "hit"), "{fields:?}");
            assert!(response.body == expected.as_bytes(), "{fields:?}");
        }
        let several = stage.ask("GET /a", &["Range: bytes=0-1,4-5"]);
        let bodies: Vec<_> = parts(&several).into_iter().map(|part| part.body).collect();
        assert_eq!(bodies, [&body[..2], &body[4..6]]);
        assert_eq!(stage.asked("/a").len(), 1);
    }
}

#[test]
fn a_request_for_a_part_stores_the_whole() {
    for (_folder, mut stage, body) in both(&[PUBLIC]) {
        let first = stage.ask("GET /a", &["Range: bytes=2-4"]);
        assert_eq!((first.status, first.x_cache(), first.text().as_str()), (206, "miss", &body[2..5]));
        let second = stage.ask("GET /a", &["Range: bytes=10-11"]);
        assert_eq!((second.status, second.x_cache(), second.text().as_str()), (206, "hit", &body[10..12]));
        let whole = stage.get("/a");
        assert_eq!((whole.status, whole.x_cache()), (200, "hit"));
        assert!(whole.body == body.as_bytes());
        assert_eq!(stage.asked("/a").len(), 1);
    }
}

#[test]
fn a_worker_that_names_the_file_with_a_part_has_it_stored_too() {
    let folder = Folder::new();
    let mut stage = Stage::new();
    let name = format!("X-Sendfile: {}", folder.write("a.txt", large()));
    let part = ["Content-Range: bytes 2-4/1048577", "Content-Length: 3"];
    stage.script("/a", [Answer::new("206 Partial Content", &[PUBLIC, &name, part[0]], "abc")]);
    for word in ["miss", "hit"] {
        let response = stage.ask("GET /a", &["Range: bytes=2-4"]);
        assert_eq!(
            (response.status, response.x_cache(), response.text().as_str()),
            (206, word, &large()[2..5])
        );
        assert_eq!(response.all("content-range"), ["bytes 2-4/1048577"]);
    }
}

/// How a file ceases to be what it was.
const CHANGES: [Change; 4] = [
    ("written over", |folder| drop(folder.put("a.txt", "new"))),
    ("replaced", |folder| folder.replace("a.txt", "new")),
    ("truncated", |folder| folder.resize("a.txt", 3)),
    ("of the same length, and as old", |folder| {
        let length = std::fs::metadata(folder.at("a.txt")).unwrap().len() as usize;
        folder.write("a.txt", "x".repeat(length));
    }),
];

#[test]
fn a_large_file_that_is_changed_is_noticed_at_once() {
    for (what, change) in CHANGES {
        let [_, (folder, mut stage, _)] = both(&[PUBLIC]);
        stage.get("/a");
        assert_eq!(stage.get("/a").x_cache(), "hit");
        change(&folder);
        let response = stage.get("/a");
        assert_eq!((response.status, response.x_cache()), (200, "miss"), "{what}");
        assert!(response.body == std::fs::read(folder.at("a.txt")).unwrap(), "{what}");
        assert_eq!(stage.get("/a").x_cache(), "hit", "{what}");
        assert_eq!(stage.asked("/a").len(), 2, "{what}");
        assert_eq!(stage.asked("/a")[1].header("if-none-match"), None, "{what}");
    }
}

#[test]
fn a_small_file_that_is_changed_is_noticed_soon() {
    let mut changed = CHANGES.map(|(what, change)| {
        let [(folder, mut stage, _), _] = both(&[PUBLIC]);
        stage.get("/a");
        assert_eq!(stage.get("/a").x_cache(), "hit");
        change(&folder);
        (what, folder, stage)
    });
    for (what, folder, stage) in &mut changed {
        let new = std::fs::read(folder.at("a.txt")).unwrap();
        wait_until(&format!("it is noticed: {what}"), || stage.get("/a").body == new);
        assert_eq!(stage.asked("/a").len(), 2, "{what}");
    }
}

#[test]
fn a_file_that_is_gone_is_the_worker_s_business() {
    for (folder, mut stage, body) in both(&[PUBLIC]) {
        stage.get("/a");
        folder.remove("a.txt");
        stage.script("/a", [Answer::new("410 Gone", &[], "gone")]);
        wait_until("it is noticed", || stage.get("/a").status == 410);
        // Large ones are opened each time, of small ones a hit may have come before.
        assert!(body.len() < LARGE || stage.asked("/a").len() == 2);
        let stored = stage.ask("GET /a", &["Cache-Control: only-if-cached"]);
        assert_eq!(stored.status, 504);
    }
}

#[test]
fn only_if_cached_gets_no_file_that_is_another() {
    let [_, (folder, mut stage, _)] = both(&[PUBLIC]);
    stage.get("/a");
    assert_eq!(stage.ask("GET /a", &["Cache-Control: only-if-cached"]).x_cache(), "hit");
    folder.put("a.txt", "new");
    assert_eq!(stage.ask("GET /a", &["Cache-Control: only-if-cached"]).status, 504);
    assert_eq!(stage.asked("/a").len(), 1);
}

#[test]
fn a_304_of_the_worker_renews_what_is_stored() {
    for (folder, mut stage, body) in both(&["Cache-Control: max-age=60", "Age: 90", "ETag: \"own\""]) {
        let file = format!("X-Sendfile: {}", folder.at("a.txt"));
        stage.get("/a");
        let fresh = ["Cache-Control: max-age=60", "ETag: \"own\"", "X-Renewed: 1", &file];
        stage.script("/a", [Answer::not_modified(&fresh)]);
        for _ in 0..3 {
            let response = stage.get("/a");
            assert_eq!((response.status, response.x_cache()), (200, "hit"));
            assert_eq!((response.header("x-renewed"), response.header("x-sendfile")), (Some("1"), None));
            assert!(response.body == body.as_bytes());
        }
        let asked = stage.asked("/a");
        assert_eq!((asked.len(), asked[1].header("if-none-match")), (2, Some("\"own\"")));
    }
}

#[test]
fn what_is_known_of_the_file_validates_it_as_well() {
    for (folder, mut stage, body) in both(&["Cache-Control: max-age=60", "Age: 90"]) {
        let first = stage.get("/a");
        stage.script("/a", [Answer::not_modified(&["Cache-Control: max-age=60"])]);
        assert!(stage.get("/a").body == body.as_bytes());
        let asked = stage.asked("/a");
        assert_eq!(asked[1].header("if-none-match"), first.header("etag"));
        assert_eq!(asked[1].header("if-modified-since"), Some(&*folder.modified("a.txt")));
    }
}

#[test]
fn a_stale_file_that_is_another_is_not_asked_about() {
    let [_, (folder, mut stage, _)] = both(&["Cache-Control: max-age=60", "Age: 90", "ETag: \"own\""]);
    stage.get("/a");
    folder.put("a.txt", "new");
    let response = stage.get("/a");
    assert_eq!((response.text().as_str(), response.x_cache()), ("new", "miss"));
    assert_eq!(stage.asked("/a")[1].header("if-none-match"), None);
}

#[test]
fn a_stale_file_stands_in_for_a_worker_that_fails_while_it_is_there() {
    for (folder, mut stage, body) in both(&["Cache-Control: max-age=1, stale-if-error=600", "Age: 90"]) {
        stage.get("/a");
        stage.script("/a", [Answer::none()]);
        let response = stage.get("/a");
        assert_eq!((response.status, response.x_cache()), (200, "hit"));
        assert!(response.body == body.as_bytes());
        folder.remove("a.txt");
        wait_until("it is noticed", || stage.get("/a").status == 502);
    }
}

#[test]
fn a_stale_file_is_served_while_it_is_validated() {
    for (_folder, mut stage, body) in
        both(&["Cache-Control: max-age=1, stale-while-revalidate=600", "Age: 90"])
    {
        stage.get("/a");
        stage.script("/a", [Answer::not_modified(&["Cache-Control: max-age=60"])]);
        let response = stage.get("/a");
        assert_eq!((response.status, response.x_cache()), (200, "hit"));
        assert!(response.body == body.as_bytes());
        stage.await_asked("/a", 2);
        wait_until("it is fresh", || !stage.get("/a").cache_status().contains("ttl=-"));
    }
}

#[test]
fn what_is_not_for_everybody_is_never_stored() {
    for (fields, request) in [
        (&["Cache-Control: private, max-age=60"][..], "X-A: 1"),
        (&["Cache-Control: no-store"], "X-A: 1"),
        (&[], "X-A: 1"),
        (&["ETag: \"own\""], "X-A: 1"),
        (&["Cache-Control: max-age=60", "Set-Cookie: a=b"], "X-A: 1"),
        (&["Cache-Control: max-age=60"], "Authorization: Basic YTpi"),
        (&["Cache-Control: max-age=60", "Vary: *"], "X-A: 1"),
    ] {
        for (folder, mut stage, body) in both(fields) {
            for _ in 0..3 {
                let response = stage.ask("GET /a", &[request]);
                assert_eq!((response.status, response.x_cache()), (200, "miss"), "{fields:?}");
                assert!(response.body == body.as_bytes());
                assert!(!response.cache_status().contains("stored"), "{}", response.cache_status());
                let part = stage.ask("GET /a", &[request, "Range: bytes=1-2"]);
                assert_eq!((part.status, part.x_cache(), part.body.len()), (206, "miss", 2), "{fields:?}");
            }
            assert_eq!(stage.asked("/a").len(), 6, "{fields:?}");
            // What it gave to one it does not give to the next.
            stage.script("/a", [Answer::new("403 Forbidden", &[], "")]);
            assert_eq!(stage.get("/a").status, 403, "{fields:?}");
            drop(folder);
        }
    }
}

#[test]
fn cookies_are_for_whoever_gets_them_first() {
    for (_folder, mut stage, body) in both(&[PUBLIC, "Set-Cookie: session=1"]) {
        for _ in 0..3 {
            let response = stage.get("/a");
            assert!(response.body == body.as_bytes());
            assert!(response.x_cache() == "miss" || response.header("set-cookie").is_none());
        }
    }
}

#[test]
fn variants_and_urls_are_told_apart() {
    let folder = Folder::new();
    let mut stage = Stage::new();
    let files = ["de", "en"].map(|name| folder.write(name, name.repeat(LARGE)));
    let [de, en] = files.map(|path| Answer::file(&path, &[PUBLIC, "Vary: Accept-Language"]));
    stage.script("/a", [de, en]);
    for (language, word) in [("de", "miss"), ("en", "miss"), ("de", "hit"), ("en", "hit")] {
        let response = stage.ask("GET /a", &[&format!("Accept-Language: {language}"), "Range: bytes=0-1"]);
        assert_eq!((response.text().as_str(), response.x_cache()), (language, word));
    }
    folder.replace("de", "neu");
    let response = stage.ask("GET /a", &["Accept-Language: en", "Range: bytes=0-1"]);
    assert_eq!((response.text().as_str(), response.x_cache()), ("en", "hit"));
}

#[test]
fn a_post_forgets_the_file() {
    for (_folder, mut stage, _) in both(&[PUBLIC]) {
        stage.get("/a");
        assert_eq!(stage.get("/a").x_cache(), "hit");
        stage.ask("POST /a", &[]);
        assert_eq!(stage.get("/a").x_cache(), "miss");
    }
}

#[test]
fn many_that_ask_at_once_are_one_request() {
    for (_folder, stage, body) in both(&[PUBLIC]) {
        let mut clients: Vec<_> = (0..10).map(|_| stage.client()).collect();
        for client in &mut clients {
            client.send_get("/a");
        }
        for client in &mut clients {
            assert!(client.response().body == body.as_bytes());
        }
        assert_eq!(stage.asked("/a").len(), 1);
    }
}

#[test]
fn files_stay_apart_from_the_root_they_were_stored_under() {
    // What is stored is opened under the same conditions as before: a link that leads out is not followed.
    let folder = Folder::new();
    folder.write("open/a.txt", large());
    folder.write("closed/a.txt", "x".repeat(LARGE));
    folder.link("open/link", "a.txt");
    let root = folder.at("open");
    let mut stage = Stage::with(|thrust| thrust.env("THRUST_SEND_FILE_ROOT", root));
    stage.script("/a", [Answer::file(&folder.at("open/link"), &[PUBLIC])]);
    assert!(stage.get("/a").body == large().as_bytes());
    assert_eq!(stage.get("/a").x_cache(), "hit");
    folder.link("open/new", "../closed/a.txt");
    std::fs::rename(folder.at("open/new"), folder.at("open/link")).unwrap();
    assert_eq!(stage.get("/a").status, 404);
}
