//! Files of the public folder in part, under conditions, and in the encodings that lie beside them.

use crate::{
    public::{LARGE, OTHER, serving, stage},
    support::{Folder, Stage, parts},
};

/// A small one and a large one, with the cache and without.
fn every_kind() -> Vec<(Folder, Stage, String)> {
    let kinds = [(26, "64MB"), (26, "0"), (LARGE, "64MB"), (LARGE, "0")];
    let kinds = kinds.map(|(length, cache)| {
        let folder = Folder::new();
        let body = "abcdefghijklmnopqrstuvwxyz".repeat(length / 26);
        folder.write("public/a.png", &body);
        let configure = serving(&folder);
        (folder, Stage::with(|thrust| configure(thrust).env("THRUST_CACHE_SIZE", cache)), body)
    });
    kinds.into()
}

#[test]
fn ranges_and_conditions() {
    for (folder, mut stage, body) in every_kind() {
        let first = stage.get("/a.png");
        assert!(first.body == body.as_bytes());
        let etag = first.header("etag").unwrap();
        let strong = etag.strip_prefix("W/").unwrap();
        let modified = folder.modified("public/a.png");
        let field = |name: &str, value: &str| format!("{name}: {value}");
        let range = || "Range: bytes=2-4".to_owned();
        const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (fields, status, expected) in [
            (vec![range()], 206, "cde"),
            (vec!["Range: bytes=-2".to_owned()], 206, "yz"),
            (vec![field("Range", &format!("bytes={}-", body.len() - 1))], 206, "z"),
            (vec![field("Range", &format!("bytes={}-", body.len()))], 416, ""),
            (vec![range(), field("If-Range", &modified)], 206, "cde"),
            (vec![range(), field("If-Range", OLD)], 200, &body),
            (vec![range(), field("If-Range", etag)], 200, &body),
            (vec![field("If-None-Match", etag)], 304, ""),
            (vec![field("If-None-Match", strong)], 304, ""),
            (vec![field("If-None-Match", "*")], 304, ""),
            (vec![field("If-None-Match", "\"x\"")], 200, &body),
            (vec![field("If-None-Match", "\"x\""), field("If-Modified-Since", &modified)], 200, &body),
            (vec![field("If-Modified-Since", &modified)], 304, ""),
            (vec![field("If-Modified-Since", OLD)], 200, &body),
            (vec![field("If-Unmodified-Since", OLD)], 412, ""),
            (vec![field("If-Unmodified-Since", &modified)], 200, &body),
            (vec![field("If-Match", "\"x\"")], 412, ""),
            (vec![field("If-Match", "*")], 200, &body),
            (vec!["Cache-Control: no-cache".to_owned()], 200, &body),
            (vec!["Cache-Control: no-store".to_owned()], 200, &body),
            (vec!["Cache-Control: only-if-cached".to_owned()], 200, &body),
            (vec!["Authorization: Basic YTpi".to_owned(), "Cookie: a=b".to_owned()], 200, &body),
        ] {
            let fields: Vec<_> = fields.iter().map(String::as_str).collect();
            let response = stage.ask("GET /a.png", &fields);
            assert_eq!(response.status, status, "{fields:?}");
            assert!(response.body == expected.as_bytes(), "{fields:?}");
            let control = if [412, 416].contains(&status) { "no-store" } else { OTHER };
            assert_eq!(response.header("cache-control"), Some(control), "{fields:?}");
        }
        let unsatisfied = stage.ask("GET /a.png", &["Range: bytes=99999999-"]);
        assert_eq!(unsatisfied.all("content-range"), [format!("bytes */{}", body.len())]);
        let several = parts(&stage.ask("GET /a.png", &["Range: bytes=0-1,-1"]));
        assert_eq!(several.iter().map(|part| &*part.body).collect::<Vec<_>>(), ["ab", "z"]);
        let head = stage.ask("HEAD /a.png", &["Range: bytes=0-1"]);
        assert_eq!((head.status, head.all("content-length")), (200, vec![&*body.len().to_string()]));
        assert_eq!(stage.backend.requests().len(), 0);
    }
}

/// What siblings hold is what they are, so that a test sees which one it got: nothing decodes them here.
fn with_siblings(configure: &[(&str, &str)], length: usize, names: &[&str]) -> (Folder, Stage) {
    let folder = Folder::new();
    folder.write("public/a.css", "x".repeat(length));
    for name in names {
        folder.write(&format!("public/a.css.{name}"), name.repeat(length / 2));
    }
    let serve = serving(&folder);
    let stage = Stage::with(|thrust| {
        configure.iter().fold(serve(thrust), |thrust, (name, value)| thrust.env(name, *value))
    });
    (folder, stage)
}

