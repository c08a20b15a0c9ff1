//! Which module may import which: the arrows of ARCHITECTURE.md, read off the sources.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// These put everything together, and know it.
const KNOW_ALL: [&str; 6] = ["app", "cli", "explain", "https", "lib", "main"];

/// Each other module and all that it may import.
const ALLOWED: [(&str, &[&str]); 15] = [
    ("acme", &["tls"]),
    ("allocator", &[]),
    ("message", &[]),
    ("process", &[]),
    ("cache", &["message", "pages"]),
    ("encode", &["allocator", "message"]),
    ("files", &["message"]),
    ("observe", &["message"]),
    ("pages", &[]),
    ("server", &["message", "tcp", "tls"]),
    ("tcp", &["pages"]),
    ("tls", &["message"]),
    ("upstream", &["message", "tcp"]),
    ("proxy", &["cache", "encode", "files", "message", "observe", "upstream"]),
    // It fills in the parts' own options, and no part knows it.
    (
        "config",
        &[
            "acme", "cache", "encode", "files", "message", "observe", "process", "proxy", "server", "tls",
            "upstream",
        ],
    ),
];

#[test]
fn modules_import_only_what_they_may() {
    for (module, allowed) in ALLOWED {
        let path = source_folder().join(module);
        let files = if path.is_dir() { sources(&path) } else { vec![path.with_extension("rs")] };
        assert!(!files.is_empty(), "there is no module {module}");
        for file in files {
            let found = imports(&fs::read_to_string(&file).unwrap());
            let foreign: Vec<_> =
                found.iter().filter(|name| *name != module && !allowed.contains(&name.as_str())).collect();
            assert!(foreign.is_empty(), "{} imports {foreign:?}", file.display());
        }
    }
}

#[test]
fn every_module_is_listed() {
    for entry in fs::read_dir(source_folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_listed = KNOW_ALL.contains(&name) || ALLOWED.iter().any(|(module, _)| *module == name);
        assert!(is_listed, "{name} is not listed here");
    }
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::a;\nuse crate::{b::{c, d}, e,\n  f::g};\nlet x = crate::h::i();\n// crate::j is not used\n";
    assert_eq!(imports(text).into_iter().collect::<Vec<_>>(), ["a", "b", "e", "f", "h"]);
}

/// The modules that are named behind `crate::`.
fn imports(text: &str) -> BTreeSet<String> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or("").to_owned() + "\n").collect();
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(group) => found.extend(members(group)),
            None => found.extend(identifier(rest)),
        }
    }
    found
}

/// The first identifier of each member of a `{…}` group, of which the opening brace has been read.
fn members(group: &str) -> Vec<String> {
    let (mut depth, mut member, mut members) = (1, String::new(), Vec::new());
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && character == ',') {
            members.extend(identifier(member.trim()));
            member.clear();
        } else {
            member.push(character);
        }
        if depth == 0 {
            break;
        }
    }
    members
}

fn identifier(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
