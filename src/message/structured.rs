//! Structured Field dictionaries (RFC 9651 §4.2), read strictly: one fault, and the whole field is as if it were absent.

use std::str;

/// What a member is, as far as anybody here asks. Parameters have been checked and left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// At most fifteen digits and a sign.
    Integer(i64),
    /// A key without a value is true.
    Boolean(bool),
    /// A quoted text.
    String,
    /// A bare word.
    Token,
    /// A Decimal, Byte Sequence, Date, Display String or inner list.
    Other,
}

/// Reads one line of a dictionary and calls `each` with every key and its value, in their order: of several with the same key
/// the last counts (§4.2.2). None if the line is malformed or empty; what `each` was told before is void then.
///
/// Lines are read one by one, which is as if they had been joined, but for a string that begins in one and ends in
/// another: that one is malformed here.
pub fn dictionary(line: &[u8], mut each: impl FnMut(&[u8], Member)) -> Option<()> {
    let mut input = Input(line);
    input.skip(b" ");
    loop {
        let key = input.key()?;
        let member = if input.take(b'=') { input.member()? } else { Member::Boolean(true) };
        input.parameters()?;
        each(key, member);
        input.skip(b" \t");
        if input.0.is_empty() {
            return Some(());
        }
        input.expect(b',')?;
        input.skip(b" \t");
    }
}

/// What has not been read yet.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// §4.2.3.3
    fn key(&mut self) -> Option<&'a [u8]> {
        let starts = |b: u8| b.is_ascii_lowercase() || b == b'*';
        self.0.first().filter(|&&b| starts(b))?;
        Some(self.run(|b| starts(b) || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.')))
    }

    /// §4.2.1.1
    fn member(&mut self) -> Option<Member> {
        if self.take(b'(') { self.inner_list() } else { self.bare_item() }
    }

    /// §4.2.1.2, behind its parenthesis.
    fn inner_list(&mut self) -> Option<Member> {
        loop {
            self.skip(b" ");
            if self.take(b')') {
                return Some(Member::Other);
            }
            self.bare_item()?;
            self.parameters()?;
            self.0.first().filter(|b| matches!(b, b' ' | b')'))?;
        }
    }

    /// §4.2.3.2
    fn parameters(&mut self) -> Option<()> {
        while self.take(b';') {
            self.skip(b" ");
            self.key()?;
            if self.take(b'=') {
                self.bare_item()?;
            }
        }
        Some(())
    }

    /// §4.2.3.1
    fn bare_item(&mut self) -> Option<Member> {
        match *self.0.first()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string(),
            b'*' | b'A'..=b'Z' | b'a'..=b'z' => {
                self.run(|b| is_token_byte(b) || matches!(b, b':' | b'/'));
                Some(Member::Token)
            }
            b':' => self.byte_sequence(),
            b'?' => self.boolean(),
            b'@' => self.date(),
            b'%' => self.display_string(),
            _ => None,
        }
    }

    /// §4.2.4: fifteen digits, or twelve before the point and one to three behind it.
    fn number(&mut self) -> Option<Member> {
        let negative = self.take(b'-');
        let digits = self.run(|b| b.is_ascii_digit());
        if self.take(b'.') {
            let fraction = self.run(|b| b.is_ascii_digit());
            let sound = matches!(digits.len(), 1..=12) && matches!(fraction.len(), 1..=3);
            return sound.then_some(Member::Other);
        }
        let number: i64 = str::from_utf8(digits).ok()?.parse().ok()?;
        (digits.len() <= 15).then_some(Member::Integer(if negative { -number } else { number }))
    }

    /// §4.2.5
    fn string(&mut self) -> Option<Member> {
        self.expect(b'"')?;
        loop {
            match self.next()? {
                b'"' => return Some(Member::String),
                b'\\' => matches!(self.next()?, b'"' | b'\\').then_some(())?,
                b' '..=b'~' => {}
                _ => return None,
            }
        }
    }

    /// §4.2.7; padding may be left out.
    fn byte_sequence(&mut self) -> Option<Member> {
        self.expect(b':')?;
        let data = self.run(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'));
        let padding = self.run(|b| b == b'=');
        self.expect(b':')?;
        let sound = match padding.len() {
            0 => data.len() % 4 != 1,
            1 | 2 => (data.len() + padding.len()).is_multiple_of(4),
            _ => false,
        };
        sound.then_some(Member::Other)
    }

    /// §4.2.8
    fn boolean(&mut self) -> Option<Member> {
        self.expect(b'?')?;
        match self.next()? {
            b'0' => Some(Member::Boolean(false)),
            b'1' => Some(Member::Boolean(true)),
            _ => None,
        }
    }

    /// §4.2.9
    fn date(&mut self) -> Option<Member> {
        self.expect(b'@')?;
        matches!(self.number()?, Member::Integer(_)).then_some(Member::Other)
    }

    /// §4.2.10: percent-encoded in small letters, and UTF-8 when decoded.
    fn display_string(&mut self) -> Option<Member> {
        self.expect(b'%')?;
        self.expect(b'"')?;
        let mut character = ([0; 4], 0);
        loop {
            let byte = match self.next()? {
                b'"' => return (character.1 == 0).then_some(Member::Other),
                b'%' => self.hex_digit()? << 4 | self.hex_digit()?,
                plain @ b' '..=b'~' => plain,
                _ => return None,
            };
            character = continue_utf8(character, byte)?;
        }
    }

    fn hex_digit(&mut self) -> Option<u8> {
        match self.next()? {
            digit @ b'0'..=b'9' => Some(digit - b'0'),
            letter @ b'a'..=b'f' => Some(letter - b'a' + 10),
            _ => None,
        }
    }

    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.0.first() == Some(&byte);
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }

    fn run(&mut self, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.0.iter().position(|&b| !belongs(b)).unwrap_or(self.0.len());
        let (run, rest) = self.0.split_at(end);
        self.0 = rest;
        run
    }

    fn skip(&mut self, bytes: &[u8]) {
        self.run(|b| bytes.contains(&b));
    }
}

