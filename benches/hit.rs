//! What a request costs that the cache answers: through the whole pipeline, to the end of its line in the log, without
//! sockets.
//!
//! `cargo bench`, or with less patience `cargo bench --bench hit -- --quick`.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark is no library, and a panic is its report")]

#[path = "../tests/hit/mod.rs"]
mod hit;

use criterion::{BatchSize, Bencher, Criterion, criterion_group, criterion_main};
use hit::{BROWSER, ENCODED, MINIMAL, Stage, at_once, request};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};
use thrust::cache::Lookup;

/// Requests that are made in advance: few enough to stay in the processor's cache.
const BATCH: BatchSize = BatchSize::NumIterations(64);

criterion_group! {
    name = hits;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = pipeline, cache
}
criterion_main!(hits);

fn pipeline(criterion: &mut Criterion) {
    let stage = Stage::set();
    let mut group = criterion.benchmark_group("pipeline");
    let encoded = stage.hit(request(ENCODED)).length;
    for (name, head, status, length) in [
        ("browser", BROWSER.to_owned(), 200, 4096),
        ("minimal", MINIMAL.to_owned(), 200, 4096),
        ("encoded", ENCODED.to_owned(), 200, encoded),
        ("not modified", with(BROWSER, "If-None-Match: W/\"5f3b1c0d9e8a7b6c5d4e3f2a1b0c9d8e\""), 304, 0),
        ("range", with(BROWSER, "Range: bytes=1024-2047"), 206, 1024),
    ] {
        assert_eq!(stage.hit(request(&head)).summary(), (status, "hit", length), "{name}");
        group.bench_function(name, |bencher| {
            bencher.iter_batched(|| request(&head), |request| drop(stage.hit(request)), BATCH);
        });
    }
}

fn cache(criterion: &mut Criterion) {
    let stage = Stage::set();
    let other = BROWSER.replace("application", "another");
    assert!(matches!(look_up(&stage, &request(BROWSER)), Lookup::Stored(..)));
    assert!(matches!(look_up(&stage, &request(&other)), Lookup::Fetch(_)));
    let mut group = criterion.benchmark_group("look up");
    group.bench_function("hit", |bencher| time_look_up(bencher, &stage, BROWSER));
    // With the right to fetch, and giving it back.
    group.bench_function("miss", |bencher| time_look_up(bencher, &stage, &other));
}

fn time_look_up(bencher: &mut Bencher<'_>, stage: &Stage, head: &str) {
    let request = request(head);
    bencher.iter(|| drop(look_up(stage, black_box(&request))));
}

fn look_up(stage: &Stage, request: &http::Request<thrust::proxy::RequestBody>) -> Lookup {
    at_once(stage.cache.look_up(request, Instant::now()))
}

/// A request with one more field.
fn with(head: &str, field: &str) -> String {
    format!("{}{field}\r\n\r\n", head.strip_suffix("\r\n").unwrap())
}
