//! Whether what came is what a page shows.

/// `…` in a line stands for anything within it; a line of `…` alone for any number of lines.
pub fn matches(shown: &str, came: &str) -> bool {
    lines_match(&lines(shown), &lines(came))
}

/// Whether each of the shown lines is there, whatever else is. The order does not matter: a log has two writers.
pub fn all_found(shown: &str, came: &str) -> bool {
    let came = lines(came);
    lines(shown).iter().all(|line| came.iter().any(|other| line_matches(line, other)))
}

/// Without white space at the end of lines and of the whole: pages do not show it.
fn lines(text: &str) -> Vec<&str> {
    text.trim_end().lines().map(str::trim_end).collect()
}

fn lines_match(shown: &[&str], came: &[&str]) -> bool {
    match (shown, came) {
        ([], _) => came.is_empty(),
        (["…", rest @ ..], _) => (0..=came.len()).any(|skipped| lines_match(rest, &came[skipped..])),
        ([line, rest @ ..], [other, others @ ..]) => line_matches(line, other) && lines_match(rest, others),
        _ => false,
    }
}

fn line_matches(shown: &str, came: &str) -> bool {
    let Some((before, after)) = shown.split_once('…') else { return shown == came };
    came.strip_prefix(before).is_some_and(|rest| {
        let starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
        starts.into_iter().any(|at| line_matches(after, &rest[at..]))
    })
}

#[test]
fn an_ellipsis_stands_for_what_differs() {
    for (shown, came, expected) in [
        ("a\nb\n", "a\nb", true),
        ("a\n", "a\nb", false),
        ("a\nb\n", "a\n", false),
        ("", "", true),
        ("", "a", false),
        ("pid=… port=3001", "pid=77 port=3001", true),
        ("pid=… port=3001", "pid=77 port=3002", false),
        ("a…c…e", "abcde", true),
        ("…", "a\nb\n", true),
        ("a\n…\nd", "a\nb\nc\nd\n", true),
        ("a\n…\nd", "a\nb\nc\n", false),
        ("a\r", "a", true),
    ] {
        assert_eq!(matches(shown, came), expected, "{shown:?} and {came:?}");
    }
    assert!(all_found("d\nb", "a\nb\nc\nd\ne\n"));
    assert!(!all_found("b\nf", "a\nb\nc\nd\ne\n"));
}
