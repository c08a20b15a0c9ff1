//! Content codings, and which of them a client wants (RFC 9110 §8.4.1, §12.5.3).

use super::{Headers, field::weight};
use http::{HeaderValue, header};
use std::cell::RefCell;

/// Who lists more members than this in `Accept-Encoding` is sent bodies as they are.
const MAX_MEMBERS: usize = 32;
/// How many lines each thread remembers, and of what length in bytes at the most. Browsers send the same few again and again.
const LINES: usize = 8;
const LONGEST: usize = 64;

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

/// The encoding to answer a request in (RFC 9110 §12.5.3): of those on offer the one with the highest weight, the first of
/// several. `None` is the body as it is: where nothing on offer is wanted, or `identity` is listed with a higher weight;
/// refusing it with `q=0` changes nothing, since a body that nobody may have helps nobody.
///
/// Malformed members are as good as absent. Of a name that is listed several times the lowest weight counts.
pub fn choose(request: &Headers, offer: &Offer) -> Option<Encoding> {
    let weights = Weights::read(request)?;
    let mut best = (None, 0);
    for encoding in offer.iter() {
        let weight = weights.encodings[encoding as usize].or(weights.any).unwrap_or(0);
        if weight > best.1 {
            best = (Some(encoding), weight);
        }
    }
    let (encoding, weight) = best;
    encoding.filter(|_| weights.identity.is_none_or(|identity| identity <= weight))
}

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

    /// The one of this name, in any case; `x-gzip` is gzip (RFC 9110 §8.4.1.3).
    pub fn of_name(name: &[u8]) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let other = || is("x-gzip").then_some(Self::Gzip);
        Self::ALL.into_iter().find(|encoding| is(encoding.name())).or_else(other)
    }

    /// What the names of files in it end with.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Zstd => ".zst",
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
        }
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

    /// Whether this one is on offer.
    pub fn contains(&self, encoding: Encoding) -> bool {
        self.0.contains(&Some(encoding))
    }

    /// Those of them for which `keep` is true, in the same order.
    pub fn only(self, keep: impl Fn(Encoding) -> bool) -> Self {
        Self::new(self.iter().filter(|encoding| keep(*encoding)))
    }
}

/// What `Accept-Encoding` says, in thousandths; `None` for what it does not list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Weights {
    /// By `Encoding as usize`.
    encodings: [Option<u16>; 3],
    identity: Option<u16>,
    /// Of `*`: what is not listed.
    any: Option<u16>,
}

impl Weights {
    /// `None` where the list is too long.
    fn read(request: &Headers) -> Option<Self> {
        let mut lines = request.get_all(header::ACCEPT_ENCODING);
        match (lines.next(), lines.next()) {
            (Some(line), None) => Self::of_line(line.as_bytes()),
            _ => Self::of(request.get_all(header::ACCEPT_ENCODING).map(HeaderValue::as_bytes)),
        }
    }

    /// The same for one line, which is read only if another one has been read in its place since.
    fn of_line(line: &[u8]) -> Option<Self> {
        type Remembered = Option<(Box<[u8]>, Option<Weights>)>;
        thread_local! {
            static REMEMBERED: RefCell<[Remembered; LINES]> = const { RefCell::new([const { None }; LINES]) };
        }
        REMEMBERED.with_borrow_mut(|remembered| {
            let place = &mut remembered[line.len() % LINES];
            match place {
                Some((known, weights)) if **known == *line => *weights,
                _ => {
                    let weights = Self::of([line].into_iter());
                    *place = (line.len() <= LONGEST).then(|| (line.into(), weights));
                    weights
                }
            }
        })
    }

