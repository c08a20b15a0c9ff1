//! The header of a response that lies ready. What all responses from one stored response have in common is made once, as the
//! lines that HTTP/1 sends; what changes with time is added to it.

use super::{Headers, write};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use std::sync::Arc;

/// RFC 9211.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// What this cache says there of a hit…
pub const HIT: &str = "thrust; hit";
/// … and then for how many seconds it is still fresh.
const TTL: &str = "; ttl=";
/// Room for that, and for any number behind it.
const LONGEST: usize = HIT.len() + TTL.len() + 20;

/// Fields that do not change, and the lines that they are. All memory for their values is that of the lines.
#[derive(Debug)]
pub struct Fields {
    headers: Headers,
    lines: Bytes,
    /// `Content-Type`, which the log names: so that nothing else need be looked at for it.
    kind: Option<HeaderValue>,
    is_relayed: bool,
    is_dated: bool,
}

/// What a hit says of its age (RFC 9111 §5.1, RFC 9211 §2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aged {
    /// Seconds since the response was made.
    pub age: u64,
    /// Seconds for which it is still fresh; below zero it is stale.
    pub ttl: i64,
}

/// The header of a response: fields that do not change, and how old they are, if anybody is to know.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Shared by all such responses.
    pub fields: Arc<Fields>,
    /// Files have no age.
    pub aged: Option<Aged>,
}

impl Fields {
    /// `Age` and `Cache-Status` are no lines, but for the `Cache-Status` of caches nearer to the origin, where it
    /// `is_relayed`. Among the fields they may keep a place for what is said of them later.
    pub fn new(mut headers: Headers, is_relayed: bool) -> Self {
        let is_line = |name: &HeaderName| is_line(name, is_relayed);
        let size =
            |(name, value): (&HeaderName, &HeaderValue)| write::field_size(name.as_str(), value.as_bytes());
        // In one piece from the start: a cache that is full would be left with the holes of what was enlarged and cut off.
        let mut lines = Vec::with_capacity(headers.iter().filter(|(name, _)| is_line(name)).map(size).sum());
        for (name, value) in headers.iter().filter(|(name, _)| is_line(name)) {
            write::field(&mut lines, name.as_str(), value.as_bytes());
        }
        let lines = Bytes::from(lines);
        headers.shrink_to_fit();
        let mut at = 0;
        for (name, value) in headers.iter_mut().filter(|(name, _)| is_line(name)) {
            at += size((name, value));
            let end = at - b"\r\n".len();
            // What was a value is one.
            if let Ok(moved) = HeaderValue::from_maybe_shared(lines.slice(end - value.len()..end)) {
                *value = moved;
            }
        }
        let kind = headers.get(header::CONTENT_TYPE).cloned();
        let is_dated = headers.contains_key(header::DATE);
        Self { headers, lines, kind, is_relayed, is_dated }
    }

    /// One by one.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// As lines.
    pub fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// The first `Content-Type`.
    pub fn kind(&self) -> Option<&HeaderValue> {
        self.kind.as_ref()
    }

    /// Whether caches nearer to the origin have said something of themselves.
    pub fn is_relayed(&self) -> bool {
        self.is_relayed
    }
}

impl Aged {
    fn status(&self) -> HeaderValue {
        let mut text = Vec::with_capacity(LONGEST);
        self.write_status(&mut text);
        // It is plain text.
        HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static(HIT))
    }

    fn write(&self, out: &mut Vec<u8>) {
        write::field(out, header::AGE.as_str(), itoa::Buffer::new().format(self.age).as_bytes());
        out.extend_from_slice(b"cache-status: ");
        self.write_status(out);
        out.extend_from_slice(b"\r\n");
    }

    fn write_status(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(HIT.as_bytes());
        out.extend_from_slice(TTL.as_bytes());
        out.extend_from_slice(itoa::Buffer::new().format(self.ttl).as_bytes());
    }
}

