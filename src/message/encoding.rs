//! Content codings, and which of them a client wants (RFC 9110 §8.4.1, §12.5.3).

use http::HeaderValue;

/// A content coding that bodies are sent in. Where there is none, they are sent as they are (`identity`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// RFC 8878.
    Zstd,
    /// RFC 7932.
    Brotli,
    /// RFC 1952.
    Gzip,
}

/// The encodings that are offered, the best first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offer([Option<Encoding>; 3]);

impl Encoding {
    /// All of them, in the order of their declaration: `encoding as usize` is its place here.
    pub const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// Its name in `Content-Encoding`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// The same as a field's value.
    pub fn value(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }
}

impl Offer {
    /// These, the best first. One that comes again is left out.
    pub fn new(encodings: impl IntoIterator<Item = Encoding>) -> Self {
        let mut offer = Self::default();
        for encoding in encodings {
            let place = offer.0.iter().position(|taken| taken.is_none_or(|taken| taken == encoding));
            // There are no more encodings than places.
            place.into_iter().for_each(|place| offer.0[place] = Some(encoding));
        }
        offer
    }

    /// Whether there is nothing on offer.
    pub fn is_empty(&self) -> bool {
        self.0[0].is_none()
    }

    /// The encodings, the best first.
    pub fn iter(&self) -> impl Iterator<Item = Encoding> {
        self.0.into_iter().flatten()
    }
}
