//! Reads chosen variables one by one and keeps what is wrong with them, so that one report can name it all.

use super::{
    env::{Environment, NOT_UTF8, Variable},
    report::{Fault, Warning, shown},
    settings::{Facts, Setting},
    values::{self, Invalid, Parsed},
};

/// What is shown of a secret.
const MASK: &str = "***";

/// Reads values; remembers faults, warnings, and where each value came from.
#[derive(Debug)]
pub struct Reader<'a> {
    environment: &'a Environment,
    facts: Facts,
    /// Values that cannot be taken.
    pub faults: Vec<Fault>,
    /// Values that were left out.
    pub warnings: Vec<Warning>,
    /// Values that were taken.
    pub taken: Vec<Taken>,
}

/// A value that holds, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Canonical name of the setting.
    pub setting: &'static str,
    /// The value, as canonical text; of a secret its mask.
    pub value: String,
    /// Name of the variable as it was set; `None` is the default.
    pub variable: Option<String>,
}

impl<'a> Reader<'a> {
    /// A reader of this environment.
    pub fn new(environment: &'a Environment, facts: Facts) -> Self {
        Self { environment, facts, faults: Vec::new(), warnings: Vec::new(), taken: Vec::new() }
    }

    /// A setting that always has a value. After a fault it is the default, so that reading can go on.
    pub fn value<T>(&mut self, variable: Variable, parse: fn(&str) -> Parsed<T>) -> T {
        let default = variable.setting.default(self.facts);
        #[allow(clippy::expect_used)] // a row of our own table; a test reads every default
        self.read(variable, parse).unwrap_or_else(|| parse(default).expect("a default that is a value"))
    }

    /// A setting that may have none.
    pub fn optional<T>(&mut self, variable: Option<Variable>, parse: fn(&str) -> Parsed<T>) -> Option<T> {
        self.read(variable?, parse)
    }

    /// The value of a variable that is no setting of ours, where it is set.
    pub fn foreign(&self, name: &str) -> Option<&'a str> {
        self.environment.get(name)
    }

    /// Adds a fault that lies between settings.
    pub fn fault(&mut self, text: String) {
        self.faults.push(Fault(text));
    }

    /// The value that was taken for a setting, unless there is none or it was a fault.
    pub fn taken(&self, setting: &str) -> Option<&Taken> {
        self.taken.iter().find(|taken| taken.setting == setting)
    }

    /// The name of the variable that a setting was taken from, as it was written, where one was set.
    pub fn variable(&self, setting: &str) -> Option<&str> {
        self.taken(setting)?.variable.as_deref()
    }

    fn read<T>(&mut self, variable: Variable, parse: fn(&str) -> Parsed<T>) -> Option<T> {
        let Variable { setting, name, value } = variable;
        let read = canonical(setting, &name, &value).and_then(|text| Ok((parse(text)?, text)));
        let Invalid(why) = match read {
            Ok((parsed, text)) => {
                let variable = self.environment.sets(&name).then_some(name);
                let value = if setting.secret { MASK } else { text }.to_owned();
                self.taken.push(Taken { setting: setting.name, value, variable });
                return Some(parsed);
            }
            Err(invalid) => invalid,
        };
        let shown = if setting.secret { MASK.to_owned() } else { shown(&value) };
        let text = format!("{name}: {shown} {why}");
        if !setting.is_borrowed(&name) {
            self.faults.push(Fault(text));
            return None;
        }
        self.warnings.push(Warning(format!("{text}; ignored, since it may be the application's own")));
        let next = self.environment.choose(setting, Some(&name), self.facts)?;
        self.read(next, parse)
    }
}

/// The text that the canonical name would have, where this is a boolean alias of something else.
fn canonical<'a>(setting: &'static Setting, name: &str, value: &'a str) -> Parsed<&'a str> {
    if value.contains(NOT_UTF8) {
        return Err(Invalid("is not text in UTF-8".into()));
    }
    match setting.flag {
        Some(flag) if name != setting.name => {
            values::boolean(value).map(|on| if on { flag.on } else { flag.off })
        }
        _ => Ok(value),
    }
}