    fn of<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let mut members = lines.flat_map(|line| line.split(|&b| b == b','));
        let mut weights = Self::default();
        members.by_ref().take(MAX_MEMBERS).for_each(|member| weights.add(member));
        members.next().is_none().then_some(weights)
    }

    fn add(&mut self, member: &[u8]) {
        let (name, weight) = match member.iter().position(|&b| b == b';') {
            Some(end) => (&member[..end], weight(member[end + 1..].trim_ascii())),
            None => (member, Some(1000)),
        };
        if let Some(weight) = weight
            && let Some(listed) = self.listed(name.trim_ascii())
        {
            *listed = Some(listed.map_or(weight, |listed| listed.min(weight)));
        }
    }

    fn listed(&mut self, name: &[u8]) -> Option<&mut Option<u16>> {
        match Encoding::of_name(name) {
            Some(encoding) => Some(&mut self.encodings[encoding as usize]),
            None if name == b"*" => Some(&mut self.any),
            None if name.eq_ignore_ascii_case(b"identity") => Some(&mut self.identity),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Encoding::{Brotli, Gzip, Zstd};
    use super::*;

    fn accept(lines: &[&str]) -> Headers {
        let line = |line: &&str| (header::ACCEPT_ENCODING, HeaderValue::from_str(line).unwrap());
        lines.iter().map(line).collect()
    }

    fn chosen(line: &str, offer: impl IntoIterator<Item = Encoding>) -> Option<Encoding> {
        choose(&accept(&[line]), &Offer::new(offer))
    }

    /// RFC 9110 §12.5.3, with all on offer in our order.
    #[test]
    fn the_highest_weight_is_chosen() {
        for (line, expected) in [
            ("gzip, deflate, br, zstd", Some(Zstd)),
            ("gzip, deflate, br", Some(Brotli)),
            ("gzip, deflate", Some(Gzip)),
            ("gzip", Some(Gzip)),
            ("deflate, compress, dcb", None),
            ("", None),
            (" , ,", None),
            // Weights
            ("br;q=0.9, gzip;q=1.0, zstd;q=0.5", Some(Gzip)),
            ("zstd;q=0.998, br;q=0.999, gzip;q=0.001", Some(Brotli)),
            ("gzip;q=0.5, br;q=0.50", Some(Brotli)),
            ("br;q=1.000, gzip;q=0.001", Some(Brotli)),
            ("gzip;q=0.001", Some(Gzip)),
            // Never with 0
            ("gzip;q=0", None),
            ("zstd;q=0, br;q=0.0, gzip;q=0.000", None),
            ("gzip;q=0, br", Some(Brotli)),
            ("zstd;q=0, *", Some(Brotli)),
            // `*` is what is not listed
            ("*", Some(Zstd)),
            ("*;q=0.5, gzip", Some(Gzip)),
            ("gzip;q=0.4, *;q=0.5", Some(Zstd)),
            ("gzip, *;q=0", Some(Gzip)),
            ("*;q=0", None),
            // identity wins only by a higher weight of its own
            ("identity", None),
            ("gzip, identity", Some(Gzip)),
            ("gzip;q=0.5, identity", None),
            ("gzip;q=0.5, IDENTITY;q=0.6", None),
            ("gzip;q=0.5, identity;q=0.5", Some(Gzip)),
            ("gzip;q=0.1", Some(Gzip)),
            ("*;q=0.1, identity;q=0.2", None),
            ("identity;q=0", None),
            ("identity;q=0, gzip;q=0", None),
            ("identity;q=0, gzip;q=0.001", Some(Gzip)),
            ("identity;q=0, *;q=0.001", Some(Zstd)),
            // Case, white space, other names
            ("GZip;Q=0.5 , bR\t;\tq=0.4", Some(Gzip)),
            ("x-gzip", Some(Gzip)),
            ("X-GZIP;q=0.3, zstd;q=0.2", Some(Gzip)),
            ("gzip2, brotli, x-br", None),
            // Of a name listed twice the lower weight counts
            ("gzip, gzip;q=0", None),
            ("gzip;q=0, x-gzip", None),
            ("zstd;q=0.2, br;q=0.3, zstd", Some(Brotli)),
            ("*;q=0, *", None),
        ] {
            assert_eq!(chosen(line, Encoding::ALL), expected, "{line:?}");
        }
    }

    #[test]
    fn malformed_members_harm_nobody() {
        for bad in [
            "zstd;q=2",
            "zstd;q=1.001",
            "zstd;q=0.1234",
            "zstd;q=-1",
            "zstd;q=",
            "zstd;q",
            "zstd;q=1e1",
            "zstd;q=\"1\"",
            "zstd;q = 1",
            "zstd;",
            "zstd;level=3",
            "zstd;q=1;x=y",
            "zstd q=1",
            "\"zstd\"",
            "*;q=x",
            "identity;q=9",
            ";q=1",
        ] {
            assert_eq!(chosen(&format!("{bad}, gzip;q=0.1"), Encoding::ALL), Some(Gzip), "{bad}");
            assert_eq!(chosen(&format!("gzip;q=0.1,{bad}"), Encoding::ALL), Some(Gzip), "{bad}");
        }
    }

    #[test]
    fn ties_go_by_the_offer_and_nothing_else_is_sent() {
        for (line, offer, expected) in [
            ("gzip, br, zstd", &[Gzip, Brotli, Zstd][..], Some(Gzip)),
            ("gzip, br, zstd", &[Brotli, Gzip], Some(Brotli)),
            ("gzip;q=0.9, br;q=0.8, zstd", &[Brotli, Gzip], Some(Gzip)),
            ("*", &[Gzip], Some(Gzip)),
            ("zstd, identity;q=0", &[Gzip], None),
            ("zstd", &[], None),
            ("*", &[], None),
        ] {
            assert_eq!(chosen(line, offer.iter().copied()), expected, "{line:?} of {offer:?}");
        }
    }

    #[test]
    fn several_lines_are_one_list_and_none_is_identity() {
        let offer = Offer::new(Encoding::ALL);
        assert_eq!(choose(&Headers::new(), &offer), None);
        assert_eq!(choose(&accept(&["gzip", "", "br;q=0.5, zstd;q=0"]), &offer), Some(Gzip));
        assert_eq!(choose(&accept(&["gzip;q=0.5", "identity"]), &offer), None);
        let mut request = accept(&["gzip"]);
        request.append(header::ACCEPT_ENCODING, HeaderValue::from_bytes(b"\xff, br").unwrap());
        assert_eq!(choose(&request, &offer), Some(Brotli));
    }

    /// All these lines have one place.
    #[test]
    fn what_another_has_sent_before_changes_nothing() {
        let spaces = " ".repeat(LONGEST);
        for _ in 0..2 {
            for (line, expected) in [
                ("gzip".to_owned(), Some(Gzip)),
                ("zstd".to_owned(), Some(Zstd)),
                ("br, gzip;q=.".to_owned(), Some(Brotli)),
                ("zstd".to_owned() + &spaces, Some(Zstd)),
                ("gzip".to_owned() + &spaces, Some(Gzip)),
            ] {
                assert_eq!(line.len() % LINES, 4);
                let seen = [(); 2].map(|()| chosen(&line, Encoding::ALL));
                assert_eq!(seen, [expected; 2], "{line:?}");
            }
        }
        assert_eq!(chosen("gzip, br", [Gzip, Brotli]), Some(Gzip));
        assert_eq!(chosen("gzip, br", [Brotli]), Some(Brotli));
    }

    #[test]
    fn a_list_that_is_too_long_gets_the_body_as_it_is() {
        let list = |others: usize| format!("{}gzip", "x, ".repeat(others));
        assert_eq!(chosen(&list(MAX_MEMBERS - 1), Encoding::ALL), Some(Gzip));
        assert_eq!(chosen(&list(MAX_MEMBERS), Encoding::ALL), None);
        assert_eq!(chosen(&format!("gzip{}", ",".repeat(MAX_MEMBERS)), Encoding::ALL), None);
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for encoding in Encoding::ALL {
            assert_eq!(Encoding::of_name(encoding.name().as_bytes()), Some(encoding));
            assert_eq!(Encoding::of_name(encoding.name().to_uppercase().as_bytes()), Some(encoding));
        }
        assert_eq!(Encoding::of_name(b"X-gzip"), Some(Gzip));
        for other in ["", "identity", "*", "deflate", "brotli", "x-zstd", "gzip "] {
            assert_eq!(Encoding::of_name(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn an_offer_is_a_set_in_order() {
        let offer = Offer::new([Gzip, Zstd, Gzip]);
        assert_eq!(offer.iter().collect::<Vec<_>>(), [Gzip, Zstd]);
        assert!(offer.contains(Gzip) && offer.contains(Zstd) && !offer.contains(Brotli));
        assert_eq!(offer.only(|encoding| encoding != Gzip), Offer::new([Zstd]));
        assert_eq!(offer.only(|_| true), offer);
        assert!(offer.only(|_| false).is_empty() && !Offer::default().contains(Gzip));
    }
}
