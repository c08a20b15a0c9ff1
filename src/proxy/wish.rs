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
    /// The whole header, of a request that goes to the worker and has conditions or a range.
    conditions: Option<Box<HeaderMap>>,
}

impl Wish {
    pub(super) fn of<B>(request: &Request<B>, options: &encode::Options) -> Self {
        let headers = request.headers();
        let encoding = encoding::choose(headers, &options.offer)
            .filter(|_| !(options.disable_on_auth && encodable::request_concerns_auth(headers)));
        Self { method: request.method().clone(), encoding, conditions: None }
    }

    /// Takes note of the request's conditions and its range before it leaves; only those of GET and HEAD are for us.
    pub(super) fn remember(&mut self, headers: &HeaderMap) {
        let is_special = matches!(self.method, Method::GET | Method::HEAD) && !conditional::is_plain(headers);
        self.conditions = is_special.then(|| Box::new(headers.clone()));
    }

    /// What has been noted of conditions and of a range, if there are any.
    pub(super) fn conditions(&self) -> Option<&HeaderMap> {
        self.conditions.as_deref()
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
