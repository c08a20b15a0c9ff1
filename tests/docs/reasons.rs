//! Every reason that a log can give is explained.

use crate::page::{Page, root};
use std::fs;

#[test]
fn the_reasons_in_the_log_are_explained() {
    let page = Page::read("docs/operating.md");
    for file in ["src/cache/reason.rs", "src/message/body.rs", "src/upstream/error.rs"] {
        let source = fs::read_to_string(root().join(file)).unwrap();
        let names = source.lines().filter_map(|line| line.split_once(" => \"")?.1.split_once('"'));
        let names: Vec<&str> = names.map(|(name, _)| name).collect();
        assert!(names.len() > 3, "{file}: no reasons found");
        for name in names {
            assert!(page.text.contains(&format!("`{name}`")), "{}: nothing of `{name}` ({file})", page.path);
        }
    }
}
