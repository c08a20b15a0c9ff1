//! What of a request decides the form of its answer. The rest of it may be on its way to the worker by then.

use super::exchange::Exchange;
use crate::{
    cache::Wanted,
    encode,
    message::{
        conditional, encodable,
        encoding::{self, Encoding},
    },
};
use http::{HeaderMap, Method, Request, header};

/// The form in which a client wants its answer.
pub(super) struct Wish {
    pub(super) method: Method,
    /// The best encoding that the client accepts, if it may have one.
    pub(super) encoding: Option<Encoding>,
    /// The whole header where it wants anything special.
    special: Option<Box<HeaderMap>>,
}

impl Wish {
    pub(super) fn of<B>(request: &Request<B>, options: &encode::Options) -> Self {
        let (method, headers) = (request.method().clone(), request.headers());
        let encoding = encoding::choose(headers, &options.offer)
            .filter(|_| !(options.disable_on_auth && encodable::request_concerns_auth(headers)));
        Self { method, encoding, special: None }
    }

    /// Keeps what the request says of conditions and ranges, before it leaves for the worker. What is stored is judged by the
    /// request itself, and most requests say nothing of them: neither pays for a copy.
    pub(super) fn remember<B>(&mut self, request: &Request<B>) {
        let headers = request.headers();
        let is_special = matches!(self.method, Method::GET | Method::HEAD) && !conditional::is_plain(headers);
        self.special = is_special.then(|| Box::new(headers.clone()));
    }

    /// What the request says of conditions and ranges, once it is remembered; only GET and HEAD have any.
    pub(super) fn conditions(&self) -> Option<&HeaderMap> {
        self.special.as_deref()
    }

    /// Whether a part is asked for: of the identity form then.
    pub(super) fn is_for_part(&self) -> bool {
        self.conditions().is_some_and(|conditions| conditions.contains_key(header::RANGE))
    }

    /// What is wanted of something stored, by a request with these fields.
    pub(super) fn of_stored<'a>(&'a self, headers: &'a HeaderMap, exchange: &Exchange) -> Wanted<'a> {
        let (now, date) = (exchange.began(), exchange.started());
        Wanted { method: &self.method, headers, encoding: self.encoding, now, date }
    }
}
