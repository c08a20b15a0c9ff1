//! What is said in a case.

use super::{Difference, Difference::TheyUse};
use fastrand::Rng;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The largest number of seconds (RFC 9111 §1.2.2).
pub const MAX_DELTA: u64 = 1 << 31;
const STATUSES: [u16; 22] = [
    200, 203, 204, 206, 299, 300, 301, 302, 303, 304, 307, 308, 400, 403, 404, 405, 410, 414, 451, 500, 501,
    503,
];
const SECONDS: [u64; 9] = [0, 1, 2, 5, 10, 60, 600, (1 << 31) - 1, 5_000_000_000];

/// One directive, which no other of the same field has the name of.
#[derive(Debug, Clone, Copy)]
pub struct Directive {
    pub name: &'static str,
    pub argument: Argument,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Argument {
    Nothing,
    Seconds(u64),
    /// No number where there should be one.
    Garbage,
    /// Names of fields.
    Names,
}

/// A header field that holds something of this kind.
#[derive(Debug, Clone, Copy)]
pub enum Value<T> {
    Absent,
    Garbage,
    Sound(T),
}

/// A request, its response, and a later request.
#[derive(Debug)]
pub struct Case {
    pub is_asset: bool,
    pub authorization: bool,
    pub cookie: bool,
    pub status: u16,
    pub control: Option<Vec<Directive>>,
    pub targeted: Value<Vec<Directive>>,
    /// Seconds after the arrival.
    pub expires: Value<i64>,
    pub date: Value<i64>,
    pub age: Value<u64>,
    /// Seconds that the response took.
    pub delay: u64,
    pub etag: bool,
    pub last_modified: bool,
    pub set_cookie: bool,
    pub pragma: bool,
    pub later: Option<Vec<Directive>>,
    pub later_pragma: bool,
}

/// When the response arrived: 21 November 2026, 09:14:09.
pub fn answered() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_252_449)
}

/// Whether there is a directive of this name.
pub fn has(directives: &Option<Vec<Directive>>, name: &str) -> bool {
    directives.iter().flatten().any(|directive| directive.name == name)
}

fn seconds_of(directives: &[Directive], name: &str) -> Option<Argument> {
    directives.iter().find(|directive| directive.name == name).map(|directive| directive.argument)
}

impl Case {
    pub fn random(random: &mut Rng) -> Self {
        const RESPONSE: [(&str, u32); 12] = [
            ("max-age", 40),
            ("s-maxage", 20),
            ("public", 20),
            ("must-revalidate", 15),
            ("proxy-revalidate", 10),
            ("no-cache", 10),
            ("no-store", 6),
            ("private", 6),
            ("must-understand", 8),
            ("stale-while-revalidate", 10),
            ("stale-if-error", 10),
            ("immutable", 10),
        ];
        const REQUEST: [(&str, u32); 4] =
            [("max-age", 25), ("min-fresh", 25), ("max-stale", 50), ("no-cache", 8)];
        let seldom = |random: &mut Rng| random.u32(..8) == 0;
        let near = |random: &mut Rng| value(random, |random| random.i64(-100..100));
        Self {
            is_asset: random.u32(..3) == 0,
            authorization: seldom(random),
            cookie: random.bool(),
            status: if random.bool() { 200 } else { STATUSES[random.usize(..STATUSES.len())] },
            control: (random.u32(..6) > 0).then(|| directives(&RESPONSE, random)),
            targeted: match random.u32(..12) {
                0 => Value::Garbage,
                1 => Value::Sound(directives(&RESPONSE, random)),
                _ => Value::Absent,
            },
            expires: near(random),
            date: near(random),
            age: value(random, |random| random.u64(..80)),
            delay: if random.bool() { 0 } else { random.u64(..5) },
            etag: random.bool(),
            last_modified: random.bool(),
            set_cookie: seldom(random),
            pragma: seldom(random),
            later: random.bool().then(|| directives(&REQUEST, random)),
            later_pragma: seldom(random),
        }
    }

