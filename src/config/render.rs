//! The table of settings as people see it: in `--help`, in `--check` and in the README.

use super::{
    Config,
    settings::{SETTINGS, Setting},
};
use std::fmt::Write as _;

/// Columns of `--help`.
const WIDTH: usize = 100;

/// The settings for `--help`.
pub fn help() -> String {
    let indent = name_column() + 4;
    let mut text = String::new();
    for setting in SETTINGS {
        let mut lines = wrap(&plain(setting.help), WIDTH - indent);
        lines.extend(wrap(&facts(setting), WIDTH - indent));
        for (number, line) in lines.iter().enumerate() {
            let name = if number == 0 { setting.name } else { "" };
            let _ = writeln!(text, "  {name:<width$}{line}", width = indent - 2);
        }
    }
    text
}

/// The settings with the values that hold and where they came from, for `--check`.
pub fn check(config: &Config) -> String {
    let find = |setting: &Setting| config.taken.iter().find(|taken| taken.setting == setting.name);
    let value =
        |setting: &Setting| find(setting).map_or("-".into(), |taken| taken.value.escape_debug().to_string());
    let width = SETTINGS.iter().map(|setting| value(setting).chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for setting in SETTINGS {
        let source = find(setting).and_then(|taken| taken.variable.as_deref()).unwrap_or("default");
        let _ = writeln!(text, "{:<1$}  {2:<width$}  {source}", setting.name, name_column(), value(setting));
    }
    text
}

/// The settings as a table in Markdown, for the README.
pub fn markdown() -> String {
    let mut text = String::from("| setting | also | default | meaning |\n| --- | --- | --- | --- |\n");
    for setting in SETTINGS {
        let also: Vec<String> = others(setting).iter().map(|name| format!("`{name}`")).collect();
        let columns =
            [format!("`{}`", setting.name), also.join(", "), setting.default_help(), setting.help.into()];
        for column in columns {
            let gap = if column.is_empty() { "" } else { " " };
            let _ = write!(text, "|{gap}{column} ");
        }
        text.push_str("|\n");
    }
    text
}

fn name_column() -> usize {
    SETTINGS.iter().map(|setting| setting.name.len()).max().unwrap_or(0)
}

/// Default and other names, in one sentence for `--help`.
fn facts(setting: &Setting) -> String {
    let default = plain(&setting.default_help());
    let default = if default.is_empty() { "none".to_owned() } else { default };
    match others(setting).as_slice() {
        [] => format!("[default: {default}]"),
        names => format!("[default: {default}; also: {}]", names.join(", ")),
    }
}

/// Names beside the canonical one, first one first.
fn others(setting: &Setting) -> Vec<String> {
    setting.names().into_iter().filter(|name| name != setting.name).collect()
}

/// Markdown without its marks.
fn plain(markdown: &str) -> String {
    markdown.replace('`', "")
}

/// Breaks text at spaces into lines of at most `width` characters, where words allow it.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrap("a bb ccc dddddd e", 4), ["a bb", "ccc", "dddddd", "e"]);
        assert!(wrap("", 4).is_empty());
    }

    #[test]
    fn help_names_defaults_and_other_names() {
        let help = help().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains("[default: json (text on a terminal)]"), "{help}");
        assert!(
            help.contains(
                "[default: 3000 (80 where TLS is on); also: THRUST_HTTP_PORT, THRUSTER_HTTP_PORT, HTTP_PORT]"
            ),
            "{help}"
        );
    }
}
