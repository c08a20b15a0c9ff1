//! The access log's line, until the thread has it that writes it.

use super::{
    Measure,
    stage::{BROWSER, request},
};
use bytes::Bytes;
use http::HeaderValue;
use std::{
    fs::File,
    net::Ipv4Addr,
    time::{Duration, UNIX_EPOCH},
};
use thrust::observe::{Format, Level, Observe, Options, Record};

pub(super) fn measure(by: &mut impl Measure) {
    line(by, "log/json", Format::Json);
    line(by, "log/logfmt", Format::Logfmt);
    line(by, "log/combined", Format::Combined);
}

fn line(by: &mut impl Measure, name: &str, format: Format) {
    by.same(name, || {
        let options = Options { requests: true, skip: vec!["/up".into()], format, level: Level::Info };
        let null = File::options().write(true).open("/dev/null").unwrap();
        let observe = Observe::to(&null, &null, &options).unwrap();
        let record = record();
        move || observe.log(&record)
    });
}

/// Of a page that the worker has made.
fn record() -> Record {
    let started = UNIX_EPOCH + Duration::from_millis(1_767_607_200_123);
    let text = HeaderValue::from_static;
    let mut record = Record::unread(Bytes::new(), Ipv4Addr::new(203, 0, 113, 9).into(), started);
    record.read(&request(BROWSER));
    Record {
        request_id: Some(text("1c9c2c0e-5b0f-4d0e-9a57-6b1d6e9f2a44")),
        referer: Some(text("https://shop.example.com/products?page=2")),
        status: 200,
        response_length: 14_321,
        response_type: Some(text("text/html; charset=utf-8")),
        cache: "miss",
        cache_reason: Some("private"),
        duration: Duration::from_micros(12_345),
        upstream: Some(Duration::from_micros(12_001)),
        ..record
    }
}
