//! An explanation as it is read at a terminal. Whatever comes from elsewhere has an end, and nothing in it that a terminal
//! would obey; of fields that may hold a secret only the names are told.

use super::{Finding, Trace};
use crate::message::Response;
use crate::{cache::CacheKey, proxy::body::Source};
use http::{HeaderName, HeaderValue, header};
use http_body::Body;
use std::{fmt::Write, path::Path};

/// Of anything from elsewhere no more characters than this are shown.
const LONGEST: usize = 300;

/// Columns of a line.
const WIDTH: usize = 100;

/// Fields whose values are no secret, and tell something: what the cache, encodings and ranges go by.
const SHOWN: [HeaderName; 20] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    header::ACCEPT_RANGES,
    header::CACHE_CONTROL,
    crate::message::cache_control::CDN_CACHE_CONTROL,
    header::PRAGMA,
    header::EXPIRES,
    header::DATE,
    header::AGE,
    header::VARY,
    header::ETAG,
    header::LAST_MODIFIED,
    header::ALLOW,
    header::RETRY_AFTER,
    HeaderName::from_static("x-cache"),
    HeaderName::from_static("cache-status"),
    HeaderName::from_static("x-runtime"),
    HeaderName::from_static("server"),
];

/// What the answer depends on most of a request's fields; no secrets, either.
const ASKED: [HeaderName; 6] = [
    header::HOST,
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    header::ACCEPT_ENCODING,
    header::CACHE_CONTROL,
    header::RANGE,
];

/// A redirect to the same page on a connection that is encrypted is mostly what this is.
const REDIRECTED: &str = "(An application that insists on TLS redirects whoever does not say that the visitor has it. Ask by the \
     whole URL, https://…, or with -H 'X-Forwarded-Proto: https'.)";

/// All of it.
pub(super) fn of(trace: &Trace, response: &Response<Source>, parts: &[(&str, Finding)]) -> String {
    let mut text = String::new();
    let target = clean(CacheKey::target_of(&trace.uri));
    let length = response.body().size_hint().exact().map_or("of unknown length".to_owned(), size);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{} {target}", trace.method);
    for name in ASKED {
        for held in trace.headers.get_all(&name) {
            let _ = writeln!(text, "{}: {}", spelled(&name), value(held));
        }
    }
    let _ = writeln!(text, "\n{}, {length}", response.status());
    if is_sent_to_tls(trace, response) {
        wrap(&mut text, REDIRECTED);
    }
    for (part, finding) in parts {
        let _ = writeln!(text, "\n{part}: {}", finding.said);
        wrap(&mut text, &finding.why);
        if !finding.change.is_empty() {
            wrap(&mut text, &format!("What to change: {}", finding.change));
        }
    }
    text.push_str("\nresponse header:\n");
    list(&mut text, response);
    text
}

fn is_sent_to_tls(trace: &Trace, response: &Response<Source>) -> bool {
    let location = response.headers().get(header::LOCATION);
    let is_encrypted = trace.headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
    response.status().is_redirection()
        && location.is_some_and(|location| location.as_bytes().starts_with(b"https://"))
        && !is_encrypted
}

/// The fields: those that tell something with their values, of the others the names.
fn list(text: &mut String, response: &Response<Source>) {
    let headers = response.headers();
    for (name, held) in headers.iter().filter(|(name, _)| SHOWN.contains(name)) {
        let _ = writeln!(text, "  {name}: {}", value(held));
    }
    let others: Vec<_> =
        headers.keys().filter(|name| !SHOWN.contains(name)).map(HeaderName::as_str).collect();
    if !others.is_empty() {
        wrap(text, &format!("and, not shown: {}", others.join(", ")));
    }
}

/// Indented, in lines that fit.
fn wrap(text: &mut String, words: &str) {
    let mut column = 0;
    for word in words.split_whitespace() {
        let width = word.chars().count();
        let begins = column == 0 || column + 1 + width > WIDTH;
        if begins && column > 0 {
            text.push('\n');
        }
        text.push_str(if begins { "  " } else { " " });
        column = if begins { 2 } else { column + 1 } + width;
        text.push_str(word);
    }
    text.push('\n');
}

/// A field's value.
pub(super) fn value(value: &HeaderValue) -> String {
    clean(&String::from_utf8_lossy(value.as_bytes()))
}

/// A field's name as people write it.
pub(super) fn spelled(name: &HeaderName) -> String {
    let mut begins = true;
    let spell = |char: char| {
        let spelled = if begins { char.to_ascii_uppercase() } else { char };
        begins = char == '-';
        spelled
    };
    match name.as_str() {
        "cdn-cache-control" => "CDN-Cache-Control".to_owned(),
        name => name.chars().map(spell).collect(),
    }
}

/// A path.
pub(super) fn path(path: &Path) -> String {
    clean(&path.to_string_lossy())
}

fn clean(text: &str) -> String {
    let mut clean = String::new();
    for char in text.chars().take(LONGEST) {
        match char {
            '"' | '\'' | '\\' => clean.push(char),
            char => clean.extend(char.escape_debug()),
        }
    }
    if text.chars().nth(LONGEST).is_some() {
        clean.push('…');
    }
    clean
}

/// Bytes, as people say them.
pub(super) fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1024 => return format!("{bytes} bytes"),
        1024..0x10_0000 => (1024.0, "KB"),
        0x10_0000..0x4000_0000 => (1_048_576.0, "MB"),
        _ => (1_073_741_824.0, "GB"),
    };
    format!("{:.1} {name}", bytes as f64 / unit)
}

/// Seconds, as people say them.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_elsewhere_is_harmless() {
        for (given, shown) in [
            ("public, max-age=60", "public, max-age=60"),
            ("W/\"a'\\\"", "W/\"a'\\\""),
            ("a\u{1b}[2Jb\nc", "a\\u{1b}[2Jb\\nc"),
            ("é", "é"),
        ] {
            assert_eq!(clean(given), shown);
        }
        assert_eq!(clean(&"x".repeat(1000)).chars().count(), LONGEST + 1);
        assert_eq!(value(&HeaderValue::from_bytes(b"a\xff").unwrap()), "a\u{fffd}");
    }

    #[test]
    fn sizes_and_times_are_told_as_people_do() {
        for (bytes, told) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1536, "1.5 KB"),
            (1 << 20, "1.0 MB"),
            (10 << 20, "10.0 MB"),
            (3 << 30, "3.0 GB"),
        ] {
            assert_eq!(size(bytes), told);
        }
        for (seconds, told) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7200, "2 h"),
            (172_800, "2 days"),
            (31_536_000, "365 days"),
        ] {
            assert_eq!(span(seconds), told);
        }
    }

    #[test]
    fn lines_fit() {
        let mut text = String::new();
        wrap(&mut text, &format!("{} {}", "word ".repeat(60), "x".repeat(200)));
        assert!(text.lines().all(|line| line.starts_with("  ") && !line.starts_with("   ")));
        let long: Vec<_> = text.lines().filter(|line| line.chars().count() > WIDTH).collect();
        assert_eq!(long, [format!("  {}", "x".repeat(200))]);
        assert!(text.ends_with("x\n") && !text.contains(" \n"));
    }

    #[test]
    fn names_are_spelled_as_people_do() {
        assert_eq!(spelled(&header::CACHE_CONTROL), "Cache-Control");
        assert_eq!(spelled(&HeaderName::from_static("cdn-cache-control")), "CDN-Cache-Control");
    }
}
