//! What `bin/instructions` makes of its figures.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[path = "../benches/instructions/figures.rs"]
mod figures;

use figures::{Change, Figures, table};

#[test]
fn a_part_may_grow_by_five_percent() {
    let verdict = |then, now| change(Some(then), Some(now)).verdict();
    assert_eq!(verdict(1000, 1000), None);
    assert_eq!(verdict(1000, 1050), None);
    assert_eq!(verdict(1000, 1051), Some("grew"));
    assert_eq!(verdict(1000, 950), None);
    assert_eq!(verdict(1000, 949), Some("shrank"));
    assert_eq!(verdict(1, 2), Some("grew"));
}

#[test]
fn to_shrink_is_no_failure_but_a_figure_must_be_there() {
    assert!(change(Some(1000), Some(1051)).fails());
    assert!(!change(Some(1000), Some(949)).fails());
    assert!(!change(Some(1000), Some(1000)).fails());
    assert!(change(None, Some(1000)).fails());
    assert!(change(Some(1000), None).fails());
}

#[test]
fn figures_are_read_as_they_were_written() {
    let figures = figures("rustc 1.0 for x, glibc 2", &[("a/long-name", 12), ("b", 1_234_567)]);
    let text = figures.to_string();
    assert!(text.ends_with(
        "# rustc 1.0 for x, glibc 2\na/long-name                   12\nb                        1234567\n"
    ));
    assert_eq!(Figures::read(&text).unwrap(), figures);
    assert_eq!(Figures::read("part many\n"), None);
    assert_eq!(Figures::read("part\n"), None);
}

#[test]
fn the_table_says_what_became_of_each_part() {
    let then = figures("", &[("gone", 7), ("grew", 1000), ("same", 200)]);
    let now = figures("", &[("grew", 1100), ("new", 9), ("same", 199)]);
    let changes = then.changes(&now);
    let expected = "\
part                     committed       now    change
gone                             7         -         -  gone
grew                          1000      1100   +10.0 %  grew
new                              -         9         -  new
same                           200       199    -0.5 %
";
    assert_eq!(table(&changes), expected);
}

fn change(then: Option<u64>, now: Option<u64>) -> Change {
    Change { part: "part".into(), then, now }
}

fn figures(setting: &str, parts: &[(&str, u64)]) -> Figures {
    let parts = parts.iter().map(|(part, count)| ((*part).to_owned(), *count)).collect();
    Figures { setting: setting.to_owned(), parts }
}
