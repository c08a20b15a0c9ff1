//! The access log's lines. Written by hand into a buffer: this runs once a request, on the threads that serve.

use super::{
    Format, escape,
    pairs::{Pairs, known},
    record::Record,
    time::Stamp,
};
use http::{HeaderValue, Method, Version};
use std::{io::Write, net::IpAddr, time::Duration};

/// Appends the line of one request, with its newline.
///
/// `json` and `logfmt` have the fields of Thruster's log under their names and in their order, then ours. The path is
/// logged as it was sent, where Thruster decodes it: `%2F` and `/` are two paths. `time` is the request's end.
pub fn line(out: &mut Vec<u8>, record: &Record, format: Format, stamp: &mut Stamp) {
    match format {
        Format::Json | Format::Logfmt => pairs(out, record, format, stamp),
        Format::Combined => combined(out, record, stamp),
        Format::Text => text(out, record, stamp),
    }
}

fn pairs(out: &mut Vec<u8>, record: &Record, format: Format, stamp: &mut Stamp) {
    let mut pairs = Pairs::begin(out, format, (stamp, record.finished()), "INFO", b"Request");
    pairs.text(known!("path"), record.target.path());
    pairs.number(known!("status"), record.logged_status());
    pairs.number(known!("dur"), record.duration.as_millis() as u64);
    pairs.word(known!("method"), record.method.as_ref().map_or("", Method::as_str).as_bytes());
    // As Go has it: -1 is a body of unknown length.
    pairs.number(known!("req_content_length"), record.request_length.map_or(-1, |length| length as i64));
    pairs.text(known!("req_content_type"), header(&record.request_type));
    pairs.number(known!("resp_content_length"), record.response_length);
    pairs.text(known!("resp_content_type"), header(&record.response_type));
    pairs.word(known!("remote_addr"), Address::new(record.remote).as_bytes());
    pairs.text(known!("user_agent"), header(&record.user_agent));
    pairs.word(known!("cache"), record.cache.as_bytes());
    pairs.text(known!("query"), record.target.query().unwrap_or_default());
    pairs.word(known!("proto"), record.version.map_or(b"", protocol));
    pairs.text(known!("host"), header(&record.host));
    pairs.text(known!("request_id"), header(&record.request_id));
    pairs.number(known!("dur_us"), record.duration.as_micros() as u64);
    if let Some(reason) = record.cache_reason {
        pairs.text(known!("cache_reason"), reason.as_bytes());
    }
    if let Some(upstream) = record.upstream {
        pairs.number(known!("upstream_us"), upstream.as_micros() as u64);
    }
    if let Some(reason) = record.reason {
        pairs.text(known!("reason"), reason.as_bytes());
    }
    pairs.end();
}

/// Apache's combined log format, with the time at which the request was finished, as nginx has it.
fn combined(out: &mut Vec<u8>, record: &Record, stamp: &mut Stamp) {
    out.extend_from_slice(Address::new(record.remote).as_bytes());
    out.extend_from_slice(b" - - [");
    stamp.common_log(out, record.finished());
    out.extend_from_slice(b"] \"");
    request(out, record, escape::combined);
    if let Some(version) = record.version {
        out.push(b' ');
        out.extend_from_slice(protocol(version));
    }
    // Writing to a vector cannot fail.
    let _ = write!(out, "\" {} {} \"", record.logged_status(), record.response_length);
    field(out, &record.referer);
    out.extend_from_slice(b"\" \"");
    field(out, &record.user_agent);
    out.extend_from_slice(b"\"\n");
}

/// `12:00:00.000Z 200 GET /posts?page=2 13ms 4.2KB 203.0.113.9`, then what the cache did and what went wrong.
fn text(out: &mut Vec<u8>, record: &Record, stamp: &mut Stamp) {
    stamp.clock(out, record.finished());
    // Writing to a vector cannot fail.
    let _ = write!(out, " {} ", record.logged_status());
    request(out, record, escape::text);
    out.push(b' ');
    readable_duration(out, record.duration);
    out.push(b' ');
    readable_size(out, record.response_length);
    out.push(b' ');
    out.extend_from_slice(Address::new(record.remote).as_bytes());
    for word in [record.cache, record.reason.unwrap_or_default()] {
        if !word.is_empty() {
            let _ = write!(out, " ({word})");
        }
    }
    out.push(b'\n');
}

/// Method and target, with one space between them.
fn request(out: &mut Vec<u8>, record: &Record, escape: fn(&mut Vec<u8>, &[u8])) {
    if let Some(method) = &record.method {
        out.extend_from_slice(method.as_str().as_bytes());
        out.push(b' ');
    }
    escape(out, record.target.path());
    if let Some(query) = record.target.query() {
        out.push(b'?');
        escape(out, query);
    }
}

