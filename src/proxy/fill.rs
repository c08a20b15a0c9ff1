//! Asking the worker for what may be stored.

use super::{
    RequestBody,
    body::Source,
    depart::{depart, stay},
    failure::Failure,
    send_file,
};
use crate::message::{Headers, Request, Response, request::Parts, response};
use crate::{
    cache::{Entry, Kept, Origin, Permit, Status},
    files::{self, OpenFile},
    message::conditional,
    upstream::{ResponseBody, Upstream, UpstreamError},
};
use http::{StatusCode, header};
use std::{
    mem::take,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::{sync::oneshot, task::spawn_blocking, time::sleep};

/// A fetch whose client has left, and that nobody can have any longer if it takes longer than this.
const ORPHANED: Duration = Duration::from_secs(30);

type Fetched = ResponseBody;

/// What has become of a fetch.
pub(super) enum Filled {
    /// The answer is this stored response. Its body is that of the file, if there is one and it is open already.
    Stored(Arc<Entry>, Status, Option<OpenFile>),
    /// The answer is the response itself.
    Passed(Response<Source>, Status),
}

impl From<(Arc<Entry>, Status)> for Filled {
    fn from((entry, status): (Arc<Entry>, Status)) -> Self {
        Self::Stored(entry, status, None)
    }
}

impl From<Kept<Fetched>> for Filled {
    fn from(kept: Kept<Fetched>) -> Self {
        match kept {
            Kept::Stored(entry, status) => Self::Stored(entry, status, None),
            Kept::Passed(response, status) => Self::Passed(response.map(Source::from), status),
        }
    }
}

/// One fetch of something that may be stored.
pub(super) struct Fill {
    pub(super) upstream: Upstream,
    pub(super) files: Arc<files::Options>,
    pub(super) permit: Permit,
    /// The request as it came, by which the response is judged.
    pub(super) asked: Arc<Parts>,
    /// The fields that the worker gets.
    pub(super) headers: Headers,
    /// And some more.
    pub(super) added: Vec<u8>,
}

impl Fill {
    /// Fetches. Where others wait for it, in a task of its own: the client that asked first may leave.
    pub(super) async fn run(self) -> Result<Filled, Failure> {
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

    async fn fetch(mut self) -> Result<Filled, Failure> {
        self.look_at_file().await;
        loop {
            let conditional = self.permit.conditional(&self.headers);
            let validates = conditional.is_some();
            let headers = conditional.unwrap_or_else(|| take(&mut self.headers));
            let sent = SystemTime::now();
            let began = Instant::now();
            let mut request = self.request(headers);
            let sending = self.upstream.send(&mut request, RequestBody::default(), &self.added, began);
            let mut response = match sending.await {
                Ok(response) => response,
                Err(error) => {
                    return self.permit.on_error(None).map(Filled::from).ok_or(error.into());
                }
            };
            let has_length = has_length(response.headers(), response.status());
            depart(&mut response);
            if !validates || response.status() != StatusCode::NOT_MODIFIED {
                return self.settle(sent, response, has_length).await;
            }
            response.headers_mut().remove(&self.files.send_file_header.name);
            if self.permit.is_confirmed_by(response.headers()) {
                let renewed = self.permit.renew(&self.asked, sent, response.headers());
                return renewed.map(Filled::from).ok_or(UpstreamError::Malformed.into());
            }
            // Nothing is stored any longer that could be validated: the worker is asked once more at most.
            self.permit.withdraw();
            conditional::ask_for_all(&mut self.headers);
        }
    }

    fn request(&self, headers: Headers) -> Request<()> {
        let mut request = Request::new(());
        *request.uri_mut() = self.asked.uri.clone();
        *request.headers_mut() = headers;
        request
    }

    /// What is stored of a file that is no longer what it was needs no validating.
    async fn look_at_file(&mut self) {
        if let Some(origin) = self.permit.origin()
            && send_file::reopen(origin, &self.files).await.is_err()
        {
            self.permit.withdraw();
        }
    }

    async fn settle(
        self,
        sent: SystemTime,
        mut response: Response<Fetched>,
        has_length: bool,
    ) -> Result<Filled, Failure> {
        stay(response.status())?;
        if is_failure(response.status())
            && let Some(stale) = self.permit.on_error(Some(response.status()))
        {
            return Ok(stale.into());
        }
        match send_file::resolve(&mut response, &self.files).await? {
            Some(file) => Ok(self.keep_file(sent, response.into_parts().0, file).await),
            None => Ok(self.permit.keep(&self.asked, sent, response, has_length).into()),
        }
    }

    /// A small file goes into memory; of a larger one is kept where it is.
    async fn keep_file(self, sent: SystemTime, head: response::Parts, file: OpenFile) -> Filled {
        let named = file.named().clone();
        let stored = match self.permit.judge(&self.asked, sent, &head, Some(named.length)) {
            Ok(stored) => stored,
            Err(reason) => {
                let response = Response::from_parts(head, Source::from(file));
                return Filled::Passed(response, self.permit.decline(reason));
            }
        };
        let mut body = None;
        if let Some(room) = self.permit.room_for(named.length) {
            let file = file.clone();
            let read = spawn_blocking(move || file.read().map(|bytes| room.hold(bytes)));
            body = read.await.ok().and_then(Result::ok);
        }
        let (entry, status) = self.permit.keep_file(stored, body, Origin::new([named], Instant::now()));
        Filled::Stored(entry, status, Some(file))
    }
}

/// Ends when the client has left and the fetch has had its time since.
async fn orphaned(give: &mut oneshot::Sender<Result<Filled, Failure>>) {
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
fn has_length(headers: &Headers, status: StatusCode) -> bool {
    status == StatusCode::NO_CONTENT
        || headers.contains_key(header::CONTENT_LENGTH)
        || headers.contains_key(header::TRANSFER_ENCODING)
}
