//! What of a request decides the form of its answer. The rest of it may be on its way to the worker by then.

use super::exchange::Exchange;
use crate::message::{Headers, Request};
use crate::{
    cache::Wanted,
    encode,
    message::{
        conditional, encodable,
        encoding::{self, Encoding, Offer},
    },
};
use http::{Method, header};

/// The form in which a client wants its answer.
pub(super) struct Wish {
    pub(super) method: Method,
    /// The best encoding that the client accepts, if it may have one.
    pub(super) encoding: Option<Encoding>,
    offer: Offer,
    /// The whole header, of a request that goes to the worker and has conditions or a range.
    conditions: Option<Box<Headers>>,
}

impl Wish {
    pub(super) fn of<B>(request: &Request<B>, options: &encode::Options) -> Self {
        let headers = request.headers();
        let encoding = encoding::choose(headers, &options.offer)
            .filter(|_| !(options.disable_on_auth && encodable::request_concerns_auth(headers)));
        Self { method: request.method().clone(), encoding, offer: options.offer, conditions: None }
    }

    /// Takes note of the request's conditions and its range before it leaves; only those of GET and HEAD are for us.
    pub(super) fn remember(&mut self, headers: &Headers) {
        let is_special = matches!(self.method, Method::GET | Method::HEAD) && !conditional::is_plain(headers);
        self.conditions = is_special.then(|| Box::new(headers.clone()));
    }

    /// What has been noted of conditions and of a range, if there are any.
    pub(super) fn conditions(&self) -> Option<&Headers> {
        self.conditions.as_deref()
    }

    /// Whether a part is asked for: of the identity form then.
    pub(super) fn is_for_part(&self) -> bool {
        self.conditions().is_some_and(|conditions| conditions.contains_key(header::RANGE))
    }

    /// What is wanted of something stored, by a request with these fields.
    pub(super) fn of_stored<'a>(&'a self, headers: &'a Headers, exchange: &Exchange) -> Wanted<'a> {
        let (now, date) = (exchange.began(), exchange.started());
        Wanted {
            method: &self.method,
            headers,
            encoding: self.encoding,
            offer: self.offer,
            live: encode::has_room(),
            now,
            date,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::encoding::Offer;

    fn wish(method: &str, fields: &[(&'static str, &'static str)], disable_on_auth: bool) -> Wish {
        let options = encode::Options { offer: Offer::new(Encoding::ALL), disable_on_auth, jitter: 0 };
        let mut request = Request::new(());
        *request.method_mut() = method.parse().unwrap();
        *request.headers_mut() = Headers::of(fields);
        let mut wish = Wish::of(&request, &options);
        assert!(wish.conditions().is_none());
        wish.remember(request.headers());
        wish
    }

    #[test]
    fn credentials_may_rule_encodings_out() {
        const GZIP: (&str, &str) = ("accept-encoding", "gzip");
        for (fields, always, without_auth) in [
            (&[][..], None, None),
            (&[GZIP], Some(Encoding::Gzip), Some(Encoding::Gzip)),
            (&[GZIP, ("cookie", "a=b")], Some(Encoding::Gzip), None),
            (&[GZIP, ("authorization", "a")], Some(Encoding::Gzip), None),
            (&[GZIP, ("x-csrf-token", "a")], Some(Encoding::Gzip), None),
        ] {
            assert_eq!(wish("GET", fields, false).encoding, always, "{fields:?}");
            assert_eq!(wish("GET", fields, true).encoding, without_auth, "{fields:?}");
        }
    }

    /// RFC 9110 §13.2.1, §14.2.
    #[test]
    fn conditions_and_ranges_are_remembered_of_those_methods_that_have_them() {
        for (method, field, remembered, is_for_part) in [
            ("GET", "range", true, true),
            ("HEAD", "range", true, true),
            ("GET", "if-none-match", true, false),
            ("HEAD", "if-unmodified-since", true, false),
            ("GET", "accept", false, false),
            ("POST", "range", false, false),
            ("PUT", "if-match", false, false),
            ("DELETE", "if-none-match", false, false),
        ] {
            let wish = wish(method, &[(field, "x")], false);
            assert_eq!(wish.conditions().is_some(), remembered, "{method} {field}");
            assert_eq!(wish.is_for_part(), is_for_part, "{method} {field}");
        }
    }
}
