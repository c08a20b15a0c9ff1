//! The command line: `thrust [options] COMMAND [ARG…]`.
//!
//! Everything from the first word that is no option is the worker's command, passed on untouched.

use crate::config::{Config, render};
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
/// An option that there is not.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Action, UsageError> {
    let mut arguments = arguments.into_iter().peekable();
    let mut asked = None;
    while let Some(option) = arguments.next_if(|argument| is_option(argument)) {
        match option.to_str() {
            Some("--") => break,
            Some("--help" | "-h") => return Ok(Action::Help),
            Some("--version" | "-V") => asked = Some(Action::Version),
            Some("--check") => asked = asked.or(Some(Action::Check)),
            _ => return Err(UsageError::unknown_option(&option)),
        }
    }
    Ok(asked.unwrap_or_else(|| Action::Run(arguments.collect())))
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

Starts COMMAND (the worker) and stands in front of it as HTTP server:
  thrust bin/rails server

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
        let help = written(help);
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }

    #[test]
    fn the_version_is_the_package_s() {
        assert_eq!(written(version), format!("thrust {}\n", env!("CARGO_PKG_VERSION")));
    }
}
