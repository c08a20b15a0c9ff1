//! The figures as they are committed, and what has changed since.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// A part may grow by as many percent before it fails; where it has shrunk by as many the figure is old.
const TOLERANCE: u64 = 5;

/// Instructions by part, and what they were counted with.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub setting: String,
    pub parts: BTreeMap<String, u64>,
}

impl Figures {
    /// Reads what its `Display` has written: the setting is the last of the lines that begin with `#`. `None` where a line
    /// is no figure.
    pub fn read(text: &str) -> Option<Self> {
        let mut figures = Self::default();
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix('#') {
                figures.setting = comment.trim().to_owned();
            } else {
                let (part, count) = line.split_once(' ')?;
                figures.parts.insert(part.to_owned(), count.trim().parse().ok()?);
            }
        }
        Some(figures)
    }

    /// What became of each part until now.
    pub fn changes(&self, now: &Self) -> Vec<Change> {
        let names: BTreeSet<_> = self.parts.keys().chain(now.parts.keys()).collect();
        let get = |figures: &Self, name: &String| figures.parts.get(name).copied();
        names
            .into_iter()
            .map(|name| Change { part: name.clone(), then: get(self, name), now: get(now, name) })
            .collect()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# Instructions of each part; bin/instructions --renew writes this file. It was counted with"
        )?;
        writeln!(f, "# {}", self.setting)?;
        self.parts.iter().try_for_each(|(part, count)| writeln!(f, "{part:WIDTH$}{count:>8}"))
    }
}

/// Room for a part's name.
const WIDTH: usize = 24;

/// A part's figures; one is missing where the part is new, or gone.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    pub part: String,
    pub then: Option<u64>,
    pub now: Option<u64>,
}

impl Change {
    /// What there is to say about it, if anything.
    pub fn verdict(&self) -> Option<&'static str> {
        match (self.then, self.now) {
            (None, _) => Some("new"),
            (_, None) => Some("gone"),
            (Some(then), Some(now)) if now * 100 > then * (100 + TOLERANCE) => Some("grew"),
            (Some(then), Some(now)) if now * 100 < then * (100 - TOLERANCE) => Some("shrank"),
            _ => None,
        }
    }

    /// Whether that is a failure: nobody need be held up for being better than is written.
    pub fn fails(&self) -> bool {
        self.verdict().is_some_and(|verdict| verdict != "shrank")
    }

    fn percent(&self) -> Option<f64> {
        let (then, now) = (self.then? as f64, self.now? as f64);
        Some((now - then) / then * 100.0)
    }
}

/// A line for each part.
pub fn table(changes: &[Change]) -> String {
    let number = |count: Option<u64>| count.map_or("-".into(), |count| count.to_string());
    let line = |change: &Change| {
        let percent = change.percent().map_or("-".into(), |percent| format!("{percent:+.1} %"));
        let (then, now) = (number(change.then), number(change.now));
        let verdict = change.verdict().unwrap_or_default();
        let line = format!("{:WIDTH$}{then:>10}{now:>10}{percent:>10}  {verdict}", change.part);
        line.trim_end().to_owned() + "\n"
    };
    let head = format!("{:WIDTH$}{:>10}{:>10}{:>10}\n", "part", "committed", "now", "change");
    head + &changes.iter().map(line).collect::<String>()
}
