//! Values that clients chose, made safe for a log line: no byte of theirs ends the line, a field or a string.

/// A JSON string, with its quotes. Bytes that are no UTF-8 become U+FFFD; control characters (those of Latin-1 too, which
/// some terminals obey) are escaped. The result is always valid JSON.
pub fn json(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    if all(value, |byte| matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\')) {
        out.extend_from_slice(value);
    } else {
        each_char(value, |char| match char {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            // Every control character is below U+00A0.
            char if char.is_control() => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&hex(char as u8));
            }
            char => push(out, char),
        });
    }
    out.push(b'"');
}

/// A logfmt value: bare where that is clear, else as a JSON string. An empty one is `""`.
pub fn logfmt(out: &mut Vec<u8>, value: &[u8]) {
    let bare = |byte: u8| matches!(byte, b'!'..=b'~') & (byte != b'"') & (byte != b'\\') & (byte != b'=');
    if !value.is_empty() && all(value, bare) {
        out.extend_from_slice(value);
    } else {
        json(out, value);
    }
}

/// As nginx and Apache do it: everything but printable ASCII, and `"` and `\`, as `\xHH`.
pub fn combined(out: &mut Vec<u8>, value: &[u8]) {
    for &byte in value {
        if matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\' {
            out.push(byte);
        } else {
            out.extend_from_slice(b"\\x");
            out.extend_from_slice(&hex(byte));
        }
    }
}

/// For a terminal: letters of every script as they are, all that a terminal could obey in Rust's notation (`\u{1b}`).
pub fn text(out: &mut Vec<u8>, value: &[u8]) {
    each_char(value, |char| match char {
        '"' | '\'' => push(out, char),
        char => char.escape_debug().for_each(|char| push(out, char)),
    });
}

/// Looks at every byte even after one that fails: without an early end the compiler does many at a time.
#[inline]
fn all(value: &[u8], passes: impl Fn(u8) -> bool) -> bool {
    value.iter().fold(true, |so_far, &byte| so_far & passes(byte))
}

fn each_char(value: &[u8], mut take: impl FnMut(char)) {
    for chunk in value.utf8_chunks() {
        chunk.valid().chars().for_each(&mut take);
        if !chunk.invalid().is_empty() {
            take(char::REPLACEMENT_CHARACTER);
        }
    }
}

fn push(out: &mut Vec<u8>, char: char) {
    out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
}

fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(escape: fn(&mut Vec<u8>, &[u8]), value: &[u8]) -> String {
        let mut out = Vec::new();
        escape(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    /// Every byte alone, every pair of bytes, and every byte between letters.
    fn hostile() -> impl Iterator<Item = Vec<u8>> {
        let pairs = (0..=u16::MAX).map(|pair| pair.to_be_bytes().to_vec());
        let bytes = (0..=u8::MAX).flat_map(|byte| [vec![byte], vec![b'a', byte, b'b']]);
        pairs.chain(bytes)
    }

    #[test]
    fn json_strings_say_what_was_given() {
        for value in hostile() {
            let line = escaped(json, &value);
            let read: String = serde_json::from_str(&line).unwrap();
            assert_eq!(read, String::from_utf8_lossy(&value), "{value:?}");
            assert!(!line.chars().any(char::is_control), "{value:?}");
        }
        assert_eq!(escaped(json, "a\"\\\n\u{1b}\u{9b}é".as_bytes()), r#""a\"\\\n\u001B\u009Bé""#);
    }

    #[test]
    fn logfmt_values_stay_one_value() {
        for value in hostile() {
            let line = escaped(logfmt, &value);
            if line.starts_with('"') {
                assert_eq!(serde_json::from_str::<String>(&line).unwrap(), String::from_utf8_lossy(&value));
            } else {
                assert_eq!(line.as_bytes(), value);
                assert!(line.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'=' && byte != b'"'));
            }
        }
        for (value, line) in
            [("", r#""""#), ("/up", "/up"), ("a=b", r#""a=b""#), ("a b", r#""a b""#), ("é", "\"é\"")]
        {
            assert_eq!(escaped(logfmt, value.as_bytes()), line);
        }
    }

    #[test]
    fn combined_and_text_show_nothing_that_a_terminal_or_parser_obeys() {
        for value in hostile() {
            let line = escaped(combined, &value);
            assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"'), "{value:?}");
            assert!(!escaped(text, &value).chars().any(char::is_control), "{value:?}");
        }
        assert_eq!(escaped(combined, b"a\"\\\n\xc3\xa9"), r"a\x22\x5C\x0A\xC3\xA9");
        assert_eq!(escaped(text, "\u{1b}[2J é\u{202e}\r\n".as_bytes()), r"\u{1b}[2J é\u{202e}\r\n");
    }
}
