//! A message's header fields.

use http::{HeaderMap, HeaderName, HeaderValue};
use std::{slice, vec};

/// The header fields of a message, in the order in which they stand in it (RFC 9110 §5.3).
///
/// A list and no table: a header has a dozen fields, and to compare their names with one takes less than to hash that. What
/// [`MAX_FIELDS`](super::head::MAX_FIELDS) does not bound is what is added to them on the way, which is little.
#[derive(Debug, Clone, Default)]
pub struct Headers(Vec<(HeaderName, HeaderValue)>);

/// What a field can be asked for by: its name, in small letters if it is a string.
pub trait Name {
    /// Whether it is this one.
    fn is(&self, name: &HeaderName) -> bool;

    /// The name itself. Strings must be names in small letters.
    fn named(self) -> HeaderName;
}

impl Name for HeaderName {
    #[inline]
    fn is(&self, name: &HeaderName) -> bool {
        self == name
    }

    fn named(self) -> HeaderName {
        self
    }
}

impl Name for &HeaderName {
    #[inline]
    fn is(&self, name: &HeaderName) -> bool {
        *self == name
    }

    fn named(self) -> HeaderName {
        self.clone()
    }
}

impl Name for &'static str {
    fn is(&self, name: &HeaderName) -> bool {
        name == self
    }

    fn named(self) -> HeaderName {
        HeaderName::from_static(self)
    }
}

impl Headers {
    /// No fields, and no memory for any.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// No fields, and memory for so many.
    pub fn with_capacity(fields: usize) -> Self {
        Self(Vec::with_capacity(fields))
    }

    /// For how many fields there is memory.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Gives back what memory there is for more.
    pub fn shrink_to_fit(&mut self) {
        self.0.shrink_to_fit();
    }

    /// Makes room for so many more.
    pub fn reserve(&mut self, fields: usize) {
        self.0.reserve(fields);
    }

    /// How many lines there are; several may have the same name.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of the first line with this name.
    #[inline]
    pub fn get(&self, name: impl Name) -> Option<&HeaderValue> {
        self.0.iter().find(|(other, _)| name.is(other)).map(|(_, value)| value)
    }

    /// The values of all lines with this name.
    #[inline]
    pub fn get_all(&self, name: impl Name) -> Values<'_> {
        let first = self.0.iter().position(|(other, _)| name.is(other));
        Values(first.map_or(&[], |first| &self.0[first..]))
    }

    /// The values of all lines with this name, to be changed.
    pub fn get_all_mut(&mut self, name: impl Name) -> impl Iterator<Item = &mut HeaderValue> {
        self.0.iter_mut().filter(move |(other, _)| name.is(other)).map(|(_, value)| value)
    }

    /// Whether there is a line with this name.
    #[inline]
    pub fn contains_key(&self, name: impl Name) -> bool {
        self.0.iter().any(|(other, _)| name.is(other))
    }

    /// The names, each as often as there are lines with it.
    pub fn keys(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter().map(|(name, _)| name)
    }

    /// The lines.
    pub fn iter(&self) -> <&Self as IntoIterator>::IntoIter {
        self.into_iter()
    }

    /// Copies of the lines for whose names `take` is true.
    pub fn copies(
        &self,
        take: impl Fn(&HeaderName) -> bool,
    ) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let lines = self.0.iter().filter(move |(name, _)| take(name));
        lines.map(|(name, value)| (name.clone(), value.clone()))
    }

    /// The lines, whose values may be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&HeaderName, &mut HeaderValue)> {
        self.0.iter_mut().map(|(name, value)| (&*name, value))
    }

    /// Adds a line behind all others.
    #[inline]
    pub fn append(&mut self, name: impl Name, value: HeaderValue) {
        self.0.push((name.named(), value));
    }

    /// Puts one line in the place of all with this name.
    pub fn insert(&mut self, name: impl Name, value: HeaderValue) {
        match self.0.iter().position(|(other, _)| name.is(other)) {
            None => self.append(name, value),
            Some(first) => {
                self.0[first].1 = value;
                self.remove_behind(first, &name);
            }
        }
    }

    /// Puts these lines in the place of all with the same names.
    pub fn insert_all(&mut self, lines: Headers) {
        self.retain(|name| !lines.contains_key(name));
        self.extend(lines);
    }

    /// Adds a line if there is none with this name.
    pub fn insert_if_absent(&mut self, name: impl Name, value: impl FnOnce() -> HeaderValue) {
        if !self.0.iter().any(|(other, _)| name.is(other)) {
            self.append(name, value());
        }
    }

    /// Takes out all lines with this name, and gives the value of the first.
    pub fn remove(&mut self, name: impl Name) -> Option<HeaderValue> {
        let first = self.0.iter().position(|(other, _)| name.is(other))?;
        self.remove_behind(first, &name);
        Some(self.0.remove(first).1)
    }

    /// Keeps the lines for whose names `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&HeaderName) -> bool) {
        self.0.retain(|(name, _)| keep(name));
    }

    /// Takes out all lines; their memory stays.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn remove_behind(&mut self, first: usize, name: &impl Name) {
        if self.0[first + 1..].iter().any(|(other, _)| name.is(other)) {
            let mut places = 0..;
            self.0.retain(|(other, _)| places.next().is_some_and(|place| place <= first) || !name.is(other));
        }
    }
}

/// The same values in the same order for each name. The order of names says nothing.
impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.keys().all(|name| self.get_all(name).eq(other.get_all(name)))
    }
}

impl Eq for Headers {}

/// The values of lines that have the same name: that of the first of these.
#[derive(Debug, Clone)]
pub struct Values<'a>(&'a [(HeaderName, HeaderValue)]);

