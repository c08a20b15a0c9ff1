//! Range requests (RFC 9110 §14): which bytes of a body are asked for.

use super::{
    Headers, date,
    etag::strong_eq,
    field::{number, single},
};
use http::{HeaderValue, header};
use std::{
    ops::Range,
    time::{Duration, SystemTime},
};

/// What to send of a body. No range is empty, reaches beyond the end, or touches another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All of it, as if no range were asked for: 200.
    Whole,
    /// One range: 206 with a `Content-Range`.
    One(Range<u64>),
    /// Several, in the order asked: 206 with a [`Multipart`](super::byteranges::Multipart) body.
    Several(Vec<Range<u64>>),
    /// None of what is asked for is there: 416 with [`unsatisfied`].
    Unsatisfiable,
}

/// Who asks for more ranges than this gets the whole (RFC 9110 §17.15).
const MAX_RANGES: usize = 16;

/// What to send of a body of `length` bytes to a GET (to no other method, RFC 9110 §14.2) that would be answered with a
/// 200 with these fields. Other preconditions come first (§13.2.2).
///
/// A `Range` that is malformed, has several lines or another unit than bytes is ignored, and so is one whose `If-Range`
/// does not hold, or for an empty body (§14.2 allows it, and no Content-Range could describe the bytes). Ranges that
/// overlap or adjoin are sent as one, in the place of the first (§15.3.7.2), so nobody can ask for more bytes than there
/// are.
pub fn select(request: &Headers, response: &Headers, length: u64, now: SystemTime) -> Selection {
    let Some(range) = single(request, header::RANGE) else { return Selection::Whole };
    if length == 0 || !if_range_holds(request, response, now) {
        return Selection::Whole;
    }
    let Some(ranges) = satisfiable(range.as_bytes(), length) else { return Selection::Whole };
    match ranges.as_slice() {
        [] => Selection::Unsatisfiable,
        [range] => Selection::One(range.clone()),
        _ => Selection::Several(ranges),
    }
}

/// `Content-Range` of a part of a body of `length` bytes (RFC 9110 §14.4). The range must not be empty.
pub fn content_range(range: &Range<u64>, length: u64) -> HeaderValue {
    value(format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1)))
}

/// `Content-Range` of a 416 (RFC 9110 §15.5.17).
pub fn unsatisfied(length: u64) -> HeaderValue {
    value(format!("bytes */{length}"))
}

/// Whether there is no `If-Range`, or it names the very response (RFC 9110 §13.1.5): the same strong entity-tag, or the
/// same date.
fn if_range_holds(request: &Headers, response: &Headers, now: SystemTime) -> bool {
    if !request.contains_key(header::IF_RANGE) {
        return true;
    }
    let Some(validator) = single(request, header::IF_RANGE) else { return false };
    let etag = response.get(header::ETAG);
    etag.is_some_and(|etag| strong_eq(validator.as_bytes().trim_ascii(), etag.as_bytes().trim_ascii()))
        || is_strong_date(validator, response, now)
}

/// Whether this is the response's modification date, and a strong validator: what is sent within the second in which it
/// was modified may be modified again in it (RFC 9110 §8.8.2.2). The worker's clock is behind both dates.
fn is_strong_date(validator: &HeaderValue, response: &Headers, now: SystemTime) -> bool {
    let date = |value: &HeaderValue| date::parse(value.as_bytes(), now);
    let Some(modified) = response.get(header::LAST_MODIFIED).and_then(date) else { return false };
    let settled = |sent| date(sent).is_some_and(|sent| sent >= modified + Duration::from_secs(1));
    date(validator) == Some(modified) && response.get(header::DATE).is_none_or(settled)
}

/// The ranges that can be satisfied, merged; `None` if the field's value is malformed, of another unit or has too many.
fn satisfiable(value: &[u8], length: u64) -> Option<Vec<Range<u64>>> {
    let (unit, set) = value.trim_ascii().split_at_checked(b"bytes=".len())?;
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return None;
    }
    let mut count = 0;
    let mut ranges = Vec::new();
    for spec in set.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|spec| !spec.is_empty()) {
        count += 1;
        let spec = Spec::parse(spec)?;
        if count > MAX_RANGES {
            return None;
        }
        if let Some(range) = spec.within(length) {
            merge(&mut ranges, range);
        }
    }
    (count > 0).then_some(ranges)
}

/// A range as asked for (RFC 9110 §14.1.1). Numbers that are too large stand for the largest, which is beyond every end.
enum Spec {
    /// From the first to the last of these positions.
    Between(u64, u64),
    /// That many bytes at the end.
    Suffix(u64),
}

impl Spec {
    fn parse(spec: &[u8]) -> Option<Self> {
        let dash = memchr::memchr(b'-', spec)?;
        match (&spec[..dash], &spec[dash + 1..]) {
            (b"", length) => Some(Self::Suffix(number(length)?)),
            (first, b"") => Some(Self::Between(number(first)?, u64::MAX)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::Between(first, last))
            }
        }
    }

    /// The bytes of a body of this length, or `None` where it has none of them (RFC 9110 §14.1.2).
    fn within(self, length: u64) -> Option<Range<u64>> {
        match self {
            Self::Between(first, last) => (first < length).then(|| first..last.saturating_add(1).min(length)),
            Self::Suffix(count) => (count > 0).then(|| length.saturating_sub(count)..length),
        }
    }
}

