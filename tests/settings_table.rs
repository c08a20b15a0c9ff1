//! The README's table of settings is the one in the code. `UPDATE_README=1 cargo test settings` renews it.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may fail

use std::{env, fs, path::Path};

const BEGIN: &str = "<!-- settings -->\n";
const END: &str = "<!-- /settings -->";

#[test]
fn the_readme_shows_the_settings_of_this_version() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).expect("a line that begins the table");
    let (table, after) = rest.split_once(END).expect("a line that ends the table");
    let expected = format!("\n{}\n", thrust::config::render::markdown());
    if env::var_os("UPDATE_README").is_some() {
        fs::write(&path, [before, BEGIN, &expected, END, after].concat()).unwrap();
    } else {
        assert!(
            table == expected,
            "the README's table is old: UPDATE_README=1 cargo test settings renews it"
        );
    }
}
