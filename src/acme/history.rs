//! What was tried for a domain, and how it went: kept in the folder, so that a restart forgets nothing that a CA counts.

use super::{
    challenge::Method,
    renew::{Kind, Pace},
};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};

/// How many validations of a name may fail within [`Pace::window`]: the limit of Let's Encrypt.
const FAILED_VALIDATIONS: usize = 5;

/// One domain's past.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// Attempts that have failed since the last one that did not.
    failures: u32,
    /// When the next one may be made.
    retry_at: Option<SystemTime>,
    /// When validations failed, as far as that still counts.
    refused: Vec<SystemTime>,
    /// When the current certificate was obtained.
    obtained: Option<SystemTime>,
    /// How it was, which is how the next one is tried first.
    method: Option<Method>,
}

impl History {
    /// Not before this may be tried again. A time that is further away than any pause is the mark of a clock that was wrong,
    /// and is none.
    pub fn retry_at(&self, now: SystemTime, pace: &Pace) -> Option<SystemTime> {
        self.retry_at.filter(|at| *at <= now + longest(pace))
    }

    /// When the current certificate was obtained. A time to come is the mark of a clock that was wrong, and is none: as long as
    /// it is to come, the certificate would always be a new one.
    pub fn obtained(&self, now: SystemTime) -> Option<SystemTime> {
        self.obtained.filter(|at| *at <= now)
    }

    /// Whether the last attempt failed.
    pub fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// How to prove that the domain is ours: what worked last, then the other. While that fails, one at a time in turns,
    /// since each failure counts.
    pub fn methods(&self) -> &'static [Method] {
        const IN_TURN: [Method; 3] = [Method::Http01, Method::TlsAlpn01, Method::Http01];
        let first = usize::from(self.method == Some(Method::TlsAlpn01));
        match self.failures {
            0 => &IN_TURN[first..first + 2],
            failures if (first + failures as usize).is_multiple_of(2) => &IN_TURN[..1],
            _ => &IN_TURN[1..2],
        }
    }

    /// Whether another validation may fail now.
    pub fn has_room(&self, now: SystemTime, pace: &Pace) -> bool {
        self.room_at(now, pace).is_none()
    }

    /// A validation has failed.
    pub fn validation_failed(&mut self, now: SystemTime, pace: &Pace) {
        self.refused.retain(|at| counts(*at, now, pace));
        self.refused.push(now);
    }

    /// An attempt has failed. The CA may have named a time before which it does not want another; it is asked all the same
    /// once the longest pause is over.
    pub fn failed(
        &mut self,
        now: SystemTime,
        kind: Kind,
        asked: Option<SystemTime>,
        pace: &Pace,
        random: f64,
    ) {
        self.failures = self.failures.saturating_add(1);
        let pause = now + pace.pause(self.failures, kind, random);
        let latest = [Some(pause), asked, self.room_at(now, pace)].into_iter().flatten().max();
        self.retry_at = latest.map(|at| at.min(now + longest(pace)));
    }

    /// There is a certificate. What the CA has counted it goes on counting.
    pub fn succeeded(&mut self, now: SystemTime, method: Method) {
        self.failures = 0;
        self.retry_at = None;
        self.obtained = Some(now);
        self.method = Some(method);
    }

    /// When another validation may fail, if that is not now.
    fn room_at(&self, now: SystemTime, pace: &Pace) -> Option<SystemTime> {
        let mut counted: Vec<_> = self.refused.iter().copied().filter(|at| counts(*at, now, pace)).collect();
        counted.sort_unstable();
        // When this one no longer counts, there are fewer than the limit.
        let first = counted.len().checked_sub(FAILED_VALIDATIONS)?;
        Some(counted[first] + pace.window)
    }
}

/// No pause is longer.
fn longest(pace: &Pace) -> Duration {
    pace.most.max(pace.window)
}

/// Whether a failed validation still counts.
fn counts(at: SystemTime, now: SystemTime, pace: &Pace) -> bool {
    now.duration_since(at).is_ok_and(|age| age < pace.window)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Method::{Http01, TlsAlpn01};

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    #[test]
    fn never_more_than_five_validations_fail_within_an_hour() {
        for random in [0.0, 0.3, 1.0] {
            let (mut history, pace, mut now, mut failed) =
                (History::default(), Pace::default(), at(0), vec![]);
            while now < at(72 * 3600) {
                for _ in history.methods() {
                    if history.has_room(now, &pace) {
                        history.validation_failed(now, &pace);
                        failed.push(now);
                    }
                }
                history.failed(now, Kind::Refusal, None, &pace, random);
                now = history.retry_at(now, &pace).unwrap();
            }
            assert!(failed.len() > 12, "{} attempts are too few", failed.len());
            for six in failed.windows(6) {
                assert!(six[5].duration_since(six[0]).unwrap() >= pace.window, "{random}");
            }
        }
    }

    #[test]
    fn the_first_attempt_falls_back_and_later_ones_take_turns() {
        let tried = |failures, method| History { failures, method, ..History::default() }.methods();
        for (failures, method, expected) in [
            (0, None, &[Http01, TlsAlpn01] as &[_]),
            (0, Some(Http01), &[Http01, TlsAlpn01]),
            (0, Some(TlsAlpn01), &[TlsAlpn01, Http01]),
            (1, None, &[TlsAlpn01]),
            (2, None, &[Http01]),
            (1, Some(TlsAlpn01), &[Http01]),
            (2, Some(TlsAlpn01), &[TlsAlpn01]),
        ] {
            assert_eq!(tried(failures, method), expected, "{failures} {method:?}");
        }
    }

    #[test]
    fn a_time_that_the_ca_names_is_waited_for() {
        let (mut history, pace) = (History::default(), Pace::default());
        history.failed(at(0), Kind::Refusal, Some(at(7200)), &pace, 0.0);
        assert_eq!(history.retry_at(at(0), &pace), Some(at(7200)));
        history.failed(at(7200), Kind::Trouble, Some(at(0)), &pace, 0.0);
        assert_eq!(history.retry_at(at(7200), &pace), Some(at(7220)), "one that has passed");
        history.failed(at(7220), Kind::Refusal, Some(at(1_000_000)), &pace, 0.0);
        assert_eq!(history.retry_at(at(7220), &pace), Some(at(7220 + 6 * 3600)), "one in a week");
    }

    #[test]
    fn a_clock_that_was_wrong_does_not_stop_us_for_years() {
        let (mut history, pace) = (History::default(), Pace::default());
        let future = at(1_000_000_000);
        history.failed(future, Kind::Trouble, None, &pace, 0.0);
        history.validation_failed(future, &pace);
        assert_eq!(history.retry_at(at(0), &pace), None);
        history.succeeded(future, Http01);
        assert_eq!(history.obtained(at(0)), None);
        assert_eq!(history.obtained(future), Some(future));
    }

    #[test]
    fn success_ends_the_pauses_and_is_written_down() {
        let (mut history, pace) = (History::default(), Pace::default());
        history.validation_failed(at(0), &pace);
        history.failed(at(0), Kind::Refusal, None, &pace, 0.0);
        assert!(history.is_failing());
        history.succeeded(at(20), TlsAlpn01);
        assert!(!history.is_failing());
        assert_eq!(history.retry_at(at(20), &pace), None);
        let text = serde_json::to_string(&history).unwrap();
        assert_eq!(serde_json::from_str::<History>(&text).unwrap(), history);
        assert_eq!(serde_json::from_str::<History>("{}").unwrap(), History::default());
    }
}
