//! The command line: `thrust [options] COMMAND [ARG…]`.
//!
//! Everything from the first word that is no option is the worker's command, passed on untouched; but for the word `explain`
//! alone, which is a command of our own where no `--` stands before it.

use crate::{
    config::{Config, render},
    explain::Question,
};
use std::{
    ffi::{OsStr, OsString},
    fmt,
    io::{self, Write},
};

/// sysexits(3): something was found in an unconfigured or misconfigured state.
pub const EX_CONFIG: u8 = 78;

/// Exit code of a [`UsageError`].
pub const EXIT_USAGE: u8 = 2;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Print the help ([`help`]).
    Help,
    /// Print the version ([`version`]).
    Version,
    /// Print the configuration ([`check`]) where it holds, certificate files included; start nothing.
    Check,
    /// Print how `thrust explain` is used ([`help_of_explain`]).
    HelpOfExplain,
    /// Ask the thrust that runs here, and print its answer.
    Explain(Question),
    /// Run, with this command as the worker; it may be empty only where [`needs_command`] does not object.
    Run(Vec<OsString>),
}

/// A command line that cannot be followed; says what to do instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageError(String);

/// Reads the arguments, the program's own name not among them.
///
/// # Errors
///
/// An option that there is not, or a question that cannot be asked.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Action, UsageError> {
    let mut arguments = arguments.into_iter().peekable();
    let mut asked = None;
    while let Some(option) = arguments.next_if(|argument| is_option(argument)) {
        match option.to_str() {
            Some("--") => return Ok(asked.unwrap_or_else(|| Action::Run(arguments.collect()))),
            Some("--help" | "-h") => return Ok(Action::Help),
            Some("--version" | "-V") => asked = Some(Action::Version),
            Some("--check") => asked = asked.or(Some(Action::Check)),
            _ => return Err(UsageError::unknown_option(&option)),
        }
    }
    match asked {
        Some(asked) => Ok(asked),
        None if arguments.next_if(|word| word == "explain").is_some() => explain(arguments),
        None => Ok(Action::Run(arguments.collect())),
    }
}

/// Reads what follows `explain`.
fn explain(arguments: impl Iterator<Item = OsString>) -> Result<Action, UsageError> {
    let unclear = |what: &str| UsageError(format!("explain: {what}.\n{EXPLAIN_USAGE}"));
    let (mut asked, mut fields) = (None, Vec::new());
    let mut arguments = arguments.map(OsString::into_string);
    while let Some(argument) = arguments.next() {
        let argument = argument.map_err(|_| unclear("its arguments are text"))?;
        match argument.as_str() {
            "--help" | "-h" => return Ok(Action::HelpOfExplain),
            "-H" | "--header" => match arguments.next() {
                Some(Ok(field)) => fields.push(field),
                _ => return Err(unclear("-H needs a field: -H 'Name: value'")),
            },
            option if option.starts_with('-') => {
                return Err(unclear(&format!("there is no option {option:?}")));
            }
            _ if asked.is_some() => return Err(unclear("one path or URL at a time")),
            _ => asked = Some(argument),
        }
    }
    let asked =
        asked.ok_or_else(|| unclear("which path or URL? (A worker of that name: thrust -- explain)"))?;
    Question::new(&asked, &fields).map(Action::Explain).map_err(|what| unclear(&what))
}

/// Refuses to run without anything to stand in front of.
///
/// # Errors
///
/// There is neither a command nor `THRUST_UPSTREAM_URL`.
pub fn needs_command(command: &[OsString], config: &Config) -> Result<(), UsageError> {
    if command.is_empty() && config.backend.is_none() {
        return Err(UsageError(
            "there is no command to run. Name the one that starts the application, as in \
             `thrust bin/rails server`,\nor set THRUST_UPSTREAM_URL to a backend that something else runs."
                .into(),
        ));
    }
    Ok(())
}

/// Writes the help.
///
/// # Errors
///
/// Those of `out`.
pub fn help(out: &mut impl Write) -> io::Result<()> {
    write!(out, "{USAGE}\nSettings (environment variables):\n{VALUES}\n{}", render::help())
}