#[test]
fn siblings_are_preferred_by_what_the_client_accepts() {
    for (cache, length) in [("64MB", 2000), ("64MB", 3 * LARGE), ("0", 2000)] {
        let cache = [("THRUST_CACHE_SIZE", cache)];
        let (_folder, mut stage) = with_siblings(&cache, length, &["br", "zst", "gz"]);
        for (accept, encoding, name) in [
            ("gzip", Some("gzip"), "gz"),
            ("br", Some("br"), "br"),
            ("zstd", Some("zstd"), "zst"),
            ("gzip, br, zstd", Some("zstd"), "zst"),
            ("gzip, br", Some("br"), "br"),
            ("GZIP;q=0.9, br;q=0.8", Some("gzip"), "gz"),
            ("zstd;q=0, *", Some("br"), "br"),
            ("identity", None, "x"),
            ("gzip;q=0", None, "x"),
            ("deflate", None, "x"),
        ] {
            let response = stage.ask("GET /a.css", &[&format!("Accept-Encoding: {accept}")]);
            assert_eq!(response.header("content-encoding"), encoding, "{accept}");
            assert!(response.text().starts_with(name), "{accept}");
            assert_eq!(response.all("content-length"), [response.body.len().to_string()], "{accept}");
            assert_eq!(response.header("content-type"), Some("text/css; charset=utf-8"), "{accept}");
            assert!(response.has_token("vary", "accept-encoding"), "{accept}");
            assert_eq!(response.header("cache-control"), Some(OTHER));
            assert_eq!(
                response.header("accept-ranges"),
                encoding.xor(Some("bytes")).filter(|_| encoding.is_none())
            );
            let head = stage.ask("HEAD /a.css", &[&format!("Accept-Encoding: {accept}")]);
            assert_eq!(head.header("content-encoding"), encoding, "{accept}");
            assert_eq!(head.header("content-length"), response.header("content-length"), "{accept}");
            let known = format!("If-None-Match: {}", response.header("etag").unwrap());
            let confirmed = stage.ask("GET /a.css", &[&format!("Accept-Encoding: {accept}"), &known]);
            assert_eq!(confirmed.status, 304, "{accept}");
            assert!(confirmed.has_token("vary", "accept-encoding"), "{accept}");
        }
        // Ranges are of the identity form.
        let part = stage.ask("GET /a.css", &["Accept-Encoding: br", "Range: bytes=0-1"]);
        assert_eq!((part.status, part.text().as_str()), (206, "xx"));
        assert_eq!(part.header("content-encoding"), None);
        assert!(part.has_token("vary", "accept-encoding"));
        assert_eq!(stage.backend.requests().len(), 0);
    }
}

#[test]
fn only_the_siblings_that_are_there() {
    for length in [2000, 3 * LARGE] {
        let (_folder, mut stage) = with_siblings(&[], length, &["gz"]);
        for accept in ["zstd, br, gzip", "gzip"] {
            let response = stage.ask("GET /a.css", &[&format!("Accept-Encoding: {accept}")]);
            assert_eq!((response.header("content-encoding"), &response.text()[..2]), (Some("gzip"), "gz"));
        }
    }
}

#[test]
fn only_encodings_that_are_offered() {
    for (offer, expected) in
        [("0", None), ("gzip", Some("gzip")), ("gzip,br", Some("gzip")), ("br", Some("br"))]
    {
        for length in [2000, 3 * LARGE] {
            let (_folder, mut stage) =
                with_siblings(&[("THRUST_COMPRESSION", offer)], length, &["br", "zst", "gz"]);
            let response = stage.ask("GET /a.css", &["Accept-Encoding: zstd, br, gzip"]);
            assert_eq!(response.header("content-encoding"), expected, "{offer}");
            let start = expected.map_or("xx", |encoding| &encoding[..1]);
            assert!(response.text().starts_with(start), "{offer}");
        }
    }
}

#[test]
fn short_files_and_other_types_have_siblings_too() {
    let (folder, mut stage) = stage();
    for name in ["short.css", "image.png", "unknown"] {
        folder.write(&format!("public/{name}"), "x");
        folder.write(&format!("public/{name}.gz"), "gz");
        let response = stage.ask(&format!("GET /{name}"), &["Accept-Encoding: gzip"]);
        assert_eq!((response.text().as_str(), response.header("content-encoding")), ("gz", Some("gzip")));
    }
}

#[test]
fn a_sibling_that_leads_out_or_is_no_file_is_none() {
    let (folder, mut stage) = stage();
    folder.write("secret", "secret");
    for name in ["a.css", "b.css", "c.css"] {
        folder.write(&format!("public/{name}"), "x".repeat(100));
    }
    folder.link("public/a.css.gz", "../secret");
    folder.fifo("public/b.css.gz");
    std::fs::create_dir(folder.at("public/c.css.gz")).unwrap();
    for name in ["a.css", "b.css", "c.css"] {
        let response = stage.ask(&format!("GET /{name}"), &["Accept-Encoding: gzip"]);
        assert_eq!((response.body.len(), response.header("content-encoding")), (100, None), "{name}");
    }
}

#[test]
fn a_sibling_asked_for_by_its_own_name_is_what_it_is() {
    let (folder, mut stage) = stage();
    folder.write("public/a.css", "x".repeat(2000));
    folder.write("public/a.css.gz", "gz");
    let response = stage.ask("GET /a.css.gz", &["Accept-Encoding: gzip"]);
    assert_eq!((response.text().as_str(), response.header("content-encoding")), ("gz", None));
    assert_eq!(response.header("content-type"), Some("application/gzip"));
    // Without the file itself there is nothing that it could be a sibling of.
    folder.write("public/b.css.gz", "gz");
    assert_eq!(stage.ask("GET /b.css", &["Accept-Encoding: gzip"]).status, 404);
}
