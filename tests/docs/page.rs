//! A page: its fenced blocks, headings and links.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A page of the documentation.
pub struct Page {
    /// Its path in the checkout.
    pub path: String,
    pub text: String,
}

/// A fenced block.
#[derive(Debug)]
pub struct Block {
    /// The line that begins it, counted from 1.
    pub line: usize,
    /// The number of its section.
    pub section: usize,
    /// What follows its backquotes.
    pub info: String,
    /// The comment on the line before it, if there is one.
    pub note: String,
    pub body: String,
}

impl Page {
    /// Reads a page of the checkout.
    pub fn read(path: &str) -> Page {
        let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        Page { path: path.to_owned(), text }
    }

    /// All pages: those of `docs` and of the checkout's own folder.
    pub fn all() -> Vec<Page> {
        let mut paths: Vec<PathBuf> = ["", "docs"]
            .iter()
            .flat_map(|folder| fs::read_dir(root().join(folder)).unwrap())
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
            .collect();
        paths.sort();
        paths.iter().map(|path| Page::read(path.strip_prefix(root()).unwrap().to_str().unwrap())).collect()
    }

    /// Its fenced blocks, from top to bottom.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines().enumerate();
        let (mut section, mut note) = (0, "");
        while let Some((number, line)) = lines.next() {
            if let Some(info) = line.strip_prefix("```") {
                let body = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
                let body = body.map(|line| format!("{line}\n")).collect();
                blocks.push(Block { line: number + 1, section, info: info.into(), note: note.into(), body });
            }
            section += usize::from(line.starts_with('#'));
            note = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")).unwrap_or("");
        }
        blocks
    }

    /// Its lines outside of fenced blocks, with their numbers.
    pub fn prose(&self) -> Vec<(usize, &str)> {
        let mut fenced = false;
        let lines = self.text.lines().enumerate().map(|(number, line)| (number + 1, line));
        lines
            .filter(|(_, line)| {
                let fence = line.starts_with("```");
                fenced ^= fence;
                !fenced && !fence
            })
            .collect()
    }

    /// The rows of the table under the heading that begins so: the cells of each, without the table's head.
    pub fn table(&self, head: &str) -> Vec<Vec<&str>> {
        let mut lines = self.text.lines().skip_while(|line| !line.starts_with(head));
        assert!(lines.next().is_some(), "{}: there is no table {head:?}", self.path);
        let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
        rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
    }
}
