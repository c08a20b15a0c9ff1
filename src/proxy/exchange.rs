//! One request and its response, from the first byte to the last, and the record that is kept of them.

use super::{
    body::{Body, Source},
    failure::Failure,
};
use crate::{
    message::{BodyError, ConnectionInfo, Refused, Reply, request_line},
    observe::{Observe, Record},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
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
    record: Option<Record>,
    html: Html,
    is_head: bool,
    /// Bytes of the response's body that are still to be sent, where that is known.
    left: Option<u64>,
    complete: bool,
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
    ) -> Self {
        let record = Record::new(request, connection.peer, SystemTime::now());
        let html = Html::of(request.headers());
        Self::new(connection, observe, record, html, request.method() == Method::HEAD)
    }

    /// The exchange of a request that could not be read.
    pub(super) fn refused(
        connection: &Arc<ConnectionInfo>,
        observe: &Arc<Observe>,
        refused: &Refused,
    ) -> Self {
        let (method, target) = request_line::method_and_target(&refused.start);
        let mut record = Record::unread(Bytes::copy_from_slice(target), connection.peer, SystemTime::now());
        record.method = method;
        Self::new(connection, observe, record, Html::Unwelcome, false)
    }

    fn new(
        connection: &Arc<ConnectionInfo>,
        observe: &Arc<Observe>,
        record: Record,
        html: Html,
        is_head: bool,
    ) -> Self {
        Self {
            connection: connection.clone(),
            observe: observe.clone(),
            began: Instant::now(),
            record: Some(record),
            html,
            is_head,
            left: None,
            complete: false,
        }
    }

    pub(super) fn connection(&self) -> &Arc<ConnectionInfo> {
        &self.connection
    }

    /// When the request's header had arrived.
    pub(super) fn started(&self) -> SystemTime {
        self.record.as_ref().map_or(SystemTime::UNIX_EPOCH, |record| record.started)
    }

    /// Whether the client asks for HTML by name.
    pub(super) fn wants_html(&self) -> bool {
        self.html == Html::Wanted
    }

    /// Whether the client takes HTML.
    pub(super) fn takes_html(&self) -> bool {
        self.html != Html::Unwelcome
    }

    /// Who asks, and the request's name.
    pub(super) fn identify(&mut self, client: IpAddr, request_id: HeaderValue) {
        if let Some(record) = &mut self.record {
            record.remote = client;
            record.request_id = Some(request_id);
        }
    }

    /// The head of the worker's response is there.
    pub(super) fn worker_answered(&mut self) {
        let upstream = self.began.elapsed();
        if let Some(record) = &mut self.record {
            record.upstream = Some(upstream);
        }
    }

    pub(super) fn fail(&mut self, failure: &Failure) {
        if let Some(record) = &mut self.record {
            record.reason = Some(failure.reason());
        }
        failure.report(self.record.as_ref());
    }

    /// Joins the response with this exchange, which ends with the response's body.
    pub(super) fn finish(mut self, reply: Reply<Source>) -> Reply<Body> {
        let Reply { response, tunnel } = reply;
        self.responded(&response);
        let exchange = tunnel.is_none().then(|| Box::new(self));
        Reply { response: response.map(|source| Body::new(source, exchange)), tunnel }
    }

    fn responded(&mut self, response: &Response<Source>) {
        let status = response.status();
        let bodiless = self.is_head || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
        self.complete = bodiless || response.body().is_end_stream();
        self.left = response.body().size_hint().exact();
        if let Some(record) = &mut self.record {
            record.status = status.as_u16();
            record.response_type = response.headers().get(header::CONTENT_TYPE).cloned();
        }
    }

    /// Goes on as a tunnel: the record moves into what is called when the tunnel ends, with the bytes sent to the client.
    pub(super) fn take_over(&mut self) -> impl FnOnce(u64) + Send + use<> {
        let mut exchange = Self {
            connection: self.connection.clone(),
            observe: self.observe.clone(),
            began: self.began,
            record: self.record.take(),
            html: self.html,
            is_head: false,
            left: None,
            complete: true,
        };
        if let Some(record) = &mut exchange.record {
            record.status = StatusCode::SWITCHING_PROTOCOLS.as_u16();
        }
        move |sent| {
            if let Some(record) = &mut exchange.record {
                record.response_length = sent;
            }
        }
    }

    /// This many more bytes of the response's body were taken.
    pub(super) fn sent(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        if let Some(record) = &mut self.record {
            record.response_length += bytes;
        }
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(bytes);
            self.complete |= *left == 0;
        }
    }

    pub(super) fn complete(&mut self) {
        self.complete = true;
    }

    pub(super) fn broke_off(&mut self, error: BodyError) {
        self.complete = true;
        if let Some(record) = &mut self.record {
            record.reason = Some(error.reason());
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let Some(mut record) = self.record.take() else { return };
        record.duration = self.began.elapsed();
        if !self.complete {
            record.reason = Some(self.connection.cut.get().copied().unwrap_or("client gone"));
        }
        self.observe.log(&record);
    }
}

impl Html {
    fn of(headers: &HeaderMap) -> Self {
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
