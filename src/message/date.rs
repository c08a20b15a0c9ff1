//! Dates (RFC 9110 §5.6.7).

use super::{
    Headers,
    field::{self, single},
};
use http::{HeaderName, HeaderValue};
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: i64 = 24 * 60 * 60;
/// On average, in seconds.
const YEAR: i64 = 31_556_952;
/// The last second of 9999: nothing later can be written.
const LATEST: Duration = Duration::from_secs(253_402_300_799);
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// Reads one of the three forms; None if it is none of them exactly, or no day of the calendar. Case does not matter, as
/// RFC 9111 §4.2 wants it, nor whether the day was the weekday that it names. A year of two digits is the last one
/// that is at most fifty years after `now`.
pub fn parse(value: &[u8], now: SystemTime) -> Option<SystemTime> {
    let seconds = match memchr::memchr(b',', value) {
        Some(3) => imf_fixdate(value),
        Some(comma) => {
            rfc850_date(&value[..comma], &value[comma..], since_epoch(now).as_secs().cast_signed())
        }
        None => asctime_date(value),
    }?;
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
}

/// The date in a field, read as [`parse`] does; None if the field is absent, has several lines or is malformed.
pub fn of(headers: &Headers, name: HeaderName, now: SystemTime) -> Option<SystemTime> {
    parse(single(headers, name)?.as_bytes(), now)
}