impl Prepared {
    /// Writes its lines.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.fields.lines);
        if let Some(aged) = &self.aged {
            aged.write(out);
        }
    }

    /// Whether `Date` is one of the fields.
    pub fn is_dated(&self) -> bool {
        self.fields.is_dated
    }

    /// Hands out the same as fields, one by one.
    pub fn spell_out(&self, mut put: impl FnMut(HeaderName, HeaderValue)) {
        let Fields { headers, is_relayed, .. } = &*self.fields;
        for (name, value) in headers.iter().filter(|(name, _)| is_line(name, *is_relayed)) {
            put(name.clone(), value.clone());
        }
        if let Some(aged) = &self.aged {
            put(header::AGE, HeaderValue::from(aged.age));
            put(CACHE_STATUS, aged.status());
        }
    }
}

/// Whether a field never changes, or is said by caches nearer to the origin, too.
fn is_line(name: &HeaderName, is_relayed: bool) -> bool {
    *name != header::AGE && (is_relayed || *name != CACHE_STATUS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: [(&str, &str); 2] = [("age", "0"), ("cache-status", "thrust")];
    const AGED: Aged = Aged { age: 7, ttl: 53 };

    /// As lines, and one by one, both in order.
    fn both(fields: &[(&'static str, &'static str)], is_relayed: bool, aged: Option<Aged>) -> [String; 2] {
        let prepared = Prepared { fields: Arc::new(Fields::new(Headers::of(fields), is_relayed)), aged };
        let (mut lines, mut from_fields) = (Vec::new(), Vec::new());
        prepared.write(&mut lines);
        prepared.spell_out(|name, value| write::field(&mut from_fields, name.as_str(), value.as_bytes()));
        [lines, from_fields].map(|text| {
            let mut lines: Vec<_> = str::from_utf8(&text).unwrap().lines().collect();
            lines.sort_unstable();
            lines.join(" | ")
        })
    }

    #[test]
    fn lines_and_fields_say_the_same() {
        const FIELDS: [(&str, &str); 3] = [("date", "x"), ("link", "a"), ("link", "b")];
        let aged = [&FIELDS[..], &PLACES].concat();
        for (fields, is_relayed, told, expected) in [
            (&FIELDS[..], false, None, "date: x | link: a | link: b"),
            (
                &aged,
                false,
                Some(AGED),
                "age: 7 | cache-status: thrust; hit; ttl=53 | date: x | link: a | link: b",
            ),
            (
                &[("age", "0"), ("cache-status", "cdn; hit")],
                true,
                Some(AGED),
                "age: 7 | cache-status: cdn; hit | cache-status: thrust; hit; ttl=53",
            ),
            (&PLACES, false, Some(Aged { age: 9, ttl: -3 }), "age: 9 | cache-status: thrust; hit; ttl=-3"),
        ] {
            assert_eq!(both(fields, is_relayed, told), [expected, expected]);
        }
    }

    #[test]
    fn all_values_are_in_the_lines() {
        let fields =
            Fields::new(Headers::of(&[("a", "1"), ("age", "0"), ("link", "b, c"), ("a", "")]), false);
        assert_eq!(fields.lines(), b"a: 1\r\nlink: b, c\r\na: \r\n");
        let lines = fields.lines().as_ptr_range();
        for (name, value) in fields.headers().iter().filter(|(name, _)| **name != header::AGE) {
            assert!(lines.contains(&value.as_bytes().as_ptr()), "{name}: {value:?}");
        }
        assert_eq!(fields.headers(), &Headers::of(&[("a", "1"), ("a", ""), ("age", "0"), ("link", "b, c")]));
    }

    #[test]
    fn a_date_is_noticed() {
        for (fields, is_dated) in [(&[("date", "x")][..], true), (&PLACES, false)] {
            let fields = Arc::new(Fields::new(Headers::of(fields), false));
            assert_eq!(Prepared { fields, aged: None }.is_dated(), is_dated);
        }
    }

    #[test]
    fn the_kind_is_the_first_that_is_named() {
        for (fields, kind) in [
            (
                &[("x-a", "1"), ("content-type", "text/css"), ("content-type", "x/y"), ("etag", "e")][..],
                Some("text/css"),
            ),
            (&[("content-type", "")], Some("")),
            (&PLACES, None),
        ] {
            let fields = Fields::new(Headers::of(fields), false);
            assert_eq!(fields.kind().map(|kind| kind.to_str().unwrap()), kind);
        }
    }
}