/// A header field of the combined format: `-` where there is none.
fn field(out: &mut Vec<u8>, value: &Option<HeaderValue>) {
    escape::combined(out, value.as_ref().map_or(b"-", HeaderValue::as_bytes));
}

fn header(value: &Option<HeaderValue>) -> &[u8] {
    value.as_ref().map_or(b"", HeaderValue::as_bytes)
}

fn protocol(version: Version) -> &'static [u8] {
    match version {
        Version::HTTP_09 => b"HTTP/0.9",
        Version::HTTP_10 => b"HTTP/1.0",
        Version::HTTP_11 => b"HTTP/1.1",
        Version::HTTP_2 => b"HTTP/2.0",
        Version::HTTP_3 => b"HTTP/3.0",
        _ => b"",
    }
}

fn readable_duration(out: &mut Vec<u8>, duration: Duration) {
    let _ = match duration.as_micros() {
        micros @ ..1_000 => write!(out, "{micros}µs"),
        micros @ 1_000..10_000_000 => write!(out, "{}ms", micros / 1_000),
        _ => write!(out, "{:.1}s", duration.as_secs_f64()),
    };
}

fn readable_size(out: &mut Vec<u8>, bytes: u64) {
    let kilobytes = bytes as f64 / 1024.0;
    let _ = match bytes {
        ..1_024 => write!(out, "{bytes}B"),
        1_024..1_048_576 => write!(out, "{kilobytes:.1}KB"),
        _ => write!(out, "{:.1}MB", kilobytes / 1024.0),
    };
}

/// An address as text without an allocation. An IPv4 client of a dual-stack socket shows as the IPv4 address that it is.
struct Address {
    /// Room for the longest IPv6 address.
    text: [u8; 45],
    length: usize,
}

impl Address {
    fn new(address: IpAddr) -> Self {
        let mut text = [0; 45];
        let length = match address.to_canonical() {
            IpAddr::V4(address) => write_v4(&mut text, address.octets()),
            IpAddr::V6(address) => {
                let mut rest = &mut text[..];
                // 45 bytes have room for every address.
                let _ = write!(rest, "{address}");
                45 - rest.len()
            }
        };
        Self { text, length }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.text[..self.length]
    }
}

