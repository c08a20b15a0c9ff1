//! A response in the form that the client wants: in an encoding, in part, or only confirmed. What is stored has found its
//! form in the cache.

use super::{body::Source, wish::Wish};
use crate::message::{Headers, Response, response::Parts};
use crate::{
    encode::{self, Begun, begin},
    files::OpenFile,
    message::{
        cache_control::ResponseControl, conditional, encodable, encoding::Encoding, field, representation,
    },
};
use http::{Method, StatusCode, header};
use http_body::Body;
use std::{
    mem,
    time::{Duration, SystemTime},
};

/// How long the first bytes of a body are waited for whose length nobody has said. What takes longer for them is live, and
/// is not held up.
const FIRST_BYTES: Duration = Duration::from_millis(5);

/// Gives a response that does not come from the cache its form.
pub(super) async fn represent(response: &mut Response<Source>, wish: &Wish, options: &encode::Options) {
    let length = match response.body() {
        Source::File(file) => {
            let file = file.file().clone();
            let head = mem::take(response).into_parts().0;
            *response = of_file(head, file, wish, options);
            return;
        }
        _ if wish.method == Method::HEAD => length_of(response.headers()),
        source => source.size_hint().exact(),
    };
    if response.status() == StatusCode::NOT_MODIFIED
        && let (Some(conditions), Some(_)) = (wish.conditions(), wish.encoding)
    {
        encodable::encode_not_modified(response.headers_mut(), conditions);
    }
    if !is_negotiated(response.status(), response.headers(), length, options) {
        return;
    }
    encodable::add_vary(response.headers_mut());
    if let Some(encoding) = wish.encoding.filter(|_| encode::has_room()) {
        // In a box, as all that not every request needs: its future is moved, so its size costs.
        *response = Box::pin(encoded(mem::take(response), length, encoding, wish, options)).await;
    }
}

/// A file can be had in part.
fn of_file(mut head: Parts, file: OpenFile, wish: &Wish, options: &encode::Options) -> Response<Source> {
    let length = file.named().length;
    let mut encoding = None;
    if is_negotiated(head.status, &head.headers, Some(length), options) {
        encodable::add_vary(&mut head.headers);
        encoding = wish.encoding.filter(|_| !wish.is_for_part() && encode::has_room());
    }
    if let Some(encoding) = encoding {
        encodable::encode_head(&mut head.headers, encoding);
    }
    let unconditional = Headers::new();
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
    headers: &Headers,
    length: Option<u64>,
    options: &encode::Options,
) -> bool {
    !options.offer.is_empty()
        && encodable::is_encodable(status, headers, length)
        && !(options.disable_on_auth && encodable::response_concerns_auth(headers))
}

/// Most bytes of padding. What everybody gets has no secrets of anybody's; that it is being stored does not say so, since it
/// may have to be asked for each time all the same.
fn padding(headers: &Headers, options: &encode::Options) -> usize {
    let control = ResponseControl::of(headers).unwrap_or_default();
    let is_public = (control.public || control.s_maxage.is_some()) && !control.private && !control.no_store;
    if is_public { 0 } else { options.jitter }
}

/// Whether the client has the response already. It names the entity-tag that the encoded form has, which is weak; not every
/// application knows it in that guise.
fn is_known(head: &Parts, wish: &Wish) -> bool {
    let names_tag = |conditions: &&Headers| conditions.contains_key(header::IF_NONE_MATCH);
    let conditions = wish.conditions().filter(names_tag);
    head.status == StatusCode::OK
        && conditions
            .is_some_and(|conditions| conditional::not_modified(conditions, &head.headers, SystemTime::now()))
}

