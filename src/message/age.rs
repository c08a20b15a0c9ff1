//! The Age field (RFC 9111 §5.1).

use super::{Headers, directives::delta_seconds};
use http::header;

/// How many seconds ago the worker says that the response was made or validated, at most 2^31. Of several values the first
/// counts; 0 where there is none, or one that is no number.
pub fn of(headers: &Headers) -> u32 {
    let lines = headers.get_all(header::AGE);
    let mut values = lines.flat_map(|line| line.as_bytes().split(|&b| b == b',')).map(<[u8]>::trim_ascii);
    values.find(|value| !value.is_empty()).and_then(delta_seconds).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn ages() {
        for (lines, seconds) in [
            (&[][..], 0),
            // RFC 9111 §1.2.2
            (&["0"][..], 0),
            (&["7200"], 7200),
            (&["007"], 7),
            (&["2147483647"], (1 << 31) - 1),
            (&["2147483648"], 1 << 31),
            (&["2147483649"], 1 << 31),
            (&["99999999999999999999999"], 1 << 31),
            // RFC 9111 §5.1: the first of several
            (&["7200, 0"], 7200),
            (&["7200,0"], 7200),
            (&["0, 7200"], 0),
            (&["7200", "0"], 7200),
            (&["0", "7200"], 0),
            (&["0, 0"], 0),
            (&["3600", "3600"], 3600),
            (&[" , ", ",\t7200"], 7200),
            // RFC 9111 §5.1: what is no non-negative integer is ignored
            (&[""], 0),
            (&["abc"], 0),
            (&["-7200"], 0),
            (&["+7200"], 0),
            (&["7200.0"], 0),
            (&["7200 s"], 0),
            (&["7200;foo=bar"], 0),
            (&["7200;foo=111"], 0),
            (&["\"7200\""], 0),
            (&["x, 7200"], 0),
            (&["7é"], 0),
        ] {
            let value = |line: &&str| (header::AGE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
            assert_eq!(of(&lines.iter().map(value).collect()), seconds, "{lines:?}");
        }
    }
}