/// By hand, since most addresses are of this kind and `Display` costs as much as half the line. Gives the length.
fn write_v4(text: &mut [u8; 45], octets: [u8; 4]) -> usize {
    let mut length = 0;
    let mut push = |byte| {
        text[length] = byte;
        length += 1;
    };
    for (index, octet) in octets.into_iter().enumerate() {
        if index > 0 {
            push(b'.');
        }
        if octet >= 100 {
            push(b'0' + octet / 100);
        }
        if octet >= 10 {
            push(b'0' + octet / 10 % 10);
        }
        push(b'0' + octet % 10);
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::record::Target;
    use std::time::{Duration, SystemTime};

    fn record() -> Record {
        let header = |value| Some(HeaderValue::from_static(value));
        Record {
            method: Some(Method::POST),
            target: Target::Path("/posts?page=2&q=a%20b".parse().unwrap()),
            version: Some(Version::HTTP_11),
            host: header("example.com"),
            user_agent: header("curl/8.5 \"x\""),
            referer: header("https://example.com/"),
            request_length: Some(12),
            request_type: header("text/plain"),
            request_id: header("0123-4567"),
            status: 201,
            response_length: 4_300,
            response_type: header("text/html; charset=utf-8"),
            cache: "bypass",
            duration: Duration::from_micros(12_345),
            upstream: Some(Duration::from_micros(12_000)),
            reason: Some("client gone"),
            ..Record::unread("".into(), [203, 0, 113, 9].into(), SystemTime::UNIX_EPOCH)
        }
    }

    fn unread(line: &'static [u8]) -> Record {
        let remote = "2001:db8::1".parse().unwrap();
        Record { status: 400, ..Record::unread(line.into(), remote, SystemTime::UNIX_EPOCH) }
    }

    fn logged(record: &Record, format: Format) -> String {
        let mut out = Vec::new();
        line(&mut out, record, format, &mut Stamp::default());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json() {
        assert_eq!(
            logged(&record(), Format::Json),
            concat!(
                r#"{"time":"1970-01-01T00:00:00.012345000Z","level":"INFO","msg":"Request","path":"/posts","#,
                r#""status":201,"dur":12,"method":"POST","req_content_length":12,"#,
                r#""req_content_type":"text/plain","resp_content_length":4300,"#,
                r#""resp_content_type":"text/html; charset=utf-8","remote_addr":"203.0.113.9","#,
                r#""user_agent":"curl/8.5 \"x\"","cache":"bypass","query":"page=2&q=a%20b","proto":"HTTP/1.1","#,
                r#""host":"example.com","request_id":"0123-4567","dur_us":12345,"upstream_us":12000,"#,
                r#""reason":"client gone"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn json_of_a_request_of_which_little_is_known() {
        assert_eq!(
            logged(&unread(b"\x16\x03\x01"), Format::Json),
            concat!(
                r#"{"time":"1970-01-01T00:00:00.000000000Z","level":"INFO","msg":"Request","#,
                r#""path":"\u0016\u0003\u0001","status":400,"dur":0,"method":"","req_content_length":0,"#,
                r#""req_content_type":"","resp_content_length":0,"resp_content_type":"","#,
                r#""remote_addr":"2001:db8::1","user_agent":"","cache":"","query":"","proto":"","host":"","#,
                r#""request_id":"","dur_us":0}"#,
                "\n"
            )
        );
        let chunked = Record { request_length: None, ..record() };
        assert!(logged(&chunked, Format::Json).contains(r#""req_content_length":-1,"#));
        assert!(logged(&Record { status: 0, ..record() }, Format::Json).contains(r#""status":499,"#));
    }

    #[test]
    fn logfmt() {
        assert_eq!(
            logged(&record(), Format::Logfmt),
            concat!(
                "time=1970-01-01T00:00:00.012345000Z level=INFO msg=Request path=/posts status=201 dur=12 ",
                "method=POST req_content_length=12 req_content_type=text/plain resp_content_length=4300 ",
                r#"resp_content_type="text/html; charset=utf-8" remote_addr=203.0.113.9 "#,
                r#"user_agent="curl/8.5 \"x\"" cache=bypass query="page=2&q=a%20b" proto=HTTP/1.1 "#,
                "host=example.com request_id=0123-4567 dur_us=12345 upstream_us=12000 ",
                "reason=\"client gone\"\n"
            )
        );
    }

    #[test]
    fn combined() {
        assert_eq!(
            logged(&record(), Format::Combined),
            concat!(
                r#"203.0.113.9 - - [01/Jan/1970:00:00:00 +0000] "POST /posts?page=2&q=a%20b HTTP/1.1" 201 4300 "#,
                r#""https://example.com/" "curl/8.5 \x22x\x22""#,
                "\n"
            )
        );
        assert_eq!(
            logged(&unread(b"\"\n?"), Format::Combined),
            "2001:db8::1 - - [01/Jan/1970:00:00:00 +0000] \"\\x22\\x0A?\" 400 0 \"-\" \"-\"\n"
        );
    }

    #[test]
    fn text() {
        assert_eq!(
            logged(&record(), Format::Text),
            "00:00:00.012Z 201 POST /posts?page=2&q=a%20b 12ms 4.2KB 203.0.113.9 (bypass) (client gone)\n"
        );
        let quiet = Record { cache: "", reason: None, status: 0, response_length: 5 << 20, ..record() };
        let slow = Record { duration: Duration::from_secs(61), ..quiet };
        assert_eq!(
            logged(&slow, Format::Text),
            "00:01:01.000Z 499 POST /posts?page=2&q=a%20b 61.0s 5.0MB 203.0.113.9\n"
        );
        assert_eq!(
            logged(&unread(b"\x1b[2J"), Format::Text),
            "00:00:00.000Z 400 \\u{1b}[2J 0µs 0B 2001:db8::1\n"
        );
    }

    #[test]
    fn ipv4_clients_of_a_dual_stack_socket_show_as_such() {
        for (address, text) in [
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("255.255.255.255", "255.255.255.255"),
            ("100.99.10.9", "100.99.10.9"),
            ("0.0.0.0", "0.0.0.0"),
            ("::1", "::1"),
        ] {
            assert_eq!(Address::new(address.parse().unwrap()).as_bytes(), text.as_bytes());
        }
    }

    #[test]
    fn hostile_values_stay_inside_their_line_and_field() {
        for byte in (0..=u8::MAX).filter(|&byte| HeaderValue::from_bytes(&[byte]).is_ok()) {
            let value = HeaderValue::from_bytes(&[b'"', byte, b'\\']).unwrap();
            let record = Record {
                target: Target::Raw(vec![b'/', byte].into()),
                host: Some(value.clone()),
                user_agent: Some(value.clone()),
                referer: Some(value.clone()),
                ..record()
            };
            let json: serde_json::Value = serde_json::from_str(&logged(&record, Format::Json)).unwrap();
            assert_eq!(json["user_agent"], *String::from_utf8_lossy(value.as_bytes()));
            assert_eq!(json["reason"], "client gone");
            for format in [Format::Json, Format::Logfmt, Format::Combined, Format::Text] {
                assert_eq!(logged(&record, format).matches('\n').count(), 1, "{byte} {format:?}");
            }
            assert_eq!(logged(&record, Format::Combined).matches('"').count(), 6, "{byte}");
        }
    }
}
