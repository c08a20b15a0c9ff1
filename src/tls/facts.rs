//! What a certificate says of itself (RFC 5280 §4.1).

use std::{
    fmt,
    time::{Duration, SystemTime},
};
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, prelude::FromDer as _, time::ASN1Time,
};

/// When a certificate is valid, and for which names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// It is not valid before this.
    pub not_before: SystemTime,
    /// It is not valid after this.
    pub not_after: SystemTime,
    /// Its DNS names, as they are written; `*.` may be in front.
    pub names: Vec<String>,
}

/// A certificate that clients will not accept at this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untimely {
    /// It was valid until then.
    Expired(SystemTime),
    /// It becomes valid then.
    NotYet(SystemTime),
}

impl Facts {
    /// Reads one certificate; `None` where this is none.
    pub fn read(der: &[u8]) -> Option<Self> {
        parse(der).map(|certificate| Self::of(&certificate))
    }

    /// Whether it is too late for this certificate, or too early.
    pub fn untimely(&self, now: SystemTime) -> Option<Untimely> {
        if now > self.not_after {
            Some(Untimely::Expired(self.not_after))
        } else {
            (now < self.not_before).then_some(Untimely::NotYet(self.not_before))
        }
    }

    pub(super) fn of(certificate: &X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.iter().flat_map(|extension| &extension.value.general_names);
        let dns = |name: &GeneralName<'_>| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        };
        Self {
            not_before: system_time(validity.not_before),
            not_after: system_time(validity.not_after),
            names: names.filter_map(dns).collect(),
        }
    }
}

impl fmt::Display for Untimely {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired(time) => write!(f, "the certificate expired on {}", Date(*time)),
            Self::NotYet(time) => write!(f, "the certificate is not valid before {}", Date(*time)),
        }
    }
}

/// A certificate, with nothing behind it.
pub(super) fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    rest.is_empty().then_some(certificate)
}

/// A time as HTTP writes it, which knows no year beyond 9999; neither does X.509.
struct Date(SystemTime);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What lies before 1970 is not what anybody wants to know more exactly.
        httpdate::HttpDate::from(self.0.max(SystemTime::UNIX_EPOCH)).fmt(f)
    }
}

fn system_time(time: ASN1Time) -> SystemTime {
    let seconds = time.timestamp();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    let time = if seconds < 0 { epoch.checked_sub(distance) } else { epoch.checked_add(distance) };
    time.unwrap_or(epoch)
}

#[cfg(test)]
mod tests {
    use super::{super::testing::Recipe, *};

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn dates_and_names_are_read() {
        let (from, until) = (SystemTime::UNIX_EPOCH + DAY, SystemTime::UNIX_EPOCH + 30_000 * DAY);
        let made = Recipe::new(&["example.com", "*.example.com"]).valid(from, until).make();
        let facts = Facts::read(&made.der).unwrap();
        assert_eq!((facts.not_before, facts.not_after), (from, until));
        assert_eq!(facts.names, ["example.com", "*.example.com"]);
        for (now, expected) in [
            (from - DAY / 2, Some(Untimely::NotYet(from))),
            (from, None),
            (until, None),
            (until + DAY / 2, Some(Untimely::Expired(until))),
        ] {
            assert_eq!(facts.untimely(now), expected);
        }
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        let der = Recipe::new(&["a.example"]).make().der;
        assert!(Facts::read(&der).is_some());
        assert_eq!(Facts::read(&der[..der.len() - 1]), None);
        assert_eq!(Facts::read(&[&der[..], b"x"].concat()), None);
        assert_eq!(Facts::read(b""), None);
    }

    #[test]
    fn a_warning_names_the_day() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        assert_eq!(
            Untimely::Expired(time).to_string(),
            "the certificate expired on Sun, 09 Sep 2001 01:46:40 GMT"
        );
    }
}
