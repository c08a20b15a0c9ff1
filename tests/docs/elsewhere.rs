//! Commands that cannot be run by a test, such as Docker's: as much of them as can be is checked.

use crate::{
    page::{Block, root},
    settings,
};
use std::{collections::BTreeMap, process::Command};

/// Programs of other machines than the one that tests.
const FOREIGN: [&str; 5] = ["docker", "git", "kamal", "bin/kamal", "kill"];

/// Its syntax, that its programs are there, and that thrust takes the settings in it.
pub fn check(place: &str, block: &Block) {
    let text = block.body.replace("\\\n", " ");
    let syntax = Command::new("bash").args(["-n", "-c", &text]).output().unwrap();
    assert!(syntax.status.success(), "{place}: {}", String::from_utf8_lossy(&syntax.stderr));
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let line = line.strip_prefix("$ ").unwrap_or(line);
        check_program(place, line);
        settings::check_environment(place, &assignments(line));
    }
}

fn check_program(place: &str, line: &str) {
    let program = line.split_whitespace().find(|word| !is_assignment(word)).unwrap_or("thrust");
    let in_path = || {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
        found.status.success()
    };
    assert!(
        program == "thrust" || FOREIGN.contains(&program) || root().join(program).is_file() || in_path(),
        "{place}: what is {program:?}?"
    );
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| settings::is_name(name))
}

fn assignments(line: &str) -> BTreeMap<String, String> {
    let words = line.split_whitespace().filter(|word| is_assignment(word));
    words.filter_map(|word| word.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
}
