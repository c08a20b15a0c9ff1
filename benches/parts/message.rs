//! Rules of HTTP messages that are on every request's way, or on that of many.

use super::{
    ASSET, Measure, fields,
    stage::{BROWSER, request},
    with,
};
use bytes::{Bytes, BytesMut};
use std::{
    hint::black_box,
    net::Ipv4Addr,
    time::{Duration, UNIX_EPOCH},
};
use thrust::message::{
    ConnectionInfo, Headers, Request, Scheme, conditional,
    encoding::{self, Encoding, Offer},
    forwarded::{self, Trust},
    head, hop,
    places::Places,
    range::{self, Selection},
    unread::Unread,
};

pub(super) fn measure(by: &mut impl Measure) {
    by.same("read/head", || || head::read(BROWSER.as_bytes(), &mut Places::default()));
    by.same("read/fields", || {
        let (bytes, mut places, mut request) = (Bytes::from(BROWSER), Places::default(), Request::new(()));
        let head = head::read(&bytes, &mut places).unwrap().unwrap();
        move || head.put_into(&mut request, &bytes, &places)
    });
    by.same("read/chunked", || {
        let body = [b"1000\r\n", &[b'x'; 4096][..], b"\r\n3a\r\n", &[b'x'; 58], b"\r\n0\r\n\r\n"].concat();
        move || {
            let (mut unread, mut received) = (Unread::chunked(), BytesMut::from(&*body));
            while let Ok(Some(frame)) = unread.next(&mut received) {
                black_box(frame);
            }
            unread.is_over()
        }
    });
    header(by);
    negotiation(by, "negotiation/browser", "gzip, deflate, br, zstd");
    // Too long to be remembered.
    let weights = "gzip;q=0.8, br;q=1.0, zstd;q=0.5, deflate;q=0.4, identity;q=0.2, *;q=0";
    negotiation(by, "negotiation/weights", weights);
    condition(by);
    range(by, "range/one", "Range: bytes=1024-2047\r\n", |selection| matches!(selection, Selection::One(_)));
    let several = "Range: bytes=0-99, 1024-2047, -200\r\nIf-Range: Mon, 05 Jan 2026 10:00:00 GMT\r\n";
    range(by, "range/several", several, |selection| matches!(selection, Selection::Several(_)));
}

/// What is taken from a header and added to it on the way to the worker, and back.
fn header(by: &mut impl Measure) {
    edit(by, "header/request-hop", with(BROWSER, "Connection: keep-alive\r\n"), |headers| {
        hop::remove(headers, |name| name.starts_with("x-accel-"));
    });
    let response = ASSET.to_owned() + "Connection: keep-alive\r\nKeep-Alive: timeout=15\r\n";
    edit(by, "header/response-hop", format!("GET / HTTP/1.1\r\n{response}\r\n"), |headers| {
        hop::remove(headers, |_| false);
    });
    // A proxy in front has told all but the last link, or there is none.
    edit(by, "header/forwarded-on", BROWSER.to_owned(), forward());
    edit(by, "header/forwarded", DIRECT.to_owned(), forward());
}

/// Of a client that is no proxy.
const DIRECT: &str = "GET / HTTP/1.1\r\nHost: shop.example.com\r\nAccept: */*\r\n\r\n";

fn edit(by: &mut impl Measure, name: &str, head: String, change: impl Fn(&mut Headers)) {
    by.part(name, || {
        let headers = request(&head).headers().clone();
        let copy = move || headers.clone();
        (copy, move |mut headers: Headers| {
            change(&mut headers);
            headers
        })
    });
}

fn forward() -> impl Fn(&mut Headers) {
    let local = (Ipv4Addr::LOCALHOST, 80).into();
    let connection = ConnectionInfo::new((Ipv4Addr::LOCALHOST, 50_000).into(), local, Scheme::Http);
    move |headers| {
        let client = forwarded::client(headers, &Trust::Everyone, connection.peer);
        let mut added = Vec::with_capacity(384);
        forwarded::extend(headers, &mut added, &connection, client);
        black_box(added);
    }
}

fn negotiation(by: &mut impl Measure, name: &str, accepted: &str) {
    by.same(name, || {
        let headers = fields(&format!("Accept-Encoding: {accepted}\r\n"));
        let offer = Offer::new([Encoding::Brotli, Encoding::Zstd, Encoding::Gzip]);
        let choose = move || encoding::choose(&headers, &offer);
        assert_eq!(choose(), Some(Encoding::Brotli), "{name}");
        choose
    });
}

fn condition(by: &mut impl Measure) {
    by.same("condition/etags", || {
        let request =
            fields("If-None-Match: \"0c9d8e7f6a5b4c3d\", W/\"5f3b1c0d9e8a7b6c5d4e3f2a1b0c9d8e\"\r\n");
        let (response, now) = (fields(ASSET), UNIX_EPOCH + Duration::from_secs(1_767_607_210));
        let holds = move || conditional::not_modified(&request, &response, now);
        assert!(holds());
        holds
    });
}

fn range(by: &mut impl Measure, name: &str, asked: &str, is_right: fn(&Selection) -> bool) {
    by.same(name, || {
        let (request, response) = (fields(asked), fields(ASSET));
        let now = UNIX_EPOCH + Duration::from_secs(1_767_700_000);
        let select = move || range::select(&request, &response, 100_000, now);
        assert!(is_right(&select()), "{name}");
        select
    });
}
