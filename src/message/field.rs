//! What more than one field's grammar is made of.

use super::{Headers, headers::Name};
use http::HeaderValue;

/// The field's value if it has exactly one line.
pub fn single(headers: &Headers, name: impl Name) -> Option<&HeaderValue> {
    let mut lines = headers.get_all(name);
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

/// A parameter such as `q=0.5`, in thousandths: 500 (RFC 9110 §12.4.2). `None` if it is anything but a weight.
pub fn weight(parameter: &[u8]) -> Option<u16> {
    let ([b'q' | b'Q', b'=', whole @ (b'0' | b'1')], fraction) = parameter.split_at_checked(3)? else {
        return None;
    };
    let digits = match fraction {
        [] => fraction,
        [b'.', digits @ ..] if digits.len() <= 3 && digits.iter().all(u8::is_ascii_digit) => digits,
        _ => return None,
    };
    let digit = |place: usize| digits.get(place).map_or(0, |&b| u16::from(b - b'0'));
    let sum = u16::from(whole - b'0') * 1000 + digit(0) * 100 + digit(1) * 10 + digit(2);
    (sum <= 1000).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_lines_are_no_single_value() {
        let mut headers = Headers::new();
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

    #[test]
    fn weights_are_thousandths() {
        for (parameter, expected) in [
            ("q=0", Some(0)),
            ("q=1", Some(1000)),
            ("Q=0.", Some(0)),
            ("q=0.5", Some(500)),
            ("q=0.07", Some(70)),
            ("q=0.999", Some(999)),
            ("q=1.000", Some(1000)),
            ("q=1.001", None),
            ("q=0.0001", None),
            ("q=2", None),
            ("q=.5", None),
            ("q= 1", None),
            ("q=0,5", None),
            ("q=", None),
            ("", None),
            ("x=1", None),
        ] {
            assert_eq!(weight(parameter.as_bytes()), expected, "{parameter}");
        }
    }
}
