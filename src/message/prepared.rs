//! The header of a response that lies ready. What all responses from one stored response have in common is made once, as a map
//! and as the lines that HTTP/1 sends; what changes with time is added to it.

use super::write;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::{mem, sync::Arc};

/// RFC 9211.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// What this cache says there of a hit…
pub const HIT: &str = "thrust; hit";
/// … and then for how many seconds it is still fresh.
const TTL: &str = "; ttl=";
/// Room for that, and for any number behind it.
const LONGEST: usize = HIT.len() + TTL.len() + 20;

/// Fields that do not change: as a map, and as lines.
#[derive(Debug)]
pub struct Fields {
    map: HeaderMap,
    lines: Bytes,
    /// `Content-Type`, which the log names: where it is in the lines, so that nothing else need be looked at for it.
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
    /// `is_relayed`. In the map they may keep a place for what is said of them later.
    pub fn new(map: HeaderMap, is_relayed: bool) -> Self {
        let is_line =
            |(name, _): &(&HeaderName, _)| **name != header::AGE && (is_relayed || **name != CACHE_STATUS);
        // In one piece from the start: a cache that is full would be left with the holes of what was enlarged and cut off.
        let sizes = map
            .iter()
            .filter(is_line)
            .map(|(name, value)| write::field_size(name.as_str(), value.as_bytes()));
        let mut lines = Vec::with_capacity(sizes.sum());
        let mut kind = None;
        for (name, value) in map.iter().filter(is_line) {
            write::field(&mut lines, name.as_str(), value.as_bytes());
            if *name == header::CONTENT_TYPE {
                let end = lines.len() - b"\r\n".len();
                kind.get_or_insert(end - value.len()..end);
            }
        }
        let lines = Bytes::from(lines);
        let kind = kind.and_then(|range| HeaderValue::from_maybe_shared(lines.slice(range)).ok());
        let is_dated = map.contains_key(header::DATE);
        Self { map, lines, kind, is_relayed, is_dated }
    }

    /// As a map.
    pub fn map(&self) -> &HeaderMap {
        &self.map
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
    /// Puts it into a map made from the fields.
    fn put_into(&self, headers: &mut HeaderMap, is_relayed: bool) {
        headers.insert(header::AGE, HeaderValue::from(self.age));
        let mut text = Vec::with_capacity(LONGEST);
        self.write_status(&mut text);
        // It is plain text.
        if let Ok(status) = HeaderValue::from_maybe_shared(Bytes::from(text)) {
            put_status(headers, status, is_relayed);
        }
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

/// Puts what this cache says into a map made from such fields, behind what caches nearer to the origin have said.
pub fn put_status(headers: &mut HeaderMap, status: HeaderValue, is_relayed: bool) {
    if is_relayed {
        headers.append(CACHE_STATUS, status);
    } else {
        headers.insert(CACHE_STATUS, status);
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

    /// Puts it in front of fields that it does not have itself.
    pub fn put_into(&self, headers: &mut HeaderMap) {
        let own = mem::replace(headers, self.fields.map.clone());
        if let Some(aged) = &self.aged {
            aged.put_into(headers, self.fields.is_relayed);
        }
        headers.extend(own);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::map, *};

    const PLACES: [(&str, &str); 2] = [("age", "0"), ("cache-status", "thrust")];
    const AGED: Aged = Aged { age: 7, ttl: 53 };

    /// As lines, and as what a map has in order.
    fn both(fields: &[(&'static str, &'static str)], is_relayed: bool, aged: Option<Aged>) -> [String; 2] {
        let prepared = Prepared { fields: Arc::new(Fields::new(map(fields), is_relayed)), aged };
        let (mut lines, mut headers) = (Vec::new(), map(&[("x-own", "1")]));
        prepared.write(&mut lines);
        prepared.put_into(&mut headers);
        assert_eq!(headers.remove("x-own").unwrap(), "1");
        let mut from_map = Vec::new();
        for (name, value) in &headers {
            write::field(&mut from_map, name.as_str(), value.as_bytes());
        }
        [lines, from_map].map(|text| {
            let mut lines: Vec<_> = str::from_utf8(&text).unwrap().lines().collect();
            lines.sort_unstable();
            lines.join(" | ")
        })
    }

    #[test]
    fn lines_and_map_say_the_same() {
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
    fn a_date_is_noticed() {
        for (fields, is_dated) in [(&[("date", "x")][..], true), (&PLACES, false)] {
            let fields = Arc::new(Fields::new(map(fields), false));
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
            let fields = Fields::new(map(fields), false);
            assert_eq!(fields.kind().map(|kind| kind.to_str().unwrap()), kind);
        }
    }
}