/// Adds a range to those that do not touch each other; with those that it touches it becomes one, in the place of the
/// first.
fn merge(ranges: &mut Vec<Range<u64>>, mut range: Range<u64>) {
    let touched = |ranges: &[Range<u64>], range: &Range<u64>| {
        ranges.iter().position(|other| other.start <= range.end && range.start <= other.end)
    };
    let place = touched(ranges, &range).unwrap_or(ranges.len());
    while let Some(at) = touched(ranges, &range) {
        let other = ranges.remove(at);
        range = range.start.min(other.start)..range.end.max(other.end);
    }
    ranges.insert(place, range);
}

/// Text that we have made of letters, digits and signs as a field's value.
pub(super) fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("bytes"))
}

#[cfg(test)]
mod tests {
    use super::Selection::{One, Several, Unsatisfiable, Whole};
    use super::*;

    fn selected(range: &str, length: u64) -> Selection {
        let request = Headers::from_iter([(header::RANGE, range.parse().unwrap())]);
        select(&request, &Headers::new(), length, SystemTime::now())
    }

    /// RFC 9110 §14.1.2, §14.2.
    #[test]
    fn one_range() {
        for (range, expected) in [
            ("bytes=0-1", One(0..2)),
            ("bytes=0-0", One(0..1)),
            ("bytes=9-9", One(9..10)),
            ("bytes=1-", One(1..10)),
            ("bytes=0-", One(0..10)),
            ("bytes=-1", One(9..10)),
            ("bytes=-10", One(0..10)),
            ("bytes=-11", One(0..10)),
            ("bytes=5-10", One(5..10)),
            ("bytes=007-0008", One(7..9)),
            ("BYTES=0-1", One(0..2)),
            ("bytes= 0-1", One(0..2)),
            ("bytes=,0-1 ,", One(0..2)),
            ("bytes=10-", Unsatisfiable),
            ("bytes=10-11", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            // Numbers beyond 64 bits.
            ("bytes=5-18446744073709551615", One(5..10)),
            ("bytes=5-18446744073709551616", One(5..10)),
            ("bytes=-99999999999999999999999999", One(0..10)),
            ("bytes=18446744073709551616-", Unsatisfiable),
            ("bytes=18446744073709551616-18446744073709551617", Unsatisfiable),
        ] {
            assert_eq!(selected(range, 10), expected, "{range}");
        }
    }

    /// RFC 9110 §14.1.1, §14.2: what is invalid is ignored, whatever stands beside it.
    #[test]
    fn malformed_ranges_are_ignored() {
        for range in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=5",
            "bytes=5-4",
            "bytes=1-2-3",
            "bytes=--1",
            "bytes=+1-2",
            "bytes=0x1-2",
            "bytes=1 -2",
            "bytes=1- 2",
            "bytes =1-2",
            "bytes 1-2",
            "bytes:1-2",
            "items=1-2",
            "1-2",
            "bytes=1-2;3-4",
            "bytes=1-2,x",
            "bytes=1-2,5-4",
            "bytes=20-,x",
        ] {
            assert_eq!(selected(range, 10), Whole, "{range:?}");
        }
        let twice = Headers::of(&[("range", "bytes=0-1"), ("range", "bytes=2-3")]);
        assert_eq!(select(&twice, &Headers::new(), 10, SystemTime::now()), Whole);
        assert_eq!(select(&Headers::new(), &Headers::new(), 10, SystemTime::now()), Whole);
    }

    /// RFC 9110 §14.2.
    #[test]
    fn ranges_of_an_empty_body_are_ignored() {
        for range in ["bytes=0-", "bytes=0-0", "bytes=-0", "bytes=-1"] {
            assert_eq!(selected(range, 0), Whole, "{range}");
        }
    }

    /// RFC 9110 §15.3.7.2: in the order asked, without what is unsatisfiable or part of another.
    #[test]
    fn several_ranges() {
        for (range, expected) in [
            ("bytes=0-1,4-5", Several(vec![0..2, 4..6])),
            ("bytes=8-9, 0-1", Several(vec![8..10, 0..2])),
            ("bytes=0-0,-1", Several(vec![0..1, 9..10])),
            ("bytes=0-1,20-30,4-5,-0", Several(vec![0..2, 4..6])),
            ("bytes=20-30,4-5", One(4..6)),
            ("bytes=20-30,-0", Unsatisfiable),
            ("bytes=0-1,2-3", One(0..4)),
            ("bytes=2-3,0-1", One(0..4)),
            ("bytes=0-5,2-3", One(0..6)),
            ("bytes=2-3,0-5", One(0..6)),
            ("bytes=0-,0-,0-,0-", One(0..10)),
            ("bytes=8-9,0-1,5-5,1-2", Several(vec![8..10, 0..3, 5..6])),
            ("bytes=6-7,0-1,4-4,1-4", Several(vec![6..8, 0..5])),
            ("bytes=6-7,0-1,4-4,2-5", One(0..8)),
        ] {
            assert_eq!(selected(range, 10), expected, "{range}");
        }
    }

