//! Entity-tags (RFC 9110 §8.8.3): how they compare, and lists of them.

/// The weak comparison of entity-tags (RFC 9110 §8.8.3.2): the same, whether or not either is weak.
///
/// Some applications send tags without quotes, or otherwise beside the grammar: these equal only themselves, byte for
/// byte.
pub fn weak_eq(a: &[u8], b: &[u8]) -> bool {
    match (opaque(a), opaque(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a == b && !a.is_empty(),
        _ => false,
    }
}

/// The strong comparison of entity-tags (RFC 9110 §8.8.3.2): the same, well-formed, and neither is weak.
pub fn strong_eq(a: &[u8], b: &[u8]) -> bool {
    a == b && opaque(a) == Some(a)
}

/// The members of a list of entity-tags: a comma within one separates nothing, one within anything else does.
pub fn members(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = line.trim_ascii();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let tag = leading_tag(rest);
        let end = memchr::memchr(b',', &rest[tag..]).map_or(rest.len(), |comma| tag + comma);
        let member = rest[..end].trim_ascii_end();
        rest = rest[end..].strip_prefix(b",").unwrap_or_default().trim_ascii_start();
        Some(member)
    })
}

/// An entity-tag without its mark of weakness, quotes included; `None` for what is no entity-tag.
fn opaque(tag: &[u8]) -> Option<&[u8]> {
    let is_tag = !tag.is_empty() && leading_tag(tag) == tag.len();
    is_tag.then(|| tag.strip_prefix(b"W/").unwrap_or(tag))
}

/// The length of the entity-tag that the text begins with, or 0 (RFC 9110 §8.8.3).
fn leading_tag(text: &[u8]) -> usize {
    let quoted = text.strip_prefix(b"W/").unwrap_or(text);
    let Some(inner) = quoted.strip_prefix(b"\"") else { return 0 };
    match inner.iter().position(|byte| !matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)) {
        Some(end) if inner[end] == b'"' => text.len() - inner.len() + end + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9110 §8.8.3.2, the table there and what is beside the grammar.
    #[test]
    fn entity_tags_compare_weakly_and_strongly() {
        for (a, b, strong, weak) in [
            (r#"W/"1""#, r#"W/"1""#, false, true),
            (r#"W/"1""#, r#"W/"2""#, false, false),
            (r#"W/"1""#, r#""1""#, false, true),
            (r#""1""#, r#""1""#, true, true),
            (r#""1""#, r#""2""#, false, false),
            (r#""""#, r#""""#, true, true),
            (r#""a,b""#, r#""a,b""#, true, true),
            (r#""é""#, r#""é""#, true, true),
            (r#"w/"1""#, r#""1""#, false, false),
            (r#"w/"1""#, r#"w/"1""#, false, true),
            (r#"W/1"#, "1", false, false),
            ("abc", "abc", false, true),
            ("abc", r#""abc""#, false, false),
            ("abc", "ABC", false, false),
            (r#""a b""#, r#""a b""#, false, true),
            (r#""a"b""#, r#""a""#, false, false),
            ("\"", "\"", false, true),
            ("", "", false, false),
        ] {
            assert_eq!(strong_eq(a.as_bytes(), b.as_bytes()), strong, "{a} = {b}, strongly");
            assert_eq!(weak_eq(a.as_bytes(), b.as_bytes()), weak, "{a} = {b}, weakly");
            assert_eq!(weak_eq(b.as_bytes(), a.as_bytes()), weak, "{b} = {a}, weakly");
        }
    }
}
