//! A stored response as the answer to a request: in the form that the client wants it, whole, without a body, in part, or
//! only its confirmation.

use super::{
    Entry, Status,
    entry::Content,
    forms::{Form, Forms},
};
use crate::message::{
    Headers, Prepared, Response,
    byteranges::Multipart,
    conditional, encodable,
    encoding::{self, Encoding, Offer},
    representation::{self, Extent},
};
use bytes::Bytes;
use http::{Method, StatusCode, header};
use std::{
    collections::VecDeque,
    ops::Range,
    time::{Instant, SystemTime},
};

/// What a GET or HEAD wants of a stored response.
pub struct Wanted<'a> {
    /// One of the two.
    pub method: &'a Method,
    /// Its fields.
    pub headers: &'a Headers,
    /// The encoding that it is best answered in.
    pub encoding: Option<Encoding>,
    /// All that are offered.
    pub offer: Offer,
    /// Whether something may be encoded while it is sent.
    pub live: bool,
    /// When it is answered.
    pub now: Instant,
    /// When the request arrived.
    pub date: SystemTime,
}

/// What of a stored body is sent.
#[derive(Debug)]
pub enum Served {
    /// Nothing.
    Nothing,
    /// These bytes.
    Bytes(Bytes),
    /// These, one after another.
    Pieces(VecDeque<Bytes>),
    /// These, in an encoding that they do not lie ready in.
    Encode(Bytes, Encoding),
    /// So much of the file that the body is, in an encoding if one is named.
    File(Extent, Option<Encoding>),
}

/// The form of a body that fits a request best.
enum Chosen {
    Identity,
    Ready(Form),
    /// It is still to be made.
    Missing(Encoding),
}

/// The answer to a request, and what of its header lies ready. `status` says what the cache did; a file that is none of its
/// business has none.
pub fn serve(
    entry: &Entry,
    status: Option<&Status>,
    wanted: &Wanted,
) -> (Response<Served>, Option<Prepared>) {
    match as_it_lies(entry, status, wanted) {
        Some((response, prepared)) => (response, Some(prepared)),
        None => (make(entry, status, wanted), None),
    }
}

/// The answer to most requests: a whole body, with nothing to be said of it but its age.
fn as_it_lies(
    entry: &Entry,
    status: Option<&Status>,
    wanted: &Wanted,
) -> Option<(Response<Served>, Prepared)> {
    let is_plain = entry.head().status() != StatusCode::OK || conditional::is_plain(wanted.headers);
    if *wanted.method != Method::GET || !is_plain || status.is_some_and(|status| *status != Status::hit()) {
        return None;
    }
    let Form { fields, body } = match choose(entry, wanted) {
        Chosen::Ready(form) => form,
        Chosen::Identity => match entry.body() {
            Content::Memory(body) => Form { fields: entry.head().fields().clone(), body: body.clone() },
            Content::File(_) => return None,
        },
        Chosen::Missing(_) => return None,
    };
    let mut response = Response::new(Served::Bytes(body));
    *response.status_mut() = entry.head().status();
    Some((response, Prepared { fields, aged: status.map(|_| entry.aged(wanted.now)) }))
}

/// The answer to any request.
fn make(entry: &Entry, status: Option<&Status>, wanted: &Wanted) -> Response<Served> {
    let (head, body) = (entry.head(), entry.body());
    let answer = |headers: &Headers, length: u64| {
        let request = (wanted.method, wanted.headers);
        representation::answer((head.status(), headers), length, request, wanted.date)
    };
    let mut response = match choose(entry, wanted) {
        Chosen::Identity => answer(head.headers(), body.length()).map(|extent| part(body, extent, None)),
        Chosen::Ready(form) => {
            answer(form.fields.headers(), form.body.len() as u64).map(|extent| slice(&form.body, extent))
        }
        Chosen::Missing(encoding) => {
            let mut headers = head.headers().clone();
            encodable::encode_head(&mut headers, encoding);
            let mut response = answer(&headers, body.length());
            // Of a HEAD's; nobody knows it yet.
            response.headers_mut().remove(header::CONTENT_LENGTH);
            response.map(|extent| part(body, extent, Some(encoding)))
        }
    };
    if let Some(status) = status {
        entry.tell(response.headers_mut(), status, wanted.now);
    }
    response
}

/// The encoding in which a body in memory should lie ready for such requests, and does not, or only for now.
pub(super) fn missing(entry: &Entry, wanted: &Wanted) -> Option<Encoding> {
    let encoding = best(entry, wanted)?;
    let forms = entry.forms().filter(|forms| !forms.is_settled(encoding))?;
    let suffices = || forms.are_given() && second_best(forms, wanted).is_some();
    (entry.is_encodable() && !suffices()).then_some(encoding)
}

fn choose(entry: &Entry, wanted: &Wanted) -> Chosen {
    let Some(encoding) = best(entry, wanted) else { return Chosen::Identity };
    let forms = entry.forms();
    let ready = forms.and_then(|forms| forms.get(encoding).or_else(|| second_best(forms, wanted)));
    match ready {
        Some(form) => Chosen::Ready(form),
        None if !entry.is_encodable() || !wanted.live => Chosen::Identity,
        None if forms.is_some_and(|forms| forms.is_worthless(encoding)) => Chosen::Identity,
        None => Chosen::Missing(encoding),
    }
}

/// Ranges are of the identity form: who asks for one gets that, whatever becomes of the range.
fn best(entry: &Entry, wanted: &Wanted) -> Option<Encoding> {
    let is_for_part = wanted.headers.contains_key(header::RANGE) && entry.head().status() == StatusCode::OK;
    wanted.encoding.filter(|_| !is_for_part)
}

/// The best of the forms that are there: to send it is better than to make the best of all while the client waits.
fn second_best(forms: &Forms, wanted: &Wanted) -> Option<Form> {
    let ready = wanted.offer.only(|encoding| forms.has(encoding));
    let encoding = if ready.is_empty() { None } else { encoding::choose(wanted.headers, &ready) };
    encoding.and_then(|encoding| forms.get(encoding))
}

fn part(body: &Content, extent: Extent, encoding: Option<Encoding>) -> Served {
    match (body, encoding) {
        (_, _) if matches!(extent, Extent::Nothing) => Served::Nothing,
        (Content::File(_), _) => Served::File(extent, encoding),
        (Content::Memory(bytes), Some(encoding)) => Served::Encode(bytes.clone(), encoding),
        (Content::Memory(bytes), None) => slice(bytes, extent),
    }
}

fn slice(body: &Bytes, extent: Extent) -> Served {
    let slice = |range: &Range<u64>| body.slice(range.start as usize..range.end as usize);
    match extent {
        Extent::Nothing => Served::Nothing,
        Extent::Whole => Served::Bytes(body.clone()),
        Extent::Part(range) => Served::Bytes(slice(&range)),
        Extent::Parts(Multipart { parts, end, .. }) => {
            let pieces = parts.into_iter().flat_map(|part| [part.head, slice(&part.range)]);
            Served::Pieces(pieces.chain([end]).collect())
        }
    }
}

#[cfg(test)]
mod tests;
