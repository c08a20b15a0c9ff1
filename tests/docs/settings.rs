//! Settings that pages name are settings, and those of Thruster's all have their row.

use crate::page::Page;
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

/// Variables of Thruster's that mean nothing here.
const NOT_KNOWN_HERE: [&str; 1] = ["GZIP_COMPRESSION_EXCEPT_CONTENT_TYPES"];

/// Whether a variable could be called so.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Each setting with the names that it has besides, as the program's own table says.
fn settings() -> Vec<(String, Vec<String>)> {
    let table = thrust::config::render::markdown();
    let rows = table.lines().skip(2).map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    rows.map(|cells| {
        let names = |cell: &str| -> Vec<String> {
            cell.split(", ")
                .filter(|name| !name.is_empty())
                .map(|name| name.trim_matches('`').into())
                .collect()
        };
        (names(cells[1]).remove(0), names(cells[2]))
    })
    .collect()
}

/// Fails where thrust would refuse these variables, or warn of one.
pub fn check_environment(place: &str, variables: &BTreeMap<String, String>) {
    let mut thrust = Command::new(env!("CARGO_BIN_EXE_thrust"));
    let files = ["SSL_CERT_PATH", "SSL_KEY_PATH"]; // not here
    let variables = variables.iter().filter(|(name, _)| !files.contains(&name.as_str()));
    let output = thrust.arg("--check").env_clear().envs(variables).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{place}: {said}");
}

#[test]
fn settings_that_pages_name_are_known() {
    let known: BTreeSet<String> =
        settings().into_iter().flat_map(|(name, others)| [vec![name], others].concat()).collect();
    for page in Page::all() {
        for word in page.text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
            let named = word.starts_with("THRUST_") || word.starts_with("THRUSTER_");
            let family = || known.iter().any(|name| name.starts_with(word));
            assert!(!named || known.contains(word) || family(), "{}: there is no setting {word}", page.path);
        }
    }
}

#[test]
fn every_variable_of_thruster_has_its_row() {
    let mut expected: BTreeMap<String, String> =
        NOT_KNOWN_HERE.iter().map(|name| ((*name).to_owned(), "—".to_owned())).collect();
    for (name, others) in settings() {
        // `PORT` has a third name; the last is Thruster's own, without a prefix.
        let alias = others.iter().filter(|name| others.contains(&format!("THRUSTER_{name}")));
        expected.extend(alias.map(|alias| (alias.clone(), name.clone())));
    }
    let page = Page::read("docs/from-thruster.md");
    let rows: BTreeMap<String, String> = page
        .table("| Thruster")
        .iter()
        .map(|cells| (cells[0].trim_matches('`').to_owned(), cells[1].trim_matches('`').to_owned()))
        .collect();
    assert_eq!(rows, expected, "the page's table, and what thrust knows");
}
