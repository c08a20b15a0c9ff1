//! The parts whose speed is watched, each with its workload. `benches/time.rs` tells how long they take,
//! `benches/instructions` how many instructions.

mod cache;
mod hit;
mod log;
mod message;

#[path = "../../tests/hit/mod.rs"]
mod stage;

use http::{HeaderName, HeaderValue};
use thrust::message::Headers;

/// As many inputs are made at a time: few enough to stay in the processor's cache.
pub const BATCH: usize = 64;

/// Who measures parts.
pub trait Measure {
    /// Measures a part. `set_up` gives how an input is made, which is not measured, and what is: the work on one, with the
    /// dropping of what comes of it.
    fn part<I, O, M, W>(&mut self, name: &str, set_up: impl FnOnce() -> (M, W))
    where
        M: FnMut() -> I,
        W: FnMut(I) -> O;

    /// The same for work that leaves its input as it is.
    fn same<O, W: FnMut() -> O>(&mut self, name: &str, set_up: impl FnOnce() -> W) {
        self.part(name, || {
            let mut work = set_up();
            (|| (), move |()| work())
        });
    }
}

/// Has all of them measured.
pub fn measure(by: &mut impl Measure) {
    hit::measure(by);
    cache::measure(by);
    message::measure(by);
    log::measure(by);
}

/// A response's header fields, as a script's of Rails are.
const ASSET: &str = "Date: Mon, 05 Jan 2026 10:00:10 GMT\r\nContent-Type: text/javascript\r\n\
    Cache-Control: public, max-age=31536000, immutable\r\nETag: W/\"5f3b1c0d9e8a7b6c5d4e3f2a1b0c9d8e\"\r\n\
    Last-Modified: Mon, 05 Jan 2026 10:00:00 GMT\r\nVary: Accept-Encoding\r\n\
    X-Request-Id: 1c9c2c0e-5b0f-4d0e-9a57-6b1d6e9f2a44\r\nX-Runtime: 0.001234\r\n\
    X-Content-Type-Options: nosniff\r\nContent-Length: 4096\r\n";

/// The fields of such lines.
fn fields(lines: &str) -> Headers {
    let field = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    lines.lines().map(field).collect()
}

/// A request's head with more fields, each a line.
fn with(head: &str, lines: &str) -> String {
    format!("{}{lines}\r\n", head.strip_suffix("\r\n").unwrap())
}
