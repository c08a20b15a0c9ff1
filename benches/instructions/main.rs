//! How many instructions each part executes, beside how many it did when `benches/instructions.txt` was written. Fails
//! where a part has grown. `bin/instructions` runs it, `bin/instructions --renew` writes the file anew.
//!
//! Times depend on the machine and on what else it does; counts hardly do, and so a small step back is seen. Valgrind runs
//! each part in a process of its own, where no other has left its traces.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark is no library, and a panic is its report")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it reports to a terminal")]

mod count;
mod figures;
#[path = "../parts/mod.rs"]
mod parts;
mod setting;

use figures::{Change, Figures};
use std::{env, fs, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => compare(),
        ["--renew"] => renew(),
        [count::OF, part] => {
            count::run(part);
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: bin/instructions [--renew]");
            ExitCode::FAILURE
        }
    }
}

fn path() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt"))
}

fn renew() -> ExitCode {
    let now = Figures { setting: setting::here(), parts: count::all() };
    fs::write(path(), now.to_string()).unwrap();
    print!("{now}");
    ExitCode::SUCCESS
}

/// Says how each part has changed. What was counted elsewhere is no measure: then that is said, and nothing fails.
fn compare() -> ExitCode {
    let committed = fs::read_to_string(path()).unwrap();
    let committed = Figures::read(&committed).unwrap_or_else(|| panic!("{}: not a figure", path().display()));
    let now = Figures { setting: setting::here(), parts: count::all() };
    let changes = committed.changes(&now);
    print!("{}", figures::table(&changes));
    let has_failed = changes.iter().any(Change::fails);
    if has_failed {
        println!("\nA part grew by more than 5 %, is new, or is gone.");
    }
    if changes.iter().any(|change| change.verdict().is_some()) {
        println!("\nWhere a change is meant: bin/instructions --renew");
    }
    if committed.setting != now.setting {
        println!(
            "\nNothing fails here. The figures were made with {}; this is {}.",
            committed.setting, now.setting
        );
        return ExitCode::SUCCESS;
    }
    if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