/// Writes how `thrust explain` is used.
///
/// # Errors
///
/// Those of `out`.
pub fn help_of_explain(out: &mut impl Write) -> io::Result<()> {
    write!(out, "{EXPLAIN_USAGE}\n{EXPLAIN_HELP}")
}

/// Writes program name and version.
///
/// # Errors
///
/// Those of `out`.
pub fn version(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "thrust {}", env!("CARGO_PKG_VERSION"))
}

/// Writes each setting with its value and where it came from.
///
/// # Errors
///
/// Those of `out`.
pub fn check(config: &Config, out: &mut impl Write) -> io::Result<()> {
    out.write_all(render::check(config).as_bytes())
}

const USAGE: &str = "\
thrust: the web accelerator that lives inside your application's container

Usage: thrust [options] COMMAND [ARG…]
       thrust explain [-H 'Name: value'] URL

Starts COMMAND (the worker) and stands in front of it as HTTP server:
  thrust bin/rails server
Or asks the thrust that runs here why a request is answered as it is, and what to change:
  thrust explain /assets/application-0f9e8d7c.css     (thrust explain --help says more)
A worker that is called explain is started by its path, or behind --:
  thrust ./explain      thrust -- explain

Options:
  -h, --help     print this
  -V, --version  print the version
  --check        print every setting with its value and where it came from, and look at the
                 certificate files; start nothing
  --             end of the options

Exit codes: the worker's own; 128+n where signal n ended it.
  1    anything else, such as a port in use
  2    wrong usage
  78   bad configuration
  126  the command cannot be executed
  127  the command is not found
thrust explain: 0 when it was answered, 69 when nothing answers, 76 when what does explains nothing.
";

const EXPLAIN_USAGE: &str = "Usage: thrust explain [-H 'Name: value']… URL";

const EXPLAIN_HELP: &str = "
Sends the request to the thrust that runs here, which answers it as ever, and prints in words what
its cache, its encoder and its file server decided, and what to change. Asking twice shows the hit.

  thrust explain /assets/app.css           asks at PORT, as Host localhost
  thrust explain https://example.com/a     the same, as if kamal-proxy had passed that URL on
  thrust explain http://localhost:4000/a   asks at that port of this machine
  -H, --header 'Accept-Encoding: br'       a field of the request, as often as there is need

In a container: docker exec CONTAINER thrust explain /assets/app.css
";

const VALUES: &str =
    "  Sizes are bytes, or a number with KB, MB, GB (powers of 1024). Durations are seconds (decimals
  allowed), or a number with ms, s, m, h. Booleans are 1/0, true/false, t/f, yes/no, on/off.
  A variable that is set but empty counts as not set.
";

fn is_option(argument: &OsStr) -> bool {
    let bytes = argument.as_encoded_bytes();
    bytes.starts_with(b"-") && bytes != b"-"
}

impl UsageError {
    fn unknown_option(option: &OsStr) -> Self {
        Self(format!(
            "there is no option {option:?}. Options are --help, --version and --check; settings are environment \
             variables.\nOptions of the worker's own stand after its command."
        ))
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nSee thrust --help.", self.0)
    }
}

