//! Why something is not stored, or not answered from what is stored.

/// Each reason has one name, which is the same in the log and in `Cache-Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The method is neither GET nor HEAD.
    Method,
    /// A HEAD for which no response to a GET is stored.
    Head,
    /// The request has a body.
    RequestBody,
    /// A range of something that is not stored.
    Range,
    /// A precondition that only the application can judge (RFC 9111 §4.3.2).
    Precondition,
    /// The client asked that nothing be stored (RFC 9111 §5.2.1.5).
    RequestNoStore,
    /// The response's status says that it is not worth it, or not safe.
    Status,
    /// A 304: it says nothing but to whom already has the response.
    NotModified,
    /// `no-store` (RFC 9111 §5.2.2.5).
    NoStore,
    /// `private` (RFC 9111 §5.2.2.7).
    Private,
    /// It answers credentials and does not say that it is for everybody (RFC 9111 §3.5).
    Authorization,
    /// It answers a cookie, would have to be validated each time, and does not say that it is for everybody.
    Cookie,
    /// It sets a cookie and does not say that it is for everybody.
    SetCookie,
    /// It says nothing of how long it is fresh.
    NoLifetime,
    /// It is stale already, and nothing in it can be validated.
    Stale,
    /// `Vary: *`, or more fields than are compared.
    Vary,
    /// Its body is larger than an item may be.
    TooLarge,
    /// Nobody could tell whether its body is complete.
    NoLength,
    /// A response before it was not for the cache; this one may be, and the next one will be looked at more closely.
    Remembered,
    /// Its body broke off.
    BrokenOff,
    /// Too many bodies are being stored at this moment.
    Busy,
}

impl Reason {
    /// Whether it is likely to hold for the next response, too, whoever asks: nobody should wait for that.
    pub fn is_lasting(self) -> bool {
        !matches!(self, Self::NotModified | Self::Authorization | Self::Range | Self::BrokenOff | Self::Busy)
    }

    /// Whether the worker no longer wants stored what it has sent before. Its failure does not say that.
    pub fn withdraws(self) -> bool {
        self.is_lasting() && self != Self::Status
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Head => "head",
            Self::RequestBody => "request-body",
            Self::Range => "range",
            Self::Precondition => "precondition",
            Self::RequestNoStore => "request-no-store",
            Self::Status => "status",
            Self::NotModified => "not-modified",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::Authorization => "authorization",
            Self::Cookie => "cookie",
            Self::SetCookie => "set-cookie",
            Self::NoLifetime => "no-lifetime",
            Self::Stale => "stale",
            Self::Vary => "vary",
            Self::TooLarge => "too-large",
            Self::NoLength => "no-length",
            Self::Remembered => "remembered",
            Self::BrokenOff => "broken-off",
            Self::Busy => "busy",
        }
    }
}
