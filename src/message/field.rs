//! What more than one field's grammar is made of.

use http::{HeaderMap, HeaderValue, header::AsHeaderName};

/// The field's value if it has exactly one line.
pub fn single(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none())
}

/// The number that these digits are, at least one of them; what is larger than the largest counts as that. `None` if this is
/// anything but digits.
pub fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let next = |number: u64, digit: &u8| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(digits.iter().fold(0, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_lines_are_no_single_value() {
        let mut headers = HeaderMap::new();
        assert_eq!(single(&headers, "a"), None);
        headers.append("a", HeaderValue::from_static("1, 2"));
        assert_eq!(single(&headers, "a").unwrap(), "1, 2");
        headers.append("a", HeaderValue::from_static("1, 2"));
        assert_eq!(single(&headers, "a"), None);
    }

    #[test]
    fn numbers_are_digits_and_saturate() {
        for (digits, expected) in [
            ("0", Some(0)),
            ("007", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", Some(u64::MAX)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("", None),
            ("-1", None),
            ("1 ", None),
        ] {
            assert_eq!(number(digits.as_bytes()), expected, "{digits}");
        }
    }
}
