//! What a hit's header says that changes with time, made once a second for all of them.

use super::Status;
use http::HeaderValue;
use std::sync::{Mutex, PoisonError};

/// The values of `Age` and `Cache-Status` that hits within the same second share.
#[derive(Debug, Default)]
pub struct Told(Mutex<Option<Values>>);

#[derive(Debug, Clone)]
struct Values {
    seconds: u64,
    age: HeaderValue,
    status: HeaderValue,
}

impl Told {
    /// `Age`, and `Cache-Status` of a plain hit, at this age in seconds. The time to live must follow from the age.
    pub fn at(&self, seconds: u64, ttl: i64) -> (HeaderValue, HeaderValue) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Values { age, status, .. } = match &mut *held {
            Some(values) if values.seconds == seconds => values.clone(),
            stale => stale
                .insert(Values {
                    seconds,
                    age: HeaderValue::from(seconds),
                    status: Status::hit().value(Some(ttl)),
                })
                .clone(),
        };
        (age, status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_own() {
        let told = Told::default();
        for (seconds, ttl, status) in [(3, 57, "thrust; hit; ttl=57"), (4, 56, "thrust; hit; ttl=56")] {
            for _ in 0..2 {
                let (age, told) = told.at(seconds, ttl);
                assert_eq!((age, told), (HeaderValue::from(seconds), HeaderValue::from_static(status)));
            }
        }
    }
}
