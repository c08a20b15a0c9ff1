//! What a value's text means: sizes, durations, booleans, addresses, names.
//!
//! Pure functions of trimmed, non-empty text. None of them clamps: what does not fit is [`Invalid`].

use crate::{
    files::FieldName,
    observe::{Format, Level},
    process::Socket,
    upstream::Target,
};
use http::{HeaderName, HeaderValue, header};
use std::{
    borrow::Cow,
    net::{IpAddr, Ipv6Addr},
    path::PathBuf,
    time::Duration,
};

/// Why a value cannot be taken, to be read after it: `is not a port: a number from 0 to 65535`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(pub Cow<'static, str>);

/// Outcome of reading a value.
pub type Parsed<T> = Result<T, Invalid>;

/// Longer than anybody means, short enough that a clock can always be set by it.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// In bytes. Much less is enough: each byte of it is sent with every response.
const MOST_PADDING: usize = 64 << 10;

/// `sun_path` holds 108 bytes, the closing NUL among them.
const LONGEST_SOCKET_PATH: usize = 107;

/// A port to listen on; 0 is any free one.
pub fn port(text: &str) -> Parsed<u16> {
    digits(text).ok_or(invalid("is not a port: a number from 0 to 65535"))
}

/// A port to connect to.
pub fn worker_port(text: &str) -> Parsed<u16> {
    let port = digits(text).filter(|port| *port != 0);
    port.ok_or(invalid("is not a port of a worker: a number from 1 to 65535"))
}

/// A port that URLs name.
pub fn public_port(text: &str) -> Parsed<u16> {
    let port = digits(text).filter(|port| *port != 0);
    port.ok_or(invalid("is not a port of a URL: a number from 1 to 65535"))
}

/// An address to listen on; `None` is every address, of either family.
pub fn bind(text: &str) -> Parsed<Option<IpAddr>> {
    let address: IpAddr =
        text.parse().map_err(|_| invalid("is not an IP address, such as 127.0.0.1, 0.0.0.0 or ::"))?;
    Ok((address != IpAddr::V6(Ipv6Addr::UNSPECIFIED)).then_some(address))
}

/// Bytes, or a whole number with `KB`, `MB`, `GB` (powers of 1024) in any case.
pub fn size(text: &str) -> Parsed<u64> {
    let (number, unit) = split_unit(text);
    let factor = match unit.to_ascii_uppercase().as_str() {
        "" => Some(1),
        "KB" => Some(1 << 10),
        "MB" => Some(1 << 20),
        "GB" => Some(1 << 30),
        _ => None,
    };
    let bytes = digits::<u64>(number).zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    bytes.ok_or(invalid("is not a size: bytes, or a whole number with KB, MB or GB, less than 2^64 bytes"))
}

/// A [`size`] where 0 is no limit.
pub fn size_limit(text: &str) -> Parsed<Option<u64>> {
    size(text).map(|size| (size != 0).then_some(size))
}

/// A [`size`] of padding.
pub fn padding(text: &str) -> Parsed<usize> {
    let bytes = size(text).ok().and_then(|size| usize::try_from(size).ok());
    bytes.filter(|bytes| *bytes <= MOST_PADDING).ok_or(invalid("is not a size from 0 to 64KB"))
}

/// Seconds with decimals, or a number with `ms`, `s`, `m`, `h`; at most a hundred years.
pub fn duration(text: &str) -> Parsed<Duration> {
    read_duration(text).ok_or(invalid(
        "is not a duration: seconds (decimals allowed), or a number with ms, s, m or h, at most 100 years",
    ))
}

/// A [`duration`] where 0 is no limit.
pub fn timeout(text: &str) -> Parsed<Option<Duration>> {
    duration(text).map(|duration| (!duration.is_zero()).then_some(duration))
}

/// A [`duration`] of whole seconds, as a header field has them; 0 is none.
pub fn max_age(text: &str) -> Parsed<Option<Duration>> {
    let whole = timeout(text)?.map_or(Some(None), |age| (age.subsec_nanos() == 0).then_some(Some(age)));
    whole.ok_or(invalid("is not a number of whole seconds"))
}

/// A path of a URL; `0` is none.
pub fn url_path(text: &str) -> Parsed<Option<String>> {
    match text {
        "0" => Ok(None),
        path if path.starts_with('/')
            && path.bytes().all(|b| b.is_ascii_graphic() && !b"?#".contains(&b)) =>
        {
            Ok(Some(path.to_owned()))
        }
        _ => Err(invalid("is not a path that starts with /, or 0")),
    }
}

/// `1/0`, `true/false`, `t/f`, `yes/no`, `on/off`, any case.
pub fn boolean(text: &str) -> Parsed<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "t" | "yes" | "on" => Ok(true),
        "0" | "false" | "f" | "no" | "off" => Ok(false),
        _ => Err(invalid("is not a boolean: 1/0, true/false, t/f, yes/no or on/off")),
    }
}

/// A file's path.
pub fn file(text: &str) -> Parsed<PathBuf> {
    Ok(PathBuf::from(text))
}

