//! Follows a page, block by block.

use crate::{
    elsewhere, files,
    page::{Block, Page},
    session::Session,
    shown,
};
use std::process::Command;

/// Fails where the page is wrong.
pub fn follow(path: &str) {
    let page = Page::read(path);
    if !Session::is_possible() {
        eprintln!("skipped: {path} (no permission for Linux namespaces)");
        return;
    }
    let mut reader =
        Reader { session: Session::start(page.text.contains("<!-- in a container -->")), left_out: None };
    for block in page.blocks() {
        reader.at(&format!("{path}:{}", block.line), &block);
    }
}

struct Reader {
    session: Session,
    /// The section that needs what is not here.
    left_out: Option<usize>,
}

impl Reader {
    fn at(&mut self, place: &str, block: &Block) {
        if block.note.starts_with("not run: ") {
            return elsewhere::check(place, block);
        }
        if self.is_left_out(place, block) {
            return;
        }
        let (language, rest) = block.info.split_once(' ').unwrap_or((&block.info, ""));
        match (language, rest) {
            ("console", "server") => self.serve(place, block),
            ("console", "") => self.type_all(place, block),
            ("console", "log") => self.await_log(place, &block.body),
            ("console", "stop") => self.stop(place, &block.body),
            ("dockerfile", "") => files::check_dockerfile(place, &block.body),
            (_, "") => panic!("{place}: nobody checks this block; tests/docs/main.rs says how that is done"),
            (language, file) => {
                files::write(&self.session.path(file), &block.body);
                files::check(place, language, file, &mut self.session);
            }
        }
    }

    fn is_left_out(&mut self, place: &str, block: &Block) -> bool {
        let needed = block.note.strip_prefix("needs: ");
        if needed.is_some_and(|program| is_missing(place, program)) {
            self.left_out = Some(block.section);
        }
        self.left_out == Some(block.section)
    }

    fn type_all(&mut self, place: &str, block: &Block) {
        for (command, expected) in commands(place, &block.body) {
            let came = self.session.run(&command);
            assert!(
                !expected.is_empty() || came.code == 0,
                "{place}: {command} failed ({}):\n{}",
                came.code,
                came.output
            );
            assert!(
                shown::matches(&expected, &came.output),
                "{place}: {command}\n--- the page shows:\n{expected}\n--- it came:\n{}",
                came.output
            );
        }
    }

    fn serve(&mut self, place: &str, block: &Block) {
        let [(command, expected)] = &commands(place, &block.body)[..] else {
            panic!("{place}: a server's block has one command")
        };
        self.session.serve(command);
        self.await_log(place, expected);
    }

    fn await_log(&self, place: &str, expected: &str) {
        let what = format!("{place}: {expected}");
        self.session.await_log(&what, |log| shown::all_found(expected, log));
    }

    fn stop(&mut self, place: &str, shown: &str) {
        let expected =
            shown.strip_prefix("^C\n").unwrap_or_else(|| panic!("{place}: it does not begin with ^C"));
        self.session.stop_server();
        self.await_log(place, expected);
    }
}

fn is_missing(place: &str, program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
    if !found.status.success() {
        eprintln!("skipped: {place} ({program} is not installed)");
    }
    !found.status.success()
}

/// Each command of a block, with what the page shows of its output. A command whose line ends with a backslash goes on.
fn commands(place: &str, body: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for line in body.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), String::new())),
            (None, Some((command, shown))) if shown.is_empty() && command.ends_with('\\') => {
                *command += &format!("\n{line}");
            }
            (None, Some((_, shown))) => *shown += &format!("{line}\n"),
            (None, None) => panic!("{place}: it does not begin with a command: {line}"),
        }
    }
    commands
}