impl<'a> Iterator for Values<'a> {
    type Item = &'a HeaderValue;

    fn next(&mut self) -> Option<&'a HeaderValue> {
        let ((name, value), rest) = self.0.split_first()?;
        let next = rest.iter().position(|(other, _)| other == name).unwrap_or(rest.len());
        self.0 = &rest[next..];
        Some(value)
    }
}

impl<'a> DoubleEndedIterator for Values<'a> {
    fn next_back(&mut self) -> Option<&'a HeaderValue> {
        let (name, _) = self.0.first()?;
        let last = self.0.iter().rposition(|(other, _)| other == name)?;
        let value = &self.0[last].1;
        self.0 = &self.0[..last];
        Some(value)
    }
}

/// The lines of a header.
pub struct Iter<'a>(slice::Iter<'a, (HeaderName, HeaderValue)>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a HeaderName, &'a HeaderValue);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, value)| (name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = (&'a HeaderName, &'a HeaderValue);
    type IntoIter = Iter<'a>;

    #[inline]
    fn into_iter(self) -> Iter<'a> {
        Iter(self.0.iter())
    }
}

impl IntoIterator for Headers {
    type Item = (HeaderName, HeaderValue);
    type IntoIter = vec::IntoIter<(HeaderName, HeaderValue)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Extend<(HeaderName, HeaderValue)> for Headers {
    fn extend<T: IntoIterator<Item = (HeaderName, HeaderValue)>>(&mut self, lines: T) {
        self.0.extend(lines);
    }
}

impl FromIterator<(HeaderName, HeaderValue)> for Headers {
    fn from_iter<T: IntoIterator<Item = (HeaderName, HeaderValue)>>(lines: T) -> Self {
        Self(Vec::from_iter(lines))
    }
}

/// As the HTTP library has them. Values of the same name come behind the first.
impl From<HeaderMap> for Headers {
    fn from(map: HeaderMap) -> Self {
        let mut headers = Self::with_capacity(map.len());
        let mut last = None;
        for (name, value) in map {
            last = name.or(last);
            if let Some(name) = &last {
                headers.append(name, value);
            }
        }
        headers
    }
}

impl From<Headers> for HeaderMap {
    fn from(headers: Headers) -> Self {
        let mut map = Self::with_capacity(headers.len());
        map.extend(headers);
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header;

    const FIELDS: [(&str, &str); 5] = [("a", "1"), ("vary", "x"), ("a", "2"), ("date", "y"), ("a", "3")];

    fn lines(headers: &Headers) -> String {
        let lines = headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap()));
        lines.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_field_is_found_by_its_name() {
        let headers = Headers::of(&FIELDS);
        assert_eq!([headers.get("a").unwrap(), headers.get(header::VARY).unwrap()], ["1", "x"]);
        assert_eq!(headers.get(HeaderName::from_static("date")).unwrap(), "y");
        assert!(headers.contains_key("a") && !headers.contains_key(header::AGE));
        assert!(headers.get_all("a").rev().eq(["3", "2", "1"]));
        assert!(headers.get_all("a").eq(["1", "2", "3"]) && headers.get_all(header::AGE).next().is_none());
    }

    #[test]
    fn fields_keep_their_order() {
        let value = HeaderValue::from_static;
        for (change, expected) in [
            (
                &(|h: &mut Headers| h.append("vary", value("z"))) as &dyn Fn(&mut Headers),
                "a=1 vary=x a=2 date=y a=3 vary=z",
            ),
            (&|h| h.insert("a", value("z")), "a=z vary=x date=y"),
            (&|h| h.insert(header::DATE, value("z")), "a=1 vary=x a=2 date=z a=3"),
            (&|h| h.insert(header::AGE, value("z")), "a=1 vary=x a=2 date=y a=3 age=z"),
            (&|h| h.insert_if_absent("date", || value("z")), "a=1 vary=x a=2 date=y a=3"),
            (&|h| h.insert_if_absent("age", || value("z")), "a=1 vary=x a=2 date=y a=3 age=z"),
            (
                &|h| h.insert_all(Headers::of(&[("a", "8"), ("age", "z"), ("a", "9")])),
                "vary=x date=y a=8 age=z a=9",
            ),
            (&|h| assert_eq!(h.remove("a").unwrap(), "1"), "vary=x date=y"),
            (&|h| assert_eq!(h.remove("date").unwrap(), "y"), "a=1 vary=x a=2 a=3"),
            (&|h| assert_eq!(h.remove("age"), None), "a=1 vary=x a=2 date=y a=3"),
            (&|h| h.retain(|name| name == "a"), "a=1 a=2 a=3"),
            (&|h| *h = HeaderMap::from(h.clone()).into(), "a=1 a=2 a=3 vary=x date=y"),
        ] {
            let mut headers = Headers::of(&FIELDS);
            change(&mut headers);
            assert_eq!(lines(&headers), expected);
        }
    }

    #[test]
    fn the_order_of_names_says_nothing() {
        let headers = Headers::of(&FIELDS);
        for (other, is_same) in [
            ([("vary", "x"), ("a", "1"), ("a", "2"), ("a", "3"), ("date", "y")], true),
            ([("vary", "x"), ("a", "2"), ("a", "1"), ("a", "3"), ("date", "y")], false),
            ([("vary", "x"), ("a", "1"), ("a", "2"), ("vary", "3"), ("date", "y")], false),
        ] {
            assert_eq!(headers == Headers::of(&other), is_same);
        }
        assert!(headers != Headers::of(&FIELDS[1..]));
    }
}
