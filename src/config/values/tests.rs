//! Each text with what it means.

use super::*;
use std::fmt::Debug;

/// Each text with what it means; `None` is a fault.
#[track_caller]
pub(in crate::config) fn table<T: Debug + PartialEq, const N: usize>(
    read: fn(&str) -> Parsed<T>,
    rows: [(&str, Option<T>); N],
) {
    for (text, expected) in rows {
        assert_eq!(read(text).ok(), expected, "{text:?}");
    }
}

#[test]
fn ports() {
    table(port, [("0", Some(0)), ("65535", Some(65535)), ("080", Some(80)), ("65536", None), ("+80", None)]);
    table(port, [("-1", None), ("8o", None), ("80 ", None), ("1e3", None), ("\u{0663}", None)]);
    table(worker_port, [("1", Some(1)), ("0", None), ("00", None), ("70000", None)]);
}

#[test]
fn sizes() {
    table(size, [("0", Some(0)), ("1048576", Some(1 << 20)), ("64MB", Some(64 << 20)), ("1 kb", Some(1024))]);
    table(size, [("2Gb", Some(2 << 30)), ("18446744073709551615", Some(u64::MAX))]);
    table(size, [("18446744073709551616", None), ("17179869184GB", None), ("-1", None), ("+1", None)]);
    table(size, [("1.5GB", None), ("MB", None), ("1TB", None), ("1MBs", None), ("NaN", None), ("1 2", None)]);
    table(size_limit, [("0", Some(None)), ("0MB", Some(None)), ("1KB", Some(Some(1024)))]);
}

#[test]
fn durations() {
    let millis = |millis| Some(Duration::from_millis(millis));
    table(duration, [("0", millis(0)), ("30", millis(30_000)), ("0.25", millis(250)), (".5s", millis(500))]);
    table(duration, [("1500ms", millis(1500)), ("1.5 m", millis(90_000)), ("2h", millis(7_200_000))]);
    table(
        duration,
        [("-1", None), ("+1", None), ("NaN", None), ("inf", None), ("1e3", None), ("1.2.3", None)],
    );
    table(duration, [("", None), (".", None), ("s", None), ("1d", None), ("1M", None), ("1m30s", None)]);
    table(duration, [("876000h", Some(LONGEST)), ("876001h", None), ("99999999999999999999999", None)]);
    table(duration, [("0.0000000001", None), ("0.000", millis(0))]);
    table(timeout, [("0", Some(None)), ("0ms", Some(None)), ("1", Some(millis(1000)))]);
}

#[test]
fn what_tells_clients_of_tls() {
    let age = |seconds| Some(Some(Duration::from_secs(seconds)));
    table(max_age, [("0", Some(None)), ("300", age(300)), ("8760h", age(31_536_000)), ("0.5", None)]);
    let path = |path: &str| Some(Some(path.to_owned()));
    table(url_path, [("/up", path("/up")), ("0", Some(None)), ("up", None), ("/u p", None), ("/up?x", None)]);
    table(public_port, [("443", Some(443)), ("0", None), ("65536", None)]);
}

#[test]
fn booleans() {
    for text in ["1", "true", "T", "Yes", "ON"] {
        assert_eq!(boolean(text), Ok(true), "{text}");
    }
    for text in ["0", "False", "f", "NO", "off"] {
        assert_eq!(boolean(text), Ok(false), "{text}");
    }
    table(boolean, [("2", None), ("y", None), ("n", None), ("enabled", None)]);
}

#[test]
fn addresses() {
    table(bind, [("::", Some(None)), ("0.0.0.0", Some(Some(IpAddr::from([0, 0, 0, 0]))))]);
    table(bind, [("::1", Some("::1".parse().ok())), ("localhost", None), ("127.0.0.1:80", None)]);
}

#[test]
fn sockets() {
    let path = |path: &str| Some(Socket::Path(path.into()));
    table(socket, [("auto", Some(Socket::Auto)), ("tmp/a.sock", path("tmp/a.sock")), ("unix:///a", None)]);
    assert!(socket(&"x".repeat(107)).is_ok() && socket(&"x".repeat(108)).is_err());
}

#[test]
fn backends() {
    let tcp = |host: &str, port| Some(Target::Tcp { host: host.into(), port });
    let unix = |path: &str| Some(Target::Unix(path.into()));
    table(
        upstream_url,
        [("http://app:8080", tcp("app", 8080)), ("HTTP://my-app.test/", tcp("my-app.test", 80))],
    );
    table(upstream_url, [("http://[::1]:3000", tcp("::1", 3000)), ("http://[::1]", tcp("::1", 80))]);
    table(upstream_url, [("http://10.0.0.1", tcp("10.0.0.1", 80)), ("http://my_app:1", tcp("my_app", 1))]);
    table(upstream_url, [("unix:/run/a", unix("/run/a")), ("unix:///run/a", unix("/run/a"))]);
    for text in [
        "app app:80 https://app http:// http://:80 http://app: http://app:0 http://app:65536 http://app:+80",
        "http://app/x http://app// http://app?x http://app#x http://u:p@app http://::1 http://[::1 http://[x]:1",
        "http://[::1]x unix: unix:run/a http:/é/app é",
    ]
    .iter()
    .flat_map(|line| line.split(' '))
    {
        assert_eq!(upstream_url(text).ok(), None, "{text:?}");
    }
}

#[test]
fn paddings() {
    table(padding, [("0", Some(0)), ("32", Some(32)), ("64KB", Some(65536)), ("65537", None), ("1MB", None)]);
    table(padding, [("-1", None), ("many", None), ("18446744073709551615", None)]);
}

#[test]
fn fields() {
    let own = |name: &'static str| {
        let spelled = HeaderValue::from_static(name);
        Some(FieldName { name: HeaderName::try_from(name).unwrap(), spelled })
    };
    table(own_field, [("X-Sendfile", own("X-Sendfile")), ("x-accel-redirect", own("x-accel-redirect"))]);
    table(own_field, [("X Sendfile", None), ("X-Sendfile:", None), ("\u{e9}", None)]);
    table(own_field, [("Content-Length", None), ("CONNECTION", None), ("set-cookie", None)]);
    table(own_field, [("Transfer-Encoding", None), ("Keep-Alive", None), ("Content-Type", None)]);
}

#[test]
fn words() {
    table(log_format, [("logfmt", Some(Format::Logfmt)), ("xml", None)]);
    table(log_level, [("WARN", Some(Level::Warn)), ("1", None), ("fatal", None)]);
}
