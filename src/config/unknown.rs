//! Variables that look like ours and set nothing: misspelled, or not done by this version.

use super::{
    env::Environment,
    report::{Warning, shown},
    settings::{PLANNED, PREFIX, SETTINGS, Setting, THRUSTER_PREFIX},
};

/// A warning for each variable that somebody expects something of, in vain.
pub fn warnings(environment: &Environment) -> Vec<Warning> {
    environment.iter().filter_map(|(name, _)| warning(name)).map(Warning).collect()
}

fn warning(name: &str) -> Option<String> {
    if is_planned(name) {
        return Some(format!("{name} is not supported by this version; ignored"));
    }
    let stem = stem(name)?;
    if Setting::known_as(name).is_some() {
        return None;
    }
    let advice = match nearest(stem) {
        Some(known) => format!("did you mean {}?", known.spelled_like(name)),
        None => "see thrust --help".to_owned(),
    };
    let name = shown(name);
    Some(format!("{} is not a setting; ignored ({advice})", name.trim_matches('"')))
}

fn is_planned(name: &str) -> bool {
    let prefixed = name.strip_prefix(THRUSTER_PREFIX);
    PLANNED.iter().any(|(canonical, alias)| *canonical == name || (alias.is_some() && *alias == prefixed))
}

/// The name without the prefix that makes it look like ours.
fn stem(name: &str) -> Option<&str> {
    name.strip_prefix(PREFIX).or_else(|| name.strip_prefix(THRUSTER_PREFIX))
}

/// A known name, by its canonical form or by its alias.
#[derive(Debug, Clone, Copy)]
struct Known {
    canonical: &'static str,
    alias: Option<&'static str>,
}

impl Known {
    /// What is left of it when the prefix is taken off.
    fn stem(self) -> &'static str {
        self.alias.unwrap_or(self.canonical.strip_prefix(PREFIX).unwrap_or(self.canonical))
    }

    /// The known name to suggest to somebody who wrote `name`: Thruster's prefix is kept where its alias was
    /// meant.
    fn spelled_like(self, name: &str) -> String {
        match self.alias {
            Some(alias) if name.starts_with(THRUSTER_PREFIX) => format!("{THRUSTER_PREFIX}{alias}"),
            _ => self.canonical.to_owned(),
        }
    }
}

/// The known name that `stem` is most like, unless it is like none.
fn nearest(stem: &str) -> Option<Known> {
    let rows = SETTINGS.iter().map(|setting| (setting.name, setting.alias)).chain(PLANNED.iter().copied());
    let known = rows.flat_map(|(canonical, alias)| {
        let by_alias = alias.map(|_| Known { canonical, alias });
        [Known { canonical, alias: None }].into_iter().chain(by_alias)
    });
    let (distance, known) =
        known.map(|known| (distance(stem, known.stem()), known)).min_by_key(|(distance, _)| *distance)?;
    (distance <= known.stem().len() / 2).then_some(known)
}

/// Levenshtein's distance, blind to case: how many bytes are to be changed, added or left out.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let changed = diagonal + usize::from(!a.eq_ignore_ascii_case(&b));
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (one, other, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("BIND", "BNID", 2),
            ("BIND", "BIN", 1),
            ("A", "B", 1),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn the_nearest_known_name_is_suggested() {
        for (written, suggested) in [
            ("THRUST_BIDN", "THRUST_BIND"),
            ("THRUST_PORT", "PORT"),
            ("THRUST_TARGET_PORT", "THRUST_WORKER_PORT"),
            ("THRUSTER_TARGT_PORT", "THRUSTER_TARGET_PORT"),
            ("THRUSTER_BIND", "THRUST_BIND"),
            ("THRUSTER_WORKER_PORT", "THRUST_WORKER_PORT"),
            ("THRUST_WRITE_TIMOUT", "THRUST_WRITE_TIMEOUT"),
            ("THRUST_DEBUG", "THRUST_LOG_LEVEL"),
            ("THRUST_CACHE_SIZ", "THRUST_CACHE_SIZE"),
            ("THRUST_bind", "THRUST_BIND"),
        ] {
            let expected = format!("{written} is not a setting; ignored (did you mean {suggested}?)");
            assert_eq!(warning(written), Some(expected));
        }
    }

    #[test]
    fn what_is_like_nothing_gets_no_suggestion() {
        let odd = warning("THRUST_QXQXQXQXQXQXQX");
        assert_eq!(
            odd.as_deref(),
            Some("THRUST_QXQXQXQXQXQXQX is not a setting; ignored (see thrust --help)")
        );
    }

    #[test]
    fn a_strange_name_is_escaped_and_bounded() {
        let text = warning(&format!("THRUST_\u{1b}[31m{}", "x".repeat(10_000))).unwrap_or_default();
        assert!(text.starts_with("THRUST_\\u{1b}[31m") && text.len() < 200, "{text}");
    }

    #[test]
    fn known_names_and_those_of_the_application_get_no_warning() {
        for name in SETTINGS.iter().flat_map(Setting::names) {
            assert_eq!(warning(&name), None);
        }
        for name in ["CACHE_SIZE", "STORAGE_PATH", "HTTPS_PORT", "THRUST", "THRUSTFUL", "PATH"] {
            assert_eq!(warning(name), None);
        }
    }

    #[test]
    fn planned_names_get_a_warning() {
        for name in [
            "THRUST_ACME_DIRECTORY",
            "THRUSTER_ACME_DIRECTORY",
            "TLS_DOMAIN",
            "THRUSTER_TLS_DOMAIN",
            "SSL_CERT_PATH",
            "SSL_KEY_PATH",
            "THRUST_HTTP2",
            "THRUST_REDIRECT_PORT",
        ] {
            assert_eq!(warning(name), Some(format!("{name} is not supported by this version; ignored")));
        }
    }
}