    /// RFC 9110 §17.15.
    #[test]
    fn many_ranges_are_ignored() {
        let ranges = |count: u64| {
            let specs: Vec<_> = (0..count).map(|n| format!("{}-{}", n * 2, n * 2)).collect();
            format!("bytes={}", specs.join(","))
        };
        assert!(matches!(selected(&ranges(16), 100), Several(ranges) if ranges.len() == 16));
        assert_eq!(selected(&ranges(17), 100), Whole);
        assert_eq!(selected(&format!("bytes=0-{}", ",0-".repeat(16)), 100), Whole);
    }

    /// Whatever is asked for: the ranges sent are within the body, apart from each other, and hold the bytes asked.
    #[test]
    fn random_ranges_hold_exactly_the_bytes_asked() {
        let mut random = fastrand::Rng::with_seed(14);
        for _ in 0..5_000 {
            let length = random.u64(1..40);
            let asked: Vec<_> = (0..random.usize(1..=MAX_RANGES))
                .map(|_| (random.u64(0..50), random.u64(0..5)))
                .map(|(first, more)| (first, first + more))
                .collect();
            let specs: Vec<_> = asked.iter().map(|(first, last)| format!("{first}-{last}")).collect();
            let ranges = match selected(&format!("bytes={}", specs.join(",")), length) {
                Whole => panic!("{specs:?} ignored"),
                Unsatisfiable => vec![],
                One(range) => vec![range],
                Several(ranges) => ranges,
            };
            for position in 0..60 {
                let wanted = position < length && asked.iter().any(|(f, l)| (*f..=*l).contains(&position));
                let sent = ranges.iter().filter(|range| range.contains(&position)).count();
                assert_eq!(sent, usize::from(wanted), "byte {position} of {length}: {specs:?} {ranges:?}");
            }
            let apart = |a: &Range<u64>, b: &Range<u64>| a.end < b.start || b.end < a.start || a == b;
            assert!(ranges.iter().all(|a| ranges.iter().all(|b| apart(a, b))), "{ranges:?}");
        }
    }

    /// RFC 9110 §13.1.5, §8.8.2.2.
    #[test]
    fn if_range() {
        const MODIFIED: &str = "Tue, 15 Nov 1994 12:45:26 GMT";
        const LATER: &str = "Tue, 15 Nov 1994 12:45:27 GMT";
        for (if_range, response, holds) in [
            ("\"a\"", &[("etag", "\"a\"")][..], true),
            ("\"a\"", &[("etag", "\"b\"")], false),
            ("W/\"a\"", &[("etag", "W/\"a\"")], false),
            ("\"a\"", &[("etag", "W/\"a\"")], false),
            ("\"a\", \"b\"", &[("etag", "\"a\"")], false),
            ("a", &[("etag", "a")], false),
            ("*", &[("etag", "\"a\"")], false),
            ("\"a\"", &[], false),
            ("", &[("etag", "")], false),
            (MODIFIED, &[("last-modified", MODIFIED), ("date", LATER)], true),
            (MODIFIED, &[("last-modified", MODIFIED)], true),
            (MODIFIED, &[("last-modified", MODIFIED), ("date", MODIFIED)], false),
            (LATER, &[("last-modified", LATER), ("date", MODIFIED)], false),
            (MODIFIED, &[("last-modified", MODIFIED), ("date", "0")], false),
            (LATER, &[("last-modified", MODIFIED), ("date", LATER)], false),
            (MODIFIED, &[("last-modified", LATER)], false),
            (MODIFIED, &[("date", MODIFIED)], false),
            ("x", &[("last-modified", "x")], false),
        ] {
            let request = Headers::of(&[("range", "bytes=0-1"), ("if-range", if_range)]);
            let expected = if holds { One(0..2) } else { Whole };
            assert_eq!(
                select(&request, &Headers::of(response), 10, SystemTime::now()),
                expected,
                "{if_range} {response:?}"
            );
        }
        let twice = Headers::of(&[("range", "bytes=0-1"), ("if-range", "\"a\""), ("if-range", "\"a\"")]);
        assert_eq!(select(&twice, &Headers::of(&[("etag", "\"a\"")]), 10, SystemTime::now()), Whole);
    }

    /// RFC 9110 §14.4.
    #[test]
    fn content_ranges() {
        assert_eq!(content_range(&(0..2), 10), "bytes 0-1/10");
        assert_eq!(content_range(&(9..10), 10), "bytes 9-9/10");
        assert_eq!(unsatisfied(0), "bytes */0");
        assert_eq!(unsatisfied(u64::MAX), "bytes */18446744073709551615");
    }
}