/// How long the body of a GET would be.
fn length_of(headers: &Headers) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH).and_then(|length| field::number(length.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Request, encoding::Offer};
    use bytes::Bytes;

    type Fields<'a> = &'a [(&'static str, &'static str)];

    const TEXT: (&str, &str) = ("content-type", "text/plain");
    const GZIP: (&str, &str) = ("accept-encoding", "gzip");

    /// The form of a worker's response with a body of so many bytes.
    async fn form(
        method: &str,
        asked: Fields<'_>,
        status: u16,
        answer: Fields<'_>,
        length: usize,
    ) -> Response<Source> {
        let offer = Offer::new(Encoding::ALL);
        let options = encode::Options { offer, disable_on_auth: true, jitter: 32 };
        let mut request = Request::new(());
        *request.method_mut() = method.parse().unwrap();
        *request.headers_mut() = Headers::of(asked);
        let mut wish = Wish::of(&request, &options);
        wish.remember(request.headers());
        let mut response = Response::new(Source::Bytes(Bytes::from(vec![b'x'; length])));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        *response.headers_mut() = Headers::of(answer);
        represent(&mut response, &wish, &options).await;
        response
    }

    #[tokio::test]
    async fn a_response_is_encoded_for_who_accepts_that() {
        // Whether it is encoded, and whether it says that it may be
        for (what, method, asked, status, answer, length, encoded, varies) in [
            ("text", "GET", &[GZIP][..], 200, &[TEXT][..], 1024, true, true),
            ("to whom accepts none", "GET", &[], 200, &[TEXT], 1024, false, true),
            ("of a POST", "POST", &[GZIP], 200, &[TEXT], 1024, true, true),
            ("an error", "GET", &[GZIP], 500, &[TEXT], 1024, true, true),
            ("short", "GET", &[GZIP], 200, &[TEXT], 1023, false, false),
            ("a picture", "GET", &[GZIP], 200, &[("content-type", "image/png")], 1024, false, false),
            ("encoded already", "GET", &[GZIP], 200, &[TEXT, ("content-encoding", "br")], 1024, false, false),
            ("RFC 9110 §15.3.7", "GET", &[GZIP], 206, &[TEXT], 1024, false, false),
            (
                "RFC 9111 §5.2.2.6",
                "GET",
                &[GZIP],
                200,
                &[TEXT, ("cache-control", "no-transform")],
                1024,
                false,
                false,
            ),
            ("a cookie", "GET", &[GZIP, ("cookie", "a=b")], 200, &[TEXT], 1024, false, true),
            ("a new cookie", "GET", &[GZIP], 200, &[TEXT, ("set-cookie", "a=b")], 1024, false, false),
            ("HEAD", "HEAD", &[GZIP], 200, &[TEXT, ("content-length", "1024")], 0, true, true),
            ("HEAD, short", "HEAD", &[GZIP], 200, &[TEXT, ("content-length", "1023")], 0, false, false),
        ] {
            let response = form(method, asked, status, answer, length).await;
            let headers = response.headers();
            assert_eq!(response.status().as_u16(), status, "{what}");
            let is_gzip = headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip");
            assert_eq!((is_gzip, headers.contains_key(header::VARY)), (encoded, varies), "{what}");
            assert!(!encoded || !headers.contains_key(header::CONTENT_LENGTH), "{what}");
            let is_live = matches!(response.body(), Source::Encoded(_));
            assert_eq!(is_live, encoded && method != "HEAD", "{what}");
        }
    }

    /// RFC 9110 §13.1.2: by the weak comparison, of what the worker itself has not recognized.
    #[tokio::test]
    async fn what_the_client_has_in_an_encoding_is_confirmed() {
        const TAG: (&str, &str) = ("etag", "\"a\"");
        for (asked, status, expected) in [
            (&[GZIP, ("if-none-match", "W/\"a\"")][..], 200, 304),
            (&[GZIP, ("if-none-match", "\"a\"")], 200, 304),
            (&[GZIP, ("if-none-match", "\"b\"")], 200, 200),
            (&[GZIP, ("if-none-match", "W/\"a\"")], 404, 404),
            // Of anything else the worker's word counts.
            (&[("if-none-match", "W/\"a\"")], 200, 200),
            (&[GZIP, ("if-modified-since", "Sat, 21 Nov 2026 09:00:00 GMT")], 200, 200),
        ] {
            let response = form("GET", asked, status, &[TEXT, TAG], 1024).await;
            assert_eq!(response.status().as_u16(), expected, "{asked:?} {status}");
            let is_empty = matches!(response.body(), Source::Empty);
            assert_eq!(is_empty, expected == 304, "{asked:?}");
            assert!(!is_empty || !response.headers().contains_key(header::CONTENT_ENCODING), "{asked:?}");
        }
        let post = form("POST", &[GZIP, ("if-none-match", "\"a\"")], 200, &[TEXT, TAG], 1024).await;
        assert_eq!(post.status(), StatusCode::OK);
    }

    #[test]
    fn what_everybody_gets_is_not_padded() {
        let options = encode::Options { offer: Offer::default(), disable_on_auth: false, jitter: 32 };
        for (control, expected) in [
            ("public", 0),
            ("public, max-age=60", 0),
            ("s-maxage=60", 0),
            ("max-age=60", 32),
            ("private", 32),
            ("public, private", 32),
            ("public, no-store", 32),
            ("s-maxage=60, no-store", 32),
            ("", 32),
        ] {
            assert_eq!(padding(&Headers::of(&[("cache-control", control)]), &options), expected, "{control}");
        }
        assert_eq!(padding(&Headers::new(), &options), 32);
    }
}
