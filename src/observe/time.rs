//! Times as log lines show them: UTC, by plain date arithmetic, the part down to the second kept from line to line.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second of the year 9999, the last that RFC 3339 can name; later times show as this one.
const LAST_SECOND: u64 = 253_402_300_799;

const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

/// Writes times. Most lines fall into the second of the line before them, so that second's text is kept.
#[derive(Debug, Clone)]
pub struct Stamp {
    second: u64,
    /// `1970-01-01T00:00:00`, of `second`.
    text: [u8; 19],
}

impl Default for Stamp {
    fn default() -> Self {
        Self { second: 0, text: *b"1970-01-01T00:00:00" }
    }
}

impl Stamp {
    /// RFC 3339 with nanoseconds: `2026-03-01T12:00:00.000000000Z`. Times before 1970 show as its beginning.
    pub fn rfc3339(&mut self, out: &mut Vec<u8>, at: SystemTime) {
        let since = self.move_to(at);
        let mut tail = *b".000000000Z";
        decimal(&mut tail[1..10], u64::from(since.subsec_nanos()));
        out.extend_from_slice(&self.text);
        out.extend_from_slice(&tail);
    }

    /// As in Apache's logs, without the brackets: `01/Mar/2026:12:00:00 +0000`.
    pub fn common_log(&mut self, out: &mut Vec<u8>, at: SystemTime) {
        self.move_to(at);
        let [y0, y1, y2, y3, _, m0, m1, _, d0, d1, _, clock @ ..] = self.text;
        let month = usize::from((m0 - b'0') * 10 + (m1 - b'0') - 1) * 3;
        out.extend_from_slice(&[d0, d1, b'/']);
        out.extend_from_slice(&MONTHS[month..month + 3]);
        out.extend_from_slice(&[b'/', y0, y1, y2, y3, b':']);
        out.extend_from_slice(&clock);
        out.extend_from_slice(b" +0000");
    }

    /// The time of day with milliseconds: `12:00:00.000Z`.
    pub fn clock(&mut self, out: &mut Vec<u8>, at: SystemTime) {
        let since = self.move_to(at);
        let mut tail = *b".000Z";
        decimal(&mut tail[1..4], u64::from(since.subsec_millis()));
        out.extend_from_slice(&self.text[11..]);
        out.extend_from_slice(&tail);
    }

    /// Brings `text` to the second of `at`, and gives the time since 1970.
    fn move_to(&mut self, at: SystemTime) -> Duration {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let second = since.as_secs().min(LAST_SECOND);
        if second != self.second {
            self.second = second;
            self.write_text();
        }
        since
    }

    fn write_text(&mut self) {
        let (year, month, day) = civil(self.second / 86_400);
        let clock = self.second % 86_400;
        decimal(&mut self.text[0..4], year);
        decimal(&mut self.text[5..7], month);
        decimal(&mut self.text[8..10], day);
        decimal(&mut self.text[11..13], clock / 3_600);
        decimal(&mut self.text[14..16], clock / 60 % 60);
        decimal(&mut self.text[17..19], clock % 60);
    }
}

/// Year, month and day of the Gregorian calendar, from the days since 1970-01-01.
///
/// Counts from 1 March of the year 0, so that the leap day is the last of a year: Howard Hinnant's `civil_from_days`.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_IN_400_YEARS: u64 = 146_097;
    let days = days + 719_468;
    let era = days / DAYS_IN_400_YEARS;
    let of_era = days % DAYS_IN_400_YEARS;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// Fills `place` with the last digits of `number`, with zeros in front.
fn decimal(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn rfc3339(at: SystemTime) -> String {
        let mut out = Vec::new();
        Stamp::default().rfc3339(&mut out, at);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn known_instants() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"), // a century that is a leap year
            (951_868_800, "2000-03-01T00:00:00"),
            (1_000_000_000, "2001-09-09T01:46:40"),
            (1_709_164_800, "2024-02-29T00:00:00"),
            (1_735_689_599, "2024-12-31T23:59:59"),
            (2_147_483_647, "2038-01-19T03:14:07"),
            (2_147_483_648, "2038-01-19T03:14:08"),
            (4_107_542_399, "2100-02-28T23:59:59"), // a century that is none
            (4_107_542_400, "2100-03-01T00:00:00"),
            (LAST_SECOND, "9999-12-31T23:59:59"),
        ] {
            assert_eq!(rfc3339(at(seconds)), format!("{text}.000000000Z"), "{seconds}");
        }
    }

    #[test]
    fn days_follow_each_other_for_four_hundred_years() {
        let mut before = civil(0);
        for days in 1..=146_097 {
            let (year, month, day) = civil(days);
            let first_of_month = day == 1 && before.2 >= 28;
            let follows = match before {
                _ if !first_of_month => (year, month, day) == (before.0, before.1, before.2 + 1),
                (last, 12, 31) => (year, month) == (last + 1, 1),
                _ => (year, month) == (before.0, before.1 + 1),
            };
            assert!(follows, "{before:?} is followed by {:?}", (year, month, day));
            before = (year, month, day);
        }
        assert_eq!(before, (2370, 1, 1));
    }

    #[test]
    fn fractions_and_times_out_of_range() {
        assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_nanos(1)), "1970-01-01T00:00:00.000000001Z");
        assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_nanos(999_999_999)), "1970-01-01T00:00:00.999999999Z");
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(rfc3339(at(LAST_SECOND + 1)), "9999-12-31T23:59:59.000000000Z");
    }

    #[test]
    fn the_kept_second_never_shows_for_another() {
        let mut stamp = Stamp::default();
        for seconds in [5, 5, 6, 5, 86_400, 0] {
            let mut out = Vec::new();
            stamp.rfc3339(&mut out, at(seconds));
            assert_eq!(String::from_utf8_lossy(&out), rfc3339(at(seconds)));
        }
    }

    #[test]
    fn other_forms() {
        let at = at(971_186_136) + Duration::from_millis(42);
        let mut out = Vec::new();
        Stamp::default().common_log(&mut out, at);
        out.push(b' ');
        Stamp::default().clock(&mut out, at);
        assert_eq!(String::from_utf8_lossy(&out), "10/Oct/2000:13:55:36 +0000 13:55:36.042Z");
    }
}
