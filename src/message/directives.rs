//! The grammar of Cache-Control and Pragma: a list of names, some with an argument (RFC 9111 §5.2).

use super::{field::number, structured::is_token_byte};
use http::HeaderValue;

/// The largest number of seconds (RFC 9111 §1.2.2).
const MAX_DELTA: u32 = 1 << 31;
/// Length of the longest name that is known.
const LONGEST_NAME: usize = "stale-while-revalidate".len();

/// The members of all of these lines; None for one that cannot be read.
pub(super) fn directives<'a>(
    lines: impl Iterator<Item = &'a HeaderValue>,
) -> impl Iterator<Item = Option<Directive<'a>>> {
    lines.flat_map(|line| members(line.as_bytes())).map(Directive::read)
}

/// One member of the list.
pub(super) struct Directive<'a> {
    /// In small letters.
    name: [u8; LONGEST_NAME],
    /// Of the name; 0 if it is longer than all that are known.
    length: usize,
    /// What follows the name, without `=` and quotes, even if the grammar has no such thing there. Escapes are left in it: a
    /// number has none.
    pub(super) argument: Option<&'a [u8]>,
}

impl<'a> Directive<'a> {
    /// None where quotes are not round the whole argument: nobody knows then what is inside of them.
    fn read(member: &'a [u8]) -> Option<Self> {
        let end = member.iter().position(|&b| !is_token_byte(b)).unwrap_or(member.len());
        let (text, rest) = member.split_at(end);
        let argument = match rest {
            [] => None,
            [b'=', b'"', text @ .., b'"'] if is_quoted_text(text) => Some(text),
            _ if rest.contains(&b'"') => return None,
            [b'=', text @ ..] => Some(text),
            _ => Some(rest),
        };
        let mut directive = Self { name: [0; LONGEST_NAME], length: 0, argument };
        if let Some(name) = directive.name.get_mut(..text.len()) {
            name.copy_from_slice(text);
            name.make_ascii_lowercase();
            directive.length = text.len();
        }
        Some(directive)
    }

    /// In small letters; empty if it is longer than all that are known.
    pub(super) fn name(&self) -> &[u8] {
        &self.name[..self.length]
    }

    /// The argument as a number of seconds, if it is one.
    pub(super) fn seconds(&self) -> Option<u32> {
        self.argument.and_then(delta_seconds)
    }
}

/// A number of seconds (RFC 9111 §1.2.2), at most 2^31; None if this is anything but digits.
pub(super) fn delta_seconds(digits: &[u8]) -> Option<u32> {
    number(digits).map(saturate)
}

/// Larger numbers count as 2^31.
pub(super) fn saturate(seconds: u64) -> u32 {
    u32::try_from(seconds).map_or(MAX_DELTA, |seconds| seconds.min(MAX_DELTA))
}

/// What is between the commas that are not in a quoted string. A string that is never closed reaches to the end.
fn members(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = member_end(text);
        rest = text.get(end + 1..);
        Some(text[..end].trim_ascii())
    })
}

fn member_end(text: &[u8]) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    let ends = |&b: &u8| {
        quoted ^= b == b'"' && !escaped;
        escaped = quoted && b == b'\\' && !escaped;
        b == b',' && !quoted
    };
    text.iter().position(ends).unwrap_or(text.len())
}

/// Whether no quote in it ends the string (RFC 9110 §5.6.4), and no backslash escapes the quote behind it.
fn is_quoted_text(text: &[u8]) -> bool {
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        if *byte == b'"' || (*byte == b'\\' && bytes.next().is_none()) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts<'a> = (String, Option<&'a [u8]>);

    fn read(line: &[u8]) -> Vec<Option<Parts<'_>>> {
        fn parts(directive: Directive<'_>) -> Parts<'_> {
            (String::from_utf8_lossy(directive.name()).into_owned(), directive.argument)
        }
        members(line).map(|member| Directive::read(member).map(parts)).collect()
    }

    #[test]
    fn members_and_arguments() {
        for (line, expected) in [
            // RFC 9110 §5.6.1: lists, with empty members
            ("a, b\t,c", &[("a", None), ("b", None), ("c", None)][..]),
            (",a,,\t", &[("", None), ("a", None), ("", None), ("", None)]),
            // RFC 9111 §5.2: tokens and quoted strings
            ("A=X, b='1'", &[("a", Some("X")), ("b", Some("'1'"))]),
            (r#"a="x, b", c=1"#, &[("a", Some("x, b")), ("c", Some("1"))]),
            ("a=, b=\"\"", &[("a", Some("")), ("b", Some(""))]),
            // RFC 9110 §5.6.4: escapes
            (r#"a="x\", b, \\", c"#, &[("a", Some(r#"x\", b, \\"#)), ("c", None)]),
            (r#"a="\\",b="\\""#, &[("a", Some(r"\\")), ("b", Some(r"\\"))]),
            (r"a=\, b", &[("a", Some(r"\")), ("b", None)]),
            // What the grammar does not have
            ("a =1, b= 1, c d", &[("a", Some(" =1")), ("b", Some(" 1")), ("c", Some(" d"))]),
            ("a;b=c, d\u{e9}", &[("a", Some(";b=c")), ("d", Some("\u{e9}"))]),
            ("a-name-that-is-longer-than-any=1", &[("", Some("1"))]),
        ] {
            let parts = |(name, argument): &(&str, Option<&'static str>)| {
                Some((name.to_string(), argument.map(str::as_bytes)))
            };
            assert_eq!(read(line.as_bytes()), expected.iter().map(parts).collect::<Vec<_>>(), "{line}");
        }
    }

    #[test]
    fn quotes_that_are_not_closed_or_not_round_the_argument() {
        for bad in [
            "\"",
            "\"a\"",
            "a=\"",
            "a=\"x, b",
            r#"a="x\", b"#,
            r#"a="x\"#,
            r#"a="x\""#,
            "a\"b, c\"",
            "a=b\"c\"",
            "a=\"b\"c",
            "a=\"b\" \"c\"",
            "a=\"b\"\"c\"",
            "a= \"b\"",
            "a =\"b\"",
            "a \"b\"",
        ] {
            assert_eq!(read(bad.as_bytes()), [None], "{bad}");
        }
    }

    #[test]
    fn every_byte_belongs_to_one_member() {
        // Short lines of what matters: nothing panics, nothing is lost but commas and the white space next to them.
        let alphabet = b"a=\"\\, \xe9";
        for number in 0..alphabet.len().pow(6) {
            let line: Vec<u8> =
                (0..6).map(|i| alphabet[number / alphabet.len().pow(i) % alphabet.len()]).collect();
            let length: usize = members(&line).map(<[u8]>::len).sum();
            let gaps = line.iter().filter(|b| b", ".contains(b)).count();
            assert!(length + gaps >= line.len(), "{line:?}");
            assert!(!read(&line).is_empty(), "{line:?}");
        }
    }
}
