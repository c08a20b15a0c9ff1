//! What a setting is: its names, its default and what changes that. [`SETTINGS`] has all of them.

pub use super::table::SETTINGS;

/// What every setting of ours starts with, but for `PORT`.
pub const PREFIX: &str = "THRUST_";

/// What Thruster's names may start with.
pub const THRUSTER_PREFIX: &str = "THRUSTER_";

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Canonical name.
    pub name: &'static str,
    /// Thruster's name for it, without a prefix.
    pub alias: Option<&'static str>,
    /// Where the alias is a boolean and the setting is not: what it stands for.
    pub flag: Option<Flag>,
    /// Value where nothing is set, as one would write it; empty is none.
    default: &'static str,
    /// The default that holds instead in some circumstance.
    special: Option<(When, &'static str)>,
    /// What it does, in Markdown.
    pub help: &'static str,
    /// Nobody is shown its value.
    pub secret: bool,
}

/// The canonical values that a boolean alias stands for.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// Where the alias is true.
    pub on: &'static str,
    /// Where it is false.
    pub off: &'static str,
}

/// Circumstances that change a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Standard output is a terminal.
    Terminal,
    /// TLS is asked for.
    Tls,
    /// TLS is asked for by Thruster's own name.
    ThrusterTls,
}

/// The circumstances that hold.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Standard output is a terminal.
    pub terminal: bool,
    /// TLS is asked for.
    pub tls: bool,
    /// TLS is asked for by Thruster's own name.
    pub thruster_tls: bool,
}

impl Facts {
    const fn hold(self, when: When) -> bool {
        match when {
            When::Terminal => self.terminal,
            When::Tls => self.tls,
            When::ThrusterTls => self.thruster_tls,
        }
    }
}

impl When {
    /// To be read after the default that holds then.
    const fn help(self) -> &'static str {
        match self {
            Self::Terminal => "on a terminal",
            Self::Tls => "where TLS is on",
            Self::ThrusterTls => "where TLS was asked for by Thruster's own name `TLS_DOMAIN`",
        }
    }
}

impl Setting {
    pub(super) const fn new(name: &'static str, default: &'static str, help: &'static str) -> Self {
        Self { name, alias: None, flag: None, default, special: None, help, secret: false }
    }

    pub(super) const fn alias(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }

    pub(super) const fn flag(mut self, on: &'static str, off: &'static str) -> Self {
        self.flag = Some(Flag { on, off });
        self
    }

    pub(super) const fn special(mut self, when: When, default: &'static str) -> Self {
        self.special = Some((when, default));
        self
    }

    pub(super) const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// The setting that a variable of this name sets, whether canonical or alias.
    pub fn known_as(name: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.names().iter().any(|known| known == name))
    }

    /// Every name that sets it; the first one set wins.
    ///
    /// A canonical name without our prefix (`PORT`) is one that platforms set for everybody: what was said to
    /// us alone goes before it.
    pub fn names(&self) -> Vec<String> {
        let ours = self.name.starts_with(PREFIX);
        let aliases = self.alias.into_iter().flat_map(|alias| {
            let prefixed = (!ours).then(|| format!("{PREFIX}{alias}"));
            prefixed.into_iter().chain([format!("{THRUSTER_PREFIX}{alias}"), alias.to_owned()])
        });
        let mut names: Vec<String> = aliases.collect();
        names.insert(if ours { 0 } else { names.len() }, self.name.to_owned());
        names
    }

    /// Whether a variable of this name may belong to the application: an alias without a prefix.
    pub fn is_borrowed(&self, name: &str) -> bool {
        self.alias == Some(name)
    }

    /// The value where nothing is set; empty is none.
    pub fn default(&self, facts: Facts) -> &'static str {
        match self.special {
            Some((when, default)) if facts.hold(when) => default,
            _ => self.default,
        }
    }

    /// The default as the table shows it, in Markdown; empty is none.
    pub fn default_help(&self) -> String {
        match self.special {
            Some((when, special)) => format!("`{}` (`{special}` {})", self.default, when.help()),
            None if self.default.is_empty() => String::new(),
            None => format!("`{}`", self.default),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn names(canonical: &str) -> Vec<String> {
        SETTINGS.iter().find(|setting| setting.name == canonical).map(Setting::names).unwrap_or_default()
    }

    #[test]
    fn the_canonical_name_goes_first() {
        assert_eq!(
            names("THRUST_WORKER_PORT"),
            ["THRUST_WORKER_PORT", "THRUSTER_TARGET_PORT", "TARGET_PORT"]
        );
        assert_eq!(names("THRUST_BIND"), ["THRUST_BIND"]);
    }

    #[test]
    fn port_which_platforms_set_for_everybody_goes_last() {
        assert_eq!(names("PORT"), ["THRUST_HTTP_PORT", "THRUSTER_HTTP_PORT", "HTTP_PORT", "PORT"]);
    }

    #[test]
    fn no_name_means_two_things() {
        let mut seen = BTreeSet::new();
        for name in SETTINGS.iter().flat_map(Setting::names) {
            assert!(seen.insert(name.clone()), "{name} is in the table twice");
        }
    }
}
