//! The names of header fields as they are read. Most are the same again and again, spelled the same way: to see that takes less
//! than to read them, and where a name is not one of the standards' it needs no memory of its own.

use http::HeaderName;
use std::cell::RefCell;

/// How many spellings each thread remembers.
const PLACES: usize = 128;
/// In bytes: longer ones are read each time.
const LONGEST: usize = 40;

/// Names that many send, and the library does not know. Its own copies of others are counted, by every thread's processor in one
/// place.
const COMMON: [&str; 24] = [
    "cf-connecting-ip",
    "cf-ray",
    "priority",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "sec-gpc",
    "x-cache",
    "x-csrf-token",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-permitted-cross-domain-policies",
    "x-real-ip",
    "x-request-id",
    "x-request-start",
    "x-requested-with",
    "x-runtime",
    "x-sendfile",
];

/// Spellings that were read lately, each in its place, with the names that they are.
#[derive(Default)]
pub(super) struct Names(Vec<Option<(Box<[u8]>, HeaderName)>>);

/// Those of this thread.
pub(super) fn with<T>(read: impl FnOnce(&mut Names) -> T) -> T {
    thread_local! {
        static NAMES: RefCell<Names> = RefCell::default();
    }
    NAMES.with_borrow_mut(read)
}

impl Names {
    /// The name that is spelled like this, if it is one. What is new takes the place of what was there: a client may send names
    /// that nobody else does.
    pub(super) fn read(&mut self, spelling: &[u8]) -> Option<HeaderName> {
        if self.0.is_empty() {
            self.0.resize(PLACES, None);
        }
        let place = self.0.get_mut(place(spelling))?;
        if let Some((known, name)) = place
            && **known == *spelling
        {
            return Some(name.clone());
        }
        let name = HeaderName::from_bytes(spelling).ok()?;
        let common = COMMON.into_iter().find(|common| name == *common);
        let name = common.map_or(name, HeaderName::from_static);
        if spelling.len() <= LONGEST {
            *place = Some((spelling.into(), name.clone()));
        }
        Some(name)
    }
}

/// The factors are such that of what browsers and applications send only few have the same place.
fn place(spelling: &[u8]) -> usize {
    let length = spelling.len();
    let byte = |at: usize| spelling.get(at).map_or(0, |byte| usize::from(*byte));
    let (middle, end) = (length / 2, length.wrapping_sub(4));
    (length * 3 + byte(middle) * 17 + byte(end) * 9 + byte(length.wrapping_sub(1)) * 17) % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_name_is_the_same_however_it_is_spelled_and_however_often() {
        let mut names = Names::default();
        for _ in 0..2 {
            for spelling in
                ["Host", "host", "HOST", "X-Request-Id", "x-request-id", "x", "a-b", &"Long-".repeat(30)]
            {
                assert_eq!(names.read(spelling.as_bytes()).unwrap(), *spelling.to_ascii_lowercase());
            }
            for spelling in ["", "a b", "a:", "é"] {
                assert_eq!(names.read(spelling.as_bytes()), None, "{spelling:?}");
            }
        }
    }

    #[test]
    fn however_many_there_are_as_few_are_remembered() {
        let mut names = Names::default();
        for number in 0..10 * PLACES {
            let spelling = format!("x-{number}");
            assert_eq!(names.read(spelling.as_bytes()).unwrap(), *spelling);
        }
        assert_eq!(names.0.len(), PLACES);
        names.read(&[b'x'; LONGEST + 1]).unwrap();
        assert!(names.0.iter().flatten().all(|(spelling, _)| spelling.len() <= LONGEST));
    }

    #[test]
    fn what_a_browser_sends_has_its_places() {
        const SENT: [&str; 18] = [
            "Host",
            "Connection",
            "Cache-Control",
            "sec-ch-ua",
            "sec-ch-ua-mobile",
            "sec-ch-ua-platform",
            "Upgrade-Insecure-Requests",
            "User-Agent",
            "Accept",
            "Sec-Fetch-Site",
            "Sec-Fetch-Mode",
            "Sec-Fetch-User",
            "Sec-Fetch-Dest",
            "Referer",
            "Accept-Encoding",
            "Accept-Language",
            "Cookie",
            "If-None-Match",
        ];
        let places: HashSet<_> = SENT.map(|name| place(name.as_bytes())).into();
        assert_eq!(places.len(), SENT.len());
    }
}
