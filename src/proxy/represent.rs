//! A response in the form that the client wants: in an encoding, in part, or only confirmed. What is stored has found its
//! form in the cache.

use super::{body::Source, wish::Wish};
use crate::{
    encode::{self, Begun, begin},
    files::OpenFile,
    message::{
        cache_control::ResponseControl, conditional, encodable, encoding::Encoding, field, representation,
    },
};
use http::{HeaderMap, Method, Response, StatusCode, header, response::Parts};
use http_body::Body;
use std::time::{Duration, SystemTime};

/// How long the first bytes of a body are waited for whose length nobody has said. What takes longer for them is live, and
/// is not held up.
const FIRST_BYTES: Duration = Duration::from_millis(5);

/// The form of a response that does not come from the cache.
pub(super) async fn represent(
    mut response: Response<Source>,
    wish: &Wish,
    options: &encode::Options,
) -> Response<Source> {
    let length = match response.body() {
        Source::File(file) => {
            let file = file.file().clone();
            return of_file(response.into_parts().0, file, wish, options);
        }
        _ if wish.method == Method::HEAD => length_of(response.headers()),
        source => source.size_hint().exact(),
    };
    if !is_negotiated(response.status(), response.headers(), length, options) {
        return response;
    }
    encodable::add_vary(response.headers_mut());
    match wish.encoding {
        // In a box, as all that not every request needs: its future is moved, so its size costs.
        Some(encoding) => Box::pin(encoded(response, length, encoding, wish, options)).await,
        None => response,
    }
}

/// A file can be had in part.
fn of_file(mut head: Parts, file: OpenFile, wish: &Wish, options: &encode::Options) -> Response<Source> {
    let length = file.named().length;
    let mut encoding = None;
    if is_negotiated(head.status, &head.headers, Some(length), options) {
        encodable::add_vary(&mut head.headers);
        encoding = wish.encoding.filter(|_| !wish.is_for_part());
    }
    if let Some(encoding) = encoding {
        encodable::encode_head(&mut head.headers, encoding);
    }
    let unconditional = HeaderMap::new();
    let request = (&wish.method, wish.conditions().unwrap_or(&unconditional));
    let mut response =
        representation::answer((head.status, &head.headers), length, request, SystemTime::now());
    if encoding.is_some() {
        // Of a HEAD's; nobody knows it.
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    let encoding = encoding.map(|encoding| (encoding, padding(&head.headers, options)));
    response.map(|extent| Source::of_file(file, extent, encoding))
}

async fn encoded(
    response: Response<Source>,
    length: Option<u64>,
    encoding: Encoding,
    wish: &Wish,
    options: &encode::Options,
) -> Response<Source> {
    let (mut head, mut source) = response.into_parts();
    let padding = padding(&head.headers, options);
    if length.is_none() && wish.method != Method::HEAD {
        source = match begin(source, FIRST_BYTES).await {
            Begun::Short(body) => return Response::from_parts(head, Source::Bytes(body)),
            Begun::Long(resumed) => Source::Resumed(Box::new(resumed)),
        };
    }
    let is_known = is_known(&head, wish);
    encodable::encode_head(&mut head.headers, encoding);
    if is_known {
        return representation::not_modified(&head.headers).map(|_| Source::Empty);
    }
    if wish.method != Method::HEAD {
        source = source.encoded(encoding, length, padding);
    }
    Response::from_parts(head, source)
}

/// Whether those who accept an encoding are sent one.
fn is_negotiated(
    status: StatusCode,
    headers: &HeaderMap,
    length: Option<u64>,
    options: &encode::Options,
) -> bool {
    !options.offer.is_empty()
        && encodable::is_encodable(status, headers, length)
        && !(options.disable_on_auth && encodable::response_concerns_auth(headers))
}

/// Most bytes of padding. What everybody gets has no secrets of anybody's; that it is being stored does not say so, since it
/// may have to be asked for each time all the same.
fn padding(headers: &HeaderMap, options: &encode::Options) -> usize {
    let control = ResponseControl::of(headers).unwrap_or_default();
    let is_public = (control.public || control.s_maxage.is_some()) && !control.private && !control.no_store;
    if is_public { 0 } else { options.jitter }
}

/// Whether the client has the response already. It names the entity-tag that the encoded form has, which is weak; not every
/// application knows it in that guise.
fn is_known(head: &Parts, wish: &Wish) -> bool {
    let names_tag = |conditions: &&HeaderMap| conditions.contains_key(header::IF_NONE_MATCH);
    let conditions = wish.conditions().filter(names_tag);
    head.status == StatusCode::OK
        && conditions
            .is_some_and(|conditions| conditional::not_modified(conditions, &head.headers, SystemTime::now()))
}

/// How long the body of a GET would be.
fn length_of(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH).and_then(|length| field::number(length.as_bytes()))
}
