//! A request's journey, top to bottom.

use super::{
    Options, RequestBody,
    admit::admit,
    body::{Body, Source},
    depart::{depart, stay, tell},
    exchange::{Answer, Exchange},
    failure::Failure,
    fill::Fill,
    page::Page,
    prepare::{cleanse, dress, dress_copy},
    upgrade,
};
use crate::{
    cache::{self, Cache, Entry, Kept, Lookup, Permit, Status, Touched},
    message::{ConnectionInfo, Handler, Refused, Reply},
    observe::Observe,
    upstream::Upstream,
};
use http::{HeaderMap, Method, Request, Response, request::Parts};
use hyper::body::Incoming;
use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Instant,
};

/// Answers every request: with the worker's response, or with what went wrong.
pub struct Proxy {
    options: Options,
    upstream: Upstream<RequestBody>,
    cache: Cache,
    page: Page,
    observe: Arc<Observe>,
}

impl Proxy {
    /// A proxy for this worker.
    pub fn new(
        options: Options,
        upstream: Upstream<RequestBody>,
        cache: Cache,
        observe: Arc<Observe>,
    ) -> Self {
        let page = Page::new(options.bad_gateway_page.clone());
        Self { options, upstream, cache, page, observe }
    }

    /// Answers a request; what goes wrong becomes a response.
    pub async fn answer(
        &self,
        connection: &Arc<ConnectionInfo>,
        request: Request<RequestBody>,
    ) -> Reply<Body> {
        let mut exchange = Exchange::begin(connection, &self.observe, &request);
        let answer = {
            let journey = pin!(self.journey(&mut exchange, request));
            caught(journey).await.unwrap_or(Err(Failure::Panic))
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => Box::pin(self.explain(&mut exchange, failure)).await.into(),
        };
        exchange.finish(answer)
    }

    /// From a request as it came in to a response as it leaves; every step is one call.
    async fn journey(
        &self,
        exchange: &mut Exchange,
        mut request: Request<RequestBody>,
    ) -> Result<Answer, Failure> {
        admit(&request, &self.options)?;
        let switching = upgrade::asked(&request);
        cleanse(&mut request, exchange, &self.options)?;
        if let Some(protocol) = switching {
            // In a box, as all that is seldom needed: a request's future is moved, so its size costs.
            let touched = self.cache.touched_by(&request);
            let request = dress(request, exchange);
            let answer = Box::pin(upgrade::fetch(&self.upstream, exchange, request, protocol)).await?;
            settle(touched, &answer.response);
            return Ok(answer);
        }
        let response = match self.cache.look_up(&request, exchange.began()).await {
            Lookup::Fresh(entry, status) => {
                serve(&entry, &status, request.method(), request.headers(), exchange.began(), exchange)
            }
            Lookup::Stale(entry, status, permit) => {
                let response =
                    serve(&entry, &status, request.method(), request.headers(), exchange.began(), exchange);
                if let Some(permit) = permit {
                    self.fill(permit, Arc::new(request.into_parts().0), exchange).run_behind();
                }
                response
            }
            Lookup::Fetch(permit) => Box::pin(self.fetch_to_keep(permit, request, exchange)).await?,
            Lookup::Pass(watch) => {
                let response = self.fetch(exchange, request).await?;
                let status = watch.see(&response);
                tell(response, &status, exchange)
            }
            Lookup::Bypass(status) => tell(self.fetch(exchange, request).await?, &status, exchange),
            Lookup::Nothing => return Err(Failure::NotStored),
            Lookup::Off => self.fetch(exchange, request).await?,
        };
        Ok(response.into())
    }

    /// Asks the worker.
    async fn fetch(
        &self,
        exchange: &mut Exchange,
        request: Request<RequestBody>,
    ) -> Result<Response<Source>, Failure> {
        self.wait_with_page(exchange).await?;
        let touched = self.cache.touched_by(&request);
        let request = dress(request, exchange);
        let fault = request.body().fault();
        let response = self.upstream.send(request).await;
        let response = response.map_err(|error| Failure::of_fetch(error, &fault))?;
        exchange.worker_answered();
        let response = stay(response)?;
        settle(touched, &response);
        Ok(depart(response.map(Source::Worker)))
    }

    /// Asks the worker for what may be stored, or may be stored already.
    async fn fetch_to_keep(
        &self,
        permit: Permit,
        request: Request<RequestBody>,
        exchange: &mut Exchange,
    ) -> Result<Response<Source>, Failure> {
        self.wait_with_page(exchange).await?;
        let request = Arc::new(request.into_parts().0);
        let filled = self.fill(permit, request.clone(), exchange).run().await?;
        exchange.worker_answered();
        Ok(match filled {
            Kept::Stored(entry, status) => {
                // It may have been fetched for long.
                serve(&entry, &status, &request.method, &request.headers, Instant::now(), exchange)
            }
            Kept::Passed(response, status) => tell(response.map(Source::from), &status, exchange),
        })
    }

    /// A fetch on behalf of this request, which may go on without it.
    fn fill(&self, permit: Permit, asked: Arc<Parts>, exchange: &mut Exchange) -> Fill {
        let headers = dress_copy(&asked.headers, exchange);
        Fill { upstream: self.upstream.clone(), permit, asked, headers }
    }

    /// While the worker boots, a browser is better told so than left to wait.
    async fn wait_with_page(&self, exchange: &Exchange) -> Result<(), Failure> {
        let shown = self.upstream.is_booting() && exchange.wants_html() && self.page.exists().await;
        if shown { Err(Failure::Booting) } else { Ok(()) }
    }

    /// The response to a failure: for 502 the operator's own page, where there is one and it is welcome.
    async fn explain(&self, exchange: &mut Exchange, failure: Failure) -> Response<Source> {
        exchange.fail(&failure);
        let page =
            if failure.is_bad_gateway() && exchange.takes_html() { self.page.read().await } else { None };
        failure.respond(page)
    }
}

impl Handler for Proxy {
    type Body = Body;

    async fn handle(&self, connection: &Arc<ConnectionInfo>, request: Request<Incoming>) -> Reply<Body> {
        let request = request.map(|incoming| RequestBody::new(incoming, &self.options));
        self.answer(connection, request).await
    }

    fn refuse(&self, connection: &Arc<ConnectionInfo>, refused: Refused) -> Response<Body> {
        let mut exchange = Exchange::refused(connection, &self.observe, &refused);
        let failure = Failure::Refused(refused.refusal);
        exchange.fail(&failure);
        exchange.finish(failure.respond(None).into()).response
    }
}

/// Has what a request has changed forgotten.
fn settle<B>(touched: Option<Touched>, response: &Response<B>) {
    if let Some(touched) = touched {
        touched.changed(response.status(), response.headers());
    }
}

/// A stored response as the answer to a request with these fields.
fn serve(
    entry: &Entry,
    status: &Status,
    method: &Method,
    headers: &HeaderMap,
    now: Instant,
    exchange: &mut Exchange,
) -> Response<Source> {
    exchange.cached(status);
    cache::serve(entry, status, method, headers, now, exchange.started()).map(Source::from)
}

/// The future's output, or `None` if it panicked: one bad request must not take its connection's others with it. (The
/// panic itself is logged where it happens.)
async fn caught<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_the_end_of_one_request_only() {
        assert_eq!(caught(pin!(async { 1 })).await, Some(1));
        let panicking = async {
            tokio::task::yield_now().await;
            panic!("on purpose");
        };
        assert_eq!(caught(pin!(panicking)).await, None::<()>);
    }
}
