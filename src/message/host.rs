//! The Host header field's grammar (RFC 9110 §7.2, RFC 3986 §3.2.2).

use super::head::all;
use http::{HeaderValue, Uri};

/// Whether this is a host with an optional port: a name, an IPv4 address or a bracketed IPv6 address. No user
/// information, no path, nothing percent-encoded, never empty.
pub fn is_valid(value: &[u8]) -> bool {
    let (host, port) = split(value);
    let host_ok = match host {
        [b'[', inner @ .., b']'] => {
            std::str::from_utf8(inner).is_ok_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok())
        }
        name => !name.is_empty() && all(name, is_name_byte),
    };
    host_ok && port.is_none_or(|port| port_number(port).is_some())
}

/// The host of a Host value, without the port; the brackets stay with an IPv6 address.
pub fn name(value: &[u8]) -> &[u8] {
    split(value).0
}

/// The host that a request is for: an absolute target's own authority goes before the field (RFC 9112 §3.2.2).
pub fn asked<'a>(target: &'a Uri, field: Option<&'a HeaderValue>) -> Option<&'a [u8]> {
    let authority = target.authority().map(|authority| authority.as_str().as_bytes());
    authority.or(field.map(HeaderValue::as_bytes))
}

/// Whether a Host value names one of these hosts, in any case and on whatever port.
pub fn is_among(value: &[u8], hosts: &[String]) -> bool {
    hosts.iter().any(|host| name(value).eq_ignore_ascii_case(host.as_bytes()))
}

/// The port that a Host value names, if any.
pub fn port(value: &[u8]) -> Option<u16> {
    split(value).1.and_then(port_number)
}

/// Whether two Host values name the same host: in any case, and a scheme's own port may be written or left out.
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    let ((host, port), (other_host, other_port)) = (split(one), split(other));
    let explicit = |port: Option<&[u8]>| port.and_then(port_number).filter(|port| !matches!(port, 80 | 443));
    host.eq_ignore_ascii_case(other_host) && explicit(port) == explicit(other_port)
}

/// Host and port apart; the brackets stay with an IPv6 address.
fn split(value: &[u8]) -> (&[u8], Option<&[u8]>) {
    let after_bracket = memchr::memrchr(b']', value).map_or(0, |end| end + 1);
    match memchr::memchr(b':', &value[after_bracket..]) {
        Some(colon) => (&value[..after_bracket + colon], Some(&value[after_bracket + colon + 1..])),
        None => (value, None),
    }
}

/// An empty port is allowed by RFC 3986 and stands for the scheme's own; here it is not a number.
fn port_number(port: &[u8]) -> Option<u16> {
    // `parse` would take a sign, and any number of zeros.
    let is_plain = port.len() <= 5 && port.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(port).ok().filter(|_| is_plain)?.parse().ok()
}

/// Letters, digits and what real host names contain; sub-delimiters that RFC 3986 allows appear in attacks only.
fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for good in [
            "a",
            "example.com",
            "example.com:80",
            "127.0.0.1:3000",
            "[::1]",
            "[::1]:8080",
            "a:00080",
            "a:65535",
            "my_app",
            "a.b.",
            "xn--e1a.com",
        ] {
            assert!(is_valid(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            " ",
            ":",
            ":80",
            "a:",
            "a:b",
            "a:65536",
            "a:99999",
            "a:000080",
            "a:80:80",
            "user@a",
            "a/b",
            "a b",
            "a,b",
            "[::1",
            "::1",
            "[::1]x",
            "[1.2.3.4]",
            "http://a",
            "a?b",
            "a#b",
            "é",
            "a%20",
            "a:+80",
            "a:-1",
            "[::1%25lo]",
        ] {
            assert!(!is_valid(bad.as_bytes()), "{bad}");
        }
        for (one, other, same) in [
            ("example.com", "EXAMPLE.com:443", true),
            ("example.com:80", "example.com", true),
            ("example.com:8080", "example.com:8080", true),
            ("example.com:8080", "example.com", false),
            ("example.com", "example.org", false),
        ] {
            assert_eq!(is_same(one.as_bytes(), other.as_bytes()), same, "{one} {other}");
        }
        assert_eq!(port(b"example.com:8080"), Some(8080));
        assert_eq!(port(b"[::1]:81"), Some(81));
        assert_eq!(port(b"example.com"), None);
    }
}
