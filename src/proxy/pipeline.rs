//! A request's journey, top to bottom.

use super::{
    Options,
    admit::admit,
    body::{Body, Source},
    depart::{depart, stay, tell},
    exchange::{Answer, Exchange},
    failure::Failure,
    fill::{Fill, Filled},
    page::Page,
    prepare::{cleanse, dress, take_body},
    represent::represent,
    send_file, upgrade,
    wish::Wish,
};
use crate::message::{Request, Response, request::Parts};
use crate::{
    cache::{Cache, CacheKey, Content, Lookup, Permit, Touched, Wanted},
    encode::{self, Background},
    files::{self, PublicFolder},
    message::{ConnectionInfo, Handler, Incoming, Refused, Reply, Scheme},
    observe::Observe,
    upstream::Upstream,
};
use http::header;
use std::{
    future::{Future, poll_fn},
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Instant,
};

/// Answers every request: with the worker's response, or with what went wrong.
pub struct Proxy {
    options: Options,
    upstream: Upstream,
    pub(super) cache: Cache,
    pub(super) files: Arc<files::Options>,
    public: Option<Arc<PublicFolder>>,
    pub(super) encode: encode::Options,
    pub(super) encoder: Background,
    page: Page,
    observe: Arc<Observe>,
}

impl Proxy {
    /// A proxy for this worker.
    pub fn new(
        options: Options,
        files: files::Options,
        encode: encode::Options,
        upstream: Upstream,
        cache: Cache,
        observe: Arc<Observe>,
    ) -> Self {
        let page = Page::new(options.bad_gateway_page.clone());
        let public = files.public.as_deref().map(|folder| Arc::new(PublicFolder::new(folder)));
        let (files, encoder) = (Arc::new(files), Background::default());
        Self { options, upstream, cache, files, public, encode, encoder, page, observe }
    }

    pub(super) fn observe(&self) -> &Arc<Observe> {
        &self.observe
    }

    /// Answers a request; what goes wrong becomes a response.
    pub async fn answer(
        &self,
        connection: &Arc<ConnectionInfo>,
        request: &mut Request<Incoming>,
    ) -> Reply<Body> {
        let mut exchange = Exchange::begin(connection, &self.observe, request);
        let mut answer = Answer::default();
        let outcome = {
            let journey = pin!(async {
                // Put where it stays, since it is large.
                answer = self.journey(&mut exchange, request).await?;
                Ok(())
            });
            caught(journey).await
        };
        if let Err(failure) = outcome {
            answer = Box::pin(self.explain(&mut exchange, failure)).await.into();
        }
        if let Some(hsts) = &self.options.hsts
            && connection.scheme == Scheme::Https
        {
            answer.add(header::STRICT_TRANSPORT_SECURITY, hsts);
        }
        if let Some(trace) = exchange.take_trace() {
            answer = self.explanation(*trace, answer.spelled_out());
        }
        exchange.finish(answer)
    }

    /// From a request as it came in to a response as it leaves; every step is one call.
    async fn journey(
        &self,
        exchange: &mut Exchange,
        request: &mut Request<Incoming>,
    ) -> Result<Answer, Failure> {
        admit(request, exchange.connection(), &self.options)?;
        let switching = upgrade::asked(request);
        cleanse(request, exchange, &self.options)?;
        if let Some(protocol) = switching {
            // In a box, as all that is seldom needed: a request's future is moved, so its size costs.
            let touched = self.cache.touched_by(request);
            let added = dress(request.headers_mut(), exchange, &self.files);
            let body = take_body(request, &self.options);
            let fetch =
                upgrade::fetch(&self.upstream, &self.files, exchange, (request, body), &added, protocol);
            let answer = Box::pin(fetch).await?;
            settle(touched, &answer.response);
            return Ok(answer);
        }
        let mut wish = Wish::of(request, &self.encode);
        // In a box: most applications send these files themselves.
        if let Some(folder) = &self.public
            && let Some(response) = Box::pin(self.public_file(folder, request, &mut wish, exchange)).await
        {
            return response;
        }
        let (lookup, file) = self.look_up(request, exchange.began()).await;
        Ok(match lookup {
            Lookup::Stored(entry, status, permit) => {
                exchange.cached(&status);
                exchange.note(|trace| trace.found(&entry));
                let wanted = wish.of_stored(request.headers(), exchange);
                let answer = self.serve(&entry, Some(&status), file, &wanted, || CacheKey::of(request))?;
                if let Some(permit) = permit {
                    self.fill(*permit, Arc::new(mem::take(request).into_parts().0), exchange).run_behind();
                }
                answer
            }
            Lookup::Fetch(permit) => {
                Box::pin(self.fetch_to_keep(*permit, request, &mut wish, exchange)).await?
            }
            Lookup::Pass(watch) => {
                let mut response = self.fetch(exchange, request, &mut wish).await?;
                let status = watch.see(&response, response.body().is_file(), exchange.started());
                tell(&mut response, &status, exchange);
                represent(&mut response, &wish, &self.encode).await;
                response.into()
            }
            Lookup::Bypass(status) => {
                let mut response = self.fetch(exchange, request, &mut wish).await?;
                tell(&mut response, &status, exchange);
                represent(&mut response, &wish, &self.encode).await;
                response.into()
            }
            Lookup::Nothing => return Err(Failure::NotStored),
            Lookup::Off => {
                let mut response = self.fetch(exchange, request, &mut wish).await?;
                exchange.note(|trace| trace.came(&response));
                represent(&mut response, &wish, &self.encode).await;
                response.into()
            }
        })
    }