/// A byte of a token (RFC 9110 §5.6.2).
pub(super) fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// Adds a byte to the character that is being read, and begins the next one when it is complete; None if it never will be.
fn continue_utf8((mut bytes, length): ([u8; 4], usize), byte: u8) -> Option<([u8; 4], usize)> {
    *bytes.get_mut(length)? = byte;
    match str::from_utf8(&bytes[..=length]) {
        Ok(_) => Some((bytes, 0)),
        Err(fault) if fault.error_len().is_none() => Some((bytes, length + 1)),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Member::{Boolean, Integer, Other, String, Token};
    use super::*;

    fn read(line: &[u8]) -> Option<Vec<(std::string::String, Member)>> {
        let mut members = Vec::new();
        dictionary(line, |key, member| members.push((str::from_utf8(key).unwrap().to_owned(), member)))?;
        Some(members)
    }

    #[test]
    fn members_of_every_type() {
        for (value, member) in [
            // §4.2.4 numbers
            ("a=0", Integer(0)),
            ("a=-0", Integer(0)),
            ("a=007", Integer(7)),
            ("a=-42", Integer(-42)),
            ("a=999999999999999", Integer(999_999_999_999_999)),
            ("a=-999999999999999", Integer(-999_999_999_999_999)),
            ("a=1.5", Other),
            ("a=123456789012.123", Other),
            // §4.2.5 strings, §4.2.6 tokens
            (r#"a="""#, String),
            (r#"a="x, b=\"\\;""#, String),
            ("a=x", Token),
            ("a=*x/y:z!", Token),
            // §4.2.7 byte sequences
            ("a=::", Other),
            ("a=:aGVsbG8=:", Other),
            ("a=:aGVsbG8:", Other),
            ("a=:YQ==:", Other),
            // §4.2.8 booleans
            ("a", Boolean(true)),
            ("a=?1", Boolean(true)),
            ("a=?0", Boolean(false)),
            // §4.2.9 dates, §4.2.10 display strings
            ("a=@1659578233", Other),
            ("a=@-1", Other),
            (r#"a=%"f%c3%bc %e2%82%ac %f0%9f%98%80""#, Other),
            (r#"a=%"""#, Other),
            // §4.2.1.2 inner lists
            ("a=()", Other),
            (r#"a=( 1  "x";q y );z=1"#, Other),
            // §4.2.3.2 parameters
            ("a=1;b;c=?0;  d=\"x\"", Integer(1)),
            ("a;b=2", Boolean(true)),
            // §4.2.3.3 keys
            ("  a=1  ", Integer(1)),
        ] {
            assert_eq!(read(value.as_bytes()), Some(vec![("a".to_owned(), member)]), "{value}");
        }
        let keys = [("*a_-.9", Boolean(true)), ("b", Integer(1)), ("b", Integer(2)), ("c", Token)];
        assert_eq!(read(b"*a_-.9,b=1 \t,\t b=2 , c=d"), Some(keys.map(|(k, m)| (k.to_owned(), m)).to_vec()));
    }

    #[test]
    fn one_fault_makes_the_field_absent() {
        for bad in [
            // §4.2.2 dictionaries
            "",
            " ",
            ",",
            "a,",
            "a, ",
            ",a",
            "a,,b",
            "a b",
            "\ta",
            "a =1",
            "a= 1",
            "a=",
            "a=,b",
            "a=1 b=2",
            // §4.2.3.3 keys
            "A",
            "Max-age=1",
            "1a",
            "-a",
            "a, &&&&&",
            "max-Age",
            "\"a\"",
            "é",
            // §4.2.3.2 parameters
            "a;",
            "a;B",
            "a;b=",
            "a ;b",
            "a=1;b=(1)",
            "a;b =1",
            // §4.2.4 numbers
            "a=-",
            "a=--1",
            "a=+1",
            "a=1000000000000000",
            "a=1.",
            "a=1.1234",
            "a=1234567890123.1",
            "a=.5",
            "a=-.5",
            "a=1.-5",
            "a=1a",
            "a=1.5.5",
            // §4.2.5 strings
            "a=\"",
            "a=\"x",
            "a=\"\\x\"",
            "a=\"\\",
            "a=\"é\"",
            "a=\"\t\"",
            "a=\"x\"y",
            "a='x'",
            // §4.2.6 tokens
            "a=x(",
            "a=!x",
            "a=xé",
            // §4.2.7 byte sequences
            "a=:",
            "a=:a",
            "a=:a:",
            "a=:YQ=:",
            "a=:Y===:",
            "a=:Y=Q:",
            "a=:Y Q:",
            "a=:====:",
            "a=:=:",
            // §4.2.8 booleans
            "a=?",
            "a=?2",
            "a=?true",
            "a=?01",
            // §4.2.9 dates
            "a=@",
            "a=@1.5",
            "a=@x",
            "a=@ 1",
            // §4.2.10 display strings
            "a=%",
            "a=%x",
            "a=%\"",
            "a=%\"x",
            "a=%\"%\"",
            "a=%\"%C3%BC\"",
            "a=%\"%c3\"",
            "a=%\"%c3x\"",
            "a=%\"%ff\"",
            "a=%\"é\"",
            "a=%\"%ed%a0%80\"",
            // §4.2.1.2 inner lists
            "a=(",
            "a=(1",
            "a=(1,2)",
            "a=(1\t2)",
            "a=((1))",
            "a=(1)(2)",
            "a=)",
            "a=(\"x\"y)",
        ] {
            assert_eq!(read(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn no_byte_is_a_surprise() {
        for byte in 0..=255u8 {
            for start in [
                "", "a", "a=", "a=1", "a=x", "a=\"", "a=\"\\", "a=:", "a=?", "a=@", "a=%", "a=%\"%c3", "a=(",
                "a;",
            ] {
                let line = [start.as_bytes(), &[byte]].concat();
                assert!(byte.is_ascii() || read(&line).is_none(), "{line:?}");
            }
        }
    }
}
