//! Asking the worker for what may be stored.

use super::{
    RequestBody,
    depart::{depart, stay},
    failure::Failure,
};
use crate::{
    cache::{Kept, Permit},
    message::conditional,
    upstream::{ResponseBody, Upstream, UpstreamError},
};
use http::{HeaderMap, Request, Response, StatusCode, header, request::Parts};
use std::{
    mem::take,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{sync::oneshot, time::sleep};

/// A fetch whose client has left, and that nobody can have any longer if it takes longer than this.
const ORPHANED: Duration = Duration::from_secs(30);

type Fetched = ResponseBody<RequestBody>;

/// What has become of a fetch.
pub(super) type Filled = Result<Kept<Fetched>, Failure>;

/// One fetch of something that may be stored.
pub(super) struct Fill {
    pub(super) upstream: Upstream<RequestBody>,
    pub(super) permit: Permit,
    /// The request as it came, by which the response is judged.
    pub(super) asked: Arc<Parts>,
    /// The fields that the worker gets.
    pub(super) headers: HeaderMap,
}

impl Fill {
    /// Fetches. Where others wait for it, in a task of its own: the client that asked first may leave.
    pub(super) async fn run(self) -> Filled {
        if !self.permit.leads() {
            return self.fetch().await;
        }
        let (mut give, taken) = oneshot::channel();
        tokio::spawn(async move {
            tokio::select! {
                biased;
                filled = self.fetch() => drop(give.send(filled)),
                () = orphaned(&mut give) => {}
            }
        });
        taken.await.unwrap_or(Err(Failure::Panic))
    }

    /// Fetches behind the back of a client that is served something stale meanwhile.
    pub(super) fn run_behind(mut self) {
        // That client has its answer; what is fetched is for everybody.
        conditional::ask_for_all(&mut self.headers);
        tokio::spawn(async move {
            tokio::select! {
                biased;
                filled = self.fetch() => if let Err(failure) = filled {
                    tracing::debug!(reason = failure.reason(), "not validated");
                },
                () = sleep(ORPHANED) => {}
            }
        });
    }

    async fn fetch(mut self) -> Filled {
        loop {
            let conditional = self.permit.conditional(&self.headers);
            let validates = conditional.is_some();
            let headers = conditional.unwrap_or_else(|| take(&mut self.headers));
            let sent = SystemTime::now();
            let response = match self.upstream.send(self.request(headers)).await {
                Ok(response) => response,
                Err(error) => {
                    let stale = self.permit.on_error(None).map(|(entry, status)| Kept::Stored(entry, status));
                    return stale.ok_or(error.into());
                }
            };
            let has_length = has_length(response.headers(), response.status());
            let response = depart(response);
            if !validates || response.status() != StatusCode::NOT_MODIFIED {
                return self.settle(sent, response, has_length);
            }
            if self.permit.is_confirmed_by(response.headers()) {
                let renewed = self.permit.renew(&self.asked, sent, response.headers());
                let renewed = renewed.map(|(entry, status)| Kept::Stored(entry, status));
                return renewed.ok_or(UpstreamError::Malformed.into());
            }
            // Nothing is stored any longer that could be validated: the worker is asked once more at most.
            self.permit.withdraw();
            conditional::ask_for_all(&mut self.headers);
        }
    }

    fn request(&self, headers: HeaderMap) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::default());
        *request.uri_mut() = self.asked.uri.clone();
        *request.headers_mut() = headers;
        request
    }

    fn settle(self, sent: SystemTime, response: Response<Fetched>, has_length: bool) -> Filled {
        let response = stay(response)?;
        if is_failure(response.status())
            && let Some((entry, status)) = self.permit.on_error(Some(response.status()))
        {
            return Ok(Kept::Stored(entry, status));
        }
        Ok(self.permit.keep(&self.asked, sent, response, has_length))
    }
}

/// Ends when the client has left and the fetch has had its time since.
async fn orphaned(give: &mut oneshot::Sender<Filled>) {
    give.closed().await;
    sleep(ORPHANED).await;
}

/// Statuses that `stale-if-error` is for (RFC 5861 §4).
fn is_failure(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// Whether the end of the body can be told from its breaking off; one that ends with the connection may be half of it
/// (RFC 9112 §8).
fn has_length(headers: &HeaderMap, status: StatusCode) -> bool {
    status == StatusCode::NO_CONTENT
        || headers.contains_key(header::CONTENT_LENGTH)
        || headers.contains_key(header::TRANSFER_ENCODING)
}