    /// Asks the worker.
    async fn fetch(
        &self,
        exchange: &mut Exchange,
        request: &mut Request<Incoming>,
        wish: &mut Wish,
    ) -> Result<Response<Source>, Failure> {
        self.wait_with_page(exchange).await?;
        wish.remember(request.headers());
        let touched = self.cache.touched_by(request);
        let added = dress(request.headers_mut(), exchange, &self.files);
        let body = take_body(request, &self.options);
        let mut response = self.upstream.send(request, body, &added, exchange.began()).await?;
        exchange.worker_answered();
        stay(response.status())?;
        settle(touched, &response);
        depart(&mut response);
        let file = send_file::resolve(&mut response, &self.files).await?;
        Ok(send_file::with_body(response, file))
    }

    /// Asks the worker for what may be stored, or may be stored already.
    async fn fetch_to_keep(
        &self,
        permit: Permit,
        request: &mut Request<Incoming>,
        wish: &mut Wish,
        exchange: &mut Exchange,
    ) -> Result<Answer, Failure> {
        self.wait_with_page(exchange).await?;
        let request = Arc::new(mem::take(request).into_parts().0);
        let filled = self.fill(permit, request.clone(), exchange).run().await?;
        exchange.worker_answered();
        let (entry, status, file) = match filled {
            Filled::Stored(entry, status, file) => (entry, status, file),
            Filled::Passed(mut response, status) => {
                wish.remember(&request.headers);
                tell(&mut response, &status, exchange);
                represent(&mut response, wish, &self.encode).await;
                return Ok(response.into());
            }
        };
        let file = match (file, entry.body(), entry.origin()) {
            (None, Content::File(_), Some(origin)) => Some(send_file::reopen(origin, &self.files).await?),
            (file, ..) => file,
        };
        exchange.cached(&status);
        exchange.note(|trace| trace.found(&entry));
        // It may have been fetched for long.
        let wanted = Wanted { now: Instant::now(), ..wish.of_stored(&request.headers, exchange) };
        let key = || CacheKey::new(&request.headers, CacheKey::target_of(&request.uri));
        self.serve(&entry, Some(&status), file, &wanted, key)
    }

    /// A fetch on behalf of this request, which may go on without it.
    fn fill(&self, permit: Permit, asked: Arc<Parts>, exchange: &mut Exchange) -> Fill {
        let mut headers = asked.headers.clone();
        let added = dress(&mut headers, exchange, &self.files);
        Fill { upstream: self.upstream.clone(), files: self.files.clone(), permit, asked, headers, added }
    }

    /// While the worker boots, a browser is better told so than left to wait.
    async fn wait_with_page(&self, exchange: &Exchange) -> Result<(), Failure> {
        let shown = exchange.wants_html() && self.upstream.is_booting() && self.page.exists().await;
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

    fn handle(
        &self,
        connection: &Arc<ConnectionInfo>,
        request: &mut Request<Incoming>,
    ) -> impl Future<Output = Reply<Body>> + Send {
        self.answer(connection, request)
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

/// The future's output, or a failure if it panicked: one bad request must not take its connection's others with it. (The
/// panic itself is logged where it happens.)
async fn caught<T>(mut future: Pin<&mut impl Future<Output = Result<T, Failure>>>) -> Result<T, Failure> {
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        polled.unwrap_or(Poll::Ready(Err(Failure::Panic)))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_the_end_of_one_request_only() {
        assert_eq!(caught(pin!(async { Ok(1) })).await.ok(), Some(1));
        let panicking = async {
            tokio::task::yield_now().await;
            panic!("on purpose");
        };
        assert!(matches!(caught::<()>(pin!(panicking)).await, Err(Failure::Panic)));
    }
}
