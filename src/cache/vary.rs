//! Which stored response fits a request (RFC 9111 §4.1): the one whose request had the same values of the fields that
//! `Vary` names, in the [canonical form](super::canonical).

use super::canonical::{members, render};
use crate::message::{Headers, field::single};
use http::{HeaderName, header};

/// More names in `Vary` than this, and the response is not stored.
const MAX_NAMES: usize = 16;

/// The request fields that a response was selected by, with their values in canonical form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector(Box<[Field]>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: HeaderName,
    value: Option<Value>,
}

#[derive(Debug, Clone)]
struct Value {
    /// As it was sent, in one line: most requests that it fits say the very same.
    sent: Option<Box<[u8]>>,
    canonical: Box<[u8]>,
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for Value {}

impl Selector {
    /// What selected this response to this request; `None` if it cannot be told, and the response must not be stored:
    /// `Vary` has a `*` anywhere, something that is no field name, what only the worker is told, or more than 16 names.
    pub fn of(response: &Headers, request: &Headers) -> Option<Self> {
        let mut names = Vec::new();
        for member in response.get_all(header::VARY).flat_map(members).filter(|m| !m.is_empty()) {
            let name = HeaderName::from_bytes(member).ok().filter(|_| member != b"*")?;
            if is_told_by_us(&name) {
                return None;
            }
            if !names.contains(&name) {
                names.push(name);
            }
            if names.len() > MAX_NAMES {
                return None;
            }
        }
        Some(Self::of_names(names.iter(), request))
    }

    /// The selector that a request has for these names.
    pub fn of_names<'a>(names: impl Iterator<Item = &'a HeaderName>, request: &Headers) -> Self {
        let mut names: Vec<_> = names.collect();
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        let field = |name: &HeaderName| Field { name: name.clone(), value: Value::of(name, request) };
        Self(names.into_iter().map(field).collect())
    }

    /// Whether a request has the same values; allocates nothing.
    pub fn matches(&self, request: &Headers) -> bool {
        self.0.iter().all(|field| match &field.value {
            None => !request.contains_key(&field.name),
            Some(value) => value.is_sent(&field.name, request),
        })
    }

    /// Whether the response does not depend on any field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields' names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter().map(|field| &field.name)
    }

    /// Memory that it holds, in bytes.
    pub fn weight(&self) -> usize {
        let held = |value: &Value| value.canonical.len() + value.sent.as_ref().map_or(0, |sent| sent.len());
        let field = |field: &Field| {
            size_of::<Field>() + field.name.as_str().len() + field.value.as_ref().map_or(0, held)
        };
        size_of::<Self>() + self.0.iter().map(field).sum::<usize>()
    }
}

impl Value {
    fn of(name: &HeaderName, request: &Headers) -> Option<Self> {
        let sent = request.contains_key(name).then(|| single(request, name))?;
        let mut canonical = Vec::new();
        render(name, request, &mut |part| canonical.extend_from_slice(part));
        Some(Self { sent: sent.map(|sent| sent.as_bytes().into()), canonical: canonical.into() })
    }

    fn is_sent(&self, name: &HeaderName, request: &Headers) -> bool {
        if let (Some(sent), Some(now)) = (&self.sent, single(request, name))
            && **sent == *now.as_bytes()
        {
            return true;
        }
        let mut rest = Some(&self.canonical[..]);
        request.contains_key(name) && {
            render(name, request, &mut |part| rest = rest.and_then(|rest| rest.strip_prefix(part)));
            rest.is_some_and(<[u8]>::is_empty)
        }
    }
}

