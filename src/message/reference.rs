//! References to other resources, as `Location` and `Content-Location` hold them (RFC 3986 §4.1), resolved for the
//! invalidation of what a request has changed (RFC 9111 §4.4).

/// The origin-form target that a reference names, if it is on the host that the request was for.
///
/// `base` is the request's own target in origin-form. Of an http or https reference with an authority (`host` or
/// `host:port`, as written), `is_our_host` decides. `None` is what names another host or scheme, has user information, or
/// is no reference at all. The fragment is no part of a target, and percent-encoding stays as it is.
pub fn target_on_host(reference: &[u8], base: &str, is_our_host: impl Fn(&[u8]) -> bool) -> Option<String> {
    let text =
        std::str::from_utf8(reference).ok().filter(|text| text.bytes().all(|b| b.is_ascii_graphic()))?;
    let (whole, _fragment) = text.split_at(text.find('#').unwrap_or(text.len()));
    let (authority, rest) = split_authority(whole)?;
    if authority.is_some_and(|authority| authority.contains('@') || !is_our_host(authority.as_bytes())) {
        return None;
    }
    let (path, query) = split_query(rest);
    let (base_path, _) = split_query(base);
    Some(match (authority, path) {
        (Some(_), "") => format!("/{query}"),
        (None, "") if rest.is_empty() => base.to_owned(),
        (None, "") => format!("{base_path}{query}"),
        (_, path) if path.starts_with('/') => without_dots(path) + query,
        (_, path) => {
            let folder = base_path.rfind('/').map_or("/", |slash| &base_path[..=slash]);
            without_dots(&format!("{folder}{path}")) + query
        }
    })
}

/// The authority and what follows it; `None` for another scheme, and for an http URL without a host.
fn split_authority(reference: &str) -> Option<(Option<&str>, &str)> {
    let after_scheme = match reference.find([':', '/', '?']) {
        Some(colon) if reference[colon..].starts_with(':') => {
            let scheme = &reference[..colon];
            let is_http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
            if !is_http || !reference[colon + 1..].starts_with("//") {
                return None;
            }
            &reference[colon + 1..]
        }
        _ => reference,
    };
    let Some(rest) = after_scheme.strip_prefix("//") else { return Some((None, after_scheme)) };
    let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    (!authority.is_empty()).then_some((Some(authority), rest))
}

/// The path, and the query with its question mark.
fn split_query(target: &str) -> (&str, &str) {
    target.split_at(target.find('?').unwrap_or(target.len()))
}

/// RFC 3986 §5.2.4, for a path that begins with a slash. A path without dot segments stays as it is.
fn without_dots(path: &str) -> String {
    let mut kept = String::with_capacity(path.len());
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => kept.truncate(kept.rfind('/').unwrap_or(0)),
            _ => {
                kept.push('/');
                kept.push_str(segment);
                continue;
            }
        }
        if is_last {
            kept.push('/');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(reference: impl AsRef<[u8]>, base: &str) -> Option<String> {
        target_on_host(reference.as_ref(), base, |host| {
            host.eq_ignore_ascii_case(b"a.example") || host == b"a.example:81" || host == b"[::1]:80"
        })
    }

    #[test]
    fn references() {
        for (reference, target) in [
            ("http://a.example/x", Some("/x")),
            ("HTTPS://A.example/x?y#z", Some("/x?y")),
            ("http://a.example", Some("/")),
            ("http://a.example?q", Some("/?q")),
            ("http://a.example#f", Some("/")),
            ("http://a.example:81/x", Some("/x")),
            ("http://[::1]:80/x", Some("/x")),
            ("http://a.example/x//y/", Some("/x//y/")),
            ("http://a.example/x/../y", Some("/y")),
            ("http://b.example/x", None),
            ("http://a.example:82/x", None),
            ("http://a.example.b.example/x", None),
            ("http://a.example@b.example/x", None),
            ("http://user@a.example/x", None),
            ("http:///x", None),
            ("http:/x", None),
            ("http:x", None),
            ("ftp://a.example/x", None),
            ("javascript:alert(1)", None),
            ("a:b", None),
            (":x", None),
            ("//a.example/x", Some("/x")),
            ("//a.example", Some("/")),
            ("//b.example/x", None),
            ("///x", None),
            ("//", None),
            ("/x?y=/../z", Some("/x?y=/../z")),
            ("/x/./y/../z/..", Some("/x/")),
            ("/../../x", Some("/x")),
            ("/..//x", Some("//x")),
            ("/a:b", Some("/a:b")),
            ("/%2e%2E/x", Some("/%2e%2E/x")),
            ("/...", Some("/...")),
            ("?y=http://b.example/", Some("/b/c/d?y=http://b.example/")),
            ("#f", Some("/b/c/d?q")),
            ("", Some("/b/c/d?q")),
            ("?", Some("/b/c/d?")),
            ("a b", None),
            ("/x\r\ny", None),
            ("/é", None),
        ] {
            assert_eq!(resolve(reference, "/b/c/d?q").as_deref(), target, "{reference:?}");
        }
    }

    /// RFC 3986 §5.4, those that stay on the host, with the path alone.
    #[test]
    fn the_examples_of_the_rfc() {
        for (reference, target) in [
            ("g", "/b/c/g"),
            ("./g", "/b/c/g"),
            ("g/", "/b/c/g/"),
            ("g?y", "/b/c/g?y"),
            ("g#s", "/b/c/g"),
            (";x", "/b/c/;x"),
            (".", "/b/c/"),
            ("./", "/b/c/"),
            ("..", "/b/"),
            ("../", "/b/"),
            ("../g", "/b/g"),
            ("../..", "/"),
            ("../../g", "/g"),
            ("../../../g", "/g"),
            ("/./g", "/g"),
            ("g.", "/b/c/g."),
            ("..g", "/b/c/..g"),
            ("./g/.", "/b/c/g/"),
            ("g/../h", "/b/c/h"),
            ("g;x=1/./y", "/b/c/g;x=1/y"),
            ("g?y/../x", "/b/c/g?y/../x"),
        ] {
            assert_eq!(resolve(reference, "/b/c/d;p?q=/x").as_deref(), Some(target), "{reference:?}");
        }
    }

    #[test]
    fn odd_bases() {
        assert_eq!(resolve("x", "*").as_deref(), Some("/x"));
        assert_eq!(resolve("x", "").as_deref(), Some("/x"));
        assert_eq!(resolve("x", "/?a/b").as_deref(), Some("/x"));
        assert_eq!(resolve("?x", "/a/../b").as_deref(), Some("/a/../b?x"), "the base is taken as sent");
    }

    #[test]
    fn no_bytes_make_it_panic_or_leave_the_host() {
        let pieces =
            [&b"/"[..], b"..", b".", b"?", b"#", b":", b"@", b"//", b"http", b"\xff", b"a.example", b"%"];
        for number in 0..pieces.len().pow(4) {
            let digits = [1, 12, 144, 1728].map(|unit| pieces[number / unit % pieces.len()]);
            let target = resolve(digits.concat(), "/b/c");
            assert!(target.is_none_or(|target| target.starts_with('/')), "{digits:?}");
        }
    }
}
