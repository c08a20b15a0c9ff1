//! A request that the cache answers: through the whole pipeline, to the end of its line in the log, without sockets.

use super::{
    Measure,
    stage::{BROWSER, ENCODED, MINIMAL, Stage, request},
    with,
};
use std::ops::RangeInclusive;

pub(super) fn measure(by: &mut impl Measure) {
    hit(by, "hit/browser", BROWSER.to_owned(), 200, 4096..=4096);
    hit(by, "hit/minimal", MINIMAL.to_owned(), 200, 4096..=4096);
    hit(by, "hit/encoded", ENCODED.to_owned(), 200, 1..=100);
    let condition = "If-None-Match: W/\"5f3b1c0d9e8a7b6c5d4e3f2a1b0c9d8e\"\r\n";
    hit(by, "hit/not-modified", with(BROWSER, condition), 304, 0..=0);
    hit(by, "hit/range", with(BROWSER, "Range: bytes=1024-2047\r\n"), 206, 1024..=1024);
}

fn hit(by: &mut impl Measure, name: &str, head: String, status: u16, lengths: RangeInclusive<usize>) {
    by.part(name, || {
        let stage = Stage::set();
        let answer = stage.hit(request(&head));
        let (answered, cache, length) = answer.summary();
        assert_eq!((answered, cache, lengths.contains(&length)), (status, "hit", true), "{name}: {length}");
        (move || request(&head), move |request| stage.hit(request))
    });
}