/// Fields that we write for the worker, of this visitor or this request: in the request as it came they are absent, or not
/// the same. (What we write of the URL follows from the key.)
fn is_told_by_us(name: &HeaderName) -> bool {
    matches!(name.as_str(), "x-forwarded-for" | "x-real-ip" | "x-request-id" | "x-request-start")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn map(name: &str, lines: &[&str]) -> Headers {
        let name = HeaderName::try_from(name).unwrap();
        lines.iter().map(|line| (name.clone(), HeaderValue::from_str(line).unwrap())).fold(
            Headers::new(),
            |mut map, (name, value)| {
                map.append(name, value);
                map
            },
        )
    }

    fn names(vary: &[&str]) -> Option<String> {
        let selector = Selector::of(&map("vary", vary), &Headers::new())?;
        Some(selector.names().map(HeaderName::as_str).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn what_vary_names() {
        for (vary, expected) in [
            (&[][..], Some("")),
            (&[""], Some("")),
            (&[" , ,"], Some("")),
            (&["Foo"], Some("foo")),
            (&["foo,\tFOO , Bar"], Some("bar foo")),
            (&["Foo", "", "bar,foo"], Some("bar foo")),
            (&["foo*"], Some("foo*")),
            (&["*"], None),
            (&["*, *"], None),
            (&["*", "*"], None),
            (&[", *"], None),
            (&["", "*"], None),
            (&["*, Foo"], None),
            (&["Foo, *"], None),
            (&["Foo", "Bar , *,"], None),
            (&["Foo Bar"], None),
            (&["Foo;Bar"], None),
            (&["\"Foo\""], None),
            (&["Fö"], None),
        ] {
            assert_eq!(names(vary).as_deref(), expected, "{vary:?}");
        }
        let many = |count| (0..count).map(|number| format!("F{number},F0")).collect::<Vec<_>>().join(",");
        assert!(names(&[&many(16)]).is_some());
        assert_eq!(names(&[&many(17)]), None);
        assert!(Selector::of(&Headers::new(), &Headers::new()).unwrap().is_empty());
    }

    /// A field, the lines of one request, those of another, and whether they are the same.
    type Row = (&'static str, &'static [&'static str], &'static [&'static str], bool);

    const ROWS: &[Row] = &[
        ("foo", &["1"], &["1"], true),
        ("foo", &["1"], &["2"], false),
        ("foo", &["1"], &[], false),
        ("foo", &[], &[], true),
        ("foo", &[], &[""], false),
        ("foo", &["1"], &["12"], false),
        ("foo", &["a"], &["A"], false),
        ("foo", &["1,2"], &[" 1, 2 "], true),
        ("foo", &["1, 2"], &["1", "2"], true),
        ("foo", &["1, 2"], &["2, 1"], false),
        ("foo", &["1, 2"], &["1 2"], false),
        ("foo", &["12"], &["1", "2"], false),
        ("foo", &["1,,2"], &["1,2"], false),
        ("foo", &["\"a, b\""], &["\"a,b\""], false),
        ("cookie", &["a=1"], &["a=1"], true),
        ("cookie", &["a=1"], &["A=1"], false),
        ("cookie", &["a=1,b"], &["a=1, b"], false),
        ("cookie", &["a=1", "b=2"], &["a=1", "b=2"], true),
        ("cookie", &["a=1", "b=2"], &["a=1, b=2"], false),
        ("cookie", &["a=1", "b=2"], &["a=1"], false),
        ("authorization", &["Basic YQ=="], &["Basic Yq=="], false),
        ("x-user", &["a,b"], &["a, b"], false),
        ("sec-fetch-mode", &["cors"], &["Cors"], false),
        ("origin", &["http://a"], &["http://A"], false),
        ("user-agent", &["a (b,c)"], &["a (b, c)"], false),
        ("accept-language", &["en, de"], &["de, en"], true),
        ("accept-language", &["en, de"], &["eN, De"], true),
        ("accept-language", &["en, de"], &[" en ,   de"], true),
        ("accept-language", &["en, de"], &["en", "de"], true),
        ("accept-language", &["en,,de,"], &["en,de"], true),
        ("accept-language", &["en, de"], &["en"], false),
        ("accept-language", &["en, de"], &["ende"], false),
        ("accept-language", &["en, de;q=0.5"], &["de;q=0.5, en"], true),
        ("accept-language", &["en;q=1.0, de ; Q=0.50"], &["en, de;q=0.5"], true),
        ("accept-language", &["en, de;q=0.5"], &["en;q=0.5, de"], false),
        ("accept-language", &["en, de;q=0"], &["en"], false),
        ("accept-language", &["en, en;q=0.5"], &["en;q=0.5, en"], false),
        ("accept-language", &["en, de;q=2"], &["de;q=2, en"], false),
        ("accept-language", &["en, de;level=1"], &["en, de"], false),
        ("accept-language", &["a b, de"], &["de, a b"], false),
        ("accept-encoding", &["gzip, br"], &["BR,gzip;q=1"], true),
        ("accept-encoding", &["gzip, br"], &["gzip", "br"], true),
        ("accept-encoding", &["gzip, br"], &["gzip, br, zstd"], false),
        ("accept-encoding", &["gzip, br"], &["gzip, br, dcb"], false),
        ("accept-encoding", &["gzip, br;q=0"], &["gzip"], true),
        ("accept-encoding", &["gzip;q=0"], &[""], true),
        ("accept-encoding", &["gzip;q=0"], &[], false),
        ("accept-encoding", &["gzip, identity;q=0"], &["gzip"], false),
        ("accept-encoding", &["gzip, *;q=0"], &["gzip"], false),
        ("accept-encoding", &["*, br;q=0"], &["*"], false),
        ("accept-encoding", &["gzip, br;q=0.5"], &["gzip;q=0.5, br"], false),
        ("accept-encoding", &["gzip;q=0.0001"], &["gzip;q=0"], false),
        ("accept-encoding", &["gzip;q=1.001"], &["gzip"], false),
        ("accept-encoding", &["gzip;q="], &["gzip"], false),
        ("accept-charset", &["UTF-8, ascii"], &["ascii,utf-8"], true),
        ("accept", &["text/HTML , a/b"], &["text/html,a/b,"], true),
        ("accept", &["text/html", "a/b"], &["text/html, a/b"], true),
        ("accept", &["text/html, a/b"], &["a/b, text/html"], false),
        ("accept", &["a/b;p=A"], &["a/b;p=a"], false),
        ("accept", &["a/b ; p=A"], &["A/b;p=A"], true),
        ("accept", &["a/b;p=\"x, y\""], &["a/b;p=\"x,y\""], false),
    ];

    #[test]
    fn which_requests_are_the_same() {
        for &(name, one, other, same) in ROWS {
            let (vary, one, other) = (map("vary", &[name]), map(name, one), map(name, other));
            let [first, second] = [&one, &other].map(|request| Selector::of(&vary, request).unwrap());
            assert_eq!(first.matches(&other), same, "{name} {one:?} {other:?}");
            assert_eq!(second.matches(&one), same, "{name} {other:?} {one:?}");
            assert_eq!(first == second, same, "{name} {one:?} {other:?}");
            assert!(first.matches(&one) && second.matches(&other), "{name} {one:?} {other:?}");
        }
    }

    #[test]
    fn a_list_that_is_too_long_is_compared_as_it_stands() {
        let list = |count: usize| (0..count).map(|number| format!("l{number}")).collect::<Vec<_>>();
        for (count, same) in [(24, true), (25, false)] {
            let (mut names, vary) = (list(count), map("vary", &["accept-language"]));
            let selector = Selector::of(&vary, &map("accept-language", &[&names.join(",")])).unwrap();
            names.reverse();
            assert_eq!(selector.matches(&map("accept-language", &[&names.join(",")])), same, "{count}");
        }
    }

    #[test]
    fn every_name_counts_and_their_order_does_not() {
        let mut request = map("foo", &["1"]);
        request.insert("bar", HeaderValue::from_static("2"));
        let one = Selector::of(&map("vary", &["foo, bar, baz"]), &request).unwrap();
        let other = Selector::of(&map("vary", &["Baz", "bar,foo,foo"]), &request).unwrap();
        assert_eq!(one, other);
        assert_eq!(one, Selector::of_names(other.names(), &request));
        assert!(one.matches(&request));
        request.insert("baz", HeaderValue::from_static("3"));
        assert!(!one.matches(&request));
    }

    #[test]
    fn weight_counts_what_is_held() {
        let vary = map("vary", &["cookie"]);
        let weight = |value: &str| Selector::of(&vary, &map("cookie", &[value])).unwrap().weight();
        assert_eq!(weight(&"a".repeat(1000)), weight("") + 2000);
    }
}
