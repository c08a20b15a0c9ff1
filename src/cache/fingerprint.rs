//! Which request targets name a fingerprinted asset.
//!
//! What this says yes to may be stored for everybody although the response has no `Cache-Control`. So in doubt it is no:
//! that costs a fetch, while a wrong yes could show one visitor another's file.
//!
//! The hash is the last part of the file name, behind `-` or `.`, or the whole name; what a build tool appends to it
//! (`.chunk`, `.min`, `.digested`, `.map` …) is taken off first. It has one of three forms:
//!
//! - **Hex**, small letters, 6 to 12 digits or as many as digests and tools have. 24 are left out (MongoDB's object ids),
//!   13 (PHP's `uniqid`), and random and time UUIDs with hyphens or without. Up to 12 digits are no hash if they could be
//!   a number, a word, a word and a number (`cafe24`, `face2face`), a numbered thing (`a12345`, `20240101b`) or a
//!   date (`20feb2024`). Letters alone are a hash from 16 on, numerals alone from 32 on.
//! - **Base32** of esbuild: 8 of `A-Z2-7`, with two vowels at most, and no letters followed by a number (`DSCN2345`).
//!   Letters alone count for scripts and styles only (`scan-PASSPORT.png`).
//! - **Base64url** of Vite and Rollup: 8 characters, at most one `-` and one `_` among them, capitals and small letters,
//!   and at least 3 changes between small letter, capital and numeral (`-` and `_` left out). Names such as `MyWidget` or
//!   `iPhone6s` change as often, but have a word in them: a letter and two or more small ones, with a vowel among them.
//!   That is no hash. Of a script or style with a numeral in it the word must be longer by one (`C1nco2VV`), since there
//!   chance makes more of them than people do. By this rule a quarter of such hashes are taken for names, of images and
//!   fonts more than a third.
//!
//! A hash that is the whole name is hex of 16 digits or more, or belongs to a script or style.

use std::ops::ControlFlow;

/// Whether a request target in origin-form names a fingerprinted asset under one of the folders, which are path prefixes
/// that end with a slash or mean one. Targets with a query, anything percent-encoded or out of the ordinary are none.
pub fn is_asset(target: &str, folders: &[String]) -> bool {
    let under = |folder: &String| {
        let rest = target.strip_prefix(folder.trim_end_matches('/'));
        !folder.is_empty() && rest.is_some_and(|rest| rest.starts_with('/'))
    };
    folders.iter().any(under) && is_plain(target) && file_name(target).is_some_and(is_fingerprinted)
}

/// No empty segments, no `.` and `..`, no hidden files, no parameters, nothing encoded.
fn is_plain(target: &str) -> bool {
    let is_ordinary =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.' | b'~' | b'@' | b'+');
    target.bytes().all(is_ordinary)
        && target.split('/').skip(1).all(|segment| !segment.is_empty() && !segment.starts_with('.'))
}

fn file_name(target: &str) -> Option<&str> {
    target.rsplit_once('/').map(|(_, name)| name)
}

fn is_fingerprinted(name: &str) -> bool {
    let Some((stem, is_code)) = asset_stem(name) else { return false };
    let stem = without_suffixes(stem);
    let hash = stem.rsplit(['-', '.']).next().unwrap_or(stem);
    if is_hex_hash(hash, is_code) && !ends_with_uuid(stem) {
        return hash.len() < stem.len() || hash.len() >= 16 || (is_code && hash.len() >= 8);
    }
    match stem.len().checked_sub(8).and_then(|start| stem.split_at_checked(start)) {
        Some((before, hash)) if before.ends_with(['-', '.']) || (before.is_empty() && is_code) => {
            is_base32_hash(hash, is_code) || is_base64_hash(hash, is_code)
        }
        _ => false,
    }
}

/// The name without an asset's extension, and whether it is a script or a style. Small letters only, as build tools
/// write them: `.JPG` comes from a camera.
fn asset_stem(name: &str) -> Option<(&str, bool)> {
    let (stem, extension) = name.rsplit_once('.')?;
    match extension {
        "map" => asset_stem(stem).filter(|_| !stem.ends_with(".map")).filter(|(_, is_code)| *is_code),
        "js" | "mjs" | "cjs" | "css" => Some((stem, true)),
        "wasm" => Some((stem, false)),
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "avif" | "jxl" | "svg" | "ico" | "bmp" | "cur" => {
            Some((stem, false))
        }
        "woff" | "woff2" | "ttf" | "otf" | "eot" => Some((stem, false)),
        "mp3" | "m4a" | "aac" | "ogg" | "oga" | "opus" | "wav" | "flac" => Some((stem, false)),
        "mp4" | "m4v" | "webm" | "ogv" | "mov" => Some((stem, false)),
        _ => None,
    }
}

