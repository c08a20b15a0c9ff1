//! What is wrong with a configuration: faults, which end the start, and warnings, which do not.

use std::fmt;

/// Longer values are cut in messages.
const SHOWN: usize = 64;

/// Everything that is wrong with the environment, in one report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    /// Each fault; never empty.
    pub faults: Vec<Fault>,
    /// What was noticed besides.
    pub warnings: Vec<Warning>,
}

/// A value that cannot be taken. Shows as `THRUSTER_HTTP_PORT: "banana" is not a port: …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(pub String);

/// Something odd that the start does not fail for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning(pub String);

/// Text from the environment, fit for a message: quoted, escaped, cut where it is long.
pub fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}", format!("{}…", &text[..end])),
        None => format!("{text:?}"),
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration cannot be used:")?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_text_is_escaped_and_bounded() {
        assert_eq!(shown("a\n\u{1b}\"b"), r#""a\n\u{1b}\"b""#);
        assert_eq!(shown(&"é".repeat(64)).chars().count(), 66);
        assert_eq!(shown(&"é".repeat(10_000)).chars().count(), 67);
    }
}
