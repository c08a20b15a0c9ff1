//! How often a request that the cache answers goes to the allocator. Counted on the thread that serves it, in the whole
//! pipeline, to the end of its line in the log.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod hit;

use hit::{BROWSER, ENCODED, MINIMAL, Stage, request};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    backtrace::Backtrace,
    cell::Cell,
    fmt,
};

const LIMIT: usize = 3;

/// Most of them count. The few that do not pay for many: they let the log's queue grow, or do the store's maintenance.
const HITS: usize = 101;

#[test]
fn a_hit_like_the_one_before_allocates_three_times_at_most() {
    let stage = Stage::set();
    let mut report = String::new();
    for (name, head) in [("minimal", MINIMAL), ("browser", BROWSER), ("encoded", ENCODED)] {
        let mut counts: Vec<_> = (0..HITS).map(|_| of_a_hit(&stage, head, Note::Size).len()).collect();
        counts.sort_unstable();
        let typical = counts[HITS / 2];
        if typical > LIMIT {
            let allocations = Places(of_a_hit(&stage, head, Note::Place));
            report += &format!("{name}: {typical} allocations instead of {LIMIT}, such as\n{allocations}");
        }
    }
    assert!(report.is_empty(), "{report}");
}

#[test]
fn allocations_are_counted_where_they_happen() {
    let (sizes, kept) = counted(Note::Size, || {
        let mut kept = Vec::<u8>::with_capacity(100);
        kept.reserve_exact(200);
        std::thread::spawn(|| vec![0_u8; 300]).join().unwrap();
        kept
    });
    drop(kept);
    let sizes: Vec<_> = sizes.into_iter().map(|allocation| allocation.bytes).collect();
    assert_eq!(sizes[..2], [100, 200]);
    assert!(!sizes.contains(&300));
}

/// What a hit allocates.
fn of_a_hit(stage: &Stage, head: &str, note: Note) -> Vec<Allocation> {
    let request = request(head);
    let (allocations, answer) = counted(note, || stage.hit(request));
    let (status, cache, length) = answer.summary();
    assert_eq!((status, cache, length < 4096), (200, "hit", head == ENCODED));
    allocations
}

/// Whatever this thread gets from the allocator while it does this.
fn counted<T>(note: Note, work: impl FnOnce() -> T) -> (Vec<Allocation>, T) {
    COUNTED.set(Some(Counted { note, list: Vec::new() }));
    let output = work();
    (COUNTED.take().unwrap().list, output)
}

/// What is noted of an allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Note {
    Size,
    /// Where in the code, too; takes its time.
    Place,
}

struct Allocation {
    bytes: usize,
    place: Option<Backtrace>,
}

struct Counted {
    note: Note,
    list: Vec<Allocation>,
}

thread_local! {
    /// `None` while nothing is counted.
    static COUNTED: Cell<Option<Counted>> = const { Cell::new(None) };
}

/// The system's allocator, watched.
struct Watched;

#[global_allocator]
static WATCHED: Watched = Watched;

// SAFETY: everything is done by the system's allocator, with the arguments as they came.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the same promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the same promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller keeps the same promises.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the same promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

fn count(bytes: usize) {
    // A thread that is ending has nothing to count in.
    let _ = COUNTED.try_with(|counted| {
        // What is allocated meanwhile, for the list itself and for a backtrace, finds nothing to be counted in.
        let Some(mut counting) = counted.take() else { return };
        let place = (counting.note == Note::Place).then(Backtrace::force_capture);
        counting.list.push(Allocation { bytes, place });
        counted.set(Some(counting));
    });
}

/// Allocations, each with the lines of the pipeline that led to it, the innermost first.
struct Places(Vec<Allocation>);

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Allocation { bytes, place } in &self.0 {
            writeln!(f, "{bytes} bytes")?;
            let frames = place.as_ref().map(Backtrace::to_string).unwrap_or_default();
            for line in frames.lines().map(str::trim).filter(|line| line.starts_with("at ./src/")) {
                writeln!(f, "  {line}")?;
            }
        }
        Ok(())
    }
}
