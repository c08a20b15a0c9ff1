//! The documentation is true: every page is followed as a reader would follow it.
//!
//! A page is read from top to bottom, in an empty folder that has only the small application of `tests/docs/app` in it. What each
//! fenced block is, its first line says; one that says nothing of this fails the test, since nobody would check it:
//!
//! | block | what happens |
//! | --- | --- |
//! | `console` | what follows `$ ` is typed into a shell, and what it prints must be what the page shows. A command of which the page shows nothing must succeed |
//! | `console server` | the same in a second terminal: it goes on running, until the next one, and its log must come to have the lines shown |
//! | `console log` | lines that the server's log must come to have, in any order |
//! | `console stop` | Ctrl-C in the second terminal: the same, for what follows `^C` |
//! | `ruby config/puma.rb` | a file's language and path: it is written there, and its syntax is checked. A `config/deploy.yml` must have no keys but Kamal's |
//! | `dockerfile` | its lines are those of `Dockerfile.example` |
//!
//! In what a page shows, `…` stands for anything within a line, and a line of `…` alone for any lines. Two comments before a block
//! change this: `<!-- not run: reason -->` (its syntax, its programs and its settings are still checked) and `<!-- needs: php -->`
//! (where that is missing, this is said, and the rest of the section is left out).
//!
//! Nothing is replaced in what a page says to type. That is possible since each page has a network, a `/etc/hosts` (with
//! example.com) and processes of its own: Linux namespaces, which need no root.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]
#![allow(clippy::print_stderr, reason = "what is skipped is said")]

mod elsewhere;
mod files;
mod follow;
mod links;
mod page;
mod reasons;
mod session;
mod settings;
mod shown;

use follow::follow;
use page::Page;

#[test]
fn readme() {
    follow("README.md");
}

#[test]
fn rails_and_kamal() {
    follow("docs/rails-and-kamal.md");
}

#[test]
fn direct_tls() {
    follow("docs/direct-tls.md");
}

#[test]
fn any_backend() {
    follow("docs/any-backend.md");
}

#[test]
fn from_thruster() {
    follow("docs/from-thruster.md");
}

#[test]
fn operating() {
    follow("docs/operating.md");
}

#[test]
fn performance() {
    follow("docs/performance.md");
}

#[test]
fn every_page_is_followed() {
    let source = include_str!("main.rs");
    for page in Page::all() {
        assert!(
            page.path == "ARCHITECTURE.md"
                || page.path == "CHANGELOG.md"
                || source.contains(&format!("follow({:?})", page.path)),
            "{} is followed by no test",
            page.path
        );
    }
}