/// Writes a date in the preferred form, without fractions of the second. What is before 1970 or after 9999 becomes their
/// first or last second.
pub fn format(time: SystemTime) -> HeaderValue {
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    // All dates have the same length and are ASCII: neither of the two can fail.
    let _ = write!(&mut text[..], "{}", httpdate::HttpDate::from(UNIX_EPOCH + since_epoch(time)));
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().min(LATEST)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(value: &[u8]) -> Option<i64> {
    let sound = is_like(value, b"___, __ ___ ____ __:__:__ GMT") && is_weekday(&value[..3], 3);
    sound.then_some(())?;
    let midnight = midnight(number(&value[12..16])?, &value[8..11], number(&value[5..7])?)?;
    Some(midnight + time_of_day(&value[17..25])?)
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`, the weekday and the rest of it.
fn rfc850_date(weekday: &[u8], rest: &[u8], now: i64) -> Option<i64> {
    let sound = is_like(rest, b", __-___-__ __:__:__ GMT") && is_weekday(weekday, usize::MAX);
    sound.then_some(())?;
    let (day, month, time) = (number(&rest[2..4])?, &rest[5..8], time_of_day(&rest[12..20])?);
    let latest = now + 50 * YEAR;
    // One more than its year, since years differ from their average.
    let bound = 1970 + latest / YEAR + 1;
    let year = bound - (bound - number(&rest[9..11])?).rem_euclid(100);
    let mut dates =
        [year, year - 100].into_iter().filter_map(|year| Some(midnight(year, month, day)? + time));
    dates.find(|&date| date <= latest)
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime_date(value: &[u8]) -> Option<i64> {
    let sound = is_like(value, b"___ ___ __ __:__:__ ____") && is_weekday(&value[..3], 3);
    sound.then_some(())?;
    let day = value[8..10].strip_prefix(b" ").unwrap_or(&value[8..10]);
    let midnight = midnight(number(&value[20..])?, &value[4..7], number(day)?)?;
    Some(midnight + time_of_day(&value[11..19])?)
}

/// Whether a value has a form's length and all of its bytes in any case, but for those that are `_` there.
fn is_like(value: &[u8], form: &[u8]) -> bool {
    let fits = |(b, f): (&u8, &u8)| *f == b'_' || b.eq_ignore_ascii_case(f);
    value.len() == form.len() && value.iter().zip(form).all(fits)
}

/// Whether this is a weekday's name, cut off after `length` letters.
fn is_weekday(name: &[u8], length: usize) -> bool {
    WEEKDAYS.iter().any(|day| day.as_bytes()[..day.len().min(length)].eq_ignore_ascii_case(name))
}

fn number(digits: &[u8]) -> Option<i64> {
    field::number(digits)?.try_into().ok()
}

/// Seconds since midnight of `08:49:37`; a leap second is the next day's first one.
fn time_of_day(text: &[u8]) -> Option<i64> {
    let [hour, minute, second] = [number(&text[..2])?, number(&text[3..5])?, number(&text[6..])?];
    let sound = (hour < 24 && minute < 60 && second < 60) || (hour, minute, second) == (23, 59, 60);
    sound.then_some((hour * 60 + minute) * 60 + second)
}

/// When a day began, in seconds since 1970; None if there is no such day in the Gregorian calendar.
fn midnight(year: i64, month: &[u8], day: i64) -> Option<i64> {
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before: i64 = lengths[..month].iter().sum();
    // Leap days up to the year's beginning, from the year 1 on; 719162 days were before 1970.
    let past = year - 1;
    let leap_days = past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400);
    (1..=lengths[month]).contains(&day).then_some((past * 365 + leap_days + before + day - 1 - 719_162) * DAY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header;

    /// 21 November 2026, 09:14:09
    const NOW: u64 = 1_795_252_449;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn read(value: &str) -> Option<SystemTime> {
        parse(value.as_bytes(), at(NOW))
    }

    #[test]
    fn dates() {
        for (value, seconds) in [
            // RFC 9110 §5.6.7: the three forms
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
            ("Sun Nov  6 08:49:37 1994", 784_111_777),
            ("Wed Nov 16 08:49:37 1994", 784_975_777),
            ("Sat, 21 Nov 2026 09:14:09 GMT", NOW),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Tue, 19 Jan 2038 14:14:08 GMT", 2_147_523_248),
            ("Sun, 21 Nov 2286 04:46:39 GMT", 10_000_039_599),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
            // RFC 9111 §4.2: in any case
            ("SUN, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Sun, 06 NOV 1994 08:49:37 GMT", 784_111_777),
            ("Sun, 06 Nov 1994 08:49:37 gMT", 784_111_777),
            ("sunday, 06-nov-94 08:49:37 gmt", 784_111_777),
            ("sun nov  6 08:49:37 1994", 784_111_777),
            // Another weekday than it was
            ("Thu Aug  8 02:01:18 2050", 2_543_536_878),
            ("Mon, 06 Nov 1994 08:49:37 GMT", 784_111_777),
        ] {
            assert_eq!(read(value), Some(at(seconds)), "{value}");
        }
        assert_eq!(read("Wed, 31 Dec 1969 23:59:58 GMT"), Some(UNIX_EPOCH - Duration::from_secs(2)));
        assert!(read("Sat, 01 Jan 0000 00:00:00 GMT").is_some_and(|date| date < UNIX_EPOCH));
    }

    #[test]
    fn what_is_no_date() {
        for value in [
            "",
            "0",
            "-1",
            ",",
            "784111777",
            // RFC 9110 §5.6.7: nothing but the three forms
            "Thu, 18 Aug 2050 02:01:18 UTC",
            "Thu, 18 Aug 2050 02:01:18 AEST",
            "Thu, 18 Aug 2050 02:01:18 +0000",
            "Thu, 18 Aug 2050 02:01:18",
            "Thu, 18 Aug 50 02:01:18 GMT",
            "Thu 18 Aug 2050 02:01:18 GMT",
            "Thu, 18  Aug  2050 02:01:18 GMT",
            "Thu, 18-Aug-2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 02.01.18 GMT",
            "Thu, 18 Aug 2050 2:01:18 GMT",
            "Thu, 18 Aug 2050  2:01:18 GMT",
            "Thu, 8 Aug 2050 02:01:18 GMT",
            "Thu,  8 Aug 2050 02:01:18 GMT",
            "Thursday, 18 Aug 2050 02:01:18 GMT",
            "Thursday, 18-Aug-2050 02:01:18 GMT",
            "Thursday,  8-Aug-50 02:01:18 GMT",
            "Thu, 18-Aug-50 02:01:18 GMT",
            "Thu Aug 8 02:01:18 2050",
            "Thu Aug  8 02:01:18 50",
            "Thu Aug  8 02:01:18 2050 GMT",
            "Thu Aug    02:01:18 2050",
            " Thu, 18 Aug 2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 02:01:18 GMT ",
            "Thu, 18 Aug 2050 02:01:18 GMT, x",
            "Thu, +8 Aug 2050 02:01:18 GMT",
            "Thé 18 Aug 2050 02:01:18 GMT",
            // No such day or time
            "Xxx, 18 Aug 2050 02:01:18 GMT",
            "Thu, 18 Avg 2050 02:01:18 GMT",
            "Thu, 00 Aug 2050 02:01:18 GMT",
            "Thu, 32 Aug 2050 02:01:18 GMT",
            "Thu, 31 Sep 2050 02:01:18 GMT",
            "Thu, 29 Feb 2023 02:01:18 GMT",
            "Thu, 29 Feb 2100 02:01:18 GMT",
            "Thu, 18 Aug 2050 24:00:00 GMT",
            "Thu, 18 Aug 2050 02:60:18 GMT",
            "Thu, 18 Aug 2050 02:01:60 GMT",
            "Thu, 18 Aug 2050 23:59:61 GMT",
        ] {
            assert_eq!(read(value), None, "{value}");
        }
    }

    #[test]
    fn years_of_two_digits() {
        // RFC 9110 §5.6.7: not more than fifty years in the future
        for (short, full) in [
            ("Thursday, 18-Aug-50 02:01:18 GMT", "Thu, 18 Aug 2050 02:01:18 GMT"),
            ("Sunday, 01-Jan-00 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:00 GMT"),
            ("Saturday, 01-Nov-76 00:00:00 GMT", "Sun, 01 Nov 2076 00:00:00 GMT"),
            ("Saturday, 01-Dec-76 00:00:00 GMT", "Wed, 01 Dec 1976 00:00:00 GMT"),
            ("Saturday, 01-Jan-77 00:00:00 GMT", "Sat, 01 Jan 1977 00:00:00 GMT"),
            ("Friday, 31-Dec-99 23:59:59 GMT", "Fri, 31 Dec 1999 23:59:59 GMT"),
        ] {
            assert_eq!((read(short), read(short).is_some()), (read(full), true), "{short}");
        }
        // 1 January 2090 and 1970
        let of_ten = |now| parse(b"Monday, 01-Mar-10 00:00:00 GMT", at(now));
        assert_eq!(of_ten(3_786_912_000), read("Sat, 01 Mar 2110 00:00:00 GMT"));
        assert_eq!(of_ten(0), read("Mon, 01 Mar 2010 00:00:00 GMT"));
        // 2100 has no such day, but 2000.
        assert_eq!(
            parse(b"Tuesday, 29-Feb-00 00:00:00 GMT", at(3_786_912_000)),
            read("Tue, 29 Feb 2000 00:00:00 GMT")
        );
    }

    #[test]
    fn every_day_is_read_as_it_is_written() {
        for day in (0..253_402_300_799 / 86_400).step_by(13) {
            let time = at(day * 86_400 + day % 86_400);
            assert_eq!(parse(format(time).as_bytes(), at(NOW)), Some(time));
        }
    }

    #[test]
    fn dates_are_written_in_the_preferred_form() {
        for (time, text) in [
            (at(784_111_777) + Duration::from_millis(999), "Sun, 06 Nov 1994 08:49:37 GMT"),
            (UNIX_EPOCH - Duration::from_secs(9), "Thu, 01 Jan 1970 00:00:00 GMT"),
            (at(253_402_300_800), "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(format(time), text);
        }
    }

    #[test]
    fn one_line_only() {
        let (first, second) = ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:38 GMT");
        let mut headers = Headers::new();
        assert_eq!(of(&headers, header::EXPIRES, at(NOW)), None);
        headers.append(header::EXPIRES, HeaderValue::from_static(first));
        assert_eq!(of(&headers, header::EXPIRES, at(NOW)), Some(at(784_111_777)));
        headers.append(header::EXPIRES, HeaderValue::from_static(second));
        assert_eq!(of(&headers, header::EXPIRES, at(NOW)), None);
        headers.insert(header::EXPIRES, HeaderValue::from_static("0"));
        assert_eq!(of(&headers, header::EXPIRES, at(NOW)), None);
    }
}
