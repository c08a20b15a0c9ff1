//! One request and its response, from the first byte to the last, and the record that is kept of them.

use super::{
    body::{Body, Source},
    explain::Trace,
    failure::Failure,
};
use crate::message::{Headers, Request, Response};
use crate::{
    cache::{self, Reason},
    message::{BodyError, ConnectionInfo, Prepared, Refused, Reply, Tunnel, head::has_no_body, request_line},
    observe::{Observe, Record},
    upstream::Switched,
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use http_body::Body as _;
use std::{
    net::IpAddr,
    sync::Arc,
    time::{Instant, SystemTime},
};

/// The context of a request. When it is dropped the exchange is over, and logged: whoever holds it decides when that is.
pub(super) struct Exchange {
    connection: Arc<ConnectionInfo>,
    observe: Arc<Observe>,
    began: Instant,
    record: Record,
    html: Html,
    is_head: bool,
    complete: bool,
    /// What the journey decides, where somebody wants to know.
    trace: Option<Box<Trace>>,
}

/// What the journey comes back with.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) response: Response<Source>,
    /// What of its header lies ready.
    pub(super) prepared: Option<Prepared>,
    /// The worker's side of the connection, where it has switched to another protocol.
    pub(super) switched: Option<Box<Switched>>,
}

impl From<Response<Source>> for Answer {
    fn from(response: Response<Source>) -> Self {
        Self { response, prepared: None, switched: None }
    }
}

impl Answer {
    /// Adds a field, unless there is one of that name.
    pub(super) fn add(&mut self, name: HeaderName, value: &HeaderValue) {
        if self.prepared.as_ref().is_none_or(|prepared| !prepared.fields.headers().contains_key(&name)) {
            self.response.headers_mut().insert_if_absent(name, || value.clone());
        }
    }

    /// With the whole header one field by one.
    pub(super) fn spelled_out(mut self) -> Self {
        if let Some(prepared) = self.prepared.take() {
            prepared.spell_out(|name, value| self.response.headers_mut().append(name, value));
        }
        self
    }
}

/// What the client thinks of HTML.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Html {
    /// It asks for it by name: a browser.
    Wanted,
    /// It takes anything.
    Welcome,
    /// It wants something else.
    Unwelcome,
}

impl Exchange {
    pub(super) fn begin<B: http_body::Body>(
        connection: &Arc<ConnectionInfo>,
        observe: &Arc<Observe>,
        request: &Request<B>,
    ) -> Box<Self> {
        let mut exchange = Self::new(connection, observe, Bytes::new());
        exchange.record.read(request);
        exchange.html = Html::of(request.headers());
        exchange.is_head = request.method() == Method::HEAD;
        exchange
    }

    /// The exchange of a request that could not be read.
    pub(super) fn refused(
        connection: &Arc<ConnectionInfo>,
        observe: &Arc<Observe>,
        refused: &Refused,
    ) -> Box<Self> {
        let (method, target) = request_line::method_and_target(&refused.start);
        let mut exchange = Self::new(connection, observe, Bytes::copy_from_slice(target));
        exchange.record.method = method;
        exchange
    }

    fn new(connection: &Arc<ConnectionInfo>, observe: &Arc<Observe>, line: Bytes) -> Box<Self> {
        Box::new(Self {
            connection: connection.clone(),
            observe: observe.clone(),
            began: Instant::now(),
            record: Record::unread(line, connection.peer, SystemTime::now()),
            html: Html::Unwelcome,
            is_head: false,
            complete: false,
            trace: None,
        })
    }

    pub(super) fn connection(&self) -> &Arc<ConnectionInfo> {
        &self.connection
    }

    /// When the request's header had arrived.
    pub(super) fn started(&self) -> SystemTime {
        self.record.started
    }

    /// Whether the client asks for HTML by name.
    pub(super) fn wants_html(&self) -> bool {
        self.html == Html::Wanted
    }

    /// Whether the client takes HTML.
    pub(super) fn takes_html(&self) -> bool {
        self.html != Html::Unwelcome
    }

