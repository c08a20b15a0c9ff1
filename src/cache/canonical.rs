//! The canonical form in which the values of a request's fields are compared.
//!
//! Two requests that a server could rightly answer differently never have the same one:
//!
//! - Lists of codings, charsets and languages: any case, white space, division into lines and order. Each member's weight
//!   goes along, as a number; what has weight 0 counts as not listed where that means the same. A list that is not
//!   understood, or is very long, is compared as it stands.
//! - `Accept`: the same for white space, lines and the case of media types, but the order stays, since servers go by it.
//! - Credentials, and what names one thing (`Cookie`, `Origin`, `User-Agent`, `Sec-*`, `X-*` …): byte by byte.
//! - Any other field is taken for a list whose members are not known: white space round its commas and the division into
//!   lines say nothing, unless there are quotes in it.
//!
//! A field that is absent is never the same as one that is empty.

use crate::message::{Headers, field};
use http::{HeaderName, HeaderValue, header};

/// A list with more members than this is compared as it stands.
const MAX_MEMBERS: usize = 24;

/// Hands out the canonical form of a request's field piece by piece, so that nothing need be allocated. What it begins
/// with tells the kinds of fields apart.
pub(super) fn render(name: &HeaderName, request: &Headers, put: &mut impl FnMut(&[u8])) {
    let lines = request.get_all(name);
    let quoted = || lines.clone().any(|line| line.as_bytes().contains(&b'"'));
    if is_weighted(name) {
        let mut list = [Weighted::default(); MAX_MEMBERS];
        match weighted(lines.clone(), &mut list) {
            Some(list) => put_weighted(list, name == header::ACCEPT_ENCODING, put),
            None => put_whole(lines, put),
        }
    } else if is_whole(name) || quoted() {
        put_whole(lines, put);
    } else {
        put_list(lines.flat_map(members), name == header::ACCEPT, put);
    }
}

/// What stands between the commas, without white space round it.
pub(super) fn members(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii)
}

/// Lists in which each member has a weight and the order means nothing (RFC 9110 §12.4.2).
fn is_weighted(name: &HeaderName) -> bool {
    [header::ACCEPT_ENCODING, header::ACCEPT_LANGUAGE, header::ACCEPT_CHARSET].contains(name)
}

/// Fields that are no lists, or in which a difference that looks small may be another visitor.
fn is_whole(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("sec-")
        || name.starts_with("x-")
        || matches!(
            name,
            "authorization"
                | "cookie"
                | "host"
                | "origin"
                | "proxy-authorization"
                | "referer"
                | "save-data"
                | "user-agent"
        )
}

/// The lines apart: a line break is in no value.
fn put_whole<'a>(lines: impl Iterator<Item = &'a HeaderValue>, put: &mut impl FnMut(&[u8])) {
    put(b"=");
    for line in lines {
        put(line.as_bytes());
        put(b"\n");
    }
}

/// Members with one comma behind each, without white space at their ends; media types in small letters, but not their
/// parameters.
fn put_list<'a>(members: impl Iterator<Item = &'a [u8]>, media_types: bool, put: &mut impl FnMut(&[u8])) {
    put(b",");
    for member in members.filter(|member| !(media_types && member.is_empty())) {
        if media_types {
            let (kind, parameters) = member.split_at(memchr::memchr(b';', member).unwrap_or(member.len()));
            put_lower(kind.trim_ascii(), put);
            for parameter in parameters.split(|&b| b == b';').skip(1) {
                put(b";");
                put(parameter.trim_ascii());
            }
        } else {
            put(member);
        }
        put(b",");
    }
}

/// A member of a list and its weight in thousandths.
#[derive(Clone, Copy, Default)]
struct Weighted<'a> {
    name: &'a [u8],
    weight: u16,
}

/// The members of such a list, sorted; `None` if it is not one, or too long.
fn weighted<'a, 'l>(
    lines: impl Iterator<Item = &'a HeaderValue>,
    list: &'l mut [Weighted<'a>; MAX_MEMBERS],
) -> Option<&'l [Weighted<'a>]> {
    let mut length = 0;
    for member in lines.flat_map(members).filter(|member| !member.is_empty()) {
        let mut parts = member.splitn(2, |&b| b == b';').map(<[u8]>::trim_ascii);
        let is_word = |name: &[u8]| !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
        let name = parts.next().filter(|name| is_word(name))?;
        let weight = parts.next().map_or(Some(1000), field::weight)?;
        *list.get_mut(length)? = Weighted { name, weight };
        length += 1;
    }
    let list = &mut list[..length];
    list.sort_unstable_by(|a, b| lower(a.name).cmp(lower(b.name)).then(a.weight.cmp(&b.weight)));
    let repeated = list.windows(2).any(|pair| pair[0].name.eq_ignore_ascii_case(pair[1].name));
    (!repeated).then_some(list)
}

/// Of the codings, one that is refused is as good as one that is not listed; `identity`, which needs no listing, and
/// what `*` would allow are not (RFC 9110 §12.5.3).
fn put_weighted(list: &[Weighted<'_>], codings: bool, put: &mut impl FnMut(&[u8])) {
    put(b"q");
    let any = list.iter().any(|member| member.name == b"*");
    for member in list {
        let needless = codings && !any && !member.name.eq_ignore_ascii_case(b"identity");
        if member.weight > 0 || !needless {
            put_lower(member.name, put);
            put(b";");
            put(&member.weight.to_be_bytes());
        }
    }
}

fn put_lower(text: &[u8], put: &mut impl FnMut(&[u8])) {
    lower(text).for_each(|b| put(&[b]));
}

fn lower(text: &[u8]) -> impl Iterator<Item = u8> {
    text.iter().map(u8::to_ascii_lowercase)
}