/// The stem without what build tools write between hash and extension.
fn without_suffixes(mut stem: &str) -> &str {
    while let Some((rest, "chunk" | "bundle" | "digested" | "min" | "module")) = stem.rsplit_once('.') {
        stem = rest;
    }
    stem
}

fn is_hex_hash(text: &str, is_code: bool) -> bool {
    let is_hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let numerals = text.bytes().filter(u8::is_ascii_digit).count();
    let letters = text.len() - numerals;
    is_hex
        && match text.len() {
            6..=12 => numerals > 0 && letters > 0 && is_mixed(text, is_code),
            16 | 20 => letters > 0,
            32 => !has_uuid_marks(text.as_bytes(), 12, 16),
            40 | 56 | 64 | 96 | 128 => true,
            _ => false,
        }
}

/// Whether short hex digits are anything but a number beside a word or a letter. Nobody's private file is a script or a
/// style: there only words and years count against it.
fn is_mixed(text: &str, is_code: bool) -> bool {
    let has_words = || text.split(|c: char| c.is_ascii_digit()).any(is_hex_word);
    let numerals = text.trim_matches(|c: char| c.is_ascii_alphabetic());
    let letters = text.len() - numerals.len();
    let is_year = || numerals.len() == 4 && (numerals.starts_with("19") || numerals.starts_with("20"));
    let is_long_code = is_code && text.len() >= 8;
    match class_changes(text) {
        0 => false,
        1 => (is_long_code || (numerals.len() >= 2 && letters >= 3)) && !has_words() && !is_year(),
        2 => is_long_code || !has_words(),
        _ => true,
    }
}

/// Three letters or more that could be spoken: `face`, `dec`, but not `abc` or `bcd`.
fn is_hex_word(letters: &str) -> bool {
    let in_alphabetical_order = letters.as_bytes().is_sorted_by(|a, b| a < b);
    letters.len() >= 3 && letters.contains(['a', 'e']) && !in_alphabetical_order
}