    /// When the exchange began, on the clock that never jumps.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// Who asks.
    pub(super) fn identify(&mut self, client: IpAddr) {
        self.record.remote = client;
    }

    /// Who asks: the peer, or the one that a trusted proxy has named.
    pub(super) fn client(&self) -> IpAddr {
        self.record.remote
    }

    /// The name by which the worker knows the request.
    pub(super) fn name(&mut self, request_id: HeaderValue) {
        self.record.request_id = Some(request_id);
    }

    /// What the cache did.
    pub(super) fn cached(&mut self, status: &cache::Status) {
        self.record.cache = status.word();
        self.record.cache_reason = status.reason.map(Reason::name);
        self.note(|trace| trace.cached(status));
    }

    /// A file of the public folder is the answer.
    pub(super) fn public_file(&mut self) {
        self.record.cache = "file";
        self.note(Trace::public_file);
    }

    /// From here on what is decided is written down.
    pub(super) fn explain(&mut self, trace: Trace) {
        self.trace = Some(Box::new(trace));
    }

    /// Writes down what is decided, where somebody wants to know.
    pub(super) fn note(&mut self, note: impl FnOnce(&mut Trace)) {
        if let Some(trace) = &mut self.trace {
            note(trace);
        }
    }

    /// What was written down, where somebody wants to know.
    pub(super) fn take_trace(&mut self) -> Option<Box<Trace>> {
        self.trace.take()
    }

    /// The head of the worker's response is there.
    pub(super) fn worker_answered(&mut self) {
        self.record.upstream = Some(self.began.elapsed());
    }

    pub(super) fn fail(&mut self, failure: &Failure) {
        self.record.reason = Some(failure.reason());
        self.note(|trace| trace.failed(failure));
        failure.report(&self.record);
    }

    /// Joins the response with this exchange, which ends with the response's body, or with the tunnel.
    pub(super) fn finish(mut self: Box<Self>, answer: Answer) -> Reply<Body> {
        self.responded(&answer);
        let Answer { response, prepared, switched } = answer;
        let Some(worker) = switched else {
            let response = response.map(|source| Body::new(source, Some(self)));
            return Reply { response, prepared, tunnel: None };
        };
        self.complete = true;
        // The exchange moves into this, and is over once it was called.
        let ended = Box::new(move |bytes| self.sent(bytes));
        Reply {
            response: response.map(|source| Body::new(source, None)),
            prepared,
            tunnel: Some(Box::new(Tunnel { worker, ended })),
        }
    }

    fn responded(&mut self, Answer { response, prepared, .. }: &Answer) {
        let status = response.status();
        let bodiless = self.is_head || has_no_body(status);
        self.complete = bodiless || response.body().is_end_stream();
        self.record.status = status.as_u16();
        let kind = match prepared {
            Some(prepared) => prepared.fields.kind(),
            None => response.headers().get(header::CONTENT_TYPE),
        };
        self.record.response_type = kind.cloned();
    }

    /// This many more bytes of the response's body were taken.
    pub(super) fn sent(&mut self, bytes: u64) {
        self.record.response_length += bytes;
    }

    pub(super) fn complete(&mut self) {
        self.complete = true;
    }

    pub(super) fn broke_off(&mut self, error: BodyError) {
        self.complete = true;
        self.record.reason = Some(error.reason());
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.record.duration = self.began.elapsed();
        if !self.complete {
            self.record.reason = Some(self.connection.cut.get().copied().unwrap_or("client gone"));
        }
        self.observe.log(&self.record);
    }
}

impl Html {
    fn of(headers: &Headers) -> Self {
        let accept = headers.get(header::ACCEPT).map_or("*/*", |value| value.to_str().unwrap_or(""));
        if accept.contains("text/html") {
            Html::Wanted
        } else if accept.contains("*/*") || accept.contains("text/*") {
            Html::Welcome
        } else {
            Html::Unwelcome
        }
    }
}