/// The worker's socket: a path or `auto`.
pub fn socket(text: &str) -> Parsed<Socket> {
    if text == "auto" {
        Ok(Socket::Auto)
    } else if text.starts_with("unix:") {
        Err(invalid("is not a path: leave unix: out, or write auto"))
    } else {
        socket_path(text).map(Socket::Path)
    }
}

/// A backend that something else runs: `http://host:port` (port 80 where it is left out) or `unix:/path`.
pub fn upstream_url(text: &str) -> Parsed<Target> {
    const ALLOWED: &str = "is not a backend: http://host:port or unix:/path, and nothing else in it";
    if let Some(path) = text.strip_prefix("unix:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return if path.starts_with('/') {
            socket_path(path).map(Target::Unix)
        } else {
            Err(invalid(ALLOWED))
        };
    }
    let authority = match text.split_at_checked("http://".len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http://") => {
            rest.strip_suffix('/').unwrap_or(rest)
        }
        _ => return Err(invalid(ALLOWED)),
    };
    let (host, port) = split_authority(authority).ok_or(invalid(ALLOWED))?;
    Ok(Target::Tcp { host: host.to_owned(), port })
}

/// A response field of the worker's own making, whose name has no other meaning.
pub fn own_field(text: &str) -> Parsed<FieldName> {
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| invalid("is not the name of a header"))?;
    if has_meaning(&name) {
        return Err(invalid(
            "is a header that has a meaning of its own: a name that nothing else uses, such as X-Sendfile",
        ));
    }
    // What is a name is a value.
    let spelled = HeaderValue::from_str(text).map_err(|_| invalid("is not the name of a header"))?;
    Ok(FieldName { name, spelled })
}

/// A log line's format.
pub fn log_format(text: &str) -> Parsed<Format> {
    match text {
        "json" => Ok(Format::Json),
        "logfmt" => Ok(Format::Logfmt),
        "combined" => Ok(Format::Combined),
        "text" => Ok(Format::Text),
        _ => Err(invalid("is not a log format: json, logfmt, combined or text")),
    }
}

/// The operator's log's threshold.
pub fn log_level(text: &str) -> Parsed<Level> {
    match text.to_ascii_lowercase().as_str() {
        "error" => Ok(Level::Error),
        "warn" => Ok(Level::Warn),
        "info" => Ok(Level::Info),
        "debug" => Ok(Level::Debug),
        "trace" => Ok(Level::Trace),
        _ => Err(invalid("is not a log level: error, warn, info, debug or trace")),
    }
}

const fn invalid(why: &'static str) -> Invalid {
    Invalid(Cow::Borrowed(why))
}

/// A number of digits alone: `parse` would take a plus sign too.
fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `64 MB` → `64`, `MB`.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

fn read_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text);
    let unit = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    // Digits and dots alone: neither a sign nor an exponent, NaN or infinity comes this far.
    let seconds = number.parse::<f64>().ok()? * unit;
    let duration = Duration::try_from_secs_f64(seconds).ok()?;
    // 0 often means "no limit": what is more than nothing must not round down to it.
    let vanished = duration.is_zero() && number.contains(|c: char| ('1'..='9').contains(&c));
    (duration <= LONGEST && !vanished).then_some(duration)
}

/// Fields that are in responses for another reason: none of them names a file, and all would be removed for it.
fn has_meaning(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::ACCEPT_RANGES
            | header::AGE
            | header::ALLOW
            | header::CACHE_CONTROL
            | header::CONNECTION
            | header::CONTENT_DISPOSITION
            | header::CONTENT_ENCODING
            | header::CONTENT_LANGUAGE
            | header::CONTENT_LENGTH
            | header::CONTENT_LOCATION
            | header::CONTENT_RANGE
            | header::CONTENT_SECURITY_POLICY
            | header::CONTENT_TYPE
            | header::DATE
            | header::ETAG
            | header::EXPIRES
            | header::HOST
            | header::LAST_MODIFIED
            | header::LINK
            | header::LOCATION
            | header::PRAGMA
            | header::RETRY_AFTER
            | header::SERVER
            | header::SET_COOKIE
            | header::STRICT_TRANSPORT_SECURITY
            | header::TE
            | header::TRAILER
            | header::TRANSFER_ENCODING
            | header::UPGRADE
            | header::VARY
            | header::VIA
            | header::WWW_AUTHENTICATE
    ) || matches!(name.as_str(), "keep-alive" | "proxy-connection" | "x-request-id")
}

fn socket_path(text: &str) -> Parsed<PathBuf> {
    if text.len() > LONGEST_SOCKET_PATH {
        return Err(invalid("is too long for the path of a Unix socket: at most 107 bytes"));
    }
    Ok(PathBuf::from(text))
}

/// Host (an IPv6 address without its brackets) and port of `host[:port]` (RFC 3986 §3.2, without userinfo).
fn split_authority(authority: &str) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, port)
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let valid = authority.starts_with('[') || (!host.is_empty() && host.bytes().all(named));
    let port = if port.is_empty() { 80 } else { worker_port(port.strip_prefix(':')?).ok()? };
    valid.then_some((host, port))
}

#[cfg(test)]
pub(super) mod tests;