/// Whether it ends with a UUID, of which the last group alone would look like a hash.
fn ends_with_uuid(stem: &str) -> bool {
    let start = stem.len().wrapping_sub(36);
    stem.as_bytes().get(start..).is_some_and(|tail| {
        tail.iter().enumerate().all(|(place, &b)| match place {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
    })
}

/// Version 4 (random) or 7 (time) and the variant of RFC 9562, at these places.
fn has_uuid_marks(text: &[u8], version: usize, variant: usize) -> bool {
    matches!(text.get(version), Some(b'4' | b'7'))
        && matches!(text.get(variant), Some(b'8' | b'9' | b'a' | b'b'))
}

fn is_base32_hash(text: &str, is_code: bool) -> bool {
    let vowels = text.bytes().filter(|b| b"AEIOU".contains(b)).count();
    let in_alphabet = text.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7'));
    in_alphabet
        && vowels <= 2
        && match class_changes(text) {
            0 => is_code && text.bytes().all(|b| b.is_ascii_uppercase()),
            1 => false,
            _ => true,
        }
}

fn is_base64_hash(text: &str, is_code: bool) -> bool {
    let longest = if is_code && text.contains(|c: char| c.is_ascii_digit()) { 3 } else { 2 };
    let count = |sign| text.bytes().filter(|&b| b == sign).count();
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && count(b'-') <= 1
        && count(b'_') <= 1
        && text.bytes().any(|b| b.is_ascii_uppercase())
        && text.bytes().any(|b| b.is_ascii_lowercase())
        && class_changes(text) >= 3
        && !has_word(text, longest)
}

/// How often small letter, capital and numeral follow one another in another class.
fn class_changes(text: &str) -> usize {
    let mut classes =
        text.bytes().filter(u8::is_ascii_alphanumeric).map(|b| (b.is_ascii_digit(), b.is_ascii_uppercase()));
    let mut last = classes.next();
    classes.filter(|&class| last.replace(class) != Some(class)).count()
}

/// Whether there is a letter and small ones behind it, with a vowel among them, of more than this length.
fn has_word(text: &str, longest: usize) -> bool {
    let is_vowel = |b: u8| b"aeiouy".contains(&b.to_ascii_lowercase());
    let step = |(length, spoken), b: u8| {
        let (length, spoken) = match b {
            b'a'..=b'z' => (length + 1, spoken || is_vowel(b)),
            b'A'..=b'Z' => (1, is_vowel(b)),
            _ => (0, false),
        };
        if length > longest && spoken {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue((length, spoken))
        }
    };
    text.bytes().try_fold((0, false), step).is_break()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX_64: &str = "/assets/a-1f2e3d4c5b6a79880f1e2d3c4b5a69781f2e3d4c5b6a79880f1e2d3c4b5a6978.css";

    /// A target, whether it is an asset, and why.
    const NAMES: &[(&str, bool, &str)] = &[
        ("/assets/application-abc123.js", true, "6 hex digits"),
        ("/assets/application-908e25f4bf641868d8683022a5b62f54.css", true, "Sprockets, MD5"),
        (HEX_64, true, "Sprockets, SHA-256"),
        ("/assets/name-1a2b3c4d.css", true, "Propshaft"),
        ("/assets/name-1a2b3c4d.digested.js", true, "Propshaft, digested before"),
        ("/assets/@hotwired--stimulus-1a2b3c4d.js", true, "importmap"),
        ("/assets/controllers/hello_controller-0f9e8d7c.js", true, "in a folder below"),
        ("/assets/logo@2x-1a2b3c4d.png", true, "a resolution, and a hash behind it"),
        ("/assets/abcdef-abcdef12.css", true, "letters in order are no word"),
        ("/packs/app-0f9e8d7c6b5a.js", true, "Webpack"),
        ("/packs/js/application-1d21f0c8a7e4b3f90c2d.js", true, "Webpack, 20 digits"),
        ("/packs/name.8f3a9c1b.chunk.css", true, "Webpack's chunk"),
        ("/packs/main.8f3a9c1b.bundle.min.js", true, "two suffixes"),
        ("/packs/151cfcfa1bd74779aadb.png", true, "Webpack, the whole name"),
        ("/packs/app-0f9e8d7c6b5a.js.map", true, "a script's map"),
        ("/packs/app-0f9e8d7c6b5a.css.map", true, "a style's map"),
        ("/static/media/logo.6ce24c58.svg", true, "Create React App"),
        ("/static/base.5ae40d1f7a8b.css", true, "Django"),
        ("/build/index-A7BCD2EF.js", true, "esbuild"),
        ("/build/index-ABCDEFGH.js", true, "esbuild, without numerals"),
        ("/build/logo-A7BCD2EF.png", true, "esbuild, an image"),
        ("/vite/assets/index-BxK3f9_a.js", true, "Vite"),
        ("/vite/assets/index-Bx-3f9Ka.js", true, "Vite, a hyphen in the hash"),
        ("/vite/assets/index-Bx-3f_Ka.js", true, "Vite, both signs in the hash"),
        ("/vite/assets/index-C1nco2VV.js", true, "Vite, three small letters by chance"),
        ("/vite/assets/inter-latin-Dx4bVWVA.woff2", true, "a font"),
        ("/vite/assets/engine-Bk3Zq9Xw.wasm", true, "WASM"),
        ("/_next/static/chunks/main-1a2b3c4d5e6f7a8b.js", true, "Next.js"),
        ("/_next/static/css/1a2b3c4d5e6f7a8b.css", true, "Next.js, the whole name"),
        ("/_nuxt/entry.BxK3f9_a.js", true, "Nuxt 3"),
        ("/_nuxt/BxK3f9_a.js", true, "Nuxt, the whole name"),
        ("/_app/immutable/chunks/index.1a2b3c4d.js", true, "SvelteKit"),
        ("/_astro/index.DkTqvPzR.css", true, "Astro, letters only"),
        ("/_astro/hero.DkTqvPzR.webp", true, "Astro, an image"),
        ("/plain/app-1a2b3c4d.js", true, "a folder given without its slash"),
        ("/assets/deep-1a2b3c4d/app.js", false, "the hash is a folder's"),
        ("/other/app-1a2b3c4d.js", false, "another folder"),
        ("/plainer/app-1a2b3c4d.js", false, "the folder's name goes on"),
        ("/a/assets/app-1a2b3c4d.js", false, "the folder is not at the beginning"),
        ("/Assets/app-1a2b3c4d.js", false, "paths have cases"),
        ("http://a/assets/app-1a2b3c4d.js", false, "not in origin-form"),
        ("/assets/app-1a2b3c4d.js?", false, "a query"),
        ("/assets/app-1a2b3c4d.js?v=1", false, "a query"),
        ("/assets/me?x=/assets/app-1a2b3c4d.js", false, "an asset in a query"),
        ("/assets/app%2d1a2b3c4d.js", false, "percent-encoded"),
        ("/assets/../me/app-1a2b3c4d.js", false, "leaves the folder"),
        ("/assets/./app-1a2b3c4d.js", false, "a dot segment"),
        ("/assets//app-1a2b3c4d.js", false, "an empty segment"),
        ("/assets/me;app-1a2b3c4d.js", false, "a parameter"),
        ("/assets/.app-1a2b3c4d.js", false, "a hidden file"),
        ("/assets/", false, "no file"),
        ("/assets", false, "the folder itself"),
        ("/assets/application-abc123", false, "no extension"),
        ("/assets/application-abc123.", false, "an empty extension"),
        ("/assets/page-1a2b3c4d.html", false, "HTML"),
        ("/assets/data-1a2b3c4d.json", false, "JSON"),
        ("/assets/data-1a2b3c4d.json.map", false, "a map of JSON"),
        ("/assets/invoice-1a2b3c4d.pdf", false, "a document"),
        ("/assets/app-1a2b3c4d.js.gz", false, "not an asset's extension"),
        ("/assets/app-1a2b3c4d.map", false, "a map of nothing"),
        ("/assets/app-1a2b3c4d.js.map.map", false, "a map of a map"),
        ("/assets/photo-1a2b3c4d.JPG", false, "a camera's extension"),
        ("/assets/photo-1a2b3c4d.html.js", false, "the hash is not last"),
        ("/assets/application.js", false, "no hash"),
        ("/assets/application-mobile.js", false, "a word"),
        ("/assets/bootstrap-defaced.css", false, "a word of hex letters"),
        ("/assets/theme-deadbeef.css", false, "words of hex letters"),
        ("/assets/logo-cafe24.png", false, "a word and a number"),
        ("/assets/clip-face2face.mp4", false, "words and a number"),
        ("/assets/photo-20240101.jpg", false, "a date"),
        ("/assets/photo-20240101120000.jpg", false, "a time"),
        ("/assets/photo-20feb2024.jpg", false, "a date with a month of hex letters"),
        ("/assets/photo-dec2023.jpg", false, "a month"),
        ("/assets/photo-20240101b.jpg", false, "a numbered date"),
        ("/assets/jquery-3.7.1.js", false, "a version"),
        ("/assets/jquery-3.7.1.min.js", false, "a version"),
        ("/assets/app-v2.js", false, "a version"),
        ("/assets/logo-1920x1080.png", false, "a resolution"),
        ("/assets/icon-512.png", false, "a size"),
        ("/assets/logo-1a2b3c4d@2x.png", false, "the hash is not last"),
        ("/assets/avatar-123456.png", false, "a number"),
        ("/assets/avatar-a12345.png", false, "a numbered thing"),
        ("/assets/avatar-1a2b3.png", false, "5 hex digits"),
        ("/assets/avatar-1A2B3C4D.png", false, "hex in capitals"),
        ("/assets/avatar_1a2b3c4d.png", false, "another separator"),
        ("/assets/1a2b3c4d.png", false, "a short name of an image"),
        ("/assets/1a2b3c.js", false, "6 hex digits are the whole name"),
        ("/assets/BxK3f9_a.png", false, "a short name of an image"),
        ("/assets/avatar-507f1f77bcf86cd799439011.png", false, "an object id of MongoDB"),
        ("/assets/avatar-5f2b8c9d1e3a4.png", false, "uniqid of PHP"),
        ("/assets/avatar-550e8400-e29b-41d4-a716-4466554400ab.png", false, "a UUID"),
        ("/assets/550e8400-e29b-41d4-a716-4466554400ab.png", false, "a UUID"),
        ("/assets/550e8400e29b41d4a7164466554400ab.png", false, "a UUID without hyphens"),
        ("/assets/avatar-12345678901234567890.png", false, "a long number"),
        ("/assets/holiday-DSCN2345.jpg", false, "a camera's number"),
        ("/assets/holiday-IMG_2345.jpg", false, "a camera's number"),
        ("/assets/scan-PASSPORT.png", false, "a word in capitals"),
        ("/assets/index-HOMEPAGE.js", false, "a word in capitals"),
        ("/assets/user-Settings.js", false, "a word"),
        ("/assets/index-Homepage.js", false, "a word"),
        ("/assets/index-MyWidget.js", false, "words"),
        ("/assets/index-MyNewApp.js", false, "three words"),
        ("/assets/MyNewApp.js", false, "three words, the whole name"),
        ("/assets/photo-iPhone6s.jpg", false, "words and a number"),
        ("/assets/clip-Mp3Audio.mp3", false, "words and a number"),
        ("/assets/user-Photo123.jpg", false, "a word and a number"),
        ("/assets/index-page2of3.js", false, "one case"),
        ("/assets/strings-En_US_v2.js", false, "a language and a version"),
        ("/assets/index-Bx3f9Ka.js", false, "7 characters"),
    ];

    #[test]
    fn which_targets_name_a_fingerprinted_asset() {
        let folders = [
            "/assets/",
            "/packs/",
            "/static/",
            "/build/",
            "/vite/",
            "/_next/static/",
            "/_nuxt/",
            "/_astro/",
            "/_app/immutable/",
            "/plain",
            "",
        ]
        .map(str::to_owned);
        for &(target, expected, why) in NAMES {
            assert_eq!(is_asset(target, &folders), expected, "{target}: {why}");
            assert!(!is_asset(target, &[]), "{target} without folders");
        }
    }
}
