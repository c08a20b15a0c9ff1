//! What the text of a list means: networks, paths, encodings.
//!
//! Pure functions of trimmed, non-empty text, as in [`values`]: one bad item, and the list is [`Invalid`], which names it.

use super::{
    report::shown,
    values::{self, Invalid, Parsed},
};
use crate::message::encoding::{Encoding, Offer};
use ipnet::IpNet;
use std::{net::IpAddr, path::PathBuf};

/// Networks in CIDR notation or single addresses, comma separated.
pub fn networks(text: &str) -> Parsed<Vec<IpNet>> {
    let network = |item: &str| item.parse().or_else(|_| item.parse::<IpAddr>().map(IpNet::from)).ok();
    list(text, ',', "a comma separated list of networks, such as 10.0.0.0/8,::1", network)
}

/// Paths of URLs, comma separated.
pub fn url_paths(text: &str) -> Parsed<Vec<String>> {
    list(text, ',', "a comma separated list of paths that start with /", |item| {
        item.starts_with('/').then(|| item.to_owned())
    })
}

/// Path prefixes of URLs, comma separated; `0` is none.
pub fn folders(text: &str) -> Parsed<Vec<String>> {
    if text == "0" { Ok(Vec::new()) } else { url_paths(text) }
}

/// Absolute paths of folders, colon separated.
pub fn roots(text: &str) -> Parsed<Vec<PathBuf>> {
    let root = |item: &str| item.starts_with('/').then(|| PathBuf::from(item));
    list(text, ':', "a colon separated list of absolute paths", root)
}

/// Encodings, comma separated, the best first; false is none, true all of them in our own order.
pub fn encodings(text: &str) -> Parsed<Offer> {
    const ALLOWED: &str = "a comma separated list of zstd, br and gzip, each at most once, or 0";
    if let Ok(on) = values::boolean(text) {
        return Ok(if on { Offer::new(Encoding::ALL) } else { Offer::default() });
    }
    let mut offer = Offer::default();
    list(text, ',', ALLOWED, |item| {
        let encoding = encoding(item).filter(|encoding| !offer.contains(*encoding))?;
        offer = Offer::new(offer.iter().chain([encoding]));
        Some(())
    })?;
    Ok(offer)
}

/// By its name as a coding, or by the one that it goes by otherwise.
fn encoding(item: &str) -> Option<Encoding> {
    let brotli = || item.eq_ignore_ascii_case("brotli").then_some(Encoding::Brotli);
    Encoding::of_name(item.as_bytes()).or_else(brotli)
}

/// Items with a separator between them, at least one; `what` says what that is.
fn list<T>(
    text: &str,
    separator: char,
    what: &str,
    mut read: impl FnMut(&str) -> Option<T>,
) -> Parsed<Vec<T>> {
    let wrong = |item: &str| Invalid(format!("is not {what} (see {})", shown(item)).into());
    text.split(separator).map(str::trim).map(|item| read(item).ok_or_else(|| wrong(item))).collect()
}

#[cfg(test)]
mod tests {
    use super::{values::tests::table, *};
    use Encoding::{Brotli, Gzip, Zstd};

    #[test]
    fn networks_and_paths() {
        let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().ok()).collect::<Option<Vec<_>>>();
        table(networks, [("10.0.0.0/8 , ::1", nets(&["10.0.0.0/8", "::1/128"]))]);
        table(networks, [("192.0.2.7", nets(&["192.0.2.7/32"])), ("10.0.0.0/33", None), ("all", None)]);
        table(networks, [(",", None), ("::1,", None)]);
        table(
            url_paths,
            [("/up, /ping", Some(vec!["/up".into(), "/ping".into()])), ("up", None), ("/up,,", None)],
        );
        let wrong = networks("::1,foo").map_err(|invalid| invalid.0.into_owned());
        assert!(wrong.is_err_and(|why| why.contains("\"foo\"")));
    }

    #[test]
    fn folders_that_confine() {
        let paths = |paths: &[&str]| Some(paths.iter().map(PathBuf::from).collect());
        table(roots, [("/", paths(&["/"])), ("/a:/b c : /d/", paths(&["/a", "/b c", "/d/"]))]);
        table(roots, [("a", None), ("/a:b", None), ("/a:", None), (":/a", None), ("~/a", None)]);
        let wrong = roots("/a:./b").map_err(|invalid| invalid.0.into_owned());
        assert_eq!(wrong, Err("is not a colon separated list of absolute paths (see \"./b\")".into()));
    }

    #[test]
    fn offers() {
        let offer = |encodings: &[Encoding]| Some(Offer::new(encodings.iter().copied()));
        table(encodings, [("zstd,br,gzip", offer(&[Zstd, Brotli, Gzip])), ("gzip", offer(&[Gzip]))]);
        table(encodings, [("GZip , Brotli", offer(&[Gzip, Brotli])), ("br,zstd", offer(&[Brotli, Zstd]))]);
        table(encodings, [("0", offer(&[])), ("Off", offer(&[])), ("1", offer(&Encoding::ALL))]);
        table(encodings, [("deflate", None), ("gzip,", None), ("gzip,0", None), ("identity", None)]);
        table(encodings, [("gzip,GZIP", None), ("br,brotli", None), ("zstd,br,gzip,zstd", None)]);
        let wrong = encodings("gzip,lzma").map_err(|invalid| invalid.0.into_owned());
        assert!(wrong.is_err_and(|why| why.contains("zstd, br and gzip") && why.contains("\"lzma\"")));
    }
}
