//! Links between pages lead somewhere.

use crate::page::{Page, root};
use std::path::{Component, Path, PathBuf};

#[test]
fn links_lead_to_files_and_headings_that_are_there() {
    let pages = Page::all();
    for page in &pages {
        for (line, target) in links(page) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { page.path.clone() } else { resolve(&page.path, file) };
            let place = format!("{}:{line}", page.path);
            assert!(root().join(&path).exists(), "{place}: there is no {path}");
            if !anchor.is_empty() {
                let page = pages.iter().find(|page| page.path == path).expect(&place);
                let anchors = anchors(page);
                assert!(anchors.iter().any(|known| known == anchor), "{place}: no #{anchor} in {anchors:?}");
            }
        }
    }
}

/// Those that do not lead to another site, with the lines they are on.
fn links(page: &Page) -> Vec<(usize, &str)> {
    let in_line = |(number, line): (usize, _)| {
        let ends = str::split(line, "](").skip(1).filter_map(|rest| rest.split_once(')'));
        ends.map(move |(target, _)| (number, target))
    };
    page.prose().into_iter().flat_map(in_line).filter(|(_, target)| !target.contains("://")).collect()
}

fn resolve(page: &str, file: &str) -> String {
    let mut path = PathBuf::new();
    for part in Path::new(page).parent().unwrap().join(file).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{page}: {file} leads out of the checkout"),
            part => path.push(part),
        }
    }
    path.to_str().unwrap().to_owned()
}

/// As GitHub makes them of headings.
fn anchors(page: &Page) -> Vec<String> {
    let headings = page.prose().into_iter().filter(|(_, line)| line.starts_with('#'));
    let anchor = |(_, line): (usize, &str)| {
        let text = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        text.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
    };
    headings.map(anchor).collect()
}
