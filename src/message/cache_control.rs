//! What Cache-Control says (RFC 9111 §5.2, RFC 5861), and CDN-Cache-Control (RFC 9213). `immutable` (RFC 8246) tells
//! browsers not to revalidate what is fresh, which a cache does not do anyway: it is ignored, as all unknown directives
//! are.

use super::structured::{self, Member};
use super::{
    Headers,
    directives::{Directive, directives, saturate},
};
use http::{HeaderName, header};

/// What a response says to caches like this one alone (RFC 9213).
pub const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// Directives of a response (RFC 9111 §5.2.2, RFC 5861). Times are in seconds, at most 2^31.
///
/// The qualified forms of `no-cache` and `private` count as the unqualified ones, as §5.2.2.4 and §5.2.2.7 allow.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct ResponseControl {
    /// Nothing of it may be stored. Also set where the field cannot be read.
    pub no_store: bool,
    /// It may be stored, and must be validated each time it is used.
    pub no_cache: bool,
    /// A shared cache must not store it.
    pub private: bool,
    /// It may be stored even where that would need a permission.
    pub public: bool,
    /// It must not be used when it is stale.
    pub must_revalidate: bool,
    /// The same, for shared caches.
    pub proxy_revalidate: bool,
    /// Who knows the status code's rules stores it in spite of `no-store`.
    pub must_understand: bool,
    /// Freshness lifetime; 0 if what is given is no number.
    pub max_age: Option<u32>,
    /// Freshness lifetime for shared caches; 0 if what is given is no number.
    pub s_maxage: Option<u32>,
    /// How long it may be used while it is revalidated (RFC 5861 §3).
    pub stale_while_revalidate: Option<u32>,
    /// How long it may be used where fetching fails (RFC 5861 §4).
    pub stale_if_error: Option<u32>,
}

/// Directives of a request (RFC 9111 §5.2.1, RFC 5861 §4). Times are in seconds, at most 2^31.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct RequestControl {
    /// Nothing of the response may be stored. Also set where the field cannot be read.
    pub no_store: bool,
    /// Nothing stored may be used without validation.
    pub no_cache: bool,
    /// Only something stored is wanted, and a 504 otherwise.
    pub only_if_cached: bool,
    /// The oldest that is wanted; 0 if what is given is no number.
    pub max_age: Option<u32>,
    /// How long it must still be fresh; `u32::MAX`, which nothing is, if what is given is no number.
    pub min_fresh: Option<u32>,
    /// How stale it may be; `u32::MAX` for any staleness, where no number is given.
    pub max_stale: Option<u32>,
    /// How stale it may be where fetching fails.
    pub stale_if_error: Option<u32>,
}

impl ResponseControl {
    /// What Cache-Control says, or None if there is none.
    pub fn of(headers: &Headers) -> Option<Self> {
        headers.get(header::CACHE_CONTROL)?;
        let mut control = Self::default();
        for directive in directives(headers.get_all(header::CACHE_CONTROL)) {
            match directive {
                Some(directive) => control.add(directive),
                None => control.no_store = true,
            }
        }
        Some(control)
    }

    /// What CDN-Cache-Control says, or None where it is absent, empty or no dictionary: then it is as if there were none
    /// (RFC 9213 §2.1).
    pub fn targeted(headers: &Headers) -> Option<Self> {
        headers.get(CDN_CACHE_CONTROL)?;
        let mut control = Self::default();
        for line in headers.get_all(CDN_CACHE_CONTROL) {
            structured::dictionary(line.as_bytes(), |key, member| control.set(key, member))?;
        }
        Some(control)
    }

    /// What restricts is heeded whatever follows its name; what permits, only if nothing does. Of several numbers the
    /// first counts (RFC 9111 §4.2.1).
    fn add(&mut self, directive: Directive) {
        let bare = directive.argument.is_none();
        let seconds = directive.seconds();
        match directive.name() {
            b"no-store" => self.no_store = true,
            b"no-cache" => self.no_cache = true,
            b"private" => self.private = true,
            b"public" => self.public |= bare,
            b"must-revalidate" => self.must_revalidate = true,
            b"proxy-revalidate" => self.proxy_revalidate = true,
            b"must-understand" => self.must_understand |= bare,
            b"max-age" => self.max_age = self.max_age.or(seconds.or(Some(0))),
            b"s-maxage" => self.s_maxage = self.s_maxage.or(seconds.or(Some(0))),
            b"stale-while-revalidate" => {
                self.stale_while_revalidate = self.stale_while_revalidate.or(seconds);
            }
            b"stale-if-error" => self.stale_if_error = self.stale_if_error.or(seconds),
            _ => {}
        }
    }