    pub fn target(&self) -> &'static str {
        if self.is_asset { "/assets/app-0f9e8d7c6b5a.js" } else { "/page" }
    }

    pub fn sent(&self) -> SystemTime {
        answered() - Duration::from_secs(self.delay)
    }

    /// What counts: CDN-Cache-Control, where it is sound (RFC 9213 §2.2).
    pub fn counts(&self) -> &[Directive] {
        match &self.targeted {
            Value::Sound(directives) => directives,
            _ => self.control.as_deref().unwrap_or_default(),
        }
    }

    pub fn is_targeted(&self) -> bool {
        matches!(self.targeted, Value::Sound(_))
    }

    pub fn says(&self, name: &str) -> bool {
        self.counts().iter().any(|directive| directive.name == name)
    }

    /// The number that the later request gives with this.
    pub fn wanted(&self, name: &str) -> Option<u64> {
        match seconds_of(self.later.as_deref()?, name)? {
            Argument::Seconds(seconds) => Some(seconds.min(MAX_DELTA)),
            _ => None,
        }
    }

    pub fn is_declared_public(&self) -> bool {
        has(&self.control, "public") || has(&self.control, "s-maxage")
    }

    pub fn has_validator(&self) -> bool {
        self.etag || self.last_modified
    }

    /// The explicit lifetime (RFC 9111 §4.2.1).
    pub fn lifetime(&self) -> Option<u64> {
        let number = |name| match seconds_of(self.counts(), name)? {
            Argument::Seconds(seconds) => Some(seconds.min(MAX_DELTA)),
            // Beside the type of a targeted field it is as if it were absent (RFC 9213 §2.1).
            _ => (!self.is_targeted()).then_some(0),
        };
        let expires = match (self.expires, self.date) {
            _ if self.is_targeted() => None,
            (Value::Absent, _) => None,
            (Value::Garbage, _) => Some(0),
            (Value::Sound(expires), Value::Sound(date)) => Some((expires - date).max(0).cast_unsigned()),
            (Value::Sound(expires), _) => Some(expires.max(0).cast_unsigned()),
        };
        let declared = number("s-maxage").or_else(|| number("max-age")).or(expires);
        declared.or(self.is_fingerprinted().then_some(31_536_000))
    }

    /// RFC 9111 §4.2.3.
    pub fn initial_age(&self) -> u64 {
        let apparent = if let Value::Sound(date) = self.date { (-date).max(0).cast_unsigned() } else { 0 };
        let age = if let Value::Sound(age) = self.age { age } else { 0 };
        apparent.max(age + self.delay)
    }

    /// Whether it needs validation from the beginning, or has never said for how long it needs none.
    pub fn is_never_fresh(&self) -> bool {
        self.says("no-cache") || self.lifetime().unwrap_or(0) <= self.initial_age()
    }

    pub fn only_they_use_stale(&self, difference: Difference) -> bool {
        matches!(difference, TheyUse { age } if self.lifetime().unwrap_or(0) <= age)
    }

    /// Says nothing of caching, and need not, being an asset whose name changes with its content.
    pub fn is_fingerprinted(&self) -> bool {
        let silent = self.control.is_none()
            && matches!((&self.targeted, self.expires), (Value::Absent, Value::Absent))
            && !(self.pragma || self.set_cookie);
        self.is_asset && self.status == 200 && silent && !self.authorization
    }

    /// Seconds after the arrival, the edges of everything among them.
    pub fn telling_times(&self, random: &mut Rng) -> Vec<u64> {
        let (age, lifetime) = (self.initial_age(), self.lifetime().unwrap_or(0));
        let wanted = |name| self.wanted(name).unwrap_or(0);
        let edges = [
            lifetime,
            lifetime + wanted("max-stale"),
            lifetime.saturating_sub(wanted("min-fresh")),
            wanted("max-age"),
        ];
        let around = edges.into_iter().flat_map(|edge| [edge.saturating_sub(1), edge, edge + 1]);
        let mut times: Vec<_> = around.filter_map(|edge| edge.checked_sub(age)).collect();
        times.extend([0, random.u64(..1000)]);
        times
    }
}

/// Some of these, each with its chance in percent, in any order.
fn directives(chances: &[(&'static str, u32)], random: &mut Rng) -> Vec<Directive> {
    let mut chosen: Vec<_> = chances.iter().filter(|(_, chance)| random.u32(..100) < *chance).collect();
    random.shuffle(&mut chosen);
    let argument = |name, random: &mut Rng| match name {
        "max-stale" if random.u32(..3) == 0 => Argument::Nothing,
        "private" | "no-cache" if random.u32(..3) == 0 => Argument::Names,
        "max-age" | "s-maxage" | "stale-while-revalidate" | "stale-if-error" | "min-fresh" | "max-stale" => {
            match random.u32(..12) {
                0 => Argument::Garbage,
                1 => Argument::Seconds(random.u64(..200)),
                _ => Argument::Seconds(SECONDS[random.usize(..SECONDS.len())]),
            }
        }
        _ => Argument::Nothing,
    };
    chosen.into_iter().map(|&(name, _)| Directive { name, argument: argument(name, random) }).collect()
}

fn value<T>(random: &mut Rng, sound: impl FnOnce(&mut Rng) -> T) -> Value<T> {
    match random.u32(..12) {
        0..8 => Value::Absent,
        8 => Value::Garbage,
        _ => Value::Sound(sound(random)),
    }
}
