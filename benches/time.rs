//! How long each part takes.
//!
//! `cargo bench`, or with less patience and of one part `cargo bench --bench time -- --quick hit/`.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark is no library, and a panic is its report")]

mod parts;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use parts::{BATCH, Measure};
use std::{cell::LazyCell, hint::black_box, time::Duration};

criterion_group! {
    name = time;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = measure
}
criterion_main!(time);

fn measure(criterion: &mut Criterion) {
    parts::measure(&mut Timer(criterion));
}

struct Timer<'a>(&'a mut Criterion);

impl Measure for Timer<'_> {
    fn part<I, O, M, W>(&mut self, name: &str, set_up: impl FnOnce() -> (M, W))
    where
        M: FnMut() -> I,
        W: FnMut(I) -> O,
    {
        // Left out where another part is asked for, and shared by the warming up and the measurement.
        let mut part = LazyCell::new(set_up);
        self.0.bench_function(name, |bencher| {
            let (make, work) = &mut *part;
            let batch = BatchSize::NumIterations(BATCH as u64);
            bencher.iter_batched(make, |input| drop(black_box(work(input))), batch);
        });
    }
}
