//! Counts with Valgrind's callgrind. It runs this program once for each part, and counts what is executed within
//! [`run_counted`], on the thread that runs it.

use crate::parts::{self, BATCH, Measure};
use std::{collections::BTreeMap, env, fs, hint::black_box, process::Command};

/// The argument before a part's name, with which the program does nothing but run that part.
pub const OF: &str = "--of";

/// Batches that are counted, behind some that let buffers grow and tables fill.
const BATCHES: usize = 15;
const BEFORE: usize = 4;

/// The instructions that each part takes.
pub fn all() -> BTreeMap<String, u64> {
    let mut names = Names::default();
    parts::measure(&mut names);
    names.0.into_iter().map(|name| (name.clone(), count(&name))).collect()
}

#[derive(Default)]
struct Names(Vec<String>);

impl Measure for Names {
    fn part<I, O, M, W>(&mut self, name: &str, _: impl FnOnce() -> (M, W))
    where
        M: FnMut() -> I,
        W: FnMut(I) -> O,
    {
        self.0.push(name.to_owned());
    }
}

/// The median of what the batches took: in some a buffer grows, or a second begins.
fn count(part: &str) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*run_counted*", "--dump-before=*end_batch*"])
        .arg(format!("--callgrind-out-file={}/batch", folder.path().display()))
        .arg(env::current_exe().unwrap())
        .args([OF, part])
        // What is set for the C library here is not set elsewhere.
        .env_clear()
        .envs(env::var_os("PATH").map(|path| ("PATH", path)))
        .output()
        .unwrap();
    let mut counts: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .filter_map(|file| total(&fs::read_to_string(file.unwrap().path()).unwrap()))
        .collect();
    if !output.status.success() || counts.len() != BATCHES {
        let report = String::from_utf8_lossy(&output.stderr);
        panic!("{part} was counted {} times, not {BATCHES}\n{report}", counts.len());
    }
    counts.sort_unstable();
    counts[BATCHES / 2] / BATCH as u64
}

/// The sum in a file of callgrind's; none where nothing was counted, as behind the last batch.
fn total(file: &str) -> Option<u64> {
    let total = file.lines().find_map(|line| line.strip_prefix("totals: "))?;
    total.trim().parse().ok().filter(|total| *total > 0)
}

/// Runs a part for whoever counts.
pub fn run(part: &str) {
    parts::measure(&mut Runner(part));
}

struct Runner<'a>(&'a str);

impl Measure for Runner<'_> {
    fn part<I, O, M, W>(&mut self, name: &str, set_up: impl FnOnce() -> (M, W))
    where
        M: FnMut() -> I,
        W: FnMut(I) -> O,
    {
        if name != self.0 {
            return;
        }
        let (mut make, mut work) = set_up();
        for _ in 0..BEFORE * BATCH {
            drop(black_box(work(black_box(make()))));
        }
        for _ in 0..BATCHES {
            let inputs: Vec<_> = (0..BATCH).map(|_| make()).collect();
            run_counted(&mut work, inputs);
            end_batch();
        }
    }
}

/// Valgrind knows it by this name.
#[inline(never)]
fn run_counted<I, O>(work: &mut impl FnMut(I) -> O, inputs: Vec<I>) {
    for input in inputs {
        drop(black_box(work(black_box(input))));
    }
}

/// Valgrind begins a new sum here.
#[inline(never)]
fn end_batch() {
    black_box(());
}