impl std::error::Error for UsageError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::SETTINGS;
    use std::os::unix::ffi::OsStringExt;

    fn parsed(arguments: &[&str]) -> Result<Action, UsageError> {
        parse(arguments.iter().map(OsString::from))
    }

    fn run(command: &[&str]) -> Result<Action, UsageError> {
        Ok(Action::Run(command.iter().map(OsString::from).collect()))
    }

    fn config(variables: &[(&str, &str)]) -> Config {
        Config::from_env(variables.iter().map(|(name, value)| (name.into(), value.into())), false).unwrap().0
    }

    fn written(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn options_end_where_the_command_begins() {
        assert_eq!(
            parsed(&["bin/rails", "server", "--help", "--", "-x"]),
            run(&["bin/rails", "server", "--help", "--", "-x"])
        );
        assert_eq!(parsed(&["--", "--check", "--"]), run(&["--check", "--"]));
        assert_eq!(parsed(&["-"]), run(&["-"]));
        assert_eq!(parsed(&[""]), run(&[""]));
        assert_eq!(parsed(&[]), run(&[]));
        assert_eq!(parsed(&["--"]), run(&[]));
    }

    #[test]
    fn options_are_known() {
        for (arguments, action) in [
            (&["--help"][..], Action::Help),
            (&["-h"], Action::Help),
            (&["--check", "--help", "puma"], Action::Help),
            (&["--version"], Action::Version),
            (&["--check", "puma", "-p", "1"], Action::Check),
            (&["--check", "--"], Action::Check),
        ] {
            assert_eq!(parsed(arguments), Ok(action), "{arguments:?}");
        }
    }

    #[test]
    fn explain_is_a_command_of_our_own() {
        let question = |asked: &str, fields: &[&str]| {
            let fields: Vec<_> = fields.iter().map(|&field| field.to_owned()).collect();
            Ok(Action::Explain(Question::new(asked, &fields).unwrap()))
        };
        assert_eq!(parsed(&["explain", "/a"]), question("/a", &[]));
        let fields = ["-H", "A: b", "/a", "--header", "C: d"];
        assert_eq!(parsed(&[&["explain"], &fields[..]].concat()), question("/a", &["A: b", "C: d"]));
        for help in [&["explain", "--help"][..], &["explain", "/a", "-h"]] {
            assert_eq!(parsed(help), Ok(Action::HelpOfExplain));
        }
        for (wrong, word) in [
            (&["explain"][..], "which path"),
            (&["explain", "a"], "begins with /"),
            (&["explain", "/a", "/b"], "one path"),
            (&["explain", "-X", "/a"], "\"-X\""),
            (&["explain", "/a", "-H"], "-H needs"),
            (&["explain", "/a", "-H", "b"], "Name: value"),
        ] {
            let error = parsed(wrong).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("Usage: thrust explain"), "{error}");
        }
    }

    #[test]
    fn a_worker_that_is_called_explain_can_be_started() {
        assert_eq!(parsed(&["--", "explain", "/a"]), run(&["explain", "/a"]));
        assert_eq!(parsed(&["./explain", "/a"]), run(&["./explain", "/a"]));
        assert_eq!(parsed(&["bin/rails", "explain"]), run(&["bin/rails", "explain"]));
        assert_eq!(parsed(&["--check", "explain"]), Ok(Action::Check));
    }

    #[test]
    fn an_unknown_option_is_named_with_a_hint() {
        for option in ["--port=80", "-p", "--checks", "---"] {
            let error = parsed(&[option, "puma"]).unwrap_err().to_string();
            assert!(error.contains(&format!("{option:?}")) && error.contains("thrust --help"), "{error}");
        }
        assert!(parse([OsString::from_vec(b"-\xff".to_vec())]).is_err());
    }

    #[test]
    fn arguments_need_not_be_text() {
        let odd = OsString::from_vec(b"\xff".to_vec());
        assert_eq!(parse([odd.clone()]), Ok(Action::Run(vec![odd])));
    }

    #[test]
    fn a_missing_command_names_both_ways_out() {
        let error = needs_command(&[], &config(&[])).unwrap_err().to_string();
        assert!(
            error.contains("thrust bin/rails server") && error.contains("THRUST_UPSTREAM_URL"),
            "{error}"
        );
        assert_eq!(needs_command(&["puma".into()], &config(&[])), Ok(()));
        assert_eq!(needs_command(&[], &config(&[("THRUST_UPSTREAM_URL", "http://app")])), Ok(()));
    }

    #[test]
    fn help_and_check_list_the_same_settings() {
        let (help, check) = (written(help), written(|out| check(&config(&[]), out)));
        let help_names: Vec<&str> = first_words(help.split_once("not set.\n").unwrap().1);
        let all: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
        assert_eq!(help_names, all);
        assert_eq!(first_words(&check), all);
    }

    /// The first words of the lines that stand out to the left.
    fn first_words(text: &str) -> Vec<&str> {
        let outdented = text.lines().filter(|line| !line.starts_with("   "));
        outdented.filter_map(|line| line.split_whitespace().next()).collect()
    }

    #[test]
    fn help_fits_a_hundred_columns() {
        for help in [written(help), written(help_of_explain)] {
            assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
        }
    }

    #[test]
    fn the_version_is_the_package_s() {
        assert_eq!(written(version), format!("thrust {}\n", env!("CARGO_PKG_VERSION")));
    }
}
