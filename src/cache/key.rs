//! What a response is stored under.

use crate::message::{Headers, Request, forwarded};
use http::{HeaderName, Uri, header};
use std::{
    fmt,
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::LazyLock,
};

/// Host and request target as they were sent, and whatever else of the request can change what URL the application
/// believes it was asked for. Compared byte by byte, never by a hash alone.
#[derive(Clone, Default)]
pub struct CacheKey {
    bytes: Vec<u8>,
    /// Made once: a key is looked up in several tables.
    hash: u64,
}

/// None of the parts can contain it: a target and a field value are visible characters, spaces and tabs.
const SEPARATOR: u8 = b'\n';

impl CacheKey {
    /// The key of a request whose untrusted claims are gone already. `target` is the one in the request line unless it is
    /// another one's on the same host that is meant.
    pub fn new(headers: &Headers, target: &str) -> Self {
        let host = headers.get(header::HOST).map_or(&b""[..], |host| host.as_bytes());
        let mut key = Vec::with_capacity(host.len() + target.len() + 64);
        key.extend_from_slice(host);
        key.push(SEPARATOR);
        key.extend_from_slice(target.as_bytes());
        // A proxy in front may say that the visitor's URL is another one. That goes to the application, and so it belongs
        // here: otherwise a page made for one URL would be served under another.
        let shapes = |(name, _): &(&HeaderName, _)| forwarded::shapes_url(name.as_str());
        let mut fields: Vec<_> = headers.iter().filter(shapes).collect();
        // In one order, whatever theirs was; the lines of each stay in theirs.
        fields.sort_by_key(|(name, _)| name.as_str());
        for (name, value) in fields {
            for part in [name.as_str().as_bytes(), value.as_bytes()] {
                key.push(SEPARATOR);
                key.extend_from_slice(part);
            }
        }
        Self::from(key)
    }

    /// The same for a request as it is.
    pub fn of<B>(request: &Request<B>) -> Self {
        Self::new(request.headers(), Self::target_of(request.uri()))
    }

    /// The key of a file that is served under this name, whatever the host. No request has the same: behind its host comes a
    /// target.
    pub fn of_file(name: &str) -> Self {
        Self::from([&[SEPARATOR, SEPARATOR], name.as_bytes()].concat())
    }

    /// A number that nobody outside of this process can foresee. Keys that differ seldom have the same.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The target that it was made for.
    pub fn target(&self) -> &str {
        let target = self.bytes.split(|byte| *byte == SEPARATOR).nth(1);
        target.and_then(|target| std::str::from_utf8(target).ok()).unwrap_or_default()
    }

    /// The target as it is sent to the worker.
    pub fn target_of(uri: &Uri) -> &str {
        uri.path_and_query().map_or("/", |target| target.as_str())
    }

    /// Bytes of memory that it holds.
    pub fn weight(&self) -> usize {
        self.bytes.len()
    }
}

impl From<Vec<u8>> for CacheKey {
    fn from(bytes: Vec<u8>) -> Self {
        static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let hash = SECRET.hash_one(&bytes);
        Self { bytes, hash }
    }
}

impl PartialEq for CacheKey {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.bytes == other.bytes
    }
}

impl Eq for CacheKey {}

impl Hash for CacheKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// For tables of such keys, whose hashes are good as they are.
#[derive(Default)]
pub struct Hashed(u64);

impl Hasher for Hashed {
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, bytes: &[u8]) {
        // Of nothing but a key.
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes).replace('\n', " "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(target: &str, fields: &[(&'static str, &'static str)]) -> CacheKey {
        let mut headers = Headers::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        CacheKey::new(&headers, CacheKey::target_of(&target.parse().unwrap()))
    }

    #[test]
    fn keys_that_must_differ() {
        let a = [("host", "a")];
        let pairs = [
            (key("/foo?a=1", &a), key("/fooa=1", &a)),
            (key("/a%2Fb", &a), key("/a/b", &a)),
            (key("/a%2fb", &a), key("/a%2Fb", &a)),
            (key("/b/c", &[("host", "a")]), key("/c", &[("host", "a/b")])),
            (key("/", &[("host", "ab")]), key("/b", &[("host", "a")])),
            (key("/?", &a), key("/", &a)),
            (key("//", &a), key("/", &a)),
            (key("/", &[("host", "a:80")]), key("/", &a)),
            (key("/", &[("host", "a"), ("x-forwarded-host", "b")]), key("/", &a)),
            (
                key("/", &[("host", "a"), ("x-forwarded-proto", "https")]),
                key("/", &[("host", "a"), ("x-forwarded-proto", "http")]),
            ),
            (
                key("/", &[("host", "a"), ("x-forwarded-host", "b")]),
                key("/", &[("host", "a"), ("x-forwarded-prefix", "b")]),
            ),
        ];
        for (one, other) in pairs {
            assert_ne!(one, other);
        }
    }

    /// A file's name is a path: it begins with a slash, and nothing that is in a request line is in it but visible characters.
    #[test]
    fn no_request_has_the_key_of_a_file() {
        let names = ["/", "/a", "//a", "/host\u{e9}"];
        for name in names {
            assert_eq!(CacheKey::of_file(name), CacheKey::of_file(name));
            let others = names.iter().filter(|other| **other != name);
            assert!(others.into_iter().all(|other| CacheKey::of_file(other) != CacheKey::of_file(name)));
            assert_eq!(CacheKey::of_file(name).target(), "");
            for target in ["", "*", "/", "/a", "//a"] {
                for fields in [&[][..], &[("host", "")], &[("host", "a")], &[("x-forwarded-prefix", "/a")]] {
                    let mut headers = Headers::new();
                    headers.extend(
                        fields
                            .iter()
                            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())),
                    );
                    assert_ne!(
                        CacheKey::new(&headers, target),
                        CacheKey::of_file(name),
                        "{target} {fields:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn it_knows_its_target() {
        for target in ["/", "/a?b=c", "/a%0Ab"] {
            assert_eq!(key(target, &[("host", "a"), ("x-forwarded-host", "b")]).target(), target);
        }
    }

    #[test]
    fn the_order_of_fields_makes_no_other_url() {
        // Else an unsafe request would not invalidate the page that was asked for with its fields in another order.
        let [host, proto] = [("x-forwarded-host", "b"), ("x-forwarded-proto", "https")];
        assert_eq!(key("/", &[("host", "a"), host, proto]), key("/", &[proto, host, ("host", "a")]));
        let [one, other] = [("x-forwarded-host", "b"), ("x-forwarded-host", "c")];
        assert_ne!(key("/", &[one, other]), key("/", &[other, one]), "lines of one field");
    }

    #[test]
    fn what_says_nothing_of_the_url_is_no_part_of_it() {
        let fields = [("host", "a"), ("cookie", "c"), ("x-forwarded-for", "1.1.1.1"), ("accept", "b")];
        assert_eq!(key("/a", &fields), key("/a", &[("host", "a")]));
    }
}
