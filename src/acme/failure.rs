//! Why there is no certificate yet.

use super::{challenge::Method, renew::Kind};
use instant_acme::{Error, Problem};
use std::{error, fmt, io};

/// What failed, in the CA's own words where it has said any.
#[derive(Debug)]
pub enum Failure {
    /// The CA has not seen the proof that the domain is ours.
    Validation {
        /// How it was to see it.
        method: Method,
        /// What it says.
        problem: Problem,
    },
    /// The CA has refused something else.
    Refused(Problem),
    /// The CA wants a proof that we have not.
    NotOffered(Method),
    /// So many validations have failed that the CA is not asked for another yet.
    TooManyValidations,
    /// The CA cannot be reached, or makes no sense.
    Trouble(String),
    /// What came is no certificate for our key, or ours cannot be made.
    Certificate(String),
    /// The folder cannot be used.
    Storage(io::Error),
}

impl Failure {
    /// How long to wait after it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Trouble(_) | Self::Storage(_) => Kind::Trouble,
            _ => Kind::Refusal,
        }
    }

    /// Whether the CA does not know the account, which then is of no use any more.
    pub fn is_lost_account(&self) -> bool {
        matches!(self, Self::Refused(problem) if is_type(problem, "accountDoesNotExist"))
    }
}

/// Whether a problem is of this type of RFC 8555 §6.7.
pub fn is_type(problem: &Problem, name: &str) -> bool {
    let kind = problem.r#type.as_deref().unwrap_or("");
    kind.strip_prefix("urn:ietf:params:acme:error:") == Some(name)
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Api(problem) => Self::Refused(problem),
            error => Self::Trouble(chain(&error)),
        }
    }
}

impl From<rcgen::Error> for Failure {
    fn from(error: rcgen::Error) -> Self {
        Self::Certificate(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Storage(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Validation { method, problem } => write!(f, "{method} failed: {}", Words(problem)),
            Self::Refused(problem) => write!(f, "{}", Words(problem)),
            Self::NotOffered(method) => write!(f, "the ACME server does not offer {method}"),
            Self::TooManyValidations => f.write_str("too many validations have failed of late"),
            Self::Trouble(reason) => f.write_str(reason),
            Self::Certificate(reason) => write!(f, "certificate: {reason}"),
            Self::Storage(error) => write!(f, "storage: {error}"),
        }
    }
}

/// A problem document (RFC 7807) as it speaks, its subproblems included.
struct Words<'a>(&'a Problem);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { r#type, detail, status, subproblems } = self.0;
        f.write_str(detail.as_deref().unwrap_or("no details"))?;
        if let Some(kind) = r#type {
            write!(f, " ({kind})")?;
        } else if let Some(status) = status {
            write!(f, " (status {status})")?;
        }
        subproblems.iter().try_for_each(|subproblem| write!(f, "; {subproblem}"))
    }
}

/// An error with what it came from.
fn chain(error: &dyn error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(json: &str) -> Problem {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_problem_speaks_in_its_own_words() {
        for (json, expected) in [
            (
                r#"{"type":"urn:ietf:params:acme:error:dns","detail":"no A record for app.example","status":400}"#,
                "no A record for app.example (urn:ietf:params:acme:error:dns)",
            ),
            (r#"{"status":500}"#, "no details (status 500)"),
            (
                r#"{"detail":"two names","subproblems":[{"identifier":{"type":"dns","value":"a.example"},"detail":"no"}]}"#,
                "two names; for \"a.example\": no",
            ),
        ] {
            assert_eq!(Failure::from(Error::Api(problem(json))).to_string(), expected);
        }
    }

    #[test]
    fn only_what_the_ca_refuses_makes_us_wait_long() {
        let refused = Failure::from(Error::Api(problem("{}")));
        assert_eq!(refused.kind(), Kind::Refusal);
        assert!(!refused.is_lost_account());
        assert_eq!(Failure::from(Error::Str("no order URL found")).kind(), Kind::Trouble);
        let lost = problem(r#"{"type":"urn:ietf:params:acme:error:accountDoesNotExist"}"#);
        assert!(Failure::Refused(lost).is_lost_account());
    }
}
