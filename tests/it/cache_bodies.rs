//! Bodies of every kind: stored whole and as they came, or not at all.

use crate::support::{Backend, Client, Response, Thrust, get, wait_until};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

const LIMIT: usize = 300_000;

#[test]
fn a_body_is_stored_up_to_the_limit_and_passed_on_beyond_it() {
    for (length, stored) in [(LIMIT - 1, true), (LIMIT, true), (LIMIT + 1, false), (10 * LIMIT, false)] {
        let body: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        for piece in [None, Some(1000), Some(LIMIT - 1), Some(LIMIT), Some(LIMIT + 1), Some(length)] {
            let sent = body.clone();
            let backend = Backend::answer(move |_| whole("", &sent, piece));
            let builder = Thrust::builder().upstream(backend.url());
            let thrust = builder.env("THRUST_MAX_CACHE_ITEM_SIZE", LIMIT.to_string()).start();
            let first = get(thrust.port(), "/a");
            assert!(
                first.body == body,
                "{length} bytes in pieces of {piece:?} have come as {}",
                first.body.len()
            );
            let second = get(thrust.port(), "/a");
            assert!(second.body == body, "{length} bytes in pieces of {piece:?} come again differently");
            let expected = if stored { ("hit", 1) } else { ("miss", 2) };
            assert_eq!((second.x_cache(), backend.requests().len()), expected, "{length} bytes, {piece:?}");
        }
    }
}

#[test]
fn what_is_too_large_is_not_collected() {
    const BLOCK: usize = 64 * 1024;
    const BLOCKS: usize = 200 * 16;
    for at_once in [true, false] {
        let blocks_sent = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&blocks_sent);
        let backend = Backend::start(move |connection| {
            let Some(_) = connection.request() else { return };
            connection
                .send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n");
            let chunk = [format!("{BLOCK:x}\r\n").as_bytes(), &[b'x'; BLOCK], b"\r\n"].concat();
            while counter.load(Ordering::SeqCst) < BLOCKS && connection.send(&chunk) {
                counter.fetch_add(1, Ordering::SeqCst);
            }
            connection.send("0\r\n\r\n");
        });
        let thrust = Thrust::in_front_of(&backend);
        let peak =
            || -> u64 { thrust.proc_status("VmHWM").unwrap().trim_end_matches(" kB").parse().unwrap() };
        let before = peak();
        let mut client = Client::connect(thrust.port());
        // In HTTP/1.0, so that no chunks are to be taken off.
        client.send("GET /a HTTP/1.0\r\nHost: app.test\r\n\r\n").head();
        if !at_once {
            // The client reads nothing, and so the worker has to wait when all that is on the way is full.
            let mut last = usize::MAX;
            wait_until("the worker has to wait", || {
                thread::sleep(Duration::from_millis(200));
                let before = std::mem::replace(&mut last, blocks_sent.load(Ordering::SeqCst));
                before == last
            });
            assert!(last < BLOCKS / 2, "it was all collected");
        }
        let mut block = vec![0; BLOCK];
        (0..BLOCKS).for_each(|_| client.read_exact(&mut block).unwrap());
        client.expect_closed();
        let more = peak() - before;
        println!("200 MB in chunks, read {}: {more} KB more", if at_once { "at once" } else { "later" });
        assert!(more < 8 * 1024, "{more} KB more");
    }
}

#[test]
fn trailers_reach_the_first_client() {
    let backend = Backend::respond(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n\
         4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n",
    );
    let thrust = Thrust::in_front_of(&backend);
    let mut client = Client::connect(thrust.port());
    let first = client.request("GET", "/a", "TE: trailers\r\nConnection: TE\r\n");
    assert_eq!((first.text().as_str(), first.x_cache()), ("body", "miss"));
    assert_eq!(first.trailers.len(), 1, "{:?}", first.trailers);
    assert!(first.trailers[0].0.eq_ignore_ascii_case("x-sum") && first.trailers[0].1 == "42");
    let second = client.request("GET", "/a", "TE: trailers\r\nConnection: TE\r\n");
    assert_eq!((second.text().as_str(), second.x_cache()), ("body", "hit"));
    assert!(second.trailers.is_empty() && second.header("trailer").is_none(), "{:?}", second.headers);
}

