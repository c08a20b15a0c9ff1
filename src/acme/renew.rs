//! When to renew, and when to try again: pure functions of times and of random numbers, which are from 0 to 1.

use std::time::{Duration, SystemTime};

/// Between two questions about a certificate's renewal window, where the CA names no time (RFC 9773 §4.3.2).
pub const ASK_EVERY: Duration = Duration::from_secs(6 * 3600);
/// However soon the CA wants to be asked again.
const ASK_SOONEST: Duration = Duration::from_secs(60);
/// However late.
const ASK_LATEST: Duration = Duration::from_secs(24 * 3600);
/// Whatever a CA says, a certificate serves this long, or a third of its lifetime, before the next is ordered.
const SERVES_AT_LEAST: Duration = Duration::from_secs(3600);

/// From when until when a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First moment.
    pub not_before: SystemTime,
    /// Last moment.
    pub not_after: SystemTime,
}

impl Validity {
    fn lifetime(&self) -> Duration {
        self.not_after.duration_since(self.not_before).unwrap_or_default()
    }
}

/// When the CA would like a certificate to be renewed (RFC 9773 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Not before.
    pub start: SystemTime,
    /// Not after.
    pub end: SystemTime,
}

/// At two thirds of the lifetime, or up to a twentieth of the lifetime earlier, so that not all renew at once.
pub fn by_lifetime(validity: Validity, random: f64) -> SystemTime {
    let lifetime = validity.lifetime();
    validity.not_before + (lifetime * 2 / 3).saturating_sub((lifetime / 20).mul_f64(random))
}

/// At a random time within the window. None where it ends before it starts, which counts as none (RFC 9773 §4.2).
pub fn by_window(window: Window, random: f64) -> Option<SystemTime> {
    let length = window.end.duration_since(window.start).ok().filter(|length| !length.is_zero())?;
    Some(window.start + length.mul_f64(random))
}

/// Not before this is a certificate renewed that was obtained then, whatever its dates or the CA say: a wrong clock would
/// have us order without end.
pub fn soonest(validity: Validity, obtained: SystemTime, window: bool) -> SystemTime {
    let third = validity.lifetime() / 3;
    obtained + if window { third.min(SERVES_AT_LEAST) } else { third }
}

/// How long until the CA is asked again for a window, given what its `Retry-After` says (RFC 9773 §4.3.1).
pub fn ask_again(after: Duration) -> Duration {
    after.clamp(ASK_SOONEST, ASK_LATEST)
}

/// How long to wait when something fails, and between two looks at the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// After the first failure.
    pub first: Duration,
    /// The longest pause.
    pub most: Duration,
    /// How often the folder is looked at for what another process has obtained.
    pub poll: Duration,
    /// The time in which a CA counts failed validations, of which there are five at most.
    pub window: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(10),
            most: Duration::from_secs(6 * 3600),
            poll: Duration::from_secs(60),
            window: Duration::from_secs(3600),
        }
    }
}

/// What kind of failure to wait after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No answer, or none that makes sense: it costs nobody much to try again.
    Trouble,
    /// The CA has refused something, which it counts.
    Refusal,
}

impl Pace {
    /// The pause after so many failures in a row (one at least): 10, 20, 40 s … where nobody answers, 10 s, 1, 6, 36 min …
    /// where the CA refuses; up to a quarter longer by chance, six hours at most.
    pub fn pause(&self, failures: u32, kind: Kind, random: f64) -> Duration {
        let growth = match kind {
            Kind::Trouble => 2_u32,
            Kind::Refusal => 6,
        };
        let factor = growth.saturating_pow(failures.saturating_sub(1));
        self.first.saturating_mul(factor).min(self.most).mul_f64(1.0 + random / 4.0).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3600;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn validity(seconds: u64) -> Validity {
        Validity { not_before: at(1000), not_after: at(1000 + seconds) }
    }

    #[test]
    fn without_advice_it_is_renewed_before_two_thirds_of_the_lifetime() {
        for (lifetime, random, expected) in [
            (90 * DAY, 0.0, 60 * DAY),
            (90 * DAY, 1.0, 60 * DAY - 90 * DAY / 20),
            (6 * DAY, 0.0, 4 * DAY),
            (6 * DAY, 0.5, 4 * DAY - 6 * DAY / 40),
            (30, 0.0, 20),
            (0, 0.5, 0),
        ] {
            assert_eq!(by_lifetime(validity(lifetime), random), at(1000 + expected), "{lifetime} {random}");
        }
        let odd = Validity { not_before: at(1000), not_after: at(10) };
        assert_eq!(by_lifetime(odd, 0.5), at(1000), "one that ends before it begins");
    }

    #[test]
    fn a_window_is_used_anywhere_within() {
        let window = Window { start: at(1000), end: at(2000) };
        for (random, expected) in [(0.0, 1000), (0.25, 1250), (1.0, 2000)] {
            assert_eq!(by_window(window, random), Some(at(expected)));
        }
        assert_eq!(by_window(Window { start: at(2000), end: at(1000) }, 0.5), None);
        assert_eq!(by_window(Window { start: at(2000), end: at(2000) }, 0.5), None);
    }

    #[test]
    fn a_certificate_serves_a_while_before_the_next_is_ordered() {
        assert_eq!(soonest(validity(90 * DAY), at(5000), false), at(5000 + 30 * DAY));
        assert_eq!(soonest(validity(90 * DAY), at(5000), true), at(5000 + 3600));
        assert_eq!(soonest(validity(30), at(5000), true), at(5010));
    }

    #[test]
    fn the_ca_is_asked_neither_too_often_nor_too_seldom() {
        for (after, expected) in [(0, 60), (60, 60), (21_600, 21_600), (10 * DAY, DAY)] {
            assert_eq!(ask_again(Duration::from_secs(after)), Duration::from_secs(expected));
        }
    }

    #[test]
    fn pauses_grow_to_six_hours() {
        let pace = Pace::default();
        for (failures, kind, random, expected) in [
            (1, Kind::Trouble, 0.0, 10.0),
            (1, Kind::Trouble, 1.0, 12.5),
            (2, Kind::Trouble, 0.0, 20.0),
            (5, Kind::Trouble, 0.0, 160.0),
            (1, Kind::Refusal, 0.0, 10.0),
            (2, Kind::Refusal, 0.0, 60.0),
            (4, Kind::Refusal, 0.0, 2160.0),
            (6, Kind::Refusal, 0.0, 21_600.0),
            (u32::MAX, Kind::Trouble, 1.0, 21_600.0),
            (0, Kind::Refusal, 0.0, 10.0),
        ] {
            let pause = pace.pause(failures, kind, random);
            assert_eq!(pause, Duration::from_secs_f64(expected), "{failures} {kind:?} {random}");
        }
    }
}