    /// RFC 9213 §2.1: a value of another type than the directive's is not used, and of several the last counts, even so.
    fn set(&mut self, key: &[u8], member: Member) {
        let set = member == Member::Boolean(true);
        // Their field names are a String here, or a Token where somebody left out the quotes.
        let set_or_qualified = set || matches!(member, Member::String | Member::Token);
        let seconds = match member {
            Member::Integer(number) => u64::try_from(number).ok().map(saturate),
            _ => None,
        };
        match key {
            b"no-store" => self.no_store = set,
            b"no-cache" => self.no_cache = set_or_qualified,
            b"private" => self.private = set_or_qualified,
            b"public" => self.public = set,
            b"must-revalidate" => self.must_revalidate = set,
            b"proxy-revalidate" => self.proxy_revalidate = set,
            b"must-understand" => self.must_understand = set,
            b"max-age" => self.max_age = seconds,
            b"s-maxage" => self.s_maxage = seconds,
            b"stale-while-revalidate" => self.stale_while_revalidate = seconds,
            b"stale-if-error" => self.stale_if_error = seconds,
            _ => {}
        }
    }
}

impl RequestControl {
    /// What Cache-Control says; where there is none, `Pragma: no-cache` says the same as there (RFC 9111 §5.4).
    pub fn of(headers: &Headers) -> Self {
        let mut control = Self::default();
        if !headers.contains_key(header::CACHE_CONTROL) {
            let mut pragmas = directives(headers.get_all(header::PRAGMA)).flatten();
            control.no_cache = pragmas.any(|pragma| pragma.name() == b"no-cache");
            return control;
        }
        for directive in directives(headers.get_all(header::CACHE_CONTROL)) {
            match directive {
                Some(directive) => control.add(directive),
                None => control.no_store = true,
            }
        }
        control
    }