#[test]
fn a_body_that_ends_with_the_connection_is_not_stored() {
    for version in ["HTTP/1.0", "HTTP/1.1"] {
        let backend = Backend::respond_and_close(format!(
            "{version} 200 OK\r\nCache-Control: max-age=60\r\n\r\nall of it"
        ));
        let thrust = Thrust::in_front_of(&backend);
        for _ in 0..2 {
            let response = get(thrust.port(), "/a");
            assert_eq!((response.text().as_str(), response.x_cache()), ("all of it", "miss"), "{version}");
        }
        assert_eq!(backend.requests().len(), 2);
    }
}

#[test]
fn what_is_stored_comes_again_as_it_came() {
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let many: String = (0..90).map(|n| format!("X-Many-{}: {n}{}\r\n", n % 45, "v".repeat(400))).collect();
    let fields = |fields: &str, body: &[u8]| whole(fields, body, None);
    for (what, response, status, length) in [
        ("no bytes", fields("", b""), 200, Some(0)),
        ("no chunks", whole("", b"", Some(1)), 200, None),
        ("many fields", fields(&many, b"body"), 200, Some(4)),
        ("long field", fields(&format!("X-Long: {}\r\n", "v".repeat(50_000)), b"body"), 200, Some(4)),
        ("gzip", fields("Content-Encoding: gzip\r\n", &gzip), 200, Some(20)),
        ("zeros", fields("Content-Type: a/b\r\n", &[0; 5000]), 200, Some(5000)),
        ("204", b"HTTP/1.1 204 No Content\r\nCache-Control: max-age=60\r\n\r\n".to_vec(), 204, None),
        (
            "301",
            b"HTTP/1.1 301 Moved Permanently\r\nCache-Control: max-age=60\r\nLocation: /b\r\nContent-Length: 5\r\n\r\nmoved"
                .to_vec(),
            301,
            Some(5),
        ),
        (
            "404",
            b"HTTP/1.1 404 Not Found\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\nnone".to_vec(),
            404,
            Some(4),
        ),
    ] {
        let backend = Backend::respond(&response);
        let thrust = Thrust::in_front_of(&backend);
        let [first, second] = [(); 2].map(|()| get(thrust.port(), "/a"));
        assert_eq!((first.status, second.status), (status, status), "{what}");
        assert_eq!((first.x_cache(), second.x_cache()), ("miss", "hit"), "{what}");
        assert_eq!(first.body, second.body, "{what}");
        if let Some(length) = length {
            assert_eq!((second.body.len(), content_length(&second)), (length, Some(length)), "{what}");
        }
        assert_eq!(lasting(&first), lasting(&second), "{what}");
        assert_eq!(backend.requests().len(), 1, "{what}");
    }
}

#[test]
fn a_range_of_what_is_stored_is_cut_from_it() {
    let backend = Backend::answer(|_| whole("", b"0123456789", None));
    let thrust = Thrust::in_front_of(&backend);
    assert_eq!(get(thrust.port(), "/a").x_cache(), "miss");
    for (range, status, text) in [
        ("0-0", 206, "0"),
        ("-3", 206, "789"),
        ("8-100", 206, "89"),
        ("10-", 416, ""),
        ("0-9", 206, "0123456789"),
    ] {
        let fields = format!("Range: bytes={range}\r\n");
        let response = Client::connect(thrust.port()).request("GET", "/a", &fields);
        assert_eq!((response.status, response.text().as_str()), (status, text), "{range}");
    }
    assert_eq!(get(thrust.port(), "/a").text(), "0123456789");
    assert_eq!(backend.requests().len(), 1);
}

/// A response for everybody: with a length, or in chunks of this many bytes.
fn whole(fields: &str, body: &[u8], piece: Option<usize>) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n{fields}");
    let Some(piece) = piece else {
        return [format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat();
    };
    let mut response = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for chunk in body.chunks(piece) {
        response.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        response.extend_from_slice(chunk);
        response.extend_from_slice(b"\r\n");
    }
    [&response, &b"0\r\n\r\n"[..]].concat()
}

fn content_length(response: &Response) -> Option<usize> {
    response.header("content-length")?.parse().ok()
}

/// The fields that a hit has in common with the miss before it, in an order of their own: a name's values in theirs.
fn lasting(response: &Response) -> Vec<(String, String)> {
    let own = ["age", "x-cache", "cache-status", "content-length", "transfer-encoding", "date"];
    let mut fields: Vec<_> =
        response.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
    fields.retain(|(name, _)| !own.contains(&&**name));
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    fields
}
