//! The names of header fields as they are read. Most are the same again and again, spelled the same way: to see that takes less
//! than to read them, and where a name is not one of the standards' it needs no memory of its own.

use http::HeaderName;
use std::cell::RefCell;

/// How many spellings each thread remembers.
const PLACES: usize = 128;
/// In bytes: longer ones are read each time.
const LONGEST: usize = 40;

/// Names that many send, and that are none of the library's. Copies of these need not be counted, which takes a locked instruction
/// for each, and another when it is dropped.
static COMMON: [HeaderName; 24] = [
    HeaderName::from_static("cf-connecting-ip"),
    HeaderName::from_static("cf-ray"),
    HeaderName::from_static("priority"),
    HeaderName::from_static("sec-ch-ua"),
    HeaderName::from_static("sec-ch-ua-mobile"),
    HeaderName::from_static("sec-ch-ua-platform"),
    HeaderName::from_static("sec-fetch-dest"),
    HeaderName::from_static("sec-fetch-mode"),
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("sec-fetch-user"),
    HeaderName::from_static("sec-gpc"),
    HeaderName::from_static("x-cache"),
    HeaderName::from_static("x-csrf-token"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-permitted-cross-domain-policies"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-request-start"),
    HeaderName::from_static("x-requested-with"),
    HeaderName::from_static("x-runtime"),
    HeaderName::from_static("x-sendfile"),
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
        let name = COMMON.iter().find(|common| **common == name).cloned().unwrap_or(name);
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