    fn add(&mut self, directive: Directive) {
        let seconds = directive.seconds();
        let any = directive.argument.is_none().then_some(u32::MAX);
        match directive.name() {
            b"no-store" => self.no_store = true,
            b"no-cache" => self.no_cache = true,
            b"only-if-cached" => self.only_if_cached = true,
            b"max-age" => self.max_age = self.max_age.or(seconds.or(Some(0))),
            b"min-fresh" => self.min_fresh = self.min_fresh.or(seconds.or(Some(u32::MAX))),
            b"max-stale" => self.max_stale = self.max_stale.or(any).or(seconds),
            b"stale-if-error" => self.stale_if_error = self.stale_if_error.or(seconds),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    type Response = ResponseControl;
    type Request = RequestControl;

    fn headers(name: HeaderName, lines: &[&str]) -> Headers {
        lines.iter().map(|line| (name.clone(), HeaderValue::from_bytes(line.as_bytes()).unwrap())).collect()
    }

    fn response(lines: &[&str]) -> Response {
        Response::of(&headers(header::CACHE_CONTROL, lines)).unwrap()
    }

    fn age(seconds: u32) -> Response {
        Response { max_age: Some(seconds), ..Response::default() }
    }

    #[test]
    fn response_directives() {
        assert_eq!(Response::of(&Headers::new()), None);
        let nothing = Response::default();
        let revalidate = Response { must_revalidate: true, ..age(2) };
        for (line, control) in [
            // RFC 9111 §5.2.2
            ("", nothing),
            ("foobar, max-age=3600", age(3600)),
            ("MaX-aGe=3600", age(3600)),
            ("No-StOrE", Response { no_store: true, ..nothing }),
            ("max-age=10000, no-store", Response { no_store: true, ..age(10000) }),
            ("max-age=10000, No-CaChE", Response { no_cache: true, ..age(10000) }),
            ("private, max-age=3600", Response { private: true, ..age(3600) }),
            ("max-age=2, must-revalidate", revalidate),
            ("must-revalidate,max-age=2,immutable", revalidate),
            ("proxy-revalidate", Response { proxy_revalidate: true, ..nothing }),
            ("must-understand, no-store", Response { must_understand: true, no_store: true, ..nothing }),
            ("public,s-maxage=5", Response { public: true, s_maxage: Some(5), ..nothing }),
            // RFC 5861 §3, §4
            ("stale-while-revalidate=60", Response { stale_while_revalidate: Some(60), ..nothing }),
            ("stale-if-error=\"70\"", Response { stale_if_error: Some(70), ..nothing }),
            // RFC 9111 §5.2.2.4, §5.2.2.7: qualified, in both forms
            ("no-cache=\"set-cookie, a\"", Response { no_cache: true, ..nothing }),
            ("private=\"x\"", Response { private: true, ..nothing }),
            ("private=x", Response { private: true, ..nothing }),
            // What restricts is heeded with anything behind it, what permits is not.
            ("no-store=?0, private; x", Response { no_store: true, private: true, ..nothing }),
            ("private\u{e9}", Response { private: true, ..nothing }),
            ("public=x, must-understand foo", nothing),
            // A known name's beginning or end
            ("no-stores, x-private, no-store-, publi, -no-cache, stale-while-revalidate-x=3", nothing),
        ] {
            assert_eq!(response(&[line]), control, "{line}");
        }
    }

    #[test]
    fn numbers() {
        // RFC 9111 §1.2.2
        for (value, seconds) in [
            ("0", 0),
            ("3600", 3600),
            ("003600", 3600),
            ("00000000000000000000000000000001", 1),
            ("2147483647", (1 << 31) - 1),
            ("2147483648", 1 << 31),
            ("2147483649", 1 << 31),
            ("4294967296", 1 << 31),
            ("99999999999", 1 << 31),
            ("999999999999999999999999999999999999", 1 << 31),
        ] {
            let line = format!("max-age={value},s-maxage=\"{value}\"\t , stale-if-error={value}");
            let control = response(&[&line]);
            let all = [control.max_age, control.s_maxage, control.stale_if_error];
            assert_eq!(all, [Some(seconds); 3], "{value}");
        }
        // RFC 9111 §4.2.1: what is invalid counts as stale
        let all = ["max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"];
        for invalid in [
            "",
            "=",
            "=\"\"",
            "='3600'",
            "=a3600",
            "=3600a",
            "=-3600",
            "=+3600",
            "=3600.0",
            "=3600.5",
            " =3600",
            "= 3600",
            "=3600 1",
            "=3600;x",
            "==3600",
            "=\" 3600\"",
            "=\"3\\600\"",
            "=0x10",
            "=\u{663}",
            ":3600",
        ] {
            let line = all.map(|name| [name, invalid].concat()).join(", ");
            assert_eq!(response(&[&line]), Response { s_maxage: Some(0), ..age(0) }, "{line}");
        }
    }

    #[test]
    fn lists_and_quoted_strings() {
        let (fresh, short, closed) = (age(3600), age(1), Response { no_store: true, ..Response::default() });
        for (lines, control) in [
            // RFC 9111 §4.2.1: of duplicates the first
            (&["max-age=1, max-age=3600"][..], short),
            (&["max-age=3600, max-age=1"], fresh),
            (&["max-age=1", "max-age=3600"], short),
            (&["max-age=3600", "max-age=1"], fresh),
            (&["max-age=x, max-age=3600"], age(0)),
            // RFC 9110 §5.6.4: nothing in a quoted string is a directive
            (&["extension=\"max-age=3600\", max-age=1"], short),
            (&["max-age=1, extension=\"max-age=3600\""], short),
            (&["extension=\"max-age=3600\", max-age=\"1\""], short),
            (&["max-age=\"1\", extension=\"max-age=3600\""], short),
            (&["extension=\"no-store, \u{e9}\""], Response::default()),
            // What cannot be read
            (&["extension=\"x, max-age=1"], closed),
            (&["max-age=3600", "extension=\"", "\""], Response { no_store: true, ..fresh }),
        ] {
            assert_eq!(response(lines), control, "{lines:?}");
        }
    }

    #[test]
    fn request_directives() {
        let nothing = Request::default();
        assert_eq!(Request::of(&Headers::new()), nothing);
        for (line, control) in [
            // RFC 9111 §5.2.1
            ("", nothing),
            ("max-age=600", Request { max_age: Some(600), ..nothing }),
            ("MAX-AGE=\"0\"", Request { max_age: Some(0), ..nothing }),
            ("max-age, max-age=5", Request { max_age: Some(0), ..nothing }),
            ("max-age=-1", Request { max_age: Some(0), ..nothing }),
            ("min-fresh=1000", Request { min_fresh: Some(1000), ..nothing }),
            ("min-fresh", Request { min_fresh: Some(u32::MAX), ..nothing }),
            ("min-fresh=x", Request { min_fresh: Some(u32::MAX), ..nothing }),
            ("max-stale=1000", Request { max_stale: Some(1000), ..nothing }),
            ("max-stale", Request { max_stale: Some(u32::MAX), ..nothing }),
            ("max-stale=, max-stale=x", nothing),
            ("max-stale=7, max-stale", Request { max_stale: Some(7), ..nothing }),
            ("max-stale=99999999999", Request { max_stale: Some(1 << 31), ..nothing }),
            ("no-cache", Request { no_cache: true, ..nothing }),
            ("No-Store", Request { no_store: true, ..nothing }),
            ("only-if-cached", Request { only_if_cached: true, ..nothing }),
            ("x=\"no-store, no-cache\"", nothing),
            ("x=\"no-cache", Request { no_store: true, ..nothing }),
            // RFC 5861 §4
            ("stale-if-error=60", Request { stale_if_error: Some(60), ..nothing }),
            ("stale-if-error", nothing),
        ] {
            assert_eq!(Request::of(&headers(header::CACHE_CONTROL, &[line])), control, "{line}");
        }
    }

    #[test]
    fn pragma_where_there_is_no_cache_control() {
        // RFC 9111 §5.4
        for (lines, no_cache) in [
            (&["no-cache"][..], true),
            (&["unrecognised-extension"], false),
            (&["x=\"no-cache\""], false),
            (&["x", "x=1, No-Cache"], true),
        ] {
            let mut headers = headers(header::PRAGMA, lines);
            assert_eq!(Request::of(&headers), Request { no_cache, ..Request::default() }, "{lines:?}");
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("foo"));
            assert_eq!(Request::of(&headers), Request::default(), "{lines:?}");
        }
        assert_eq!(Response::of(&headers(header::PRAGMA, &["no-cache"])), None);
    }

    #[test]
    fn targeted_fields() {
        assert_eq!(Response::targeted(&headers(header::CACHE_CONTROL, &["max-age=1"])), None);
        let nothing = Response::default();
        let stale = Response { stale_while_revalidate: Some(2), stale_if_error: Some(3), ..nothing };
        let [must, proxy] = [[true, false], [false, true]].map(|[must_revalidate, proxy_revalidate]| {
            Response { must_revalidate, proxy_revalidate, ..nothing }
        });
        for (lines, control) in [
            // RFC 9213 §2.1, §2.2
            (&["max-age=3600"][..], age(3600)),
            (&["foobar, max-age=3600;x=\"y\""], age(3600)),
            (&["max-age=2147483648"], age(1 << 31)),
            (&["max-age=99999999999"], age(1 << 31)),
            (&["max-age=0"], age(0)),
            (&["none"], nothing),
            (&["private"], Response { private: true, ..nothing }),
            (&["no-cache", "max-age=1"], Response { no_cache: true, ..age(1) }),
            (&["no-store=?1"], Response { no_store: true, ..nothing }),
            (&["must-understand, public"], Response { must_understand: true, public: true, ..nothing }),
            (&["must-revalidate"], must),
            (&["proxy-revalidate"], proxy),
            (&["s-maxage=1"], Response { s_maxage: Some(1), ..nothing }),
            (&["stale-while-revalidate=2, stale-if-error=3"], stale),
            (&["no-cache=\"a, b\""], Response { no_cache: true, ..nothing }),
            (&["private=a"], Response { private: true, ..nothing }),
            // RFC 9213 §2.1: values of the wrong type
            (&["max-age=\"10000\""], nothing),
            (&["max-age=1.5, s-maxage=-1, stale-if-error, stale-while-revalidate=x"], nothing),
            (&["max-age=(1), s-maxage=@1"], nothing),
            (&["no-store=?0, no-cache=?0, private=?0, public=1, must-revalidate=true"], nothing),
            // RFC 9651 §4.2.2: of duplicates the last
            (&["max-age=1, max-age=3600"], age(3600)),
            (&["max-age=1", "max-age=3600"], age(3600)),
            (&["max-age=3600, max-age=x, no-store, no-store=?0"], nothing),
        ] {
            let headers = headers(CDN_CACHE_CONTROL, lines);
            assert_eq!(Response::targeted(&headers), Some(control), "{lines:?}");
        }
        // RFC 9213 §2.1: empty, or a fault anywhere
        for lines in [
            &[][..],
            &[""],
            &["max-age=10000, &&&&&"],
            &["max-age =100"],
            &["max-age= 100"],
            &["MaX-aGe=3600"],
            &["max-age=1,"],
            &["max-age=1", ""],
            &["max-age=1", "x=\u{e9}"],
        ] {
            assert_eq!(Response::targeted(&headers(CDN_CACHE_CONTROL, lines)), None, "{lines:?}");
        }
    }
}
